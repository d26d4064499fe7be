# SPDX-License-Identifier: Apache-2.0
"""The page of one participant, and its private copy with the pictures before defacing.

The public page has relative links to public figures and shows no picture of an image that failed.
The private copy has all pictures inside itself, so that it stays whole wherever it is moved.
"""

import base64
from dataclasses import dataclass
from pathlib import Path

import facebids
from facebids.bids import citation, names, records
from facebids.bids.columns import COLUMNS, SECTIONS, VERDICTS, Metric
from facebids.bids.names import HeadImage
from facebids.bids.records import Record
from facebids.filesystem import write_text_atomic
from facebids.reports import render

FIGURES = {
    'renders': 'Renders of the head',
    'slices': 'Slices, with the outline of the mask',
}


NOTES = {
    'renders': 'Ten random views, then the frontal one, from half the side, from the side and '
    'from above. Where a box is, the detector saw something like a face; whether it is that of '
    'the person is told by the distances below.',
    'slices': 'In the air around the head too: faces wrap around, and noise must not tell where '
    'the skin was.',
}


@dataclass(frozen=True)
class Figure:
    """A figure: its title, how to read it, and the address of each picture in it, by caption."""

    title: str
    note: str
    pictures: dict[str, str]


@dataclass(frozen=True)
class ImageSection:
    """What the page says of one image."""

    record: Record
    figures: list[Figure]
    metrics: list[tuple[Metric, object]]
    views: list[tuple[str, bool | None, bool | None]]


def write_pages(output_dir: str | Path, private_dir: str | Path, participant: str) -> None:
    """Write the public page of a participant and its private copy.

    Parameters
    ----------
    output_dir
        Folder of the derivative dataset, whose metrics and figures the page shows.
    private_dir
        Folder with the pictures of the faces.
    participant
        Label without ``sub-``.
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
            headings=SECTIONS,
            methods=citation.paragraphs(),
            references=citation.REFERENCES,
            version=facebids.__version__,
        )
        folder = Path(private_dir if private else output_dir)
        write_text_atomic(folder / names.page(participant), text)


def make_section(record: Record, output_dir: Path, private_dir: Path | None) -> ImageSection:
    """Return what a page says of one image.

    Parameters
    ----------
    record
        The record of the image.
    output_dir
        Folder of the derivative dataset.
    private_dir
        Folder of the pictures before defacing; None makes the section of the public page.
    """
    image = HeadImage.from_relative_path(record['image'])
    if private_dir:
        figures = [_private_figure(image, kind, output_dir, private_dir) for kind in FIGURES]
    elif record['verdict'] == 'fail':
        figures = []
    else:
        figures = [_public_figure(image, kind, output_dir) for kind in FIGURES]
    flat = records.row(record)
    shown = [
        (records.describe(name), flat.get(name))
        for name in records.columns([flat])
        if _is_metric(name)
    ]
    sections = list(SECTIONS)
    named = (record['identifiability'] or {}).get('named') or {}
    return ImageSection(
        record=record,
        figures=[figure for figure in figures if figure.pictures],
        metrics=sorted(shown, key=lambda item: sections.index(item[0].section)),
        views=[(view, seen.get('before'), seen.get('after')) for view, seen in named.items()],
    )


def _is_metric(column: str) -> bool:
    return column not in COLUMNS and not column.startswith('named_')


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
