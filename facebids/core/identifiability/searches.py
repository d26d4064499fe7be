# SPDX-License-Identifier: Apache-2.0
"""What the statistics need of the scores of a comparison, gathered from blocks of rows.

A matrix of the scores of 100,000 probes with a gallery of as many would take 80 GB. Each search
needs its own row alone, so that blocks of rows are gathered one after the other, and only a few
numbers of each search and some pairs (`pairs`) are kept.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from facebids.core.arrays import BoolArray, FloatArray, IntArray
from facebids.core.identifiability import pairs, population, ranking
from facebids.core.identifiability.pairs import Pairs, Sides

BLOCK_SCORES = 3_000_000  # computed at a time, in each thread
CACHED_SCORES = 100_000  # searched at a time: so many stay in the cache of a processor


@dataclass(frozen=True)
class Searches:
    """Each search of a gallery of people, of whom the best of several scores counts.

    Attributes
    ----------
    ranks : ndarray, shape (P,)
        As of `ranking.mate_ranks`.
    mates, others : ndarray, shape (P,)
        Highest score of the mates, and of all others; NaN where none has a score.
    mate_counts, other_counts : ndarray of int, shape (P,)
        Number of people in the gallery who are the probe's person, and who are not.
    known, means, squares : ndarray, shape (P,)
        Of the scores of others: their number, their mean, and the sum of the squares of their
        deviations from it.
    missing : ndarray of int, shape (P,)
        Number of gallery entries without a score.
    """

    ranks: FloatArray
    mates: FloatArray
    others: FloatArray
    mate_counts: IntArray
    other_counts: IntArray
    known: IntArray
    means: FloatArray
    squares: FloatArray
    missing: IntArray

    @property
    def gallery_size(self) -> int:
        """Number of people in the gallery."""
        return int((self.mate_counts + self.other_counts).max(initial=0))


@dataclass(frozen=True)
class Gathered:
    """What the statistics need of the scores of a comparison.

    Attributes
    ----------
    searches : Searches
    pairs : Pairs
        Of probes with gallery entries.
    people : Pairs
        Of probes with people, each with the best of their scores.
    """

    searches: Searches
    pairs: Pairs
    people: Pairs


def blocks(probes: int, gallery: int) -> Iterator[slice]:
    """Yield slices of the probes, such that a block has at most `BLOCK_SCORES` scores.

    A row is never divided. The blocks have nearly the same size.
    """
    count = max(math.ceil(probes / max(BLOCK_SCORES // max(gallery, 1), 1)), 1)
    for number in range(count):
        yield slice(number * probes // count, (number + 1) * probes // count)


def gather(scores: FloatArray, start: int, sides: Sides, seed: int) -> Gathered:
    """Gather what the statistics need of some rows of scores.

    Parameters
    ----------
    scores : ndarray, shape (R, G)
        Rows of the matrix of all scores, from `start` on; NaN where there is none.
    start : int
    sides : Sides
        Of all scores.
    seed : int
        Random seed of the pairs that are drawn.
    """
    drawn = pairs.draw(scores, start, sides, seed)
    best, people = ranking.best_of_each_person(scores, sides.gallery)
    of_people = sides if best is scores else Sides(sides.probes, people)
    step = max(CACHED_SCORES // max(scores.shape[1], 1), 1)
    found = [
        _search(best[i : i + step], start + i, of_people, np.isnan(scores[i : i + step]))
        for i in range(0, max(len(scores), 1), step)
    ]
    return Gathered(
        searches=_join(found),
        pairs=drawn,
        people=drawn if best is scores else pairs.draw(best, start, of_people, seed),
    )


def join(parts: Sequence[Gathered]) -> Gathered:
    """Return what was gathered from successive blocks together."""
    if len(parts) == 1:
        return parts[0]
    joined = pairs.join([part.pairs for part in parts])
    shared = parts[0].people is parts[0].pairs
    return Gathered(
        _join([part.searches for part in parts]),
        joined,
        joined if shared else pairs.join([part.people for part in parts]),
    )


def _join(parts: Sequence[Searches]) -> Searches:
    columns = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(Searches)
    }
    return Searches(**columns)


def _search(scores: FloatArray, start: int, sides: Sides, missing: BoolArray) -> Searches:
    """Return the searches of rows of scores (R, N), from `start` on."""
    row, column = sides.mates(start, start + len(scores))
    own = np.full(len(scores), np.nan)
    np.fmax.at(own, row, scores[row, column])
    others = scores.astype(float)
    others[row, column] = np.nan
    mate_counts = np.bincount(row, minlength=len(scores))
    best = np.fmax.reduce(others, axis=1, initial=np.nan)
    ranks = ranking.ranks(others, own, mate_counts)
    known, means, squares = population.moments(others)
    return Searches(
        ranks=ranks,
        mates=own,
        others=best,
        mate_counts=mate_counts,
        other_counts=scores.shape[1] - mate_counts,
        known=known,
        means=means,
        squares=squares,
        missing=ranking.count_true(missing),
    )
