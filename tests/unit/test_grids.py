# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from scipy import ndimage

from facebids.core import grids


def blobs(shape, seed=0):
    return ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 3) > 0


@pytest.mark.parametrize('zooms', [(1, 1, 1), (0.7, 0.7123, 1.2), (1, 0.9, 6)])
@pytest.mark.parametrize('order', ['C', 'F'])
def test_distances_are_those_of_scipy(zooms, order):
    inside = np.asarray(blobs((33, 41, 29)), order=order)
    expected = ndimage.distance_transform_edt(inside, sampling=zooms)
    np.testing.assert_allclose(grids.distance(inside, zooms), expected, rtol=1e-6)
    plane, sizes = inside[:, 20], np.delete(zooms, 1)
    expected = ndimage.distance_transform_edt(plane, sampling=sizes)
    np.testing.assert_allclose(grids.distance(plane, sizes), expected, rtol=1e-6)


def test_nothing_is_infinitely_far():
    assert np.isinf(grids.distance(np.ones((4, 5, 6), bool), 2.0)).all()


@pytest.mark.parametrize('zooms', [(1, 1, 1), (0.7, 0.7123, 1.2), (3.5, 1, 1)])
@pytest.mark.parametrize('than', [0.0, 2.0, 6.0])
def test_slabs_find_the_same_voxels_as_the_distance(zooms, than):
    inside = blobs((200, 31, 29))
    inside[60:150] = True
    expected = ndimage.distance_transform_edt(inside, sampling=zooms) > than
    np.testing.assert_array_equal(grids.farther(inside, zooms, than), expected)


def test_everything_is_far_from_nothing():
    assert grids.farther(np.ones((9, 9, 9), bool), (1, 1, 1), 6.0).all()


@pytest.mark.parametrize('zooms', [(1, 1, 1), (0.7, 0.7123, 1.2), (3.5, 1, 1)])
def test_slabs_have_the_same_distances_up_to_a_limit(zooms):
    inside = blobs((200, 31, 29))
    inside[60:150] = True
    expected = ndimage.distance_transform_edt(inside, sampling=zooms)
    found = grids.distance_up_to(inside, zooms, 6.0)
    near = expected <= 6.0
    np.testing.assert_allclose(found[near], expected[near], rtol=1e-6)
    assert (found[~near] > 6.0).all()


@pytest.mark.parametrize('corner', [(0, 0, 0), (7, 9, 5), (19, 17, 11)])
def test_the_box_of_a_mask_has_the_same_distances(corner):
    zooms, mask = (0.7, 0.7123, 1.2), np.zeros((40, 41, 29), bool)
    mask[tuple(slice(at, at + 18) for at in corner)] = blobs((18, 18, 18))
    expected = ndimage.distance_transform_edt(mask, sampling=zooms)
    np.testing.assert_allclose(grids.distance_inside(mask, zooms), expected[mask], rtol=1e-6)


def test_a_mask_of_nothing_has_no_distances():
    assert grids.distance_inside(np.zeros((9, 9, 9), bool), (1, 1, 1)).shape == (0,)


@pytest.mark.parametrize('step', [(0.7, 0.7, 0.7), (2.3, 1.0, 0.3)])
@pytest.mark.parametrize('first', [0.0, -0.4, 1.25])
def test_rescaling_is_linear_interpolation(step, first):
    data = np.random.default_rng(0).normal(size=(13, 1, 9)).astype(np.float32)
    shape = (17, 4, 11)
    expected = ndimage.affine_transform(
        data, np.diag(step), np.full(3, first), shape, order=1, mode='nearest'
    )
    np.testing.assert_allclose(grids.rescale(data, step, first, shape), expected, atol=1e-5)


def test_rescaling_blurs_first():
    data = np.random.default_rng(0).normal(size=(31, 26, 12)).astype(np.float32)
    step, first, blur = (2.5, 2.0, 1.0), (0.75, 0.5, 0.0), (1.0, 0.8, 0.0)
    expected = grids.rescale(ndimage.gaussian_filter(data, blur), step, first, (12, 13, 12))
    found = grids.rescale(data, step, first, (12, 13, 12), blur)
    np.testing.assert_allclose(found, expected, atol=1e-6)
