# SPDX-License-Identifier: Apache-2.0
"""Tables in the layout of the studies: published numbers, and those of the data beside them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan

from facebids.core.record import Identifiability
from facebids.reports import curves, number
from facebids.studies.results import (
    BRAIN,
    GALLERIES,
    Estimate,
    NotPossible,
    OpenSetPoint,
    Outcome,
    Results,
    Search,
    Similarity,
    strongest,
)
from facebids.words import spelled

MANY = 30  # participants: a table of more is folded
STATES = {'before': 'before', 'after': 'after', 'after_both': 'both defaced'}
HEADINGS = {
    'S1': 'S1: renders in a gallery of photographs',
    'S2': 'S2: photographs in a gallery of scans',
    'S3': 'S3: single views in a gallery of photographs',
    'S4': 'S4: do two renders show the same person?',
}
SOURCES = {
    'S1': 'Reproduces Mazura et al., 2012, J. Digit. Imaging 25:347: one render of each head, '
    'one photograph of each participant.',
    'S2': 'Reproduces Schwarz et al., 2019, N. Engl. J. Med. 381:1684: ten random views of each '
    'scan are enrolled, each photograph is a probe, and the scores of all photographs of a '
    'participant are combined.',
    'S3': 'Reproduces Steeg et al., 2024, eClinicalMedicine 78:102930: a search is a hit if the '
    'right participant is within rank 5. In the study, generic hair caused more '
    'misidentifications.',
    'S4': 'Reproduces the comparison of TotalSegmentator and CTA-DEFACE on head CT: cosine '
    'similarity of face embeddings, and a support vector machine on it in five folds. Here the '
    'folds have disjoint participants.',
}


@dataclass(frozen=True)
class Table:
    """A table of texts; a long one is ``folded``."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    folded: bool = False


@dataclass(frozen=True)
class Study:
    """The section of the page on one study."""

    name: str
    heading: str
    source: str
    tables: tuple[Table, ...]
    missing: tuple[NotPossible, ...]
    reasons: tuple[str, ...]


def studies(results: Results) -> list[Study]:
    """Return S1 to S4, each with its tables and the comparisons that were not possible."""
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
    """Return the expected rank-1 identification rates in larger galleries.

    Each comparison is shown with its strongest engine.
    """
    shown = [
        item
        for item in results.outcomes
        if any(known.high is not None for known in _expected(item).values())
    ]
    sizes = sorted(
        {n for i in shown for n, known in _expected(i).items() if known.high is not None}
    )
    rows = []
    for key in dict.fromkeys(item.key for item in shown):
        mine = [item for item in shown if item.key == key]
        engine = strongest(mine)
        for item in mine:
            if item.engine == engine:
                cells = [at_most(_expected(item).get(n, Estimate())) for n in sizes]
                sides = f'{contrast(item.probe)} in a gallery of {contrast(item.gallery)}'
                rows.append((f'{item.title}: {sides}', curves.caption(item), *cells))
    header = ('Comparison', 'Scans', *map(_people, sizes))
    return Table('', header, tuple(rows))


def linkage(results: Results) -> Table:
    """Return how many participants are found again by their brain alone, and by their face."""
    rows = []
    for key in dict.fromkeys(item.key for item in results.of(BRAIN)):
        found = {item.engine: item for item in results.of(BRAIN) if item.key == key}
        faces = [item for item in results.of('scans') if f'{BRAIN}_{item.key}' == key]
        engine = strongest(faces) if faces else ''
        face = {item.condition: item.summary for item in faces if item.engine == engine}
        first = next(iter(found.values()))
        sides = (
            f'{first.probe.partition(",")[0]} in a gallery of {first.gallery.partition(",")[0]}'
        )
        rows.append(
            (
                f'{first.title}: {sides}',
                str(first.summary.people_with_mates),
                *(
                    rate(face[name].rank1) if name in face else 'n/a'
                    for name in ('before', 'after_both')
                ),
                *(rate(item.summary.rank1) for item in found.values()),
                percent(first.summary.chance),
            )
        )
    engines = dict.fromkeys(item.engine for item in results.of(BRAIN))
    alignments = [f'brain, {name}' for name in engines]
    header = (
        'Comparison',
        'Participants',
        'face before',
        'face, both defaced',
        *alignments,
        'chance',
    )
    return Table('', header, tuple(rows))


def _reasons(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(reason for item in outcomes for reason in item.summary.reasons))


# --- cells --------------------------------------------------------------------------------------


def percent(value: float | None) -> str:
    """Return a share as a percentage."""
    if value is None:
        return 'n/a'
    if 0 < value < 0.0001:
        return '< 0.01 %'
    return f'{100 * value:.0f} %' if value == 0 or value >= 0.01 else f'{100 * value:.2g} %'


def rate(share: Estimate) -> str:
    """Return a share with its interval, ``'83 % (74 to 90)'``."""
    return percent(share.value) + interval(share)


def at_most(share: Estimate) -> str:
    """Return a share with its interval, or the upper bound where no more is known."""
    if share.value is None and share.high is not None:
        return f'at most {percent(share.high)}'
    return rate(share)


def interval(share: Estimate) -> str:
    """Return the interval of a share in brackets, or nothing."""
    if share.low is None or share.high is None:
        return ''
    return f' ({100 * share.low:.0f} to {100 * share.high:.0f})'


def figure(estimate: Estimate) -> str:
    """Return a number with its interval, ``'0.96 (0.93 to 0.98)'``."""
    if estimate.low is None or estimate.high is None:
        return number(estimate.value)
    return f'{number(estimate.value)} ({number(estimate.low)} to {number(estimate.high)})'


def strength(found: Identifiability | None) -> str:
    """Return a log10 likelihood ratio, ``'-0.52'``; at the calibration's bound ``'≤ -1.30'``."""
    if not found or found.log10_lr is None:
        return 'n/a'
    sign = {'at most ': '≤ ', 'at least ': '≥ '}.get(_bound(found), '')
    return f'{sign}{found.log10_lr:.2f}'


def strength_in_words(found: Identifiability) -> str:
    """Return a log10 likelihood ratio and its interval: ``'-0.52 (95 % interval -0.9 to 0.1)'``.

    Beyond its bounds the calibration supports no ratio: ``'at most -1.30 (95 % interval up to
    -1.20)'``.
    """
    low, high, bound = found.log10_lr_low, found.log10_lr_high, _bound(found)
    text = f'{bound}{found.log10_lr:.2f}'
    if low is None or high is None:
        return text
    if low == high:
        return f'{text} (the bound of what the calibration supports)'
    ends = {'at most ': f'up to {high:.2f}', 'at least ': f'from {low:.2f}'}
    return f'{text} (95 % interval {ends.get(bound, f"{low:.2f} to {high:.2f}")})'


def _bound(found: Identifiability) -> str:
    """Return in words on which side of a ratio the true one is, if it is at a bound."""
    if found.log10_lr == found.log10_lr_low:
        return 'at most '
    return 'at least ' if found.log10_lr == found.log10_lr_high else ''


def quartiles(scores: Similarity) -> str:
    """Return a median with its quartiles, ``'0.65 (0.47 to 0.80)'``."""
    if scores.median is None:
        return 'n/a'
    return f'{scores.median:.2f} ({scores.q1:.2f} to {scores.q3:.2f})'


def contrast(side: str) -> str:
    """Return one side of a comparison without its state."""
    return side if side.startswith('photo') else side.partition(' ')[0]


# --- the studies --------------------------------------------------------------------------------


def _s1(outcomes: Sequence[Outcome]) -> list[Table]:
    rows: list[tuple[str, str, Callable[[Outcome], str]]] = [
        ('participants', '29', lambda o: number(o.summary.people_with_mates)),
        ('renders with a face', '28 of 29', lambda o: percent(o.summary.detection)),
        *(
            (f'rank 1 of {n} photographs', '28 %', lambda o, n=n: percent(_smaller(o, n)))
            for n in GALLERIES
        ),
        ('rank 1 of all photographs (closed set)', '', _closed),
        ('rank 5', '', lambda o: rate(o.summary.rank5)),
        ('open set, no false positive before: TPIR', '28 %', lambda o: rate(_point(o, 0).tpir)),
        ('FPIR at this threshold', '0', lambda o: rate(_point(o, 0).fpir)),
        ('open set, 10 % false positives before: TPIR', '', lambda o: rate(_point(o, 1).tpir)),
        ('FPIR at this threshold', '', lambda o: rate(_point(o, 1).fpir)),
        ('observers, closed set', '88 %', lambda o: 'asked by facebids-quiz'),
        ('observers, open set', '50 %', lambda o: 'asked by facebids-quiz'),
    ]
    return [_beside('S1, before', rows, outcomes)] if outcomes else []


def _s2(outcomes: Sequence[Outcome]) -> list[Table]:
    rows: list[tuple[str, str, Callable[[Outcome], str]]] = [
        ('participants with photographs', '84', lambda o: number(o.summary.people_with_mates)),
        ('scans enrolled', '84', lambda o: number(o.summary.gallery_size)),
        ('views with a face', '', lambda o: percent(o.summary.detection)),
        ('rank 1', '83 %', lambda o: rate(o.summary.rank1)),
        ('rank 5', '95 %', lambda o: rate(o.summary.rank5)),
        ('chance level of rank 1', '1 %', lambda o: percent(o.summary.chance)),
        ('area under the ROC curve', '', lambda o: figure(o.summary.auc)),
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
    rows: list[tuple[str, tuple[str, ...], Callable[[Outcome], str]]] = [
        ('renders with a face', ('76.5 %', '', ''), lambda o: percent(o.summary.detection)),
        (
            'similarity, genuine pairs: median (quartiles)',
            ('0.65 (0.47 to 0.80)', '', ''),
            lambda o: quartiles(o.summary.intra),
        ),
        (
            'similarity, impostor pairs: median (quartiles)',
            ('0.50 (0.39 to 0.62)', '', ''),
            lambda o: quartiles(o.summary.inter),
        ),
        ('ROC-AUC of the similarity', ('', '', ''), lambda o: figure(o.summary.auc)),
        (
            'SVM, ROC-AUC: mean (SD)',
            ('0.69 (0.01)', '0.55 (0.02)', '0.60 (0.02)'),
            _svm_auc,
        ),
        (
            'SVM, accuracy: mean (SD)',
            ('0.65 (0.01)', '0.56 (0.01)', '0.59 (0.01)'),
            _svm_accuracy,
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
    """Return the number of hits of each kind of picture."""
    columns: dict[tuple[str, str], dict[str, list[Search]]] = {}
    names, chances, sizes = [], [], []
    for item in outcomes:
        if (item.key, item.condition) not in columns:
            control = ' (control)' if item.condition == 'control' else ''
            names.append(item.probe.partition(',')[0] + control)
            chances.append(percent(item.summary.chance_within_five))
            sizes.append(item.summary.gallery_size)
        column = columns.setdefault((item.key, item.condition), {})
        for search in item.searches:
            column.setdefault(search.probe_type, []).append(search)
    kinds = dict.fromkeys(kind for column in columns.values() for kind in column)
    rows = tuple(
        (
            spelled(kind),
            *(
                _hits(column.get(kind, []), size)
                for column, size in zip(columns.values(), sizes, strict=True)
            ),
        )
        for kind in kinds
    )
    caption = f'Hits (rank 5 or better) in a gallery of {sizes[0]} photographs, {engine}'
    return Table(caption, ('picture', *names), (*rows, ('chance level', *chances)))


def _s3_people(engine: str, outcomes: Sequence[Outcome]) -> list[Table]:
    """Return, for each contrast, the ranks of every participant's photographs within rank 5.

    Of the hairstyles only the hits are counted: they would be twelve more columns.
    """
    tables = []
    for key in dict.fromkeys(item.key for item in outcomes if item.condition != 'control'):
        mine = [item for item in outcomes if item.key == key]
        size = mine[0].summary.gallery_size
        found: dict[tuple[str, str], dict[str, Search]] = {}
        for item in mine:
            for search in item.searches:
                searches = found.setdefault((search.participant, item.condition), {})
                searches[search.probe_type] = search
        kinds = dict.fromkeys(kind for searches in found.values() for kind in searches)
        plain = [kind for kind in kinds if ',' not in kind]
        rows = tuple(
            (
                f'sub-{person}',
                STATES[state],
                *(_ranks(searches.get(kind)) for kind in plain),
                _hits([s for kind, s in searches.items() if kind not in plain], size),
            )
            for (person, state), searches in sorted(found.items(), key=lambda entry: entry[0][0])
        )
        contrast = mine[0].probe.partition(' ')[0]
        caption = f'{contrast}, {engine}: ranks and scores of the right photographs'
        header = ('participant', 'scan', *map(spelled, plain), 'hits with other appearance')
        people = len({person for person, _ in found})
        tables.append(Table(caption, header, rows, people > MANY))
    return tables


def _hits(searches: Sequence[Search], gallery_size: int) -> str:
    hits = [hit for search in searches if (hit := search.hit(gallery_size)) is not None]
    if searches and not hits:
        return 'n/a'
    return f'{sum(hits)} of {len(hits)}' if hits else ''


def _ranks(search: Search | None) -> str:
    if search is None or search.rank is None:
        return 'n/a'
    found = zip(search.ranks, search.scores, strict=True)
    return '\n'.join(f'{rank:g} ({number(score)})' for rank, score in found) or 'none'


def _smaller(outcome: Outcome, size: int) -> float | None:
    rates = {item.size: item.rank1.value for item in outcome.summary.smaller_galleries}
    return rates.get(size)


def _closed(outcome: Outcome) -> str:
    return f'{rate(outcome.summary.rank1)} of {outcome.summary.gallery_size}'


def _point(outcome: Outcome, index: int) -> OpenSetPoint:
    """Return the open set at one of the thresholds; its rates are undefined without that one."""
    points = outcome.summary.open_set
    return points[index] if index < len(points) else OpenSetPoint(nan, Estimate(), Estimate())


def _svm_auc(outcome: Outcome) -> str:
    svm = outcome.summary.svm
    return f'{svm.auc:.2f} ({svm.auc_sd:.2f})' if svm else 'n/a'


def _svm_accuracy(outcome: Outcome) -> str:
    svm = outcome.summary.svm
    return f'{svm.accuracy:.2f} ({svm.accuracy_sd:.2f})' if svm else 'n/a'


def _expected(outcome: Outcome) -> dict[int, Estimate]:
    """Return the expected rank-1 identification rate by the size of the gallery."""
    return {item.size: item.rank1 for item in outcome.summary.larger_galleries}


def _people(count: int) -> str:
    """Return the size of a gallery, from a million on in words."""
    for size, word in ((10**9, 'billion'), (10**6, 'million')):
        if count >= size and count % size == 0:
            return f'{count // size} {word}'
    return f'{count:,}'
