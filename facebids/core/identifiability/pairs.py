# SPDX-License-Identifier: Apache-2.0
"""The scores of pairs, from which the distributions of a comparison are computed.

All pairs, as long as there are at most `MOST_PAIRS`. Of more, all genuine ones, and about so many
of all drawn at random. By the inequality of Dvoretzky, Kiefer and Wolfowitz (1956, Ann. Math.
Stat. 27:642) with the constant of Massart (1990, Ann. Probab. 18:1269), the share of the drawn
impostor scores above any threshold then differs from that of all by at most `Pairs.error`, with a
confidence of 95 %. So do false match rates, and the area under the ROC curve, a mean of such
shares. Drawing without replacement errs less (Hoeffding, 1963, J. Am. Stat. Assoc. 58:13).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from facebids.core.arrays import BoolArray, FloatArray, IntArray

MOST_PAIRS = 1_000_000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Sides:
    """Whom the probes and the gallery entries show.

    Attributes
    ----------
    probes, gallery : ndarray of int, shape (P,) and (G,)
        Number of the person of each.
    """

    probes: IntArray
    gallery: IntArray

    @classmethod
    def of(cls, probe_people: ArrayLike, gallery_people: ArrayLike) -> 'Sides':
        """Return the sides with people of these labels, of shape (P,) and (G,), in their order."""
        sides = [np.asarray(some) for some in (probe_people, gallery_people)]
        known = np.unique(np.concatenate([some for some in sides if some.size] or [np.array([])]))
        probes, gallery = (
            np.searchsorted(known, some) if some.size else np.empty(0, int) for some in sides
        )
        return cls(probes, gallery)

    @cached_property
    def impostors(self) -> int:
        """Number of impostor pairs."""
        genuine = self.mates(0, len(self.probes))[0]
        return len(self.probes) * len(self.gallery) - len(genuine)

    @cached_property
    def _ordered(self) -> tuple[IntArray, IntArray]:
        order = np.argsort(self.gallery, kind='stable')
        return order, self.gallery[order]

    def mates(self, start: int, stop: int) -> tuple[IntArray, IntArray]:
        """Return the genuine pairs of some probes: rows, from `start` on, and columns."""
        order, people = self._ordered
        first = np.searchsorted(people, self.probes[start:stop], 'left')
        count = np.searchsorted(people, self.probes[start:stop], 'right') - first
        row = np.repeat(np.arange(len(count)), count)
        place = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        return row, order[first[row] + place]


@dataclass(frozen=True)
class Pairs:
    """Scores of pairs of a probe and a gallery entry.

    Attributes
    ----------
    scores : ndarray, shape (n,)
        NaN where there is none.
    row, column : ndarray of int, shape (n,)
        Probe and gallery entry of each, in the order of the matrix of all scores.
    sides : Sides
    """

    scores: FloatArray
    row: IntArray
    column: IntArray
    sides: Sides

    @cached_property
    def people(self) -> tuple[IntArray, IntArray]:
        """Person of the probe and of the gallery entry of each pair, shape (n,)."""
        return self.sides.probes[self.row], self.sides.gallery[self.column]

    @cached_property
    def same(self) -> BoolArray:
        """Which pairs are genuine, shape (n,)."""
        return np.equal(*self.people)

    @cached_property
    def kinds(self) -> tuple[IntArray, IntArray]:
        """Places of the genuine pairs, and of the impostor pairs by ascending score, NaN first."""
        others = np.flatnonzero(~self.same)
        # sorted once, not in each draw of a bootstrap
        return np.flatnonzero(self.same), others[np.argsort(lowest(self.scores[others]))]

    @cached_property
    def split(self) -> tuple[FloatArray, FloatArray]:
        """Scores of `kinds`; NaN stays NaN."""
        return self.scores[self.kinds[0]], self.scores[self.kinds[1]]

    @cached_property
    def owners(self) -> tuple[IntArray, IntArray]:
        """People of `kinds`, for `resampling.bootstrap`: the one, and both, shape (m, 2)."""
        own, others = self.kinds
        return self.people[0][own], np.stack([side[others] for side in self.people], axis=1)

    @property
    def error(self) -> float:
        """Bound of the error of a share of impostor scores; 0 where none was left out."""
        drawn = len(self.split[1])
        if drawn == self.sides.impostors:
            return 0.0
        return math.sqrt(math.log(2 / (1 - CONFIDENCE)) / (2 * max(drawn, 1)))


def lowest(scores: FloatArray) -> FloatArray:
    """Return scores with -inf for NaN: a missing score is lower than every number."""
    return np.where(np.isnan(scores), -np.inf, scores)


def ascending(scores: FloatArray) -> FloatArray:
    """Return scores in ascending order, without sorting what is sorted, as of `Pairs`."""
    return scores if (scores[1:] >= scores[:-1]).all() else np.sort(scores)


def draw(
    scores: FloatArray, start: int, sides: Sides, seed: int, count: int | None = None
) -> Pairs:
    """Return the genuine pairs of some rows of scores, and those drawn of all pairs.

    Parameters
    ----------
    scores : ndarray, shape (R, G)
        Rows of the matrix of all scores, from `start` on.
    start : int
    sides : Sides
        Of all scores.
    seed : int
        Random seed; the draw depends on `start`, too.
    count : int or None
        How many of all pairs are of interest; by default all.
    """
    every = len(sides.probes) * len(sides.gallery)
    share = MOST_PAIRS / max(every if count is None else count, 1)
    if share >= 1:
        flat = np.arange(scores.size)
    else:
        row, column = sides.mates(start, start + len(scores))
        number = math.ceil(share * scores.size)
        drawn = np.random.default_rng([seed, start]).integers(scores.size, size=number)
        flat = np.union1d(drawn, row * scores.shape[1] + column)
    row, column = np.divmod(flat, max(scores.shape[1], 1))
    return Pairs(np.asarray(scores[row, column], float), row + start, column, sides)


def join(parts: Sequence[Pairs]) -> Pairs:
    """Return the pairs of successive rows together."""
    return Pairs(
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.row for part in parts]),
        np.concatenate([part.column for part in parts]),
        parts[0].sides,
    )


def of_matrix(
    scores: FloatArray, probe_people: ArrayLike, gallery_people: ArrayLike, seed: int = 0
) -> Pairs:
    """Return the pairs of a whole matrix of scores, drawn if there are more than `MOST_PAIRS`.

    Parameters
    ----------
    scores : ndarray, shape (P, G)
    probe_people, gallery_people : array_like, shape (P,) and (G,)
        Labels of people.
    seed : int
    """
    return draw(scores, 0, Sides.of(probe_people, gallery_people), seed)
