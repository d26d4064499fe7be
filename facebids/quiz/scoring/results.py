# SPDX-License-Identifier: Apache-2.0
"""The results of a study: its observers and their answers, and what machines answered."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facebids.core.arrays import StrArray
from facebids.quiz.answers import Answer, Observer
from facebids.quiz.scoring import groups, mixed
from facebids.quiz.scoring.accuracy import Trials
from facebids.quiz.scoring.groups import Share
from facebids.quiz.scoring.machine import Machine
from facebids.quiz.scoring.mixed import Mixed
from facebids.quiz.study import Study


@dataclass(frozen=True)
class Arm:
    """The answers of one arm.

    Attributes
    ----------
    name
        The arm.
    observers, finished
        Number of observers with an answer, and of those who answered every question.
    always_none
        Accuracy of always answering "none of the above" where that is a choice: the share of
        these questions in which the right photograph is absent. None without such a question.
    of_observers
        Share of right answers of each observer who finished.
    seconds
        Median time of an answer (s).
    """

    name: str
    observers: int
    finished: int
    always_none: float | None
    of_observers: tuple[float, ...]
    seconds: float


@dataclass(frozen=True)
class Results:
    """All results.

    Attributes
    ----------
    joined
        Number of observers, some of whom may have no answer.
    answers
        Number of answers.
    scans, photographs, distractors, questions, choices
        Of the study: how many scans, photographs, and photographs of other people, and how many
        questions of an observer and photographs of a question.
    participants
        Participant in each scan.
    arms
        The arms with answers.
    shares
        Every share.
    mixed
        The mixed model, or why there is none.
    engines
        The engines that answered.
    notes
        What to know about the answers, in sentences.
    """

    joined: int
    answers: int
    scans: int
    photographs: int
    distractors: int
    questions: int
    choices: int
    participants: dict[str, str]
    arms: tuple[Arm, ...]
    shares: tuple[Share, ...]
    mixed: Mixed | str
    engines: tuple[Machine, ...]
    notes: tuple[str, ...]

    @property
    def who(self) -> tuple[str, ...]:
        """People, and the names of the engines."""
        return (groups.PEOPLE, *(item.name for item in self.engines))


def results(
    study: Study,
    observers: Sequence[Observer],
    answers: Sequence[Answer],
    machines: Sequence[Machine] = (),
) -> Results:
    """Return all results.

    Parameters
    ----------
    study
        The study; its seed is that of the bootstrap.
    observers
        All observers.
    answers
        Their answers, at least one.
    machines
        What engines answered to the same questions.
    """
    trials = Trials.of(answers)
    ethnicities = {scan.id: scan.ethnicity for scan in study.scans}
    groupings = groups.levels(answers, observers, ethnicities)
    shares = groups.shares(answers, groupings=groupings, seed=study.seed)
    for item in machines:
        shares += groups.shares(item.answers, item.name, seed=study.seed)
    arms = tuple(_arm(answers, name, study.questions) for name in np.unique(trials.arm).tolist())
    return Results(
        joined=len(observers),
        answers=len(answers),
        scans=len(study.scans),
        photographs=len(study.photographs),
        distractors=sum(item.participant is None for item in study.photographs),
        questions=study.questions,
        choices=study.choices,
        participants={scan.id: scan.participant for scan in study.scans},
        arms=tuple(sorted(arms, key=lambda arm: study.arms.index(arm.name))),
        shares=tuple(shares),
        mixed=mixed.fit(trials, groupings['same_ethnicity']),
        engines=tuple(machines),
        notes=tuple(_notes(observers, arms, groupings['same_ethnicity'])),
    )


def _arm(answers: Sequence[Answer], name: str, questions: int) -> Arm:
    mine = [item for item in answers if item.arm == name]
    given = Counter(item.observer for item in mine)
    right = Counter(item.observer for item in mine if item.correct)
    absent = [not item.present for item in mine if item.kind == 'open']
    return Arm(
        name=name,
        observers=len(given),
        finished=sum(count >= questions for count in given.values()),
        always_none=float(np.mean(absent)) if absent else None,
        of_observers=tuple(
            sorted(right[who] / count for who, count in given.items() if count >= questions)
        ),
        seconds=float(np.median([item.seconds for item in mine])),
    )


def _notes(observers: Sequence[Observer], arms: Sequence[Arm], ethnicity: StrArray) -> list[str]:
    answered = sum(arm.observers for arm in arms)
    unfinished = answered - sum(arm.finished for arm in arms)
    notes = []
    if silent := len(observers) - answered:
        notes.append(f'{silent} of {len(observers)} observers answered nothing.')
    if unfinished:
        notes.append(
            f'{unfinished} of {answered} observers did not finish. The answers that they gave '
            'count.'
        )
    unknown = int((ethnicity == groups.UNKNOWN).sum())
    if unknown == len(ethnicity):
        notes.append(
            'The ethnicity of observers or of the people in the scans is not known, so it cannot '
            'be said whether people recognise those of their own ethnicity better.'
        )
    elif unknown:
        notes.append(
            f'{unknown} of {len(ethnicity)} answers have no known ethnicity of both observer and '
            'person in the scan.'
        )
    return notes
