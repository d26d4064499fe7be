# SPDX-License-Identifier: Apache-2.0
"""Where the head lies in single volumes of a series, whose mask has to hold for all of them."""

from dataclasses import dataclass

import numpy as np

from facebids.core import images
from facebids.core.alignment.coregistration import coregister
from facebids.core.alignment.registration import RESOLUTION
from facebids.core.atlas import generic_atlas
from facebids.core.thresholds import limit
from facebids.errors import NotAHeadError

SEEN_AS_STILL_MM = 1.0  # the mask has a wider margin
TRUSTED = limit('coregistration_doubtful')  # agreement of a volume with the mean


@dataclass(frozen=True)
class Motion:
    """What a head did in the course of a series.

    Parameters
    ----------
    transforms : list of ndarray, shape (4, 4)
        Atlas RAS mm to subject RAS mm, of each of them that lies elsewhere than the mean.
    largest_mm : float
        How far a point of the face moved at most.
    """

    transforms: list
    largest_mm: float


def positions(path, mean, transform, seed=0):
    """Find where the head lies in the first, the middle and the last volume of a series.

    Parameters
    ----------
    path : str or Path
        The series.
    mean : images.Volume
        Its mean.
    transform : ndarray, shape (4, 4)
        Atlas RAS mm to subject RAS mm, of the mean.
    seed : int

    Returns
    -------
    Motion
    """
    atlas = generic_atlas(RESOLUTION)
    count = images.volume_count(path)
    chosen = {0, count // 2, count - 1}
    face = np.argwhere((np.abs(atlas.depth) < 2) & (atlas.face_skin_sector() < 0))[::50]
    points = np.c_[face, np.ones(len(face))] @ (transform @ atlas.affine).T
    transforms, largest = [], 0.0
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
            if moved > SEEN_AS_STILL_MM:
                transforms.append(found.affine @ transform)
    return Motion(transforms, largest)
