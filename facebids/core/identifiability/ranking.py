# SPDX-License-Identifier: Apache-2.0
"""Closed-set identification: the rank of the right person in each search.

Each *probe* is searched for in a *gallery*; the gallery entries of the probe's person are its
*mates*. Terms as in ISO/IEC 19795-1:2021; ranks and the cumulative match characteristic as in
Phillips et al. (2000, IEEE Trans. Pattern Anal. Mach. Intell. 22:1090) and Moon & Phillips (2001,
Perception 30:303). A missing score (NaN) counts as lower than every number.
"""

import numpy as np

from facebids.core.arrays import AnyArray, BoolArray, FloatArray, IntArray


def best_of_each_person(
    scores: FloatArray, mates: BoolArray, gallery_people: AnyArray
) -> tuple[FloatArray, BoolArray, AnyArray]:
    """Reduce a gallery of scans to one of people, each with the best of their scores.

    Parameters
    ----------
    scores : ndarray, shape (P, G)
        Similarity; NaN where there is none.
    mates : ndarray of bool, shape (P, G)
    gallery_people : ndarray, shape (G,)
        Person of each gallery entry.

    Returns
    -------
    scores, mates : ndarray, shape (P, N)
    people : ndarray, shape (N,)
        Sorted.
    """
    people, person = np.unique(gallery_people, return_inverse=True)
    if not people.size:
        return scores, mates, people
    order = np.argsort(person, kind='stable')
    starts = np.searchsorted(person[order], np.arange(len(people)))
    best = np.fmax.reduceat(scores[:, order], starts, axis=1)
    return best, np.logical_or.reduceat(mates[:, order], starts, axis=1), people


def mate_ranks(scores: FloatArray, mates: BoolArray) -> FloatArray:
    """Return the rank of each probe's best mate among the gallery entries of other people.

    Parameters
    ----------
    scores : ndarray, shape (P, G)
        Similarity; NaN where there is none.
    mates : ndarray of bool, shape (P, G)

    Returns
    -------
    ndarray, shape (P,)
        1 is the best. Equal scores share their mean rank, so a tie for the highest score is not
        rank 1. G where no mate has a score, NaN where there is no mate.
    """
    ranks = [_mate_rank(*row) for row in zip(scores, mates, strict=True)]
    return np.array(ranks, dtype=float)


def _mate_rank(scores: FloatArray, mates: BoolArray) -> float:
    if not mates.any():
        return np.nan
    own, others = scores[mates], scores[~mates]
    if np.isnan(own).all():
        return len(scores)
    best = np.nanmax(own)  # a comparison with NaN is false: NaN ranks below the mate
    return 1 + np.count_nonzero(others > best) + np.count_nonzero(others == best) / 2


def chance_level(mates: BoolArray) -> float | None:
    """Return the chance level of the rank-1 identification rate.

    If the scores are independent of the people, each gallery entry is equally likely to have the
    highest score: a search succeeds with a probability of its number of mates / G.

    Parameters
    ----------
    mates : ndarray of bool, shape (P, G)
        Probes without a mate are left out.

    Returns
    -------
    float or None
        Mean over the probes, None where no probe has a mate.
    """
    counts = mates.sum(axis=1)
    mated = counts > 0
    return float(counts[mated].mean()) / mates.shape[1] if mated.any() else None


def hits(ranks: FloatArray, limits: IntArray | list[int]) -> FloatArray:
    """Return whether each search found its person at rank n or better.

    Parameters
    ----------
    ranks : ndarray, shape (P,)
    limits : array_like, shape (K,)
        Values of n.

    Returns
    -------
    ndarray, shape (P, K)
        1 or 0; NaN for probes without a mate.
    """
    ranks = np.asarray(ranks, dtype=float)[:, None]
    return np.where(np.isnan(ranks), np.nan, ranks <= np.asarray(limits))
