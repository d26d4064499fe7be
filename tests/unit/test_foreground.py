# SPDX-License-Identifier: Apache-2.0
"""The head without the air around it."""

import numpy as np
import pytest
from scipy import ndimage

from facebids.core import foreground


@pytest.mark.parametrize('axis', [0, 1, 2])
def test_holes_are_filled_slice_by_slice(axis):
    noise = np.random.default_rng(0).normal(size=(20, 25, 30))
    mask = ndimage.gaussian_filter(noise, 1) > 0
    expected = mask.copy()
    for plane in np.moveaxis(expected, axis, 0):
        plane[...] = ndimage.binary_fill_holes(plane)
    assert expected.sum() > mask.sum()
    np.testing.assert_array_equal(foreground._fill_slices(mask, axis), expected)
