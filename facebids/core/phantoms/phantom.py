# SPDX-License-Identifier: Apache-2.0
"""Simulated scans of fictitious people, with their ground truth.

A person is an identity of the atlas and a head size. A session changes mouth, lids and weight a
little (`another_day`), and a scan adds pose, coil shading and noise.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage
from scipy.spatial.transform import Rotation

from facebids.core.arrays import AnyArray, FloatArray, IntArray
from facebids.core.atlas import (
    SPACE,
    HeadAtlas,
    Identity,
    another_day,
    build_atlas,
    draw_identity,
)
from facebids.core.contrasts import HOUNSFIELD

WHITE_MATTER = 600.0  # stored intensity of white matter in T1w
MARGIN_MM = 12.0  # air around the head
AIR_HU, REST_HU = -1000.0, 80.0
NOISE_HU = 1000.0  # standard deviation in CT for a `noise` of 1


@dataclass(frozen=True)
class Person:
    """A fictitious person.

    Parameters
    ----------
    identity : Identity
    scale : ndarray, shape (3,)
        Size of the head relative to the atlas, along x, y and z.
    """

    identity: Identity
    scale: FloatArray


@dataclass(frozen=True)
class Scan:
    """A simulated scan.

    Parameters
    ----------
    data : ndarray of int16, shape (X, Y, Z)
    affine : ndarray, shape (4, 4)
        Voxel indices to scanner RAS mm.
    transform : ndarray, shape (4, 4)
        Ground truth: atlas RAS mm to scanner RAS mm.
    """

    data: IntArray
    affine: FloatArray
    transform: FloatArray


def draw_person(rng: np.random.Generator) -> Person:
    """Draw a person: a face, and the head size of an adult.

    The head size relative to the atlas has a mean of 0.88 and a standard deviation of 0.03, as in
    affine registrations of adults, and a standard deviation of 0.01 between axes.
    """
    size = 0.88 + 0.03 * rng.normal() + 0.01 * rng.normal(size=3)
    return Person(draw_identity(rng), size)


def build_person(person: Person, resolution: float) -> HeadAtlas:
    """Build the head of a person in atlas space, at a grid spacing of `resolution` mm."""
    return build_atlas(resolution, person.identity)


def visit(person: Person, rng: np.random.Generator) -> Person:
    """Return a person at another session, with a slightly changed face."""
    return replace(person, identity=another_day(person.identity, rng))


def draw_pose(rng: np.random.Generator, person: Person) -> FloatArray:
    """Draw the affine from the atlas to the scanner, shape (4, 4).

    It has the size of the head, a tilt of a few degrees and a shift of a few mm.
    """
    pitch, roll, yaw = np.deg2rad(rng.normal(size=3) * (6, 3, 3))
    transform = np.eye(4)
    transform[:3, :3] = Rotation.from_euler('XYZ', (pitch, -roll, yaw)).as_matrix()
    transform[:3, :3] *= person.scale
    transform[:3, 3] = rng.normal(size=3) * 5
    return transform


def scan(
    head: HeadAtlas,
    transform: FloatArray,
    modality: str,
    rng: np.random.Generator,
    spacing: ArrayLike = 2.0,
    noise: float = 0.02,
    shading: float = 0.2,
    *,
    head_rest: bool = False,
) -> Scan:
    """Simulate a scan of a head.

    Parameters
    ----------
    head : HeadAtlas
        From `build_person`.
    transform : ndarray, shape (4, 4)
        Atlas RAS mm to scanner RAS mm.
    modality : str
        A modality of the atlas.
    rng : numpy.random.Generator
    spacing : float or tuple of 3 floats
        Voxel size, mm.
    noise : float
        Standard deviation of the complex noise relative to the signal of white matter (Rician
        magnitude); in CT, of Gaussian noise in 1000 HU.
    shading : float
        Standard deviation of the logarithm of the smooth coil shading. CT has none.
    head_rest : bool
        Add a plastic shell behind the head, which only CT shows.

    Returns
    -------
    Scan
        CT is in HU.
    """
    step = np.broadcast_to(np.asarray(spacing, float), 3)
    low, high = _bounds(head, transform)
    shape = tuple(np.ceil((high - low) / step).astype(int))
    affine = np.diag([*step, 1.0])
    affine[:3, 3] = low
    index = np.linalg.inv(head.affine) @ np.linalg.inv(transform) @ affine
    signal = head.contrast(modality)
    computed = modality in HOUNSFIELD
    if computed and head_rest:
        signal = np.maximum(signal, _head_rest(head))
    # Thick slices average over their thickness.
    blur = step / np.diag(head.affine)[:3] / np.diag(transform)[:3] * 0.4
    signal = ndimage.gaussian_filter(signal, np.where(blur > 0.5, blur, 0.4))
    outside = AIR_HU if computed else 0.0
    image = ndimage.affine_transform(
        signal, index[:3, :3], index[:3, 3], output_shape=shape, order=1, cval=outside
    )
    if computed:
        image = image + NOISE_HU * noise * rng.normal(size=shape)
    else:
        image = image * np.exp(_smooth_field(rng, shape, step, shading))
        image = np.hypot(image + noise * rng.normal(size=shape), noise * rng.normal(size=shape))
        image = WHITE_MATTER * image
    return Scan(image.round().astype(np.int16), affine, transform)


def _head_rest(head: HeadAtlas) -> FloatArray:
    """Return the signal (HU) of a shell of 6 mm plastic behind the head, shape (X, Y, Z)."""
    x, y, z = np.meshgrid(*head.axes, indexing='ij', sparse=True)
    shell = (
        np.abs(np.hypot(x, 0.83 * (y + 15)) - 102) - 3
    )  # the back of the head is 107 mm from -15
    depth = np.maximum(np.maximum(shell, y + 45), np.abs(z) - 70)
    cover = np.clip(0.5 - depth / head.affine[0, 0], 0, 1)
    return AIR_HU + cover * (REST_HU - AIR_HU)


def _bounds(head: HeadAtlas, transform: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return a box (mm) around the head in the scanner, which ends below with the atlas."""
    corners = np.array(np.meshgrid(*[(a[0] + 8, a[-1] - 8) for a in head.axes])).reshape(3, -1)
    points = transform[:3, :3] @ corners + transform[:3, 3:]
    centre, half = (points.max(1) + points.min(1)) / 2, np.ptp(points, axis=1) / 2
    return centre - half * 0.97 - MARGIN_MM / 2, centre + half * 0.97 + MARGIN_MM / 2


def _smooth_field(
    rng: np.random.Generator, shape: tuple[int, ...], step: FloatArray, amplitude: float
) -> FloatArray:
    """Draw a smooth random field with a standard deviation, of waves longer than 100 mm."""
    nodes = np.maximum(np.ceil(np.array(shape) * step / 90).astype(int), 2) + 1
    coarse: AnyArray = rng.normal(size=nodes)
    coarse -= coarse.mean()
    for size in shape:  # axis by axis: each product moves the axis that it enlarged to the end
        basis = ndimage.zoom(np.eye(len(coarse)), (1, size / len(coarse)), order=3, mode='nearest')
        coarse = np.tensordot(coarse, basis, (0, 0))
    return amplitude * coarse


__all__ = ['SPACE', 'Person', 'Scan', 'build_person', 'draw_person', 'draw_pose', 'scan', 'visit']
