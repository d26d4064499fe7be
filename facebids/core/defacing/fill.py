# SPDX-License-Identifier: Apache-2.0
"""New voxels for the face mask of a volume, by defacing mode.

Every mode computes the new voxels from the rest of the image and the atlas alone. What was inside
the mask is never read, so that nothing of it can remain.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facebids.core import images
from facebids.core.alignment.result import Alignment
from facebids.core.arrays import BoolArray, FloatArray
from facebids.core.atlas import HeadAtlas, generic_atlas
from facebids.core.defacing import masks, modes
from facebids.core.foreground import head_mask
from facebids.core.grids import farther
from facebids.core.images import Volume

FILLS = ('air', 'zero')
CLEAR_MM = 6.0  # air is sampled farther from the head than this


@dataclass(frozen=True)
class Surroundings:
    """The head and the air around it, the same for all volumes of a series.

    Attributes
    ----------
    head : shape (X, Y, Z)
        The head of the subject.
    air : shape (X, Y, Z)
        Voxels farther than `CLEAR_MM` from the head.
    """

    head: BoolArray
    air: BoolArray

    @classmethod
    def of(cls, head: BoolArray, zooms: FloatArray) -> 'Surroundings':
        """Find the air around a head, in an image with voxels of `zooms` mm."""
        return cls(head, farther(~head, zooms, CLEAR_MM))


@dataclass(frozen=True)
class FillContext:
    """All that a defacing mode may use.

    Attributes
    ----------
    data : shape (X, Y, Z)
        Intensities, NaN inside the mask.
    mask : shape (X, Y, Z)
        Voxels to replace.
    around
        The head of the subject and the air around it.
    affine : shape (4, 4)
        Voxel indices to subject RAS mm.
    atlas
        The head atlas.
    atlas_affine : shape (4, 4)
        Atlas RAS mm to subject RAS mm.
    rng
        Source of noise.
    """

    data: FloatArray
    mask: BoolArray
    around: Surroundings
    affine: FloatArray
    atlas: HeadAtlas
    atlas_affine: FloatArray
    rng: np.random.Generator

    @property
    def zooms(self) -> FloatArray:
        """Voxel sizes, mm, shape (3,)."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)


def fill_image(
    path: str | Path,
    mask: BoolArray,
    alignment: Alignment,
    mode: str,
    *,
    seed: int = 0,
    hounsfield: bool = False,
) -> Iterator[FloatArray]:
    """Compute new intensities for the mask of an image, volume by volume.

    Parameters
    ----------
    path
        The file.
    mask : shape (X, Y, Z)
        Voxels to replace.
    alignment
        Where the image lies relative to the head atlas.
    mode
        A name of :data:`facebids.core.modes.MODES`.
    seed
        Random seed of the noise; each further volume takes the next one.
    hounsfield
        Whether intensities are Hounsfield units.

    Yields
    ------
    ndarray of float32, shape (N,)
        For the N voxels of the mask in C order.
    """
    atlas = generic_atlas(masks.RESOLUTION)
    affine = alignment.affine
    volume = images.read_volume(path, hounsfield=hounsfield)
    if images.volume_count(path) == 1 and not alignment.relied_on:
        new = fill(volume, mask, atlas, affine, mode, seed, overwrite=True)
        del volume  # who takes the values needs the memory
        yield new
        return
    # Single volumes of a series may show the head poorly.
    head = masks.find_head(volume, atlas, affine, relied_on=alignment.relied_on) & ~mask
    around = Surroundings.of(head, volume.zooms)
    for number, each in enumerate(images.read_volumes(path, hounsfield=hounsfield)):
        yield fill(each, mask, atlas, affine, mode, seed + number, around)


def fill(
    volume: Volume,
    mask: BoolArray,
    atlas: HeadAtlas,
    affine: FloatArray,
    mode: str,
    seed: int = 0,
    around: Surroundings | None = None,
    *,
    overwrite: bool = False,
) -> FloatArray:
    """Compute new intensities for the voxels of a mask.

    Parameters
    ----------
    volume
        The image, or one volume of it.
    mask : shape (X, Y, Z)
        Voxels to replace.
    atlas
        The head atlas.
    affine : shape (4, 4)
        Atlas RAS mm to subject RAS mm.
    mode
        A name of :data:`facebids.core.modes.MODES`.
    seed
        Random seed of the noise.
    around
        The head of the subject, for the volumes of a series, which may show it poorly. By
        default, it is found in the volume.
    overwrite
        Whether to delete the mask from the volume in place, which saves memory.

    Returns
    -------
    ndarray of float32, shape (N,)
        For the N voxels of the mask in C order.
    """
    if np.ptp(volume.data) == 0:  # a series may have empty volumes
        return np.full(int(mask.sum()), volume.data.flat[0], np.float32)
    if around is None:
        around = Surroundings.of(_head(volume, mask), volume.zooms)
    data = volume.data if overwrite else volume.data.copy()
    data[mask] = np.nan
    rng = np.random.default_rng([seed, 113102])
    context = FillContext(data, mask, around, volume.affine, atlas, affine, rng)
    return modes.load(mode)(context)


def _head(volume: Volume, mask: BoolArray) -> BoolArray:
    """Return the head in an image, with dark air inside the mask."""
    air = 0.0 if mask.all() else np.quantile(volume.data[~mask], 0.02)
    known = np.where(mask, np.float32(air), volume.data)
    return head_mask(known, volume.zooms, hounsfield=volume.hounsfield, overwrite=True)
