# SPDX-License-Identifier: Apache-2.0
"""The tables of the page: the study of Chen and Siegel with its figures beside, and the shares."""

from collections.abc import Callable

from facebids.quiz.scoring import mixed
from facebids.quiz.scoring.accuracy import Rate
from facebids.quiz.scoring.groups import find
from facebids.quiz.scoring.machine import Machine
from facebids.quiz.scoring.mixed import Mixed
from facebids.quiz.scoring.plots import GROUPS, KINDS
from facebids.quiz.scoring.results import Arm, Results
from facebids.quiz.scoring.tables import scan_rows
from facebids.reports import number
from facebids.reports.tables import Table, percent, rate
from facebids.studies.results import Estimate

MANY = 30  # scans: a table of more is folded


def study_table(results: Results) -> Table:
    """Return the figures of the study S1 beside those of each arm."""

    def share(kind: str, **what: str) -> Callable[[Arm], str]:
        level = what.pop('level', 'all')
        return lambda arm: cell(find(results.shares, arm.name, kind, **what).get(level))

    rows: list[tuple[str, str, Callable[[Arm], str]]] = [
        ('observers', '149', lambda arm: str(arm.observers)),
        ('scans', '29', lambda _: str(results.scans)),
        ('questions of an observer', '58', lambda _: str(results.questions)),
        ('photographs of other people', '150', lambda _: str(results.distractors)),
        ('right answers, all questions', '61 %', share('all')),
        ('right answers, guaranteed match', '88 %', share('match')),
        ('right answers, "none of the above" is a choice', '50 %', share('open')),
        ('the same, guessing', '', lambda arm: _chance(results, arm, 'open')),
        ('false matches', '', share('all', measure='false_match')),
        ('right answers, same ethnicity', 'significantly better',
         share('all', group='same_ethnicity', level='same')),
        ('right answers, another ethnicity', '',
         share('all', group='same_ethnicity', level='other')),
        ('right answers, by age of the observer', 'minor effect',
         lambda arm: _range(results, arm, 'age_band')),
        ('right answers, by sex of the observer', 'minor effect',
         lambda arm: _range(results, arm, 'sex')),
    ]  # fmt: skip
    for place, engine in enumerate(results.engines):
        first = place == 0
        rows += [
            (f'{engine.name}: renders with a face', '28 of 29' * first, _faces(engine)),
            (f'{engine.name}: rank 1 of all {results.photographs} photographs',
             '8 of 29 (28 %)' * first, _rank1(engine)),
            (f'{engine.name}: right answers to the questions', '', share('all', who=engine.name)),
        ]  # fmt: skip
    arms = results.arms
    cells = tuple((name, study, *(value(arm) for arm in arms)) for name, study, value in rows)
    return Table('', ('', 'S1, before', *(f'{arm.name} defacing' for arm in arms)), cells)


def accuracy_table(results: Results, arm: Arm) -> Table:
    """Return the shares of people and engines by kind of question, beside chance."""
    rows = []
    for who in results.who:
        for kind, label in KINDS.items():
            right = find(results.shares, arm.name, kind, who=who).get('all')
            false = find(results.shares, arm.name, kind, who=who, measure='false_match').get('all')
            if right is not None and false is not None:
                wilson = Estimate(right.value, right.wilson_low, right.wilson_high)
                rows.append(
                    (
                        f'{who}, {label}',
                        str(right.answers),
                        cell(right),
                        rate(wilson),
                        percent(right.chance),
                        told(right) if kind == 'match' else '',
                        cell(false),
                    )
                )
    header = ('', 'Answers', 'Right', 'Right, Wilson interval', 'Guessing', 'Told from guessing',
              'False matches')  # fmt: skip
    return Table('', header, tuple(rows))


def group_table(results: Results, arm: Arm) -> Table:
    """Return the shares of people by group of observers."""
    rows = []
    for group, title in GROUPS.items():
        shares = {
            kind: find(results.shares, arm.name, kind, group=group)
            for kind in ('all', 'match', 'open')
        }
        false = find(results.shares, arm.name, group=group, measure='false_match')
        rows += [
            (
                f'{title}: {level}',
                str(share.observers),
                *(cell(found.get(level)) for found in shares.values()),
                cell(false.get(level)),
            )
            for level, share in shares['all'].items()
        ]
    header = ('', 'Observers', 'All questions', 'Guaranteed match', '"None of the above"',
              'False matches')  # fmt: skip
    return Table('', header, tuple(rows))


def effect_table(model: Mixed) -> Table:
    """Return the fixed effects of the mixed model."""
    rows = tuple(
        (
            mixed.TERMS[item.name],
            _interval(item.value, item.low, item.high),
            _interval(*item.odds_ratio),
        )
        for item in model.effects
    )
    return Table(
        '', ('Effect', 'Log odds (95 % interval)', 'Odds ratio (of the first, odds)'), rows
    )


def scan_table(results: Results, arm: Arm) -> Table:
    """Return how often every scan is recognised, by people and by engines."""
    engines = [item.name for item in results.engines]
    rows = tuple(
        (
            row['participant_id'],
            str(row['answers']),
            rate(Estimate(row['accuracy'], row['accuracy_low'], row['accuracy_high'])),
            percent(row['accuracy_match']),
            percent(row['false_match']),
            *(_of_engine(row, name) for name in engines),
        )
        for row in scan_rows(results)
        if row['arm'] == arm.name
    )
    header = ('Participant', 'Answers', 'Right', 'Guaranteed match', 'False matches', *engines)
    many = len(rows) > MANY
    return Table(f'All {len(rows)} scans' * many, header, rows, folded=many)


def told(share: Rate) -> str:
    """Return whether a share is told from guessing: the interval excludes it.

    That holds of questions with a guaranteed match only. Who recognises nobody, and always answers
    "none of the above" where that is a choice, is right more often than by guessing.
    """
    if share.low is None or share.high is None:
        return 'n/a'
    if share.low > share.chance:
        return 'better'
    return 'worse' if share.high < share.chance else 'no'


def finding(results: Results, arm: Arm) -> str:
    """Return the main result of an arm in sentences."""
    whole = find(results.shares, arm.name)['all']
    text = (
        f'{count(arm.observers, "observer")} gave {whole.answers} answers to renders {arm.name} '
        f'defacing.'
    )
    share = find(results.shares, arm.name, 'match').get('all')
    if share is None:
        return f'{text} None was to a question with a guaranteed match.'
    text += (
        f' With a guaranteed match, {cell(share)} were right; guessing gives '
        f'{percent(share.chance)}.'
    )
    verdict = told(share)
    if verdict == 'better':
        return f'{text} People recognise these renders better than by guessing.'
    if verdict == 'n/a':
        return f'{text} One observer or one scan tells nothing about others.'
    return (
        f'{text} This is not better than guessing. It does not prove that nobody is recognised: '
        'see the single scans, and what accuracy a study of this size can tell from guessing.'
    )


def count(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f'{number} {noun}{"" if number == 1 else "s"}'


def cell(share: Rate | None) -> str:
    """Return a share with its cluster interval."""
    if share is None:
        return 'n/a'
    return rate(Estimate(share.value, share.low, share.high))


def _chance(results: Results, arm: Arm, kind: str) -> str:
    share = find(results.shares, arm.name, kind).get('all')
    none = '' if arm.always_none is None else f'; always "none": {percent(arm.always_none)}'
    return percent(share.chance if share else None) + none


def _range(results: Results, arm: Arm, group: str) -> str:
    values = [share.value for share in find(results.shares, arm.name, group=group).values()]
    return f'{percent(min(values))} to {percent(max(values))}' if len(values) > 1 else 'n/a'


def _faces(engine: Machine) -> Callable[[Arm], str]:
    def found(arm: Arm) -> str:
        mine = [item.face for item in engine.searches if item.arm == arm.name]
        return f'{sum(mine)} of {len(mine)}'

    return found


def _rank1(engine: Machine) -> Callable[[Arm], str]:
    def found(arm: Arm) -> str:
        mine = [item.first for item in engine.searches if item.arm == arm.name]
        return f'{sum(mine)} of {len(mine)} ({percent(sum(mine) / len(mine))})' if mine else 'n/a'

    return found


def _of_engine(row: dict[str, object], name: str) -> str:
    value = row[f'accuracy_{name}']
    shown = percent(value if isinstance(value, float) else None)
    return shown if row[f'face_{name}'] else f'{shown}, no face'


def _interval(value: float, low: float, high: float) -> str:
    return f'{number(value)} ({number(low)} to {number(high)})'
