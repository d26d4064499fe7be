# SPDX-License-Identifier: Apache-2.0
"""The picture of the digital mask."""

from dataclasses import replace

import numpy as np
import pytest

from facebids.core.atlas import draw_identity, typical_identity
from facebids.mask import picture
from facebids.mask.basis import EYE_RADIUS, MOUTH_Z, MOVES, SCALE, displacements, generic_head
from facebids.mask.paint import Look
from facebids.mask.parameters import Frame
from facebids.mask.picture import HEIGHT, Painter, render

SIZE = (320, 240)
NEUTRAL = Frame(0.0)
PIXEL_MM = HEIGHT / SIZE[1]


@pytest.fixture(scope='module')
def neutral():
    return render(NEUTRAL, SIZE).astype(int)


@pytest.fixture(scope='module')
def marked():
    """Paint green irises on a grey head, to find them by colour."""
    look = Look(skin=(128, 128, 128), lips=(128, 128, 128), iris=(0, 255, 0))
    return Painter(generic_head(), look, SIZE)


def irises(painter, frame):
    picture = painter.picture(frame).astype(int)
    green = picture[..., 1] - picture[..., [0, 2]].max(2) > 60
    half = SIZE[0] // 2
    return np.argwhere(green[:, half:]) + np.array([0, half]), np.argwhere(green[:, :half])


def test_the_picture_is_a_function_of_the_parameters(neutral):
    frame = Frame(3.0, yaw_deg=12.0, jaw_open=0.3, smile_left=0.5, lid_right=0.4)
    first = render(frame, SIZE)
    assert np.array_equal(render(NEUTRAL, SIZE), neutral)
    again = Painter(generic_head(), size=SIZE).picture(replace(frame, time_s=9.0, confidence=0.2))
    assert np.array_equal(first, again)
    assert first.shape == (240, 320, 3)
    assert first.dtype == np.uint8


def test_a_frame_without_confident_fit_shows_an_empty_stage():
    picture = render(Frame(0.0, confident=False), SIZE)
    assert np.ptp(picture.reshape(-1, 3), axis=0).max() == 0


@pytest.mark.parametrize('name', [name for name in MOVES if name.endswith('_left')])
def test_each_side_moves_by_itself(neutral, name):
    changed = np.argwhere(np.abs(render(replace(NEUTRAL, **{name: 1.0}), SIZE) - neutral).max(2))
    assert len(changed) > 30
    # the left side of the person is on the right of the picture
    assert changed[:, 1].min() > SIZE[0] // 2 - 12


def test_sides_mirror_each_other():
    x = generic_head().places[::50] * np.float32([-1, 1, 1])
    mirror = displacements(x)
    for index, name in enumerate(MOVES):
        if name.endswith('_left'):
            other = MOVES.index(name.replace('left', 'right'))
            expected = displacements(generic_head().places[::50])[:, :, other] * (-1, 1, 1)
            np.testing.assert_allclose(mirror[:, :, index], expected, atol=1e-4)


@pytest.mark.parametrize('degrees', [-15.0, 12.0])
def test_the_iris_moves_by_the_gaze_of_its_eye(marked, degrees):
    before, still = irises(marked, NEUTRAL)
    after, other = irises(marked, replace(NEUTRAL, gaze_left_horizontal_deg=degrees))
    moved_mm = (after - before.mean(0)).mean(0)[1] * PIXEL_MM
    assert moved_mm == pytest.approx(EYE_RADIUS * SCALE * np.sin(np.deg2rad(degrees)), abs=0.9)
    np.testing.assert_array_equal(still, other)


def test_lids_cover_the_iris(marked):
    counts = [len(irises(marked, replace(NEUTRAL, lid_left=lid))[0]) for lid in (1.0, 0.4, 0.0)]
    assert counts[0] > counts[1] > counts[2] == 0


def test_the_jaw_opens_the_mouth():
    head = generic_head()
    front = head.places[:, 1] > 60
    jaw = displacements(head.places)[:, 2, MOVES.index('jaw_open')]
    middle = front & (np.abs(head.places[:, 0]) < 3)
    below = middle & (head.places[:, 2] < MOUTH_Z - 0.1) & (head.places[:, 2] > -150)
    above = middle & (head.places[:, 2] > MOUTH_Z + 0.1)
    np.testing.assert_allclose(jaw[below], -40, atol=1)
    np.testing.assert_allclose(jaw[above], 0, atol=1)


def test_places_of_a_person_are_on_the_generic_face():
    identity = draw_identity(np.random.default_rng(4))
    places = np.array([[33.0, 70, -46], [0, 105, -90], [-20, 74, -121]])
    points = places
    for _ in range(60):  # converges because the warp stretches by less than 1
        points = places + points - identity.places(points)
    assert np.abs(points - places).max() > 1
    np.testing.assert_allclose(identity.places(points), places, atol=1e-3)


def test_the_typical_face_is_symmetric():
    points = np.array([[33.0, 70, -46], [20, 74, -121], [60, 10, -118]])
    mirror = np.array([-1, 1, 1])
    typical = typical_identity()
    np.testing.assert_allclose(typical.places(points) * mirror, typical.places(points * mirror))


@pytest.mark.parametrize(('yaw', 'pitch'), [(0, 0), (25, 0), (-25, 10), (0, 20), (10, -20)])
def test_a_landmarker_finds_the_face(yaw, pitch):
    pytest.importorskip('mediapipe')
    from facebids.mask.landmarks import Landmarker

    picture = render(Frame(0.0, yaw_deg=yaw, pitch_deg=pitch), (640, 480))
    with Landmarker() as landmarker:
        (points,) = landmarker.find(picture)
    assert (picture[tuple(np.round(points[1, 1::-1] * (-1, 1)).astype(int))] > 60).all()  # nose


def test_rays_that_are_left_out_change_no_more_than_the_seam(monkeypatch):
    """In a head that faces the camera, still parts are looked for only where nothing moves."""
    turned = Frame(0.0, yaw_deg=-25, pitch_deg=20, jaw_open=0.4, smile_left=0.8)
    fast = render(turned, SIZE).astype(int)
    monkeypatch.setattr(picture, 'FRONT_DEG', 0.0)
    slow = render(turned, SIZE).astype(int)
    assert np.count_nonzero((fast != slow).any(-1)) <= 5
