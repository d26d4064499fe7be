# SPDX-License-Identifier: Apache-2.0
"""Open-set identification: the probe's person may not be in the gallery.

A search returns an identity only at or above a threshold. Terms and rates as in ISO/IEC
19795-1:2021 and Grother & Phillips (2004, Proc. IEEE CVPR, "Models of large population recognition
performance"). A missing score (NaN) reaches no threshold.
"""

import numpy as np

from facebids.core.arrays import FloatArray, IntArray


def true_positives(
    mates: FloatArray, ranks: FloatArray, threshold: float, rank: int = 1
) -> FloatArray:
    """Return whether each mated search returns its person.

    The mate has to be at `rank` or better, and at or above the threshold. The mean is the
    true-positive identification rate.

    Parameters
    ----------
    mates : ndarray, shape (P,)
        Highest score of a mate, NaN where there is none.
    ranks : ndarray, shape (P,)
        Of the mate, as of `ranking.mate_ranks`; NaN without a mate.
    threshold : float
    rank : int

    Returns
    -------
    ndarray, shape (P,)
        1 or 0; NaN for probes without a mate.
    """
    return np.where(np.isnan(ranks), np.nan, (mates >= threshold) & (ranks <= rank))


def false_positives(others: FloatArray, counts: IntArray, threshold: float) -> FloatArray:
    """Return whether each search would return an identity if its mates were not in the gallery.

    The mean is the false-positive identification rate, over all probes.

    Parameters
    ----------
    others : ndarray, shape (P,)
        Highest score of anybody else, NaN where there is none.
    counts : ndarray of int, shape (P,)
        Number of others in the gallery.
    threshold : float

    Returns
    -------
    ndarray, shape (P,)
        1 or 0; NaN where the gallery holds mates only.
    """
    return np.where(counts > 0, others >= threshold, np.nan)
