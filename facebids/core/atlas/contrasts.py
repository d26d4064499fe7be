# SPDX-License-Identifier: Apache-2.0
"""Signal of each tissue in each modality, painted on the labels of a head."""

import numpy as np

from facebids.core.arrays import FloatArray, IntArray
from facebids.core.atlas.anatomy import Tissue
from facebids.core.contrasts import CONTRASTS

GREY, WHITE, FLUID_IN_BRAIN = 'grey', 'white', 'fluid'
TISSUES: tuple[Tissue | str, ...] = (
    Tissue.AIR,
    Tissue.SKIN,
    Tissue.FAT,
    Tissue.MUSCLE,
    Tissue.BONE,
    Tissue.MARROW,
    Tissue.FLUID,
    Tissue.VITREOUS,
    Tissue.CORD,
    Tissue.MUCOSA,
    GREY,
    WHITE,
    FLUID_IN_BRAIN,
)
SIGNAL = {
    name: dict(zip(TISSUES, contrast.signal, strict=True)) for name, contrast in CONTRASTS.items()
}


def paint_contrast(
    labels: IntArray,
    grey: FloatArray,
    white: FloatArray,
    modality: str,
    cover: FloatArray | None = None,
) -> FloatArray:
    """Turn tissue labels into the signal of one modality.

    Parameters
    ----------
    labels : ndarray of uint8, shape (X, Y, Z)
        Values of `Tissue`.
    grey, white : ndarray, shape (X, Y, Z)
        Tissue probabilities inside the brain, in [0, 1].
    modality : str
        A key of `SIGNAL`.
    cover : ndarray, shape (X, Y, Z), optional
        Share of each voxel that lies under the skin (see `skin_cover`). By default, voxels lie
        completely inside or outside.

    Returns
    -------
    ndarray of float32, shape (X, Y, Z)
    """
    signal = SIGNAL[modality]
    table = np.zeros(max(Tissue) + 1, np.float32)
    for tissue in Tissue:
        table[tissue] = signal.get(tissue, 0)
    image = table[labels]
    brain = labels == Tissue.BRAIN
    g, w = grey[brain], white[brain]
    image[brain] = (
        g * signal[GREY] + w * signal[WHITE] + (1 - g - w).clip(0) * signal[FLUID_IN_BRAIN]
    )
    if cover is not None:
        air = signal[Tissue.AIR]
        mixed = (cover > 0) & (cover < 1)
        image[mixed] = air + cover[mixed] * (signal[Tissue.SKIN] - air)
    return image


def skin_cover(skin: FloatArray, spacing: float) -> FloatArray:
    """Return the share of each voxel that lies under the skin, from 1 to 0 over one voxel.

    Parameters
    ----------
    skin : ndarray, shape (X, Y, Z)
        Signed field (mm, negative inside), zero at the skin. It is divided by its slope, because
        warps and blends stretch it.
    spacing : float
        Voxel size, mm.

    Returns
    -------
    ndarray of float32, shape (X, Y, Z)
    """
    cover = (skin < 0).astype(np.float32)
    inner = tuple(slice(1, -1) for _ in range(3))
    where = np.nonzero(np.abs(skin[inner]) < 2 * spacing)
    centre = tuple(index + 1 for index in where)
    slope = np.zeros(centre[0].shape, np.float32)
    for axis in range(3):
        after, before = (
            tuple(index + step * (i == axis) for i, index in enumerate(centre)) for step in (1, -1)
        )
        slope += ((skin[after] - skin[before]) / (2 * spacing)) ** 2
    # Flat spots, as in a crease, give no distance.
    slope = np.maximum(np.sqrt(slope), 0.3)
    cover[centre] = np.clip(0.5 - skin[centre] / (slope * spacing), 0, 1)
    return cover
