# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from facebids.core.atlas import (
    MODALITIES,
    Identity,
    another_day,
    build_atlas,
    draw_identity,
    generic_atlas,
)
from facebids.core.atlas.anatomy import Tissue
from facebids.core.atlas.contrasts import SIGNAL, skin_cover
from facebids.core.grids import sample


@pytest.fixture(scope='module')
def atlas():
    return generic_atlas(3.0)


AXES = (np.arange(-90, 91, 2.0), np.arange(0, 121, 2.0), np.arange(-170, 31, 2.0))
FACE = np.stack(np.meshgrid(*AXES, indexing='ij'), -1).reshape(-1, 3)[::5]


def at(atlas, field, *points):
    return sample(np.asarray(field, np.float32), atlas.affine, np.array(points, float))


def test_landmarks_lie_on_the_skin(atlas):
    # glabella, nasion, tip of the nose, vertex, back of the head
    on_skin = at(atlas, atlas.skin, (0, 93, -25), (0, 85, -45), (0, 108, -90), (0, -15, 103))
    assert np.abs(on_skin).max() < 5


def test_brain_lies_deep_inside_the_head(atlas):
    assert (atlas.skin[atlas.brain < 0] < -8).all()
    assert (atlas.labels[atlas.brain <= -3] == Tissue.BRAIN).mean() > 0.999


def test_brain_volume_is_that_of_icbm152(atlas):
    assert (atlas.brain < 0).sum() * 0.027 == pytest.approx(1900, rel=0.1)  # mL


def test_head_is_symmetric(atlas):
    near = np.abs(atlas.skin) < 10
    np.testing.assert_allclose(atlas.skin[near], atlas.skin[::-1][near], atol=2)


# In PDw and CT grey matter is a little brighter than white, fluid bright and dark.
@pytest.mark.parametrize(
    ('modality', 'white_over_grey', 'fluid_over_grey'),
    [
        ('T1w', True, False),
        ('FLAIR', False, False),
        ('T2w', False, True),
        ('PDw', False, False),
        ('CT', False, False),
    ],
)
def test_contrast_order(atlas, modality, white_over_grey, fluid_over_grey):
    image = atlas.contrast(modality)
    grey = image[(atlas.grey > 0.9) & (atlas.brain < 0)].mean()
    white = image[(atlas.white > 0.95) & (atlas.brain < 0)].mean()
    assert (white > grey) == white_over_grey
    assert (image[atlas.labels == Tissue.FLUID].mean() > grey) == fluid_over_grey
    assert image[atlas.skin > 6].max() == image.min() == (-1000 if modality == 'CT' else 0)


def test_every_modality_is_tested():
    assert set(MODALITIES) == {'T1w', 'FLAIR', 'T2w', 'PDw', 'CT'}


def test_ct_is_in_hounsfield_units(atlas):
    image = atlas.contrast('CT')
    deep = atlas.skin < -3

    def mean(tissue):
        return image[(atlas.labels == tissue) & deep].mean()

    assert 900 <= mean(Tissue.BONE) <= 1200
    assert mean(Tissue.FAT) == pytest.approx(-90)
    assert 40 <= mean(Tissue.MUSCLE) <= 60
    assert mean(Tissue.FLUID) == pytest.approx(5)
    assert 25 <= np.median(image[atlas.labels == Tissue.BRAIN]) <= 40


@pytest.mark.parametrize('modality', ['T1w', 'CT'])
def test_signal_falls_to_air_over_one_voxel(atlas, modality):
    image = atlas.contrast(modality)
    air, skin = SIGNAL[modality][Tissue.AIR], SIGNAL[modality][Tissue.SKIN]
    assert (atlas.cover[atlas.skin < -4] == 1).all()
    assert (atlas.cover[atlas.skin > 4] == 0).all()
    edge = (atlas.cover > 0) & (atlas.cover < 1)
    share = (image[edge] - air) / (skin - air)
    np.testing.assert_allclose(share, atlas.cover[edge], atol=1e-3)


def test_cover_locates_the_skin_between_voxels():
    x = np.arange(-10, 11, 2.0)
    for place in (0.0, 0.4, -0.7):
        for slope in (1.0, 0.6, 1.5):  # a warp stretches the distance
            plane = np.broadcast_to(slope * (x - place)[:, None, None], (11, 11, 11))
            column = skin_cover(plane, 2.0)[:, 5, 5]
            edge = x[0] - 1 + 2 * column.sum()
            assert edge == pytest.approx(place, abs=1e-5)
            assert (np.diff(column) <= 0).all()
            assert ((column > 0) & (column < 1)).sum() <= 2


def test_face_region_holds_the_face_and_not_the_brain(atlas):
    eyes, nose, mouth, forehead, ear = (
        (33, 62, -45),
        (0, 100, -88),
        (0, 80, -121),
        (0, 92, 10),
        (88, -27, -52),
    )
    assert (at(atlas, atlas.face_region(), eyes, nose, mouth, forehead, ear) < 0).all()
    assert (atlas.face_region()[atlas.brain < 5] > -3).mean() > 0.97
    vertex, back, neck = (0, -15, 100), (0, -118, 0), (0, -110, -140)
    assert (at(atlas, atlas.face_region(), vertex, back, neck) > 0).all()


def test_face_region_is_open_towards_the_air(atlas):
    """Outwards the region ends nowhere: it must not draw the outline of a face."""
    region = atlas.face_region() < 0
    skin_in_region = region & (np.abs(atlas.skin) < 3)
    first = skin_in_region.argmax(axis=1)  # along y, towards the front
    for x, z in np.argwhere(skin_in_region.any(axis=1))[::50]:
        if abs(atlas.axes[0][x]) < 50 and atlas.axes[1][first[x, z]] > 40:
            assert region[x, first[x, z] :, z].all()


def test_sector_lies_inside_the_region(atlas):
    skin = np.abs(atlas.skin) < 2
    assert (atlas.face_region()[skin & (atlas.face_skin_sector() < 0)] < 0).all()


def test_identities_differ_in_the_face_alone():
    one = build_atlas(3.0, draw_identity(np.random.default_rng(1)))
    other = build_atlas(3.0, draw_identity(np.random.default_rng(2)))
    np.testing.assert_array_equal(one.brain, other.brain)
    face = one.face_region() < 0
    difference = np.abs(one.skin - other.skin)
    near = (np.abs(one.skin) < 10) & (np.abs(other.skin) < 30)
    assert difference[near & face].mean() > 1
    assert difference[near & ~face].mean() < 0.3 * difference[near & face].mean()


def test_same_seed_same_identity():
    first, second = (draw_identity(np.random.default_rng(3)) for _ in range(2))
    assert first == second
    assert first != draw_identity(np.random.default_rng(4))


@pytest.mark.parametrize('seed', range(8))
def test_warp_is_invertible(seed):
    """The warp maps no two points to one: its displacement changes slower than position."""
    rng = np.random.default_rng(seed)
    identity = another_day(draw_identity(rng), rng)
    assert identity.stretch(FACE).max() < 1
    coordinates, slack = identity.warp(AXES)
    assert slack < 30
    for axis in range(3):
        assert (np.diff(coordinates[axis], axis=axis) > 0).all()


def test_stretch_is_the_gradient_of_the_warp():
    identity = Identity((((10.0, 60.0, -60.0), 12.0, (2.0, -3.0, 4.0)),))
    (x, y, z), _ = identity.warp(AXES)
    moved = np.stack(np.meshgrid(*AXES, indexing='ij'), -1) - np.stack([x, y, z], -1)
    measured = np.linalg.norm(
        np.stack(np.gradient(moved, 2.0, axis=(0, 1, 2)), -1), ord=2, axis=(-2, -1)
    ).max()
    assert identity.stretch(FACE).max() == pytest.approx(measured, rel=0.05)


def test_fold_raises_the_skin_along_its_line_alone():
    from facebids.core.atlas.geometry import Canvas, Capsule

    identity = Identity(folds=((Capsule((0, 0, -10), (0, 0, 10), 0.0), 3.0, 1.5),))
    axes = tuple(np.arange(-30.0, 31, 2.0) for _ in range(3))
    canvas = Canvas(*np.meshgrid(*axes, indexing='ij'), axes)
    skin = np.array(canvas.coordinates[1])  # a plane
    identity.fold(canvas, skin)
    assert skin[15, 15, 15] == pytest.approx(-1.5)
    assert skin[25, 15, 15] == 0
    assert skin[15, 15, 29] == pytest.approx(0, abs=1e-3)


def test_another_day_changes_the_face_by_up_to_about_a_millimetre():
    identity = draw_identity(np.random.default_rng(5))
    today = another_day(identity, np.random.default_rng(6))
    before, after = (np.stack(i.warp(AXES)[0]) for i in (identity, today))
    change = np.linalg.norm(after - before, axis=0)
    assert 0.3 < change.max() < 2.5
    assert np.quantile(change, 0.9) < 0.7
    assert today.folds == identity.folds
