# SPDX-License-Identifier: Apache-2.0
"""Comparisons of scans with scans of the same site, scanner and voxel size.

Where a gallery mixes studies, an engine may tell them apart by style alone: a scan is then more
like its mate than like most others, whoever they show. So every pair is compared with pairs of the
same two acquisitions only. A probe is searched among the gallery entries of its mate's
acquisition, and the area under the ROC curve is the mean of those of all pairs of acquisitions,
weighted by their number of genuine pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from facebids.core.arrays import AnyArray, FloatArray, IntArray
from facebids.core.identifiability import pairs, ranking, resampling, verification
from facebids.core.identifiability.evaluation import estimate
from facebids.core.identifiability.pairs import Pairs, Sides
from facebids.core.identifiability.summary import Estimate, Summary
from facebids.studies.comparisons import Comparison, Condition, scans_of
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
    sides = Sides.of(*people(comparison))
    of_mates, sizes = _galleries(sides, _acquisitions(comparison)[1])
    mated, kept = (set(sides.probes[where].tolist()) for where in (of_mates >= 0, sizes > 0))
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


@dataclass(frozen=True)
class Within:
    """What is kept of the scores of a comparison within acquisitions.

    Attributes
    ----------
    ranks : ndarray, shape (P,)
        Of each search among the gallery entries of its mate's acquisition; NaN without any.
    missing : int
        Number of these entries without a score.
    pairs : Pairs
        Of scans of two acquisitions of which there is a genuine pair.
    """

    ranks: FloatArray
    missing: int
    pairs: Pairs


class Acquisitions:
    """The acquisitions of a comparison, to gather and summarise its scores within them.

    The comparison is possible (`unmet`).
    """

    def __init__(self, comparison: Comparison) -> None:
        self.sides = Sides.of(*people(comparison))
        self.probes, self.gallery = _acquisitions(comparison)
        self.of_mates, self.sizes = _galleries(self.sides, self.gallery)
        self.kinds = np.unique(self._kinds(*self._genuine()))

    def _genuine(self) -> tuple[IntArray, IntArray]:
        row, column = self.sides.mates(0, len(self.probes))
        counted = self.sizes[row] > 0
        return row[counted], column[counted]

    def _kinds(self, row: IntArray, column: IntArray) -> IntArray:
        """Return a number for the two acquisitions of each pair."""
        number: IntArray = self.probes[row] * (self.gallery.max() + 1) + self.gallery[column]
        return number

    @cached_property
    def comparable(self) -> int:
        """Number of pairs of two acquisitions of which there is a genuine pair."""
        count = self.gallery.max() + 1
        probes = np.bincount(self.probes)[self.kinds // count]
        return int(probes @ np.bincount(self.gallery)[self.kinds % count])

    def gather(self, scores: FloatArray, start: int, seed: int) -> Within:
        """Gather what the statistics need of some rows of scores, shape (R, G)."""
        part = slice(start, start + len(scores))
        of_mates = np.where(self.sizes[part] > 0, self.of_mates[part], -1)
        ranks, missing = np.full(len(scores), np.nan), 0
        for acquisition in np.unique(of_mates[of_mates >= 0]):
            rows = np.flatnonzero(of_mates == acquisition)
            columns = np.flatnonzero(self.gallery == acquisition)
            searched = scores[np.ix_(rows, columns)]
            mates = self.sides.probes[part][rows, None] == self.sides.gallery[columns]
            ranks[rows] = ranking.mate_ranks(searched, mates)
            missing += int(np.isnan(searched).sum())
        drawn = pairs.draw(scores, start, self.sides, seed, self.comparable)
        # of the genuine pairs only those that are searched
        kept = np.isin(self._kinds(drawn.row, drawn.column), self.kinds)
        kept &= ~drawn.same | (self.sizes[drawn.row] > 0)
        return Within(
            ranks,
            missing,
            Pairs(drawn.scores[kept], drawn.row[kept], drawn.column[kept], self.sides),
        )

    def summarise(self, parts: Sequence[Within], seed: int) -> Summary:
        """Return rank-1 and rank-5 identification rates and the area under the ROC curve.

        Parameters
        ----------
        parts
            What was gathered of successive blocks of rows.
        seed
            Random seed of the intervals.
        """
        counted = self.sizes > 0
        sizes, searchers = self.sizes[counted], self.sides.probes[counted]
        ranks = np.concatenate([part.ranks for part in parts])[counted]
        rank1, rank5 = zip(
            *resampling.rate(ranking.hits(ranks, [1, 5]), searchers, seed), strict=True
        )
        searched = np.isin(self.gallery, self.of_mates[counted])
        return Summary(
            people=len({*searchers.tolist(), *self.sides.gallery[searched].tolist()}),
            probes=len(sizes),
            gallery_size=int(sizes.min()),
            chance=float((1 / sizes).mean()),
            people_with_mates=len(set(searchers.tolist())),
            missing=sum(part.missing for part in parts),
            rank1=estimate(*rank1),
            rank5=estimate(*rank5) if sizes.min() > HIT_RANK else Estimate(),
            auc=self._auc(pairs.join([part.pairs for part in parts]), seed),
            reasons=self._sampled(),
        )

    def _auc(self, found: Pairs, seed: int) -> Estimate:
        """Return the mean area under the ROC curve of pairs of the same two acquisitions."""
        own, others = found.kinds
        kind = self._kinds(found.row, found.column)
        order = own, others[np.argsort(kind[others], kind='stable')]
        both = np.stack(found.people, axis=1)
        owners = [both[order[0]][:, 0], both[order[1]]]

        def area(own: FloatArray, others: FloatArray, kind: IntArray, kinds: IntArray) -> float:
            shared, counts = np.unique(kind[np.isin(kind, kinds)], return_counts=True)
            areas = [verification.auc(own[kind == k], others[_span(kinds, k)]) for k in shared]
            return float(np.average(areas, weights=counts)) if areas else np.nan

        samples: list[AnyArray] = [
            *(found.scores[places] for places in order),
            *(kind[places] for places in order),
        ]
        interval = resampling.bootstrap(area, samples, owners * 2, seed, DRAWS)
        return estimate(area(*samples), *interval)

    def _sampled(self) -> tuple[str, ...]:
        if self.comparable <= pairs.MOST_PAIRS:
            return ()
        return (
            f'{pairs.MOST_PAIRS:,} of {self.comparable:,} pairs of the same acquisitions, drawn '
            'at random, stand for all in the AUC.',
        )


def outcome(
    comparison: Comparison, condition: Condition, engine: str, summary: Summary
) -> Outcome:
    """Return the outcome of a comparison within acquisitions."""
    names = describe(comparison, condition)
    return Outcome(
        study=names['study'],
        key=names['key'] + SAME_ACQUISITION,
        title=_title(names['title']),
        condition=names['condition'],
        probe=names['probe'],
        gallery=names['gallery'],
        engine=engine,
        summary=summary,
    )


def _span(ordered: IntArray, value: int) -> slice:
    """Return where a value is in ascending numbers."""
    return slice(*np.searchsorted(ordered, [value, value + 1]).tolist())


def _galleries(sides: Sides, acquisitions: IntArray) -> tuple[IntArray, IntArray]:
    """Return the acquisition of each probe's mate, and how many gallery entries are of it.

    -1 without a mate, and 0 where fewer than `LEAST_PEOPLE` entries are.
    """
    row, column = sides.mates(0, len(sides.probes))
    of_mates = np.full(len(sides.probes), -1)
    of_mates[row] = acquisitions[column]  # one gallery entry per person
    sizes = np.append(np.bincount(acquisitions), 0)[of_mates]
    return of_mates, np.where(sizes >= LEAST_PEOPLE, sizes, 0)


def _acquisitions(comparison: Comparison) -> tuple[IntArray, IntArray]:
    """Return a number for the acquisition of each probe and gallery entry."""
    sides = [scans_of(side) for side in (comparison.probes, comparison.gallery)]
    order = dict.fromkeys(scan.acquisition for side in sides for scan in side)
    number = {acquisition: index for index, acquisition in enumerate(order)}
    probes, gallery = (np.array([number[s.acquisition] for s in side], int) for side in sides)
    return probes, gallery


def _title(title: str) -> str:
    return f'{title}, same site, scanner and voxel size'
