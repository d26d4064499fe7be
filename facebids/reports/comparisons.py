# SPDX-License-Identifier: Apache-2.0
"""A block of the group page for each comparison: a sentence, a table and plots."""

from collections.abc import Sequence
from dataclasses import dataclass

from facebids.reports import curves, evidence
from facebids.reports.curves import Plot
from facebids.reports.tables import STATES, Table, contrast, percent, rate
from facebids.studies.results import FUSED, Outcome, Results, strongest
from facebids.words import counted

WEAK = 0.75  # ROC-AUC before defacing below which a low one after it is no evidence


@dataclass(frozen=True)
class Block:
    """One comparison: all engines in the table, the strongest engine in the plots."""

    key: str
    heading: str
    finding: str
    warning: str
    shown: tuple[Outcome, ...]
    rows: tuple[Outcome, ...]
    plots: tuple[Plot, ...]
    reasons: tuple[str, ...]


def blocks(results: Results) -> list[Block]:
    """Return the comparisons of scans with scans, then those with photographs (S1, S2)."""
    shown = [item for item in results.outcomes if item.study in ('scans', 'S1', 'S2')]
    keys = dict.fromkeys(item.key for item in shown)
    return [_block([item for item in shown if item.key == key]) for key in keys]


def headline(results: Results) -> Table:
    """Return the rank-1 identification rates of each comparison before and after defacing."""
    shown = [item for item in results.outcomes if item.study in ('scans', 'S1', 'S2')]
    rows = []
    for key in dict.fromkeys(item.key for item in shown):
        outcomes = [item for item in shown if item.key == key]
        engine = strongest(outcomes)
        mine = {item.condition: item.summary for item in outcomes if item.engine == engine}
        first = outcomes[0]
        rows.append(
            (
                f'{first.title}: {contrast(first.probe)} in a gallery of '
                f'{contrast(first.gallery)}',
                *(rate(mine[state].rank1) if state in mine else '' for state in STATES),
                percent(first.summary.chance),
            )
        )
    header = ('Rank-1 identification rate (95 % interval)', *STATES.values(), 'chance')
    return Table('', header, tuple(rows))


def _block(outcomes: list[Outcome]) -> Block:
    engine = strongest(outcomes)
    mine = [item for item in outcomes if item.engine == engine]
    first = mine[0]
    sides = f'{contrast(first.probe)} in a gallery of {contrast(first.gallery)}'
    reasons = [*dict.fromkeys(reason for item in mine for reason in item.summary.reasons)]
    if count := first.summary.left_out:
        reasons.append(
            f'{counted(count, "image")} left out: not enrolled both before and after defacing.'
        )
    drawn = (curves.cmc, curves.roc, curves.similarity, evidence.det, evidence.tippett)
    plots = [draw(mine) for draw in drawn]
    return Block(
        key=first.key,
        heading=f'{first.title}: {sides}',
        finding=_finding(mine),
        warning=_warning(mine),
        shown=tuple(mine),
        rows=tuple(outcomes),
        plots=tuple(plot for plot in plots if plot is not None),
        reasons=tuple(reasons),
    )


def _finding(outcomes: Sequence[Outcome]) -> str:
    first = outcomes[0]
    probes, people = first.summary.probes, first.summary.people_with_mates
    engine = 'All engines, fused' if first.engine == FUSED else f'Engine: {first.engine}'
    return (
        f'{engine}. {counted(probes, "probe")} in a gallery of '
        f'{counted(first.summary.gallery_size, "entry", "entries")}; '
        f'{counted(people, "participant")} with a mate in the gallery.'
    )


def _warning(outcomes: Sequence[Outcome]) -> str:
    before = next((item for item in outcomes if item.condition == 'before'), None)
    if before is None:
        return (
            'There is no result before defacing to compare this with: each scan would be compared '
            'with itself.'
        )
    auc = before.summary.auc
    if auc.value is not None and auc.value >= WEAK and (auc.low is None or auc.low > 0.5):
        return ''
    return 'The attack was weak before defacing: low rates after it are no evidence here.'
