# SPDX-License-Identifier: Apache-2.0
"""The plots of the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from facebids.quiz.scoring.accuracy import Rate
from facebids.quiz.scoring.groups import PEOPLE, find
from facebids.quiz.scoring.mixed import Mixed
from facebids.quiz.scoring.results import Arm, Results
from facebids.reports.curves import Plot, draw_legend, make_plot, percent_axis
from facebids.reports.svg import COLOURS, SOFT, WIDE, Tooltips

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW = 0.27  # height of a row (inches)
KINDS = {
    'all': 'all questions',
    'match': 'guaranteed match',
    'open': '"none of the above"',
    'open_present': '… right one present',
    'open_absent': '… right one absent',
}
GROUPS = {
    'age_band': 'Age of the observer',
    'sex': 'Sex of the observer',
    'ethnicity': 'Ethnicity of the observer',
    'profession': 'Profession of the observer',
    'same_ethnicity': 'Ethnicity of observer and person in the scan',
}
EFFECTS = {
    'open': '"none of the above"',
    'after': 'after defacing',
    'same_ethnicity': 'same ethnicity',
    'unknown_ethnicity': 'ethnicity not known',
    'learning': 'first to last question',
}
MARKERS = 'osD^v'


@dataclass(frozen=True)
class Line:
    """A line of a plot of intervals: a value with its interval, and a reference."""

    label: str
    value: float
    low: float | None
    high: float | None
    text: str
    colour: str
    marker: str = 'o'
    reference: float | None = None


def kinds(results: Results, arm: Arm) -> Plot:
    """Return the accuracy of people and engines by kind of question, beside chance."""
    lines = [
        _line(label if place == 0 else '', rate, arm, who, MARKERS[place % len(MARKERS)])
        for kind, label in KINDS.items()
        for place, who in enumerate(results.who)
        for rate in [find(results.shares, arm.name, kind, who=who).get('all')]
        if rate is not None
    ]
    markers = dict(zip(results.who, MARKERS, strict=False))
    return _intervals(
        f'Right answers, {arm.name} defacing',
        f'kinds-{arm.name}',
        'share of right answers, with 95 % intervals',
        lines,
        markers=markers if len(markers) > 1 else {},
        note='Grey lines: guessing.',
    )


def groups(results: Results, arm: Arm) -> list[Plot]:
    """Return the accuracy by group of observers; groupings with one group are left out."""
    plots = []
    for group, title in GROUPS.items():
        rates = find(results.shares, arm.name, group=group)
        if len(rates) > 1:
            lines = [
                _line(f'{level} ({rate.observers})', rate, arm, PEOPLE)
                for level, rate in rates.items()
            ]
            plots.append(_intervals(title, f'{group}-{arm.name}', 'share of right answers', lines))
    return plots


def learning(results: Results) -> Plot | None:
    """Return the accuracy over the questionnaire, or None if it is too short."""
    curves = {arm.name: find(results.shares, arm.name, group='position') for arm in results.arms}
    if max(len(rates) for rates in curves.values()) < 2:
        return None

    def draw(axes: 'Axes') -> Tooltips:
        tooltips = []
        for name, rates in curves.items():
            middles = [sum(map(int, level.split('-'))) / 2 for level in rates]
            for x, (level, rate) in zip(middles, rates.items(), strict=True):
                if rate.low is not None and rate.high is not None:
                    axes.plot([x, x], [rate.low, rate.high], color=COLOURS[name], linewidth=1.5)
                (dot,) = axes.plot(x, rate.value, 'o', color=COLOURS[name], markersize=6)
                tooltips.append((dot, f'questions {level}: {_text(rate)}'))
            values = [rate.value for rate in rates.values()]
            axes.plot(middles, values, color=COLOURS[name], linewidth=1, label=name)
        axes.set(xlabel='number of the question', ylabel='share of right answers', ylim=(0, 1))
        percent_axis(axes.yaxis)
        if len(curves) > 1:
            draw_legend(axes)
        return tooltips

    first_and_last = [[*rates.values()] for rates in curves.values()]
    summary = '; '.join(
        f'{name} defacing: {rates[0].value:.0%} in the first questions, {rates[-1].value:.0%} in '
        'the last'
        for name, rates in zip(curves, first_and_last, strict=True)
    )
    return make_plot('Learning', 'learning', summary, draw, size=WIDE)


def observers(results: Results) -> Plot | None:
    """Return the distribution of the accuracy of observers who finished, or None without any."""
    known = [arm for arm in results.arms if arm.of_observers]
    if not known:
        return None

    def draw(axes: 'Axes') -> Tooltips:
        tooltips = []
        for arm in known:
            shares = [
                place / len(arm.of_observers) for place in range(1, len(arm.of_observers) + 1)
            ]
            (line,) = axes.step(
                [0, *arm.of_observers, 1], [0, *shares, 1], where='post', label=arm.name,
                color=COLOURS[arm.name], linewidth=2,
            )  # fmt: skip
            tooltips.append((line, f'{len(arm.of_observers)} observers, {arm.name} defacing'))
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel='share of right answers of an observer')
        axes.set(ylabel='share of observers')
        percent_axis(axes.xaxis)
        percent_axis(axes.yaxis)
        if len(known) > 1:
            draw_legend(axes)
        return tooltips

    summary = '; '.join(
        f'{arm.name} defacing: from {arm.of_observers[0]:.0%} to {arm.of_observers[-1]:.0%}'
        for arm in known
    )
    note = 'Height: share of observers with at most as many right answers.'
    return make_plot('Observers', 'observers', summary, draw, size=WIDE, note=note)


def scans(results: Results, arm: Arm) -> Plot:
    """Return the accuracy of every scan, the most recognised first."""
    rates = find(results.shares, arm.name, group='scan')
    ordered = sorted(rates.items(), key=lambda item: -item[1].value)
    chance = find(results.shares, arm.name)['all'].chance

    def draw(axes: 'Axes') -> Tooltips:
        tooltips = []
        for place, (scan, rate) in enumerate(ordered, 1):
            if rate.low is not None and rate.high is not None:
                axes.plot(
                    [place] * 2, [rate.low, rate.high], color=COLOURS[arm.name], linewidth=1.5
                )
            (dot,) = axes.plot(place, rate.value, 'o', color=COLOURS[arm.name], markersize=5)
            tooltips.append((dot, f'sub-{results.participants[scan]}: {_text(rate)}'))
        axes.axhline(chance, color=SOFT, linewidth=1, linestyle=(0, (4, 3)))
        axes.set(
            xlabel='scans, the most recognised first', ylim=(0, 1), xlim=(0, len(ordered) + 1)
        )
        axes.set(ylabel='share of right answers')
        axes.set_xticks([])
        percent_axis(axes.yaxis)
        return tooltips

    summary = f'from {ordered[-1][1].value:.0%} to {ordered[0][1].value:.0%}'
    note = 'Lines: 95 % intervals over observers. Dashed: guessing.'
    title = f'Recognised scans, {arm.name} defacing'
    return make_plot(title, f'scans-{arm.name}', summary, draw, size=WIDE, note=note)


def effects(model: Mixed) -> Plot | None:
    """Return the odds ratios of the model, or None without any."""
    lines = [
        Line(
            EFFECTS[item.name], *item.odds_ratio, _ratio(item.odds_ratio), COLOURS['before'],
            reference=1.0,
        )
        for item in model.effects
        if item.name != 'intercept'
    ]  # fmt: skip
    if not lines:
        return None

    def draw(axes: 'Axes') -> Tooltips:
        from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

        tooltips = _draw_lines(axes, lines)
        axes.set(xscale='log', xlabel='odds ratio of a right answer')
        ends = [end for line in lines for end in (line.low, line.high, 1.0) if end is not None]
        ticks = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
        shown = [tick for tick in ticks if min(ends) / 3 <= tick <= max(ends) * 3]
        axes.xaxis.set_major_locator(FixedLocator(shown))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f'{value:g}'))
        return tooltips

    summary = '; '.join(f'{line.label}: {line.text}' for line in lines)
    size = (WIDE[0], 0.8 + ROW * len(lines))
    return make_plot('Odds ratios', 'effects', summary, draw, size=size)


# --- parts of plots -----------------------------------------------------------------------------


def _line(label: str, rate: Rate, arm: Arm, who: str, marker: str = 'o') -> Line:
    return Line(
        label, rate.value, rate.low, rate.high, f'{who}: {_text(rate)}',
        COLOURS[arm.name] if who == PEOPLE else COLOURS['after_both'], marker, rate.chance,
    )  # fmt: skip


def _text(rate: Rate) -> str:
    between = (
        '' if rate.low is None else f' ({100 * rate.low:.0f} to {100 * (rate.high or 0):.0f})'
    )
    return f'{rate.value:.0%}{between} of {rate.answers} answers'


def _ratio(values: tuple[float, float, float]) -> str:
    value, low, high = values
    return f'{value:.2f} ({low:.2f} to {high:.2f})'


def _intervals(
    title: str,
    name: str,
    what: str,
    lines: Sequence[Line],
    *,
    markers: Mapping[str, str] | None = None,
    note: str = '',
) -> Plot:
    """Return a plot of shares with their intervals, a line each."""

    def draw(axes: 'Axes') -> Tooltips:
        tooltips = _draw_lines(axes, lines)
        axes.set(xlim=(0, 1), xlabel=what)
        percent_axis(axes.xaxis)
        for who, marker in (markers or {}).items():
            colour = SOFT if who == PEOPLE else COLOURS['after_both']
            axes.plot([], [], marker, color=colour, label=who)
        if markers:
            axes.figure.legend(loc='outside lower center', ncols=4, handlelength=1.2)
        return tooltips

    summary = '; '.join(f'{line.label}: {line.text}'.removeprefix(': ') for line in lines)
    size = (WIDE[0], 0.8 + 0.3 * bool(markers) + ROW * len(lines))
    caption = f'95 % intervals over observers and scans. {note}'.rstrip()
    return make_plot(title, name, summary, draw, size=size, caption=caption)


def _draw_lines(axes: 'Axes', lines: Sequence[Line]) -> Tooltips:
    tooltips = []
    for height, line in enumerate(lines):
        if line.reference is not None:
            axes.vlines(line.reference, height - 0.5, height + 0.5, color=SOFT, linewidth=1.5)
        if line.low is not None and line.high is not None:
            axes.plot([line.low, line.high], [height] * 2, color=line.colour, linewidth=2)
        (dot,) = axes.plot(
            line.value, height, line.marker, color=line.colour, markersize=6, clip_on=False
        )
        tooltips.append((dot, line.text))
    axes.set(ylim=(len(lines) - 0.4, -0.6))
    axes.set_yticks(range(len(lines)), [line.label for line in lines])
    axes.tick_params(axis='y', length=0)
    axes.grid(visible=False, axis='y')
    return tooltips
