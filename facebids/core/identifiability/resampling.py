# SPDX-License-Identifier: Apache-2.0
"""Bootstrap intervals by person.

Scores of one person are alike, so people are resampled, not scores: the cluster bootstrap (Field
& Welsh, 2007, J. R. Stat. Soc. B 69:369), for biometrics the subsets bootstrap (Bolle, Ratha &
Pankanti, 2004, Comput. Vis. Image Underst. 93:1). A score between two people belongs to both
and is taken as often as the product of their draws, as in the pigeonhole bootstrap (Owen, 2007,
Ann. Appl. Stat. 1:386). All intervals are 95 % percentile intervals.
"""

import warnings

import numpy as np

TAIL = 0.025
UNDEFINED_DRAWS = 0.05


def bootstrap(statistic, samples, people, seed, count=1000):
    """95 % interval of a statistic of scores.

    Parameters
    ----------
    statistic : callable
        Takes the samples, returns a float or an array.
    samples : sequence of ndarray, shape (n_k,)
        Scores, one array for each argument of the statistic.
    people : sequence of ndarray, shape (n_k,) or (n_k, 2)
        Person, or both people, of each score.
    seed : int
    count : int
        Number of draws.

    Returns
    -------
    low, high : ndarray
        NaN where a sample is of fewer than two people, or the statistic is undefined (NaN) in
        more than 5 % of the draws.
    """
    owners, number = _owners(people)
    if any(len(np.unique(owner)) < 2 for owner in owners):
        undefined = np.full(np.shape(statistic(*samples)), np.nan)
        return undefined, undefined
    drawn = []
    for draw in _draw(number, seed, count):
        times = [draw[owner].prod(axis=1) for owner in owners]
        drawn.append(statistic(*map(np.repeat, samples, times)))
    return _percentiles(np.array(drawn))


def rate(successes, people, seed, count=1000):
    """Share of successes, with its 95 % interval.

    Where all or none succeed a bootstrap has nothing to vary, and its interval would have no
    width. There the interval ends at the rate that n people would hide with a probability of
    2.5 %: 0.025 ** (1 / n) for n successes (Clopper & Pearson, 1934, Biometrika 26:404; for 5 %
    the "rule of three" of Hanley & Lippman-Hand, 1983, JAMA 249:1743).

    Parameters
    ----------
    successes : ndarray, shape (P,) or (P, K)
        1 or 0, or NaN in rows that don't count.
    people : ndarray, shape (P,)
        Person of each row.
    seed : int
    count : int
        Number of draws.

    Returns
    -------
    rate, low, high : ndarray, shape () or (K,)
        NaN where no row counts.
    """
    successes = np.asarray(successes, dtype=float)
    counted = ~np.isnan(successes).any(axis=tuple(range(1, successes.ndim)))
    successes, people = successes[counted], np.asarray(people)[counted]
    if not len(successes):
        undefined = np.full(successes.shape[1:], np.nan)
        return undefined, undefined, undefined
    (owner,), number = _owners([people])
    times = _draw(number, seed, count)[:, owner[:, 0]]
    drawn = (times @ successes) / times.sum(axis=1).reshape(-1, *[1] * (successes.ndim - 1))
    low, high = _percentiles(drawn)
    value = successes.mean(axis=0)
    least = TAIL ** (1 / number)
    return value, np.where(value == 1, least, low), np.where(value == 0, 1 - least, high)


def pair_people(mates, probe_people, gallery_people):
    """People of the scores that `verification.split` gives, for `bootstrap`.

    Parameters
    ----------
    mates : ndarray of bool, shape (P, G)
    probe_people : ndarray, shape (P,)
    gallery_people : ndarray, shape (G,)

    Returns
    -------
    genuine : ndarray, shape (n,)
        The one person.
    impostor : ndarray, shape (m, 2)
        Both people.
    """
    probe, gallery = np.nonzero(~mates)
    impostor = np.stack([np.asarray(probe_people)[probe], np.asarray(gallery_people)[gallery]], 1)
    return np.asarray(probe_people)[np.nonzero(mates)[0]], impostor


def _owners(people):
    """Give each person a number: those of each sample, shape (n_k, 1 or 2), and how many."""
    people = [np.asarray(some) for some in people]
    everybody = np.unique(np.concatenate([some.ravel() for some in people]))
    numbers = [np.searchsorted(everybody, some) for some in people]
    return [some[:, None] if some.ndim == 1 else some for some in numbers], len(everybody)


def _draw(number, seed, count):
    """How often each person is drawn, shape (count, number)."""
    chances = np.full(number, 1 / max(number, 1))
    return np.random.default_rng(seed).multinomial(number, chances, size=count)


def _percentiles(drawn):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', RuntimeWarning)  # nothing but NaN: the answer is NaN
        low, high = np.nanquantile(drawn, [TAIL, 1 - TAIL], axis=0)
    undefined = np.isnan(drawn).mean(axis=0) > UNDEFINED_DRAWS
    return np.where(undefined, np.nan, low), np.where(undefined, np.nan, high)
