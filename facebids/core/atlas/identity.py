# SPDX-License-Identifier: Apache-2.0
"""Differences between parametric faces.

Two changes turn the generic face into that of a person. A smooth *warp* displaces each landmark
by a few millimetres, with a Gaussian around it, and *folds* raise or lower the skin along short
lines (creases, ridges, pads). Part of the displacements is common to many landmarks (a long face,
a heavy one). One draw of all of them is an identity. The numbers are in `variation`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TypeAlias

import numpy as np

from facebids.core.arrays import AnyArray, FloatArray
from facebids.core.atlas.geometry import Canvas, Capsule, Shape, Vector, mirrored
from facebids.core.atlas.variation import (
    DAY,
    FOLDS,
    FOLDS_OF_MODES,
    LANDMARKS,
    MODES,
    PAD,
    TYPICAL,
    Fold,
    Landmark,
)

Displacement: TypeAlias = tuple[Vector, float, Vector]  # centre, width, vector
Place: TypeAlias = tuple[Vector, float]  # centre, width

ASYMMETRY = 0.2  # difference between the sides of a paired landmark, share of its own variation
EXTREME = 2.3  # standard deviations at which draws are clipped
# Largest stretch of the warp, per mm. Below 1 it is invertible: it maps no two points to one.
STEEPEST = 0.85
REACH = 3.3  # standard deviations at which a Gaussian is cut off


@dataclass(frozen=True)
class Identity:
    """The face of a person.

    Parameters
    ----------
    displacements : tuple of (centre, width, vector)
        Points in atlas mm, standard deviations in mm, and displacements in mm.
    folds : tuple of (line, width, height)
        Lines on the generic skin (`Capsule` without radius), standard deviation of the profile
        across them, and height above the skin, mm.
    """

    displacements: tuple[Displacement, ...] = ()
    folds: tuple[tuple[Shape, float, float], ...] = ()

    def warp(self, axes: tuple[FloatArray, ...]) -> tuple[list[FloatArray], float]:
        """Return the coordinates at which the generic face has to be evaluated to show this one.

        Parameters
        ----------
        axes : tuple of 3 ndarrays
            Grid coordinates, atlas mm.

        Returns
        -------
        coordinates : list of 3 ndarrays, shape (X, Y, Z)
        slack : float
            Largest displacement along any axis (mm).
        """
        coordinates: list[AnyArray] = [
            np.array(c) for c in np.meshgrid(*axes, indexing='ij', copy=False)
        ]
        original = [
            axis.reshape([-1 if i == j else 1 for j in range(3)]) for i, axis in enumerate(axes)
        ]
        for centre, width, displacement in self.displacements:
            where = tuple(
                slice(*np.searchsorted(axis, (c - REACH * width, c + REACH * width)))
                for axis, c in zip(axes, centre, strict=True)
            )
            weight: AnyArray | float = 1.0
            for i in range(3):
                local = original[i][tuple(where[j] if i == j else slice(None) for j in range(3))]
                weight = weight * np.exp(-((local - centre[i]) ** 2) / (2 * width**2))
            for i in range(3):
                if displacement[i]:
                    coordinates[i][where] -= weight * np.float32(displacement[i])
        slack = max(float(np.abs(c - o).max()) for c, o in zip(coordinates, original, strict=True))
        return coordinates, slack

    def places(self, points: FloatArray) -> FloatArray:
        """Return the places on the generic face that points of this face correspond to.

        Parameters
        ----------
        points : ndarray, shape (N, 3)
            Atlas mm.

        Returns
        -------
        ndarray, shape (N, 3)
            Atlas mm.
        """
        shift = np.zeros(np.shape(points))
        for centre, width, displacement in self.displacements:
            offset = points - np.array(centre)
            weight = np.exp(-(offset**2).sum(1) / (2 * width**2))
            shift += weight[:, None] * displacement
        return points - shift

    def stretch(self, points: FloatArray) -> FloatArray:
        """Return the spectral norm of the displacement gradient of the warp.

        Parameters
        ----------
        points : ndarray, shape (N, 3)
            Atlas mm.

        Returns
        -------
        ndarray, shape (N,)
            Per mm. If it is below 1 everywhere, the warp is invertible.
        """
        slopes = _slopes(points, tuple(moved[:2] for moved in self.displacements))
        vectors = np.array([displacement for *_, displacement in self.displacements])
        return np.linalg.norm(_gradients(vectors, slopes), ord=2, axis=(1, 2))

    def fold(self, canvas: Canvas, skin: FloatArray) -> None:
        """Raise and lower the skin along the folds.

        Parameters
        ----------
        canvas : Canvas
            With the warp of this identity.
        skin : ndarray, shape (X, Y, Z)
            Signed distance to the skin (mm, negative inside), changed in place.
        """
        for line, width, height in self.folds:
            where = canvas.near(line, REACH * width)
            distance = canvas.distance(line, where)
            skin[where] -= height * np.exp(-(distance**2) / (2 * width**2))


GENERIC = Identity()
# Points of the face at which the stretch is measured, closer than the narrowest landmark is wide.
_FACE = np.stack(
    np.meshgrid(
        np.arange(-90, 91, 6.0), np.arange(-30, 121, 6.0), np.arange(-170, 41, 6.0), indexing='ij'
    ),
    axis=-1,
).reshape(-1, 3)


def typical_identity() -> Identity:
    """Return the mean of `draw_identity` over men and women: a face of nobody."""
    displacements: list[Displacement] = []
    for name, landmark in LANDMARKS.items():
        displacements += _sides(landmark, np.array(TYPICAL.get(name, (0, 0, 0)), float), lambda: 0)
    folds = tuple(
        (line, fold.width, fold.typical) for fold in FOLDS.values() for line in _lines(fold)
    )
    return Identity(tuple(displacements), folds)


def draw_identity(rng: np.random.Generator) -> Identity:
    """Draw the face of a person.

    Parameters
    ----------
    rng : numpy.random.Generator

    Returns
    -------
    Identity
    """
    modes = {name: _draw(rng) for name in MODES}
    modes['sex'] = np.copysign(1, modes['sex']) + 0.3 * _draw(rng)
    displacements: list[Displacement] = []
    for name, landmark in LANDMARKS.items():
        spread = np.array(landmark.spread)
        shared = np.array(TYPICAL.get(name, (0, 0, 0)), float) + _draws(rng) * spread
        for mode, weight in modes.items():
            shared += weight * np.array(MODES[mode].get(name, (0, 0, 0)), float)
        displacements += _sides(landmark, shared, partial(_difference, rng, spread))
    return Identity(_invertible(displacements), tuple(_draw_folds(rng, modes)))


def another_day(identity: Identity, rng: np.random.Generator) -> Identity:
    """Return the same person on another day, with mouth, lids and weight slightly changed.

    Parameters
    ----------
    identity : Identity
    rng : numpy.random.Generator

    Returns
    -------
    Identity
    """
    displacements = list(identity.displacements)
    for name, spread in DAY.items():
        change = np.clip(rng.normal(size=3), -2, 2) * spread
        displacements += _sides(LANDMARKS[name], change, lambda: 0)
    weight = np.clip(rng.normal(), -2, 2) * PAD
    for name, displacement in MODES['weight'].items():
        displacements += _sides(LANDMARKS[name], weight * np.array(displacement, float), lambda: 0)
    return replace(identity, displacements=tuple(displacements))


def _draw(rng: np.random.Generator) -> float:
    return float(np.clip(rng.normal(), -EXTREME, EXTREME))


def _draws(rng: np.random.Generator) -> FloatArray:
    return np.clip(rng.normal(size=3), -EXTREME, EXTREME)


def _difference(rng: np.random.Generator, spread: FloatArray) -> FloatArray:
    """Draw the displacement of one side of a paired landmark."""
    return ASYMMETRY * _draws(rng) * spread


def _sides(
    landmark: Landmark, shared: FloatArray, draw_own: Callable[[], FloatArray | float]
) -> list[Displacement]:
    """Return one displacement of a landmark in the midline, or two of a paired one."""
    x, y, z = landmark.centre
    if not x:
        return [(landmark.centre, landmark.width, _plain(shared))]
    both = [(side, shared + draw_own()) for side in (1, -1)]
    return [((side * x, y, z), landmark.width, _plain(own * (side, 1, 1))) for side, own in both]


def _draw_folds(
    rng: np.random.Generator, modes: Mapping[str, float]
) -> Iterator[tuple[Shape, float, float]]:
    for name, fold in FOLDS.items():
        height = fold.typical + _draw(rng) * fold.spread
        for mode, heights in FOLDS_OF_MODES.items():
            height += modes[mode] * heights.get(name, 0)
        lines = _lines(fold)
        for line in lines:
            difference = ASYMMETRY * _draw(rng) * fold.spread if len(lines) > 1 else 0.0
            yield line, fold.width, height + difference


def _lines(fold: Fold) -> tuple[Shape, ...]:
    """Return the line of a fold, or of one beside the midline those of both sides."""
    line = Capsule(fold.start, fold.end, 0.0)
    return (line, mirrored(line)) if fold.start[0] or fold.end[0] else (line,)


def _slopes(points: FloatArray, places: tuple[Place, ...]) -> FloatArray:
    """Return the gradients of K Gaussians at points, shape (K, N, 3), per mm."""
    slopes = np.empty((len(places), len(points), 3), np.float32)
    for slope, (centre, width) in zip(slopes, places, strict=True):
        offset = points - np.array(centre)
        weight = np.exp(-(offset**2).sum(1) / (2 * width**2)) / width**2
        slope[...] = -offset * weight[:, None]
    return slopes


def _gradients(vectors: FloatArray, slopes: FloatArray) -> FloatArray:
    """Return the gradient of the displacement at each point, shape (N, 3, 3)."""
    count, points, _ = slopes.shape
    flat = vectors.T.astype(np.float32) @ slopes.reshape(count, -1)
    return flat.reshape(3, points, 3).swapaxes(0, 1)


@cache
def _face_slopes(places: tuple[Place, ...]) -> FloatArray:
    return _slopes(_FACE, places)


def _invertible(displacements: Sequence[Displacement]) -> tuple[Displacement, ...]:
    """Shrink displacements in proportion to their stretch until the warp is invertible."""
    slopes = _face_slopes(tuple(moved[:2] for moved in displacements))
    vectors = np.array([displacement for *_, displacement in displacements])
    while True:
        gradients = _gradients(vectors, slopes)
        steep = np.flatnonzero((gradients**2).sum((1, 2)) > STEEPEST**2)
        if not steep.size:
            break
        stretch = np.linalg.norm(gradients[steep], ord=2, axis=(1, 2))
        worst = np.argmax(stretch)
        if stretch[worst] <= STEEPEST:
            break
        blame = np.linalg.norm(vectors, axis=1) * np.linalg.norm(slopes[:, steep[worst]], axis=1)
        vectors *= (0.98 * STEEPEST / stretch[worst]) ** (blame / blame.max())[:, None]
    return tuple(
        (centre, width, _plain(vector))
        for (centre, width, _), vector in zip(displacements, vectors, strict=True)
    )


def _plain(vector: FloatArray) -> Vector:
    x, y, z = (float(v) for v in vector)
    return x, y, z
