# SPDX-License-Identifier: Apache-2.0
"""The skin: which voxels are head, and a smooth mesh of its outer surface."""

from dataclasses import dataclass

import numpy as np
from nibabel.affines import apply_affine
from scipy import ndimage

from facebids.core.grids import coarse_slices, refine
from facebids.errors import NotAHeadError

HEAD_ML = (500, 12000)  # a cropped slab of a child's head; a head with neck and shoulders
CONTRAST = 6.0  # median signal over median air: pure noise has up to 5, scans 36 and more
BRIDGE_MM = 5.0  # gaps (nostrils, lips, ear canals) that are bridged to tell inside from outside
INSIDE_MM = 2.25  # spacing at which that is found: voxels of 2 mm all, every other one of 1.5
SMOOTH_MM, SMOOTH_VOXELS = 0.9, 0.75  # standard deviation of the skin's smoothing: the larger
THICK_MM, THICK_RATIO = 2.5, 1.8  # a slice thicker than that, and than its pixels, is thick
FARTHEST_MM = 30.0  # beyond that, distance to an outline is all the same
AIR_HU, SKIN_HU, TISSUE_HU = -1000.0, -300.0, 400.0  # of CT: air; its skin; all above is tissue


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


def is_ct(data):
    """Whether intensities are Hounsfield units: much of the image lies far below zero."""
    return float(np.mean(np.asarray(data)[::2, ::2, ::2] < SKIN_HU)) > 0.05


def tissue_threshold(data):
    """Intensity between air and tissue: Otsu's threshold of the logarithm; of CT, -300 HU.

    The logarithm keeps what is dark above it where a surface coil makes some skin many times
    brighter. Intensities under 1 % of the brightest are taken as that.
    """
    from skimage.filters import threshold_otsu

    if is_ct(data):
        return SKIN_HU
    top = float(np.quantile(data, 0.999))
    return float(np.exp(threshold_otsu(np.log(np.maximum(data, 0.01 * top)))))


def head_mask(data, zooms):
    """Find the voxels of the head, its cavities filled.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
        Intensities.
    zooms : array of 3 floats
        Voxel sizes, mm.

    Returns
    -------
    ndarray of bool, shape (X, Y, Z)

    Raises
    ------
    NotAHeadError
        If nothing of a head's size stands out from the air.
    """
    zooms = np.asarray(zooms, float)
    smooth = ndimage.gaussian_filter(np.asarray(data, np.float32), 0.6 / zooms)
    tissue = smooth > tissue_threshold(smooth)
    head = _largest(_open(tissue, 2.0, zooms))
    volume = float(head.sum() * zooms.prod() / 1000)
    if not HEAD_ML[0] <= volume <= HEAD_ML[1]:
        raise NotAHeadError(
            f'No head was found: what stands out from the air measures {volume:.0f} mL, a head '
            f'{HEAD_ML[0]} to {HEAD_ML[1]} mL. Leave the image out with --bids-filter-file.'
        )
    if not head.all() and np.median(smooth[head]) < CONTRAST * np.median(smooth[~head]):
        raise NotAHeadError(
            'No head was found: nothing stands out from the noise. Look at the image, or leave it '
            'out with --bids-filter-file.'
        )
    # What the opening took off the head's own skin comes back; specks in the air do not.
    head = tissue & ndimage.binary_dilation(head, iterations=2)
    return head | _interior(head, zooms)


def skin_surface(data, affine, spacing=1.5):
    """Mesh of the head's outer surface, between voxels where the image tells.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
        Intensities.
    affine : ndarray, shape (4, 4)
        Voxel indices to RAS mm.
    spacing : float
        Distance of the mesh's points, mm. Finer voxels are averaged to it first.

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
    field = np.pad(_level(data, zooms * step), 3)
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


def _level(data, zooms):
    """How much of each voxel is head, in [0, 1]: half the skin's own signal marks the border.

    Depth and air are settled by the mask.
    """
    head = head_mask(data, zooms)
    if is_ct(data):
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


def _interior(head, zooms):
    """Voxels enclosed by the head once its narrow openings are bridged; found at 2 to 3 mm."""
    slices = coarse_slices(zooms, INSIDE_MM)
    zooms = zooms * [part.step for part in slices]
    pad = int(np.ceil(BRIDGE_MM / zooms.min())) + 1
    padded = np.pad(head[slices], pad)
    bridged = ndimage.distance_transform_edt(~padded, sampling=zooms) < BRIDGE_MM
    # Slice by slice: cavities that a cropped field of view or the throat opens are closed too.
    for axis in range(3):
        for plane in np.moveaxis(bridged, axis, 0):
            plane[...] = ndimage.binary_fill_holes(plane)
    depth = ndimage.distance_transform_edt(bridged, sampling=zooms)
    inner = (depth > BRIDGE_MM + 2)[tuple(slice(pad, -pad) for _ in range(3))]
    return refine(inner, slices, head.shape)


def _open(mask, radius, zooms):
    """Morphological opening by about `radius` mm."""
    iterations = max(int(np.rint(radius / np.median(zooms))), 1)
    core = ndimage.binary_erosion(mask, iterations=iterations, border_value=1)
    return ndimage.binary_dilation(core, iterations=iterations) & mask


def _largest(mask):
    """Return the largest connected component."""
    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    return labels == np.argmax(np.bincount(labels.ravel())[1:]) + 1
