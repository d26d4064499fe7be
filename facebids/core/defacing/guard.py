# SPDX-License-Identifier: Apache-2.0
"""The brain guard: voxels around the brain that must not change."""

import numpy as np
from scipy import ndimage

from facebids.core.arrays import BoolArray, FloatArray
from facebids.core.atlas import HeadAtlas
from facebids.core.grids import carry_over, coarse_slices, refine
from facebids.core.images import Volume

MARGIN_MM = 3.0  # between mask and brain
# Margin around the brain of the subject by which it may be found too small: fluid is as dark as
# bone in T1w.
OWN_MM = 1.5
GROWTH_MM = 10.0  # how far from the brain of the atlas the brain of the subject is searched
SCALP_MM = 9.0  # and how far under the skin of the atlas: scalp and skull are thicker
BRIDGE_MM = 2.0  # half the width under which a connection is no brain
LOCAL_MM = 12.0  # Gaussian in which the signal of the brain is averaged
LIKE_BRAIN = (0.55, 1.6)  # signal over that average


def subject_brain(
    data: FloatArray, distance: FloatArray, skin: FloatArray, zooms: FloatArray
) -> BoolArray:
    """Grow the brain of the atlas to where the brain of this subject reaches.

    Affine registration leaves a brain up to 10 mm outside the brain of the atlas. The brain of the
    subject is what has a similar signal nearby, is connected to it by more than thin bridges over
    at most `GROWTH_MM`, and lies `SCALP_MM` under the skin.

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
    alike = (ratio > LIKE_BRAIN[0]) & (ratio < LIKE_BRAIN[1]) & (distance < GROWTH_MM)
    alike &= skin < -SCALP_MM
    solid = alike | (distance < 0)
    eroded = ndimage.distance_transform_edt(solid, sampling=zooms) > BRIDGE_MM
    solid = eroded | core
    # The way is bounded: muscle outside the skull is connected to the brain around its base.
    steps = int(np.ceil(GROWTH_MM / min(zooms)))
    kept = ndimage.binary_dilation(solid & (distance < 0), iterations=steps, mask=solid)
    return np.asarray(ndimage.distance_transform_edt(~kept, sampling=zooms) <= BRIDGE_MM)


def brain_guard(
    atlas: HeadAtlas, volume: Volume, affine: FloatArray, margin: float = MARGIN_MM
) -> BoolArray:
    """Return the voxels that must not change: the guard of the atlas and of the subject's brain.

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
    slices = coarse_slices(volume.zooms)
    zooms = volume.zooms * [part.step for part in slices]
    distance, skin = (
        carry_over(field, atlas, shape, volume.affine, affine)[slices]
        for field in (atlas.brain, atlas.depth)
    )
    brain = subject_brain(volume.data[slices], distance, skin, zooms)
    near = ndimage.distance_transform_edt(~brain, sampling=zooms) <= margin + OWN_MM
    guard = carry_over(atlas.brain_guard, atlas, shape, volume.affine, affine)
    return (guard < margin - MARGIN_MM) | refine(near, slices, shape)
