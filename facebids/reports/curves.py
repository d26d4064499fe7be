# SPDX-License-Identifier: Apache-2.0
"""The plots of the pages."""

import math
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from facebids.reports import number
from facebids.reports.svg import COLOURS, NARROW, SOFT, WIDE, Draw, Tooltips, inline_svg
from facebids.studies.results import Outcome
from facebids.words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle

LIMITS = 1.96  # standard deviations: 95 % of normally distributed differences
RANKS = 50  # of the CMC curve, as in S2
ROW = 0.3  # height of a box with its label (inches)
SPREAD = 0.16  # width of a column of points, of the distance between columns
TOOLTIPS = 300  # images of a plot: more would make a page slow
MOST_DRAWN = 1000  # images of a plot
DOT: dict[str, Any] = {'markersize': 5, 'markeredgewidth': 0, 'clip_on': False}
SMALL: dict[str, Any] = DOT | {'markersize': 3}
CAPTIONS = {
    'before': 'before defacing',
    'after': 'defaced probes, original gallery',
    'after_both': 'defaced probes and gallery',
}
OF_PHOTOGRAPHS = {'before': 'scans before defacing', 'after': 'defaced scans'}
SHORT = {'before': 'before', 'after': 'after', 'after_both': 'both after', 'chance': 'chance'}
DASHES = {'before': '-', 'after': (0, (4, 2)), 'after_both': (0, (1, 1.5))}


Item = TypeVar('Item')


@dataclass(frozen=True)
class Plot:
    """A plot of a page.

    Attributes
    ----------
    title
        Heading.
    svg
        The plot as an ``<svg>`` element.
    summary
        What it shows, in words.
    caption
        Text below it.
    """

    title: str
    svg: str
    summary: str
    caption: str


@dataclass(frozen=True)
class Value:
    """A measurement of an image after defacing, and before it where that was measured too.

    ``kind`` is the verdict on the image.
    """

    label: str
    kind: str
    after: float
    before: float = 0.0


@dataclass(frozen=True)
class Pair:
    """A measurement of an image before and after defacing; None: not measured."""

    label: str
    kind: str
    before: float | None
    after: float | None


def caption(outcome: Outcome) -> str:
    """Return the condition of a comparison in words."""
    captions = OF_PHOTOGRAPHS if outcome.study in ('S1', 'S2') else CAPTIONS
    return captions[outcome.condition]


def cmc(outcomes: Sequence[Outcome]) -> Plot | None:
    """Return the plot of the cumulative match characteristics, or None without any curve."""
    known = [item for item in outcomes if item.summary.cmc.rates]
    if not known:
        return None
    ranks = range(1, min(RANKS, *(len(item.summary.cmc.rates) for item in known)) + 1)
    banded = [item for item in known if _has_band(item)]

    def draw(axes: 'Axes') -> Tooltips:
        tooltips = []
        for item in known:
            if item in banded:
                low, high = (
                    ends[: len(ranks)] for ends in (item.summary.cmc.low, item.summary.cmc.high)
                )
                axes.fill_between(
                    ranks, low, high, color=COLOURS[item.condition], alpha=0.13, linewidth=0
                )
            tooltips += draw_curve(axes, item, ranks, item.summary.cmc.rates[: len(ranks)])
        if chance := known[0].summary.chance:
            level = [rank * chance for rank in ranks]
            axes.plot(ranks, level, color=COLOURS['chance'], linewidth=1, label='chance')
        axes.set(xlim=(1, max(len(ranks), 2)), xticks=_rank_ticks(len(ranks)))
        axes.set(xlabel='rank', ylabel='identification rate')
        percent_axis(axes.yaxis)
        draw_legend(axes)
        return tooltips

    return make_plot(
        'Cumulative match characteristic',
        f'cmc-{known[0].key}',
        compare(
            {caption(item): item.summary.rank1.value for item in known},
            'rank-1 identification rate',
        ),
        draw,
        size=NARROW,
        note='Bands: 95 % intervals.' if banded else '',
    )


def roc(outcomes: Sequence[Outcome]) -> Plot | None:
    """Return the plot of the ROC curves, or None without any curve."""
    known = [item for item in outcomes if item.summary.roc.fpr]
    if not known:
        return None

    def draw(axes: 'Axes') -> Tooltips:
        tooltips = []
        for item in known:
            tooltips += draw_curve(axes, item, item.summary.roc.fpr, item.summary.roc.tpr)
        axes.plot([0, 1], [0, 1], color=COLOURS['chance'], linewidth=1, label='chance')
        axes.set(xlabel='false match rate', ylabel='true match rate')
        percent_axis(axes.xaxis)
        percent_axis(axes.yaxis)
        draw_legend(axes)
        return tooltips

    areas = {caption(item): item.summary.auc.value for item in known}
    summary = compare(areas, 'area under the curve', percent=False)
    return make_plot('ROC', f'roc-{known[0].key}', summary, draw, size=NARROW)


def similarity(outcomes: Sequence[Outcome]) -> Plot | None:
    """Return the plot of genuine and impostor scores, or None without any score."""
    if not any(box for item in outcomes for box in item.spread.values()):
        return None
    rows = [
        (f'{name}, {SHORT[item.condition]}', item.condition, who, item.spread.get(who))
        for item in outcomes
        for who, name in (('same', 'genuine'), ('other', 'impostor'))
    ]
    texts = [_describe_box(box) for *_, box in rows]

    def draw(axes: 'Axes') -> Tooltips:
        tooltips = []
        for height, ((_, condition, who, box), text) in enumerate(zip(rows, texts, strict=True)):
            if box is None:
                axes.text(0.02, height, text, transform=axes.get_yaxis_transform(), va='center')
            else:
                tooltips.append((_box(axes, height, box, COLOURS[condition], who), text))
        axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel='similarity score')
        axes.set_yticks(range(len(rows)), [label for label, *_ in rows])
        axes.grid(visible=False, axis='y')
        return tooltips

    return make_plot(
        'Similarity',
        f'similarity-{outcomes[0].key}',
        '; '.join(f'{row[0]}: {text}' for row, text in zip(rows, texts, strict=True)),
        draw,
        size=(NARROW[0], 0.7 + ROW * len(rows)),
        caption='Scores of genuine and impostor pairs: median, quartiles, 5th and 95th '
        'percentile. The less the boxes overlap, the better the engine separates people.',
    )


def distribution(
    title: str, label: str, values: Sequence[Value], *, share: bool = False
) -> Plot | None:
    """Return the plot of the cumulative distribution of a measurement.

    None of fewer than two images, which have no distribution.

    Parameters
    ----------
    title, label
        Heading, and label of the axis of the measurement.
    values
        The measurements.
    share
        Whether they are shares, which are shown in percent, or whole numbers.
    """
    if len(values) < 2:
        return None
    ordered = sorted(values, key=lambda value: value.after)
    middle = statistics.median(item.after for item in ordered)

    def words(number: float) -> str:
        return f'{100 * number:.3g} %' if share else f'{number:.3g}'

    def draw(axes: 'Axes') -> Tooltips:
        from matplotlib.ticker import MaxNLocator

        axes.set(xlabel=label, ylabel='share of images', ylim=(0, 1))
        axes.set(xlim=(0, ordered[-1].after or 1.0))
        percent_axis(axes.yaxis)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=not share))
        if share:
            axes.xaxis.set_major_formatter(lambda number, _: f'{100 * number:g}%')
        return _dots(
            axes,
            [
                (item.kind, item.after, rank / len(ordered), f'{item.label}: {words(item.after)}')
                for rank, item in drawn(list(enumerate(ordered, 1)))
            ],
        )

    summary = (
        f'Median {words(middle)}, range {words(ordered[0].after)} to {words(ordered[-1].after)}'
    )
    return make_plot(title, title, f'{summary} ({_count(values)})', draw)


def bland_altman(title: str, unit: str, values: Sequence[Value]) -> Plot | None:
    """Return the Bland-Altman plot of a measurement.

    The limits of agreement are `LIMITS` standard deviations around the mean difference. None of
    fewer than two images, which have none.

    References
    ----------
    Bland and Altman (1986), Lancet 1:307.
    """
    if len(values) < 2:
        return None
    differences = [item.after - item.before for item in values]
    bias, *limits = agreement(differences)
    summary = (
        f'Mean difference {bias:.3g} {unit}, limits of agreement {limits[0]:.3g} to '
        f'{limits[1]:.3g} {unit}'
    )

    def draw(axes: 'Axes') -> Tooltips:
        far = 1.1 * max(map(abs, (*differences, bias, *limits))) or 1.0
        axes.set(xlabel=f'mean of before and after ({unit})', ylim=(-far, far))
        axes.set(ylabel=f'after minus before ({unit})')
        axes.axhline(bias, color=SOFT, linewidth=1)
        for limit in limits:
            axes.axhline(limit, color=SOFT, linewidth=1, linestyle=(0, (5, 4)))
        axes.margins(x=0.05)
        return _dots(
            axes,
            [
                (
                    item.kind,
                    (item.before + item.after) / 2,
                    difference,
                    f'{item.label}: {item.before:.4g}, {item.after:.4g} {unit}',
                )
                for item, difference in drawn(list(zip(values, differences, strict=True)))
            ],
        )

    return make_plot(title, title, f'{summary} ({_count(values)})', draw, size=NARROW)


def drawn(items: Sequence[Item]) -> Sequence[Item]:
    """Return at most `MOST_DRAWN` of some items, evenly spaced, with the first and the last."""
    if len(items) <= MOST_DRAWN:
        return items
    step = (len(items) - 1) / (MOST_DRAWN - 1)
    return [items[round(place * step)] for place in range(MOST_DRAWN)]


def agreement(differences: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean of two or more differences, and their limits of agreement."""
    bias = statistics.fmean(differences)
    reach = LIMITS * statistics.stdev(differences)
    return bias, bias - reach, bias + reach


def paired(
    title: str, captions: tuple[str, str], pairs: Sequence[Pair], top: float, note: str
) -> Plot:
    """Return the plot of a measurement before and after, a line an image.

    Parameters
    ----------
    title
        Heading.
    captions
        Labels of the two columns.
    pairs
        The measurements.
    top
        Upper end of the axis.
    note
        What is measured.
    """
    missing = sum(pair.after is None for pair in pairs)
    if missing:
        note += f' {missing:,} of {len(pairs):,} images have no number after defacing.'
    if len(pairs) > MOST_DRAWN:
        note += f' {MOST_DRAWN:,} of {len(pairs):,} images are drawn.'

    def draw(axes: 'Axes') -> Tooltips:
        axes.set(xlim=(-0.35, 1.35), ylim=(0, top))
        axes.set_xticks((0, 1), captions)
        axes.tick_params(axis='x', length=0)
        axes.grid(visible=False, axis='x')
        axes.spines['left'].set_visible(False)
        return _pairs(axes, drawn(pairs))

    return make_plot(title, title, note.rstrip('.'), draw)


# --- parts of plots -----------------------------------------------------------------------------


def make_plot(
    title: str,
    name: str,
    summary: str,
    draw: Draw,
    *,
    size: tuple[float, float] = WIDE,
    caption: str = '',
    note: str = '',
) -> Plot:
    """Return a plot; its caption is the summary and the note unless another is given."""
    name = re.sub(r'\W+', '-', name).lower()
    svg = inline_svg(draw, f'plot-{name}', f'{title}. {summary}.', size)
    sentences = f'{summary[0].upper()}{summary[1:]}. {note}'.rstrip()
    return Plot(title, svg, summary, caption or sentences)


def draw_curve(
    axes: 'Axes', item: Outcome, x: Sequence[float], y: Sequence[float]
) -> list[tuple['Line2D', str]]:
    """Draw the curve of an outcome, and return it with its tooltip."""
    (line,) = axes.plot(
        x, y, color=COLOURS[item.condition], linestyle=DASHES[item.condition], linewidth=2,
        label=SHORT[item.condition], clip_on=False,
    )  # fmt: skip
    return [(line, caption(item))]


def _dots(axes: 'Axes', points: Sequence[tuple[str, float, float, str]]) -> Tooltips:
    """Draw dots of a kind at x and y with their tooltips; too many have none."""
    if len(points) > TOOLTIPS:
        for kind in dict.fromkeys(kind for kind, *_ in points):
            mine = [(x, y) for other, x, y, _ in points if other == kind]
            axes.plot(*zip(*mine, strict=True), 'o', color=COLOURS[kind], alpha=0.4, **SMALL)
        return []
    return [
        (axes.plot(x, y, 'o', color=COLOURS[kind], alpha=0.75, **DOT)[0], text)
        for kind, x, y, text in points
    ]


def _pairs(axes: 'Axes', pairs: Sequence[Pair]) -> Tooltips:
    """Draw a line for each pair with its tooltip; too many have none."""
    lines: dict[str, list[tuple[float, float]]] = {}
    tooltips = []
    for place, pair in enumerate(pairs):
        shift = SPREAD * ((place + 0.5) / len(pairs) - 0.5)
        points = [(x + shift, y) for x, y in enumerate((pair.before, pair.after)) if y is not None]
        if len(pairs) > TOOLTIPS:
            lines.setdefault(pair.kind, []).extend([*points, (math.nan, math.nan)])
            continue
        (line,) = axes.plot(
            *_columns(points), 'o-', color=COLOURS[pair.kind], alpha=0.6, linewidth=0.8, **DOT
        )
        tooltips.append((line, f'{pair.label}: {number(pair.before)}, {number(pair.after)}'))
    for kind, points in lines.items():
        axes.plot(*_columns(points), 'o-', color=COLOURS[kind], alpha=0.3, linewidth=0.4, **SMALL)
    return tooltips


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _box(axes: 'Axes', height: float, box: Sequence[float], colour: str, who: str) -> 'Rectangle':
    low, quarter, median, three_quarters, high = box
    axes.hlines(height, low, high, color=colour, linewidth=1)
    axes.vlines(median, height - 0.32, height + 0.32, color=colour, linewidth=2.5, zorder=4)
    (bar,) = axes.barh(
        height, three_quarters - quarter, 0.5, quarter, color=colour,
        alpha=0.55 if who == 'same' else 0.15, zorder=3,
    )  # fmt: skip
    return bar


def _describe_box(box: Sequence[float] | None) -> str:
    if box is None:
        return 'no scores: no face was found'
    return f'median {box[2]:.3g}, quartiles {box[1]:.3g} to {box[3]:.3g}'


def draw_legend(axes: 'Axes') -> None:
    """Draw the legend below the axes, whose y axis is that of rates."""
    axes.set(ylim=(0, 1))
    axes.figure.legend(loc='outside lower center', ncols=4, handlelength=1.8, columnspacing=0.9)


def percent_axis(axis: 'Axis') -> None:
    """Label an axis of rates."""
    from matplotlib.ticker import FixedLocator, PercentFormatter

    axis.set_major_locator(FixedLocator((0, 0.25, 0.5, 0.75, 1)))
    axis.set_major_formatter(PercentFormatter(1))


def _rank_ticks(ranks: int) -> list[int]:
    step = next(step for step in (1, 2, 5, 10) if ranks / step <= 6 or step == 10)
    return sorted({1, *range(step, ranks + 1, step)})


def _has_band(item: Outcome) -> bool:
    return bool(item.summary.cmc.low and item.summary.cmc.high)


def compare(values: dict[str, float | None], what: str, percent: bool = True) -> str:
    """Return numbers of some conditions in words."""
    words = [
        f'{where} {"n/a" if value is None else f"{value:.0%}" if percent else f"{value:.3f}"}'
        for where, value in values.items()
    ]
    return f'{what}: {", ".join(words)}'


def _count(values: Sequence[Value]) -> str:
    counts = counted(len(values), 'image')
    return f'{counts}, {MOST_DRAWN:,} drawn' if len(values) > MOST_DRAWN else counts
