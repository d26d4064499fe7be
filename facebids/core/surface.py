# SPDX-License-Identifier: Apache-2.0
"""The skin: which voxels are head, and a smooth mesh of its outer surface."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from facebids.core.grids import coarse_slices, refine
from facebids.errors import NotAHeadError

HEAD_ML = (500, 12000)  # a cropped slab of a child's head; a head with neck and shoulders
CONTRAST = 6.0  # median signal over median air: pure noise has up to 5, scans 36 and more
BRIDGE_MM = 5.0  # gaps (nostrils, lips, ear canals) that are bridged to tell inside from outside
SMOOTH_MM, SMOOTH_VOXELS = 0.9, 0.75  # standard deviation of the skin's smoothing: the larger


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


def tissue_threshold(data):
    """Intensity between air and tissue: Otsu's threshold of the logarithm.

    The logarithm keeps what is dark above it where a surface coil makes some skin many times
    brighter. Intensities under 1 % of the brightest are taken as that.
    """
    from skimage.filters import threshold_otsu

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
        Distance of the mesh's points, mm.

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
    data = np.asarray(data, np.float32)
    head = head_mask(data, zooms)
    # Half the skin's own signal marks the border; depth and air are settled by the mask.
    level = np.clip(data / _local_signal(data, head, zooms), 0, 1)
    deep = ndimage.binary_erosion(head, iterations=1)
    near = ndimage.binary_dilation(head, iterations=1)
    field = np.where(deep, 1, np.where(near, level, 0)).astype(np.float32)
    field = np.pad(field, 3)
    step = spacing / zooms
    shape = np.ceil((np.array(field.shape) - 1) / step).astype(int) + 1
    field = ndimage.gaussian_filter(field, np.maximum(SMOOTH_MM / zooms, SMOOTH_VOXELS))
    field = ndimage.affine_transform(field, np.diag(step), output_shape=tuple(shape), order=1)
    points, faces, normals, _ = marching_cubes(field, 0.5)
    linear = affine[:3, :3]
    vertices = (points * step - 3) @ linear.T + affine[:3, 3]
    # Gradients transform by the inverse transpose; marching_cubes' normals point to low values.
    normals = (normals / step) @ np.linalg.inv(linear)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return Mesh(vertices.astype(np.float32), faces.astype(np.int32), normals.astype(np.float32))


def _local_signal(data, head, zooms, width=8.0):
    """Mean signal of the head around each voxel (Gaussian of `width` mm)."""
    weight = ndimage.gaussian_filter(head.astype(np.float32), width / zooms, truncate=2)
    signal = ndimage.gaussian_filter(data * head, width / zooms, truncate=2)
    return signal / np.maximum(weight, 1e-3) + 1e-6


def _interior(head, zooms):
    """Voxels enclosed by the head once its narrow openings are bridged; found at about 2 mm."""
    slices = coarse_slices(zooms)
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
