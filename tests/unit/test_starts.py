# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from facebids.core.alignment import registration, starts
from facebids.core.atlas import generic_atlas
from facebids.errors import NotAHeadError


def test_every_rotation_is_close_to_one_of_the_grid():
    grid = starts.rotations()
    for wanted in Rotation.random(50, random_state=0):
        assert np.rad2deg((grid * wanted.inv()).magnitude().min()) < 22


def test_upright_contains_the_identity_and_no_head_upside_down():
    angles = np.rad2deg(starts.upright().magnitude())
    assert angles.min() < 1e-6
    assert angles.max() < starts.UPRIGHT_DEG
    assert len(angles) < len(starts.rotations()) / 10


@pytest.fixture
def grid(phantom_scan):
    return registration.resample_isotropic(phantom_scan.data, phantom_scan.affine)


def test_the_true_pose_scores_highest(grid, phantom_scan):
    search = starts.Search(*grid, generic_atlas(3.0), 'T1w')
    truth = phantom_scan.transform
    for turn in ([0, 0, np.pi], [0.6, 0, 0], [0, 0.6, 0]):
        off = truth.copy()
        off[:3, :3] = off[:3, :3] @ Rotation.from_rotvec(turn).as_matrix()
        assert search.score(off) < 0.8 * search.score(truth)


def test_no_pose_is_searched_for_in_a_mask():
    mask = np.zeros((30, 30, 30))
    mask[:15] = 1
    with pytest.raises(NotAHeadError, match='40 % of the voxels'):
        starts.Search(mask, np.diag([5, 5, 5, 1.0]), generic_atlas(3.0), 'T1w')


def test_a_pose_outside_the_image_scores_zero(grid):
    search = starts.Search(*grid, generic_atlas(3.0), 'T1w')
    away = np.eye(4)
    away[:3, 3] = 1000
    assert search.score(away) == 0


def test_the_best_poses_are_distinct_and_the_first_is_correct(grid, phantom_scan):
    search = starts.Search(*grid, generic_atlas(3.0), 'T1w')
    found = search.best(starts.any_orientation(), count=2)
    assert starts.apart(found[0].affine, found[1].affine, search.middle)
    assert found[0].score > found[1].score
    assert not starts.apart(found[0].affine, phantom_scan.transform, search.middle)


def test_the_head_of_a_child_is_found(grid, phantom_scan):
    data, affine = grid
    shrink = np.diag([0.7, 0.7, 0.7, 1.0])
    truth = shrink @ phantom_scan.transform
    search = starts.Search(data, shrink @ affine, generic_atlas(3.0), 'T1w')
    sizes = starts.ADULTS + starts.CHILDREN
    best = search.best(starts.upright(), 1, sizes)[0].affine
    assert not starts.apart(best, truth, search.middle)
    size, true_size = (np.cbrt(np.linalg.det(a[:3, :3])) for a in (best, truth))
    assert abs(size / true_size - 1) < 0.1
    assert size < min(starts.ADULTS)
