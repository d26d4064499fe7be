# SPDX-License-Identifier: Apache-2.0
"""Time the search of 1,000 probes in a gallery of 100,000 heads, by shape and by picture.

Run: python benchmarks/gallery.py [gallery] [probes]

The face templates are simulated: smooth reliefs and clustered embeddings. The probes are repeated
scans of gallery entries. For each engine, the script prints the time, its ratio to the
brute-force neighbour search of scikit-learn with vectors of the same number and length, the rank-1
identification rate, and the peak memory.
"""

import resource
import sys
import time

import numpy as np
from scipy import ndimage
from sklearn.neighbors import NearestNeighbors

from facebids.core.attack import engines
from facebids.core.attack.engines import geometry


def make_reliefs(count, rng):
    """Return smooth random faces, a few mm high, shape (count, C)."""
    cells = geometry.cells()
    reliefs = np.empty((count, cells.sum()), np.float32)
    for start in range(0, count, 1000):
        part = reliefs[start : start + 1000]
        fields = rng.standard_normal((len(part), *cells.shape), np.float32)
        part[...] = ndimage.gaussian_filter(fields, (0, 2.5, 2.5))[:, cells] * 25
    return reliefs


def make_shapes(count, probes, rng):
    """Return reliefs of probes and gallery; probes have noise, every fourth is cropped."""
    gallery = make_reliefs(count, rng)
    again = gallery[:probes] + 0.4 * rng.normal(size=(probes, gallery.shape[1]))
    again[::4, : gallery.shape[1] // 4] = np.nan
    return [{'relief': row.astype(np.float32)} for row in again], [{'relief': r} for r in gallery]


def make_pictures(count, probes, rng):
    """Return embeddings of probes and gallery, ten views each.

    Standard deviations are 0.6 between people and 0.35 between views of one person.
    """
    names = np.array([f'random{view:02d}' for view in range(1, 11)])
    people = rng.standard_normal((count, 1, 128), np.float32) * 0.6 / 16

    def views(centre):
        return centre + rng.standard_normal((10, 128), np.float32) * 0.35 / 16

    gallery = [{'embeddings': views(centre), 'names': names} for centre in people]
    return [{'embeddings': views(c), 'names': names} for c in people[:probes]], gallery


def peer_seconds(count, probes, width, rng):
    """Return the time of the exact search of scikit-learn, seconds."""
    gallery = rng.standard_normal((count, width), np.float32)
    start = time.perf_counter()
    NearestNeighbors(n_neighbors=20, algorithm='brute').fit(gallery).kneighbors(gallery[:probes])
    return time.perf_counter() - start


def main(count=100_000, probes=1_000):
    """Run the benchmark and print its results."""
    for name, make, width in (
        ('geometry', make_shapes, int(geometry.cells().sum())),
        ('dlib', make_pictures, 128),
    ):
        rng = np.random.default_rng(0)
        searched, gallery = make(count, probes, rng)
        engines.search(name, searched[:2], gallery[:50])  # imports and caches
        start = time.perf_counter()
        found, _ = engines.search(name, searched, gallery)
        seconds = time.perf_counter() - start
        peer = peer_seconds(count, probes, width, rng)
        first = (found[:, 0] == np.arange(probes)).mean()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            f'{name}: {seconds:.1f} s, {seconds / peer:.2f} times scikit-learn '
            f'({peer:.1f} s), {first:.1%} identified at rank 1, peak {peak:.1f} GiB'
        )


if __name__ == '__main__':
    main(*map(int, sys.argv[1:]))
