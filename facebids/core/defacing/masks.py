# SPDX-License-Identifier: Apache-2.0
"""The atlas's face region on an image's own grid, the brain guard, and what the mask achieves."""

import numpy as np
from nibabel.affines import apply_affine
from scipy import ndimage

from facebids.core.atlas import SHELL_STEPS_MM
from facebids.core.foreground import head_mask
from facebids.core.grids import carry_over, coarse_slices, refine
from facebids.errors import NotAHeadError

RESOLUTION = 2.0  # mm, of the atlas whose regions are carried over
ENOUGH_SKIN = 0.98  # share of the face's skin in the mask at which the region reaches far enough
WORTH_A_STEP = 0.01  # share of the skin that a deeper region has to gain
MARGIN_MM = 3.0  # between mask and brain
OWN_MM = 1.5  # by which the own brain may be found too small: fluid is dark as bone is
GROWTH_MM = 10.0  # how far from the atlas's brain the subject's is looked for
SCALP_MM = 9.0  # and how far under the atlas's skin: scalp and skull are thicker
BRIDGE_MM = 2.0  # half the width under which a connection is no brain
LOCAL_MM = 12.0  # Gaussian in which the brain's signal is averaged
LIKE_BRAIN = (0.55, 1.6)  # signal over that average
# A face has about 600 cm2 of skin, one voxel's layer of which is 60 mL at 1 mm and 180 mL at 3 mm.
# A fiftieth of it is the rim of a forehead or an ear.
NO_FACE_SHARE, NO_FACE_ML = 0.02, 3.0


def subject_brain(data, distance, skin, zooms):
    """Grow the atlas's brain to where this subject's brain reaches.

    Affine registration leaves a brain up to 10 mm outside the atlas's. What has the signal of the
    brain nearby, hangs together with it over more than thin bridges and no way longer than
    `GROWTH_MM`, and lies `SCALP_MM` under the skin is taken for brain.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
        Intensities.
    distance : ndarray, shape (X, Y, Z)
        Signed distance (mm, atlas) to the atlas's brain, negative inside.
    skin : ndarray, shape (X, Y, Z)
        The same to the atlas's skin.
    zooms : array of 3 floats
        Voxel sizes, mm.

    Returns
    -------
    ndarray of bool, shape (X, Y, Z)
    """
    core = distance < -3
    weight = ndimage.gaussian_filter(core.astype(np.float32), LOCAL_MM / zooms, truncate=3)
    local = ndimage.gaussian_filter(data * core, LOCAL_MM / zooms, truncate=3)
    ratio = data / (local / np.maximum(weight, 1e-4) + 1e-6)
    alike = (ratio > LIKE_BRAIN[0]) & (ratio < LIKE_BRAIN[1]) & (distance < GROWTH_MM)
    alike &= skin < -SCALP_MM
    solid = alike | (distance < 0)
    eroded = ndimage.distance_transform_edt(solid, sampling=zooms) > BRIDGE_MM
    solid = eroded | core
    # By no longer way: muscle outside the skull hangs together with the brain around its base.
    steps = int(np.ceil(GROWTH_MM / min(zooms)))
    kept = ndimage.binary_dilation(solid & (distance < 0), iterations=steps, mask=solid)
    return ndimage.distance_transform_edt(~kept, sampling=zooms) <= BRIDGE_MM


def face_mask(atlas, volume, transform, head, margin=MARGIN_MM, keep=()):
    """Voxels to be replaced: the face region without the brain guard.

    Outwards the mask is cut by surfaces of the atlas alone; nothing of the subject's skin is in
    it. Where much of the skin lies deeper than the region reaches, the region takes the atlas's
    next step inwards, if that gains skin. The guard, which is the atlas's brain with a margin and
    the subject's own brain with a smaller one, takes precedence.

    Parameters
    ----------
    atlas : HeadAtlas
    volume : Volume
        The image.
    transform : ndarray, shape (4, 4)
        Atlas RAS mm to subject RAS mm.
    head : ndarray of bool, shape (X, Y, Z)
        The subject's head.
    margin : float
        Least distance (mm) between the mask and the brain.
    keep : sequence of str
        Keys of `atlas.KEEPABLE` that are left.

    Returns
    -------
    mask, guard : ndarray of bool, shape (X, Y, Z)
        Voxels to replace, and voxels that must not be touched.
    numbers : dict
        `coverage` of the mask, and `shell_mm`, the step that was taken.
    """
    place = (atlas, volume.data.shape, volume.affine, transform)
    guard = brain_guard(volume, place, margin)
    sector = carry_over(atlas.face_skin_sector(keep), *place) < 0
    best, share = None, -1.0
    for shell in SHELL_STEPS_MM:
        mask = (carry_over(atlas.face_region(shell, keep), *place) < 0) & ~guard
        numbers = coverage(mask, guard, head, sector, volume.zooms) | {'shell_mm': shell}
        removed = numbers['skin_removed_share']
        if best is None or removed > share + WORTH_A_STEP:
            best, share = (mask, guard, numbers), removed
        if removed is None or removed >= ENOUGH_SKIN:
            break
    return best


def find_head(volume, atlas, transform, *, relied_on):
    """Find the voxels of the head.

    Parameters
    ----------
    volume : Volume
    atlas : HeadAtlas
    transform : ndarray, shape (4, 4)
        Atlas RAS mm to subject RAS mm.
    relied_on : bool
        Whether the transform is known from another image: then the generic head stands for one
        that cannot be told from the air.

    Returns
    -------
    ndarray of bool, shape (X, Y, Z)

    Raises
    ------
    NotAHeadError
        If no head is found, and the transform is not relied on.
    """
    try:
        return head_mask(volume.data, volume.zooms, hounsfield=volume.hounsfield)
    except NotAHeadError:
        if not relied_on:
            raise
        return carry_over(atlas.depth, atlas, volume.data.shape, volume.affine, transform) < 0


def face_in_view(atlas, volume, transform):
    """Share of the generic face's skin that lies in an image's field of view.

    Geometry alone: an image that shows skin badly has it in view all the same.

    Parameters
    ----------
    atlas : HeadAtlas
    volume : Volume
    transform : ndarray, shape (4, 4)
        Atlas RAS mm to subject RAS mm.

    Returns
    -------
    float
    """
    skin = (np.abs(atlas.depth) < 1) & (atlas.face_skin_sector() < 0)
    index = np.linalg.inv(volume.affine) @ transform @ atlas.affine
    voxels = apply_affine(index, np.argwhere(skin))
    last = np.array(volume.data.shape) - 0.5
    return float(((voxels > -0.5) & (voxels < last)).all(axis=1).mean())


def shows_no_face(numbers):
    """Whether so little of a face is in view that none could be recognised.

    Parameters
    ----------
    numbers : dict
        `skin_in_view_ml` from `coverage`, and `face_in_view_share` from `face_in_view`.
    """
    return (
        numbers['face_in_view_share'] <= NO_FACE_SHARE and numbers['skin_in_view_ml'] <= NO_FACE_ML
    )


def brain_guard(volume, place, margin=MARGIN_MM):
    """Voxels that must not be touched: the atlas's guard and a margin around the own brain.

    Parameters
    ----------
    volume : Volume
    place : tuple
        The arguments of `carry_over` but its field.
    margin : float
        Least distance (mm) from the brain.

    Returns
    -------
    ndarray of bool, shape (X, Y, Z)
    """
    atlas = place[0]
    slices = coarse_slices(volume.zooms)
    zooms = volume.zooms * [part.step for part in slices]
    distance, skin = (carry_over(f, *place)[slices] for f in (atlas.brain, atlas.depth))
    brain = subject_brain(volume.data[slices], distance, skin, zooms)
    near = ndimage.distance_transform_edt(~brain, sampling=zooms) <= margin + OWN_MM
    guard = carry_over(atlas.brain_guard, *place) < margin - MARGIN_MM
    return guard | refine(near, slices, guard.shape)


def coverage(mask, guard, head, sector, zooms):
    """How much of the head and of the face's skin a mask takes.

    Parameters
    ----------
    mask, guard : ndarray of bool, shape (X, Y, Z)
        From `face_mask`.
    head : ndarray of bool, shape (X, Y, Z)
        The subject's head.
    sector : ndarray of bool, shape (X, Y, Z)
        Where skin identifies.
    zooms : array of 3 floats
        Voxel sizes, mm.

    Returns
    -------
    dict
        `volume_ml` of the mask; `head_removed_ml` and `head_removed_share`: what it takes of the
        head; `skin_removed_share`: of the voxels of the head's outer layer inside the sector,
        those in the mask, None when the image shows none; `skin_in_view_ml`: their volume;
        `guard_cost_ml`: volume of the face region's skin layer that the brain guard keeps.
    """
    # Voxels beyond the grid count as head, so that a cropped face's cut is no skin.
    layer = head & ~ndimage.binary_erosion(head, iterations=1, border_value=1)
    skin = layer & sector
    voxel_ml = float(np.prod(zooms)) / 1000
    total = int(skin.sum())
    return taken(mask, head, zooms) | {
        'skin_removed_share': float((skin & mask).sum() / total) if total else None,
        'skin_in_view_ml': total * voxel_ml,
        'guard_cost_ml': float((skin & guard).sum() * voxel_ml),
    }


def taken(mask, head, zooms):
    """Volume of a mask (mL, air included), and what it takes of the head: `coverage`."""
    voxel_ml = float(np.prod(zooms)) / 1000
    return {
        'volume_ml': float(mask.sum() * voxel_ml),
        'head_removed_ml': float((mask & head).sum() * voxel_ml),
        'head_removed_share': float((mask & head).sum() / max(head.sum(), 1)),
    }
