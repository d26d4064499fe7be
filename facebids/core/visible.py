# SPDX-License-Identifier: Apache-2.0
"""The head in images whose air is as strong as tissue, or that have no magnitude.

These are the UNI image of an MP2RAGE, phase, real and imaginary parts, and field maps. Tissue is
smooth in them, and air is noise, or was erased. A map of the smoothness shows the head as a
magnitude does, and rests on the voxels of the image alone. In an image that is noise throughout,
nothing shows.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np
from scipy import ndimage

from facebids.core import images
from facebids.core.arrays import AnyArray, BoolArray, FloatArray
from facebids.core.contrasts import HOUNSFIELD
from facebids.core.foreground import head_mask
from facebids.core.images import Volume
from facebids.errors import NotAHeadError

Signal: TypeAlias = Literal['magnitude', 'phase', 'real']
SIGNALS: tuple[Signal, ...] = get_args(Signal)  # 'real' are signed numbers of any kind

WINDOW_MM = 4.0  # in which the smoothness is measured; at least three voxels
ROUGHEST = 0.95  # quantile of the local standard deviation: that of air
ROUGH = 0.5  # of it, from which a voxel counts as air
ERASED = 0.6  # share of constant voxels at the border of a grid from which the air was erased
COHERENT = 0.7  # resultant length of phases, up to which a voxel counts as air


def read(path: str | Path, contrast: str, signal: Signal) -> Volume | None:
    """Read an image in which the head stands out from the air, from its own voxels.

    Parameters
    ----------
    path
        The image. Of a series of phases, the first volume is read.
    contrast
        Contrast of the atlas, which tells whether intensities are Hounsfield units.
    signal
        What the intensities are.

    Returns
    -------
    Volume or None
        None if no head shows.
    """
    which = 0 if signal == 'phase' and images.volume_count(path) > 1 else None
    return find(images.read_volume(path, which, hounsfield=contrast in HOUNSFIELD), signal)


def find(volume: Volume, signal: Signal = 'real') -> Volume | None:
    """Return an image in which the head stands out from the air, from the same voxels.

    Parameters
    ----------
    volume
        The image.
    signal
        What its intensities are. The range of phases is a full turn.

    Returns
    -------
    Volume or None
        A magnitude as it is. Of other images, what is not erased, if the air was; the magnitudes
        of the intensities, if they show a head; or else the smoothness, from 0 to 1. None if none
        of these shows a head.
    """
    for data in _candidates(volume, signal):
        try:
            head_mask(data, volume.zooms, hounsfield=volume.hounsfield)
        except NotAHeadError:
            continue
        return replace(volume, data=data.astype(np.float32))
    return None


def _candidates(volume: Volume, signal: Signal) -> Iterator[AnyArray]:
    """Yield arrays that may show the head, the best first."""
    if signal == 'magnitude':
        yield volume.data
        return
    constant = _constant(volume)
    if _border(constant).mean() > ERASED:
        yield ~constant
    elif signal == 'phase':
        yield _coherence(volume) * ~constant
    else:
        yield np.abs(volume.data)
        yield _smoothness(volume) * ~constant


def _coherence(volume: Volume) -> FloatArray:
    """Return how well phases agree with their neighbours: resultant length, above that of air."""
    low, high = float(volume.data.min()), float(volume.data.max())
    turns = np.exp(2j * np.pi * (volume.data - low) / max(high - low, 1e-12))
    mean = np.abs(_mean(turns.real, volume) + 1j * _mean(turns.imag, volume))
    return np.clip((mean - COHERENT) / (1 - COHERENT), 0, 1)


def _smoothness(volume: Volume) -> FloatArray:
    """Return how smooth an image is around each voxel, relative to its air."""
    data = volume.data.astype(np.float64)
    data -= data.mean()
    variance = _mean(data**2, volume) - _mean(data, volume) ** 2
    deviation = np.sqrt(np.maximum(variance, 0))
    air = float(np.quantile(deviation, ROUGHEST))
    return np.clip(1 - deviation / max(ROUGH * air, 1e-12), 0, 1)


def _window(volume: Volume) -> tuple[int, ...]:
    """Return the window in voxels: odd, at least three."""
    return tuple(max(2 * int(size / 2) + 1, 3) for size in WINDOW_MM / volume.zooms)


def _mean(data: FloatArray, volume: Volume) -> FloatArray:
    return np.asarray(ndimage.uniform_filter(data, _window(volume)))


def _constant(volume: Volume) -> BoolArray:
    """Return where all neighbours are equal: what was erased is no tissue."""
    high = ndimage.maximum_filter(volume.data, 3)
    return np.asarray(high == ndimage.minimum_filter(volume.data, 3))


def _border(voxels: BoolArray) -> BoolArray:
    """Return the outermost voxels of a grid."""
    inner = np.zeros(voxels.shape, bool)
    inner[1:-1, 1:-1, 1:-1] = True
    return voxels[~inner]
