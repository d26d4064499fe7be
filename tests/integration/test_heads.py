# SPDX-License-Identifier: Apache-2.0
"""Registration, brain and attack on real heads, if available."""

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from facebids.core import foreground, grids, images
from facebids.core.alignment import registration
from facebids.core.atlas import generic_atlas
from facebids.core.attack import engines
from facebids.core.attack.head import KnownFace, view_head
from facebids.core.defacing import masks
from facebids.core.images import Volume

FEW = ['nichart01', 'nichart10']
MANY = ['nichart02', 'nichart04', 'nichart07', 'nichart13', 'nichart17', 'nichart22']
PEOPLE = [*FEW, *(pytest.param(name, marks=pytest.mark.slow) for name in MANY)]


def load(heads, person, suffix):
    path = heads / f'sub-{person}' / 'anat' / f'sub-{person}_{suffix}.nii.gz'
    volume = images.read_volume(path)
    return volume, registration.register(
        volume.data, volume.affine, generic_atlas(registration.RESOLUTION), suffix
    )


def true_brain(heads, person):
    """Return the brain mask of the T1w, and its hull including the fluid between the gyri."""
    folder = heads / 'derivatives' / 'brain' / f'sub-{person}' / 'anat'
    (path,) = folder.glob(f'sub-{person}_space-T1w_*mask.nii.gz')
    brain = np.asanyarray(nib.load(path).dataobj) > 0
    closed = ndimage.binary_closing(np.pad(brain, 8), iterations=5)[8:-8, 8:-8, 8:-8]
    return brain, ndimage.binary_fill_holes(closed)


@pytest.mark.parametrize('person', PEOPLE)
def test_the_brain_is_found_and_kept(heads, person):
    volume, found = load(heads, person, 'T1w')
    brain, hull = true_brain(heads, person)
    atlas = generic_atlas(masks.RESOLUTION)
    grid = (atlas, volume.data.shape, volume.affine, found.affine)
    expected = grids.carry_over(atlas.brain, *grid) < 0
    dice = 2 * (expected & hull).sum() / (expected.sum() + hull.sum())
    assert dice > 0.92
    head = foreground.head_mask(volume.data, volume.zooms)
    mask = masks.face_mask(atlas, volume, found.affine, head).mask
    # allows for a few 2 mm voxels of a gyrus far outside the atlas after affine registration
    assert (mask & brain).sum() <= 5


@pytest.mark.parametrize('suffix', ['T1w', 'FLAIR'])
@pytest.mark.parametrize('person', PEOPLE)
def test_the_face_is_found_before_and_not_recognised_after(heads, person, suffix):
    volume, found = load(heads, person, suffix)
    atlas = generic_atlas(masks.RESOLUTION)
    head = foreground.head_mask(volume.data, volume.zooms)
    mask = masks.face_mask(atlas, volume, found.affine, head).mask
    before = view_head(volume, found.affine, seed=0)
    random = before.recognition.random
    assert before.recognition.found[random].mean() >= 0.7
    removed = Volume(np.where(mask, 0, volume.data), volume.affine)
    known = KnownFace(before.pose, before.recognition.boxes)
    after = view_head(removed, found.affine, 0, known)
    distance = np.linalg.norm(after.at_known_place - before.recognition.embeddings, axis=1)
    assert np.nanmean(distance[random]) > 0.45
    shapes = [[engines.enrol(head)['geometry']] for head in (before, after)]
    assert engines.score('geometry', *shapes)[0, 0] < 0.35
