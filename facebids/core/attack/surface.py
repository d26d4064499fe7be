# SPDX-License-Identifier: Apache-2.0
"""The skin: which voxels are head, and a smooth mesh of its outer surface."""

from dataclasses import dataclass

import numpy as np
from nibabel.affines import apply_affine
from scipy import ndimage

from facebids.core.foreground import AIR_HU, TISSUE_HU, head_mask
from facebids.core.grids import coarse_slices, refine

SMOOTH_MM, SMOOTH_VOXELS = 0.9, 0.75  # standard deviation of the skin's smoothing: the larger
THICK_MM, THICK_RATIO = 2.5, 1.8  # a slice thicker than that, and than its pixels, is thick
FARTHEST_MM = 30.0  # beyond that, distance to an outline is all the same


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh.

    Parameters
    ----------
    vertices : ndarray of float32, shape (N, 3)
        RAS mm.
    faces : ndarray of int32, shape (M, 3)
    normals : ndarray of float32, shape (N, 3)
        Unit vectors pointing out of the head.
    """

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray


def skin_surface(data, affine, spacing=1.5, *, hounsfield=False):
    """Mesh of the head's outer surface, between voxels where the image tells.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
        Intensities.
    affine : ndarray, shape (4, 4)
        Voxel indices to RAS mm.
    spacing : float
        Distance of the mesh's points, mm. Finer voxels are averaged to it first.
    hounsfield : bool
        Whether intensities are Hounsfield units.

    Returns
    -------
    Mesh

    Raises
    ------
    NotAHeadError
        See `head_mask`.
    """
    from skimage.measure import marching_cubes

    zooms = np.linalg.norm(affine[:3, :3], axis=0)
    data, step = _averaged(np.asarray(data, np.float32), zooms, spacing)
    index = np.diag([*step, 1.0])  # of the averaged voxels to those of the image
    field = np.pad(_level(data, zooms * step, hounsfield=hounsfield), 3)
    index[:3, 3] = -3 * step
    thick = _thick_axis(zooms)
    if thick is not None:
        field = _distance_in_slices(field, thick, zooms * step)
    fine = spacing / (zooms * step)
    shape = np.ceil((np.array(field.shape) - 1) / fine).astype(int) + 1
    if thick is None:
        width = np.maximum(SMOOTH_MM / (zooms * step), SMOOTH_VOXELS)
        field = ndimage.gaussian_filter(field, width)
    field = ndimage.affine_transform(field, np.diag(fine), output_shape=tuple(shape), order=1)
    if thick is not None:
        field = ndimage.gaussian_filter(np.clip(0.5 - field / 4, 0, 1), 1.2 / spacing)
    index = affine @ index @ np.diag([*fine, 1.0])
    points, faces, normals, _ = marching_cubes(field, 0.5)
    vertices = apply_affine(index, points)
    # Gradients transform by the inverse transpose; marching_cubes' normals point to low values.
    normals = normals @ np.linalg.inv(index[:3, :3])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return Mesh(vertices.astype(np.float32), faces.astype(np.int32), normals.astype(np.float32))


def _averaged(data, zooms, spacing):
    """Average voxels finer than the mesh; return what one is in voxels of the image too."""
    step = np.where(zooms < 0.85 * spacing, spacing / zooms, 1.0)
    if (step == 1).all():
        return data, step
    smooth = ndimage.gaussian_filter(data, np.where(step > 1, 0.35 * step, 0), truncate=2.5)
    shape = np.maximum(np.floor((np.array(data.shape) - 1) / step).astype(int) + 1, 2)
    return ndimage.affine_transform(
        smooth, np.diag(step), output_shape=tuple(shape), order=1
    ), step


def _level(data, zooms, *, hounsfield):
    """How much of each voxel is head, in [0, 1]: half the skin's own signal marks the border.

    Depth and air are settled by the mask.
    """
    head = head_mask(data, zooms, hounsfield=hounsfield)
    if hounsfield:
        data = np.clip(data, AIR_HU, TISSUE_HU) - AIR_HU
    level = np.clip(data / _local_signal(data, head, zooms), 0, 1)
    deep = ndimage.binary_erosion(head, iterations=1)
    near = ndimage.binary_dilation(head, iterations=1)
    return np.where(deep, 1, np.where(near, level, 0)).astype(np.float32)


def _thick_axis(zooms):
    """Return the axis across thick slices, or None."""
    axis = int(np.argmax(zooms))
    thick = zooms[axis] > max(THICK_MM, THICK_RATIO * np.median(zooms))
    return axis if thick else None


def _distance_in_slices(level, axis, zooms):
    """Signed distance (mm, negative inside) to the outline within each slice.

    Shape-based interpolation: between slices, distances are averaged and not intensities, so an
    outline moves smoothly from one to the next (Raya & Udupa, 1990, IEEE Trans. Med. Imaging
    9:32). Within the nearest pixel the level tells more than the outline's pixels.
    """
    inside = level > 0.5
    zooms = np.delete(zooms, axis)
    distance = np.empty(level.shape, np.float32)
    parts = (np.moveaxis(array, axis, 0) for array in (distance, inside, level))
    for result, mask, part in zip(*parts, strict=True):
        if not mask.any():
            result[...] = FARTHEST_MM
            continue
        out = ndimage.distance_transform_edt(~mask, sampling=zooms)
        within = ndimage.distance_transform_edt(mask, sampling=zooms)
        half = zooms.mean() / 2
        far = np.where(mask, half - within, out - half)
        result[...] = np.where(np.abs(far) <= 2 * half, (0.5 - part) * 2 * half, far)
    # a slice beyond the head is not infinitely far, or the last one would end at once
    return np.clip(distance, -FARTHEST_MM, FARTHEST_MM)


def _local_signal(data, head, zooms, width=8.0):
    """Mean signal of the head around each voxel (Gaussian of `width` mm), found at about 2 mm."""
    slices = coarse_slices(zooms)
    coarse = zooms * [part.step for part in slices]
    there = head[slices].astype(np.float32)
    weight = ndimage.gaussian_filter(there, width / coarse, truncate=2)
    signal = ndimage.gaussian_filter(data[slices] * there, width / coarse, truncate=2)
    return refine(signal / np.maximum(weight, 1e-3) + 1e-6, slices, head.shape)
