# SPDX-License-Identifier: Apache-2.0
"""All statistics of one comparison of probes with a gallery.

Identification (ranks, open set, expected rank-1) searches among people: of several gallery
entries of one person the best counts. Verification (AUC, ROC, similarity, SVM) takes every pair of
scans. What cannot be computed is None, and a sentence says why.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from facebids.core.arrays import AnyArray, BoolArray, FloatArray
from facebids.core.identifiability import (
    open_set,
    population,
    ranking,
    ratios,
    resampling,
    verification,
)
from facebids.core.identifiability.summary import (
    Cmc,
    Estimate,
    GalleryRank1,
    OpenSetPoint,
    Summary,
)

SIZES = tuple(10**power for power in range(1, 10))
CMC_RANKS = 1000
WIDEST = 0.7  # interval of an expected rate that still says something
ROC_POINTS = 101
# More scores than this in all draws together take minutes: then there are fewer draws.
DRAWN_SCORES, LEAST_DRAWS = 20_000_000, 200


def summarise(
    scores: ArrayLike,
    mates: ArrayLike,
    probe_people: ArrayLike,
    gallery_people: ArrayLike,
    seed: int,
    thresholds: Sequence[float] = (),
    count: int = 1000,
) -> Summary:
    """Compute every statistic that the scores allow.

    Parameters
    ----------
    scores : array_like, shape (P, G)
        Similarity, higher is more alike; NaN where there is none.
    mates : array_like of bool, shape (P, G)
        Which gallery entries are of the probe's person.
    probe_people : array_like, shape (P,)
    gallery_people : array_like, shape (G,)
        Labels of people.
    seed : int
        Random seed of the bootstrap and of the folds.
    thresholds : sequence of float
        Scores at which open-set identification is evaluated.
    count : int
        Number of bootstrap draws; fewer, down to 200, for more than 20,000 scores.
    """
    scores, mates = np.asarray(scores, dtype=float), np.asarray(mates, dtype=bool)
    probe_people, gallery_people = np.asarray(probe_people), np.asarray(gallery_people)
    draws = seed, min(count, max(LEAST_DRAWS, DRAWN_SCORES // max(scores.size, 1)))
    best, best_mates, people = ranking.best_of_each_person(scores, mates, gallery_people)
    curve = _cmc(best, best_mates, probe_people, draws)
    pairs = verification.split(scores, mates)
    area = _auc(pairs, resampling.pair_people(mates, probe_people, gallery_people), draws)
    intra, inter = verification.similarity(*pairs)
    svm, no_svm = verification.same_person_svm(scores, probe_people, gallery_people, seed)
    participants = len(np.union1d(probe_people, gallery_people))
    ratio, no_ratio = ratios.evidence(scores, probe_people, gallery_people, seed)
    larger = rank1_in_larger(best, best_mates, probe_people, people, draws)
    reasons = [
        *_no_search(scores, mates, participants, len(people)),
        *_no_interval(area),
        *filter(None, [no_svm, no_ratio]),
        *_no_tail(larger),
    ]
    return Summary(
        people=participants,
        probes=len(probe_people),
        gallery_size=len(gallery_people),
        chance=ranking.chance_level(best_mates),
        people_with_mates=len(np.unique(probe_people[mates.any(axis=1)])),
        missing=int(np.isnan(scores).sum()),
        rank1=_at_rank(1, curve),
        rank5=_at_rank(5, curve),
        cmc=curve,
        auc=area,
        roc=verification.roc(*pairs, points=ROC_POINTS),
        det=verification.det(*pairs, points=ROC_POINTS),
        open_set=tuple(
            _at_threshold(best, best_mates, probe_people, draws, threshold)
            for threshold in thresholds
        ),
        intra=intra,
        inter=inter,
        svm=svm,
        evidence=ratio,
        larger_galleries=larger,
        reasons=tuple(reasons) if scores.size else ('There is nothing to compare.',),
    )


def estimate(value: ArrayLike, low: ArrayLike, high: ArrayLike) -> Estimate:
    """Return a number and its interval; None for each that is not finite.

    Parameters
    ----------
    value, low, high : array_like, shape ()
    """
    return Estimate(*map(finite, (value, low, high)))


def finite(value: ArrayLike) -> float | None:
    """Return a number, None where it is not finite.

    Parameters
    ----------
    value : array_like, shape ()
    """
    number = float(np.asarray(value))
    return number if math.isfinite(number) else None


def _cmc(
    scores: FloatArray, mates: BoolArray, probe_people: AnyArray, draws: tuple[int, int]
) -> Cmc:
    """Closed-set identification; undefined in a gallery that is too small to be wrong in."""
    size, ranks = scores.shape[1], ranking.mate_ranks(scores, mates)
    if size < 2 or np.isnan(ranks).all():
        return Cmc()
    hits = ranking.hits(ranks, np.arange(1, min(size, CMC_RANKS) + 1))
    curves = resampling.rate(hits, probe_people, *draws)
    # the bounds rise as the curve does
    return Cmc(*(tuple(np.maximum.accumulate(values).tolist()) for values in curves))


def _at_rank(rank: int, curve: Cmc) -> Estimate:
    """Return the identification rate at a rank; undefined where the gallery ends there."""
    if len(curve.rates) <= rank:
        return Estimate()
    return Estimate(curve.rates[rank - 1], curve.low[rank - 1], curve.high[rank - 1])


def _auc(
    pairs: tuple[FloatArray, FloatArray],
    owners: tuple[AnyArray, AnyArray],
    draws: tuple[int, int],
) -> Estimate:
    interval = resampling.bootstrap(verification.auc, pairs, owners, *draws)
    return estimate(verification.auc(*pairs), *interval)


def _at_threshold(
    scores: FloatArray,
    mates: BoolArray,
    probe_people: AnyArray,
    draws: tuple[int, int],
    threshold: float,
) -> OpenSetPoint:
    true = open_set.true_positives(scores, mates, threshold)
    false = open_set.false_positives(scores, mates, threshold)
    return OpenSetPoint(
        threshold,
        tpir=estimate(*resampling.rate(true, probe_people, *draws)),
        fpir=estimate(*resampling.rate(false, probe_people, *draws)),
    )


def rank1_in_larger(
    scores: FloatArray,
    mates: BoolArray,
    probe_people: AnyArray,
    people: AnyArray,
    draws: tuple[int, int],
) -> tuple[GalleryRank1, ...]:
    """Return the expected rank-1 identification rates in galleries of the sizes `SIZES`.

    Parameters
    ----------
    scores, mates : ndarray, shape (P, N)
        Of gallery people, each with the best of their scores.
    probe_people, people : ndarray, shape (P,) and (N,)
    draws : tuple of int
        Random seed, and number of bootstrap draws.
    """
    samples = verification.split(population.standardise(scores, mates), mates)
    owners = resampling.pair_people(mates, probe_people, people)

    def rates(genuine: FloatArray, impostor: FloatArray) -> FloatArray:
        return population.expected_rank1(genuine, impostor, SIZES)

    values = [rates(*samples), *resampling.bootstrap(rates, samples, owners, *draws)]
    found = len(np.unique(probe_people[mates.any(axis=1)]))
    reach = population.REACH * np.isfinite(samples[1]).sum()
    return tuple(
        GalleryRank1(size, _supported(row, found) if size <= reach else Estimate())
        for size, *row in zip(SIZES, *values, strict=True)
    )


def _supported(interval: Sequence[FloatArray], people: int) -> Estimate:
    """Return as much of an expected rate as the scores of some people support.

    They tell no rate below that of one of them from 0, nor one above that of all but one from 1:
    such an interval is that of all who fail or succeed (`resampling.rate`), and the rate below is
    unknown.
    """
    value, low, high = map(float, interval)
    if not np.isfinite([value, low, high]).all():
        return Estimate()
    certain = resampling.TAIL ** (1 / people)
    if value < 1 / people:
        low, high = 0.0, max(high, 1 - certain)
    if value > 1 - 1 / people:
        low = min(low, certain)
    if high - low > WIDEST:
        return Estimate()
    return Estimate(None if value < 1 / people else value, low, high)


def _no_search(
    scores: FloatArray, mates: BoolArray, participants: int, gallery_people: int
) -> Iterable[str]:
    """Yield why identification is undefined or says nothing."""
    known = ~np.isnan(scores)
    if not known.any():
        yield 'No pair has a score.'
    if known.any() and mates.any() and not known[mates].any():
        yield 'No genuine pair has a score.'
    if not mates.any():
        yield 'No probe has a mate in the gallery.'
    if participants < 2:
        yield 'Fewer than two participants: there is no impostor pair.'
    elif gallery_people == 1:
        yield 'The gallery holds one participant: every search in it succeeds.'
    if 1 < gallery_people <= 5:
        yield f'The gallery holds {gallery_people} participants: rank 5 is undefined.'


def _no_interval(area: Estimate) -> Iterable[str]:
    """Yield why an interval is missing or says nothing."""
    if area.value is not None and area.low is None:
        yield 'Too few participants have a mate in the gallery for all intervals.'
    if area.value in (0, 1):
        yield (
            'The scores of genuine and impostor pairs do not overlap: the interval of the AUC has '
            'no width and says nothing.'
        )


def _no_tail(larger: Sequence[GalleryRank1]) -> Iterable[str]:
    if all(item.rank1.high is None for item in larger):
        yield 'Too few scores to extrapolate to larger galleries.'
