# SPDX-License-Identifier: Apache-2.0
"""What is put in the place of a face: air, a blur, or the generic face.

Every function computes the new voxels from the rest of the image and the atlas alone: what stood
inside the mask is never looked at, so nothing of it can shine through.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import linalg, ndimage

from facebids.core import grids
from facebids.core.foreground import head_mask

MODES = ('remove', 'blur', 'reface')
FILLS = ('air', 'zero')
CLEAR_MM = 6.0  # air is taken this far from the head and farther
CONSTANT = 0.5  # share of equal voxels above which the air of a scan has no noise
REACH_MM = 12.0  # Gaussian in which the subject's skin beside the mask bends the generic skin
FADE_MM = 25.0  # depth inside the mask at which it bends it no more
NEAR_MM = 8.0  # of the generic skin: what lies farther off is no skin
AWAY_MM = 4.0  # from the mask: nearer, the cut itself looks like skin
PROFILE_MM = 10.0  # how deep under the skin intensities are learned
SOFT_MM = (2.0, 6.0)  # depth of soft tissue, which fills everything deeper
BIAS_MM = 35.0  # Gaussian of the coil's shading
SEAM_MM = 3.0  # how far the tissue beside the mask is carried on into it
# Sizes over the atlas's in which the generic head is put on, a third apart: a child's to an
# adult's. The own size, or the affine's stretch, would tell the size of the face that was there.
SIZES = (0.66, 0.88, 1.17)
MIDDLE_MM = (0.0, 10.0, -50.0)  # point of the atlas that stays where the registration puts it
BLUR_MM = 12.0  # Gaussian over which the generic skin is blurred: lids, lips and nose go
COVER_MM = 4.0  # of soft tissue over what is kept deep in the head: skull in a large forehead
EDGE_MM = 8.0  # width over which blurred skin passes into air


@dataclass(frozen=True)
class Setting:
    """All that a fill may know.

    Parameters
    ----------
    data : ndarray of float32, shape (X, Y, Z)
        Intensities, NaN inside the mask.
    mask : ndarray of bool, shape (X, Y, Z)
    zooms : ndarray, shape (3,)
        Voxel sizes, mm.
    rng : numpy.random.Generator
    """

    data: np.ndarray
    mask: np.ndarray
    zooms: np.ndarray
    rng: np.random.Generator


@dataclass(frozen=True)
class Surroundings:
    """The head and the air around it, the same for all volumes of a series.

    Parameters
    ----------
    head : ndarray of bool, shape (X, Y, Z)
        The subject's head.
    from_head : ndarray, shape (X, Y, Z)
        Distance of each voxel from it, mm.
    """

    head: np.ndarray
    from_head: np.ndarray

    @classmethod
    def of(cls, head, zooms):
        """Measure the distances from a head, in an image with voxels of `zooms` mm."""
        return cls(head, ndimage.distance_transform_edt(~head, sampling=zooms))


def fill(volume, mask, atlas, transform, mode, seed=0, around=None):
    """Compute new intensities for the voxels of a mask.

    Parameters
    ----------
    volume : images.Volume
    mask : ndarray of bool, shape (X, Y, Z)
    atlas : HeadAtlas
    transform : ndarray, shape (4, 4)
        Atlas RAS mm to scanner RAS mm.
    mode : {'remove', 'blur', 'reface'}
    seed : int
        Of the noise.
    around : Surroundings, optional
        The subject's head, for the volumes of a series, which may show it badly. By default, it
        is found in the volume.

    Returns
    -------
    ndarray of float32, shape (N,)
        For the N voxels of the mask in C order.
    """
    if np.ptp(volume.data) == 0:  # of a series
        return np.full(int(mask.sum()), volume.data.flat[0], np.float32)
    setting = Setting(
        np.where(mask, np.nan, volume.data),
        mask,
        volume.zooms,
        np.random.default_rng([seed, 113102]),
    )
    if around is None:
        known = np.nan_to_num(setting.data, nan=_air(setting.data))
        head = head_mask(known, setting.zooms, hounsfield=volume.hounsfield)
        around = Surroundings.of(head, setting.zooms)
    air = draw_air(setting, around.from_head)
    if mode == 'remove':
        return air
    size, transform = undistorted(transform)
    skin = grids.carry_over(atlas.depth, atlas, mask.shape, volume.affine, transform) * size
    return paint(setting, skin, around.head & ~mask, air, blurred=mode == 'blur')


def undistorted(transform):
    """Put the generic head on in one of a few sizes, and unstretched.

    Parameters
    ----------
    transform : ndarray, shape (4, 4)
        Atlas RAS mm to scanner RAS mm.

    Returns
    -------
    size : float
        The nearest of `SIZES`.
    transform : ndarray, shape (4, 4)
        Its nearest rotation (polar decomposition), in that size.
    """
    linear = transform[:3, :3]
    own = float(np.cbrt(np.linalg.det(linear)))
    size = min(SIZES, key=lambda size: abs(np.log(size / own)))
    rotation, _ = linalg.polar(linear)
    result = np.eye(4)
    result[:3, :3] = size * rotation
    result[:3, 3] = linear @ MIDDLE_MM + transform[:3, 3] - result[:3, :3] @ MIDDLE_MM
    return size, result


def draw_air(setting, from_head):
    """Draw air like the scan's own for every voxel of the mask, shape (N,).

    Values of its air far from the head, at random; the one value where most of it is equal (a
    background that was masked, or the padding of a CT).
    """
    clear = ~setting.mask & ~np.isnan(setting.data)
    for far in (CLEAR_MM, 0.0):
        samples = setting.data[clear & (from_head > far)]
        if len(samples) > 500:
            break
    count = int(setting.mask.sum())
    if not len(samples):
        return np.full(count, np.nanmin(setting.data), np.float32)
    values, counts = np.unique(samples, return_counts=True)
    if counts.max() > CONSTANT * len(samples):
        return np.full(count, values[counts.argmax()], np.float32)
    return setting.rng.choice(samples, count)


def paint(setting, generic, head, air, *, blurred):
    """Paint the generic head, bent to meet the subject's, with this scan's own intensities.

    Parameters
    ----------
    setting : Setting
    generic : ndarray of float32, shape (X, Y, Z)
        Signed distance (mm in the scanner, negative inside) to the generic head's skin.
    head : ndarray of bool, shape (X, Y, Z)
        The subject's head outside the mask.
    air : ndarray, shape (N,)
        From `draw_air`.
    blurred : bool
        Whether the skin is blurred until it has no features.

    Returns
    -------
    ndarray of float32, shape (N,)
    """
    mask, zooms = setting.mask, setting.zooms
    outside = ~ndimage.binary_fill_holes(
        head | mask
    )  # bone at the mask's border is as dark as air
    depth = ndimage.distance_transform_edt(~outside, sampling=zooms).astype(np.float32)
    depth -= ndimage.distance_transform_edt(outside, sampling=zooms).astype(np.float32)
    away = ndimage.distance_transform_edt(~mask, sampling=zooms)
    within = ndimage.distance_transform_edt(mask, sampling=zooms)
    half = float(zooms.min()) / 2
    scalp = (away > AWAY_MM) & (np.abs(generic) < NEAR_MM) & (depth < PROFILE_MM)
    near = scalp & (np.abs(depth) < NEAR_MM)
    bend = _carry(half - depth - generic, near, REACH_MM, zooms)
    skin = generic + bend * np.exp(-((within / FADE_MM) ** 2))
    if blurred:
        skin = ndimage.gaussian_filter(skin, BLUR_MM / zooms, truncate=2.5)
    deep = ~mask & (depth > COVER_MM)  # what is less deep is skin itself, and would get a rim
    bare = ndimage.distance_transform_edt(~deep, sampling=zooms).astype(np.float32) - COVER_MM
    skin = np.minimum(skin, bare)
    learned = scalp & head
    profile = learn_profile(setting.data[learned], depth[learned], half)
    shading = _shading(setting, learned, profile, depth)
    tissue = profile(half - skin) * shading
    if not blurred:  # tissue beside the mask goes on into it, and no seam is seen
        beside = head & (away <= 2 * SEAM_MM)
        step = np.where(beside, setting.data - profile(depth) * shading, 0)
        tissue += _carry(step, beside, SEAM_MM, zooms) * np.exp(-((within / SEAM_MM) ** 2))
    tissue += setting.rng.normal(0, _noise(setting, head), mask.shape)
    share = np.clip(0.5 - skin[mask] / (EDGE_MM if blurred else 2 * half), 0, 1)
    return (share * tissue[mask] + (1 - share) * air).astype(np.float32)


def learn_profile(values, depth, half):
    """Learn intensity as a function of depth under the skin.

    Parameters
    ----------
    values, depth : ndarray, shape (N,)
        Intensities, and mm under the skin, of scalp.
    half : float
        Half a voxel, mm.

    Returns
    -------
    callable
        Depth (mm, any shape) to intensity. Under the scalp lies skull and brain, in a face soft
        tissue: deeper than that of the scalp it goes on.
    """
    edges = np.arange(0, SOFT_MM[1] + 2 * half, 2 * half)
    middles, medians = [], []
    for low, high in pairwise(edges):
        inside = values[(depth > low) & (depth <= high)]
        if len(inside):
            middles.append((low + high) / 2)
            medians.append(np.median(inside))
    soft = values[(depth >= SOFT_MM[0]) & (depth <= SOFT_MM[1])]
    middles.append(SOFT_MM[1] + 2 * half)
    medians.append(np.median(soft) if len(soft) else np.median(values))

    def profile(where):
        return np.interp(where, middles, medians).astype(np.float32)

    return profile


def _shading(setting, learned, profile, depth):
    """Coil shading: the scan over what its depth predicts, smoothed and carried on."""
    level = np.maximum(profile(depth), 1e-3 * np.nanmax(np.abs(setting.data)))
    ratio = np.where(learned, setting.data / level, 1)
    use = learned & (ratio > 0.3) & (ratio < 3)
    return np.exp(_carry(np.log(np.where(use, ratio, 1)), use, BIAS_MM, setting.zooms))


def _carry(values, known, width, zooms):
    """Carry known values on: their Gaussian mean where any are near, 0 elsewhere."""
    sigma = width / zooms
    values = np.where(known, values, 0).astype(np.float32)
    weight = ndimage.gaussian_filter(known.astype(np.float32), sigma, truncate=3)
    return ndimage.gaussian_filter(values, sigma, truncate=3) / np.maximum(weight, 1e-4)


def _noise(setting, where):
    """Return the noise in tissue: median absolute difference between neighbouring voxels."""
    difference = np.abs(np.diff(setting.data, axis=0))[where[1:] & where[:-1]]
    difference = difference[~np.isnan(difference)]
    # two independent values differ by sqrt(2) times as much; quartile, for edges are no noise
    return float(np.quantile(difference, 0.25) / (0.3186 * np.sqrt(2))) if len(difference) else 0.0


def _air(data):
    return float(np.nanquantile(data, 0.02))
