# SPDX-License-Identifier: Apache-2.0
"""Separate the head from the air around it."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from facebids.core.arrays import AnyArray, BoolArray, FloatArray
from facebids.core.grids import coarse_slices, distance, refine
from facebids.errors import NotAHeadError

HEAD_ML = (500, 12000)  # a cropped slab of a child's head; a head with neck and shoulders
CONTRAST = 6.0  # least median signal over median air: noise alone has up to 5, scans 36 and more
BRIDGE_MM = 5.0  # gaps (nostrils, lips, ear canals) that are closed to find the interior
INSIDE_MM = 2.25  # spacing of that: all voxels of 2 mm, every other one of 1.5 mm
AIR_HU, SKIN_HU, TISSUE_HU = -1000.0, -300.0, 400.0  # CT: air, threshold of skin, upper bound


def tissue_threshold(data: AnyArray, *, hounsfield: bool = False) -> float:
    """Find the intensity between air and tissue.

    Otsu's threshold of the logarithm, which keeps dark tissue above it where a surface coil makes
    some skin many times brighter. Intensities below 1 % of the brightest count as 1 %.

    Parameters
    ----------
    data : ndarray
        Intensities.
    hounsfield : bool
        Whether they are Hounsfield units; the threshold is -300 HU then.

    Raises
    ------
    NotAHeadError
        If no intensities stand out: all are equal, or fewer than one in 1000 is positive.
    """
    from skimage.filters import threshold_otsu

    if hounsfield:
        return SKIN_HU
    top = float(np.quantile(data, 0.999))
    if top <= 0 or (data == np.max(data)).all():
        raise NotAHeadError(
            'No head was found: all intensities are equal, or fewer than one in 1000 is positive. '
            'Look at the image, or leave it out with --bids-filter-file.'
        )
    logarithm = np.maximum(data, 0.01 * top)
    if np.issubdtype(logarithm.dtype, np.floating):
        np.log(logarithm, out=logarithm)  # in place, as images are large
    else:
        logarithm = np.log(logarithm)
    counts, edges = np.histogram(logarithm, 256)  # of the array, threshold_otsu would make a copy
    return float(np.exp(threshold_otsu(hist=(counts, (edges[:-1] + edges[1:]) / 2))))


def head_mask(
    data: AnyArray, zooms: ArrayLike, *, hounsfield: bool = False, overwrite: bool = False
) -> BoolArray:
    """Find the voxels of the head, with its cavities filled.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
        Intensities.
    zooms : array of 3 floats
        Voxel sizes, mm.
    hounsfield : bool
        Whether the intensities are Hounsfield units.
    overwrite : bool
        Whether to smooth the intensities in place, which saves memory.

    Returns
    -------
    ndarray of bool, shape (X, Y, Z)

    Raises
    ------
    NotAHeadError
        If nothing of the size of a head stands out from the air.
    """
    zooms = np.asarray(zooms, float)
    data = np.asarray(data, np.float32)
    smooth = ndimage.gaussian_filter(data, 0.6 / zooms, output=data if overwrite else None)
    tissue = smooth > tissue_threshold(smooth, hounsfield=hounsfield)
    head = _largest(_open(tissue, 2.0, zooms))
    volume = float(head.sum() * zooms.prod() / 1000)
    if not HEAD_ML[0] <= volume <= HEAD_ML[1]:
        raise NotAHeadError(
            f'No head was found: the foreground measures {volume:.0f} mL, but a head '
            f'{HEAD_ML[0]} to {HEAD_ML[1]} mL. Leave the image out with --bids-filter-file.'
        )
    # In a phase image, the values of air scatter around zero.
    if not (hounsfield or head.all()) and np.median(smooth[head]) < CONTRAST * _typical(
        smooth[~head]
    ):
        raise NotAHeadError(
            'No head was found: nothing stands out from the noise. Look at the image, or leave it '
            'out with --bids-filter-file.'
        )
    # Restore the skin that the opening removed, but not the specks in the air.
    head = tissue & ndimage.binary_dilation(head, iterations=2)
    return head | _interior(head, zooms)


def _typical(values: FloatArray) -> float:
    """Return the median of absolute values, which are computed in place."""
    return float(np.median(np.abs(values, out=values), overwrite_input=True))


def _interior(head: BoolArray, zooms: FloatArray) -> BoolArray:
    """Return voxels that the head encloses once its narrow openings are closed, at 2 to 3 mm."""
    slices = coarse_slices(zooms, INSIDE_MM)
    zooms = zooms * [part.step for part in slices]
    pad = int(np.ceil(BRIDGE_MM / zooms.min())) + 1
    padded = np.pad(head[slices], pad)
    bridged = distance(~padded, zooms) < BRIDGE_MM
    # Filling slice by slice also closes cavities that are open to the throat or a cropped edge.
    for axis in range(3):
        bridged = _fill_slices(bridged, axis)
    depth = distance(bridged, zooms)
    inner = (depth > BRIDGE_MM + 2)[tuple(slice(pad, -pad) for _ in range(3))]
    return refine(inner, slices, head.shape)


def _fill_slices(mask: BoolArray, axis: int) -> BoolArray:
    """Fill the holes of each slice, as `scipy.ndimage.binary_fill_holes` does, all at once."""
    planes = np.moveaxis(mask, axis, 0)
    neighbours = np.zeros((3, 3, 3), bool)
    neighbours[1] = ndimage.generate_binary_structure(2, 1)
    labels, count = ndimage.label(~planes, neighbours)
    outside = np.zeros(count + 1, bool)
    for edge in (labels[:, 0], labels[:, -1], labels[..., 0], labels[..., -1]):
        outside[edge] = True
    outside[0] = False  # the mask itself
    return np.moveaxis(~outside[labels], 0, axis)


def _open(mask: BoolArray, radius: float, zooms: FloatArray) -> BoolArray:
    """Apply a morphological opening of about `radius` mm."""
    iterations = max(int(np.rint(radius / np.median(zooms))), 1)
    core = ndimage.binary_erosion(mask, iterations=iterations, border_value=1)
    return ndimage.binary_dilation(core, iterations=iterations) & mask


def _largest(mask: BoolArray) -> BoolArray:
    """Return the largest connected component."""
    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    # in parts, as bincount converts to integers of 8 bytes
    sizes = np.zeros(count + 1, int)
    for part in np.array_split(labels, 8):
        sizes += np.bincount(part.ravel(), minlength=count + 1)
    return labels == np.argmax(sizes[1:]) + 1
