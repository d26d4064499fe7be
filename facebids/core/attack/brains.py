# SPDX-License-Identifier: Apache-2.0
"""Link scans of a person by the brain alone, which defacing leaves as it is.

This is no attack on the face and judges no defacing: it says what defacing cannot prevent. The
brain is sampled inside the atlas's brain, after an affine registration or after the similarity
(rotation, translation, one scale) nearest to it, in which the proportions of the brain remain. Two
brains are compared by squared local correlations, which do not depend on the contrast (Cachier,
Bardinet, Dormont, Pennec & Ayache, 2003, Comput. Vis. Image Underst. 89:272).
"""

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from scipy import ndimage

from facebids.core.alignment.registration import nearest_rotation
from facebids.core.arrays import AnyArray, FloatArray, IntArray
from facebids.core.atlas.brain import brain_distance
from facebids.core.images import Volume

ALIGNMENTS = ('affine', 'similarity')
CELL_MM = 4.0
BLOCK = 5  # cells along the side of a block in which brains are correlated: 20 mm
LEAST_CELLS = 40  # in a block
DEPTH_MM = 4.0  # below the surface of the atlas's brain: no skull, whoever is registered
CENTRED = 5  # people of a contrast whose mean is subtracted
BOX = ((-76.0, 76.0), (-112.0, 80.0), (-72.0, 88.0))  # RAS mm, around the atlas's brain

BrainTemplate = Mapping[str, FloatArray]  # by alignment


def enrol(volume: Volume, affine: FloatArray) -> dict[str, FloatArray]:
    """Sample the brain of a scan.

    Parameters
    ----------
    volume : Volume
    affine : ndarray, shape (4, 4)
        Head atlas RAS mm to subject RAS mm.

    Returns
    -------
    dict of ndarray of float16, shape (K,)
        For each of `ALIGNMENTS`: intensities in standard deviations, NaN outside of the image.
    """
    return {
        'affine': _sample(volume, affine),
        'similarity': _sample(volume, nearest_similarity(affine)),
    }


def score(
    probes: Sequence[FloatArray],
    gallery: Sequence[FloatArray],
    contrasts: tuple[str, str],
) -> FloatArray:
    """Return the mean squared local correlation of brains.

    What the people of a contrast have in common says nothing about one of them, and is subtracted
    where there are `CENTRED` or more.

    Parameters
    ----------
    probes, gallery : sequence of ndarray, shape (K,)
        Of one alignment, as of `enrol`.
    contrasts : tuple of str
        Of the probes, and of the gallery.

    Returns
    -------
    ndarray, shape (P, G)
    """
    sides = [_normalise(np.array(side, np.float32)) for side in (probes, gallery)]
    if contrasts[0] == contrasts[1]:
        common = np.concatenate(sides)
        sides = [_centre(side, common) for side in sides]
    else:
        sides = [_centre(side, side) for side in sides]
    blocks = _blocks()
    products = (sides[0][:, block] @ sides[1][:, block].T for block in blocks)
    return np.asarray(sum(product**2 for product in products) / len(blocks))


def nearest_similarity(affine: FloatArray) -> FloatArray:
    """Return the similarity nearest to an affine, with the same volume and the same brain centre.

    Parameters
    ----------
    affine : ndarray, shape (4, 4)
    """
    similar = np.eye(4)
    size = np.cbrt(abs(np.linalg.det(affine[:3, :3])))
    similar[:3, :3] = size * nearest_rotation(affine)
    centre = np.mean(BOX, axis=1)
    similar[:3, 3] = affine[:3, :3] @ centre + affine[:3, 3] - similar[:3, :3] @ centre
    return similar


@cache
def _grid() -> tuple[FloatArray, IntArray]:
    """Return the cells in the brain: centres (K, 3), atlas mm, and block of each, shape (K,)."""
    axes = tuple(np.arange(low, high, CELL_MM) for low, high in BOX)
    inside = brain_distance(axes) < -DEPTH_MM
    index = np.argwhere(inside)
    part = index // BLOCK
    label = (part * (1000**2, 1000, 1)).sum(axis=1)
    _, block, size = np.unique(label, return_inverse=True, return_counts=True)
    kept = size[block] >= LEAST_CELLS
    centres = np.array([low for low, _ in BOX]) + CELL_MM * index
    return centres[kept], block[kept]


@cache
def _blocks() -> tuple[IntArray, ...]:
    """Return the cells of each block."""
    _, block = _grid()
    return tuple(np.flatnonzero(block == number) for number in np.unique(block))


def _sample(volume: Volume, affine: FloatArray) -> FloatArray:
    """Return the mean intensities of the cells, of 2 x 2 x 2 samples each."""
    centres, _ = _grid()
    offsets = np.stack(np.meshgrid(*[[-1.0, 1.0]] * 3), -1).reshape(-1, 3) * CELL_MM / 4
    points = (centres[:, None] + offsets).reshape(-1, 3)
    to_voxels = np.linalg.inv(volume.affine) @ affine
    voxels = points @ to_voxels[:3, :3].T + to_voxels[:3, 3]
    values = ndimage.map_coordinates(volume.data, voxels.T, order=1, cval=np.nan)
    cells = values.reshape(len(centres), -1).mean(axis=1)
    if np.isnan(cells).all():
        return cells.astype(np.float16)
    spread = np.nanstd(cells) or 1.0
    return np.clip((cells - np.nanmean(cells)) / spread, -9, 9).astype(np.float16)


def _normalise(templates: FloatArray) -> FloatArray:
    """Return templates (N, K) with mean 0 and norm 1 in each block; unknown cells are 0."""
    result = np.zeros_like(templates)
    for block in _blocks():
        part = templates[:, block]
        known = ~np.isnan(part)
        mean = np.where(known, part, 0).sum(1) / np.maximum(known.sum(1), 1)
        result[:, block] = np.where(known, part - mean[:, None], 0)
    return _unit(result)


def _centre(templates: FloatArray, people: FloatArray) -> FloatArray:
    if len(people) < CENTRED:
        return templates
    return _unit(templates - people.mean(axis=0))


def _unit(templates: FloatArray) -> FloatArray:
    for block in _blocks():
        norm = np.linalg.norm(templates[:, block], axis=1, keepdims=True)
        templates[:, block] /= np.maximum(norm, 1e-6)
    return templates


def pack(template: BrainTemplate) -> dict[str, AnyArray]:
    """Return the arrays of a template under unique names, to be saved."""
    return {f'brain_{name}': array for name, array in template.items()}


def unpack(arrays: Mapping[str, AnyArray]) -> dict[str, FloatArray]:
    """Restore a template from the arrays of `pack`; empty without them. Others are ignored."""
    return {name: arrays[f'brain_{name}'] for name in ALIGNMENTS if f'brain_{name}' in arrays}
