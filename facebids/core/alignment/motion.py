# SPDX-License-Identifier: Apache-2.0
"""Position of the head in single volumes of a series, all of which share one mask."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facebids.core import images
from facebids.core.alignment.coregistration import coregister
from facebids.core.alignment.registration import RESOLUTION
from facebids.core.arrays import FloatArray
from facebids.core.atlas import generic_atlas
from facebids.core.thresholds import limit
from facebids.errors import NotAHeadError

STILL_MM = 1.0  # movement that the margin of the mask covers
TRUSTED = limit('coregistration_doubtful')  # agreement of a volume with the mean


@dataclass(frozen=True)
class Motion:
    """Head motion during a series.

    Parameters
    ----------
    transforms : list of ndarray, shape (4, 4)
        Atlas RAS mm to subject RAS mm, for each volume in which the head lies elsewhere than in
        the mean.
    largest_mm : float
        Largest displacement of a point of the face.
    """

    transforms: list[FloatArray]
    largest_mm: float


def positions(
    path: str | Path, mean: images.Volume, transform: FloatArray, seed: int = 0
) -> Motion:
    """Find the position of the head in the first, the middle and the last volume of a series.

    Parameters
    ----------
    path : str or Path
        The series.
    mean : images.Volume
        Mean of its volumes.
    transform : ndarray, shape (4, 4)
        Atlas RAS mm to subject RAS mm, of the mean.
    seed : int
        Random seed of the registration.

    Returns
    -------
    Motion
        Volumes that are empty or do not agree with the mean are left out.
    """
    atlas = generic_atlas(RESOLUTION)
    count = images.volume_count(path)
    chosen = {0, count // 2, count - 1}
    face = np.argwhere((np.abs(atlas.depth) < 2) & (atlas.face_skin_sector() < 0))[::50]
    points = np.c_[face, np.ones(len(face))] @ (transform @ atlas.affine).T
    transforms: list[FloatArray] = []
    largest = 0.0
    for number, volume in enumerate(images.read_volumes(path, hounsfield=mean.hounsfield)):
        if number not in chosen or np.ptp(volume.data) == 0:
            continue
        try:
            found = coregister(volume, mean, transform, atlas, seed, good_enough=0)
        except NotAHeadError:  # nearly empty
            continue
        moved = np.linalg.norm((points @ found.affine.T - points)[:, :3], axis=1).max()
        if TRUSTED.met_by(found.quality):
            largest = max(largest, float(moved))
            if moved > STILL_MM:
                transforms.append(found.affine @ transform)
    return Motion(transforms, largest)
