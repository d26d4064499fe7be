# SPDX-License-Identifier: Apache-2.0
"""The page of the dataset: re-identification, each image before and after, effects on analyses."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facebids.bids import citation, names
from facebids.bids.names import HeadImage
from facebids.config import Settings
from facebids.core.coverage import REPLACED
from facebids.core.metrics import Metric, metric_of
from facebids.core.record import TISSUES, VERDICTS, Record, Verdict
from facebids.filesystem import write_text_atomic
from facebids.reports import about, comparisons, curves, render, tables
from facebids.studies.results import Results, of_enough_people, too_few
from facebids.version import __version__
from facebids.words import counted

MOST_ROWS = 1000  # images in a table: more make a page of megabytes, which nobody reads


@dataclass(frozen=True)
class Answer:
    """Whether the dataset may leave: a verdict, a sentence, and what to do."""

    verdict: Verdict
    sentence: str
    remedies: tuple[str, ...]


def write_page(
    output_dir: str | Path,
    found: Sequence[Record],
    results: Results | None = None,
    settings: Settings | None = None,
    objections: Sequence[str] = (),
) -> None:
    """Write the page of all images.

    Parameters
    ----------
    output_dir
        Folder of the derivative dataset.
    found
        Records of all images.
    results
        Results of the comparisons between participants.
    settings
        Settings of the run, or None if they are not known.
    objections
        A sentence for each comparison that recognises defaced participants.
    """
    results = results or Results()
    few = too_few(results)
    results = of_enough_people(results)
    urgent = sorted(found, key=lambda record: tuple(VERDICTS).index(record.verdict), reverse=True)
    to_look_at = [record for record in urgent[:MOST_ROWS] if record.verdict != 'pass']
    # in the order of the images as long as all are shown
    shown = found if len(found) <= MOST_ROWS else urgent[:MOST_ROWS]
    files = Path(output_dir).glob(names.metrics_glob('*'))
    modes = [record.mode for record in found if record.mode]
    people = len({record.participant_id for record in found})
    counts: Counter[str] = Counter(record.verdict for record in found)
    text = render(
        'group.html.j2',
        title='All images',
        records=shown,
        images=len(found),
        table=names.GROUP_TABLE,
        counts={verdict: counts.get(verdict, 0) for verdict in VERDICTS},
        verdicts=VERDICTS,
        replaced=REPLACED,
        no_plots=no_plots(people),
        plots=[_faces(found), _distances(found)],
        changed=_changed(found),
        volumes=_volumes(found),
        pages=_pages(found),
        pictures=_pictures(Path(output_dir), to_look_at),
        to_look_at=to_look_at,
        doubtful=sum(record.verdict != 'pass' for record in found),
        answer=answer(found, objections, few),
        few=few,
        headline=comparisons.headline(results),
        participants=people,
        made=about.rows(settings, found, files),
        methods=citation.paragraphs(modes),
        references=citation.REFERENCES,
        version=__version__,
        results=results,
        caption=curves.caption,
        rate=tables.rate,
        interval=tables.interval,
        figure=tables.figure,
        percent=tables.percent,
        strength=tables.strength,
        blocks=comparisons.blocks(results),
        larger=tables.larger(results),
        linkage=tables.linkage(results),
        studies=tables.studies(results),
    )
    write_text_atomic(Path(output_dir) / names.GROUP_PAGE, text)


def answer(found: Sequence[Record], objections: Sequence[str], few: str | None) -> Answer:
    """Answer whether the dataset may leave, as far as the images tell.

    Parameters
    ----------
    found
        Records of all images.
    objections
        A sentence for each comparison that recognises defaced participants.
    few
        Why identification rates are not shown, or None.
    """
    failed, doubtful = (
        sum(record.verdict == verdict for record in found) for verdict in ('fail', 'review')
    )
    remedies = list(objections)
    if failed:
        remedies.append(
            f'{counted(failed, "image is", "images are")} withheld. Read the reasons below, '
            'deface again, or leave them out with --exclude-failed.'
        )
    if doubtful:
        remedies.append(
            f'{counted(doubtful, "image is", "images are")} to be looked at by a person. '
            'facebids-review shows them and writes the table for --accept.'
        )
    if objections:
        sentence = 'No: after defacing, participants are recognised more often than by chance.'
        return Answer('fail', sentence, tuple(remedies))
    if failed or doubtful:
        sentence = 'Not as it is.' if failed else 'Not yet.'
        return Answer('fail' if failed else 'review', sentence, tuple(remedies))
    people = 'Each image passed by itself' if few else 'Each image passed, and so did the cohort'
    return Answer('pass', f'Yes, as far as these attacks can tell. {people}.', ())


def no_plots(people: int) -> str | None:
    """Return why there are no plots of images, or None if there are participants enough."""
    if people > 1:
        return None
    return (
        'There are no plots of a single participant: they show how images differ between '
        'participants. The page of the participant has all numbers.'
    )


def _pages(found: Sequence[Record]) -> dict[str, str]:
    """Return the address of each image on the page of its participant."""
    seen: Counter[str] = Counter()
    addresses = {}
    for record in found:
        seen[record.participant_id] += 1
        number = seen[record.participant_id]
        addresses[record.image] = f'{record.participant_id}.html#image-{number}'
    return addresses


def _pictures(output_dir: Path, found: Sequence[Record]) -> dict[str, str]:
    """Return the addresses of the renders of images that need a look and are not withheld."""
    figures = {
        record.image: names.figure(HeadImage.from_relative_path(record.image), 'renders')
        for record in found
        if record.verdict == 'review'
    }
    return {image: name for image, name in figures.items() if (output_dir / name).is_file()}


def paired_plot(
    found: Sequence[Record],
    keys: tuple[str, str],
    title: str,
    captions: tuple[str, str],
    top: float | None = None,
) -> curves.Plot:
    """Return the plot of two numbers of ``identifiability``.

    Parameters
    ----------
    found
        Records of all images.
    keys
        Names of the numbers before and after defacing.
    title, captions
        Heading of the plot, and labels of its two columns.
    top
        Upper end of the axis; by default the largest number, rounded up.
    """
    metrics = [metric_of('identifiability', key) for key in keys]
    values = [[_number(metric, record) for metric in metrics] for record in found]
    largest = max((value for pair in values for value in pair if value is not None), default=0)
    pairs = [
        curves.Pair(record.image, record.verdict, *pair)
        for record, pair in zip(found, values, strict=True)
    ]
    note = ' '.join(metric.meaning for metric in metrics)
    return curves.paired(title, captions, pairs, top or math.ceil(largest * 5) / 5 or 1, note)


def _faces(found: Sequence[Record]) -> curves.Plot:
    views = max(record.identifiability.views if record.identifiability else 0 for record in found)
    return paired_plot(
        found,
        ('faces_before', 'faces_after'),
        'Views with something face-like',
        ('before', 'after'),
        top=views or None,
    )


def _distances(found: Sequence[Record]) -> curves.Plot:
    return paired_plot(
        found,
        ('distance_within_before', 'distance_before_after'),
        'Distance to the face before',
        ('another view of it', 'after defacing'),
    )


def _changed(found: Sequence[Record]) -> list[curves.Plot]:
    """Return the distributions of how much of heads and of brains was changed."""
    removed = curves.distribution(
        'Head removed',
        'share of the head',
        _values(found, 'mask', 'head_removed_share'),
        share=True,
    )
    brain = curves.distribution(
        'Brain changed', 'voxels', _values(found, 'utility', 'brain_voxels_changed')
    )
    return [plot for plot in (removed, brain) if plot is not None]


def _volumes(found: Sequence[Record]) -> list[curves.Plot]:
    """Return how the volumes of tissues agree before and after, for each contrast."""
    plots = [
        curves.bland_altman(
            f'{name}, {suffix}',
            'mL',
            _values(
                [record for record in found if record.suffix == suffix],
                'utility',
                f'{key}_after_ml',
                f'{key}_before_ml',
            ),
        )
        for suffix in sorted({record.suffix for record in found})
        for key, name in TISSUES.items()
    ]
    return [plot for plot in plots if plot is not None]


def _values(found: Sequence[Record], section: str, *keys: str) -> list[curves.Value]:
    """Return the numbers of every image that has all of them: after, then before if asked for.

    Records of images that an error stopped have none.
    """
    metrics = [metric_of(section, key) for key in keys]
    rows = [(record, [_number(metric, record) for metric in metrics]) for record in found]
    known = [(record, [value for value in row if value is not None]) for record, row in rows]
    return [
        curves.Value(record.image, record.verdict, *numbers)
        for record, numbers in known
        if len(numbers) == len(keys)
    ]


def _number(metric: Metric, record: Record) -> float | None:
    value = metric.read(record)
    return value if isinstance(value, int | float) else None
