# SPDX-License-Identifier: Apache-2.0
"""Shares of right answers and of false matches, with two intervals and chance.

The Wilson interval treats all answers as independent: it is too narrow. The interval to read is
that of the cluster bootstrap, which draws observers and scans. An answer belongs to both and is
taken as often as the product of their draws: the pigeonhole bootstrap (Owen, 2007, Ann. Appl.
Stat. 1:386), which is never too narrow for many observers and scans, and a little too wide.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np

from facebids.core.arrays import BoolArray, FloatArray, IntArray, StrArray
from facebids.quiz.answers import NO_ANSWER, Answer
from facebids.quiz.power import chance

DRAWS = 2000
TAIL = 0.025


@dataclass(frozen=True)
class Trials:
    """Answers as arrays, shape (N,).

    Attributes
    ----------
    observer, scan
        Numbers of the observers and of the scans, from 0.
    arm, kind, present, number, correct, false_match
        As of `Answer`.
    answered
        False where a machine found no face.
    chance, false_chance
        Probability that a guess is right, and that it is a false match.
    """

    observer: IntArray
    scan: IntArray
    arm: StrArray
    kind: StrArray
    present: BoolArray
    number: IntArray
    correct: BoolArray
    false_match: BoolArray
    answered: BoolArray
    chance: FloatArray
    false_chance: FloatArray

    @classmethod
    def of(cls, answers: Sequence[Answer]) -> Self:
        """Return the arrays of answers."""
        levels = np.array([chance(item.kind, len(item.choices)) for item in answers])
        wrong = np.array([len(item.choices) - item.present for item in answers])
        return cls(
            observer=_codes([item.observer for item in answers]),
            scan=_codes([item.scan for item in answers]),
            arm=np.array([item.arm for item in answers], str),
            kind=np.array([item.kind for item in answers], str),
            present=np.array([item.present for item in answers], bool),
            number=np.array([item.number for item in answers], int),
            correct=np.array([item.correct for item in answers], bool),
            false_match=np.array([item.false_match for item in answers], bool),
            answered=np.array([item.chosen != NO_ANSWER for item in answers], bool),
            chance=levels,
            false_chance=wrong * levels,
        )

    def __len__(self) -> int:
        """Return the number of answers."""
        return len(self.observer)


def _codes(names: Sequence[str]) -> IntArray:
    if not names:
        return np.zeros(0, int)
    return np.unique(names, return_inverse=True)[1]


@dataclass(frozen=True)
class Rate:
    """A share of answers with its 95 % intervals.

    Attributes
    ----------
    answers, observers, scans
        Number of answers, and of the observers and scans that they belong to.
    successes
        Number of right answers, or of false matches.
    value
        Their share.
    wilson_low, wilson_high
        Wilson interval, as if all answers were independent.
    low, high
        Interval of the cluster bootstrap; None of fewer than two observers or scans.
    chance
        The share that guessing would give.
    """

    answers: int
    observers: int
    scans: int
    successes: int
    value: float
    wilson_low: float
    wilson_high: float
    low: float | None
    high: float | None
    chance: float


def rate(
    successes: BoolArray,
    observer: IntArray,
    scan: IntArray,
    chance: FloatArray,
    *,
    seed: int = 0,
    fixed_scans: bool = False,
) -> Rate:
    """Return the share of successes.

    Parameters
    ----------
    successes, observer, scan, chance : ndarray, shape (N,)
        As of `Trials`, at least one.
    seed : int
        Random seed of the bootstrap.
    fixed_scans : bool
        Whether the share is that of these very scans, so that only observers are drawn.
    """
    answers, count = len(successes), int(successes.sum())
    people, heads = len(np.unique(observer)), len(np.unique(scan))
    wilson_low, wilson_high = wilson(count, answers)
    drawn = (observer,) if fixed_scans else (observer, scan)
    low, high = cluster_interval(successes, drawn, seed) or (None, None)
    return Rate(
        answers, people, heads, count, count / answers,
        wilson_low, wilson_high, low, high, float(chance.mean()),
    )  # fmt: skip


def wilson(successes: int, answers: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval (Wilson, 1927, J. Am. Stat. Assoc. 22:209)."""
    from scipy.stats import binomtest

    interval = binomtest(successes, answers).proportion_ci(method='wilson')
    return float(interval.low), float(interval.high)


def cluster_interval(
    successes: BoolArray, clusters: Sequence[IntArray], seed: int, count: int = DRAWS
) -> tuple[float, float] | None:
    """Return the 95 % percentile interval of a share over draws of clusters.

    Where all or none succeed, the draws do not vary. There the interval ends at the rate at which
    n clusters all succeed, or all fail, with a probability of 2.5 % (Clopper & Pearson, 1934,
    Biometrika 26:404), n being the smaller number of clusters.

    Parameters
    ----------
    successes : ndarray of bool, shape (N,)
    clusters : sequence of ndarray of int, shape (N,)
        The observer of each answer, or the observer and the scan.
    seed : int
    count : int
        Number of draws.

    Returns
    -------
    tuple of float, or None
        None with fewer than two clusters of a kind.
    """
    codes = [np.unique(item, return_inverse=True)[1] for item in clusters]
    sizes = [int(item.max(initial=-1)) + 1 for item in codes]
    if min(sizes) < 2:
        return None
    value = successes.mean()
    if value in (0, 1):
        least = TAIL ** (1 / min(sizes))
        return (least, 1.0) if value else (0.0, 1 - least)
    draws = [_draw(size, seed + place, count) for place, size in enumerate(sizes)]
    right, all_ = (_total(weights, codes, sizes, draws) for weights in (successes, None))
    rates = right[all_ > 0] / all_[all_ > 0]
    low, high = np.quantile(rates, (TAIL, 1 - TAIL))
    return float(low), float(high)


@lru_cache(maxsize=64)
def _draw(size: int, seed: int, count: int) -> FloatArray:
    """Return how often each cluster is taken in each draw, shape (count, size), as floats.

    Products of matrices of floats are much faster than of integers.
    """
    random = np.random.default_rng(seed)
    return random.multinomial(size, np.full(size, 1 / size), count).astype(float)


def _total(
    weights: BoolArray | None,
    codes: Sequence[IntArray],
    sizes: Sequence[int],
    draws: Sequence[FloatArray],
) -> FloatArray:
    """Return the sum of weights over the answers of each draw; without weights, their number."""
    flat = np.ravel_multi_index(tuple(codes), tuple(sizes))
    cells = np.bincount(flat, weights, minlength=int(np.prod(sizes))).astype(float)
    summed = draws[0] @ cells.reshape(sizes[0], -1)
    return summed[:, 0] if len(draws) == 1 else (summed * draws[1]).sum(axis=1)
