# SPDX-License-Identifier: Apache-2.0
"""The tables of the comparisons: their rows and their data dictionaries.

`group_comparisons.tsv` has a row for each comparison, condition and engine, and one for each
comparison that was not possible, with the reason. `group_searches.tsv` has a row for each search.
Columns and their descriptions are those of the dataclasses in :mod:`facebids.studies.results`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from operator import attrgetter
from typing import Any, get_type_hints

from facebids.core.identifiability.summary import Column, Columns, Estimate
from facebids.studies.results import Outcome, Results, Search, strongest

CONDITIONS = {
    'before': 'Neither side is defaced: how strong the attack is.',
    'after': 'The scan that the attacker does not know is defaced; the other side, scans or '
    'photographs, is not.',
    'after_both': 'Both sides are defaced.',
    'brain': 'The brain alone, which defacing leaves as it is.',
    'control': 'Photographs in a gallery of photographs: how well an engine recognises these '
    'participants.',
}
EXPECTED = 'expected_rank1_in_'
END_OF = {'low': 'Lower', 'high': 'Upper'}
Row = dict[str, Any]


@dataclass(frozen=True)
class _Leaf:
    """A column: its name, its description, and how to read it from the dataclass."""

    name: str
    description: str
    read: Callable[[Any], Any]


def _leaves(kind: type, prefix: str = '', of: str = '') -> Iterator[_Leaf]:
    """Yield the columns of a dataclass, those of its parts among them."""
    for field, hint in get_type_hints(kind, include_extras=True).items():
        note = getattr(hint, '__metadata__', (None,))[0]
        if isinstance(note, Columns):
            for leaf in _leaves(note.part, prefix + note.prefix, note.of):
                yield _Leaf(leaf.name, leaf.description, _inside(field, leaf.read))
        elif isinstance(note, Column):
            name, description = prefix + (note.name or field), note.description.format(of=of)
            if hint.__origin__ is Estimate:
                yield _Leaf(name, description, attrgetter(f'{field}.value'))
                yield _Leaf(f'{name}_low', _bound('Lower', name), attrgetter(f'{field}.low'))
                yield _Leaf(f'{name}_high', _bound('Upper', name), attrgetter(f'{field}.high'))
            else:
                yield _Leaf(name, description, attrgetter(field))


def _inside(field: str, read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a reader of a part of a field: None without it, of a tuple the first."""

    def within(item: Any) -> Any:
        part = getattr(item, field)
        if isinstance(part, tuple):
            part = part[0] if part else None
        return None if part is None else read(part)

    return within


def _bound(end: str, name: str) -> str:
    return f'{end} end of the 95 % bootstrap interval (over participants) of {name}.'


_COMPARISON = tuple(_leaves(Outcome))
_SEARCH = tuple(_leaves(Search))
COMPARISON_COLUMNS = {leaf.name: leaf.description for leaf in _COMPARISON}
_OF_BOTH = ('study', 'comparison', 'condition', 'engine', 'gallery_size')
SEARCH_COLUMNS = {
    **{name: COMPARISON_COLUMNS[name] for name in _OF_BOTH},
    **{leaf.name: leaf.description for leaf in _SEARCH},
    'hit': 'Whether that rank is 5 or better; n/a in a gallery of five or fewer entries.',
}
IMAGE_COLUMNS = {
    'rank_before': 'Best rank of the participant when this image, not defaced, is the probe in '
    'a gallery of scans of other sessions, runs or contrasts; 1 is the best, n/a without another '
    'scan. The baseline of rank_after.',
    'rank_after': 'The same with this image defaced. Higher is safer.',
    'rank_of_same_scan': 'Rank of the participant when this image, defaced, is the probe in a '
    'gallery of original scans that includes its own. Higher is safer.',
}


def image_ranks(results: Results) -> dict[str, Row]:
    """Return the further columns of the table of images, by image."""
    found: dict[str, Row] = {}
    for key in dict.fromkeys(item.key for item in results.of('scans')):
        every = [item for item in results.of('scans') if item.key == key]
        most = max(len(item.searches) for item in every)
        # of a large cohort some engines compare a sample alone
        outcomes = [item for item in every if len(item.searches) == most]
        engine = strongest(outcomes)
        for outcome in outcomes:
            if outcome.engine == engine and outcome.condition in ('before', 'after'):
                itself = key.startswith('same_scan')
                column = 'rank_of_same_scan' if itself else f'rank_{outcome.condition}'
                for search in outcome.searches:
                    if search.rank is not None and search.image is not None:
                        row = found.setdefault(search.image, {})
                        row[column] = min(search.rank, row.get(column, search.rank))
    return found


def comparison_rows(results: Results) -> list[Row]:
    """Return the rows of the table of comparisons."""
    made = [_comparison_row(outcome) for outcome in results.outcomes]
    not_made = [
        {'study': item.study, 'comparison': item.key, 'reason': item.reason}
        for item in results.not_possible
    ]
    return made + not_made


def search_rows(results: Results) -> Iterator[Row]:
    """Yield the rows of the table of searches."""
    yield from (
        {name: row[name] for name in _OF_BOTH}
        | {leaf.name: leaf.read(search) for leaf in _SEARCH}
        | {
            'participant_id': f'sub-{search.participant}',
            'hit': search.hit(outcome.summary.gallery_size),
        }
        for outcome in results.outcomes
        for row in [_comparison_row(outcome)]
        for search in outcome.searches
    )


def header(rows: Sequence[Row], known: Iterable[str]) -> list[str]:
    """Return the columns of a table: the known ones, then those of larger galleries."""
    return [*dict.fromkeys([*known, *(name for row in rows for name in row)])]


def dictionary(header: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the data dictionary of a table with these columns."""
    return {name: _describe(name) for name in header}


def _describe(name: str) -> dict[str, Any]:
    known = COMPARISON_COLUMNS | SEARCH_COLUMNS | IMAGE_COLUMNS
    if name == 'condition':
        return {'Description': known[name], 'Levels': CONDITIONS}
    if name in known:
        return {'Description': known[name]}
    size, _, end = name.removeprefix(EXPECTED).partition('_')
    if end:
        return {'Description': _bound(END_OF[end], f'{EXPECTED}{size}')}
    return {
        'Description': 'Expected rank-1 identification rate in a gallery of '
        f'{int(size):,} participants; n/a where the scores do not support a figure, or no more '
        'than an upper bound.'
    }


def _comparison_row(outcome: Outcome) -> Row:
    larger = outcome.summary.larger_galleries
    return (
        {leaf.name: leaf.read(outcome) for leaf in _COMPARISON}
        | {'reason': ' '.join(outcome.summary.reasons)}
        | {
            f'{EXPECTED}{item.size}{end}': value
            for item in larger
            for end, value in zip(('', '_low', '_high'), astuple(item.rank1), strict=True)
        }
    )
