# SPDX-License-Identifier: Apache-2.0
"""Tables in the layout of the studies: their own figures first, those of the data beside them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from facebids.reports import curves, number
from facebids.studies.results import NotPossible, Outcome, Results, Search, strongest

MANY = 30  # people: with more, a table of everybody is folded away
STATES = {'before': 'before', 'after': 'after', 'after_both': 'both sides after'}
HEADINGS = {
    'S1': 'S1: a render among photographs',
    'S2': 'S2: photographs among scans',
    'S3': 'S3: single views among photographs',
    'S4': 'S4: do two renders show the same person?',
}
SOURCES = {
    'S1': 'After Mazura et al., 2012, J. Digit. Imaging 25:347: one render of each head, one '
    'photograph of each person.',
    'S2': 'After Schwarz et al., 2019, N. Engl. J. Med. 381:1684: ten random views of each scan '
    'are enrolled, each photograph is searched for, and the scores of all photographs of a person '
    'are added up.',
    'S3': 'After Steeg et al., 2024, eClinicalMedicine 78:102930: a hit has the right person '
    'within the first five photographs. In the study, hair that is not their own made more people '
    'be taken for somebody else.',
    'S4': 'After the comparison of TotalSegmentator and CTA-DEFACE on head CT: cosine similarity '
    'of face embeddings, and a support vector machine on it in five folds. Here nobody stands in '
    'two folds.',
}


@dataclass(frozen=True)
class Table:
    """A table of texts; ``folded`` where it is long."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    folded: bool = False


@dataclass(frozen=True)
class Study:
    """What the page says of one study."""

    name: str
    heading: str
    source: str
    tables: tuple[Table, ...]
    missing: tuple[NotPossible, ...]
    reasons: tuple[str, ...]


def studies(results: Results) -> list[Study]:
    """Return S1 to S4, each with its tables and with what could not be done."""
    tables = {'S1': _s1, 'S2': _s2, 'S3': _s3, 'S4': _s4}
    return [
        Study(
            name,
            HEADINGS[name],
            SOURCES[name],
            tuple(tables[name](results.of(name))),
            tuple(results.missing(name)),
            _reasons(results.of(name)) if name == 'S4' else (),
        )
        for name in HEADINGS
    ]


def larger(results: Results) -> Table:
    """Return the expected rate of first places in galleries of ever more people.

    Each comparison is there with its strongest engine.
    """
    shown = [item for item in results.outcomes if any(_expected(item).values())]
    sizes = sorted({n for item in shown for n in _expected(item)})
    rows = []
    for key in dict.fromkeys(item.key for item in shown):
        mine = [item for item in shown if item.key == key]
        engine = strongest(mine)
        for item in mine:
            if item.engine == engine:
                cells = [percent(_expected(item).get(n)) for n in sizes]
                what = f'{item.title}: {contrast(item.probe)} among {contrast(item.gallery)}'
                rows.append((what, curves.caption(item), *cells))
    header = ('Comparison', 'scans', *map(_people, sizes))
    return Table('', header, tuple(rows))


def _reasons(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    found = (reason for item in outcomes for reason in item.summary.get('reasons') or [])
    return tuple(dict.fromkeys(found))


# --- cells --------------------------------------------------------------------------------------


def percent(value: float | None) -> str:
    """Return a share as a percentage."""
    if value is None:
        return 'n/a'
    if 0 < value < 0.0001:
        return '< 0.01 %'
    return f'{100 * value:.0f} %' if value == 0 or value >= 0.01 else f'{100 * value:.2g} %'


def rate(summary: dict[str, Any], key: str) -> str:
    """Return a share with its interval, ``'83 % (74 to 90)'``."""
    return percent(summary.get(key)) + between(summary, key)


def between(summary: dict[str, Any], key: str) -> str:
    """Return the interval of a share in brackets, or nothing."""
    low, high = summary.get(f'{key}_low'), summary.get(f'{key}_high')
    return '' if low is None or high is None else f' ({100 * low:.0f} to {100 * high:.0f})'


def figure(summary: dict[str, Any], key: str) -> str:
    """Return a number with its interval, ``'0.96 (0.93 to 0.98)'``."""
    low, high = summary.get(f'{key}_low'), summary.get(f'{key}_high')
    interval = '' if low is None or high is None else f' ({number(low)} to {number(high)})'
    return number(summary.get(key)) + interval


def middle(summary: dict[str, Any], key: str) -> str:
    """Return a median with its quartiles, ``'0.65 (0.47 to 0.80)'``."""
    median, low, high = (summary.get(f'{key}_{part}') for part in ('median', 'q1', 'q3'))
    return 'n/a' if median is None else f'{median:.2f} ({low:.2f} to {high:.2f})'


def deviation(summary: dict[str, Any], key: str) -> str:
    """Return a mean of the folds with its standard deviation, ``'0.69 (0.01)'``."""
    svm = summary.get('svm') or {}
    if svm.get(key) is None:
        return 'n/a'
    return f'{svm[key]:.2f} ({svm[f"{key}_sd"]:.2f})'


def contrast(side: str) -> str:
    """Return what is on a side of a comparison, without its state."""
    return side if side.startswith('photo') else side.partition(' ')[0]


# --- the studies --------------------------------------------------------------------------------


def _s1(outcomes: Sequence[Outcome]) -> list[Table]:
    sizes = (50, 100, 150)
    rows: list[tuple[str, str, Callable[[Outcome], str]]] = [
        ('people', '29', lambda o: number(o.summary.get('people_with_mates'))),
        ('renders with a face', '28 of 29', lambda o: percent(o.summary.get('detection'))),
        *(
            (f'first among {n} photographs', '28 %', lambda o, n=n: percent(_among(o, n)))
            for n in sizes
        ),
        ('first among all photographs (closed set)', '', lambda o: _of_gallery(o, 'rank1')),
        ('within the first five', '', lambda o: rate(o.summary, 'rank5')),
        ('named, where no wrong name was given before (open set)', '28 %', _open(0, 'tpir')),
        ('wrong names in that', '0', _open(0, 'fpir')),
        ('named, where one in ten was wrong before', '', _open(1, 'tpir')),
        ('wrong names in that', '', _open(1, 'fpir')),
        ('observers: a match guaranteed', '88 %', lambda o: 'not asked'),
        ('observers: "none of the above" a choice', '50 %', lambda o: 'not asked'),
    ]
    return [_beside('S1, before', rows, outcomes)] if outcomes else []


def _s2(outcomes: Sequence[Outcome]) -> list[Table]:
    rows: list[tuple[str, str, Callable[[Outcome], str]]] = [
        ('people with photographs', '84', lambda o: number(o.summary.get('people_with_mates'))),
        ('scans enrolled', '84', lambda o: number(o.gallery_size)),
        ('their views with a face', '', lambda o: percent(o.summary.get('detection'))),
        ('right scan first', '83 %', lambda o: rate(o.summary, 'rank1')),
        ('within the first five', '95 %', lambda o: rate(o.summary, 'rank5')),
        ('by guessing, first', '1 %', lambda o: percent(_chance(o))),
        ('area under the ROC curve', '', lambda o: figure(o.summary, 'auc')),
    ]
    return [_beside('S2, before', rows, outcomes)] if outcomes else []


def _s3(outcomes: Sequence[Outcome]) -> list[Table]:
    if not outcomes:
        return []
    engines = list(dict.fromkeys(item.engine for item in outcomes))
    tables = []
    for engine in engines:
        mine = [item for item in outcomes if item.engine == engine]
        tables += [_s3_hits(engine, mine), *_s3_people(engine, mine)]
    return tables


def _s4(outcomes: Sequence[Outcome]) -> list[Table]:
    rows = [
        ('renders with a face', ('76.5 %', '', ''), lambda o: percent(o.summary.get('detection'))),
        (
            'similarity, same person: median (quartiles)',
            ('0.65 (0.47 to 0.80)', '', ''),
            lambda o: middle(o.summary, 'intra'),
        ),
        (
            'similarity, two people: median (quartiles)',
            ('0.50 (0.39 to 0.62)', '', ''),
            lambda o: middle(o.summary, 'inter'),
        ),
        ('ROC-AUC of the similarity', ('', '', ''), lambda o: figure(o.summary, 'auc')),
        (
            'SVM, ROC-AUC: mean (SD)',
            ('0.69 (0.01)', '0.55 (0.02)', '0.60 (0.02)'),
            lambda o: deviation(o.summary, 'auc'),
        ),
        (
            'SVM, accuracy: mean (SD)',
            ('0.65 (0.01)', '0.56 (0.01)', '0.59 (0.01)'),
            lambda o: deviation(o.summary, 'accuracy'),
        ),
    ]
    header = ('', 'S4, before', 'S4, TotalSegmentator', 'S4, CTA-DEFACE')
    cells = tuple((name, *study, *(cell(o) for o in outcomes)) for name, study, cell in rows)
    return [Table('', (*header, *map(_heading, outcomes)), cells)] if outcomes else []


def _beside(
    study: str,
    rows: Sequence[tuple[str, str, Callable[[Outcome], str]]],
    outcomes: Sequence[Outcome],
) -> Table:
    """Return a table with a column of the study and one for each outcome."""
    cells = tuple(
        (name, published, *(cell(o) for o in outcomes)) for name, published, cell in rows
    )
    return Table('', ('', study, *map(_heading, outcomes)), cells)


def _heading(outcome: Outcome) -> str:
    contrast = next((side for side in (outcome.probe, outcome.gallery) if 'defacing' in side), '')
    name = contrast.partition(' ')[0] if outcome.study != 'S4' else outcome.engine
    engine = f' ({outcome.engine})' if outcome.study != 'S4' else ''
    return f'{name}, {STATES.get(outcome.condition, outcome.condition)}{engine}'


def _s3_hits(engine: str, outcomes: Sequence[Outcome]) -> Table:
    """Return how many people each kind of picture found."""
    size = outcomes[0].gallery_size
    columns: dict[tuple[str, str], dict[str, list[Search]]] = {}
    names, chances = [], []
    for item in outcomes:
        if (item.key, item.condition) not in columns:
            control = ' (control)' if item.condition == 'control' else ''
            names.append(item.probe.partition(',')[0] + control)
            chances.append(percent(item.summary.get('chance_of_a_hit')))
        column = columns.setdefault((item.key, item.condition), {})
        for search in item.searches:
            column.setdefault(search.what, []).append(search)
    kinds = dict.fromkeys(kind for column in columns.values() for kind in column)
    rows = tuple(
        (kind, *(_hits(column.get(kind, []), size) for column in columns.values()))
        for kind in kinds
    )
    caption = f'Hits, {engine}: right person within the first five of {size} photographs'
    return Table(caption, ('picture', *names), (*rows, ('by guessing', *chances)))


def _s3_people(engine: str, outcomes: Sequence[Outcome]) -> list[Table]:
    """Return, for each contrast, the placement of every correct match of every participant.

    Hairstyles are counted: twelve more columns would not be read.
    """
    tables = []
    for key in dict.fromkeys(item.key for item in outcomes if item.condition != 'control'):
        mine = [item for item in outcomes if item.key == key]
        size = mine[0].gallery_size
        found: dict[tuple[str, str], dict[str, Search]] = {}
        for item in mine:
            for search in item.searches:
                found.setdefault((search.participant, item.condition), {})[search.what] = search
        plain = [
            what for what in dict.fromkeys(w for s in found.values() for w in s) if ',' not in what
        ]
        rows = tuple(
            (
                f'sub-{person}',
                STATES[state],
                *(_placements(searches.get(what)) for what in plain),
                _hits([s for what, s in searches.items() if what not in plain], size),
            )
            for (person, state), searches in sorted(found.items(), key=lambda entry: entry[0][0])
        )
        contrast = mine[0].probe.partition(' ')[0]
        caption = f'{contrast}, {engine}: places of the right photographs and their scores'
        header = ('participant', 'scan', *plain, 'in other dress: hits')
        people = len({person for person, _ in found})
        tables.append(Table(caption, header, rows, people > MANY))
    return tables


def _hits(searches: Sequence[Search], gallery_size: int) -> str:
    hits = [hit for search in searches if (hit := search.hit(gallery_size)) is not None]
    if searches and not hits:
        return 'n/a'
    return f'{sum(hits)} of {len(hits)}' if hits else ''


def _placements(search: Search | None) -> str:
    if search is None or search.place is None:
        return 'n/a'
    found = zip(search.places, search.scores, strict=True)
    return '\n'.join(f'{place:g} ({number(score)})' for place, score in found) or 'none'


def _among(outcome: Outcome, size: int) -> float | None:
    rates = {item['n']: item['rate'] for item in outcome.summary.get('among') or []}
    return rates.get(size)


def _of_gallery(outcome: Outcome, key: str) -> str:
    return f'{rate(outcome.summary, key)} of {outcome.gallery_size}'


def _chance(outcome: Outcome) -> float | None:
    return 1 / outcome.gallery_size if outcome.gallery_size else None


def _open(index: int, key: str) -> Callable[[Outcome], str]:
    def cell(outcome: Outcome) -> str:
        found = outcome.summary.get('open_set') or []
        return rate(found[index], key) if index < len(found) else 'n/a'

    return cell


def _expected(outcome: Outcome) -> dict[int, float | None]:
    """Return the expected rate of first places by the number of people."""
    return {item['n']: item['rate'] for item in outcome.summary.get('expected_rank1') or []}


def _people(count: int) -> str:
    """Return a number of people in words where it is long."""
    for size, word in ((10**9, 'billion'), (10**6, 'million')):
        if count >= size and count % size == 0:
            return f'{count // size} {word}'
    return f'{count:,}'
