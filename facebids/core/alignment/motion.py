# SPDX-License-Identifier: Apache-2.0
"""Position of the head in single volumes of a series, all of which share one mask."""

from functools import cache
from pathlib import Path

import numpy as np
from nibabel.affines import apply_affine

from facebids.core import images
from facebids.core.alignment.coregistration import coregister
from facebids.core.alignment.quality import dice
from facebids.core.alignment.registration import RESOLUTION
from facebids.core.alignment.result import Motion, Move, as_matrix
from facebids.core.arrays import BoolArray, FloatArray
from facebids.core.atlas import generic_atlas
from facebids.core.foreground import head_mask
from facebids.core.grids import grid_points
from facebids.core.images import Volume
from facebids.core.thresholds import limit
from facebids.errors import NotAHeadError

STILL_MM = 1.0  # movement that the margin of the mask covers
TRUSTED = limit('coregistration_doubtful')  # agreement of a volume with the mean
FOLLOWED = 16  # volumes of a series that are followed
SAME_HEAD = 0.9  # Dice overlap of two heads in one position
SAMPLES = 50_000  # voxels that are compared to find the volumes least like the mean


def follow(
    path: str | Path, affine: FloatArray, seed: int = 0, *, hounsfield: bool = False
) -> Motion | None:
    """Find the position of the head in the volumes of a series.

    Of a series of more than `FOLLOWED` volumes, the first, the middle, the last, and those least
    like the mean are followed.

    Parameters
    ----------
    path
        The file.
    affine : shape (4, 4)
        Atlas RAS mm to subject RAS mm, of the mean of its volumes.
    seed
        Random seed of the registration.
    hounsfield
        Whether intensities are Hounsfield units.

    Returns
    -------
    Motion or None
        None for a single volume. Volumes that show no head count as still.
    """
    count = images.volume_count(path)
    if count == 1:
        return None
    atlas, mean = generic_atlas(RESOLUTION), images.read_volume(path, hounsfield=hounsfield)
    chosen = _chosen(path, mean, count)
    moves, lost, largest = [], [], 0.0
    for number, volume in enumerate(images.read_volumes(path, hounsfield=hounsfield)):
        if number not in chosen or np.ptp(volume.data) == 0:
            continue
        try:
            found = coregister(volume, mean, affine, atlas, seed, good_enough=0)
        except NotAHeadError:  # nearly empty
            continue
        farthest = displacement(found.affine, affine)
        if not TRUSTED.met_by(found.quality):
            if not _same_place(volume, mean):
                lost.append(number)
            continue
        largest = max(largest, farthest)
        if farthest > STILL_MM:
            moves.append(Move(number, as_matrix(found.affine), farthest))
    return Motion(tuple(moves), largest, tuple(lost))


def displacement(rigid: FloatArray, affine: FloatArray) -> float:
    """Return the largest displacement of a point of the face, mm.

    Parameters
    ----------
    rigid : shape (4, 4)
        A motion, subject RAS mm.
    affine : shape (4, 4)
        Atlas RAS mm to subject RAS mm.
    """
    points = apply_affine(affine, _face())
    return float(np.linalg.norm(apply_affine(rigid, points) - points, axis=1).max())


@cache
def _face() -> FloatArray:
    """Return points of the skin of the face, atlas RAS mm, shape (N, 3)."""
    atlas = generic_atlas(RESOLUTION)
    skin = (np.abs(atlas.depth) < 2) & (atlas.face_skin_sector() < 0)
    return grid_points(atlas, skin)[::50]


def _chosen(path: str | Path, mean: Volume, count: int) -> set[int]:
    """Return the indices of the volumes to follow."""
    if count <= FOLLOWED:
        return set(range(count))
    always = {0, count // 2, count - 1}
    step = max(mean.data.size // SAMPLES, 1)
    middle = mean.data.ravel()[::step]
    likeness = [
        np.corrcoef(volume.data.ravel()[::step], middle)[0, 1] if np.ptp(volume.data) else 1.0
        for volume in images.read_volumes(path, hounsfield=mean.hounsfield)
    ]
    return always | set(np.argsort(likeness)[: FOLLOWED - len(always)].tolist())


def _same_place(volume: Volume, mean: Volume) -> bool:
    """Return whether the head of a volume lies where that of the mean does, or none shows."""
    heads: list[BoolArray] = []
    for image in (volume, mean):
        try:
            heads.append(head_mask(image.data, image.zooms, hounsfield=image.hounsfield))
        except NotAHeadError:
            return True
    return dice(*heads) >= SAME_HEAD
