# SPDX-License-Identifier: Apache-2.0
"""The surface of the brain and of the cranial cavity, by a small network.

The image is carried to a box around the brain of the atlas, at 2 mm. A U-Net (Ronneberger et al.,
2015, MICCAI 9351:234; in 3-D) returns signed distances to the brain and to the fluid around it. It
was trained on synthetic images alone, as SynthStrip (Hoopes et al., 2022, NeuroImage 260:119474),
so that contrast, resolution and age matter little. `training/` of the repository makes the
weights.
"""

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from scipy import ndimage

from facebids.core import grids, networks
from facebids.core.arrays import BoolArray, FloatArray
from facebids.core.atlas import generic_atlas
from facebids.core.grids import resample
from facebids.core.images import Volume

WEIGHTS = 'core/brain/boundary.onnx'
WEIGHTS_SHA256 = '7b00b2939fb5f7e256896e305db1fe3d3d2ca1103ba72ebe44ad55a547512ea3'
SPACING = 2.0  # atlas mm
SHAPE = (88, 104, 96)  # multiples of 8
ORIGIN = (-87.0, -121.0, -85.0)  # atlas mm of the first voxel: the brain and 15 mm around it
LIMIT_MM = 12.0  # distances up to which the network is trained
EXACT_MM = 6.0  # up to which its distances are used; beyond, they are measured from its surface
INNER_MM = -6.0  # inside the brain of every subject
BRIGHTEST = 3.0  # signal relative to the median of the brain
WINDOW_HU = (-100.0, 300.0)
MIDDLE_HU = 35.0  # of a brain in CT


@dataclass(frozen=True)
class Brain:
    """The brain of a subject, in the box around the brain of the atlas.

    Attributes
    ----------
    distances : shape (2, *`SHAPE`)
        What the network returned: signed distances to the surface of the brain and to that of the
        fluid around it, atlas mm, negative inside.
    """

    distances: FloatArray

    @cached_property
    def surface(self) -> FloatArray:
        """Signed distance (atlas mm) to the surface of the brain, shape `SHAPE`."""
        return _tidied(self.distances[0])

    @cached_property
    def cavity(self) -> FloatArray:
        """Signed distance (atlas mm) to the outer surface of the fluid around the brain."""
        return _tidied(self.distances[1])


def find(volume: Volume, affine: FloatArray) -> Brain:
    """Find the brain in an image of any contrast.

    Parameters
    ----------
    volume
        The image.
    affine : shape (4, 4)
        Atlas RAS mm to subject RAS mm.
    """
    to_index = np.linalg.inv(volume.affine) @ affine @ box_affine()
    # A Gaussian removes what the box cannot represent.
    blur = np.maximum(0.4 * SPACING / volume.zooms - 0.4, 0)
    smooth = ndimage.gaussian_filter(np.asarray(volume.data, np.float32), blur)
    image = resample(smooth, to_index, SHAPE, 'constant')
    image = normalise(image, inner_brain(), hounsfield=volume.hounsfield)
    inputs = {'image': fold(image), 'prior': prior()}
    both = np.split(_network().run(None, inputs)[0], 2, axis=1)
    return Brain(np.stack([unfold(part) * LIMIT_MM for part in both]))


def on_grid(
    distance: FloatArray, shape: tuple[int, ...], grid: FloatArray, affine: FloatArray
) -> FloatArray:
    """Resample a distance of the box on the grid of an image.

    Parameters
    ----------
    distance : shape `SHAPE`
        Atlas mm.
    shape
        Shape of the image.
    grid : shape (4, 4)
        Its voxel indices to subject RAS mm.
    affine : shape (4, 4)
        Atlas RAS mm to subject RAS mm.

    Returns
    -------
    ndarray of float32, shape `shape`
        Subject mm.
    """
    to_index = np.linalg.inv(box_affine()) @ np.linalg.inv(affine) @ grid
    size = float(np.cbrt(np.linalg.det(affine[:3, :3])))
    return resample(distance * size, to_index, shape)


@cache
def _network() -> Any:
    return networks.load(WEIGHTS, WEIGHTS_SHA256)


def _tidied(distance: FloatArray) -> FloatArray:
    """Keep the largest object of a signed distance, without holes, and extend it over the box."""
    labels, count = ndimage.label(distance < 0)
    if not count:
        return np.full(SHAPE, np.float32(LIMIT_MM))
    inside = ndimage.binary_fill_holes(labels == np.bincount(labels[labels > 0]).argmax())
    measured = grids.signed_distance(inside, SPACING)
    exact = (np.abs(measured) < EXACT_MM) & ((distance < 0) == inside)
    return np.where(exact, distance, measured).astype(np.float32)


@cache
def atlas_distance() -> FloatArray:
    """Signed distance (atlas mm) to the brain of the atlas in the box, shape `SHAPE`."""
    atlas = generic_atlas(SPACING)
    to_index = np.linalg.inv(atlas.affine) @ box_affine()
    return resample(atlas.brain, to_index, SHAPE)


def box_affine() -> FloatArray:
    """Voxel indices of the box to atlas RAS mm, shape (4, 4)."""
    affine = np.diag([SPACING] * 3 + [1.0])
    affine[:3, 3] = ORIGIN
    return affine


def inner_brain() -> BoolArray:
    """Return where the brain of every subject is, shape `SHAPE`."""
    return np.asarray(atlas_distance() < INNER_MM)


def normalise(data: FloatArray, inner: BoolArray, *, hounsfield: bool) -> FloatArray:
    """Scale intensities so that the median of the brain is 1 and air 0.

    Parameters
    ----------
    data : shape `SHAPE`
        Intensities.
    inner : shape `SHAPE`
        Where the brain is.
    hounsfield
        Whether they are Hounsfield units.
    """
    if hounsfield:
        low, high = WINDOW_HU
        return np.asarray((np.clip(data, low, high) - low) / (MIDDLE_HU - low), np.float32)
    seen = data[inner & (data > 0)]
    middle = float(np.median(seen)) if seen.size else 1.0
    return np.asarray(np.clip(data / max(middle, 1e-6), 0, BRIGHTEST), np.float32)


def fold(data: FloatArray) -> FloatArray:
    """Turn the voxels of cubes of 2 into channels: shape (X, Y, Z) to (1, 8, X/2, Y/2, Z/2)."""
    x, y, z = (n // 2 for n in data.shape)
    cubes = data.reshape(x, 2, y, 2, z, 2).transpose(1, 3, 5, 0, 2, 4)
    return np.ascontiguousarray(cubes.reshape(1, 8, x, y, z), np.float32)


def unfold(channels: FloatArray) -> FloatArray:
    """Invert `fold`."""
    x, y, z = channels.shape[2:]
    cubes = channels.reshape(2, 2, 2, x, y, z).transpose(3, 0, 4, 1, 5, 2)
    return cubes.reshape(2 * x, 2 * y, 2 * z)


def prior() -> FloatArray:
    """Second input of the network: the distance to the atlas brain, folded."""
    return fold(np.clip(atlas_distance() / LIMIT_MM, -1, 1))
