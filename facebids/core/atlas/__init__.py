# SPDX-License-Identifier: Apache-2.0
"""The head atlas: nilearn's embedded ICBM152 brain inside a parametric head.

One model with four uses: registration target, face and brain regions, generic face, phantoms.
Its space is MNI152NLin2009aSym (RAS, mm).

- `geometry`: signed distance shapes
- `brain`: the real brain
- `anatomy`: the head around it, skin and tissues
- `identity`: how faces differ; `variation`: by how much
- `contrasts`: signal of the tissues
- `regions`: what is taken out
"""

from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

import numpy as np
from scipy import ndimage

from facebids.core.atlas.anatomy import skin_distance, tissue_labels
from facebids.core.atlas.brain import brain_distance, sample_brain
from facebids.core.atlas.contrasts import COMPUTED, SIGNAL, paint_contrast, skin_cover
from facebids.core.atlas.geometry import Canvas
from facebids.core.atlas.identity import GENERIC, Identity, another_day, draw_identity
from facebids.core.atlas.regions import (
    KEEPABLE,
    SHELL_STEPS_MM,
    brain_guard,
    face_region,
    face_skin_sector,
)

SPACE = 'MNI152NLin2009aSym'
EXTENT = ((-105.0, 105.0), (-146.0, 130.0), (-192.0, 116.0))  # mm along x, y, z
MODALITIES = tuple(SIGNAL)


@dataclass(frozen=True)
class HeadAtlas:
    """A head on a regular grid.

    Parameters
    ----------
    axes : tuple of 3 ndarrays
        Coordinates (mm) along x, y, z.
    brain, skin : ndarray, shape (X, Y, Z)
        Signed distance (mm, negative inside) to the surface of the brain and of the head.
    labels : ndarray of uint8, shape (X, Y, Z)
        `anatomy.Tissue` of each voxel.
    grey, white : ndarray, shape (X, Y, Z)
        Tissue probabilities in the brain.
    """

    axes: tuple
    brain: np.ndarray
    skin: np.ndarray
    labels: np.ndarray
    grey: np.ndarray
    white: np.ndarray

    @property
    def affine(self):
        """Voxel indices to atlas RAS mm, shape (4, 4)."""
        affine = np.diag([float(axis[1] - axis[0]) for axis in self.axes] + [1.0])
        affine[:3, 3] = [axis[0] for axis in self.axes]
        return affine

    def contrast(self, modality):
        """Signal in one of `MODALITIES`, shape (X, Y, Z), white matter in T1w = 1; CT in HU."""
        return paint_contrast(self.labels, self.grey, self.white, modality, self.cover)

    @cached_property
    def cover(self):
        """Share of each voxel that lies under the skin, shape (X, Y, Z)."""
        return skin_cover(self.skin, float(self.affine[0, 0]))

    @cached_property
    def _grid(self):
        return np.meshgrid(*self.axes, indexing='ij', sparse=True)

    @cached_property
    def depth(self):
        """Signed distance (mm, negative inside) to the skin, true deep inside the head too."""
        inside = ndimage.distance_transform_edt(self.skin < 0) * float(self.affine[0, 0])
        return np.where(self.skin < 0, -inside, self.skin).astype(np.float32)

    def face_region(self, shell=SHELL_STEPS_MM[0], keep=()):
        """Signed field (mm, negative inside) of what is removed, brain guard not considered."""
        return face_region(*self._grid, self.depth, shell, keep)

    def face_skin_sector(self, keep=()):
        """Signed field (mm, negative inside) of where skin identifies."""
        return np.broadcast_to(face_skin_sector(*self._grid, keep), self.skin.shape)

    @cached_property
    def brain_guard(self):
        """Signed distance (mm, negative inside) to what must not be touched."""
        return brain_guard(self._grid[2], self.brain)


def build_atlas(resolution, identity=GENERIC):
    """Build the head, or that of another person.

    Parameters
    ----------
    resolution : float
        Grid spacing in mm.
    identity : Identity
        The face; the generic one unless given.

    Returns
    -------
    HeadAtlas
    """
    axes, brain, grey, white = _everybody(resolution)
    coordinates, slack = identity.warp(axes)
    canvas = Canvas(*coordinates, axes, slack)
    skin = skin_distance(canvas, brain)
    identity.fold(canvas, skin)
    return HeadAtlas(
        axes=axes,
        brain=brain,
        skin=skin,
        labels=tissue_labels(canvas, brain, skin),
        grey=grey,
        white=white,
    )


@lru_cache(maxsize=1)
def _everybody(resolution):
    """Grid and brain: the same in all heads, and two thirds of the work of building one."""
    axes = tuple(np.arange(low, high + 0.1, resolution, np.float32) for low, high in EXTENT)
    brain = brain_distance(axes), sample_brain('gm', axes), sample_brain('wm', axes)
    for field in brain:
        field.flags.writeable = False
    return axes, *brain


@cache
def generic_atlas(resolution):
    """Return the generic head, built once per process and resolution (mm)."""
    return build_atlas(resolution)


__all__ = [
    'COMPUTED',
    'KEEPABLE',
    'MODALITIES',
    'SHELL_STEPS_MM',
    'SPACE',
    'HeadAtlas',
    'Identity',
    'another_day',
    'build_atlas',
    'draw_identity',
    'generic_atlas',
]
