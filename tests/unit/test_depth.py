# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from skimage.measure import marching_cubes

from facebids.core.atlas import generic_atlas
from facebids.core.attack import depth
from facebids.core.attack.rays import Scene


def everywhere(where):
    return np.ones(where.shape[:-1], bool)


@pytest.fixture(scope='module')
def face():
    atlas = generic_atlas(2.0)
    corners, faces, _, _ = marching_cubes(atlas.skin, 0)
    corners = corners @ atlas.affine[:3, :3].T + atlas.affine[:3, 3]
    return corners * depth.GENERIC_SIZE, faces


def moved(face, degrees, millimetres):
    rigid = np.eye(4)
    rigid[:3, :3] = Rotation.from_euler('xyz', degrees, degrees=True).as_matrix()
    rigid[:3, 3] = millimetres
    return Scene(face[0] @ rigid[:3, :3].T + rigid[:3, 3], face[1]), rigid


def test_points_lie_on_the_skin(face):
    measured = depth.measure(Scene(*face), everywhere)
    known = ~np.isnan(measured)
    distance = np.linalg.norm(depth.points(measured)[known][::97, None] - face[0], axis=2).min(1)
    assert distance.max() < 2.0  # every point of a triangle of the 2 mm mesh is closer to a corner


def test_normals_point_outwards_and_have_unit_length():
    base, normal = depth.generic_face()
    np.testing.assert_allclose(np.linalg.norm(normal, axis=-1), 1, atol=1e-6)
    assert not np.isnan(base).any()
    assert ((normal * depth.RAYS).sum(-1) >= 0).all()


@pytest.mark.parametrize(
    ('degrees', 'millimetres'), [((0, 0, 0), (0, 6, -8)), ((6, -4, 5), (3, -5, 6))]
)
def test_alignment_reverses_a_motion(face, degrees, millimetres):
    scene, rigid = moved(face, degrees, millimetres)
    pose = np.eye(4)
    for _ in range(2):
        pose = depth.align(depth.measure(scene, everywhere, pose)) @ pose
    left = pose @ rigid
    corners = np.array([[0, 90, -80, 1], [60, 20, -90, 1], [-60, 20, 20, 1]])
    assert np.abs(corners @ left.T - corners).max() < 1.0


def test_the_map_is_empty_outside_the_field_of_view(face):
    affine = np.eye(4)
    affine[:3, 3] = (-110, -130, -60)
    in_view = depth.field_of_view(affine, (220, 300, 200))
    cut = depth.measure(Scene(*face), in_view)
    below = depth.HEIGHTS < -60
    assert np.isnan(cut[below]).all()
    assert not np.isnan(cut[(depth.HEIGHTS > -55) & (depth.HEIGHTS < 30)]).any()


def test_an_empty_map_is_not_aligned():
    np.testing.assert_array_equal(depth.align(np.full(depth.SHAPE, np.nan)), np.eye(4))


@pytest.mark.parametrize('radius', [100.0, 168.0])
def test_points_that_leave_the_map_are_not_aligned(radius):
    shell = np.full(depth.SHAPE, np.nan)
    shell[-20:] = radius  # a band above the eyes, far in front of the generic face
    np.testing.assert_array_equal(depth.align(shell), np.eye(4))


def test_a_mesh_that_no_ray_meets_gives_an_empty_map():
    nothing = Scene(np.empty((0, 3)), np.empty((0, 3), int))
    assert np.isnan(depth.measure(nothing, everywhere)).all()
