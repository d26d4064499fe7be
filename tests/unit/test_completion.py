# SPDX-License-Identifier: Apache-2.0
import numpy as np

from facebids.core.attack import depth
from facebids.core.attack.completion import ZONE, complete
from facebids.core.attack.surface import Mesh

EMPTY = Mesh(np.zeros((3, 3), np.float32), np.array([[0, 1, 2]], np.int32), np.ones((3, 3)))


def test_a_complete_face_is_unchanged():
    assert complete(EMPTY, depth.generic_face()[0]) is EMPTY


def test_a_chin_out_of_view_is_added_near_its_true_position():
    taller = depth.generic_face()[0] + 3.0
    cut = taller.copy()
    cut[depth.HEIGHTS < -75] = np.nan
    added = complete(EMPTY, cut)
    patch = added.vertices[added.faces[1:].ravel()]
    assert patch[:, 2].min() < -110
    truth = depth.points(taller)[ZONE & np.isnan(cut)]
    distance = np.linalg.norm(truth[::50, None] - patch, axis=2).min(1)
    assert distance.max() < 2.5
    np.testing.assert_array_equal(added.faces[0], EMPTY.faces[0])


def test_the_added_part_meets_the_visible_skin_without_a_step():
    cut = depth.generic_face()[0] + 4.0
    cut[depth.HEIGHTS < -75] = np.nan
    added = complete(EMPTY, cut)
    whole = added.vertices[3:].reshape(*depth.SHAPE, 3)
    rim = np.flatnonzero(depth.HEIGHTS < -75).max()
    step = np.linalg.norm(whole[rim + 1] - whole[rim], axis=1)
    generic = np.linalg.norm(
        np.diff(depth.points(depth.generic_face()[0])[rim : rim + 2], axis=0)[0], axis=1
    )
    assert np.abs(step - generic).max() < 1.0


def test_a_removed_face_is_not_completed():
    removed = depth.generic_face()[0] - 25.0
    removed[depth.HEIGHTS < -75] = np.nan
    assert complete(EMPTY, removed) is EMPTY
