# SPDX-License-Identifier: Apache-2.0
"""Measure the faces of a video picture by picture, and follow each through it.

The measurements are added to a file as they are made, so that memory does not grow and an
interrupted run goes on. They tell people apart: the file is private, and deleted in the end.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from facebids.core.arrays import AnyArray, FloatArray
from facebids.errors import VideoError
from facebids.mask import iris
from facebids.mask.landmarks import MOST_FACES, Landmarker
from facebids.mask.measure import COLUMN, MEASURES, confidence, measures
from facebids.mask.video import Picture

PLACE = [COLUMN[name] for name in ('x_px', 'y_px')]
SIZE = COLUMN['eyes_px']
NEAR = 2.0  # distances of the eyes, by which a face moves from one picture to the next at most
ROW = np.dtype([('time', '<f8'), ('faces', '<f4', (MOST_FACES, len(MEASURES)))])
BLOCK = 25  # pictures after which the measurements are saved
FEWEST = 0.1  # share of the pictures that a face must be on


def measure_video(
    pictures: Iterator[Picture],
    file: Path,
    *,
    refuse: bool,
    progress: Callable[[float], None],
) -> None:
    """Add the measures of the pictures to a file that may have those of the first ones.

    Parameters
    ----------
    pictures
        All pictures of the video.
    file
        Has a row of `ROW` for each picture.
    refuse
        Whether a picture with several faces is an error.
    progress
        Called with the time of each picture, in s.

    Raises
    ------
    VideoError
        If there are several faces and ``refuse`` is set.
    """
    done = read_rows(file) if file.exists() else np.empty(0, ROW)
    places = last_places(done['faces'])
    with Landmarker() as landmarker, open(file, 'r+b' if file.exists() else 'w+b') as stream:
        stream.truncate(done.nbytes)
        stream.seek(done.nbytes)
        for number, picture in enumerate(pictures):
            progress(picture.time_s)
            if number < len(done):
                continue
            faces = [] if picture.pixels is None else measured(landmarker, picture.pixels)
            if refuse and len(faces) > 1:
                raise VideoError(
                    f'There are {len(faces)} faces after {picture.time_s:.1f} s. Choose '
                    '--face largest or --face all.'
                )
            row = np.zeros((), ROW)
            row['time'], row['faces'] = picture.time_s, assigned(faces, places)
            stream.write(row.tobytes())
            if number % BLOCK == 0:
                stream.flush()


def read_rows(file: Path) -> np.ndarray:
    """Return the complete rows of a file of measures, mapped into memory."""
    count = file.stat().st_size // ROW.itemsize
    return np.memmap(file, ROW, 'r', shape=(count,)) if count else np.empty(0, ROW)


def measured(landmarker: Landmarker, pixels: AnyArray) -> list[FloatArray]:
    """Return the measures of all faces on a picture: uint8, shape (height, width, 3)."""
    size = pixels.shape[1], pixels.shape[0]
    return [
        measures(points, iris.eyes(iris.patches(pixels, points), points), size)
        for points in landmarker.find(pixels)
    ]


def last_places(faces: FloatArray) -> FloatArray:
    """Return where each face was last: x and y in pixels; NaN if it was on no picture.

    Parameters
    ----------
    faces : ndarray, shape (n, MOST_FACES, len(MEASURES))
    """
    places = np.full((MOST_FACES, 2), np.nan)
    for slot in range(MOST_FACES):
        known = np.flatnonzero(~np.isnan(faces[:, slot, SIZE]))
        if len(known):
            places[slot] = faces[known[-1], slot][PLACE]
    return places


def assigned(found: list[FloatArray], places: FloatArray) -> FloatArray:
    """Return the measures of the faces of a picture in the rows of the same persons as before.

    Parameters
    ----------
    found
        Measures of each face.
    places
        Where each face was last; it is updated.

    Returns
    -------
    ndarray, shape (MOST_FACES, len(MEASURES))
        NaN where a face is not on the picture.
    """
    rows = np.full((MOST_FACES, len(MEASURES)), np.nan)
    free = set(range(MOST_FACES))
    for face in sorted(found, key=lambda face: -face[SIZE]):
        distance = np.linalg.norm(places - face[PLACE], axis=1) / face[SIZE]
        near = [slot for slot in free if distance[slot] < NEAR]
        new = [slot for slot in free if np.isnan(distance[slot])]
        # with neither, the face of longest ago is unknown: take the nearest
        slot = min(near or new or free, key=lambda slot: (np.nan_to_num(distance[slot]), slot))
        rows[slot], places[slot] = face, face[PLACE]
        free.remove(slot)
    return rows


def people(faces: FloatArray) -> list[int]:
    """Return the rows of the faces of a recording, the largest first.

    Faces on few pictures are left out, as they may be none.
    """
    sizes = []
    for slot in range(faces.shape[1]):
        sure = confidence(faces[:, slot])
        if np.count_nonzero(sure) >= max(1, FEWEST * len(faces)):
            sizes.append((-float(np.nansum(sure * faces[:, slot, SIZE])), slot))
    return [slot for _, slot in sorted(sizes)]
