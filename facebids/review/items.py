# SPDX-License-Identifier: Apache-2.0
"""The images that a person looks at, those with doubts first."""

import math
from dataclasses import dataclass
from pathlib import Path

from facebids.bids import names, records
from facebids.bids.names import HeadImage
from facebids.core.record import Record
from facebids.errors import NoImagesError
from facebids.reports import allowed
from facebids.reports.criteria import ordered, value

FIGURES = ('renders', 'slices')


@dataclass(frozen=True)
class Item:
    """An image to look at.

    Attributes
    ----------
    image, participant_id, verdict
        As in its record.
    sha256
        Digest of the defaced image: a decision is on these voxels.
    reasons
        Why it has its verdict, in sentences.
    criteria
        Label, value, limit and outcome of each number that its verdict rests on.
    figures
        Files with its pictures, relative to the output folder, by kind.
    """

    image: str
    participant_id: str
    verdict: str
    sha256: str
    reasons: tuple[str, ...]
    criteria: tuple[tuple[str, str, str, str], ...]
    figures: dict[str, str]


def collect(output_dir: Path) -> tuple[Item, ...]:
    """Return the images of an output folder that were not withheld, those with doubts first.

    Images with the verdict *review* come first, then those whose evidence is the nearest to its
    limit.

    Raises
    ------
    NoImagesError
        If there is none.
    DatasetError
        If a metrics file cannot be read.
    """
    found = [record for record in records.read_all(output_dir) if _is_shown(output_dir, record)]
    if not found:
        raise NoImagesError(
            f'{output_dir}: no image to look at. Give the output folder of the participant level; '
            'images with the verdict fail are withheld.'
        )
    return tuple(_item(output_dir, record) for record in sorted(found, key=_certainty))


def _is_shown(output_dir: Path, record: Record) -> bool:
    image = HeadImage.from_relative_path(record.image)
    return record.verdict != 'fail' and (output_dir / names.defaced(image)).is_file()


def _certainty(record: Record) -> tuple[bool, float, str]:
    """Sort by verdict, then by evidence; what was not measured is in doubt."""
    high = record.identifiability.log10_lr_high if record.identifiability else None
    return record.verdict == 'pass', -math.inf if high is None else -high, record.image


def _item(output_dir: Path, record: Record) -> Item:
    image = HeadImage.from_relative_path(record.image)
    figures = {kind: names.figure(image, kind) for kind in FIGURES}
    return Item(
        image=record.image,
        participant_id=record.participant_id,
        verdict=record.verdict,
        sha256=record.provenance.defaced_sha256 if record.provenance else '',
        reasons=tuple(reason.message for reason in record.reasons),
        criteria=tuple(
            (
                item.metric.label,
                value(item, record),
                allowed(item.limits[0]),
                item.outcome,
            )
            for item in ordered(record)
        ),
        figures={kind: name for kind, name in figures.items() if (output_dir / name).is_file()},
    )
