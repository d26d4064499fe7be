# SPDX-License-Identifier: Apache-2.0
"""Shapes as signed distances, and their smooth union on a regular grid.

Distances are in mm, negative inside. Ellipsoids and capsules use the bound of Quilez
(https://iquilezles.org/articles/distfunctions), which is exact to first order at the surface. The
smooth union is his polynomial one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from facebids.core.arrays import FloatArray, IntArray

Vector: TypeAlias = tuple[float, float, float]
Slices: TypeAlias = tuple[slice, ...]


@dataclass(frozen=True)
class Ellipsoid:
    """Ellipsoid with its axes along the grid, or rotated about the y axis.

    Parameters
    ----------
    centre, radii : tuple of 3 floats
        In mm.
    roll : float
        Rotation about the y (posterior-anterior) axis, in degrees.
    """

    centre: Vector
    radii: Vector
    roll: float = 0.0

    @property
    def reach(self) -> Vector:
        """Half extents (mm) of a box around the centre that contains the shape."""
        return (max(self.radii),) * 3 if self.roll else self.radii

    def distance(self, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """Return the signed distance (mm) at points given by broadcastable coordinates."""
        dx, dy, dz = x - self.centre[0], y - self.centre[1], z - self.centre[2]
        if self.roll:
            c, s = np.cos(np.deg2rad(self.roll)), np.sin(np.deg2rad(self.roll))
            dx, dz = c * dx + s * dz, c * dz - s * dx
        a, b, c = self.radii
        k0 = np.sqrt((dx / a) ** 2 + (dy / b) ** 2 + (dz / c) ** 2)
        k1 = np.sqrt((dx / a**2) ** 2 + (dy / b**2) ** 2 + (dz / c**2) ** 2)
        return k0 * (k0 - 1) / np.maximum(k1, 1e-6)


@dataclass(frozen=True)
class Capsule:
    """Segment from `start` to `end` with a radius that changes linearly along it (mm)."""

    start: Vector
    end: Vector
    radius: float
    end_radius: float | None = None

    @property
    def centre(self) -> Vector:
        """Middle of the segment (mm)."""
        (ax, ay, az), (bx, by, bz) = self.start, self.end
        return (ax + bx) / 2, (ay + by) / 2, (az + bz) / 2

    @property
    def reach(self) -> Vector:
        """Half extents (mm) of a box around the centre that contains the shape."""
        widest = max(self.radius, self.end_radius or 0)
        (ax, ay, az), (bx, by, bz) = self.start, self.end
        return abs(bx - ax) / 2 + widest, abs(by - ay) / 2 + widest, abs(bz - az) / 2 + widest

    def distance(self, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """Return the signed distance (mm) at points given by broadcastable coordinates."""
        ax, ay, az = self.start
        bx, by, bz = (b - a for a, b in zip(self.start, self.end, strict=True))
        px, py, pz = x - ax, y - ay, z - az
        along = np.clip((px * bx + py * by + pz * bz) / (bx**2 + by**2 + bz**2), 0, 1)
        end_radius = self.radius if self.end_radius is None else self.end_radius
        radius = self.radius + along * (end_radius - self.radius)
        return (
            np.sqrt((px - along * bx) ** 2 + (py - along * by) ** 2 + (pz - along * bz) ** 2)
            - radius
        )


Shape: TypeAlias = Ellipsoid | Capsule


def mirrored(shape: Shape) -> Shape:
    """Reflect a shape in the mid-sagittal plane (x = 0)."""

    def flip(point: Vector) -> Vector:
        x, y, z = point
        return -x, y, z

    if isinstance(shape, Capsule):
        return Capsule(flip(shape.start), flip(shape.end), shape.radius, shape.end_radius)
    return Ellipsoid(flip(shape.centre), shape.radii, -shape.roll)


def smooth_union(a: FloatArray, b: FloatArray, blend: float) -> FloatArray:
    """Return the union of two signed distances, rounded over `blend` mm where they meet."""
    if not blend:
        return np.minimum(a, b)
    h = np.maximum(blend - np.abs(a - b), 0) / blend
    return np.minimum(a, b) - h * h * blend / 4


def smooth_subtraction(a: FloatArray, b: FloatArray, blend: float) -> FloatArray:
    """Subtract the shape of distance `b` from that of `a`, rounded over `blend` mm."""
    return -smooth_union(-a, b, blend)


class Canvas:
    """A regular grid of coordinates on which shapes are evaluated in their neighbourhood.

    Parameters
    ----------
    x, y, z : ndarray, shape (X, Y, Z)
        Coordinates at which shapes are evaluated, in mm, possibly warped.
    axes : tuple of 3 ndarrays
        The unwarped coordinates along each grid axis, in mm, increasing.
    slack : float
        Largest displacement (mm) between warped and unwarped coordinates.
    """

    def __init__(
        self,
        x: FloatArray,
        y: FloatArray,
        z: FloatArray,
        axes: tuple[FloatArray, ...],
        slack: float = 0.0,
    ) -> None:
        self.coordinates = (x, y, z)
        self.axes = axes
        self.slack = slack

    def near(self, shape: Shape, margin: float) -> Slices:
        """Return slices of the grid that contain all points within `margin` mm of a shape."""
        return tuple(
            slice(*np.searchsorted(axis, (c - r - margin, c + r + margin)))
            for axis, c, r in zip(
                self.axes, shape.centre, (r + self.slack for r in shape.reach), strict=True
            )
        )

    def distance(self, shape: Shape, where: Slices) -> FloatArray:
        """Return the signed distance to a shape in a part of the grid."""
        x, y, z = self.coordinates
        return shape.distance(x[where], y[where], z[where])

    def add(self, field: FloatArray, shape: Shape, blend: float) -> None:
        """Unite `field` (mm, changed in place) smoothly with a shape."""
        where = self.near(shape, margin=blend + 12)
        field[where] = smooth_union(field[where], self.distance(shape, where), blend)

    def carve(self, field: FloatArray, shape: Shape, blend: float) -> None:
        """Subtract a shape smoothly from `field` (mm, changed in place)."""
        where = self.near(shape, margin=blend + 2)
        field[where] = smooth_subtraction(field[where], self.distance(shape, where), blend)

    def paint(self, labels: IntArray, shape: Shape, label: int) -> None:
        """Write a label inside a shape."""
        where = self.near(shape, margin=1)
        labels[where][self.distance(shape, where) < 0] = label
