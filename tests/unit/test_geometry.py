# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from facebids.core.atlas.geometry import (
    Canvas,
    Capsule,
    Ellipsoid,
    mirrored,
    smooth_subtraction,
    smooth_union,
)

AXES = tuple(np.arange(-30.0, 31.0, 1.0) for _ in range(3))
SHAPES = [Ellipsoid((4, -3, 2), (12, 9, 7), roll=20), Capsule((-8, 0, 4), (9, 3, -6), 5, 3)]


@pytest.fixture
def canvas():
    return Canvas(*np.meshgrid(*AXES, indexing='ij'), AXES)


def test_sphere_distance_is_exact():
    sphere = Ellipsoid((0, 0, 0), (10, 10, 10))
    assert sphere.distance(np.array([0.0, 13.0]), 0.0, 0.0)[1] == pytest.approx(3)
    assert sphere.distance(0.0, 8.0, 0.0) == pytest.approx(-2)


def test_capsule_distance_is_exact():
    capsule = Capsule((0, 0, 0), (0, 0, 10), 2)
    assert capsule.distance(5.0, 0.0, 5.0) == pytest.approx(3)
    assert capsule.distance(0.0, 0.0, 14.0) == pytest.approx(2)


@pytest.mark.parametrize('shape', SHAPES)
def test_drawing_near_a_shape_equals_drawing_everywhere(canvas, shape):
    everywhere = shape.distance(*canvas.coordinates)
    field = np.full(everywhere.shape, 50.0)
    canvas.add(field, shape, blend=2)
    np.testing.assert_array_equal(field < 0, everywhere < 0)
    labels = np.zeros(everywhere.shape, np.uint8)
    canvas.paint(labels, shape, 3)
    np.testing.assert_array_equal(labels == 3, everywhere < 0)


@pytest.mark.parametrize('shape', SHAPES)
def test_mirror_image(canvas, shape):
    x, y, z = canvas.coordinates
    np.testing.assert_allclose(mirrored(shape).distance(x, y, z), shape.distance(-x, y, z))


def test_union_and_subtraction():
    a, b = np.array([-3.0, 4.0, 1.0]), np.array([5.0, -2.0, 1.0])
    np.testing.assert_array_equal(smooth_union(a, b, 0), np.minimum(a, b))
    assert smooth_union(a, b, 4)[2] < 1  # rounded outwards where they meet
    assert (smooth_union(a, b, 4) <= np.minimum(a, b)).all()
    assert smooth_subtraction(-3.0, -1.0, 0) == 1
