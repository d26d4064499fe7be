# SPDX-License-Identifier: Apache-2.0
"""Bootstrap intervals over participants.

Scores of one person are correlated, so people are resampled, not scores: the cluster bootstrap
(Field & Welsh, 2007, J. R. Stat. Soc. B 69:369), for biometrics the subsets bootstrap (Bolle,
Ratha & Pankanti, 2004, Comput. Vis. Image Underst. 93:1). A score between two people belongs to
both and is taken as often as the product of their draws, as in the pigeonhole bootstrap (Owen,
2007, Ann. Appl. Stat. 1:386). All intervals are 95 % percentile intervals.
"""

import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache, reduce
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from facebids.core.arrays import AnyArray, FloatArray, IntArray

TAIL = 0.025
UNDEFINED_DRAWS = 0.05
LEAST_DRAWS = 200
DRAWN_ROWS = 20_000_000  # in all draws of a rate together


def bootstrap(
    statistic: Callable[..., Any],
    samples: Sequence[AnyArray],
    people: Sequence[ArrayLike],
    seed: int,
    count: int = 1000,
) -> tuple[FloatArray, FloatArray]:
    """Return the 95 % interval of a statistic of scores.

    Parameters
    ----------
    statistic : callable
        Takes the samples, returns a float or an array.
    samples : sequence of ndarray, shape (n_k,)
        Scores, or what belongs to them: one array for each argument of the statistic.
    people : sequence of ndarray, shape (n_k,) or (n_k, 2)
        Person, or both people, of each score.
    seed : int
    count : int
        Number of draws.

    Returns
    -------
    low, high : ndarray
        NaN where a sample has fewer than two people, or the statistic is undefined (NaN) in more
        than 5 % of the draws.
    """
    owners, number = _owners(people)
    if any(len(np.unique(owner)) < 2 for owner in owners):
        undefined = np.full(np.shape(statistic(*samples)), np.nan)
        return undefined, undefined
    drawn = []
    for draw in _draw(number, seed, count):
        times = [reduce(np.multiply, draw[owner.T]) for owner in owners]
        drawn.append(statistic(*map(np.repeat, samples, times)))
    return _percentiles(np.array(drawn))


def rate(
    successes: ArrayLike, people: ArrayLike, seed: int, count: int = 1000
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the share of successes with its 95 % interval.

    Where all or none succeed, the interval of a bootstrap has no width. There the interval ends
    at the rate at which n people all succeed (or all fail) with a probability of 2.5 %:
    0.025 ** (1 / n) for n successes (Clopper & Pearson, 1934, Biometrika 26:404; for 5 %
    the "rule of three" of Hanley & Lippman-Hand, 1983, JAMA 249:1743).

    Parameters
    ----------
    successes : ndarray, shape (P,) or (P, K)
        1 or 0, or NaN in rows to leave out.
    people : ndarray, shape (P,)
        Person of each row.
    seed : int
    count : int
        Number of draws; fewer, down to 200, for more than 20,000 rows.

    Returns
    -------
    rate, low, high : ndarray, shape () or (K,)
        NaN where every row is left out.
    """
    every = np.asarray(successes, dtype=float)
    counted = ~np.isnan(every).any(axis=tuple(range(1, every.ndim)))
    kept = every[counted]
    if not len(kept):
        undefined = np.full(kept.shape[1:], np.nan)
        return undefined, undefined, undefined
    (owner,), number = _owners([np.asarray(people)[counted]])
    count = min(count, max(LEAST_DRAWS, DRAWN_ROWS // len(kept)))
    times = _draw(number, seed, count)[:, owner[:, 0]]
    drawn = (times @ kept) / times.sum(axis=1).reshape(-1, *[1] * (kept.ndim - 1))
    low, high = _percentiles(drawn)
    value = kept.mean(axis=0)
    least = TAIL ** (1 / number)
    return value, np.where(value == 1, least, low), np.where(value == 0, 1 - least, high)


def _owners(people: Sequence[ArrayLike]) -> tuple[list[IntArray], int]:
    """Return numbers for the people of each sample, (n_k, 1 or 2), and how many there are."""
    labels = [np.asarray(some) for some in people]
    participants = np.unique(np.concatenate([some.ravel() for some in labels]))
    numbers = [np.searchsorted(participants, some) for some in labels]
    return [some[:, None] if some.ndim == 1 else some for some in numbers], len(participants)


@lru_cache(maxsize=1)  # the statistics of a comparison share their draws
def _draw(number: int, seed: int, count: int) -> IntArray:
    """Return how often each person is drawn, shape (count, number)."""
    chances = np.full(number, 1 / max(number, 1))
    return np.random.default_rng(seed).multinomial(number, chances, size=count)


def _percentiles(drawn: FloatArray) -> tuple[FloatArray, FloatArray]:
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', RuntimeWarning)  # of NaN alone: the result is NaN
        low, high = np.nanquantile(drawn, [TAIL, 1 - TAIL], axis=0)
    undefined = np.isnan(drawn).mean(axis=0) > UNDEFINED_DRAWS
    return np.where(undefined, np.nan, low), np.where(undefined, np.nan, high)
