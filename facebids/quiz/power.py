# SPDX-License-Identifier: Apache-2.0
"""What accuracy a study can tell from chance, before anybody is asked.

Answers of one observer are alike, and so are answers about one scan. With the crossed random
effects of observers and scans, the variance of the accuracy over n answers is that of n
independent answers times the design effect (Kish, 1965, Survey Sampling; for crossed effects
Westfall, Kenny & Judd, 2014, J. Exp. Psychol. Gen. 143:2020)::

    1 + (n / observers - 1) icc_observer + (n / scans - 1) icc_scan

More observers do not help beyond a point, because the scans stay the same: n divided by the
design effect stays below scans / icc_scan.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

# Shares of the variance (on the logit scale) that belong to observers and to scans; assumed, with
# standard deviations of 0.5 and 0.6 log odds. `facebids-quiz score` estimates those of a study.
ICC_OBSERVER, ICC_SCAN = 0.06, 0.09
ALPHA, POWER = 0.05, 0.8
OBSERVERS = (10, 20, 50, 100, 150)
KINDS = ('match', 'open')


@dataclass(frozen=True)
class Power:
    """What questions of one kind can tell from chance.

    Attributes
    ----------
    kind
        ``'match'`` or ``'open'``.
    observers
        Number of observers.
    answers
        Number of answers to questions of this kind.
    effective
        Number of independent answers that would be worth the same.
    chance
        Accuracy of guessing.
    accuracy
        Smallest accuracy above chance that is told from chance; None: no accuracy is.
    """

    kind: str
    observers: int
    answers: int
    effective: float
    chance: float
    accuracy: float | None


def chance(kind: str, choices: int) -> float:
    """Return the accuracy of an observer who picks one of the answers at random.

    Parameters
    ----------
    kind
        ``'match'``: one of the photographs. ``'open'``: one of the photographs or "none of the
        above", which is right once either way: where the right photograph is absent, too.
    choices
        Number of photographs.
    """
    return 1 / (choices + (kind == 'open'))


def design_effect(
    answers: int,
    observers: int,
    scans: int,
    icc_observer: float = ICC_OBSERVER,
    icc_scan: float = ICC_SCAN,
) -> float:
    """Return by how much clustering inflates the variance of the accuracy, at least 1.

    Parameters
    ----------
    answers
        Number of answers of all observers.
    observers, scans
        Number of observers and of scans; each has the same number of answers.
    icc_observer, icc_scan
        Share of the variance of answers that belongs to observers, and to scans.
    """
    of_observer = max(answers / observers - 1, 0) * icc_observer
    of_scan = max(answers / scans - 1, 0) * icc_scan
    return 1 + of_observer + of_scan


def smallest_accuracy(
    effective: float, chance: float, alpha: float = ALPHA, power: float = POWER
) -> float | None:
    """Return the smallest accuracy above chance that a two-sided test tells from it.

    Normal approximation of the test of one proportion (Fleiss, Levin & Paik, 2003, Statistical
    Methods for Rates and Proportions, 3rd ed., section 2.5).

    Parameters
    ----------
    effective
        Number of independent answers, or of clustered ones divided by the design effect.
    chance
        Accuracy of guessing.
    alpha
        Probability to find a difference from chance where there is none.
    power
        Probability to find the difference.

    Returns
    -------
    float or None
        None where even an accuracy of 1 is not told from chance.
    """
    critical = NormalDist().inv_cdf(1 - alpha / 2) * math.sqrt(chance * (1 - chance) / effective)
    quantile = NormalDist().inv_cdf(power)

    def told(accuracy: float) -> bool:
        spread = math.sqrt(accuracy * (1 - accuracy) / effective)
        return accuracy - chance >= critical + quantile * spread

    low, high = chance, 1.0
    if not told(high):
        return None
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (low, middle) if told(middle) else (middle, high)
    return high


def powers(
    scans: int,
    questions: int,
    choices: int,
    observers: Iterable[int] = OBSERVERS,
    icc_observer: float = ICC_OBSERVER,
    icc_scan: float = ICC_SCAN,
) -> tuple[Power, ...]:
    """Return what a study can tell from chance, for each kind of question.

    Parameters
    ----------
    scans
        Number of scans in the study.
    questions
        Number of questions of each observer, half of each kind.
    choices
        Number of photographs of a question.
    observers
        Numbers of observers.
    icc_observer, icc_scan
        As of `design_effect`.
    """
    found = []
    for count in observers:
        answers = count * max(questions // 2, 1)
        effect = design_effect(answers, count, scans, icc_observer, icc_scan)
        effective = answers / effect
        for kind in KINDS:
            level = chance(kind, choices)
            accuracy = smallest_accuracy(effective, level)
            found.append(Power(kind, count, answers, effective, level, accuracy))
    return tuple(found)
