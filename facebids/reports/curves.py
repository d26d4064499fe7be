# SPDX-License-Identifier: Apache-2.0
"""Where the lines, bands and boxes of a plot lie; the templates draw them."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from facebids.studies.results import Outcome

WIDTH, HEIGHT = 400, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 384, 14, 250  # of the frame
ROW = 34  # height of a row of boxes
LABELS = 192  # width of their names
LIMITS = 1.96  # standard deviations within which 95 % of differences lie
PLACES = 50  # of the CMC, as many as S2 asked for
CAPTIONS = {
    'before': 'before defacing',
    'after': 'defaced, among originals',
    'after_both': 'both sides defaced',
}
OF_PHOTOGRAPHS = {'before': 'scans before defacing', 'after': 'scans defaced'}
SHORT = {'before': 'before', 'after': 'after', 'after_both': 'both after'}


@dataclass(frozen=True)
class Line:
    """A line of a plot, as points of SVG, with the band of its interval around it."""

    kind: str
    label: str
    points: str
    band: str = ''


@dataclass(frozen=True)
class Plot:
    """A plot of lines. Ticks are ``(position, text)`` in pixels; ``summary`` says it in words."""

    title: str
    axes: tuple[str, str]
    lines: tuple[Line, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    summary: str


@dataclass(frozen=True)
class Box:
    """Percentiles 5, 25, 50, 75 and 95 of a set of scores, as positions; None: no score."""

    kind: str
    label: str
    top: float
    positions: tuple[float, ...] | None
    text: str


@dataclass(frozen=True)
class Boxes:
    """A plot of boxes, a row each."""

    title: str
    axis: str
    rows: tuple[Box, ...]
    x_ticks: tuple[tuple[float, str], ...]
    height: float
    summary: str


@dataclass(frozen=True)
class Value:
    """The number of an image, or one before and one after; ``kind`` is the verdict on it."""

    label: str
    kind: str
    after: float
    before: float = 0.0


@dataclass(frozen=True)
class Dot:
    """An image in a plot, at a position in pixels."""

    kind: str
    label: str
    x: float
    y: float


@dataclass(frozen=True)
class Scatter:
    """A plot of images. ``rules`` are the heights of lines across it: bias and limits."""

    title: str
    axes: tuple[str, str]
    dots: tuple[Dot, ...]
    rules: tuple[tuple[str, float], ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    summary: str


def caption(outcome: Outcome) -> str:
    """Return the state of what was compared, in words."""
    captions = OF_PHOTOGRAPHS if outcome.study in ('S1', 'S2') else CAPTIONS
    return captions[outcome.condition]


def cmc(outcomes: Sequence[Outcome]) -> Plot | None:
    """Return the plot of how often the right person is within the first n; None: no curve."""
    known = [item for item in outcomes if item.summary.get('cmc')]
    if not known:
        return None
    places = min(PLACES, *(len(item.summary['cmc']) for item in known))
    x = _scale(1, max(places, 2), LEFT, RIGHT)
    y = _scale(0, 1, BOTTOM, TOP)
    lines = [
        Line(
            item.condition,
            caption(item),
            _points([(x(n + 1), y(v)) for n, v in enumerate(item.summary['cmc'][:places])]),
            _band(item, places, x, y),
        )
        for item in known
    ]
    chance = _points([(x(n), y(n / known[0].gallery_size)) for n in (1, places)])
    lines.append(Line('chance', 'guessing', chance))
    steps = sorted({1, *_round_steps(places)})
    return Plot(
        'Cumulative match characteristic',
        ('within the first ... places', 'searches, %'),
        tuple(lines),
        tuple((x(n), str(n)) for n in steps if n <= places),
        _percent_ticks(y),
        _say(known, 'rank1', 'right person first'),
    )


def roc(outcomes: Sequence[Outcome]) -> Plot | None:
    """Return the ROC curves; None: there is none."""
    known = [item for item in outcomes if (item.summary.get('roc') or {}).get('fpr')]
    if not known:
        return None
    x, y = _scale(0, 1, LEFT, RIGHT), _scale(0, 1, BOTTOM, TOP)
    lines = [
        Line(
            item.condition,
            caption(item),
            _points(
                [
                    (x(fpr), y(tpr))
                    for fpr, tpr in zip(
                        *(item.summary['roc'][k] for k in ('fpr', 'tpr')), strict=True
                    )
                ]
            ),
        )
        for item in known
    ]
    lines.append(Line('chance', 'guessing', _points([(x(0), y(0)), (x(1), y(1))])))
    return Plot(
        'ROC',
        ('pairs of two people taken for one, %', 'pairs of one person, %'),
        tuple(lines),
        _percent_ticks(x),
        _percent_ticks(y),
        _say(known, 'auc', 'area under the curve', percent=False),
    )


def similarity(outcomes: Sequence[Outcome]) -> Boxes | None:
    """Return boxes of the scores of the same and of other people; None: there are no scores."""
    values = [v for item in outcomes for box in item.spread.values() if box for v in box]
    if not values:
        return None
    low, high = min(values), max(values)
    x = _scale(low, high if high > low else low + 1, LABELS + 12, RIGHT)
    rows = []
    for item in outcomes:
        for who, name in (('same', 'same person'), ('other', 'two people')):
            box = item.spread.get(who)
            rows.append(
                Box(
                    f'{item.condition} {who}',
                    f'{name}, {SHORT[item.condition]}',
                    TOP + ROW * len(rows),
                    tuple(x(value) for value in box) if box else None,
                    f'median {box[2]:.3g}, middle half {box[1]:.3g} to {box[3]:.3g}'
                    if box
                    else 'no scores: no face was found',
                )
            )
    ticks = _ticks(x, low, high)
    summary = '; '.join(f'{row.label}: {row.text}' for row in rows)
    return Boxes('Similarity', 'score', tuple(rows), ticks, TOP + ROW * len(rows), summary)


def distribution(title: str, axis: str, values: Sequence[Value]) -> Scatter | None:
    """Return the share of images at or below each value; None: there are no values."""
    if not values:
        return None
    ordered = sorted(values, key=lambda value: value.after)
    highest = ordered[-1].after or 1.0
    x, y = _scale(0, highest, LEFT, RIGHT), _scale(0, 1, BOTTOM, TOP)
    dots = [
        Dot(item.kind, f'{item.label}: {item.after:.3g}', x(item.after), y((n + 1) / len(ordered)))
        for n, item in enumerate(ordered)
    ]
    middle = statistics.median(item.after for item in ordered)
    return Scatter(
        title,
        (axis, 'images, %'),
        tuple(dots),
        (),
        _ticks(x, 0, highest),
        _percent_ticks(y),
        f'Median {middle:.3g}, range {ordered[0].after:.3g} to {ordered[-1].after:.3g} '
        f'({len(ordered)} image{"s" if len(ordered) > 1 else ""})',
    )


def bland_altman(title: str, unit: str, values: Sequence[Value]) -> Scatter | None:
    """Return differences against means, with limits of agreement; None: there are no values.

    Bland and Altman (1986), Lancet 1:307. The limits are `LIMITS` standard deviations around the
    mean difference, from two images on.
    """
    if not values:
        return None
    means = [(item.before + item.after) / 2 for item in values]
    differences = [item.after - item.before for item in values]
    bias = statistics.fmean(differences)
    rules, words = {'bias': bias}, f'Mean difference {bias:.3g} {unit}'
    if len(values) > 1:
        reach = LIMITS * statistics.stdev(differences)
        rules |= {'lower limit': bias - reach, 'upper limit': bias + reach}
        words += f', limits of agreement {bias - reach:.3g} to {bias + reach:.3g} {unit}'
    lowest, highest = min(means), max(means)
    room = (highest - lowest) / 20 or highest / 10 or 1.0
    far = 1.1 * max(map(abs, (*differences, *rules.values()))) or 1.0
    x, y = _scale(lowest - room, highest + room, LEFT, RIGHT), _scale(-far, far, BOTTOM, TOP)
    dots = [
        Dot(item.kind, f'{item.label}: {item.before:.4g}, {item.after:.4g} {unit}', x(mean), y(d))
        for item, mean, d in zip(values, means, differences, strict=True)
    ]
    return Scatter(
        title,
        (f'mean of before and after, {unit}', f'after minus before, {unit}'),
        tuple(dots),
        tuple((name, y(height)) for name, height in rules.items()),
        _ticks(x, lowest - room, highest + room),
        _ticks(y, -far, far),
        f'{words} ({len(values)} image{"s" if len(values) > 1 else ""})',
    )


def _ticks(scale, low: float, high: float) -> tuple[tuple[float, str], ...]:
    return tuple((scale(value), f'{value:g}') for value in _nice(low, high))


def _scale(low: float, high: float, start: float, end: float):
    def place(value: float) -> float:
        return round(start + (end - start) * (value - low) / (high - low), 1)

    return place


def _points(places: Sequence[tuple[float, float]]) -> str:
    return ' '.join(f'{x:g},{y:g}' for x, y in places)


def _band(item: Outcome, places: int, x, y) -> str:
    low, high = (item.summary.get(f'cmc_{end}') for end in ('low', 'high'))
    if not low or not high or None in low or None in high:
        return ''
    there = [(x(n + 1), y(value)) for n, value in enumerate(high[:places])]
    back = [(x(n + 1), y(value)) for n, value in enumerate(low[:places])]
    return _points([*there, *reversed(back)])


def _percent_ticks(scale) -> tuple[tuple[float, str], ...]:
    return tuple((scale(part / 4), str(25 * part)) for part in range(5))


def _round_steps(places: int) -> list[int]:
    step = next(step for step in (1, 2, 5, 10) if places / step <= 6 or step == 10)
    return list(range(step, places + 1, step))


def _nice(low: float, high: float) -> list[float]:
    """Return round numbers between two values, up to six of them."""
    span = high - low or 1.0
    step = 10 ** math.floor(math.log10(span / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= 5)
    first = math.ceil(low / step)
    return [round(n * step, 10) for n in range(first, math.floor(high / step) + 1)]


def _say(outcomes: Sequence[Outcome], key: str, what: str, percent: bool = True) -> str:
    values = {caption(item): item.summary.get(key) for item in outcomes}
    words = [
        f'{where} {"n/a" if value is None else f"{value:.0%}" if percent else f"{value:.3f}"}'
        for where, value in values.items()
    ]
    return f'{what}: {", ".join(words)}'
