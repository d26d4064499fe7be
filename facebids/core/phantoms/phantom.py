# SPDX-License-Identifier: Apache-2.0
"""Scans of people who do not exist, with their ground truth.

A person is an identity of the atlas and a head size; a session changes mouth, lids and weight a
little (`identity.DAY`), a scan adds pose, coil shading and noise.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from facebids.core.atlas import (
    COMPUTED,
    SPACE,
    Identity,
    another_day,
    build_atlas,
    draw_identity,
)

WHITE_MATTER = 600.0  # stored intensity of white matter in T1w
MARGIN_MM = 12.0  # air around the head
AIR_HU, REST_HU = -1000.0, 80.0
NOISE_HU = 1000.0  # of CT, for a `noise` of 1


@dataclass(frozen=True)
class Person:
    """Somebody who can be scanned.

    Parameters
    ----------
    identity : Identity
    scale : ndarray, shape (3,)
        Size of the head over that of the atlas, along x, y and z.
    """

    identity: Identity
    scale: np.ndarray


@dataclass(frozen=True)
class Scan:
    """A phantom scan.

    Parameters
    ----------
    data : ndarray of int16, shape (X, Y, Z)
    affine : ndarray, shape (4, 4)
        Voxel indices to scanner RAS mm.
    transform : ndarray, shape (4, 4)
        The truth: atlas RAS mm to scanner RAS mm.
    """

    data: np.ndarray
    affine: np.ndarray
    transform: np.ndarray


def draw_person(rng):
    """Draw somebody: a face, and a head size of an adult.

    Head size over the atlas's: 0.88 with a standard deviation of 0.03, as affine registration of
    adults gives; a tenth of that varies by axis.
    """
    size = 0.88 + 0.03 * rng.normal() + 0.01 * rng.normal(size=3)
    return Person(draw_identity(rng), size)


def build_person(person, resolution):
    """Build the person's head in atlas space, to be scanned with `scan`."""
    return build_atlas(resolution, person.identity)


def visit(person, rng):
    """Return the person as they come to another session: almost the same face."""
    return replace(person, identity=another_day(person.identity, rng))


def draw_pose(rng, person):
    """Atlas to scanner: the head's size, a tilt of a few degrees, a few mm off centre."""
    pitch, roll, yaw = np.deg2rad(rng.normal(size=3) * (6, 3, 3))
    transform = np.eye(4)
    transform[:3, :3] = _rotation(pitch, 0) @ _rotation(roll, 1) @ _rotation(yaw, 2)
    transform[:3, :3] *= person.scale
    transform[:3, 3] = rng.normal(size=3) * 5
    return transform


def scan(head, transform, modality, rng, spacing=2.0, noise=0.02, shading=0.2, *, head_rest=False):
    """Scan a head.

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
        Standard deviation of the complex noise over white matter's signal (Rician magnitude);
        in CT of the Gaussian noise in 1000 HU.
    shading : float
        Standard deviation of the smooth multiplicative coil shading's logarithm; CT has none.
    head_rest : bool
        Put a plastic shell behind the head. Only CT shows it.

    Returns
    -------
    Scan
        In HU for CT.
    """
    step = np.broadcast_to(np.asarray(spacing, float), 3)
    low, high = _bounds(head, transform)
    shape = tuple(np.ceil((high - low) / step).astype(int))
    affine = np.diag([*step, 1.0])
    affine[:3, 3] = low
    index = np.linalg.inv(head.affine) @ np.linalg.inv(transform) @ affine
    signal = head.contrast(modality)
    computed = modality in COMPUTED
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


def _head_rest(head):
    """Signal (HU) of a cradle of 6 mm plastic behind the head, shape (X, Y, Z)."""
    x, y, z = np.meshgrid(*head.axes, indexing='ij', sparse=True)
    shell = np.abs(np.hypot(x, 0.83 * (y + 15)) - 102) - 3  # the head's back is 107 mm from -15
    depth = np.maximum(np.maximum(shell, y + 45), np.abs(z) - 70)
    cover = np.clip(0.5 - depth / head.affine[0, 0], 0, 1)
    return AIR_HU + cover * (REST_HU - AIR_HU)


def _bounds(head, transform):
    """Box (mm) around the head in the scanner; below, the field of view ends with the atlas."""
    corners = np.array(np.meshgrid(*[(a[0] + 8, a[-1] - 8) for a in head.axes])).reshape(3, -1)
    points = transform[:3, :3] @ corners + transform[:3, 3:]
    centre, half = (points.max(1) + points.min(1)) / 2, np.ptp(points, axis=1) / 2
    return centre - half * 0.97 - MARGIN_MM / 2, centre + half * 0.97 + MARGIN_MM / 2


def _smooth_field(rng, shape, step, amplitude):
    """Return a smooth random field of the given standard deviation, waves above 100 mm long."""
    coarse = rng.normal(size=np.maximum(np.ceil(shape * step / 90).astype(int), 2) + 1)
    coarse -= coarse.mean()
    for size in shape:  # one axis after the other; each product puts the axis it did last
        basis = ndimage.zoom(np.eye(len(coarse)), (1, size / len(coarse)), order=3, mode='nearest')
        coarse = np.tensordot(coarse, basis, (0, 0))
    return amplitude * coarse


def _rotation(angle, axis):
    c, s = np.cos(angle), np.sin(angle)
    i, j = [k for k in range(3) if k != axis]
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = -s, s
    return matrix


__all__ = ['SPACE', 'Person', 'Scan', 'build_person', 'draw_person', 'draw_pose', 'scan', 'visit']
