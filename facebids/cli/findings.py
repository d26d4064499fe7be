# SPDX-License-Identifier: Apache-2.0
"""The table of who is found before and after defacing, as texts."""

from collections.abc import Iterator, Sequence

from facebids.studies.results import FEW, Outcome, Results

STATES = ('before', 'after', 'after_both')
HEADER = ('gallery', 'probe', 'engine', 'before', 'after', 'both defaced', 'chance')
LEGEND = (
    'Found at rank 1: nobody else in the gallery is more alike. The gallery is what the attacker '
    'has, with names, and the probe is searched in it. After, the scans to be shared are defaced; '
    'originals and photographs that the attacker has are not. A dash: not compared. Counts are '
    'lower bounds of the risk.'
)


def rows(results: Results) -> list[tuple[str, ...]]:
    """Return a row for each comparison and engine, with cells in the order of `HEADER`.

    Gallery and probe are named in the first row of each comparison alone.

    Parameters
    ----------
    results
        Results of the group level. Brains, single views and pairs are left out.
    """
    shown = [item for item in results.outcomes if item.study in ('scans', 'S1', 'S2')]
    return [
        row
        for key in dict.fromkeys(item.key for item in shown)
        for row in _comparison([item for item in shown if item.key == key])
    ]


def _comparison(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, ...]]:
    first = outcomes[0]
    sides = _suffix(first.gallery), f'{_suffix(first.probe)}, {_relation(first)}'
    for engine in dict.fromkeys(item.engine for item in outcomes):
        mine = {item.condition: item for item in outcomes if item.engine == engine}
        cells = [_found(mine[state]) if state in mine else '-' for state in STATES]
        yield (*sides, engine, *cells, _chance(next(iter(mine.values()))))
        sides = '', ''


def _suffix(side: str) -> str:
    return side if side.startswith('photo') else side.partition(' ')[0]


def _relation(outcome: Outcome) -> str:
    """Return how a probe is related to its mate in the gallery, in words."""
    if outcome.study in ('S1', 'S2'):
        return f'study {outcome.study}'
    return outcome.title[0].lower() + outcome.title[1:]


def _found(outcome: Outcome) -> str:
    """Return how many are found: a count, and the share with its interval of enough people."""
    summary = outcome.summary
    rate = summary.rank1
    count = outcome.found
    texts = [] if count is None else [f'{count} of {outcome.mated}']
    if summary.people_with_mates >= FEW and rate.value is not None:
        texts.append(f'{rate.value:.0%}')
        if rate.low is not None and rate.high is not None:
            texts.append(f'({100 * rate.low:.0f} to {100 * rate.high:.0f})')
    return ' '.join(texts) or '-'


def _chance(outcome: Outcome) -> str:
    chance, count = outcome.summary.chance, outcome.mated
    if chance is None:
        return '-'
    return f'{chance * count:.2g} of {count}' if count else f'{chance:.0%}'
