# SPDX-License-Identifier: Apache-2.0
"""Open-set identification: the person searched for may not be in the gallery.

An answer is given only at or above a threshold. Terms and rates as in ISO/IEC 19795-1:2021 and
Grother & Phillips (2004, Proc. IEEE CVPR, "Models of large population recognition performance").
A missing score (NaN) reaches no threshold.
"""

import numpy as np

from facebids.core.identifiability.ranking import mate_ranks


def true_positives(scores, mates, threshold, places=1):
    """Whether each mated search finds its person, above the threshold and within the first places.

    The mean is the true-positive identification rate.

    Parameters
    ----------
    scores : ndarray, shape (P, G)
    mates : ndarray of bool, shape (P, G)
    threshold : float
    places : int

    Returns
    -------
    ndarray, shape (P,)
        1 or 0; NaN where there is no mate to find.
    """
    found = (_best(scores, mates) >= threshold) & (mate_ranks(scores, mates) <= places)
    return np.where(mates.any(axis=1), found, np.nan)


def false_positives(scores, mates, threshold):
    """Whether each search would name somebody, were its person not in the gallery.

    The mean is the false-positive identification rate. Every probe serves: its mates, if it has
    any, are taken out of the gallery.

    Parameters
    ----------
    scores : ndarray, shape (P, G)
    mates : ndarray of bool, shape (P, G)
    threshold : float

    Returns
    -------
    ndarray, shape (P,)
        1 or 0; NaN where the gallery holds nobody else.
    """
    found = _best(scores, ~mates) >= threshold
    return np.where((~mates).any(axis=1), found, np.nan)


def _best(scores, where):
    """Highest score of each row where allowed, -inf if there is none, shape (P,)."""
    return np.fmax.reduce(np.where(where, scores, np.nan), axis=1, initial=-np.inf)
