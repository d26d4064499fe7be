# SPDX-License-Identifier: Apache-2.0
"""Paint the generic head into the mask, bent to meet the subject's head, in the scan's own signal.

Signal is learned from the scalp beside the mask as a function of depth under the skin.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy import ndimage

from facebids.core.alignment.registration import nearest_rotation
from facebids.core.arrays import BoolArray, FloatArray
from facebids.core.defacing.fill import FillContext
from facebids.core.grids import (
    carry_over,
    distance_inside,
    distance_up_to,
    farther,
)

REACH_MM = 12.0  # Gaussian over which the skin beside the mask bends the generic skin
FADE_MM = 25.0  # depth inside the mask over which that bending fades
NEAR_MM = 8.0  # from the generic skin: what is farther away is not skin
AWAY_MM = 4.0  # from the mask: nearer, the cut itself looks like skin
PROFILE_MM = 10.0  # depth under the skin down to which signal is learned
SOFT_MM = (2.0, 6.0)  # depth of soft tissue, which fills everything deeper
BIAS_MM = 35.0  # Gaussian of the shading of the coil
SEAM_MM = 3.0  # distance over which the tissue beside the mask continues into it
# Sizes of the generic head relative to the atlas, in steps of a third: from a child to an adult.
# The size of the subject, or the stretch of the affine, would tell the size of the removed face.
SIZES = (0.66, 0.88, 1.17)
MIDDLE_MM = (0.0, 10.0, -50.0)  # atlas point that stays where the registration puts it
BLUR_MM = 12.0  # Gaussian over which the generic skin is blurred: removes lids, lips and nose
COVER_MM = 4.0  # soft tissue over what is kept deep in the head, as the skull of a large forehead
EDGE_MM = 8.0  # width over which blurred skin passes into air
EVEN_RATIO = (0.3, 3.0)  # signal over its prediction; outside, it is not skin
QUARTILE = 0.3186  # first quartile of the absolute value of a standard normal variable

Profile = Callable[[FloatArray], FloatArray]


def undistorted(affine: FloatArray) -> tuple[float, FloatArray]:
    """Return an affine without stretch, in one of a few sizes.

    Parameters
    ----------
    affine : shape (4, 4)
        Atlas RAS mm to subject RAS mm.

    Returns
    -------
    size : float
        The nearest of `SIZES`.
    affine : ndarray, shape (4, 4)
        The nearest rotation (polar decomposition), in that size.
    """
    linear = affine[:3, :3]
    own = float(np.cbrt(np.linalg.det(linear)))
    size = min(SIZES, key=lambda size: abs(float(np.log(size / own))))
    result = np.eye(4)
    result[:3, :3] = size * nearest_rotation(affine)
    result[:3, 3] = linear @ MIDDLE_MM + affine[:3, 3] - result[:3, :3] @ MIDDLE_MM
    return size, result


def paint(
    context: FillContext, generic: FloatArray, air: FloatArray, *, blurred: bool
) -> FloatArray:
    """Paint the generic head into the mask.

    Parameters
    ----------
    context
        The image around the mask.
    generic : shape (X, Y, Z)
        Signed distance to the skin of the generic head (`generic_skin`).
    air : shape (N,)
        Values of the N voxels of the mask if they were air.
    blurred
        Whether the skin is blurred until it has no features.

    Returns
    -------
    ndarray of float32, shape (N,)
    """
    # Images are large: distances are kept as masks where that is enough, and what only the mask
    # needs is computed there.
    mask, zooms = context.mask, context.zooms
    head = context.around.head & ~mask
    half = float(zooms.min()) / 2
    within = distance_inside(mask, zooms)
    depth = _depth(head | mask, zooms)
    scalp = farther(~mask, zooms, AWAY_MM) & (np.abs(generic) < NEAR_MM) & (depth < PROFILE_MM)
    near = scalp & (np.abs(depth) < NEAR_MM)
    bend = half - depth
    bend -= generic
    bend = _spread(bend, near, REACH_MM, zooms)
    skin = generic[mask] + bend[mask] * np.exp(-((within / FADE_MM) ** 2))
    if blurred:
        skin = _blurred(skin, generic, bend, context)
    del bend
    skin = np.minimum(skin, _cover(mask, depth, zooms))
    learned = scalp & head
    profile = learn_profile(context.data[learned], depth[learned], half)
    shading = _shading(context, learned, profile, depth)
    tissue = profile(half - skin) * shading[mask]
    if not blurred:  # the tissue beside the mask continues into it, so that no seam shows
        beside = head & ~farther(~mask, zooms, 2 * SEAM_MM)
        step = np.zeros(mask.shape, np.float32)
        step[beside] = context.data[beside] - profile(depth[beside]) * shading[beside]
        del shading
        tissue += _spread(step, beside, SEAM_MM, zooms)[mask] * np.exp(-((within / SEAM_MM) ** 2))
    tissue += _draw(context.rng, _noise(context, head), mask)
    share = np.clip(0.5 - skin / (EDGE_MM if blurred else 2 * half), 0, 1)
    return np.asarray((share * tissue + (1 - share) * air).astype(np.float32))


def _blurred(
    skin: FloatArray, generic: FloatArray, bend: FloatArray, context: FillContext
) -> FloatArray:
    """Blur the distance to the skin in the mask, shape (N,). Outside, bending does not fade."""
    everywhere = generic.astype(float)
    everywhere += bend
    everywhere[context.mask] = skin
    sigma = BLUR_MM / context.zooms
    ndimage.gaussian_filter(everywhere, sigma, truncate=2.5, output=everywhere)
    return everywhere[context.mask]


def _draw(rng: np.random.Generator, scale: float, mask: BoolArray) -> FloatArray:
    """Draw noise for all voxels, and return that of the mask, shape (N,)."""
    return np.concatenate([rng.normal(0, scale, plane.shape)[plane] for plane in mask])


def generic_skin(context: FillContext) -> FloatArray:
    """Return the signed distance to the skin of the generic head, shape (X, Y, Z).

    In mm of the subject, negative inside; the head has one of a few sizes (`undistorted`).
    """
    size, affine = undistorted(context.atlas_affine)
    atlas, shape = context.atlas, context.mask.shape
    return carry_over(atlas.depth, atlas, shape, context.affine, affine) * size


def _depth(head: BoolArray, zooms: FloatArray) -> FloatArray:
    """Depth (mm, negative outside) under the skin of a head without holes, where it matters."""
    outside = ~ndimage.binary_fill_holes(head)  # bone at the border of the mask is as dark as air
    limit = PROFILE_MM + 2 * float(zooms.max())  # signal is the same in all that is deeper
    depth = distance_up_to(~outside, zooms, limit)
    depth -= distance_up_to(outside, zooms, limit)
    return depth


def _cover(mask: BoolArray, depth: FloatArray, zooms: FloatArray) -> FloatArray:
    """Signed distance of the mask to a layer of soft tissue over what is kept deep in the head."""
    deep = ~mask & (depth > COVER_MM)  # what is less deep is skin itself and would get a rim
    limit = COVER_MM + EDGE_MM + 2 * float(zooms.max())  # it is air beyond
    return np.asarray(distance_up_to(~deep, zooms, limit)[mask] - COVER_MM)


def learn_profile(values: FloatArray, depth: FloatArray, half: float) -> Profile:
    """Learn signal as a function of depth under the skin.

    Parameters
    ----------
    values, depth : shape (N,)
        Intensities of the scalp and their depth under the skin, mm.
    half
        Half a voxel, mm.

    Returns
    -------
    callable
        Depth (mm, any shape) to signal. Under the scalp are skull and brain, but in a face soft
        tissue: below the scalp the profile continues with soft tissue.
    """
    edges = np.arange(0, SOFT_MM[1] + 2 * half, 2 * half)
    middles: list[float] = []
    medians: list[float] = []
    for low, high in pairwise(edges):
        inside = values[(depth > low) & (depth <= high)]
        if len(inside):
            middles.append(float((low + high) / 2))
            medians.append(float(np.median(inside)))
    soft = values[(depth >= SOFT_MM[0]) & (depth <= SOFT_MM[1])]
    soft = soft if len(soft) else values
    middles.append(SOFT_MM[1] + 2 * half)
    medians.append(float(np.median(soft)) if len(soft) else 0.0)

    def profile(where: FloatArray) -> FloatArray:
        return np.asarray(np.interp(where, middles, medians).astype(np.float32))

    return profile


def _shading(
    context: FillContext, learned: BoolArray, profile: Profile, depth: FloatArray
) -> FloatArray:
    """Shading of the coil: the scan over what its depth predicts, smoothed and extrapolated."""
    least = 1e-3 * np.nanmax(np.abs(context.data))
    ratio = context.data[learned] / np.maximum(profile(depth[learned]), least)
    even = (ratio > EVEN_RATIO[0]) & (ratio < EVEN_RATIO[1])
    use, logarithm = learned.copy(), np.zeros(learned.shape, np.float32)
    use[learned] = even
    logarithm[use] = np.log(ratio[even])
    shading = _spread(logarithm, use, BIAS_MM, context.zooms)
    return np.exp(shading, out=shading)


def _spread(values: FloatArray, known: BoolArray, width: float, zooms: FloatArray) -> FloatArray:
    """Extrapolate known values, in place: their Gaussian mean where any are near, 0 elsewhere."""
    sigma = width / zooms
    values[~known] = 0
    ndimage.gaussian_filter(values, sigma, truncate=3, output=values)
    weight = known.astype(np.float32)
    ndimage.gaussian_filter(weight, sigma, truncate=3, output=weight)
    np.maximum(weight, 1e-4, out=weight)
    values /= weight
    return values


def _noise(context: FillContext, where: BoolArray) -> float:
    """Return the standard deviation of the noise in tissue, from neighbouring voxels.

    Two independent values differ by sqrt(2) times as much. The first quartile is used, since the
    differences at edges are not noise.
    """
    both = where[1:] & where[:-1]
    difference = np.abs(context.data[1:][both] - context.data[:-1][both])
    difference = difference[~np.isnan(difference)]
    if not len(difference):
        return 0.0
    return float(np.quantile(difference, 0.25) / (QUARTILE * np.sqrt(2)))
