# SPDX-License-Identifier: Apache-2.0
"""Signal of each tissue in each modality, relative to white matter in T1w.

Values are those typical of clinical 1.5 and 3 T sequences as an eye sees them, not physics:
registration by mutual information and phantoms need order and edges, not calibration.
"""

import numpy as np

from facebids.core.atlas.anatomy import Tissue

GREY, WHITE, FLUID_IN_BRAIN = 'grey', 'white', 'fluid'

SIGNAL = {
    'T1w': {
        Tissue.AIR: 0.0,
        Tissue.SKIN: 0.70,
        Tissue.FAT: 1.05,
        Tissue.MUSCLE: 0.60,
        Tissue.BONE: 0.12,
        Tissue.MARROW: 0.40,
        Tissue.FLUID: 0.22,
        Tissue.VITREOUS: 0.25,
        Tissue.CORD: 0.90,
        Tissue.MUCOSA: 0.42,
        GREY: 0.70,
        WHITE: 1.00,
        FLUID_IN_BRAIN: 0.22,
    },
    'FLAIR': {
        Tissue.AIR: 0.0,
        Tissue.SKIN: 0.55,
        Tissue.FAT: 0.85,
        Tissue.MUSCLE: 0.38,
        Tissue.BONE: 0.08,
        Tissue.MARROW: 0.35,
        Tissue.FLUID: 0.12,
        Tissue.VITREOUS: 0.14,
        Tissue.CORD: 0.60,
        Tissue.MUCOSA: 0.60,
        GREY: 0.85,
        WHITE: 0.62,
        FLUID_IN_BRAIN: 0.12,
    },
}


def paint_contrast(labels, grey, white, modality):
    """Turn tissue labels into the signal of one modality.

    Parameters
    ----------
    labels : ndarray of uint8, shape (X, Y, Z)
        Values of `Tissue`.
    grey, white : ndarray, shape (X, Y, Z)
        Tissue probabilities inside the brain, in [0, 1].
    modality : str
        A key of `SIGNAL`.

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
    return image
