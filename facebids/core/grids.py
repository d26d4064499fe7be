# SPDX-License-Identifier: Apache-2.0
"""Every second or third voxel of a fine grid, for what is smooth and slow to compute."""

import numpy as np
from nibabel.affines import apply_affine
from scipy import ndimage

COARSE_MM = 2.0


def coarse_slices(zooms, spacing=COARSE_MM):
    """Slices that take voxels about `spacing` mm apart, for voxel sizes in mm."""
    strides = np.maximum(np.rint(spacing / np.asarray(zooms)), 1).astype(int)
    return tuple(slice(None, None, int(stride)) for stride in strides)


def refine(coarse, slices, shape):
    """Spread values of a coarse grid over the fine one that it was taken from.

    Parameters
    ----------
    coarse : ndarray
        Values at the voxels that `slices` take.
    slices : tuple of 3 slices
        From `coarse_slices`.
    shape : tuple of 3 ints
        The fine grid.

    Returns
    -------
    ndarray, shape `shape`
    """
    for axis, part in enumerate(slices):
        coarse = np.repeat(coarse, part.step, axis)
    return coarse[tuple(slice(n) for n in shape)]


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


def sample(data, affine, points, outside=np.nan):
    """Values of a volume at points given in its RAS mm, linear; `outside` off the grid.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
    affine : ndarray, shape (4, 4)
    points : ndarray, shape (N, 3)

    Returns
    -------
    ndarray, shape (N,)
    """
    indices = apply_affine(np.linalg.inv(affine), points)
    return ndimage.map_coordinates(data, indices.T, order=1, cval=outside)


def grid_points(atlas, where):
    """Atlas RAS mm of the voxels selected by a boolean array, shape (N, 3)."""
    indices = np.argwhere(where)
    return np.stack([atlas.axes[i][indices[:, i]] for i in range(3)], axis=1)
