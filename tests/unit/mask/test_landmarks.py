# SPDX-License-Identifier: Apache-2.0
"""Landmarks of drawn faces, and what is measured from them."""

import cartoon
import numpy as np
import pytest

pytest.importorskip('mediapipe', reason='facebids[video] is not installed')

from facebids.errors import FacebidsError
from facebids.mask import follow, iris, landmarks, measure
from facebids.mask.measure import COLUMN


def measured(landmarker, face):
    return follow.measured(landmarker, cartoon.draw(face))[0]


def value(landmarker, face, name):
    return measured(landmarker, face)[COLUMN[name]]


def test_the_generic_face_is_even_and_of_human_size():
    points = landmarks.generic_points()
    assert points.shape == (468, 3)
    for left, right in (iris.CORNERS, measure.LIDS, *[p[:2] for p in measure.PLACES.values()]):
        assert points[list(left)] == pytest.approx(points[list(right)] * (-1, 1, 1), abs=0.01)
    assert 140 < np.ptp(points[:, 0]) < 170


def test_another_model_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(landmarks, 'MODEL_SHA256', '0' * 64)
    with pytest.raises(FacebidsError, match='not the file'):
        landmarks.model_path()


def test_faces_are_found_where_they_are(landmarker):
    (points,) = landmarker.find(cartoon.draw(cartoon.Face(middle=(250, 230))))
    assert points.shape == (landmarks.POINTS, 3)
    right, left = points[468, :2], points[473, :2]  # of the person
    assert right == pytest.approx((208, -200), abs=8)
    assert left == pytest.approx((292, -200), abs=8)


def test_pictures_without_a_face(landmarker):
    assert landmarker.find(cartoon.draw()) == []


def test_several_faces_are_found(landmarker):
    two = cartoon.draw(
        cartoon.Face(middle=(160, 240)), cartoon.Face(middle=(500, 240)), size=(660, 480)
    )
    assert len(landmarker.find(two)) == 2


def test_eyes_that_turn_are_seen(landmarker):
    for name in ('iris_x_left', 'iris_x_right'):
        left = value(landmarker, cartoon.Face(gaze=(6, 6)), name)
        right = value(landmarker, cartoon.Face(gaze=(-6, -6)), name)
        assert left - right > 6


@pytest.mark.parametrize('side', [0, 1])
def test_lids_that_close_are_seen(landmarker, side):
    lids = (0.1, 0.1)
    shut = measured(landmarker, cartoon.Face(lids=lids))
    wide = measured(landmarker, cartoon.Face())
    opened = COLUMN[f'open_{("left", "right")[side]}']
    assert shut[opened] < 0.6 * wide[opened]


def test_brows_and_mouth_that_move_are_seen(landmarker):
    still = measured(landmarker, cartoon.Face())
    brows = measured(landmarker, cartoon.Face(brows=(14, 14)))
    smile = measured(landmarker, cartoon.Face(corners=(18, 18)))
    for side in ('left', 'right'):
        assert brows[COLUMN[f'brow_{side}']] - still[COLUMN[f'brow_{side}']] > 2
        assert smile[COLUMN[f'corner_{side}']] - still[COLUMN[f'corner_{side}']] > 2
