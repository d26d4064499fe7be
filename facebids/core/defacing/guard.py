# SPDX-License-Identifier: Apache-2.0
"""The brain guard: voxels around the brain that must not change."""

import numpy as np

from facebids.core.arrays import BoolArray, FloatArray
from facebids.core.atlas import HeadAtlas
from facebids.core.brain import boundary
from facebids.core.grids import carry_over
from facebids.core.images import Volume

MARGIN_MM = 3.0  # between the mask and the brain
UNSURE_MM = 1.0  # by which the fluid around the brain may be found too thin


def brain_guard(
    atlas: HeadAtlas, volume: Volume, affine: FloatArray, margin: float = MARGIN_MM
) -> BoolArray:
    """Return the voxels that must not change: the guard of the atlas and of the subject's brain.

    The second is the brain with the fluid around it, as found in the image, and a margin.

    Parameters
    ----------
    atlas
        The head atlas.
    volume
        The image.
    affine : shape (4, 4)
        Atlas RAS mm to subject RAS mm.
    margin
        Least distance (mm) to the brain.

    Returns
    -------
    ndarray of bool, shape (X, Y, Z)
    """
    shape = volume.data.shape
    cavity = boundary.find(volume, affine).cavity
    distance = boundary.on_grid(cavity, shape, volume.affine, affine)
    of_atlas = carry_over(atlas.brain_guard, atlas, shape, volume.affine, affine)
    return np.asarray((distance < margin + UNSURE_MM) | (of_atlas < margin - MARGIN_MM))
