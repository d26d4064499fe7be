# SPDX-License-Identifier: Apache-2.0
"""Open-set identification: the probe's person may not be in the gallery.

A search returns an identity only at or above a threshold. Terms and rates as in ISO/IEC
19795-1:2021 and Grother & Phillips (2004, Proc. IEEE CVPR, "Models of large population recognition
performance"). A missing score (NaN) reaches no threshold.
"""

import numpy as np

from facebids.core.arrays import BoolArray, FloatArray
from facebids.core.identifiability.ranking import mate_ranks


def true_positives(
    scores: FloatArray, mates: BoolArray, threshold: float, rank: int = 1
) -> FloatArray:
    """Return whether each mated search returns its person.

    The mate has to be at `rank` or better, and at or above the threshold. The mean is the
    true-positive identification rate.

    Parameters
    ----------
    scores : ndarray, shape (P, G)
    mates : ndarray of bool, shape (P, G)
    threshold : float
    rank : int

    Returns
    -------
    ndarray, shape (P,)
        1 or 0; NaN for probes without a mate.
    """
    found = (_best(scores, mates) >= threshold) & (mate_ranks(scores, mates) <= rank)
    return np.where(mates.any(axis=1), found, np.nan)


def false_positives(scores: FloatArray, mates: BoolArray, threshold: float) -> FloatArray:
    """Return whether each search would return an identity if its mates were not in the gallery.

    The mean is the false-positive identification rate, over all probes.

    Parameters
    ----------
    scores : ndarray, shape (P, G)
    mates : ndarray of bool, shape (P, G)
    threshold : float

    Returns
    -------
    ndarray, shape (P,)
        1 or 0; NaN where the gallery holds mates only.
    """
    found = _best(scores, ~mates) >= threshold
    return np.where((~mates).any(axis=1), found, np.nan)


def _best(scores: FloatArray, where: BoolArray) -> FloatArray:
    """Return the highest score of each row where allowed, -inf if there is none, shape (P,)."""
    return np.fmax.reduce(np.where(where, scores, np.nan), axis=1, initial=-np.inf)
