# SPDX-License-Identifier: Apache-2.0
"""Report of one participant, and its private copy with the figures before defacing.

The public report links to the public figures and shows no figure of an image that failed. The
private copy embeds all figures, so it can be moved as a single file.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facebids.bids import citation, names, records
from facebids.bids.names import HeadImage
from facebids.bids.usage import Usage
from facebids.core.metrics import SECTIONS, Metric, values
from facebids.core.record import VERDICTS, Record
from facebids.filesystem import write_text_atomic
from facebids.reports import render
from facebids.version import __version__

FIGURES = {
    'renders': 'Renders of the head',
    'slices': 'Slices, with the outline of the mask',
}


NOTES = {
    'renders': 'Ten random views, followed by the frontal, half side, side and top views. A box '
    'marks a region that the detector takes for a face. The distances below show whether it is '
    'the face of the participant.',
    'slices': 'The mask includes air around the head, because faces wrap around and because the '
    'noise must not reveal the position of the skin.',
}


@dataclass(frozen=True)
class Figure:
    """Title, explanation and pictures (addresses by caption) of a figure."""

    title: str
    note: str
    pictures: dict[str, str]


@dataclass(frozen=True)
class ImageSection:
    """Section of the report on one image."""

    record: Record
    figures: list[Figure]
    metrics: Sequence[tuple[Metric, object]]
    views: list[tuple[str, bool | None, bool | None]]


def write_pages(
    output_dir: str | Path,
    private_dir: str | Path,
    participant: str,
    used: Sequence[Usage] = (),
) -> None:
    """Write the public report of a participant and its private copy.

    Parameters
    ----------
    output_dir
        Folder of the derivative dataset, whose metrics and figures the report shows.
    private_dir
        Folder with the figures that show faces.
    participant
        Label without ``sub-``.
    used
        What the steps of all images used; the pages show those of the participant.
    """
    found = records.read_all(output_dir, [participant])
    for private in (False, True):
        sections = [
            make_section(record, Path(output_dir), Path(private_dir) if private else None)
            for record in found
        ]
        text = render(
            'participant.html.j2',
            title=f'sub-{participant}',
            private=private,
            sections=sections,
            verdicts=VERDICTS,
            usage=usage_of([record.image for record in found], used),
            headings={section: heading for section, (_, heading) in SECTIONS.items()},
            methods=citation.paragraphs(),
            references=citation.REFERENCES,
            version=__version__,
        )
        folder = Path(private_dir if private else output_dir)
        write_text_atomic(folder / names.page(participant), text)


def usage_of(images: Sequence[str], used: Sequence[Usage]) -> dict[str, list[Usage]]:
    """Return what the steps of each image used, in the order in which they started."""
    by_time = sorted(used, key=lambda item: item.started)
    steps = {image: [item for item in by_time if item.image == image] for image in images}
    return {image: items for image, items in steps.items() if items}


def make_section(record: Record, output_dir: Path, private_dir: Path | None) -> ImageSection:
    """Return the section of the report on one image.

    Parameters
    ----------
    record
        The record of the image.
    output_dir
        Folder of the derivative dataset.
    private_dir
        Folder of the figures before defacing; None returns the section of the public report.
    """
    image = HeadImage.from_relative_path(record.image)
    if private_dir:
        figures = [_private_figure(image, kind, output_dir, private_dir) for kind in FIGURES]
    elif record.verdict == 'fail':
        figures = []
    else:
        figures = [_public_figure(image, kind, output_dir) for kind in FIGURES]
    shown = [item for item in values(record).items() if not item[0].column.startswith('named_')]
    named = record.identifiability.named if record.identifiability else {}
    return ImageSection(
        record=record,
        figures=[figure for figure in figures if figure.pictures],
        metrics=shown,
        views=[(view, seen.before, seen.after) for view, seen in named.items()],
    )


def _public_figure(image: HeadImage, kind: str, output_dir: Path) -> Figure:
    name = names.figure(image, kind)
    pictures = {'after': name} if (output_dir / name).is_file() else {}
    return Figure(FIGURES[kind], NOTES[kind], pictures)


def _private_figure(image: HeadImage, kind: str, output_dir: Path, private_dir: Path) -> Figure:
    name = names.figure(image, kind)
    candidates = {
        'before': [private_dir / names.private_figure(image, kind)],
        'after': [output_dir / name, private_dir / names.withheld(name)],
    }
    pictures = {
        caption: _embedded(path)
        for caption, paths in candidates.items()
        for path in paths
        if path.is_file()
    }
    return Figure(FIGURES[kind], NOTES[kind], pictures)


def _embedded(path: Path) -> str:
    return 'data:image/png;base64,' + base64.b64encode(path.read_bytes()).decode()
