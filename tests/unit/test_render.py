# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from facebids.core.alignment import registration
from facebids.core.attack import render, surface

BACKGROUND = render.BACKGROUND.astype(np.uint8)


@pytest.fixture(scope='module')
def head():
    """Return a ball at the position of the face with a nose towards +y and an ear at +x."""
    grid = np.stack(np.meshgrid(*[np.arange(-110, 111, 4.0)] * 3, indexing='ij'))
    inside = np.linalg.norm(grid, axis=0) < 80
    inside |= np.linalg.norm(grid - np.array([0, 84, 0])[:, None, None, None], axis=0) < 16
    inside |= np.linalg.norm(grid - np.array([90, 0, 0])[:, None, None, None], axis=0) < 16
    affine = np.diag([4.0, 4, 4, 1])
    affine[:3, 3] = render.CENTRE - 110
    return surface.skin_surface(inside * 100.0, affine)


def covered(picture):
    return (picture != BACKGROUND).any(axis=-1)


def test_the_right_ear_appears_on_the_left(head):
    picture = render.render(head, np.eye(4), [render.View('frontal')])[0]
    columns = np.flatnonzero(covered(picture).any(axis=0))
    assert 200 - columns[0] > columns[-1] - 200 + 10


def test_yaw_turns_the_head_to_its_left(head):
    """The nose moves to the right of the picture."""
    plain, turned = render.render(head, np.eye(4), [render.View('a'), render.View('b', yaw=-85)])
    assert (
        np.flatnonzero(covered(turned).any(axis=0))[0]
        != np.flatnonzero(covered(plain).any(axis=0))[0]
    )


def test_pose_moves_the_head(head):
    pose = np.eye(4)
    pose[2, 3] = 50
    up = render.render(head, pose, [render.View('frontal')])[0]
    level = render.render(head, np.eye(4), [render.View('frontal')])[0]
    rows = [np.flatnonzero(covered(p).any(axis=1)).mean() for p in (up, level)]
    assert rows[1] - rows[0] == pytest.approx(50 / render.FIELD * 400, rel=0.1)


def test_light_leaves_the_other_side_in_shade(head):
    views = [render.View('left', light=(-70, 0)), render.View('right', light=(70, 0))]
    left, right = render.render(head, np.eye(4), views).astype(float)
    assert left[:, 100:200].mean() > left[:, 200:300].mean()
    assert right[:, 200:300].mean() > right[:, 100:200].mean()


def test_random_views_depend_on_the_seed_alone():
    assert render.random_views(3) == render.random_views(3)
    assert render.random_views(3) != render.random_views(4)
    assert len(render.random_views(0, 10)) == 10
    assert max(abs(view.yaw) for view in render.random_views(0, 200)) <= 20


def test_named_views_are_those_of_steeg_et_al():
    names = [view.name for view in render.named_views()]
    assert names == ['frontal', 'halfside', 'side', 'top']


@pytest.mark.parametrize('turn', [0, 60, 180])
def test_rays_that_are_not_cast_meet_nothing(phantom_scan, monkeypatch, turn):
    mesh = surface.skin_surface(phantom_scan.data, phantom_scan.affine)
    pose = registration.pose(phantom_scan.transform)
    pose[:3, :3] = Rotation.from_euler('z', turn, degrees=True).as_matrix() @ pose[:3, :3]
    views = (*render.named_views(), *render.random_views(seed=3, count=2))
    found = render.render(mesh, pose, views, 100)
    monkeypatch.setattr(render, '_part_with', lambda *_: (slice(None), slice(None)))
    np.testing.assert_array_equal(found, render.render(mesh, pose, views, 100))
