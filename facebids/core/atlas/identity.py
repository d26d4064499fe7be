# SPDX-License-Identifier: Apache-2.0
"""What makes one parametric face differ from another: displaced landmarks.

A face is the generic one after a smooth warp that moves each landmark by a few millimetres
and fades with a Gaussian around it. A person's displacements are drawn from normal
distributions; one draw is an identity.
"""

from dataclasses import dataclass

import numpy as np

ASYMMETRY = 0.25  # share of a paired landmark's variation in which its two sides differ


@dataclass(frozen=True)
class Landmark:
    """A point of the generic face, and how far it lies elsewhere in other people.

    Parameters
    ----------
    centre : tuple of 3 floats
        Atlas mm; with x > 0 it stands for a pair.
    width : float
        Standard deviation (mm) of the Gaussian in which its displacement fades.
    spread : tuple of 3 floats
        Standard deviation (mm) of the displacement between people, along x, y and z.
    """

    centre: tuple[float, float, float]
    width: float
    spread: tuple[float, float, float]


LANDMARKS = {
    'forehead': Landmark((0, 90, 15), 34, (0, 4, 4)),
    'temple': Landmark((70, 45, -8), 26, (4, 3, 3)),
    'glabella': Landmark((0, 92, -28), 14, (0, 3, 3)),
    'brow': Landmark((34, 82, -24), 15, (3, 3.5, 3.5)),
    'eye': Landmark((33, 68, -45), 15, (3, 3, 3)),
    'nasion': Landmark((0, 84, -48), 12, (0, 4, 3)),
    'nose bridge': Landmark((0, 92, -68), 13, (1.5, 4, 2)),
    'nose tip': Landmark((0, 104, -90), 13, (1.5, 4.5, 4)),
    'ala': Landmark((14, 86, -93), 9, (3, 2, 2.5)),
    'subnasale': Landmark((0, 84, -104), 10, (0, 3, 3)),
    'upper lip': Landmark((0, 82, -115), 10, (0, 3, 2.5)),
    'lower lip': Landmark((0, 81, -128), 10, (0, 3, 3)),
    'mouth corner': Landmark((23, 71, -121), 11, (4, 2, 2)),
    'cheek bone': Landmark((56, 50, -60), 20, (5, 4, 4)),
    'cheek': Landmark((48, 58, -95), 22, (6, 5, 3)),
    'chin': Landmark((0, 70, -153), 20, (1, 6, 7)),
    'jaw': Landmark((58, 10, -118), 28, (7, 4, 6)),
    'ear': Landmark((88, -27, -52), 22, (4, 4, 4)),
}


@dataclass(frozen=True)
class Identity:
    """One person's face: a displacement (mm) for each landmark and side.

    Parameters
    ----------
    displacements : tuple of (centre, width, displacement)
        Points in atlas mm, standard deviations in mm, displacement vectors in mm.
    """

    displacements: tuple = ()

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
                slice(*np.searchsorted(axis, (c - 3.5 * width, c + 3.5 * width)))
                for axis, c in zip(axes, centre, strict=True)
            )
            weight = 1.0
            for i in range(3):
                local = original[i][tuple(where[j] if i == j else slice(None) for j in range(3))]
                weight = weight * np.exp(-((local - centre[i]) ** 2) / (2 * width**2))
            for i in range(3):
                coordinates[i][where] -= weight * displacement[i]
        slack = max(float(np.abs(c - o).max()) for c, o in zip(coordinates, original, strict=True))
        return coordinates, slack


GENERIC = Identity()


def draw_identity(rng):
    """Draw a person's face.

    Parameters
    ----------
    rng : numpy.random.Generator

    Returns
    -------
    Identity
    """
    displacements = []
    for landmark in LANDMARKS.values():
        spread = np.array(landmark.spread)
        shared = rng.normal(size=3) * spread
        x, y, z = landmark.centre
        if not x:
            displacements.append((landmark.centre, landmark.width, tuple(shared)))
            continue
        for side in (1, -1):
            own = shared + ASYMMETRY * rng.normal(size=3) * spread
            own[0] *= side
            displacements.append(((side * x, y, z), landmark.width, tuple(own)))
    return Identity(tuple(displacements))
