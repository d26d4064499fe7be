# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from itertools import cycle

import make
import numpy as np
import pytest

from facebids.core import foreground, grids
from facebids.core.atlas import SHELL_STEPS_MM, generic_atlas
from facebids.core.defacing import masks
from facebids.core.defacing.cut import NASION, measure_cut
from facebids.core.images import Volume
from facebids.errors import NotAHeadError


def face_mask(scan, data):
    volume = Volume(data.astype(np.float32), scan.affine)
    head = foreground.head_mask(volume.data, volume.zooms)
    return masks.face_mask(generic_atlas(2.0), volume, scan.transform, head)


@pytest.fixture(scope='module')
def regions(phantom_scan):
    return face_mask(phantom_scan, phantom_scan.data)


def test_field_is_carried_through_the_transform(phantom_scan):
    atlas = generic_atlas(3.0)
    height = np.broadcast_to(atlas.axes[2], atlas.skin.shape)
    carried = grids.carry_over(
        height, atlas, phantom_scan.data.shape, phantom_scan.affine, phantom_scan.transform
    )
    voxel = np.array([40, 50, 60])
    point = np.linalg.inv(phantom_scan.transform) @ phantom_scan.affine @ [*voxel, 1]
    assert carried[tuple(voxel)] == pytest.approx(point[2], abs=0.01)


def test_no_brain_voxel_is_in_the_mask(phantom_scan, phantom_person, regions):
    mask, guard = regions.mask, regions.guard
    _, head = phantom_person
    place = (head, phantom_scan.data.shape, phantom_scan.affine, phantom_scan.transform)
    brain = grids.carry_over(head.brain, *place) < 3
    assert not (mask & brain).any()
    assert not (mask & guard).any()
    assert mask.any()


def test_face_and_little_else_is_taken(regions):
    numbers = regions.coverage
    assert numbers.skin_removed_share > 0.99
    assert numbers.guard_cost_ml == 0
    assert 0.1 < numbers.head_removed_share < 0.3
    assert numbers.skin_in_view_ml > 50
    assert numbers.shell_mm == min(SHELL_STEPS_MM)


def test_deeper_face_takes_the_next_step(phantom_scan, phantom_person):
    """A face 10 mm under the generic one, where skull and scalp are thin, is still cut."""
    _, head = phantom_person
    place = (head, phantom_scan.data.shape, phantom_scan.affine, phantom_scan.transform)
    front = grids.carry_over(np.broadcast_to(head.axes[1][:, None], head.skin.shape), *place) > 40
    thin = grids.carry_over(head.brain, *place) > 10  # mm of skull, scalp and fluid
    lean = (grids.carry_over(head.skin, *place) > -10) & front & thin
    numbers = face_mask(phantom_scan, np.where(lean, 3, phantom_scan.data)).coverage
    assert numbers.shell_mm > min(SHELL_STEPS_MM), numbers
    assert numbers.skin_removed_share > 0.9, numbers


@pytest.mark.parametrize(
    ('removed', 'step'),
    [
        ((0.0, 0.5, 0.9), 2),
        ((None, None, None), 0),
        ((0.90, 0.905, 0.909), 0),
        ((0.9, 0.99, 1), 1),
    ],
)
def test_a_step_is_taken_while_it_gains_skin(phantom_scan, monkeypatch, removed, step):
    """Nothing removed is not nothing to remove."""
    shares = cycle(removed)  # the mask of the first step is measured twice
    monkeypatch.setattr(
        masks,
        'coverage',
        lambda *args: replace(make.MASK, skin_removed_share=next(shares), shell_mm=args[-1]),
    )
    assert face_mask(phantom_scan, phantom_scan.data).coverage.shell_mm == SHELL_STEPS_MM[step]


def test_mask_does_not_follow_the_skin(phantom_scan, regions):
    """Somebody with the same head and a longer nose gets the same mask."""
    atlas = generic_atlas(2.0)
    x, y, z = (
        grids.carry_over(
            np.broadcast_to(axis.reshape(np.roll((-1, 1, 1), i)), atlas.skin.shape),
            atlas,
            phantom_scan.data.shape,
            phantom_scan.affine,
            phantom_scan.transform,
        )
        for i, axis in enumerate(atlas.axes)
    )
    nose = np.hypot(np.hypot(x, y - 115), z + 90) < 14
    assert (nose & (phantom_scan.data < 100)).sum() > 100
    longer = np.where(nose, 500, phantom_scan.data)
    np.testing.assert_array_equal(face_mask(phantom_scan, longer).mask, regions.mask)


def test_skin_that_is_left_is_counted():
    head = np.zeros((12, 12, 12), bool)
    head[3:9, 3:9, 3:9] = True
    sector = np.zeros_like(head)
    sector[:, 6:] = True
    mask = np.zeros_like(head)
    mask[:, 8:] = True
    skin = masks.outer_skin(head, upward=2) & sector
    numbers = masks.coverage(mask, np.zeros_like(head), head, skin, np.ones(3))
    assert numbers.skin_removed_share == pytest.approx(6 * 6 / (6 * (6 + 2 + 2)))
    nothing = masks.coverage(mask, mask, head, np.zeros_like(head), np.ones(3))
    assert nothing.skin_removed_share is None


def test_skin_is_what_can_be_seen_from_around():
    """Neither the bone under it, nor the ends of the head, nor the cut through a cropped face."""
    head = np.zeros((20, 20, 12), bool)
    head[2:18, 4:, 2:] = True
    head[5:15, 8:12] = False  # a cavity, open at both ends
    skin = masks.outer_skin(head, upward=2)
    expected = np.zeros_like(head)
    expected[2:18, 4, 2:] = expected[[2, 17], 4:, 2:] = True
    np.testing.assert_array_equal(skin, expected)


def fields(scan, field):
    return grids.carry_over(
        field, generic_atlas(2.0), scan.data.shape, scan.affine, scan.transform
    )


@pytest.mark.parametrize('margin', [0.0, 3.0, 8.0])
def test_the_mask_keeps_its_distance_from_the_brain(phantom_scan, margin):
    volume = Volume(phantom_scan.data.astype(np.float32), phantom_scan.affine)
    head = foreground.head_mask(volume.data, volume.zooms)
    atlas = generic_atlas(2.0)
    mask = masks.face_mask(atlas, volume, phantom_scan.transform, head, margin).mask
    size = np.cbrt(np.linalg.det(phantom_scan.transform[:3, :3]))
    assert fields(phantom_scan, atlas.brain)[mask].min() * size >= margin


@pytest.mark.parametrize(('part', 'centre'), [('ears', (85, -27, -52)), ('eyes', (33, 61, -44))])
def test_what_is_kept_is_not_in_the_mask(phantom_scan, regions, part, centre):
    volume = Volume(phantom_scan.data.astype(np.float32), phantom_scan.affine)
    head = foreground.head_mask(volume.data, volume.zooms)
    atlas = generic_atlas(2.0)
    found = masks.face_mask(atlas, volume, phantom_scan.transform, head, keep=(part,))
    mask, numbers = found.mask, found.coverage
    to_voxel = np.linalg.inv(phantom_scan.affine) @ phantom_scan.transform
    for side in (-1, 1):
        voxel = np.rint((to_voxel @ [side * centre[0], *centre[1:], 1])[:3]).astype(int)
        assert regions.mask[tuple(voxel)]
        assert not mask[tuple(voxel)]
    nose = np.rint((to_voxel @ [0, 90, -85, 1])[:3]).astype(int)
    assert mask[tuple(nose)]
    assert numbers.skin_removed_share > 0.98


def test_a_nose_wrapped_to_the_back_is_removed(phantom_scan):
    """A field of view that ends before the tip of the nose shows it behind the head."""
    tip, behind = 12, 20  # voxels
    nose = np.nonzero(foreground.head_mask(phantom_scan.data, [1.5] * 3).any((0, 2)))[0].max() + 1
    data = np.pad(phantom_scan.data[:, :nose], ((0, 0), (behind, 0), (0, 0)))
    data[:, :tip] = data[:, -tip:]
    affine = phantom_scan.affine.copy()
    affine[:3, 3] -= behind * affine[:3, 1]
    wrapped = data[:, :tip] > np.quantile(data, 0.8)  # tissue, no noise
    mask = face_mask(replace(phantom_scan, affine=affine), data).mask
    assert wrapped.sum() > 1000
    assert mask[:, :tip][wrapped].all()


def slab(scan, low, high):
    affine = scan.affine.copy()
    affine[:3, 3] += affine[:3, 2] * low
    return Volume(scan.data[:, :, low:high].astype(np.float32), affine)


@pytest.mark.parametrize(('part', 'least', 'most'), [('all', 0.95, 1), ('low', 0.2, 0.9)])
def test_how_much_of_a_face_is_in_view(phantom_scan, part, least, most):
    height = phantom_scan.data.shape[2]
    volume = slab(phantom_scan, 0, height if part == 'all' else height // 2)
    share = masks.face_in_view(generic_atlas(2.0), volume, phantom_scan.transform)
    assert least <= share <= most
    assert not masks.shows_no_face(share, 0.0)


def test_the_top_of_a_head_shows_no_face_and_its_skin_alone_makes_one(phantom_scan):
    height = phantom_scan.data.shape[2]
    volume = slab(phantom_scan, height - 18, height)
    share = masks.face_in_view(generic_atlas(2.0), volume, phantom_scan.transform)
    assert masks.shows_no_face(share, 0.5)
    assert not masks.shows_no_face(share, 30.0)


def test_the_generic_head_stands_for_one_that_is_lost_in_noise(phantom_scan):
    noise = np.random.default_rng(0).rayleigh(50, phantom_scan.data.shape)
    volume = Volume(noise.astype(np.float32), phantom_scan.affine)
    place = (volume, generic_atlas(2.0), phantom_scan.transform)
    with pytest.raises(NotAHeadError):
        masks.find_head(*place, relied_on=False)
    head = masks.find_head(*place, relied_on=True)
    true = foreground.head_mask(phantom_scan.data, volume.zooms)
    assert 2 * (head & true).sum() / (head.sum() + true.sum()) > 0.85


CUT = np.diag([0.9, 0.9, 0.9, 1.0])  # a head that is a tenth smaller than the atlas
GRID = np.diag([2.0, 2.0, 2.0, 1.0])
GRID[:3, 3] = -110, -150, -180
SHAPE = (111, 141, 151)


def _in_front_of(y):
    """Return the mask of everything in front of a coronal plane (mm), on `GRID`."""
    mask = np.zeros(SHAPE, bool)
    mask[:, round((y + 150) / 2) :] = True
    return mask


def test_the_cut_is_told_by_parts_and_from_the_nasion():
    nasion = 0.9 * NASION
    found = measure_cut(_in_front_of(nasion[1] - 40), GRID, CUT)
    assert (found['cut_nose'], found['cut_ears']) == (1.0, 0.0)
    assert found['cut_behind_mm'] == pytest.approx(40, abs=2)
    assert found['cut_midplane_mm'] == pytest.approx(40, abs=2)
    assert found['cut_landmarks'] == 1
    assert 0 < found['cut_skull'] < 0.3


def test_what_is_not_in_view_has_no_share_of_the_cut():
    mask = _in_front_of(0)[:, :, 40:]  # the field of view ends at -100 mm, above the chin
    affine = GRID.copy()
    affine[2, 3] += 80
    found = measure_cut(mask, affine, CUT)
    assert found['cut_chin'] is None
    assert found['cut_nose'] == 1.0
    assert found['cut_below_mm'] == pytest.approx(100 + 0.9 * NASION[2], abs=2)


def test_an_empty_mask_cuts_nothing():
    assert measure_cut(np.zeros(SHAPE, bool), GRID, CUT) == {}


def test_the_mask_of_a_head_cuts_its_face(phantom_scan, regions):
    found = measure_cut(regions.mask, phantom_scan.affine, phantom_scan.transform)
    assert min(found[f'cut_{part}'] for part in ('eyes', 'nose', 'mouth', 'ears')) > 0.95
    assert found['cut_landmarks'] == 3
    assert 0 < found['cut_skull'] < 0.1
    assert found['cut_midplane_mm'] < found['cut_behind_mm']
