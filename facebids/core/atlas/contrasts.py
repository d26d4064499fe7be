# SPDX-License-Identifier: Apache-2.0
"""Signal of each tissue in each modality: relative to white matter in T1w, for CT in HU.

MR values are those typical of clinical 1.5 and 3 T sequences as an eye sees them, not physics:
registration by mutual information and phantoms need order and edges, not calibration. CT numbers
are the usual ones at 120 kV.
"""

import numpy as np

from facebids.core.atlas.anatomy import Tissue

GREY, WHITE, FLUID_IN_BRAIN = 'grey', 'white', 'fluid'
COMPUTED = frozenset({'CT'})  # modalities in Hounsfield units
ROWS = (
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
COLUMNS = {
    'T1w': (0, 0.70, 1.05, 0.60, 0.12, 0.40, 0.22, 0.25, 0.90, 0.42, 0.70, 1.00, 0.22),
    'FLAIR': (0, 0.55, 0.85, 0.38, 0.08, 0.35, 0.12, 0.14, 0.60, 0.60, 0.85, 0.62, 0.12),
    'T2w': (0, 0.55, 0.80, 0.32, 0.08, 0.40, 1.30, 1.25, 0.60, 0.90, 0.75, 0.55, 1.30),
    'PDw': (0, 0.75, 0.95, 0.70, 0.12, 0.50, 0.95, 0.95, 0.80, 0.95, 1.00, 0.80, 0.95),
    'CT': (-1000, 45, -90, 55, 1100, 400, 5, 5, 30, 40, 38, 28, 5),
}
SIGNAL = {name: dict(zip(ROWS, column, strict=True)) for name, column in COLUMNS.items()}


def paint_contrast(labels, grey, white, modality, cover=None):
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
        Share of each voxel that lies under the skin (see `skin_cover`); voxels are wholly in or
        out unless given.

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


def skin_cover(skin, spacing):
    """Share of each voxel that lies under the skin: falls from 1 to 0 over one voxel.

    Parameters
    ----------
    skin : ndarray, shape (X, Y, Z)
        Signed field (mm, negative inside), zero at the skin. Warps and blends stretch it, so it is
        divided by its own slope.
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
    # A flat spot, as in a crease, tells no distance.
    slope = np.maximum(np.sqrt(slope), 0.3)
    cover[centre] = np.clip(0.5 - skin[centre] / (slope * spacing), 0, 1)
    return cover
