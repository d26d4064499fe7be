# SPDX-License-Identifier: Apache-2.0
"""From landmarks to measures, in the frame of the head."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip('mediapipe', reason='facebids[video] is not installed')

from facebids.mask import iris, landmarks, measure, parameters
from facebids.mask.measure import COLUMN, MEASURES

SIZE = (640, 480)
EYES = np.zeros((2, len(iris.FOUND)))


def face(yaw=0.0, pitch=0.0, roll=0.0, scale=1.5, at=(320, -240)):
    """Return landmarks of the generic face with irises, in pixels."""
    points = np.vstack([landmarks.generic_points(), np.zeros((10, 3))])
    for (centre, first, last), pair in zip(iris.IRIS, iris.CORNERS, strict=True):
        points[centre : centre + 5] = points[list(pair)].mean(0) + np.array([0, 0, 5])
        points[first, 0] -= 6
        points[last, 0] += 6
    turn = Rotation.from_euler(
        'YXZ', [yaw / measure.YAW, -pitch / measure.PITCH, -roll], degrees=True
    )
    return turn.apply(points) * scale + np.array([*at, 0])


@pytest.mark.parametrize('yaw', [-30, 0, 20])
@pytest.mark.parametrize('pitch', [-20, 0, 20])
@pytest.mark.parametrize('roll', [-15, 0, 40])
def test_pose_does_not_change_what_the_face_does(yaw, pitch, roll):
    still = measure.measures(face(), EYES, SIZE)
    turned = measure.measures(face(yaw, pitch, roll, scale=1.1), EYES, SIZE)
    pose = [COLUMN[name] for name in parameters.POSE]
    assert turned[pose] == pytest.approx([pitch, yaw, roll], abs=1e-6)
    kept = slice(COLUMN['fit'], None)
    others = [i for i in range(len(MEASURES))[kept] if i not in pose]
    assert turned[others] == pytest.approx(still[others], abs=1e-6)
