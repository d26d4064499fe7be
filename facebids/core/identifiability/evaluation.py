# SPDX-License-Identifier: Apache-2.0
"""All statistics of one comparison of probes with a gallery.

Identification (ranks, open set, expected rank-1) searches among people: of several gallery
entries of one person the best counts. Verification (AUC, ROC, similarity, SVM) takes every pair of
scans. What cannot be computed is None, and a sentence says why.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from facebids.core.arrays import FloatArray, IntArray
from facebids.core.identifiability import (
    open_set,
    population,
    ranking,
    ratios,
    resampling,
    searches,
    verification,
)
from facebids.core.identifiability.pairs import Pairs, Sides
from facebids.core.identifiability.searches import Gathered, Searches
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
DRAWN_SCORES = 20_000_000


def summarise(
    scores: ArrayLike,
    probe_people: ArrayLike,
    gallery_people: ArrayLike,
    seed: int,
    thresholds: Sequence[float] = (),
    count: int = 1000,
) -> Summary:
    """Compute every statistic that the scores of a whole matrix allow.

    Parameters
    ----------
    scores : array_like, shape (P, G)
        Similarity, higher is more alike; NaN where there is none.
    probe_people : array_like, shape (P,)
    gallery_people : array_like, shape (G,)
        Labels of people.
    seed, thresholds, count
        As of `evaluate`.
    """
    sides = Sides.of(probe_people, gallery_people)
    gathered = searches.gather(np.asarray(scores, dtype=float), 0, sides, seed)
    return evaluate(gathered, seed, thresholds, count)


def evaluate(
    gathered: Gathered, seed: int, thresholds: Sequence[float] = (), count: int = 1000
) -> Summary:
    """Compute every statistic that the scores of a comparison allow.

    Parameters
    ----------
    gathered : Gathered
    seed : int
        Random seed of the bootstrap and of the folds.
    thresholds : sequence of float
        Scores at which open-set identification is evaluated.
    count : int
        Number of bootstrap draws; fewer, down to 200, for more than 20,000 scores.
    """
    found, pairs, sides = gathered.searches, gathered.pairs, gathered.pairs.sides
    size = len(sides.probes) * len(sides.gallery)
    draws = seed, min(count, max(resampling.LEAST_DRAWS, DRAWN_SCORES // max(size, 1)))
    curve = _cmc(found, sides.probes, draws)
    area = _auc(pairs, draws)
    intra, inter = verification.similarity(*pairs.split)
    svm, no_svm = verification.same_person_svm(pairs, seed)
    ratio, no_ratio = ratios.evidence(pairs, seed)
    larger = rank1_in_larger(gathered, draws)
    reasons = [
        *_no_search(gathered),
        *_no_interval(area),
        *filter(None, [no_svm, no_ratio]),
        *_no_tail(larger),
        *sampled(pairs),
    ]
    return Summary(
        people=len(np.union1d(sides.probes, sides.gallery)),
        probes=len(sides.probes),
        gallery_size=len(sides.gallery),
        chance=ranking.chance_level(found.mate_counts, found.gallery_size),
        people_with_mates=_mated(gathered),
        missing=int(found.missing.sum()),
        rank1=_at_rank(1, curve),
        rank5=_at_rank(5, curve),
        cmc=curve,
        auc=area,
        roc=verification.roc(*pairs.split, points=ROC_POINTS),
        det=verification.det(*pairs.split, points=ROC_POINTS),
        open_set=tuple(
            _at_threshold(found, sides.probes, draws, threshold) for threshold in thresholds
        ),
        intra=intra,
        inter=inter,
        svm=svm,
        evidence=ratio,
        larger_galleries=larger,
        reasons=tuple(reasons) if size else ('There is nothing to compare.',),
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


def _cmc(found: Searches, probe_people: IntArray, draws: tuple[int, int]) -> Cmc:
    """Closed-set identification; undefined in a gallery that is too small to be wrong in."""
    if found.gallery_size < 2 or np.isnan(found.ranks).all():
        return Cmc()
    limits = np.arange(1, min(found.gallery_size, CMC_RANKS) + 1)
    step = max(DRAWN_SCORES // len(found.ranks), 1)  # ranks at a time
    parts = [
        resampling.rate(
            ranking.hits(found.ranks, limits[start : start + step]), probe_people, *draws
        )
        for start in range(0, len(limits), step)
    ]
    curves = map(np.concatenate, zip(*parts, strict=True))
    # the bounds rise as the curve does
    return Cmc(*(tuple(np.maximum.accumulate(values).tolist()) for values in curves))


def _at_rank(rank: int, curve: Cmc) -> Estimate:
    """Return the identification rate at a rank; undefined where the gallery ends there."""
    if len(curve.rates) <= rank:
        return Estimate()
    return Estimate(curve.rates[rank - 1], curve.low[rank - 1], curve.high[rank - 1])


def _auc(pairs: Pairs, draws: tuple[int, int]) -> Estimate:
    interval = resampling.bootstrap(verification.auc, pairs.split, pairs.owners, *draws)
    return estimate(verification.auc(*pairs.split), *interval)


def _at_threshold(
    found: Searches, probe_people: IntArray, draws: tuple[int, int], threshold: float
) -> OpenSetPoint:
    true = open_set.true_positives(found.mates, found.ranks, threshold)
    false = open_set.false_positives(found.others, found.other_counts, threshold)
    return OpenSetPoint(
        threshold,
        tpir=estimate(*resampling.rate(true, probe_people, *draws)),
        fpir=estimate(*resampling.rate(false, probe_people, *draws)),
    )


def rank1_in_larger(gathered: Gathered, draws: tuple[int, int]) -> tuple[GalleryRank1, ...]:
    """Return the expected rank-1 identification rates in galleries of the sizes `SIZES`.

    Parameters
    ----------
    gathered : Gathered
    draws : tuple of int
        Random seed, and number of bootstrap draws.
    """
    searched, pairs = gathered.searches, gathered.people
    deviations = population.deviations(searched.known, searched.squares)
    pairs = replace(
        pairs, scores=(pairs.scores - searched.means[pairs.row]) / deviations[pairs.row]
    )

    def rates(genuine: FloatArray, impostor: FloatArray) -> FloatArray:
        return population.expected_rank1(genuine, impostor, SIZES)

    drawn = resampling.bootstrap(rates, pairs.split, pairs.owners, *draws)
    values = [rates(*pairs.split), *drawn]
    found = _mated(gathered)
    reach = population.REACH * np.isfinite(pairs.split[1]).sum()
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


def _mated(gathered: Gathered) -> int:
    """Return the number of people with a probe and a mate."""
    return len(np.unique(gathered.pairs.sides.probes[gathered.searches.mate_counts > 0]))


def _no_search(gathered: Gathered) -> Iterable[str]:
    """Yield why identification is undefined or says nothing."""
    found, sides = gathered.searches, gathered.pairs.sides
    gallery_people = found.gallery_size
    known = found.missing.sum() < len(sides.probes) * len(sides.gallery)
    mated = found.mate_counts.any()
    if not known:
        yield 'No pair has a score.'
    if known and mated and np.isnan(found.mates).all():
        yield 'No genuine pair has a score.'
    if not mated:
        yield 'No probe has a mate in the gallery.'
    if len(np.union1d(sides.probes, sides.gallery)) < 2:
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


def sampled(pairs: Pairs) -> Iterable[str]:
    """Yield that drawn pairs stand for all, if they do."""
    if pairs.error:
        yield (
            f'{len(pairs.split[1]):,} of {pairs.sides.impostors:,} impostor pairs, drawn at '
            'random, stand for all, except in ranks and rates of searches: each share of them is '
            f'exact to {pairs.error:.2%} (95 % confidence).'
        )


def _no_tail(larger: Sequence[GalleryRank1]) -> Iterable[str]:
    if all(item.rank1.high is None for item in larger):
        yield 'Too few scores to extrapolate to larger galleries.'
