# SPDX-License-Identifier: Apache-2.0
"""The head atlas: the ICBM152 brain that nilearn ships, inside a parametric head.

The atlas is the registration target, defines face and brain regions, gives the generic face, and
makes phantoms. Its space is MNI152NLin2009aSym (RAS, mm).

- `geometry`: shapes as signed distances
- `brain`: the brain
- `anatomy`: skin and tissues of the head around it
- `identity`: differences between faces; `variation`: their size
- `contrasts`: signal of the tissues
- `regions`: the face region and the brain guard
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

import numpy as np

from facebids.core import grids
from facebids.core.arrays import FloatArray, IntArray
from facebids.core.atlas.anatomy import skin_distance, tissue_labels
from facebids.core.atlas.brain import brain_distance, sample_brain
from facebids.core.atlas.contrasts import SIGNAL, paint_contrast, skin_cover
from facebids.core.atlas.geometry import Canvas
from facebids.core.atlas.identity import (
    GENERIC,
    Identity,
    another_day,
    draw_identity,
    typical_identity,
)
from facebids.core.atlas.regions import (
    KEEP_OPTIONS,
    SHELL_STEPS_MM,
    brain_guard,
    face_region,
    face_skin_sector,
)

SPACE = 'MNI152NLin2009aSym'
EXTENT = ((-105.0, 105.0), (-146.0, 130.0), (-192.0, 116.0))  # mm along x, y, z
MODALITIES = tuple(SIGNAL)


@dataclass(frozen=True)
class HeadModel:
    """Brain and skin of a head on a regular grid.

    Parameters
    ----------
    axes : tuple of 3 ndarrays
        Coordinates (mm) along x, y, z.
    brain, skin : ndarray, shape (X, Y, Z)
        Signed distance (mm, negative inside) to the surface of the brain and of the head.
    """

    axes: tuple[FloatArray, ...]
    brain: FloatArray
    skin: FloatArray

    @property
    def affine(self) -> FloatArray:
        """Voxel indices to RAS mm, shape (4, 4)."""
        affine = np.diag([float(axis[1] - axis[0]) for axis in self.axes] + [1.0])
        affine[:3, 3] = [axis[0] for axis in self.axes]
        return affine


@dataclass(frozen=True)
class HeadAtlas(HeadModel):
    """The head atlas, or the head of another person in its space.

    Parameters
    ----------
    labels : ndarray of uint8, shape (X, Y, Z)
        `anatomy.Tissue` of each voxel.
    grey, white : ndarray, shape (X, Y, Z)
        Tissue probabilities in the brain.
    """

    labels: IntArray
    grey: FloatArray
    white: FloatArray

    def contrast(self, modality: str) -> FloatArray:
        """Return the signal in one of `MODALITIES`, shape (X, Y, Z).

        White matter in T1w is 1; CT is in Hounsfield units.
        """
        return paint_contrast(self.labels, self.grey, self.white, modality, self.cover)

    @cached_property
    def cover(self) -> FloatArray:
        """Share of each voxel that lies under the skin, shape (X, Y, Z)."""
        return skin_cover(self.skin, float(self.affine[0, 0]))

    @cached_property
    def _grid(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        x, y, z = np.meshgrid(*self.axes, indexing='ij', sparse=True)
        return x, y, z

    @cached_property
    def depth(self) -> FloatArray:
        """Signed distance (mm, negative inside) to the skin, exact deep inside the head too."""
        inside = grids.distance(self.skin < 0, float(self.affine[0, 0]))
        return np.where(self.skin < 0, -inside, self.skin).astype(np.float32)

    def face_region(
        self, shell: float = SHELL_STEPS_MM[0], keep: Collection[str] = ()
    ) -> FloatArray:
        """Signed field (mm, negative inside) of the face region, including brain."""
        return face_region(*self._grid, self.depth, shell, keep)

    def face_skin_sector(self, keep: Collection[str] = ()) -> FloatArray:
        """Signed field (mm, negative inside) of the sector whose skin identifies a person."""
        return np.broadcast_to(face_skin_sector(*self._grid, keep), self.skin.shape)

    @cached_property
    def brain_guard(self) -> FloatArray:
        """Signed distance (mm, negative inside) to the voxels that must not be changed."""
        return brain_guard(self._grid[2], self.brain)


def build_atlas(resolution: float, identity: Identity = GENERIC) -> HeadAtlas:
    """Build the generic head, or that of another person.

    Parameters
    ----------
    resolution : float
        Grid spacing in mm.
    identity : Identity
        The face. By default, it is the generic one.

    Returns
    -------
    HeadAtlas
    """
    axes, brain, grey, white = _grid_and_brain(resolution)
    canvas, skin = _canvas_and_skin(axes, brain, identity)
    return HeadAtlas(
        axes=axes,
        brain=brain,
        skin=skin,
        labels=tissue_labels(canvas, brain, skin),
        grey=grey,
        white=white,
    )


def build_skin(resolution: float, identity: Identity) -> FloatArray:
    """Return the signed distance (mm, negative inside) to the skin of a person.

    Shape (X, Y, Z), as `HeadAtlas.skin` of `build_atlas`, in less time.
    """
    axes, brain, _, _ = _grid_and_brain(resolution)
    return _canvas_and_skin(axes, brain, identity)[1]


def _canvas_and_skin(
    axes: tuple[FloatArray, ...], brain: FloatArray, identity: Identity
) -> tuple[Canvas, FloatArray]:
    (x, y, z), slack = identity.warp(axes)
    canvas = Canvas(x, y, z, axes, slack)
    skin = skin_distance(canvas, brain)
    identity.fold(canvas, skin)
    return canvas, skin


@lru_cache(maxsize=1)
def _grid_and_brain(
    resolution: float,
) -> tuple[tuple[FloatArray, ...], FloatArray, FloatArray, FloatArray]:
    """Return grid, brain, grey and white matter, the same in all heads and slow to compute."""
    axes = tuple(np.arange(low, high + 0.1, resolution, np.float32) for low, high in EXTENT)
    fields = brain_distance(axes), sample_brain('gm', axes), sample_brain('wm', axes)
    for field in fields:
        field.flags.writeable = False
    return axes, *fields


@cache
def generic_atlas(resolution: float) -> HeadAtlas:
    """Return the generic head, built once per process and resolution (mm)."""
    return build_atlas(resolution)


__all__ = [
    'KEEP_OPTIONS',
    'MODALITIES',
    'SHELL_STEPS_MM',
    'SPACE',
    'HeadAtlas',
    'HeadModel',
    'Identity',
    'another_day',
    'build_atlas',
    'build_skin',
    'draw_identity',
    'generic_atlas',
    'typical_identity',
]
