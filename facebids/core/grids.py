# SPDX-License-Identifier: Apache-2.0
"""Values on regular grids: coarse copies of fine ones, resampling, and sampling at points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import ArrayLike
from scipy import ndimage

from facebids.core.arrays import AnyArray, BoolArray, FloatArray

if TYPE_CHECKING:
    from facebids.core.atlas import HeadModel

COARSE_MM = 2.0
SLAB = 64  # planes in which distances are compared at once

Slices = tuple[slice, ...]
Shape = tuple[int, ...]


def coarse_slices(zooms: ArrayLike, spacing: float = COARSE_MM) -> Slices:
    """Return slices that take voxels about `spacing` mm apart, for voxel sizes in mm."""
    strides = np.maximum(np.rint(spacing / np.asarray(zooms)), 1).astype(int)
    return tuple(slice(None, None, int(stride)) for stride in strides)


def refine(coarse: AnyArray, slices: Slices, shape: Shape) -> AnyArray:
    """Spread values of a coarse grid over the fine one that it was taken from.

    Parameters
    ----------
    coarse : ndarray
        Values at the voxels that `slices` take.
    slices : tuple of 3 slices
        From `coarse_slices`.
    shape : tuple of 3 ints
        Shape of the fine grid.

    Returns
    -------
    ndarray, shape `shape`
    """
    for axis, part in enumerate(slices):
        coarse = np.repeat(coarse, part.step, axis)
    return coarse[tuple(slice(n) for n in shape)]


def distance(inside: BoolArray, zooms: ArrayLike) -> FloatArray:
    """Return the distance from each voxel inside to the nearest one outside.

    Parameters
    ----------
    inside : ndarray of bool, shape (X, Y) or (X, Y, Z)
    zooms : float, or array of 2 or 3 floats
        Voxel sizes, mm.

    Returns
    -------
    ndarray of float32, shape of `inside`
        In mm; 0 outside, infinite if nothing is outside.
    """
    from edt import edt

    sizes = tuple(np.broadcast_to(np.asarray(zooms, float), inside.ndim))
    return np.asarray(edt(np.ascontiguousarray(inside), anisotropy=sizes, parallel=1))


def signed_distance(inside: BoolArray, zooms: ArrayLike) -> FloatArray:
    """Return the distance to the surface of a mask, half-way between voxels.

    Parameters
    ----------
    inside : ndarray of bool, shape (X, Y) or (X, Y, Z)
    zooms : float, or array of 2 or 3 floats
        Voxel sizes, mm.

    Returns
    -------
    ndarray of float32, shape of `inside`
        In mm; negative inside.
    """
    half = float(np.asarray(zooms, float).mean()) / 2
    return np.where(inside, half - distance(inside, zooms), distance(~inside, zooms) - half)


def distance_up_to(inside: BoolArray, zooms: ArrayLike, limit: float) -> FloatArray:
    """Return the distances of `distance` that are at most a limit (mm); others exceed the limit.

    They are computed slab by slab, with the memory of a slab.
    """
    reach = int(np.ceil(limit / np.asarray(zooms)[0])) + 1
    result = np.empty(inside.shape, np.float32)
    for first in range(0, len(inside), SLAB):
        low, last = max(first - reach, 0), first + SLAB
        part = inside[low : last + reach]
        own = slice(first - low, last - low)
        result[first:last] = distance(part, zooms)[own]
    return result


def distance_inside(mask: BoolArray, zooms: ArrayLike) -> FloatArray:
    """Return `distance` at the voxels of a mask alone, shape (N,), with the memory of its box."""
    if not mask.any():
        return np.empty(0)
    found = [np.nonzero(mask.any(axes))[0] for axes in ((1, 2), (0, 2), (0, 1))]
    # the voxels around the mask are nearer than any beyond them
    box = tuple(slice(max(int(where[0]) - 1, 0), int(where[-1]) + 2) for where in found)
    return distance(mask[box], zooms)[mask[box]]


def farther(inside: BoolArray, zooms: ArrayLike, than: float) -> BoolArray:
    """Return the voxels that are farther than a distance (mm) from the nearest one outside.

    The same as comparing `distance`, but with the memory of a slab.
    """
    reach = int(np.ceil(than / np.asarray(zooms)[0])) + 1
    result = np.empty(inside.shape, bool)
    for first in range(0, len(inside), SLAB):
        low, last = max(first - reach, 0), first + SLAB
        part = inside[low : last + reach]
        result[first:last] = (distance(part, zooms) > than)[first - low : last - low]
    return result


def resample(
    data: AnyArray, to_index: FloatArray, shape: Shape, mode: str = 'nearest'
) -> FloatArray:
    """Resample an array on another grid by linear interpolation.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
    to_index : ndarray, shape (4, 4)
        Voxel indices of the new grid to those of `data`.
    shape : tuple of 3 ints
        Shape of the new grid.
    mode : {'nearest', 'constant'}
        Outside of `data`: the value at its border, or zero.

    Returns
    -------
    ndarray of float32, shape `shape`
    """
    return ndimage.affine_transform(
        np.asarray(data, np.float32),
        to_index[:3, :3],
        to_index[:3, 3],
        output_shape=shape,
        order=1,
        mode=mode,
    )


def rescale(
    data: AnyArray, step: ArrayLike, first: ArrayLike, shape: Shape, blur: ArrayLike = 0.0
) -> FloatArray:
    """Resample an array along its own axes by linear interpolation.

    Axis by axis, in a third of the time of `resample`.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
    step : array of 3 floats, or float
        Voxels of `data` from one voxel of the new grid to the next.
    first : array of 3 floats, or float
        Voxel of `data` at which the new grid begins.
    shape : tuple of 3 ints
        Shape of the new grid.
    blur : array of 3 floats, or float
        Standard deviation (voxels of `data`) of the Gaussian that is applied first.

    Returns
    -------
    ndarray of float32, shape `shape`
        Outside of `data`, the value at its border.
    """
    data = np.asarray(data, np.float32)
    steps, firsts, widths = (
        np.broadcast_to(np.asarray(number, float), 3) for number in (step, first, blur)
    )
    growth = np.array(shape) / data.shape
    for axis in sorted((2, 1, 0), key=lambda axis: growth[axis]):  # while there are few voxels
        if widths[axis] > 0:
            data = ndimage.gaussian_filter1d(data, widths[axis], axis)
        size, last = shape[axis], data.shape[axis] - 1
        where = np.clip(firsts[axis] + steps[axis] * np.arange(size), 0, last)
        low = np.minimum(where.astype(int), max(last - 1, 0))
        share = (
            (where - low).astype(np.float32).reshape([-1 if i == axis else 1 for i in range(3)])
        )
        result = data.take(low, axis)
        above = data.take(np.minimum(low + 1, last), axis)
        above -= result
        above *= share
        result += above
        data = result
    return data


def carry_over(
    field: AnyArray, atlas: HeadModel, shape: Shape, affine: FloatArray, transform: FloatArray
) -> FloatArray:
    """Resample a field of the atlas on the grid of an image.

    Parameters
    ----------
    field : ndarray, shape of the atlas
    atlas : HeadModel
    shape : tuple of 3 ints
        Shape of the image.
    affine : ndarray, shape (4, 4)
        Voxel indices to subject RAS mm.
    transform : ndarray, shape (4, 4)
        Atlas RAS mm to subject RAS mm.

    Returns
    -------
    ndarray of float32, shape `shape`
        Outside of the atlas, the value at its border.
    """
    to_index = np.linalg.inv(atlas.affine) @ np.linalg.inv(transform) @ affine
    return resample(field, to_index, shape)


def sample(
    data: AnyArray, affine: FloatArray, points: FloatArray, outside: float = np.nan
) -> FloatArray:
    """Sample a volume at points by linear interpolation.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
    affine : ndarray, shape (4, 4)
        Voxel indices to RAS mm.
    points : ndarray, shape (N, 3)
        RAS mm.
    outside : float
        Value outside of the grid.

    Returns
    -------
    ndarray, shape (N,)
    """
    indices = apply_affine(np.linalg.inv(affine), points)
    return ndimage.map_coordinates(data, indices.T, order=1, cval=outside)


def grid_points(atlas: HeadModel, where: BoolArray) -> FloatArray:
    """Return the atlas RAS mm of the voxels that a boolean array selects, shape (N, 3)."""
    indices = np.argwhere(where)
    return np.stack([atlas.axes[i][indices[:, i]] for i in range(3)], axis=1)
