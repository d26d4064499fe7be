# SPDX-License-Identifier: Apache-2.0
"""The brain guard: voxels around the brain that must not change."""

import numpy as np

from facebids.core.arrays import BoolArray, FloatArray
from facebids.core.brain import boundary
from facebids.core.images import Volume

MARGIN_MM = 3.0  # between the mask and the fluid around the brain


def brain_guard(volume: Volume, affine: FloatArray, margin: float = MARGIN_MM) -> BoolArray:
    """Return the voxels that must not change: brain and fluid of the subject, with a margin.

    The inside of the atlas brain belongs to it whatever the image shows.

    Parameters
    ----------
    volume
        The image.
    affine : shape (4, 4)
        Atlas RAS mm to subject RAS mm.
    margin
        Least distance (mm) to the fluid around the brain.

    Returns
    -------
    ndarray of bool, shape (X, Y, Z)
    """
    cavity = boundary.find(volume, affine).cavity
    distance = np.where(boundary.inner_brain(), -boundary.LIMIT_MM, cavity)
    near = boundary.on_grid(distance, volume.data.shape, volume.affine, affine) < margin
    return np.asarray(near)
