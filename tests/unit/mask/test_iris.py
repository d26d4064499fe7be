# SPDX-License-Identifier: Apache-2.0
"""The iris and the ends of an eye are found on drawn eyes."""

import numpy as np
import pytest

from facebids.mask import iris

RADIUS = 8.0
SKINS = ((236, 197, 174), (98, 66, 50))
IRISES = ((70, 46, 30), (96, 122, 146))


def drawn(x=0.0, y=0.0, skin=SKINS[0], colour=IRISES[0], upper=9.0):
    """Return an eye whose iris is at x and y: samples from the middle, y down."""
    picture = np.empty((*iris.ROWS.shape, 3))
    picture[...] = skin
    eye = (iris.COLUMNS / 19) ** 2 + (iris.ROWS / np.where(iris.ROWS < 0, upper, 8.0)) ** 2 < 1
    picture[eye] = (206, 199, 193)
    away = np.hypot(iris.COLUMNS - x, iris.ROWS - y)
    picture[eye & (away < RADIUS)] = colour
    picture[eye & (away < 0.35 * RADIUS)] = (8, 6, 6)
    noise = np.random.default_rng(0).normal(0, 3, picture.shape)
    return (picture + noise).clip(0, 255)


@pytest.mark.parametrize('skin', SKINS)
@pytest.mark.parametrize('colour', IRISES)
@pytest.mark.parametrize(('x', 'y'), [(0, 0), (-6, 0), (5.5, -2), (2.5, 2)])
def test_the_iris_is_found_where_it_is(skin, colour, x, y):
    patch = drawn(x, y, skin, colour)
    found = iris.iris_centre(patch[..., 0], np.array([x / 2, 0.0]), RADIUS * 1.1)
    assert found == pytest.approx((x, y), abs=0.6)


@pytest.mark.parametrize('skin', SKINS)
def test_the_ends_of_the_eye_are_those_of_the_sclera(skin):
    left, right, low, _ = iris.sclera(drawn(2, 0, skin), (2.0, 0.0), RADIUS)
    assert (left, right) == pytest.approx((-19, 19), abs=1.6)
    assert low == pytest.approx(7, abs=2)


def test_a_drooping_lid_shows_less_sclera():
    whole, half = (iris.sclera(drawn(upper=u), (0.0, 0.0), RADIUS)[3] for u in (9.0, 2.0))
    assert half < 0.75 * whole


def test_a_closed_eye_has_no_sclera():
    closed = np.full((*iris.ROWS.shape, 3), SKINS[0], float)
    assert iris.sclera(closed, (0.0, 0.0), RADIUS) is None


def test_eyes_are_measured_alike_at_any_size_and_turn():
    """A picture and landmarks that are turned and enlarged give the same patches."""
    picture = np.zeros((200, 300, 3), np.uint8)
    picture[..., 0] = np.arange(300) * 0.8
    points = np.zeros((478, 3))
    for side, x in ((0, 200), (1, 100)):
        outer, inner = iris.CORNERS[side]
        sign = 1 if side == 0 else -1
        points[outer], points[inner] = (x + sign * 20, -100, 0), (x - sign * 20, -100, 0)
    still = iris.patches(picture, points)
    assert still.shape == (2, 2 * iris.HALF[0], 2 * iris.HALF[1], 3)
    assert still[0, 0, :, 0].tolist() == sorted(still[0, 0, :, 0])
    turned = iris.patches(np.rot90(picture), points[:, [1, 0, 2]] * (-1, 1, 1) + (0, -300, 0))
    assert np.abs(turned.astype(int) - still).max() <= 1
