# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from facebids.core import masks, surface
from facebids.core.atlas import generic_atlas


@pytest.fixture(scope='module')
def regions(phantom_scan):
    return masks.face_mask(
        generic_atlas(2.0), phantom_scan.data, phantom_scan.affine, phantom_scan.transform
    )


def test_field_is_carried_through_the_transform(phantom_scan):
    atlas = generic_atlas(3.0)
    height = np.broadcast_to(atlas.axes[2], atlas.skin.shape)
    carried = masks.carry_over(
        height, atlas, phantom_scan.data.shape, phantom_scan.affine, phantom_scan.transform
    )
    voxel = np.array([40, 50, 60])
    point = np.linalg.inv(phantom_scan.transform) @ phantom_scan.affine @ [*voxel, 1]
    assert carried[tuple(voxel)] == pytest.approx(point[2], abs=0.01)


def test_no_brain_voxel_is_in_the_mask(phantom_scan, phantom_person, regions):
    mask, guard = regions
    _, head = phantom_person
    place = (head, phantom_scan.data.shape, phantom_scan.affine, phantom_scan.transform)
    brain = masks.carry_over(head.brain, *place) < 3
    assert not (mask & brain).any()
    assert not (mask & guard).any()
    assert mask.any()


def test_face_and_little_else_is_taken(phantom_scan, regions):
    mask, guard = regions
    atlas = generic_atlas(2.0)
    place = (atlas, phantom_scan.data.shape, phantom_scan.affine, phantom_scan.transform)
    zooms = np.full(3, 2.0)
    head = surface.head_mask(phantom_scan.data, zooms)
    sector = masks.carry_over(atlas.face_skin_sector, *place) < 0
    numbers = masks.coverage(mask, guard, head, sector, zooms)
    assert numbers['skin_removed_share'] > 0.99
    assert numbers['guard_cost_ml'] == 0
    assert 0.1 < numbers['head_removed_share'] < 0.3
    assert numbers['skin_in_view_ml'] > 50


def test_mask_does_not_follow_the_skin(phantom_scan, regions):
    """Whatever stands where the face was, the mask is the same: it tells nothing about it."""
    faceless = np.where(regions[0], 0, phantom_scan.data)
    mask, _ = masks.face_mask(
        generic_atlas(2.0), faceless, phantom_scan.affine, phantom_scan.transform
    )
    np.testing.assert_array_equal(mask, regions[0])


def test_brain_grows_to_where_the_subject_has_it():
    """A brain larger than the atlas's is found, the scalp beyond the dark skull is not."""
    grid = np.stack(np.indices((80, 80, 80))) * 2.0 - 80
    radius = np.linalg.norm(grid, axis=0)
    data = np.where(radius < 57, 100.0, np.where(radius < 63, 10.0, np.where(radius < 70, 100, 0)))
    found = masks.subject_brain(data, radius - 50, radius - 70, np.full(3, 2.0))
    assert found[radius < 56].all()
    assert not found[radius > 59].any()


def test_skin_that_is_left_is_counted():
    head = np.zeros((12, 12, 12), bool)
    head[3:9, 3:9, 3:9] = True
    sector = np.zeros_like(head)
    sector[:, 6:] = True
    mask = np.zeros_like(head)
    mask[:, 8:] = True
    numbers = masks.coverage(mask, np.zeros_like(head), head, sector, np.ones(3))
    assert numbers['skin_removed_share'] == pytest.approx(36 / (36 + 20 + 20))
    nothing = masks.coverage(mask, mask, head, np.zeros_like(head), np.ones(3))
    assert nothing['skin_removed_share'] is None
