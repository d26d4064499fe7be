# SPDX-License-Identifier: Apache-2.0
"""What makes one parametric face differ from another.

A face is the generic one, changed twice: a smooth *warp* moves each landmark by a few
millimetres and fades with a Gaussian around it, and *folds* raise or lower the skin along short
lines (creases, ridges, pads). Part of the landmarks' movement is common to many of them (a long
face, a heavy one); one draw of all is an identity. The numbers are in `variation`.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from facebids.core.atlas.geometry import Capsule, mirrored
from facebids.core.atlas.variation import (
    DAY,
    FOLDS,
    FOLDS_OF_MODES,
    LANDMARKS,
    MODES,
    PAD,
    TYPICAL,
)

ASYMMETRY = 0.2  # share of a paired landmark's own variation in which its two sides differ
EXTREME = 2.3  # standard deviations beyond which nobody is drawn
# Largest stretch of the warp, per mm. Below 1 it is invertible: no point of a face is hit twice.
STEEPEST = 0.85
REACH = 3.3  # standard deviations at which a Gaussian is taken to have ended


@dataclass(frozen=True)
class Identity:
    """One person's face.

    Parameters
    ----------
    displacements : tuple of (centre, width, displacement)
        Points in atlas mm, standard deviations in mm, displacement vectors in mm.
    folds : tuple of (line, width, height)
        Lines on the generic skin (`Capsule` without radius), standard deviation of the profile
        across, and height above the skin, mm.
    """

    displacements: tuple = ()
    folds: tuple = ()

    def warp(self, axes):
        """Coordinates at which the generic face is to be evaluated to show this one.

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
        coordinates = [np.array(c) for c in np.meshgrid(*axes, indexing='ij', copy=False)]
        original = [
            axis.reshape([-1 if i == j else 1 for j in range(3)]) for i, axis in enumerate(axes)
        ]
        for centre, width, displacement in self.displacements:
            where = tuple(
                slice(*np.searchsorted(axis, (c - REACH * width, c + REACH * width)))
                for axis, c in zip(axes, centre, strict=True)
            )
            weight = 1.0
            for i in range(3):
                local = original[i][tuple(where[j] if i == j else slice(None) for j in range(3))]
                weight = weight * np.exp(-((local - centre[i]) ** 2) / (2 * width**2))
            for i in range(3):
                if displacement[i]:
                    coordinates[i][where] -= weight * np.float32(displacement[i])
        slack = max(float(np.abs(c - o).max()) for c, o in zip(coordinates, original, strict=True))
        return coordinates, slack

    def stretch(self, points):
        """Spectral norm of the warp's displacement gradient.

        Parameters
        ----------
        points : ndarray, shape (N, 3)
            Atlas mm.

        Returns
        -------
        ndarray, shape (N,)
            Per mm; where it is below 1 everywhere, the warp is invertible.
        """
        slopes = _slopes(points, tuple(moved[:2] for moved in self.displacements))
        vectors = np.array([displacement for *_, displacement in self.displacements])
        return np.linalg.norm(_gradients(vectors, slopes), ord=2, axis=(1, 2))

    def fold(self, canvas, skin):
        """Raise and lower the skin along the folds.

        Parameters
        ----------
        canvas : Canvas
            With this identity's warp.
        skin : ndarray, shape (X, Y, Z)
            Signed distance to the skin (mm, negative inside), changed in place.
        """
        for line, width, height in self.folds:
            where = canvas.near(line, REACH * width)
            distance = canvas.distance(line, where)
            skin[where] -= height * np.exp(-(distance**2) / (2 * width**2))


GENERIC = Identity()
# Where the stretch is measured: the face, in steps narrower than the narrowest landmark.
_FACE = np.stack(
    np.meshgrid(
        np.arange(-90, 91, 6.0), np.arange(-30, 121, 6.0), np.arange(-170, 41, 6.0), indexing='ij'
    ),
    axis=-1,
).reshape(-1, 3)


def draw_identity(rng):
    """Draw a person's face.

    Parameters
    ----------
    rng : numpy.random.Generator

    Returns
    -------
    Identity
    """
    modes = {name: _draw(rng) for name in MODES}
    modes['sex'] = np.copysign(1, modes['sex']) + 0.3 * _draw(rng)
    displacements = []
    for name, landmark in LANDMARKS.items():
        spread = np.array(landmark.spread)
        shared = np.array(TYPICAL.get(name, (0, 0, 0)), float) + _draw(rng, 3) * spread
        for mode, weight in modes.items():
            shared += weight * np.array(MODES[mode].get(name, (0, 0, 0)), float)
        displacements += _sides(landmark, shared, lambda s=spread: ASYMMETRY * _draw(rng, 3) * s)
    return Identity(_tamed(displacements), tuple(_draw_folds(rng, modes)))


def another_day(identity, rng):
    """Return the same person on another day: mouth, lids and weight are never quite the same.

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


def _draw(rng, size=None):
    return np.clip(rng.normal(size=size), -EXTREME, EXTREME)


def _sides(landmark, shared, draw_own):
    """One displacement of a landmark in the midline, two of a paired one."""
    x, y, z = landmark.centre
    if not x:
        return [(landmark.centre, landmark.width, _plain(shared))]
    both = [(side, shared + draw_own()) for side in (1, -1)]
    return [((side * x, y, z), landmark.width, _plain(own * (side, 1, 1))) for side, own in both]


def _draw_folds(rng, modes):
    for name, fold in FOLDS.items():
        line = Capsule(fold.start, fold.end, 0.0)
        height = fold.typical + float(_draw(rng)) * fold.spread
        for mode, heights in FOLDS_OF_MODES.items():
            height += modes[mode] * heights.get(name, 0)
        if not (fold.start[0] or fold.end[0]):
            yield line, fold.width, height
            continue
        for side in (line, mirrored(line)):
            yield side, fold.width, height + ASYMMETRY * float(_draw(rng)) * fold.spread


def _slopes(points, places):
    """Gradients of the landmarks' Gaussians (centre, width) at points, shape (K, N, 3), per mm."""
    slopes = np.empty((len(places), len(points), 3), np.float32)
    for slope, (centre, width) in zip(slopes, places, strict=True):
        offset = points - np.array(centre)
        weight = np.exp(-(offset**2).sum(1) / (2 * width**2)) / width**2
        slope[...] = -offset * weight[:, None]
    return slopes


def _gradients(vectors, slopes):
    """Gradient of the displacement at each point, shape (N, 3, 3)."""
    count, points, _ = slopes.shape
    flat = vectors.T.astype(np.float32) @ slopes.reshape(count, -1)
    return flat.reshape(3, points, 3).swapaxes(0, 1)


@cache
def _face_slopes(places):
    return _slopes(_FACE, places)


def _tamed(displacements):
    """Shrink displacements, those most that stretch most, until the warp is invertible."""
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


def _plain(vector):
    return tuple(float(v) for v in vector)
