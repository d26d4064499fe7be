# SPDX-License-Identifier: Apache-2.0
"""Comparisons of scans with scans of the same site, scanner and voxel size.

Where a gallery mixes studies, an engine may tell them apart by style alone: a scan is then more
like its mate than like most others, whoever they show. So every pair is compared with pairs of the
same two acquisitions only. A probe is searched among the gallery entries of its mate's
acquisition, and the area under the ROC curve is the mean of those of all pairs of acquisitions,
weighted by their number of genuine pairs.
"""

import numpy as np

from facebids.core.arrays import AnyArray, BoolArray, FloatArray, IntArray, StrArray
from facebids.core.identifiability import ranking, resampling, verification
from facebids.core.identifiability.evaluation import estimate
from facebids.core.identifiability.summary import Estimate, Summary
from facebids.studies.comparisons import Comparison, Condition, person, scans_of
from facebids.studies.outcomes import describe, people
from facebids.studies.results import HIT_RANK, SAME_ACQUISITION, NotPossible, Outcome

LEAST_PEOPLE = 5  # in the gallery of an acquisition
DRAWS = 200  # of the bootstrap
LEAST_SHARE = 0.9  # of the participants with a mate: else the mixed comparison counts


def is_mixed(comparison: Comparison) -> bool:
    """Return whether the probes, or the gallery, are of several acquisitions."""
    probes, gallery = _acquisitions(comparison)
    return len(set(probes.tolist())) > 1 or len(set(gallery.tolist())) > 1


def unmet(comparison: Comparison) -> NotPossible | None:
    """Return why a comparison cannot be made within acquisitions, or None where it can."""
    _, _, mates = people(comparison)
    gallery = _acquisitions(comparison)[1]
    mated = {person(comparison.probes[i]) for i in np.flatnonzero(mates.any(axis=1))}
    searched = _searched(mates, gallery).any(axis=1)
    kept = {person(comparison.probes[i]) for i in np.flatnonzero(searched)}
    if len(kept) >= LEAST_SHARE * len(mated):
        return None
    reason = (
        f'{len(mated - kept)} of {len(mated)} participants with a mate are of an acquisition '
        f'(site, scanner, voxel size) with fewer than {LEAST_PEOPLE} participants in the gallery. '
        'The comparison across acquisitions counts, which style may influence.'
    )
    names = describe(comparison, comparison.conditions[0])
    return NotPossible(
        names['study'], comparison.key + SAME_ACQUISITION, _title(names['title']), reason
    )


def compare(
    comparison: Comparison, condition: Condition, engine: str, scores: FloatArray, seed: int
) -> Outcome:
    """Return the outcome of a comparison within acquisitions.

    Parameters
    ----------
    comparison, condition, engine
        What was compared, and by which engine; the comparison is possible (`unmet`).
    scores : ndarray, shape (P, G)
        Similarity of every probe with every entry of the gallery.
    seed
        Random seed of the intervals.
    """
    names = describe(comparison, condition)
    return Outcome(
        study=names['study'],
        key=names['key'] + SAME_ACQUISITION,
        title=_title(names['title']),
        condition=names['condition'],
        probe=names['probe'],
        gallery=names['gallery'],
        engine=engine,
        summary=summarise(scores, *people(comparison), *_acquisitions(comparison), seed),
    )


def summarise(
    scores: FloatArray,
    probe_people: StrArray,
    gallery_people: StrArray,
    mates: BoolArray,
    probe_acquisitions: IntArray,
    gallery_acquisitions: IntArray,
    seed: int,
) -> Summary:
    """Return rank-1 and rank-5 identification rates and the area under the ROC curve.

    Parameters
    ----------
    scores : ndarray, shape (P, G)
    probe_people, gallery_people : ndarray, shape (P,) and (G,)
        One gallery entry per person.
    mates : ndarray of bool, shape (P, G)
    probe_acquisitions, gallery_acquisitions : ndarray of int, shape (P,) and (G,)
    seed
        Random seed of the intervals.
    """
    searched = _searched(mates, gallery_acquisitions)
    counted: BoolArray = np.asarray(searched.any(axis=1))
    sizes = searched.sum(axis=1)[counted]
    ranks = ranking.mate_ranks(np.where(searched, scores, np.nan)[counted], mates[counted])
    hits = ranking.hits(np.minimum(ranks, sizes), [1, 5])
    rank1, rank5 = zip(*resampling.rate(hits, probe_people[counted], seed), strict=True)
    pairs = probe_acquisitions[:, None] * (gallery_acquisitions.max() + 1) + gallery_acquisitions
    owners = probe_people, gallery_people
    return Summary(
        people=len({*probe_people[counted], *gallery_people[searched.any(axis=0)]}),
        probes=len(sizes),
        gallery_size=int(sizes.min()),
        chance=float((1 / sizes).mean()),
        people_with_mates=len(set(probe_people[counted])),
        missing=int((np.isnan(scores) & searched).sum()),
        rank1=estimate(*rank1),
        rank5=estimate(*rank5) if sizes.min() > HIT_RANK else Estimate(),
        auc=_auc(scores, mates & counted[:, None], ~mates, pairs, owners, seed),
    )


def _auc(
    scores: FloatArray,
    genuine: BoolArray,
    impostor: BoolArray,
    pairs: IntArray,
    people: tuple[StrArray, StrArray],
    seed: int,
) -> Estimate:
    """Return the mean area under the ROC curve of pairs of the same two acquisitions.

    `pairs` (P, G) numbers the two acquisitions of each pair of scans.
    """
    impostor = impostor & np.isin(pairs, pairs[genuine])
    row, column = np.nonzero(impostor)
    owners = [
        people[0][np.nonzero(genuine)[0]],
        np.stack([people[0][row], people[1][column]], axis=1),
    ]

    def area(own: FloatArray, others: FloatArray, kind: IntArray, kinds: IntArray) -> float:
        shared, counts = np.unique(kind[np.isin(kind, kinds)], return_counts=True)
        areas = [verification.auc(own[kind == k], others[kinds == k]) for k in shared]
        return float(np.average(areas, weights=counts)) if areas else np.nan

    samples: list[AnyArray] = [scores[genuine], scores[impostor], pairs[genuine], pairs[impostor]]
    interval = resampling.bootstrap(area, samples, owners * 2, seed, DRAWS)
    return estimate(area(*samples), *interval)


def _searched(mates: BoolArray, acquisitions: IntArray) -> BoolArray:
    """Return which gallery entries are of the acquisition of each probe's mate, shape (P, G).

    None where no mate, or where fewer than `LEAST_PEOPLE` entries are.
    """
    of_mate = np.where(mates.any(axis=1), acquisitions[mates.argmax(axis=1)], -1)
    same: BoolArray = np.equal.outer(of_mate, acquisitions)
    return np.asarray(same & (same.sum(axis=1) >= LEAST_PEOPLE)[:, None])


def _acquisitions(comparison: Comparison) -> tuple[IntArray, IntArray]:
    """Return a number for the acquisition of each probe and gallery entry."""
    sides = [scans_of(side) for side in (comparison.probes, comparison.gallery)]
    order = dict.fromkeys(scan.acquisition for side in sides for scan in side)
    number = {acquisition: index for index, acquisition in enumerate(order)}
    probes, gallery = (np.array([number[s.acquisition] for s in side], int) for side in sides)
    return probes, gallery


def _title(title: str) -> str:
    return f'{title}, same site, scanner and voxel size'
