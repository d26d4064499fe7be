# SPDX-License-Identifier: Apache-2.0
"""Shares by kind of question, group of observers, position in the questionnaire and scan."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from facebids.core.arrays import BoolArray, FloatArray, StrArray
from facebids.quiz.answers import Answer, Observer
from facebids.quiz.scoring.accuracy import Rate, Trials, rate

PEOPLE = 'people'  # who answered, beside the names of engines
BLOCKS = 6  # parts of the questionnaire, over which learning shows
UNKNOWN = 'not said'
RARE = 'rare'
LEAST = 5  # observers with the same value, fewer of whom are no group and might be known by it
QUESTIONS = {
    'all': 'all questions',
    'match': 'the right photograph is among the choices',
    'open': '"none of the above" is a choice',
    'open_present': '"none of the above" is a choice, and the right photograph is present',
    'open_absent': '"none of the above" is a choice, and the right photograph is absent',
}
MEASURES = {
    'accuracy': 'share of right answers',
    'false_match': 'share of answers that choose the photograph of another person',
}
GROUPS = {
    'everyone': 'all observers',
    'age_band': 'age of the observer (years)',
    'sex': 'sex of the observer',
    'ethnicity': 'ethnicity of the observer',
    'profession': 'profession of the observer',
    'same_ethnicity': 'whether observer and person in the scan have the same ethnicity',
    'position': 'position of the question in the questionnaire',
    'scan': 'the scan',
}
OF_OBSERVERS = ('age_band', 'sex', 'ethnicity', 'profession')


@dataclass(frozen=True)
class Share:
    """A share of a group of answers.

    Attributes
    ----------
    who
        `PEOPLE`, or the name of an engine.
    arm
        Arm of the study.
    questions, group, measure
        Keys of `QUESTIONS`, `GROUPS` and `MEASURES`.
    level
        Which group.
    rate
        The share.
    """

    who: str
    arm: str
    questions: str
    group: str
    level: str
    measure: str
    rate: Rate


def of_kinds(trials: Trials) -> dict[str, BoolArray]:
    """Return which answers belong to each kind of question."""
    is_open = trials.kind == 'open'
    return {
        'all': np.ones(len(trials), bool),
        'match': ~is_open,
        'open': is_open,
        'open_present': is_open & trials.present,
        'open_absent': is_open & ~trials.present,
    }


def levels(
    answers: Sequence[Answer],
    observers: Sequence[Observer],
    ethnicities: Mapping[str, str | None],
) -> dict[str, StrArray]:
    """Return the group of each answer, in each grouping of observers.

    Parameters
    ----------
    answers
        N answers.
    observers
        The observers who gave them.
    ethnicities
        Ethnicity of the person in each scan.

    Returns
    -------
    dict of ndarray of str, shape (N,)
        A key of `GROUPS` each; `UNKNOWN` where someone did not say, `RARE` where hardly anybody
        else said the same.
    """
    known = {observer.id: observer for observer in observers}
    said = {group: common(observers, group) for group in OF_OBSERVERS}
    found = {
        group: [values[item.observer] or UNKNOWN for item in answers]
        for group, values in said.items()
    }
    found['same_ethnicity'] = [
        same_ethnicity(known[item.observer].ethnicity, ethnicities.get(item.scan))
        for item in answers
    ]
    return {group: np.array(values, str) for group, values in found.items()}


def common(observers: Iterable[Observer], field: str) -> dict[str, str | None]:
    """Return what observers said about themselves, by identifier; `RARE` where few said the same.

    Parameters
    ----------
    observers
        The observers.
    field
        One of `OF_OBSERVERS`. Case does not matter.
    """
    values = {item.id: (getattr(item, field) or '').strip() for item in observers}
    counts = Counter(value.casefold() for value in values.values())
    spelling = {value.casefold(): value for value in reversed([*values.values()])}
    return {
        who: None
        if not value
        else spelling[value.casefold()]
        if counts[value.casefold()] >= LEAST
        else RARE
        for who, value in values.items()
    }


def same_ethnicity(one: str | None, other: str | None) -> str:
    """Return ``'same'`` or ``'other'``, or `UNKNOWN` where one of them is not known."""
    if not one or not other:
        return UNKNOWN
    return 'same' if one.strip().casefold() == other.strip().casefold() else 'other'


def blocks(trials: Trials) -> StrArray:
    """Return the part of the questionnaire of each answer, as ``'01-10'``, shape (N,)."""
    last = int(trials.number.max(initial=1))
    edges = np.linspace(0, last, min(BLOCKS, last) + 1).round().astype(int)
    digits = len(str(last))
    names = np.array([f'{low + 1:0{digits}}-{high:0{digits}}' for low, high in pairwise(edges)])
    return names[np.searchsorted(edges, trials.number) - 1]


def shares(
    answers: Sequence[Answer],
    who: str = PEOPLE,
    groupings: Mapping[str, StrArray] | None = None,
    seed: int = 0,
) -> list[Share]:
    """Return the shares of all answers, and of the answers of each group and to each scan.

    Parameters
    ----------
    answers
        N answers.
    who
        `PEOPLE`, or the name of an engine.
    groupings
        Groups of observers, as of `levels`; a machine has none.
    seed
        Random seed of the bootstrap.
    """
    if not answers:
        return []
    trials = Trials.of(answers)
    grouped = {
        'everyone': np.full(len(trials), 'all'),
        'scan': np.array([item.scan for item in answers], str),
    }
    if groupings is not None:
        grouped |= {**groupings, 'position': blocks(trials)}
    return [
        share
        for arm in np.unique(trials.arm).tolist()
        for group, level, inside in _selections(grouped, trials.arm == arm)
        for share in _shares_of(trials, inside, (who, arm, group, level), seed)
    ]


def _selections(
    grouped: Mapping[str, StrArray], inside: BoolArray
) -> Iterator[tuple[str, str, BoolArray]]:
    for group in GROUPS:
        if group in grouped:
            for level in np.unique(grouped[group][inside]).tolist():
                yield group, level, inside & (grouped[group] == level)


def _shares_of(
    trials: Trials, inside: BoolArray, what: tuple[str, str, str, str], seed: int
) -> Iterator[Share]:
    who, arm, group, level = what
    measured: dict[str, tuple[BoolArray, FloatArray]] = {
        'accuracy': (trials.correct, trials.chance),
        'false_match': (trials.false_match, trials.false_chance),
    }
    for questions, of_kind in of_kinds(trials).items():
        if questions.startswith('open_') and group != 'everyone':
            continue
        kept = inside & of_kind
        if not kept.any():
            continue
        for measure, (successes, chance) in measured.items():
            share = rate(
                successes[kept], trials.observer[kept], trials.scan[kept], chance[kept],
                seed=seed, fixed_scans=group == 'scan',
            )  # fmt: skip
            yield Share(who, arm, questions, group, level, measure, share)


def find(
    found: Sequence[Share],
    arm: str,
    questions: str = 'all',
    *,
    who: str = PEOPLE,
    group: str = 'everyone',
    measure: str = 'accuracy',
) -> dict[str, Rate]:
    """Return the rates of every level of a group, by level."""
    wanted = (who, arm, questions, group, measure)
    return {
        share.level: share.rate
        for share in found
        if (share.who, share.arm, share.questions, share.group, share.measure) == wanted
    }
