# SPDX-License-Identifier: Apache-2.0
"""Where the lines, bands and boxes of a plot lie; the templates draw them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from facebids.bids.results import Outcome

WIDTH, HEIGHT = 400, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 384, 14, 250  # of the frame
ROW = 34  # height of a row of boxes
LABELS = 192  # width of their names
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
    ticks = tuple((x(value), f'{value:.3g}') for value in _nice(low, high))
    summary = '; '.join(f'{row.label}: {row.text}' for row in rows)
    return Boxes('Similarity', 'score', tuple(rows), ticks, TOP + ROW * len(rows), summary)


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
