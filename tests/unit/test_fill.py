# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from facebids.core import foreground, grids
from facebids.core.atlas import generic_atlas
from facebids.core.attack import surface
from facebids.core.defacing import fill, masks, paint
from facebids.core.images import Volume
from facebids.core.modes import MODES


@pytest.fixture(scope='module')
def case(phantom_scan):
    volume = Volume(phantom_scan.data.astype(np.float32), phantom_scan.affine)
    atlas = generic_atlas(masks.RESOLUTION)
    head = foreground.head_mask(volume.data, volume.zooms)
    mask = masks.face_mask(atlas, volume, phantom_scan.transform, head).mask
    return volume, mask, atlas, phantom_scan.transform, head


@pytest.fixture(scope='module')
def filled(case):
    volume, mask, atlas, transform, _ = case
    return {mode: fill.fill(volume, mask, atlas, transform, mode) for mode in MODES}


@pytest.mark.parametrize('mode', MODES)
def test_nothing_of_the_face_has_a_part_in_what_replaces_it(filled, case, mode):
    volume, mask, atlas, transform, _ = case
    other = volume.data.copy()
    other[mask] = np.random.default_rng(0).permutation(other[mask]) * 3 + 50
    changed = fill.fill(Volume(other, volume.affine), mask, atlas, transform, mode)
    np.testing.assert_array_equal(changed, filled[mode])


def test_removed_voxels_are_air_like_the_scans_own(filled, case):
    volume, mask, _, _, head = case
    away = ~mask & (surface.ndimage.distance_transform_edt(~head, sampling=volume.zooms) > 8)
    air, new = volume.data[away], filled['remove']
    assert np.median(new) == pytest.approx(np.median(air), rel=0.1)
    assert np.std(new) == pytest.approx(np.std(air), rel=0.1)
    assert set(np.unique(new)) <= set(np.unique(air))


def test_air_of_a_masked_background_has_no_noise(case):
    volume, mask, atlas, transform, head = case
    clean = Volume(np.where(head, volume.data, -7), volume.affine)
    assert (fill.fill(clean, mask, atlas, transform, 'remove') == -7).all()


def test_a_new_face_has_the_intensities_of_the_scans_own_skin(filled, case):
    volume, mask, atlas, transform, head = case
    place = (atlas, mask.shape, volume.affine, transform)
    skin = grids.carry_over(atlas.depth, *place)
    painted = volume.data.copy()
    painted[mask] = filled['reface']
    layer = (skin < -3) & (skin > -5)
    old, new = (painted[layer & part & head] for part in (~mask, mask))
    assert np.median(new) == pytest.approx(np.median(old), rel=0.25)
    assert np.median(painted[mask & (skin > 8)]) < 0.1 * np.median(new)


def test_a_new_face_meets_the_head_where_the_old_one_did(filled, case):
    volume, mask, _, _, head = case
    painted = volume.data.copy()
    painted[mask] = filled['reface']
    distance = surface.ndimage.distance_transform_edt(mask, sampling=volume.zooms)
    rim = mask & (distance < 5)
    new = foreground.head_mask(painted, volume.zooms)
    assert 2 * (new & head & rim).sum() / ((new & rim).sum() + (head & rim).sum()) > 0.93


def test_a_blurred_face_has_no_features(filled, case):
    """Skin passes into air over several voxels, where a new face's does over one."""
    volume, mask, atlas, transform, _ = case
    skin = grids.carry_over(atlas.depth, atlas, mask.shape, volume.affine, transform)
    within = surface.ndimage.distance_transform_edt(mask, sampling=volume.zooms)
    band = (within > 12) & (np.abs(skin) < 4)
    steepness = {}
    for mode in ('blur', 'reface'):
        painted = volume.data.copy()
        painted[mask] = filled[mode]
        steps = np.linalg.norm(np.gradient(surface.ndimage.gaussian_filter(painted, 1.5)), axis=0)
        steepness[mode] = np.median(steps[band])
    assert steepness['blur'] < 0.7 * steepness['reface']


@pytest.mark.parametrize(
    ('stretch', 'size'),
    [((0.8, 0.85, 0.95), 0.88), ((0.9, 0.97, 0.92), 0.88), ((0.7, 0.66, 0.6), 0.66)],
)
def test_the_generic_face_tells_no_size_and_no_proportions(stretch, size):
    transform = np.eye(4)
    transform[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]] @ np.diag(stretch)
    transform[:3, 3] = 20, -30, 5
    found, put_on = paint.undistorted(transform)
    assert found == size
    np.testing.assert_allclose(
        put_on[:3, :3], [[0, -size, 0], [size, 0, 0], [0, 0, size]], atol=1e-12
    )
    middle = [*paint.MIDDLE_MM, 1]
    np.testing.assert_allclose(put_on @ middle, transform @ middle)


def test_bone_that_the_guard_keeps_is_covered():
    """A forehead that lies further out than the generic one must not show as bone."""
    shape, zooms = (40, 40, 40), np.full(3, 2.0)
    ball = np.linalg.norm((np.indices(shape).reshape(3, -1).T - 19.5) * 2, axis=1).reshape(shape)
    brain, bone, scalp = ball < 20, (ball >= 20) & (ball < 26), (ball >= 26) & (ball < 32)
    data = np.where(brain, 80, np.where(scalp, 100, 2)).astype(np.float32)
    front = np.indices(shape)[1] > 24
    mask = front & (ball >= 24)
    generic = (ball - np.where(front, 18, 32)).astype(np.float32)
    context = fill.FillContext(
        data=np.where(mask, np.nan, data),
        mask=mask,
        around=fill.Surroundings.of((brain | scalp), zooms),
        affine=np.diag([*zooms, 1]),
        atlas=None,
        atlas_affine=None,
        rng=np.random.default_rng(0),
    )
    air = np.full(int(mask.sum()), 2, np.float32)
    painted = data.copy()
    painted[mask] = paint.paint(context, generic, air, blurred=False)
    over_bone = mask & (ball < 26) & (np.indices(shape)[1] > 28)
    assert bone[~mask].any()
    assert np.median(painted[over_bone]) > 50
    assert np.median(painted[mask & (ball > 36)]) < 10
