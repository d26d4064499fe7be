# SPDX-License-Identifier: Apache-2.0
"""The skin: a smooth mesh of the outer surface of the head."""

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from nibabel.affines import apply_affine
from scipy import ndimage

from facebids.core import grids
from facebids.core.arrays import AnyArray, BoolArray, FloatArray, IntArray
from facebids.core.attack.rays import Scene
from facebids.core.foreground import AIR_HU, TISSUE_HU, head_mask
from facebids.core.grids import coarse_slices, refine, rescale

SPACING_MM = 1.5  # distance of vertices
SMOOTH_MM, SMOOTH_VOXELS = 0.9, 0.75  # standard deviation of the smoothing, the larger of the two
THICK_MM, THICK_RATIO = 2.5, 1.8  # slices thicker than this, and than their pixels, are thick
FARTHEST_MM = 30.0  # larger distances to an outline are clipped


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh.

    Parameters
    ----------
    vertices : ndarray of float32, shape (N, 3)
        RAS mm.
    faces : ndarray of int32, shape (M, 3)
        Indices of vertices.
    normals : ndarray of float32, shape (N, 3)
        Outward unit vectors.
    """

    vertices: FloatArray
    faces: IntArray
    normals: FloatArray

    @cached_property
    def scene(self) -> Scene:
        """The mesh to cast rays at."""
        return Scene(self.vertices, self.faces)

    @cached_property
    def corners(self) -> FloatArray:
        """The corners of the box around the mesh, RAS mm, shape (8, 3)."""
        edges = zip(self.vertices.min(0), self.vertices.max(0), strict=True)
        return np.array(list(product(*edges)))


@dataclass(frozen=True)
class Level:
    """The share of head in each voxel: what the surface of the head is drawn through.

    Parameters
    ----------
    values : ndarray of float32, shape (X, Y, Z)
        From 0 to 1, on voxels of about the spacing of the surface.
    affine : ndarray, shape (4, 4)
        Indices of these voxels to RAS mm.
    thick : int or None
        Axis across thick slices.
    """

    values: FloatArray
    affine: FloatArray
    thick: int | None = None

    @property
    def zooms(self) -> FloatArray:
        """Voxel sizes, mm, shape (3,)."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)


def skin_surface(
    data: AnyArray, affine: FloatArray, spacing: float = SPACING_MM, *, hounsfield: bool = False
) -> Mesh:
    """Return a mesh of the outer surface of the head, with subvoxel accuracy.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
        Intensities.
    affine : ndarray, shape (4, 4)
        Voxel indices to RAS mm.
    spacing : float
        Distance of the vertices, mm. Smaller voxels are averaged first.
    hounsfield : bool
        Whether intensities are Hounsfield units.

    Raises
    ------
    NotAHeadError
        If the foreground does not have the size of a head.
    """
    return mesh(head_level(data, affine, spacing, hounsfield=hounsfield), spacing)


def head_level(
    data: AnyArray, affine: FloatArray, spacing: float = SPACING_MM, *, hounsfield: bool = False
) -> Level:
    """Measure the share of head in each voxel, with parameters as of `skin_surface`."""
    zooms = np.linalg.norm(affine[:3, :3], axis=0)
    data, step = _averaged(np.asarray(data, np.float32), zooms, spacing)
    values = _level(data, zooms * step, hounsfield=hounsfield)
    return Level(values, affine @ np.diag([*step, 1.0]), _thick_axis(zooms))


def mesh(level: Level, spacing: float = SPACING_MM) -> Mesh:
    """Draw the surface of a head, with vertices `spacing` mm apart; empty without a head."""
    from skimage.measure import marching_cubes

    field, zooms = np.pad(level.values, 3), level.zooms
    index = np.eye(4)
    index[:3, 3] = -3
    fine = spacing / zooms
    shape = tuple(np.ceil((np.array(field.shape) - 1) / fine).astype(int) + 1)
    if level.thick is None:
        field = ndimage.gaussian_filter(field, np.maximum(SMOOTH_MM / zooms, SMOOTH_VOXELS))
    else:
        field = _distance_in_slices(field, level.thick, zooms)
    field = rescale(field, fine, 0, shape)
    if level.thick is not None:
        field = ndimage.gaussian_filter(np.clip(0.5 - field / 4, 0, 1), 1.2 / spacing)
    index = level.affine @ index @ np.diag([*fine, 1.0])
    if not field.min() < 0.5 < field.max():
        return Mesh(np.empty((0, 3), np.float32), np.empty((0, 3), np.int32), np.empty((0, 3)))
    points, faces, normals, _ = marching_cubes(field, 0.5)
    vertices = apply_affine(index, points)
    # Gradients transform by the inverse transpose; marching_cubes' normals point to low values.
    normals = normals @ np.linalg.inv(index[:3, :3])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return Mesh(vertices.astype(np.float32), faces.astype(np.int32), normals.astype(np.float32))


def _averaged(
    data: FloatArray, zooms: FloatArray, spacing: float
) -> tuple[FloatArray, FloatArray]:
    """Average voxels smaller than the spacing. Return also the size of the new ones in voxels."""
    step = np.where(zooms < 0.85 * spacing, spacing / zooms, 1.0)
    if (step == 1).all():
        return data, step
    smooth = ndimage.gaussian_filter(data, np.where(step > 1, 0.35 * step, 0), truncate=2.5)
    shape = np.maximum(np.floor((np.array(data.shape) - 1) / step).astype(int) + 1, 2)
    return rescale(smooth, step, 0, tuple(shape)), step


def _level(data: FloatArray, zooms: FloatArray, *, hounsfield: bool) -> FloatArray:
    """Return the share of head in each voxel, in [0, 1].

    At the border, the share is the intensity relative to the local intensity of the skin. Inside
    and outside, it follows from the foreground.
    """
    head = head_mask(data, zooms, hounsfield=hounsfield)
    if hounsfield:
        data = np.clip(data, AIR_HU, TISSUE_HU) - AIR_HU
    level = np.clip(data / _local_signal(data, head, zooms), 0, 1)
    deep = ndimage.binary_erosion(head, iterations=1)
    near = ndimage.binary_dilation(head, iterations=1)
    return np.where(deep, 1, np.where(near, level, 0)).astype(np.float32)


def _thick_axis(zooms: FloatArray) -> int | None:
    """Return the axis across thick slices, or None."""
    axis = int(np.argmax(zooms))
    thick = zooms[axis] > max(THICK_MM, THICK_RATIO * np.median(zooms))
    return axis if thick else None


def _distance_in_slices(level: FloatArray, axis: int, zooms: FloatArray) -> FloatArray:
    """Return the signed distance (mm, negative inside) to the outline within each slice.

    Shape-based interpolation averages distances between slices instead of intensities, so that the
    outline moves smoothly from one slice to the next (Raya & Udupa, 1990, IEEE Trans. Med. Imaging
    9:32). Within the nearest pixel, the distance follows from the level and has subpixel accuracy.
    """
    inside = level > 0.5
    zooms = np.delete(zooms, axis)
    distance = np.empty(level.shape, np.float32)
    parts = (np.moveaxis(array, axis, 0) for array in (distance, inside, level))
    for result, mask, part in zip(*parts, strict=True):
        if not mask.any():
            result[...] = FARTHEST_MM
            continue
        far, size = grids.signed_distance(mask, zooms), zooms.mean()
        result[...] = np.where(np.abs(far) <= size, (0.5 - part) * size, far)
    # Without a limit, slices beyond the head would cut off the surface at the last slice.
    return np.clip(distance, -FARTHEST_MM, FARTHEST_MM)


def _local_signal(
    data: FloatArray, head: BoolArray, zooms: FloatArray, width: float = 8.0
) -> FloatArray:
    """Return the mean intensity of the head around each voxel.

    The mean is Gaussian (standard deviation `width`, mm), computed at about 2 mm.
    """
    slices = coarse_slices(zooms)
    coarse = zooms * [part.step for part in slices]
    there = head[slices].astype(np.float32)
    weight = ndimage.gaussian_filter(there, width / coarse, truncate=2)
    signal = ndimage.gaussian_filter(data[slices] * there, width / coarse, truncate=2)
    return refine(signal / np.maximum(weight, 1e-3) + 1e-6, slices, head.shape)
