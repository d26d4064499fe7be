# SPDX-License-Identifier: Apache-2.0
"""Face detection and embedding. The only importer of dlib.

The models (King, 2009, J. Mach. Learn. Res. 10:1755, and the dlib-models repository) are free for
any use: HOG and CNN detectors, 5-point landmarks, ResNet embedding. `dlib_networks` runs the CNN
and the ResNet. The licence of the 68-point landmarks excludes commercial use; they are not used.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import numpy as np

from facebids.core.arrays import AnyArray, BoolArray, FloatArray, IntArray, Picture, StrArray
from facebids.core.attack import dlib_networks

CHIP_PADDING = 0.25  # around a face that is embedded, as in dlib's `compute_face_descriptor`
NO_BOX = (-1, -1, -1, -1)
# The CNN detector finds faces of 80 pixels or more. On a shrunk picture it takes a third of the
# time. It fails on pictures of less than 10 pixels, too small for a face.
CNN_SHRINK, CNN_PIXELS, CNN_LEAST = 1.54, 1000, 10
# Least detection score of a certain face. Faces in renders have a median score of 0.7 to 1.2
# (HOG). False detections in defaced heads, such as brow-like overhangs, have a median of 0.2; one
# in twenty reaches 0.65.
CERTAIN = 0.5
RANDOM = 'random'  # prefix of the names of random views


@dataclass(frozen=True)
class Face:
    """A face in a picture.

    Parameters
    ----------
    box : tuple of 4 ints
        Left, top, right and bottom, pixels.
    score : float
        Detection score. The scores of the two detectors have different scales.
    detector : {'hog', 'cnn'}
    """

    box: tuple[int, int, int, int]
    score: float
    detector: str


@dataclass(frozen=True)
class Recognition:
    """The faces detected in the views of a head, at most one a view.

    Parameters
    ----------
    names : ndarray of str, shape (V,)
        Names of the views.
    found : ndarray of bool, shape (V,)
        Whether a face was detected.
    detector : ndarray of str, shape (V,)
        `hog`, `cnn`, or empty without a face.
    score : ndarray, shape (V,)
        Detection score; NaN without a face.
    boxes : ndarray of int, shape (V, 4)
        Left, top, right, bottom, pixels; -1 without a face.
    embeddings : ndarray, shape (V, 128)
        Rows of NaN without a face.
    """

    names: StrArray
    found: BoolArray
    detector: StrArray
    score: FloatArray
    boxes: IntArray
    embeddings: FloatArray

    @property
    def certain(self) -> BoolArray:
        """Whether a face was detected with certainty (`CERTAIN`), shape (V,)."""
        return self.found & (np.nan_to_num(self.score) >= CERTAIN)

    @property
    def random(self) -> BoolArray:
        """Whether a view is random (`is_random`), shape (V,)."""
        return is_random(self.names)

    @property
    def faces(self) -> int:
        """Number of random views with a face."""
        return int((self.found & self.random).sum())

    @property
    def certain_faces(self) -> int:
        """Number of random views with a face detected with certainty."""
        return int((self.certain & self.random).sum())

    def to_arrays(self) -> dict[str, AnyArray]:
        """Return the arrays by name, to be saved."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> 'Recognition':
        """Restore from the arrays of `to_arrays`. Other arrays are ignored."""
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})


@cache
def models() -> dict[str, Any]:
    """Return dlib's models, loaded once: `hog` and `landmarks`."""
    import dlib

    landmarks = dlib_networks.model_file(dlib_networks.LANDMARKS)
    return {
        'hog': dlib.get_frontal_face_detector(),
        'landmarks': dlib.shape_predictor(str(landmarks)),
    }


def detect(image: Picture) -> Face | None:
    """Detect the face with the highest score in a picture.

    The HOG detector runs first, on the picture enlarged once. The slower CNN runs if it finds no
    face.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
        RGB.

    Returns
    -------
    Face or None
    """
    boxes, scores, _ = models()['hog'].run(image, 1, 0.0)
    if boxes:
        index = int(np.argmax(scores))
        return Face(_corners(boxes[index]), float(scores[index]), 'hog')
    small, factor = _shrink(image)
    found = dlib_networks.detect(small) if min(small.shape[:2]) >= CNN_LEAST else None
    if found:
        left, top, right, bottom = (round(edge * factor) for edge in found[0])
        return Face((left, top, right, bottom), found[1], 'cnn')
    return None


def _shrink(image: Picture) -> tuple[Picture, float]:
    """Return a smaller picture, at most CNN_PIXELS along its longer side, and the factor."""
    from PIL import Image

    height, width = image.shape[:2]
    factor = max(max(height, width) / CNN_PIXELS, CNN_SHRINK)
    size = max(round(width / factor), 1), max(round(height / factor), 1)
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS)), factor


def embed(image: Picture, box: Sequence[int] | IntArray) -> FloatArray:
    """Embed the face inside a box.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
        RGB.
    box : sequence of 4 ints
        Left, top, right, bottom, pixels.

    Returns
    -------
    ndarray, shape (128,)
    """
    import dlib

    face = _landmarks(image, box)
    return dlib_networks.embed(dlib.get_face_chip(image, face, dlib_networks.CHIP, CHIP_PADDING))


def landmarks(image: Picture, box: Sequence[int] | IntArray) -> FloatArray:
    """Locate the eyes and the nose of the face inside a box.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
        RGB.
    box : sequence of 4 ints
        Left, top, right, bottom, pixels.

    Returns
    -------
    ndarray, shape (5, 2)
        Column and row, pixels: outer and inner corner of the eye on the right of the picture,
        outer and inner corner of the eye on the left, and base of the nose.
    """
    return np.array([(part.x, part.y) for part in _landmarks(image, box).parts()], float)


def _landmarks(image: Picture, box: Sequence[int] | IntArray) -> Any:
    """Return the landmarks as dlib's own type."""
    import dlib

    return models()['landmarks'](image, dlib.rectangle(*(int(v) for v in box)))


def is_random(names: Iterable[str]) -> BoolArray:
    """Return which views are random, shape (V,): those whose names begin with `RANDOM`."""
    return np.array([str(name).startswith(RANDOM) for name in names], bool)


def recognise(images: Sequence[Picture] | Picture, names: Sequence[str]) -> Recognition:
    """Detect and embed a face in each picture.

    Parameters
    ----------
    images : ndarray of uint8, shape (V, H, W, 3)
        RGB; pictures of different sizes as a list.
    names : sequence of str, length V
        Names of the views.
    """
    faces = [detect(image) for image in images]
    boxes = np.array([face.box if face else NO_BOX for face in faces])
    return Recognition(
        names=np.array(names),
        found=np.array([face is not None for face in faces]),
        detector=np.array([face.detector if face else '' for face in faces]),
        score=np.array([face.score if face else np.nan for face in faces]),
        boxes=boxes,
        embeddings=embed_at(images, boxes),
    )


def embed_at(images: Sequence[Picture] | Picture, boxes: IntArray) -> FloatArray:
    """Embed what is inside known boxes, whether or not a detector finds a face there.

    With the boxes of the faces before defacing, this is the attack of an adversary who knows where
    the face was.

    Parameters
    ----------
    images : ndarray of uint8, shape (V, H, W, 3)
        RGB.
    boxes : ndarray of int, shape (V, 4)
        Left, top, right, bottom, pixels; -1 without a box.

    Returns
    -------
    ndarray, shape (V, 128)
        Rows of NaN without a box.
    """
    embeddings = np.full((len(images), 128), np.nan)
    for row, (image, box) in enumerate(zip(images, boxes, strict=True)):
        if tuple(box) != NO_BOX:
            embeddings[row] = embed(image, box)
    return embeddings


def _corners(box: Any) -> tuple[int, int, int, int]:
    """Return the edges of dlib's rectangle."""
    return box.left(), box.top(), box.right(), box.bottom()
