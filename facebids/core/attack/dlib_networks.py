# SPDX-License-Identifier: Apache-2.0
"""The two networks of dlib that find a face and embed it, run by ONNX Runtime.

dlib computes convolutions without BLAS. ONNX Runtime takes a fifteenth of its time for the CNN
detector (max-margin object detection; King, 2015, arXiv:1502.00046) and a twentieth for the
ResNet that embeds faces, and returns the same numbers but for rounding. The graphs are part of the
package, and made by `training/dlib_graphs.py` of the repository. Their weights stay where they
are: a graph names the bytes of dlib's own model file.
"""

from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from facebids.core import networks
from facebids.core.arrays import FloatArray, Picture
from facebids.core.packages import package_file

DETECTOR = 'mmod_human_face_detector'
EMBEDDING = 'dlib_face_recognition_resnet_model_v1'
LANDMARKS = 'shape_predictor_5_face_landmarks'
MODELS = {  # SHA-256 of the files of face_recognition_models 0.3.0
    DETECTOR: '4cb19393e2fbaf2b1609a9319ad5386618c886a6234ec1b971f3e87c85d87fe6',
    EMBEDDING: '55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30',
    LANDMARKS: 'c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888',
}
GRAPHS = {  # SHA-256
    DETECTOR: '753efce2596b31b72355a1b28ca1495917e5fae2780de3bf03a47d54896ce52f',
    EMBEDDING: '9918b158be70ec5cc5ad551bb3e4e364d69e75a67001c4f227bea9937be4917b',
}
CHIP = 150  # pixels: width and height of the pictures that are embedded
MEAN = (122.782, 117.001, 104.298)  # of red, green and blue
SCALE = 256.0
# The pyramid of the detector: each picture has 5/6 of the size of the one before (dlib's
# `pyramid_down<6>`), and all are laid out on one (`create_tiled_pyramid`).
PARTS = 6
GAP, MARGIN = 10, 11  # pixels between the pictures, and around all
LEAST = 5  # pixels: height of the smallest picture
WINDOW = 80  # pixels: width and height of a face
STRIDE, OFFSET = (
    8,
    14,
)  # pixels: a score at (r, c) is that of the window around (8 r + 14, 8 c + 14)

Tile: TypeAlias = tuple[int, int, int, int]  # left, top, width, height
Box: TypeAlias = tuple[int, int, int, int]  # left, top, right, bottom


def model_file(name: str) -> Path:
    """Return the path of a model file of dlib.

    Raises
    ------
    FacebidsError
        If `face_recognition_models` is not installed, or has another file.
    """
    return package_file('face_recognition_models', f'models/{name}.dat', MODELS[name])


@cache
def _network(name: str) -> Any:
    graph = f'core/attack/{name}.onnx'
    return networks.load(graph, GRAPHS[name], weights=model_file(name).parent)


def embed(chip: Picture) -> FloatArray:
    """Embed a face.

    Parameters
    ----------
    chip : ndarray of uint8, shape (150, 150, 3)
        The face, upright, as `dlib.get_face_chip` cuts it out. RGB.

    Returns
    -------
    ndarray, shape (128,)
        As that of `dlib.face_recognition_model_v1`.
    """
    (embeddings,) = _network(EMBEDDING).run(None, {'chips': chip[np.newaxis]})
    return embeddings[0].astype(float)


def detect(image: Picture) -> tuple[Box, float] | None:
    """Detect the face with the highest score.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
        RGB.

    Returns
    -------
    box : tuple of 4 ints
        Left, top, right and bottom, pixels.
    score : float
        As that of `dlib.cnn_face_detection_model_v1`; greater than 0.
    """
    tiles, shape = tile(*image.shape[:2])
    ((scores,),) = _network(DETECTOR).run(None, {'pyramid': pyramid(image, tiles, shape)})[0]
    row, column = np.unravel_index(scores.argmax(), scores.shape)
    score = float(scores[row, column])
    return (_box(int(row), int(column), tiles), score) if score > 0 else None


def tile(height: int, width: int) -> tuple[tuple[Tile, ...], tuple[int, int]]:
    """Lay out the pyramid of a picture: down along its left edge, and up along its right edge.

    Returns
    -------
    tiles
        Where each picture of the pyramid lies, the largest first. The last ones are missing if
        they would cover the first.
    shape : tuple of 2 ints
        Rows and columns of the whole.
    """
    sizes = [(height, width)]
    while True:
        rows, columns = ((PARTS - 1) * size // PARTS for size in sizes[-1])
        if rows < LEAST or not columns:
            break
        sizes.append((rows, columns))
    total = sum(rows + GAP for rows, _ in sizes) - 2 * GAP
    tiles: list[Tile] = []
    top, before = MARGIN, 0
    for rows, columns in sizes:
        beside = columns <= width - before - GAP
        if beside and 2 * (top - MARGIN - height) >= total - height:
            break
        tiles.append((MARGIN, top, columns, rows))
        top, before = top + rows + GAP, columns
    bottom = top - GAP
    shape = bottom + MARGIN, width + 2 * MARGIN
    for rows, columns in sizes[len(tiles) :]:
        if bottom - rows < MARGIN + height:
            break
        tiles.append((MARGIN + width - columns, bottom - rows, columns, rows))
        bottom -= rows + GAP
    return tuple(tiles), shape


def pyramid(image: Picture, tiles: tuple[Tile, ...], shape: tuple[int, int]) -> FloatArray:
    """Return the pictures of a pyramid, laid out on one, float32, shape (1, 3, *shape)."""
    part = ((image.astype(np.float32) - np.array(MEAN, np.float32)) / np.float32(SCALE)).transpose(
        2, 0, 1
    )
    whole = np.zeros((1, 3, *shape), np.float32)
    for left, top, width, height in tiles:
        part = _resize(_resize(part, height, 1), width, 2)
        whole[0, :, top : top + height, left : left + width] = part
    return whole


def _resize(part: FloatArray, size: int, axis: int) -> FloatArray:
    """Resample along an axis, linearly; the first and the last pixel stay."""
    length = part.shape[axis]
    if length == size:
        return part
    at = np.arange(size) * (length - 1) / max(size - 1, 1)
    first = np.minimum(at.astype(int), length - 1)
    weight = np.expand_dims((at - first).astype(np.float32), tuple({0, 1, 2} - {axis}))
    second = np.minimum(first + 1, length - 1)
    return part.take(first, axis) * (1 - weight) + part.take(second, axis) * weight


def _box(row: int, column: int, tiles: tuple[Tile, ...]) -> Box:
    """Return the window of a score in the picture, pixels."""
    centre = np.array([STRIDE * column + OFFSET, STRIDE * row + OFFSET])
    corners = np.array([(left, top) for left, top, _, _ in tiles])
    sizes = np.array([(width, height) for _, _, width, height in tiles])
    nearest = np.clip(centre, corners, corners + sizes - 1)
    level = int(np.linalg.norm(nearest - centre, axis=1).argmin())
    edges = np.concatenate([centre - (WINDOW - 1) / 2, centre + (WINDOW - 1) / 2])
    edges = edges - np.tile(corners[level], 2)
    for _ in range(level):
        edges = edges * PARTS / (PARTS - 1) + 0.3  # `pyramid_down::point_up`
    left, top, right, bottom = (int(edge) for edge in np.floor(edges + 0.5))
    return left, top, right, bottom
