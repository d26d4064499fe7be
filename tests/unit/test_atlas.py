# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from facebids.core.atlas import MODALITIES, build_atlas, draw_identity, generic_atlas
from facebids.core.atlas.anatomy import Tissue
from facebids.core.registration import sample


@pytest.fixture(scope='module')
def atlas():
    return generic_atlas(3.0)


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


@pytest.mark.parametrize('modality', MODALITIES)
def test_contrast_order(atlas, modality):
    image = atlas.contrast(modality)
    grey = image[(atlas.grey > 0.9) & (atlas.brain < 0)].mean()
    white = image[(atlas.white > 0.95) & (atlas.brain < 0)].mean()
    assert (white > grey) == (modality == 'T1w')
    assert image[atlas.labels == Tissue.AIR].max() == 0
    assert image[atlas.labels == Tissue.FLUID].max() < grey / 2


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
    assert (atlas.face_region()[skin & (atlas.face_skin_sector < 0)] < 0).all()


def test_identities_differ_in_the_face_alone():
    someone = build_atlas(3.0, draw_identity(np.random.default_rng(1)))
    other = build_atlas(3.0, draw_identity(np.random.default_rng(2)))
    np.testing.assert_array_equal(someone.brain, other.brain)
    face = someone.face_region() < 0
    difference = np.abs(someone.skin - other.skin)
    near = (np.abs(someone.skin) < 10) & (np.abs(other.skin) < 30)
    assert difference[near & face].mean() > 1
    assert difference[near & ~face].mean() < 0.3 * difference[near & face].mean()


def test_same_seed_same_identity():
    first, second = (draw_identity(np.random.default_rng(3)) for _ in range(2))
    assert first == second
