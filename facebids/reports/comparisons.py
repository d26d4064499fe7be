# SPDX-License-Identifier: Apache-2.0
"""What the page says of comparisons of scans with scans: a sentence, a table and three plots."""

from collections.abc import Sequence
from dataclasses import dataclass

from facebids.reports import curves
from facebids.reports.curves import Plot
from facebids.reports.tables import contrast
from facebids.studies.results import FUSED, Outcome, Results, strongest

WEAK = 0.75  # ROC-AUC before defacing below which a low figure after it says nothing


@dataclass(frozen=True)
class Block:
    """One comparison: all engines in the table, the strongest one in the plots."""

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


def _block(outcomes: list[Outcome]) -> Block:
    engine = strongest(outcomes)
    mine = [item for item in outcomes if item.engine == engine]
    first = mine[0]
    sides = f'{contrast(first.probe)} searched for among {contrast(first.gallery)}'
    reasons = dict.fromkeys(
        reason for item in mine for reason in item.summary.get('reasons') or []
    )
    if first.left_out:
        reasons[f'{first.left_out} images are left out: not enrolled both before and after.'] = (
            None
        )
    plots = (curves.cmc(mine), curves.roc(mine), curves.similarity(mine))
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
    searches = first.summary['probes']
    people = first.summary.get('people_with_mates')
    engine = 'All engines together' if first.engine == FUSED else f'Engine: {first.engine}'
    return (
        f'{engine}. {searches} search{"" if searches == 1 else "es"} for {people} people who are '
        f'in the gallery, {first.gallery_size} entries searched among.'
    )


def _warning(outcomes: Sequence[Outcome]) -> str:
    before = next((item for item in outcomes if item.condition == 'before'), None)
    if before is None:
        return (
            'There is no figure before defacing to hold this against: the scan would be compared '
            'with itself.'
        )
    auc, low = before.summary.get('auc'), before.summary.get('auc_low')
    if auc is not None and auc >= WEAK and (low is None or low > 0.5):
        return ''
    return 'The attack was weak before defacing: low figures after it prove nothing here.'
