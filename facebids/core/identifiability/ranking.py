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
    scores: FloatArray, gallery_people: AnyArray
) -> tuple[FloatArray, AnyArray]:
    """Reduce a gallery of scans to one of people, each with the best of their scores.

    Parameters
    ----------
    scores : ndarray, shape (P, G)
        Similarity; NaN where there is none.
    gallery_people : ndarray, shape (G,)
        Person of each gallery entry.

    Returns
    -------
    scores : ndarray, shape (P, N)
        The given ones where each entry is of another person and they are sorted.
    people : ndarray, shape (N,)
        Sorted.
    """
    people, person = np.unique(gallery_people, return_inverse=True)
    if np.array_equal(person, np.arange(len(people))):
        return scores, people
    order = np.argsort(person, kind='stable')
    starts = np.searchsorted(person[order], np.arange(len(people)))
    return np.fmax.reduceat(scores[:, order], starts, axis=1), people


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
    return ranks(np.where(mates, np.nan, scores), best(scores, mates), mates.sum(axis=1))


def ranks(others: FloatArray, mates: FloatArray, counts: IntArray) -> FloatArray:
    """Return the rank of each probe's best mate, as `mate_ranks`.

    Parameters
    ----------
    others : ndarray, shape (P, G)
        Scores of other people; NaN in the place of mates, and where there is none.
    mates : ndarray, shape (P,)
        Highest score of a mate, NaN where there is none.
    counts : ndarray of int, shape (P,)
        Number of mates.
    """
    # a comparison with NaN is false: NaN ranks below the mate
    above = count_true(others > mates[:, None])
    ties = count_true(others == mates[:, None])
    found = np.where(np.isnan(mates), others.shape[1], 1 + above + ties / 2)
    return np.where(counts > 0, found, np.nan)


def count_true(where: BoolArray) -> IntArray:
    """Return the number of true values in each row, several times faster than a sum does."""
    return np.array([np.count_nonzero(row) for row in where], int)


def best(scores: FloatArray, where: BoolArray) -> FloatArray:
    """Return the highest score of each row where allowed, NaN if there is none.

    Parameters
    ----------
    scores : ndarray, shape (P, G)
    where : ndarray of bool, shape (P, G)
    """
    return np.fmax.reduce(np.where(where, scores, np.nan), axis=1, initial=np.nan)


def chance_level(counts: IntArray, size: int) -> float | None:
    """Return the chance level of the rank-1 identification rate.

    If the scores are independent of the people, each gallery entry is equally likely to have the
    highest score: a search succeeds with a probability of its number of mates / G.

    Parameters
    ----------
    counts : ndarray of int, shape (P,)
        Number of mates; probes without any are left out.
    size : int
        Number of gallery entries.

    Returns
    -------
    float or None
        Mean over the probes, None where no probe has a mate.
    """
    mated = counts > 0
    return float(counts[mated].mean()) / size if mated.any() else None


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
