# SPDX-License-Identifier: Apache-2.0
"""The atlas's face region on an image's own grid, the brain guard, and what the mask achieves."""

import numpy as np
from scipy import ndimage

RESOLUTION = 2.0  # mm, of the atlas whose regions are carried over


def carry_over(field, atlas, shape, affine, transform):
    """Sample a field of the atlas at the voxels of an image.

    Parameters
    ----------
    field : ndarray, shape of the atlas
    atlas : HeadAtlas
    shape : tuple of 3 ints
        Grid of the image.
    affine : ndarray, shape (4, 4)
        Voxel indices to subject RAS mm.
    transform : ndarray, shape (4, 4)
        Atlas RAS mm to subject RAS mm.

    Returns
    -------
    ndarray of float32, shape `shape`
        Beyond the atlas's extent, the value at its border.
    """
    voxel_to_atlas = np.linalg.inv(atlas.affine) @ np.linalg.inv(transform) @ affine
    return ndimage.affine_transform(
        np.asarray(field, np.float32),
        voxel_to_atlas[:3, :3],
        voxel_to_atlas[:3, 3],
        output_shape=shape,
        order=1,
        mode='nearest',
    )


def face_mask(atlas, shape, affine, transform):
    """Voxels to be replaced: the face region without the brain guard.

    The mask is cut by surfaces of the atlas alone; nothing of the subject's skin is in it.

    Parameters
    ----------
    atlas, shape, affine, transform
        See `carry_over`.

    Returns
    -------
    mask, guard : ndarray of bool, shape `shape`
        Voxels to replace, and voxels that must not be touched.
    """
    guard = carry_over(atlas.brain_guard, atlas, shape, affine, transform) < 0
    region = carry_over(atlas.face_region, atlas, shape, affine, transform) < 0
    return region & ~guard, guard


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
        `volume_ml` of the mask; `head_removed_share` of the head's voxels; `skin_removed_share`:
        of the voxels of the head's outer layer inside the sector, those in the mask, None when
        the image shows none; `skin_in_view_ml`: their volume; `guard_cost_ml`: volume of the
        face region's skin layer that the brain guard keeps.
    """
    # Voxels beyond the grid count as head, so that a cropped face's cut is no skin.
    layer = head & ~ndimage.binary_erosion(head, iterations=1, border_value=1)
    skin = layer & sector
    voxel_ml = float(np.prod(zooms)) / 1000
    total = int(skin.sum())
    return {
        'volume_ml': float(mask.sum() * voxel_ml),
        'head_removed_share': float((mask & head).sum() / max(head.sum(), 1)),
        'skin_removed_share': float((skin & mask).sum() / total) if total else None,
        'skin_in_view_ml': total * voxel_ml,
        'guard_cost_ml': float((skin & guard).sum() * voxel_ml),
    }
