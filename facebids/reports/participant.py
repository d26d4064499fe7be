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
from facebids.config import Settings
from facebids.core.metrics import SECTIONS, Metric, values
from facebids.core.modes import MODES
from facebids.core.record import VERDICTS, Record
from facebids.core.thresholds import SEEN, limit
from facebids.core.verdict import Criterion
from facebids.filesystem import write_text_atomic
from facebids.reports import about, allowed, render, tables
from facebids.reports.criteria import ordered, value
from facebids.reports.cut import Spoiled, spoiled_by, where
from facebids.version import __version__

FIGURES = {
    'renders': 'Renders of the head',
    'slices': 'Slices and alignment',
}
NOTES = {
    'renders': 'The named views large, the random ones small. A box marks something face-like: '
    'detectors see faces in cut heads, too. The strength of evidence tells whether it is the face '
    'of this person.',
    'slices': 'Red: outline of the mask; tissue inside it is tinted. Yellow: brain of the atlas. '
    'Blue, in the last row: skin of the atlas. Compare the yellow outline with the brain, and the '
    'blue one with the top and the back of the head, as the face is gone after defacing: where '
    'they do not fit, the mask does not either. L is the left of the person. The mask includes '
    'air around the head, because faces wrap around and because the noise must not reveal the '
    'position of the skin.',
}
OUTCOMES = {'pass': 'met', 'note': 'noted', 'review': 'to review', 'fail': 'not met'}
ARROWS = {'lower': '\N{DOWNWARDS ARROW}', 'higher': '\N{UPWARDS ARROW}', None: ''}


@dataclass(frozen=True)
class Figure:
    """Title, explanation and pictures (addresses by caption) of a figure."""

    title: str
    note: str
    pictures: dict[str, str]


@dataclass(frozen=True)
class Group:
    """Numbers of one section of a record that were measured, with their limits in words."""

    heading: str
    rows: list[tuple[Metric, object, str]]


@dataclass(frozen=True)
class ImageSection:
    """Section of the report on one image."""

    record: Record
    figures: list[Figure]
    summary: list[str]
    criteria: tuple[Criterion, ...]
    cut: list[str]
    spoiled: list[Spoiled]
    groups: list[Group]
    views: list[tuple[str, bool | None, bool | None]]


def write_pages(
    output_dir: str | Path,
    private_dir: str | Path,
    participant: str,
    settings: Settings | None = None,
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
    settings
        Settings of the run, or None if they are not known.
    used
        What the steps of all images used; the pages show those of the participant.
    """
    found = records.read_all(output_dir, [participant])
    modes = [record.mode for record in found if record.mode]
    files = Path(output_dir).glob(names.metrics_glob(participant))
    made = about.rows(settings, found, files)
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
            outcomes=OUTCOMES,
            arrows=ARROWS,
            allowed=allowed,
            value_of=value,
            percent=tables.percent,
            strength=tables.strength,
            group_page=names.GROUP_PAGE,
            made=made,
            methods=citation.paragraphs(modes),
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
    named = record.identifiability.named if record.identifiability else {}
    met = ordered(record) if record.registration else ()
    replaced = None if record.passed_on or (record.mask and record.mask.no_face) else record.mask
    return ImageSection(
        record=record,
        figures=[figure for figure in figures if figure.pictures],
        summary=summary(record),
        criteria=met,
        cut=where(replaced) if replaced else [],
        spoiled=spoiled_by(replaced) if replaced else [],
        groups=_groups(record, met),
        views=[(view, seen.before, seen.after) for view, seen in named.items()],
    )


def summary(record: Record) -> list[str]:
    """Return sentences on what was done to an image, and on the evidence that its verdict has."""
    sentences = []
    mode = MODES.get(record.mode or '')
    if mode and not (record.mask and record.mask.no_face):
        sentences.append(f'The face was replaced {mode.help}.')
        if not mode.face_gone:
            sentences.append(
                'A face in the pictures is that of nobody: a detector is expected to find it.'
            )
    found = record.identifiability
    if found and found.log10_lr is not None and not record.passed_on:
        limit_ = limit('person_recognised_after')
        sentences.append(
            f'Strength of the evidence that the defaced head shows this person: '
            f'{tables.strength_in_words(found)}, {allowed(limit_)} to '
            'pass. It is a log10 likelihood '
            'ratio: below 0 the head is nearer to strangers, at 1 what is seen is 10 times more '
            'probable if it shows the person.'
        )
        if found.log10_lr_before is not None:
            sentences.append(
                f'A rescan before defacing has {found.log10_lr_before:.2f}: '
                + (
                    'the attack tells this face from others.'
                    if found.log10_lr_before >= SEEN
                    else 'too little for the attack to tell this face from others.'
                )
            )
    return sentences


def _groups(record: Record, met: Sequence[Criterion]) -> list[Group]:
    """Return the numbers that were measured, by section; named views have a table of their own."""
    limits = {item.metric: allowed(item.limits[0]) for item in met}
    known = [
        (metric, value)
        for metric, value in values(record).items()
        if value is not None and not metric.column.startswith('named_')
    ]
    groups = [
        Group(heading, [(m, v, limits.get(m, '')) for m, v in known if m.section == section])
        for section, (_, heading) in SECTIONS.items()
    ]
    return [group for group in groups if group.rows]


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
