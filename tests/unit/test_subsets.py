# SPDX-License-Identifier: Apache-2.0
from itertools import combinations

import numpy as np
import pytest

from facebids.studies.subsets import rank1_among


def _brute_force(place, gallery_size, size):
    """Put the right person among every choice of others; those above it are 1 to place - 1."""
    others = [index for index in range(1, gallery_size + 1) if index != place]
    choices = list(combinations(others, size - 1))
    return np.mean([all(index > place for index in choice) for choice in choices])


@pytest.mark.parametrize('size', [1, 2, 4, 7])
def test_it_is_what_drawing_every_gallery_gives(size):
    places = np.array([1, 2, 3, 5, 7])
    expected = np.mean([_brute_force(place, 7, size) for place in places])
    assert rank1_among(places, 7, [size])[0] == pytest.approx(expected)


def test_the_whole_gallery_gives_the_rank1_rate():
    places = np.array([1.0, 1.0, 1.5, 3.0, np.nan])
    assert rank1_among(places, 10, [10])[0] == pytest.approx(0.5)


def test_sizes_beyond_the_gallery_and_nobody_are_not_a_number():
    assert np.isnan(rank1_among(np.array([1.0]), 10, [50])).all()
    assert np.isnan(rank1_among(np.array([np.nan]), 10, [5])).all()


def test_large_galleries_do_not_overflow():
    assert rank1_among(np.array([2.0]), 100_000, [50_000])[0] == pytest.approx(0.5, abs=1e-3)
