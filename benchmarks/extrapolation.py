# SPDX-License-Identifier: Apache-2.0
"""Compare the rank-1 identification rates expected in large galleries with the true ones.

Run: python benchmarks/extrapolation.py [gallery] [cohorts]

Face templates of 100,000 phantoms are drawn, and those of 1,000 of them on another day. Cohorts of
50 to 1,000 people predict the rank-1 identification rate among 10^3 to 10^5 people, which is
known from the ranks in the whole gallery. For each noise of the scans and each size of cohort, the
script prints the true rate, the share of cohorts with a prediction, its mean error, and the share
of the 95 % intervals that include the true rate.

The templates are reliefs to first order: displacements of the generic face and heights of its
folds, along its normals. The score is the negative root mean squared difference of two reliefs, of
which small rigid motions were removed.
"""

import sys
from unittest import mock

import numpy as np

from facebids.core.atlas import identity
from facebids.core.attack import depth
from facebids.core.attack.engines import geometry
from facebids.core.identifiability import ranking, searches
from facebids.core.identifiability.evaluation import SIZES, rank1_in_larger
from facebids.core.identifiability.pairs import Sides
from facebids.studies.smaller_galleries import rank1_in_smaller

PROBES = 1000
NOISE_MM = (3.0, 4.0, 6.0, 9.0)  # of a cell of a scan
DRAWS = 200
COHORTS = (20, 50, 100, 200, 1000)
PEOPLE = tuple(size for size in SIZES if size <= 10**5)


class Faces:
    """Reliefs of phantoms at the cells of the engine `geometry`, linear in their identity."""

    def __init__(self):
        layout = geometry._layout()
        surface, normal = depth.generic_face()

        def of_cells(values):
            return geometry._blocks(np.where(layout.region[..., None], values, np.nan))[
                layout.cells
            ]

        self.points, self.normals = of_cells(depth.points(surface)), of_cells(normal)
        self.motions = layout.motions
        self.weights = None

    def reliefs(self, people):
        """Return the reliefs of some identities (N, C), mm."""
        if self.weights is None:
            self.weights = self._weights(people[0])
        numbers = np.array(
            [
                [
                    *np.ravel([v for *_, v in person.displacements]),
                    *(height for *_, height in person.folds),
                ]
                for person in people
            ],
            np.float32,
        )
        return numbers @ self.weights

    def _weights(self, person):
        rows = []
        for centre, width, _ in person.displacements:
            distance = ((self.points - np.array(centre)) ** 2).sum(1)
            rows += list(self.normals.T * np.exp(-distance / (2 * width**2)))
        for line, width, _ in person.folds:
            start, along = np.array(line.start), np.subtract(line.end, line.start)
            share = np.clip((self.points - start) @ along / (along @ along), 0, 1)
            distance = ((self.points - start - share[:, None] * along) ** 2).sum(1)
            rows.append(np.exp(-distance / (2 * width**2)))
        return np.array(rows, np.float32)

    def aligned(self, reliefs):
        """Return reliefs without the small rigid motion that fits them best."""
        motions = np.linalg.qr(self.motions)[0]
        return reliefs - (reliefs @ motions) @ motions.T


def draw(count, rng):
    """Return the aligned reliefs of people (N, C), and of the first `PROBES` on another day."""
    faces = Faces()
    reliefs, again = [], []
    # the warp is not evaluated, so it need not be invertible
    with mock.patch.object(identity, '_invertible', tuple):
        for start in range(0, count, 1000):
            people = [identity.draw_identity(rng) for _ in range(min(1000, count - start))]
            reliefs.append(faces.reliefs(people))
            if start == 0:
                first = [identity.another_day(person, rng) for person in people[:PROBES]]
                again = _later(faces, people[:PROBES], first, reliefs[0])
    return faces, np.concatenate(reliefs), again


def _later(faces, people, later, reliefs):
    """Return the reliefs of another day: its displacements follow those of the person."""
    changes = [
        type(day)(day.displacements[len(person.displacements) :])
        for person, day in zip(people, later, strict=True)
    ]
    weights, faces.weights = faces.weights, None
    changed = faces.reliefs(changes)
    faces.weights = weights
    return reliefs[: len(people)] + changed


def similarity(probes, gallery):
    """Return the negative root mean squared difference of reliefs (mm), shape (P, G)."""
    squares = (probes**2).sum(1)[:, None] + (gallery**2).sum(1) - 2 * probes @ gallery.T
    return -np.sqrt(np.maximum(squares, 0) / probes.shape[1])


def true_rates(scores):
    """Return the rank-1 identification rates among `PEOPLE`, of probes whose mates come first."""
    mates = np.zeros(scores.shape, bool)
    np.fill_diagonal(mates, True)
    ranks = ranking.mate_ranks(scores, mates)
    return rank1_in_smaller(ranks, scores.shape[1], PEOPLE)


def predict(scores, people, seed):
    """Return rates expected by a cohort of `people`, and their intervals, shape (3, sizes)."""
    chosen = scores[np.ix_(people, people)]
    labels = np.arange(len(people))
    gathered = searches.gather(chosen, 0, Sides.of(labels, labels), seed)
    found = rank1_in_larger(gathered, (seed, DRAWS))
    rates = {item.size: item.rank1 for item in found}
    rows = [(rates[n].value, rates[n].low, rates[n].high) for n in PEOPLE]
    return np.array(rows, dtype=float).T


def main(gallery=100_000, cohorts=20):
    """Run the benchmark and print its results."""
    rng = np.random.default_rng(0)
    faces, reliefs, again = draw(gallery, rng)
    print(f'{"noise":>6}{"people":>8}' + ''.join(f'{f"among {n}":>24}' for n in PEOPLE))
    for noise in NOISE_MM:

        def scan(reliefs, noise=noise):
            noisy = reliefs + noise * rng.standard_normal(reliefs.shape, np.float32)
            return faces.aligned(noisy)

        scores = similarity(scan(again), scan(reliefs))
        truth = true_rates(scores)
        print(f'{noise:6}{"true":>8}' + ''.join(f'{rate:24.3f}' for rate in truth))
        for size in (n for n in COHORTS if n <= PROBES):
            some = cohorts if size < 1000 else 1
            found = np.array(
                [
                    predict(scores, rng.choice(PROBES, size, replace=False), seed)
                    for seed in range(some)
                ]
            )
            print(
                f'{noise:6}{size:8}'
                + ''.join(
                    _cell(*column) for column in zip(found.transpose(2, 1, 0), truth, strict=True)
                )
            )


def _cell(found, truth):
    """Return a cell: cohorts with a figure, mean error of rates, intervals that include truth."""
    value, low, high = found
    rates, known = np.isfinite(value), np.isfinite(high)
    if not known.any():
        return f'{"n/a":>24}'
    error = f'{np.mean(value[rates] - truth):+.3f}' if rates.any() else 'bound'
    inside = np.mean((low <= truth) & (truth <= high), where=known)
    return f'{f"{known.mean():.0%} {error} {inside:.0%}":>24}'


if __name__ == '__main__':
    main(*map(int, sys.argv[1:]))
