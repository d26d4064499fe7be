# SPDX-License-Identifier: Apache-2.0
"""The plots of verification: error rates, and likelihood ratios."""

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from facebids.reports.curves import (
    DASHES,
    Plot,
    caption,
    compare,
    draw_curve,
    draw_legend,
    make_plot,
    percent_axis,
)
from facebids.reports.svg import COLOURS, NARROW, SOFT, Tooltips
from facebids.studies.results import Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DET_RATES = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8)  # ticks; the first ends the axes


def det(outcomes: Sequence[Outcome]) -> Plot | None:
    """Return the plot of the error rates on normal deviate axes, or None without any curve."""
    known = [item for item in outcomes if item.summary.det.fmr]
    if not known:
        return None

    def draw(axes: 'Axes') -> Tooltips:
        tooltips = []
        for item in known:
            curve = item.summary.det
            tooltips += draw_curve(axes, item, _deviates(curve.fmr), _deviates(curve.fnmr))
        ends = _deviates((DET_RATES[-1], 1 - DET_RATES[-1]))
        axes.plot(ends, ends[::-1], color=COLOURS['chance'], linewidth=1, label='chance')
        axes.set(xlabel='false match rate', ylabel='false non-match rate')
        draw_legend(axes)
        low, high = _deviates((DET_RATES[0], 1 - DET_RATES[0]))
        labels = [f'{100 * rate:g} %' for rate in DET_RATES]
        axes.set(xlim=(low, high), ylim=(low, high))
        axes.set_xticks(_deviates(DET_RATES), labels)
        axes.set_yticks(_deviates(DET_RATES), labels)
        return tooltips

    equal: dict[str, float | None] = {caption(item): _equal_error(item) for item in known}
    return make_plot(
        'Detection error tradeoff',
        f'det-{known[0].key}',
        compare(equal, 'equal error rate'),
        draw,
        size=NARROW,
        note='Axes of normal deviates.',
    )


def tippett(outcomes: Sequence[Outcome]) -> Plot | None:
    """Return the Tippett plot of the likelihood ratios, or None without any."""
    known = [(item, item.summary.evidence) for item in outcomes if item.summary.evidence]
    if not known:
        return None

    def draw(axes: 'Axes') -> Tooltips:
        tooltips = []
        for item, found in known:
            curve = found.tippett
            tooltips += draw_curve(axes, item, curve.log10_lr, curve.mates)
            axes.plot(
                curve.log10_lr, curve.strangers, color=COLOURS[item.condition],
                linestyle=DASHES[item.condition], linewidth=1,
            )  # fmt: skip
        axes.axvline(0, color=SOFT, linewidth=1)
        axes.set(xlabel='log10 likelihood ratio', ylabel='share of pairs')
        percent_axis(axes.yaxis)
        draw_legend(axes)
        return tooltips

    costs: dict[str, float | None] = {caption(item): found.cllr for item, found in known}
    return make_plot(
        'Tippett plot',
        f'tippett-{known[0][0].key}',
        compare(costs, 'cost of the log likelihood ratios (bits)', percent=False),
        draw,
        size=NARROW,
        note='Share of genuine (thick) and impostor pairs (thin) with at least this ratio.',
    )


def _deviates(rates: Sequence[float]) -> list[float]:
    """Return the normal deviates of rates, those outside of the axes at their ends."""
    normal = statistics.NormalDist()
    return [normal.inv_cdf(min(max(rate, DET_RATES[0]), 1 - DET_RATES[0])) for rate in rates]


def _equal_error(item: Outcome) -> float:
    """Return the error rate at which both are the most alike."""
    curve = item.summary.det
    pairs = [(abs(a - b), (a + b) / 2) for a, b in zip(curve.fmr, curve.fnmr, strict=True)]
    return min(pairs)[1]
