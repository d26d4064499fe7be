# SPDX-License-Identifier: Apache-2.0
"""Signed distance shapes and their smooth union on a regular grid.

Distances are in mm, negative inside. Ellipsoids and capsules use the first-order bound of
Quilez (https://iquilezles.org/articles/distfunctions), exact at the surface to first order,
which is where it matters; the smooth union is his polynomial one.
"""

from dataclasses import dataclass

import numpy as np

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Ellipsoid:
    """Ellipsoid with its axes along the grid, optionally rolled about the y axis.

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
    def reach(self):
        """Half extents (mm) of a box around the centre that holds the shape."""
        return (max(self.radii),) * 3 if self.roll else self.radii

    def distance(self, x, y, z):
        """Signed distance (mm) at points given by broadcastable coordinate arrays."""
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
    """Segment from `start` to `end` with a radius that varies linearly along it (mm)."""

    start: Vector
    end: Vector
    radius: float
    end_radius: float | None = None

    @property
    def centre(self):
        """Middle of the segment (mm)."""
        return tuple((a + b) / 2 for a, b in zip(self.start, self.end, strict=True))

    @property
    def reach(self):
        """Half extents (mm) of a box around the centre that holds the shape."""
        widest = max(self.radius, self.end_radius or 0)
        return tuple(abs(b - a) / 2 + widest for a, b in zip(self.start, self.end, strict=True))

    def distance(self, x, y, z):
        """Signed distance (mm) at points given by broadcastable coordinate arrays."""
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


def mirrored(shape):
    """Return the shape reflected in the mid-sagittal plane (x = 0)."""

    def flip(point):
        return (-point[0], *point[1:])

    if isinstance(shape, Capsule):
        return Capsule(flip(shape.start), flip(shape.end), shape.radius, shape.end_radius)
    return Ellipsoid(flip(shape.centre), shape.radii, -shape.roll)


def smooth_union(a, b, blend):
    """Union of two signed distances, rounded over `blend` mm where they meet."""
    if not blend:
        return np.minimum(a, b)
    h = np.maximum(blend - np.abs(a - b), 0) / blend
    return np.minimum(a, b) - h * h * blend / 4


def smooth_subtraction(a, b, blend):
    """Distance `a` with the shape of distance `b` taken out, rounded over `blend` mm."""
    return -smooth_union(-a, b, blend)


class Canvas:
    """A regular grid of coordinates on which shapes are evaluated only near themselves.

    Parameters
    ----------
    x, y, z : ndarray, shape (X, Y, Z)
        Coordinates at which shapes are evaluated, in mm; they may be warped.
    axes : tuple of 3 ndarrays
        The unwarped coordinates along each grid axis, in mm, increasing.
    slack : float
        Largest displacement (mm) between warped and unwarped coordinates.
    """

    def __init__(self, x, y, z, axes, slack=0.0):
        self.coordinates = (x, y, z)
        self.axes = axes
        self.slack = slack

    def near(self, shape, margin):
        """Slices of the grid that hold everything within `margin` mm of the shape."""
        return tuple(
            slice(*np.searchsorted(axis, (c - r - margin, c + r + margin)))
            for axis, c, r in zip(
                self.axes, shape.centre, (r + self.slack for r in shape.reach), strict=True
            )
        )

    def distance(self, shape, where):
        """Signed distance to the shape in the sub-grid `where` (a tuple of slices)."""
        return shape.distance(*(c[where] for c in self.coordinates))

    def add(self, field, shape, blend):
        """Smoothly unite `field` (mm, changed in place) with the shape."""
        where = self.near(shape, margin=blend + 12)
        field[where] = smooth_union(field[where], self.distance(shape, where), blend)

    def carve(self, field, shape, blend):
        """Smoothly take the shape out of `field` (mm, changed in place)."""
        where = self.near(shape, margin=blend + 2)
        field[where] = smooth_subtraction(field[where], self.distance(shape, where), blend)

    def paint(self, labels, shape, label, over=None):
        """Write `label` inside the shape, only over the labels in `over` when given."""
        where = self.near(shape, margin=1)
        inside = self.distance(shape, where) < 0
        if over is not None:
            inside &= np.isin(labels[where], over)
        labels[where][inside] = label
