# SPDX-License-Identifier: Apache-2.0
"""Every second or third voxel of a fine grid, for what is smooth and slow to compute."""

import numpy as np

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
