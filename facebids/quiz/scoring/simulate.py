# SPDX-License-Identifier: Apache-2.0
"""Observers with a known skill, to test the statistics with."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facebids.quiz.answers import Answer, Observer

ETHNICITIES = ('A', 'B')
SHARES = (0.55, 0.45)  # of the ethnicities, of people in scans and of observers


@dataclass(frozen=True)
class Skill:
    """The log odds of a right answer: fixed effects, and standard deviations of random effects.

    The fixed effects are those of `mixed.TERMS`. The defaults give about the accuracies of the
    study of Chen and Siegel: 88 % with a guaranteed match, 50 % with "none of the above".

    Attributes
    ----------
    match
        Intercept: a guaranteed match, halfway through, a person of another ethnicity.
    open
        Added where "none of the above" is a choice.
    same_ethnicity
        Added for a person of the observer's ethnicity.
    learning
        Added from the first to the last question.
    after
        Added for renders of defaced scans.
    observer_sd, scan_sd
        Standard deviations between observers and between scans.
    """

    match: float = 2.0
    open: float = -2.1
    same_ethnicity: float = 0.3
    learning: float = 0.3
    after: float = -2.0
    observer_sd: float = 0.5
    scan_sd: float = 0.6

    def probability(
        self,
        *,
        kind: str,
        same: bool,
        position: float,
        arm: str = 'before',
        of_observer: float = 0.0,
        of_scan: float = 0.0,
    ) -> float:
        """Return the probability of a right answer.

        Parameters
        ----------
        kind
            ``'match'`` or ``'open'``.
        same
            Whether observer and person have the same ethnicity.
        position
            From 0, the first question, to 1, the last.
        arm
            Arm of the render.
        of_observer, of_scan
            Random effects.
        """
        odds = self.match + self.open * (kind == 'open') + self.same_ethnicity * same
        odds += self.learning * (position - 0.5) + self.after * (arm == 'after')
        return 1 / (1 + math.exp(-odds - of_observer - of_scan))


def choose(
    random: np.random.Generator,
    probability: float,
    *,
    kind: str,
    choices: Sequence[str],
    right: str,
) -> str | None:
    """Return the answer of an observer who is right with a probability, else any wrong one.

    Parameters
    ----------
    random
        Random generator.
    probability
        Probability of the right answer.
    kind
        ``'match'`` or ``'open'``.
    choices
        Photographs shown.
    right
        Photograph of the person in the scan, shown or not.

    Returns
    -------
    str or None
        A photograph; None: "none of the above".
    """
    answers: list[str | None] = [*choices]
    if kind == 'open':
        answers.append(None)
    truth = right if right in choices else None
    if random.random() < probability:
        return truth
    wrong = [item for item in answers if item != truth]
    return wrong[random.integers(len(wrong))]


@dataclass(frozen=True)
class Simulation:
    """Observers, their answers, and the ethnicity of the person in each scan."""

    observers: tuple[Observer, ...]
    answers: tuple[Answer, ...]
    ethnicities: dict[str, str]


def simulate(
    observers: int,
    scans: int,
    skill: Skill | None = None,
    *,
    choices: int = 6,
    absent: float = 0.5,
    arms: Sequence[str] = ('before',),
    seed: int = 0,
) -> Simulation:
    """Return the answers of observers with a known skill: two questions about every scan.

    Parameters
    ----------
    observers, scans
        How many.
    skill
        The skill; that of `Skill` by default.
    choices
        Photographs of a question.
    absent
        Probability that the right photograph is absent where "none of the above" is a choice.
    arms
        Arms, to which observers are assigned in turn.
    seed
        Random seed.
    """
    skill = skill or Skill()
    random = np.random.default_rng(seed)
    heads = [f's{number:03}' for number in range(scans)]
    of_scan = dict(zip(heads, random.normal(0, skill.scan_sd, scans), strict=True))
    ethnicities = dict(zip(heads, random.choice(ETHNICITIES, scans, p=SHARES), strict=True))
    people, answers = [], []
    for number in range(observers):
        person = _observer(random, number, arms[number % len(arms)])
        effect = random.normal(0, skill.observer_sd)
        questions = [(head, kind) for head in heads for kind in ('match', 'open')]
        for place, index in enumerate(random.permutation(len(questions))):
            head, kind = questions[index]
            probability = skill.probability(
                kind=kind, same=person.ethnicity == ethnicities[head], arm=person.arm,
                position=place / (len(questions) - 1),
                of_observer=effect, of_scan=of_scan[head],
            )  # fmt: skip
            present = kind == 'match' or random.random() >= absent
            shown = _choices(random, heads, head, choices, present)
            right = f'photo-{head}'
            chosen = choose(random, probability, kind=kind, choices=shown, right=right)
            seconds = float(random.lognormal(2, 0.5))
            answers.append(
                Answer(
                    person.id,
                    place + 1,
                    head,
                    person.arm,
                    kind,
                    present,
                    shown,
                    chosen,
                    right,
                    seconds,
                )
            )
        people.append(person)
    return Simulation(tuple(people), tuple(answers), {k: str(v) for k, v in ethnicities.items()})


def _observer(random: np.random.Generator, number: int, arm: str) -> Observer:
    return Observer(
        id=f'o{number:03}',
        arm=arm,
        age_band=str(random.choice(('20-29', '30-39', '40-49', '50-59'))),
        sex=str(random.choice(('F', 'M'))),
        ethnicity=str(random.choice(ETHNICITIES, p=SHARES)),
        profession=str(random.choice(('radiologist', 'technologist', 'other'))),
    )


def _choices(
    random: np.random.Generator, heads: Sequence[str], head: str, count: int, present: bool
) -> tuple[str, ...]:
    others = [name for name in heads if name != head]
    drawn = random.choice(others, min(count - present, len(others)), replace=False).tolist()
    shown = [f'photo-{name}' for name in ([head] * present + drawn)]
    return tuple(shown[index] for index in random.permutation(len(shown)))
