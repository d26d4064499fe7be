# SPDX-License-Identifier: Apache-2.0
from itertools import combinations

import numpy as np
import pytest

from facebids.studies.smaller_galleries import rank1_in_smaller


def _brute_force(rank, gallery_size, size):
    """Try every smaller gallery with the mate; the entries above it are 1 to rank - 1."""
    others = [index for index in range(1, gallery_size + 1) if index != rank]
    choices = list(combinations(others, size - 1))
    return np.mean([all(index > rank for index in choice) for choice in choices])


@pytest.mark.parametrize('size', [1, 2, 4, 7])
def test_it_is_what_drawing_every_gallery_gives(size):
    ranks = np.array([1, 2, 3, 5, 7])
    expected = np.mean([_brute_force(rank, 7, size) for rank in ranks])
    assert rank1_in_smaller(ranks, 7, [size])[0] == pytest.approx(expected)


def test_the_whole_gallery_gives_the_rank1_rate():
    ranks = np.array([1.0, 1.0, 1.5, 3.0, np.nan])
    assert rank1_in_smaller(ranks, 10, [10])[0] == pytest.approx(0.5)


def test_sizes_beyond_the_gallery_and_nobody_are_not_a_number():
    assert np.isnan(rank1_in_smaller(np.array([1.0]), 10, [50])).all()
    assert np.isnan(rank1_in_smaller(np.array([np.nan]), 10, [5])).all()


def test_large_galleries_do_not_overflow():
    assert rank1_in_smaller(np.array([2.0]), 100_000, [50_000])[0] == pytest.approx(0.5, abs=1e-3)
