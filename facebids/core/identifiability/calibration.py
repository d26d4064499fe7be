# SPDX-License-Identifier: Apache-2.0
"""From scores to likelihood ratios, and how good these are.

A likelihood ratio says how many times more probable a score is if two scans show the same person
(*mates*) than if they show two people (*strangers*). Ratios are given as log10: 2 means 100 times.
Scores are calibrated and fused by logistic regression (Brümmer & du Preez, 2006, Comput. Speech
Lang. 20:230). A ratio beyond what the number of examples supports is bounded (Vergeer, van Es, de
Jongh, Alberink & Stoel, 2016, Sci. Justice 56:482).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from facebids.core.arrays import BoolArray, FloatArray, IntArray

CONFIDENT = 1.959964  # standard deviations of a 95 % interval
STRENGTH = 1.0  # inverse of the ridge penalty: classes may be separable


@dataclass(frozen=True)
class Calibration:
    """A calibrated map from scores to log10 likelihood ratios.

    Attributes
    ----------
    weights
        Of each score, F in number.
    offset
        Log10 likelihood ratio where all scores are 0.
    covariance
        Of offset and weights, (F + 1) by (F + 1), from a bootstrap of the examples; empty
        without one.
    least, most
        Bounds of the ratio that the examples support, log10.
    """

    weights: tuple[float, ...]
    offset: float
    covariance: tuple[tuple[float, ...], ...]
    least: float
    most: float

    def log10_lr(self, scores: FloatArray) -> FloatArray:
        """Return the log10 likelihood ratios of scores, shape (N, F), as shape (N,)."""
        raw = self.offset + np.asarray(scores, float) @ np.array(self.weights)
        return np.asarray(np.clip(raw, self.least, self.most))

    def interval(
        self, scores: FloatArray, variances: FloatArray | float = 0.0
    ) -> tuple[FloatArray, FloatArray]:
        """Return 95 % intervals of the log10 likelihood ratios.

        Parameters
        ----------
        scores : shape (N, F)
        variances : shape (N, F)
            Of the scores themselves, by which they differ from those of a perfect measurement.

        Returns
        -------
        low, high : ndarray, shape (N,)
        """
        scores = np.asarray(scores, float)
        design = np.column_stack([np.ones(len(scores)), scores])
        spread = np.einsum('ni,ij,nj->n', design, np.array(self.covariance), design)
        spread = spread + np.broadcast_to(variances, scores.shape) @ np.square(self.weights)
        raw = self.offset + scores @ np.array(self.weights)
        half = CONFIDENT * np.sqrt(spread)
        low, high = np.clip([raw - half, raw + half], self.least, self.most)
        return low, high


def fit(
    mates: FloatArray,
    strangers: FloatArray,
    people: tuple[Sequence[object], Sequence[object]] | None = None,
    *,
    seed: int = 0,
    draws: int = 200,
) -> Calibration:
    """Calibrate scores on examples.

    Logistic regression in which both classes weigh the same, so that the log odds are the log
    likelihood ratio.

    Parameters
    ----------
    mates : ndarray, shape (M, F) or (M,)
        Scores of pairs of scans of the same person.
    strangers : ndarray, shape (S, F) or (S,)
        Scores of pairs of scans of two people.
    people : two sequences, of length M and S, optional
        Whom each pair belongs to: the bootstrap draws people, not pairs. By default, each pair
        stands for itself.
    seed : int
        Random seed of the bootstrap.
    draws : int
        Number of bootstrap draws; 0: there is no interval.

    Raises
    ------
    ValueError
        If one of the two has no examples.
    """
    mates, strangers = _columns(mates), _columns(strangers)
    if not len(mates) or not len(strangers):
        raise ValueError('A calibration needs scores of mates and of strangers.')
    best = _regress(mates, strangers)
    raw = Calibration(tuple(best[1:].tolist()), float(best[0]), (), -np.inf, np.inf)
    least, most = bounds(raw.log10_lr(mates), raw.log10_lr(strangers))
    if not draws:
        return replace(raw, least=least, most=most)
    owners = people or (range(len(mates)), range(len(strangers)))
    own, other = (_groups(owner) for owner in owners)
    rng = np.random.default_rng(seed)
    redrawn = [
        _regress(mates[_draw(own, rng)], strangers[_draw(other, rng)]) for _ in range(draws)
    ]
    covariance = np.atleast_2d(np.cov(np.array(redrawn), rowvar=False))
    rows = tuple(tuple(row) for row in covariance.tolist())
    return Calibration(raw.weights, raw.offset, rows, least, most)


def bounds(mates: FloatArray, strangers: FloatArray) -> tuple[float, float]:
    """Return the least and the largest log10 likelihood ratio that examples support.

    Empirical lower and upper bound: the ratio is used as far as decisions by it, with one more
    misleading example of each kind than there are, cost less than decisions without it.

    Parameters
    ----------
    mates, strangers : ndarray, 1-D
        Log10 likelihood ratios of the examples.

    Returns
    -------
    least, most : float
        0 where nothing is supported.
    """
    mates, strangers = np.sort(mates), np.sort(strangers)
    grid = np.linspace(0, np.log10(max(len(mates), len(strangers)) + 1), 1001)

    def rejected(limit: FloatArray) -> FloatArray:
        return (np.searchsorted(mates, limit) + 1) / (len(mates) + 1)

    def accepted(limit: FloatArray) -> FloatArray:
        above = len(strangers) - np.searchsorted(strangers, limit)
        return np.asarray((above + 1) / (len(strangers) + 1))

    worth_upper = rejected(grid) + 10**grid * accepted(grid) <= 1
    worth_lower = accepted(-grid) + 10**grid * rejected(-grid) <= 1
    least, most = -_last(grid, worth_lower), _last(grid, worth_upper)
    return least, most


def cllr(mates: FloatArray, strangers: FloatArray) -> float:
    """Return the cost of the log likelihood ratio, in bits.

    Brümmer & du Preez (2006), equation 14: 0 is perfect, and 1 is the cost of a system that always
    says 1. A larger cost is worse than not using the ratio.

    Parameters
    ----------
    mates, strangers : ndarray, 1-D
        Log10 likelihood ratios; NaN, where nothing could be measured, counts as a ratio of 1.

    Returns
    -------
    float
        NaN where one of them is empty.
    """
    mates, strangers = (np.nan_to_num(np.asarray(part, float)) for part in (mates, strangers))
    if not mates.size or not strangers.size:
        return np.nan
    costs = [np.logaddexp(0, sign * part * np.log(10)).mean() / np.log(2)
             for sign, part in ((-1, mates), (1, strangers))]  # fmt: skip
    return float(np.mean(costs))


def _columns(scores: FloatArray) -> FloatArray:
    scores = np.asarray(scores, float)
    return scores[:, None] if scores.ndim == 1 else scores


def _regress(mates: FloatArray, strangers: FloatArray) -> FloatArray:
    """Return offset and weights of the log10 likelihood ratio, shape (F + 1,)."""
    from sklearn.linear_model import LogisticRegression

    scores = np.concatenate([mates, strangers])
    same = np.arange(len(scores)) < len(mates)
    model = LogisticRegression(C=STRENGTH, class_weight='balanced').fit(scores, same)
    return np.concatenate([model.intercept_, model.coef_[0]]) / np.log(10)


def _groups(owners: Sequence[object]) -> list[IntArray]:
    """Return the rows of each owner."""
    _, label = np.unique([str(owner) for owner in owners], return_inverse=True)
    # not a search for each owner: there are as many rows as pairs of people
    order = np.argsort(label, kind='stable')
    return np.split(order, np.cumsum(np.bincount(label))[:-1])


def _draw(groups: list[IntArray], rng: np.random.Generator) -> IntArray:
    """Draw as many owners as there are, with replacement; return their rows."""
    return np.concatenate([groups[i] for i in rng.integers(len(groups), size=len(groups))])


def _last(grid: FloatArray, holds: BoolArray) -> float:
    """Return the last point of a grid up to which a condition holds, 0 if it never does."""
    broken = np.flatnonzero(~holds)
    stop = broken[0] if broken.size else len(grid)
    return float(grid[stop - 1]) if stop else 0.0
