# SPDX-License-Identifier: Apache-2.0
"""Identification in a gallery larger than any that was measured.

The mate of a probe, with score s, is at rank 1 among N people if the N - 1 others all score
lower: with probability F(s) ** (N - 1), where F is the distribution of the
scores between two people (Grother & Phillips, 2004, Proc. IEEE CVPR, "Models of large population
recognition performance"). An empirical F is a step function that ends at the highest measured
score, while a large N depends on the scores beyond. So above a high threshold F is modelled by a
generalised Pareto distribution (Pickands, 1975, Ann. Stat. 3:119; peaks over threshold: Coles,
2001, An Introduction to Statistical Modeling of Extreme Values, chapter 4).

F differs between probes: an unusual face is like nobody. Scores are therefore standardised for
each probe before they are pooled (Z-normalisation: Auckenthaler, Carey & Lloyd-Thomas, 2000,
Digit. Signal Process. 10:42).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax, xlog1py

from facebids.core.arrays import BoolArray, FloatArray, IntArray
from facebids.core.identifiability.pairs import ascending, lowest
from facebids.core.identifiability.ranking import count_true

LEAST_PEAKS = 10
REACH = 1  # people of the largest gallery that a tail is used for, per impostor score
PRIOR = 10  # scores for which the variance of all probes counts in that of each


@dataclass(frozen=True)
class Tail:
    """Distribution of the scores above a threshold: generalised Pareto.

    Parameters
    ----------
    threshold : float
    share : float
        Probability that a score exceeds the threshold.
    shape : float
        Negative: the scores have an upper bound. 0: the tail is exponential. Positive: heavier.
    scale : float
    """

    threshold: float
    share: float
    shape: float
    scale: float

    def survival(self, scores: FloatArray) -> FloatArray:
        """Return the probability of a higher score than each of `scores`, above the threshold."""
        beyond = self.shape * (scores - self.threshold) / self.scale
        with np.errstate(divide='ignore'):  # log(0) at the upper bound: probability 0
            return self.share * np.exp(-np.log1p(np.maximum(beyond, -1)) / self.shape)


def standardise(scores: FloatArray, mates: BoolArray) -> FloatArray:
    """Subtract the mean of each probe's impostor scores, and divide by their deviation.

    The variance of each probe is averaged with that of all probes, which counts for `PRIOR`
    scores: a probe with few impostor scores would otherwise have a random scale.

    Parameters
    ----------
    scores : ndarray, shape (P, G)
        NaN where there is none.
    mates : ndarray of bool, shape (P, G)

    Returns
    -------
    ndarray, shape (P, G)
        In standard deviations; NaN where there is no score.
    """
    count, mean, squares = moments(np.where(mates, np.nan, scores))
    return (scores - mean[:, None]) / deviations(count, squares)[:, None]


def moments(others: FloatArray) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return number, mean and sum of squared deviations of each probe's impostor scores.

    Parameters
    ----------
    others : ndarray, shape (P, G)
        NaN in the place of mates, and where there is no score.
    """
    known = np.isfinite(others)
    unknown = np.flatnonzero(~known)  # few: no second array of all scores
    count = count_true(known)
    values = others.copy()
    values.flat[unknown] = 0
    mean = values.sum(axis=1) / np.maximum(count, 1)
    values -= mean[:, None]
    values.flat[unknown] = 0
    return count, mean, np.square(values, out=values).sum(axis=1)


def deviations(count: IntArray, squares: FloatArray) -> FloatArray:
    """Return the deviation by which the scores of each probe are divided (`standardise`).

    Parameters
    ----------
    count, squares : ndarray, shape (P,)
        From `moments`, of all probes.
    """
    freedom = np.maximum(count - 1, 0)
    common = squares.sum() / max(freedom.sum(), 1)
    deviation = np.sqrt((squares + PRIOR * common) / (freedom + PRIOR))
    return np.where(deviation > 0, deviation, 1)


def fit_tail(scores: FloatArray) -> Tail | None:
    """Fit the upper tail of a sample.

    The threshold leaves n ** (2/3) / log(log(n)) of n scores above it (Loretan & Phillips, 1994,
    J. Empir. Finance 1:211). Shape and scale by the quasi-Bayesian estimator of Zhang & Stephens
    (2009, Technometrics 51:316): nearly as efficient as maximum likelihood, always defined, and
    fast enough to bootstrap.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        Scores that are not finite count as lower than every number.

    Returns
    -------
    Tail or None
        None where fewer than `LEAST_PEAKS` distinct scores lie above the threshold.
    """
    known = ascending(scores[np.isfinite(scores)])
    n = len(known)
    if n <= LEAST_PEAKS:
        return None
    threshold = known[-1 - min(int(n ** (2 / 3) / np.log(np.log(n))), n - 1)]
    peaks = known[known > threshold] - threshold
    if len(np.unique(peaks)) < LEAST_PEAKS:
        return None
    return Tail(float(threshold), len(peaks) / len(scores), *_zhang_stephens(peaks))


def _zhang_stephens(peaks: FloatArray) -> tuple[float, float]:
    """Return shape and scale of a generalised Pareto distribution; `peaks` ascending, > 0."""
    n = len(peaks)
    grid = np.arange(1, 21 + int(np.sqrt(n))) - 0.5
    candidates = 1 / peaks[-1]
    candidates += (1 - np.sqrt((len(grid)) / grid)) / (3 * peaks[int(n / 4 + 0.5) - 1])
    shapes = np.log1p(-candidates[:, None] * peaks).mean(axis=1)
    likelihoods = n * (np.log(-candidates / shapes) - shapes - 1)
    ratio = softmax(likelihoods) @ candidates
    shape = np.log1p(-ratio * peaks).mean()
    return float(shape), float(-shape / ratio)


def survival(scores: FloatArray, impostor: FloatArray) -> FloatArray:
    """Return the probability that an impostor score exceeds each score; ties count half.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        The result is 1 where NaN: every score exceeds a missing one.
    impostor : ndarray, shape (m,)
        The measured sample.

    Returns
    -------
    ndarray, shape (n,)
        NaN where the tail cannot be fitted.
    """
    tail = fit_tail(impostor)
    if tail is None:
        return np.full(len(scores), np.nan)
    known = ascending(lowest(impostor))
    lower = np.searchsorted(known, scores, 'left') + np.searchsorted(known, scores, 'right')
    exceeding = 1 - lower / 2 / len(known)
    extreme = scores > tail.threshold
    exceeding[extreme] = tail.survival(scores[extreme])
    return np.where(np.isnan(scores), 1.0, exceeding)


def expected_rank1(
    genuine: FloatArray, impostor: FloatArray, sizes: Sequence[float]
) -> FloatArray:
    """Predict the rank-1 identification rate in a gallery of N people.

    Assumes that the impostor scores of all probes are independent and have one distribution.
    Where distributions differ between probes, the prediction is too low for large N.

    Parameters
    ----------
    genuine : ndarray, shape (n,)
        Score of each probe with its mate; NaN is never at rank 1.
    impostor : ndarray, shape (m,)
        Scores between two people.
    sizes : sequence of float
        Values of N, 1 or more.

    Returns
    -------
    ndarray, shape (len(sizes),)
        NaN where there are no genuine scores or too few impostor scores (`fit_tail`).
    """
    if not len(genuine):
        return np.full(len(sizes), np.nan)
    others = np.asarray(sizes, dtype=float)[:, None] - 1
    return np.exp(xlog1py(others, -survival(genuine, impostor))).mean(axis=1)
