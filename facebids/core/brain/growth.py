# SPDX-License-Identifier: Apache-2.0
"""The brain of a subject, grown from the brain of the atlas by intensity.

It learns nothing, and shares no assumption with `boundary` but the affine, which it checks.
"""

import numpy as np
from scipy import ndimage

from facebids.core import grids
from facebids.core.arrays import BoolArray, FloatArray

REACH_MM = 10.0  # how far from the brain of the atlas the brain of the subject is searched
SCALP_MM = 9.0  # and how far under the skin of the atlas: scalp and skull are thicker
BRIDGE_MM = 2.0  # half the width under which a connection is no brain
LOCAL_MM = 12.0  # Gaussian in which the signal of the brain is averaged
LIKE_BRAIN = (0.55, 1.6)  # signal over that average


def grow(data: FloatArray, distance: FloatArray, skin: FloatArray, zooms: FloatArray) -> BoolArray:
    """Grow the brain of the atlas to where the brain of this subject reaches.

    Affine registration leaves a brain up to 10 mm outside the brain of the atlas. The brain of the
    subject is what has a similar signal nearby, is connected to it by more than thin bridges over
    at most `REACH_MM`, and lies `SCALP_MM` under the skin.

    Parameters
    ----------
    data : shape (X, Y, Z)
        Intensities.
    distance : shape (X, Y, Z)
        Signed distance (mm, atlas) to the brain of the atlas, negative inside.
    skin : shape (X, Y, Z)
        Signed distance to the skin of the atlas.
    zooms : shape (3,)
        Voxel sizes, mm.

    Returns
    -------
    ndarray of bool, shape (X, Y, Z)
    """
    core = distance < -3
    weight = ndimage.gaussian_filter(core.astype(np.float32), LOCAL_MM / zooms, truncate=3)
    local = ndimage.gaussian_filter(data * core, LOCAL_MM / zooms, truncate=3)
    ratio = data / (local / np.maximum(weight, 1e-4) + 1e-6)
    alike = (ratio > LIKE_BRAIN[0]) & (ratio < LIKE_BRAIN[1]) & (distance < REACH_MM)
    alike &= skin < -SCALP_MM
    solid = alike | (distance < 0)
    eroded = grids.distance(solid, zooms) > BRIDGE_MM
    solid = eroded | core
    # The way is bounded: muscle outside the skull is connected to the brain around its base.
    steps = int(np.ceil(REACH_MM / min(zooms)))
    kept = ndimage.binary_dilation(solid & (distance < 0), iterations=steps, mask=solid)
    return np.asarray(grids.distance(~kept, zooms) <= BRIDGE_MM)
