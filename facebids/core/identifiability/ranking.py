# SPDX-License-Identifier: Apache-2.0
"""Closed-set identification: at which place a search finds its person.

A *probe* is searched for in a *gallery*; the gallery entries of the probe's person are its
*mates*. Terms as in ISO/IEC 19795-1:2021; ranks and the cumulative match characteristic as in
Phillips et al. (2000, IEEE Trans. Pattern Anal. Mach. Intell. 22:1090) and Moon & Phillips (2001,
Perception 30:303). A missing score (NaN) is a miss: it lies below every number.
"""

import numpy as np


def best_of_each_person(scores, mates, gallery_people):
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


def mate_ranks(scores, mates):
    """Rank of each probe's best mate among the gallery entries of others.

    Parameters
    ----------
    scores : ndarray, shape (P, G)
        Similarity; NaN where there is none.
    mates : ndarray of bool, shape (P, G)

    Returns
    -------
    ndarray, shape (P,)
        1 is first. Equal scores share their mean rank, so a tie for the first place is not a
        rank of 1. G where no mate has a score, NaN where there is no mate.
    """
    ranks = [_mate_rank(*row) for row in zip(scores, mates, strict=True)]
    return np.array(ranks, dtype=float)


def _mate_rank(scores, mates):
    if not mates.any():
        return np.nan
    own, others = scores[mates], scores[~mates]
    if np.isnan(own).all():
        return len(scores)
    best = np.nanmax(own)  # comparisons with NaN are false, as they should be here
    return 1 + np.count_nonzero(others > best) + np.count_nonzero(others == best) / 2


def hits(ranks, places):
    """Whether each search found its person within the first n places.

    Parameters
    ----------
    ranks : ndarray, shape (P,)
    places : ndarray, shape (K,)
        Values of n.

    Returns
    -------
    ndarray, shape (P, K)
        1 or 0; NaN where there is no mate to find.
    """
    ranks = np.asarray(ranks, dtype=float)[:, None]
    return np.where(np.isnan(ranks), np.nan, ranks <= np.asarray(places))


def cmc(ranks, gallery_size):
    """Cumulative match characteristic: share of searches that succeed within n places.

    Parameters
    ----------
    ranks : ndarray, shape (P,)
        Of `mate_ranks`; searches without a mate (NaN) don't count.
    gallery_size : int

    Returns
    -------
    ndarray, shape (gallery_size,)
        For n = 1, 2, ...; NaN where nobody has a mate.
    """
    known = np.sort(ranks[~np.isnan(ranks)])
    if not known.size:
        return np.full(gallery_size, np.nan)
    return np.searchsorted(known, np.arange(1, gallery_size + 1), 'right') / len(known)


def rank_n(ranks, n):
    """Share of searches that find their person within the first `n` places, NaN if none could."""
    known = ranks[~np.isnan(ranks)]
    return float(np.mean(known <= n)) if known.size else np.nan
