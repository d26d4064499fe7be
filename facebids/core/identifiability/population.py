# SPDX-License-Identifier: Apache-2.0
"""Identification in a gallery larger than any that was measured.

A search for somebody whose own entry scores s finds them first among N people if the N - 1
others all score lower: with probability F(s) ** (N - 1), where F is the distribution of the
scores between two people (Grother & Phillips, 2004, Proc. IEEE CVPR, "Models of large population
recognition performance"). A measured F is a staircase that ends at the highest score seen, while
for a large N everything hangs on what lies beyond. So beyond a high threshold F follows a
generalised Pareto distribution (Pickands, 1975, Ann. Stat. 3:119; peaks over threshold: Coles,
2001, An Introduction to Statistical Modeling of Extreme Values, chapter 4).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax, xlog1py

LEAST_PEAKS = 10


@dataclass(frozen=True)
class Tail:
    """Scores beyond a threshold: generalised Pareto distribution.

    Parameters
    ----------
    threshold : float
    share : float
        Probability that a score exceeds the threshold.
    shape : float
        Below 0 the scores have an upper end; at 0 the tail is exponential, above it heavier.
    scale : float
    """

    threshold: float
    share: float
    shape: float
    scale: float

    def survival(self, scores):
        """Probability that a score exceeds each of these, which lie above the threshold."""
        beyond = self.shape * (scores - self.threshold) / self.scale
        with np.errstate(divide='ignore'):  # at and beyond the upper end log(0), probability 0
            return self.share * np.exp(-np.log1p(np.maximum(beyond, -1)) / self.shape)


def fit_tail(scores):
    """Fit the upper tail of a sample.

    The threshold leaves n ** (2/3) / log(log(n)) of n scores above it (Loretan & Phillips, 1994,
    J. Empir. Finance 1:211). Shape and scale by the quasi-Bayesian estimator of Zhang & Stephens
    (2009, Technometrics 51:316): as good as maximum likelihood, without its failures, and fast
    enough to be bootstrapped.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        Those not finite count, as lower than every number.

    Returns
    -------
    Tail or None
        None where fewer than `LEAST_PEAKS` different scores would lie above the threshold.
    """
    known = np.sort(scores[np.isfinite(scores)])
    n = len(known)
    if n <= LEAST_PEAKS:
        return None
    threshold = known[-1 - min(int(n ** (2 / 3) / np.log(np.log(n))), n - 1)]
    peaks = known[known > threshold] - threshold
    if len(np.unique(peaks)) < LEAST_PEAKS:
        return None
    return Tail(float(threshold), len(peaks) / len(scores), *_zhang_stephens(peaks))


def _zhang_stephens(peaks):
    """Shape and scale of a generalised Pareto distribution; `peaks` positive and ascending."""
    n = len(peaks)
    grid = np.arange(1, 21 + int(np.sqrt(n))) - 0.5
    candidates = 1 / peaks[-1]
    candidates += (1 - np.sqrt((len(grid)) / grid)) / (3 * peaks[int(n / 4 + 0.5) - 1])
    shapes = np.log1p(-candidates[:, None] * peaks).mean(axis=1)
    likelihoods = n * (np.log(-candidates / shapes) - shapes - 1)
    ratio = softmax(likelihoods) @ candidates
    shape = np.log1p(-ratio * peaks).mean()
    return float(shape), float(-shape / ratio)


def survival(scores, impostor):
    """Probability that an impostor score exceeds each of these; equal ones count half.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        1 where NaN: every score exceeds a missing one.
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
    known = np.sort(np.where(np.isnan(impostor), -np.inf, impostor))
    lower = np.searchsorted(known, scores, 'left') + np.searchsorted(known, scores, 'right')
    exceeding = 1 - lower / 2 / len(known)
    extreme = scores > tail.threshold
    exceeding[extreme] = tail.survival(scores[extreme])
    return np.where(np.isnan(scores), 1.0, exceeding)


def expected_rank1(genuine, impostor, sizes):
    """Predict the share of searches that find their person first in a gallery of N people.

    Scores of different probes with others are taken as one distribution, and as independent.
    Where they differ between probes, this gives less than the truth for large N.

    Parameters
    ----------
    genuine : ndarray, shape (n,)
        Score of each probe with its own entry; NaN is never found.
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
