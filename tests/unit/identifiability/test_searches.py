# SPDX-License-Identifier: Apache-2.0
"""What is gathered block by block is what a whole matrix holds."""

import tracemalloc
from dataclasses import fields

import numpy as np
import pytest

from facebids.core.identifiability import pairs, population, ranking, searches
from facebids.core.identifiability.evaluation import evaluate, summarise
from facebids.core.identifiability.pairs import Sides
from facebids.core.identifiability.searches import Searches, blocks, gather, join

NAN = np.nan


def matrix(seed=1, probes=70, gallery=60, repeated=False):
    """Scores with ties, missing ones and probes without a mate."""
    rng = np.random.default_rng(seed)
    people = rng.permutation(gallery) if not repeated else rng.integers(gallery // 2, size=gallery)
    searched = rng.integers(gallery + 10, size=probes)
    scores = rng.normal(size=(probes, gallery)).round(1) + (searched[:, None] == people)
    scores[rng.random(scores.shape) < 0.1] = NAN
    scores[3] = NAN
    return scores, searched, people


def in_blocks(scores, sides, monkeypatch, size):
    monkeypatch.setattr(searches, 'BLOCK_SCORES', size)
    parts = list(blocks(*scores.shape))
    assert len(parts) > 1
    assert all(scores[part].size <= max(size, scores.shape[1]) for part in parts)
    return join([gather(scores[part], part.start, sides, seed=0) for part in parts])


@pytest.mark.parametrize('repeated', [False, True])
@pytest.mark.parametrize('size', [1, 100, 1000])
def test_blocks_hold_exactly_what_the_whole_holds(monkeypatch, size, repeated):
    scores, probes, gallery = matrix(repeated=repeated)
    sides = Sides.of(probes, gallery)
    whole, parts = gather(scores, 0, sides, 0), in_blocks(scores, sides, monkeypatch, size)
    for field in fields(Searches):
        one, other = (getattr(item.searches, field.name) for item in (whole, parts))
        np.testing.assert_array_equal(one, other)
    for name in ('pairs', 'people'):
        for key in ('scores', 'row', 'column'):
            one, other = (getattr(getattr(item, name), key) for item in (whole, parts))
            np.testing.assert_array_equal(one, other)
    options = {'seed': 1, 'thresholds': (2.0,), 'count': 50}
    assert evaluate(parts, **options) == summarise(scores, probes, gallery, **options)


def test_each_search_is_that_of_its_row():
    scores, probes, gallery = matrix()
    mates = probes[:, None] == gallery
    found = gather(scores, 0, Sides.of(probes, gallery), 0).searches
    np.testing.assert_array_equal(found.ranks, ranking.mate_ranks(scores, mates))
    np.testing.assert_array_equal(found.mates, ranking.best(scores, mates))
    np.testing.assert_array_equal(found.others, ranking.best(scores, ~mates))
    np.testing.assert_array_equal(found.mate_counts, mates.sum(axis=1))
    np.testing.assert_array_equal(found.missing, np.isnan(scores).sum(axis=1))
    deviations = population.deviations(found.known, found.squares)
    standard = (scores - found.means[:, None]) / deviations[:, None]
    np.testing.assert_allclose(standard, population.standardise(scores, mates))


def test_blocks_cover_every_probe_once():
    for probes, gallery in ((100_000, 100_000), (2000, 2000), (1, 10**7), (7, 3), (0, 5), (5, 0)):
        parts = list(blocks(probes, gallery))
        assert parts[0].start == 0
        assert parts[-1].stop == probes
        assert [part.stop for part in parts[:-1]] == [part.start for part in parts[1:]]
        largest = max(part.stop - part.start for part in parts)
        assert largest * gallery <= max(searches.BLOCK_SCORES, gallery)


def test_memory_does_not_grow_with_the_square_of_the_people(monkeypatch):
    """Rows of 1500 people are never all there."""
    monkeypatch.setattr(searches, 'BLOCK_SCORES', 60_000)
    monkeypatch.setattr(pairs, 'MOST_PAIRS', 20_000)
    people, rng = np.arange(1500), np.random.default_rng(0)
    sides = Sides.of(people, people)
    tracemalloc.start()
    try:
        parts = [
            gather(rng.normal(size=(part.stop - part.start, 1500)), part.start, sides, 0)
            for part in blocks(1500, 1500)
        ]
        found = join(parts)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found.searches.ranks) == 1500
    assert peak < 1500**2 * 8 / 4
