# SPDX-License-Identifier: Apache-2.0
"""Which files of a dataset may leave, decided from names and records alone.

Nothing leaves by default that may show a face: an image is released defaced and with the verdict
*pass*, or because a person has accepted a *review* by name. All else is excluded by name, or the
release is refused.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from facebids.bids import suffixes
from facebids.core.record import Record
from facebids.errors import UsageError

COPY, REPLACE, EXCLUDE, REFUSE = 'copy', 'replace', 'exclude', 'refuse'
ACCEPT_COLUMNS = ('participant_id', 'image', 'decided_by', 'reason')
NIFTI = re.compile(r'\.nii(\.gz)?$', re.IGNORECASE)
NO_IMAGE = 'spectra, which are no image'
NOT_EXAMINED = 'an echo-planar image, which hardly shows a face; it was not examined'
MASKS = ('defacemask',)  # of images that arrive defaced
NO_FACES = ('micr',)  # data types whose pictures are of tissue


@dataclass(frozen=True)
class Accepted:
    """A person's decision on an image whose verdict is *review*."""

    participant_id: str
    image: str
    decided_by: str
    reason: str


@dataclass(frozen=True)
class Decision:
    """What becomes of one file that may show a face.

    Attributes
    ----------
    path
        POSIX path relative to the dataset.
    action
        `COPY`: as it is; `REPLACE`: by the defaced image; `EXCLUDE`; `REFUSE`: nothing leaves
        while it is there.
    reason
        Why, in words.
    record
        Record of the image, None where the participant level never saw it.
    accepted
        The decision of a person that it rests on.
    """

    path: str
    action: str
    reason: str
    record: Record | None = None
    accepted: Accepted | None = None


@dataclass(frozen=True)
class Wishes:
    """What the user said about single images.

    Attributes
    ----------
    accepted
        Decisions on reviews, by image.
    excluded
        Files to leave out, by their path.
    exclude_failed
        Leave out whatever may not be released among the images that were examined.
    """

    accepted: Mapping[str, Accepted]
    excluded: frozenset[str] = frozenset()
    exclude_failed: bool = False


def suffix_of(path: str) -> str:
    """Return the suffix of an image, ``'T1w'``."""
    return NIFTI.sub('', PurePosixPath(path).name).rpartition('_')[2]


def may_show_face(path: str) -> bool:
    """Return whether a file is one that has to be decided on, by its name alone.

    Beside the images of participants that is whatever is not known to show no face; elsewhere it
    is what is known to be able to.

    Parameters
    ----------
    path
        POSIX path relative to the dataset.
    """
    lowered = path.lower()
    if NIFTI.search(lowered):
        return True
    for ending in suffixes.COMPRESSED:
        lowered = lowered.removesuffix(ending)
    of_participant = path.startswith('sub-')
    if lowered.endswith(suffixes.PICTURES):  # others are stimuli, or of the documentation
        return of_participant and PurePosixPath(path).parent.name not in NO_FACES
    if lowered.endswith((*suffixes.NIFTI, *suffixes.OTHER_FORMATS)):
        return True
    folders = PurePosixPath(path).parts[1:-1]  # of sessions and data types, and below
    recorded = any(folder in suffixes.RECORDINGS for folder in folders[:2])
    return of_participant and not recorded and not lowered.endswith(suffixes.FACELESS)


def decide(
    paths: Iterable[str], records: Iterable[Record], wishes: Wishes
) -> tuple[Decision, ...]:
    """Decide on every file that may show a face.

    Parameters
    ----------
    paths
        Files of the dataset, relative to it; those that show no face are skipped, unless they are
        to be left out by name.
    records
        Records of the participant level.
    wishes
        What the user said.

    Raises
    ------
    UsageError
        If a wish names a file that is not there, or accepts what cannot be accepted.
    """
    paths, known = list(paths), {record.image: record for record in records}
    _check_wishes(paths, known, wishes)
    return tuple(
        _decide(path, known.get(path), wishes)
        for path in paths
        if may_show_face(path) or path in wishes.excluded
    )


def _decide(path: str, record: Record | None, wishes: Wishes) -> Decision:
    if path in wishes.excluded:
        return Decision(path, EXCLUDE, 'left out by name', record)
    if record is None:
        return _decide_unseen(path)
    verdict = record.verdict
    codes = ', '.join(record.codes)
    if verdict == 'pass' and record.provenance:
        return Decision(path, REPLACE, 'verdict pass', record)
    if verdict == 'pass':
        reason = 'it was examined by a version that kept no hashes; run the participant level anew'
        return Decision(path, REFUSE, reason, record)
    accepted = wishes.accepted.get(path)
    if verdict == 'review' and accepted and record.provenance:
        reason = f'verdict review ({codes}), accepted by {accepted.decided_by}: {accepted.reason}'
        return Decision(path, REPLACE, reason, record, accepted)
    if wishes.exclude_failed:
        return Decision(path, EXCLUDE, f'verdict {verdict} ({codes})', record)
    remedy = 'decide with --accept FILE or --exclude-failed'
    if verdict == 'fail':
        remedy = 'leave it out with --exclude-failed'
    return Decision(path, REFUSE, f'verdict {verdict} ({codes}); {remedy}', record)


def _decide_unseen(path: str) -> Decision:
    suffix = suffix_of(path)
    datatype = PurePosixPath(path).parent.name
    if not NIFTI.search(path):
        reason = 'it may show a face and cannot be examined; leave it out by name'
    elif suffix in MASKS:
        return Decision(path, COPY, 'the mask of an earlier defacing')
    elif suffix in suffixes.SPECTRA.get(datatype, ()):
        return Decision(path, COPY, NO_IMAGE)
    elif suffix in suffixes.HARDLY_SHOW_FACES.get(datatype, ()):
        return Decision(path, COPY, NOT_EXAMINED)
    elif suffix in suffixes.HEADS.get(datatype, ()) and path.endswith(suffixes.NIFTI):
        option = f' with --include {datatype}' if datatype in suffixes.ON_REQUEST else ''
        reason = (
            f'the participant level never saw it; run that{option} for it, or leave it out by name'
        )
    else:
        reason = (
            'its name is not that of an image that can be examined; rename it, or leave it out '
            'by name'
        )
    return Decision(path, REFUSE, f'{reason} (--exclude-failed {path})')


def _check_wishes(paths: list[str], known: dict[str, Record], wishes: Wishes) -> None:
    there = set(paths)
    if unknown := sorted(wishes.excluded - there):
        raise UsageError(
            f'--exclude-failed: there is no {unknown[0]} in the dataset. Write paths as they '
            'are relative to it: sub-01/anat/sub-01_T1w.nii.gz.'
        )
    for image, accepted in wishes.accepted.items():
        record = known.get(image)
        verdict = record.verdict if record else 'no verdict'
        if image not in there or verdict not in ('review', 'pass'):
            raise UsageError(
                f'--accept: {image} has {verdict}; only a review can be accepted. '
                'Take its row out of the file.'
            )
        if record and accepted.participant_id != record.participant_id:
            raise UsageError(
                f'--accept: {image} is not of {accepted.participant_id}. Correct its row.'
            )


def read_accepted(path: Path) -> dict[str, Accepted]:
    """Read the decisions of people on images whose verdict is *review*.

    Parameters
    ----------
    path
        A table of tab-separated values with the columns `ACCEPT_COLUMNS`, none of them empty.

    Returns
    -------
    dict
        By image.

    Raises
    ------
    UsageError
        If the table cannot be read, lacks a column or a value, or decides twice on an image.
    """
    columns = ', '.join(ACCEPT_COLUMNS)
    try:
        text = Path(path).read_text(encoding='utf-8-sig')
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f'--accept {path}: it cannot be read ({error}).') from error
    try:
        rows = list(csv.DictReader(io.StringIO(text), delimiter='\t', strict=True))
    except csv.Error as error:
        raise UsageError(f'--accept {path}: this is no table ({error}).') from error
    found: dict[str, Accepted] = {}
    for number, row in enumerate(rows, 2):
        if _is_empty(row):
            continue
        values = [' '.join((row.get(name) or '').split()) for name in ACCEPT_COLUMNS]
        if not all(value and value != 'n/a' for value in values):
            raise UsageError(
                f'--accept {path}, line {number}: {columns} have to be there, separated by tabs.'
            )
        accepted = Accepted(*values)
        if accepted.image in found:
            raise UsageError(f'--accept {path}, line {number}: {accepted.image} stands twice.')
        found[accepted.image] = accepted
    return found


def _is_empty(row: dict[str, Any]) -> bool:
    """Return whether a row is one that spreadsheets leave at the end: of tabs alone."""
    return not any(isinstance(cell, str) and cell.strip() for cell in row.values())
