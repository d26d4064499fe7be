# SPDX-License-Identifier: Apache-2.0
"""The pictures of a quiz: the square around a face, and JPEG files without metadata."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np

from facebids.core.arrays import AnyArray

SIDE = 480  # pixels of the largest picture: what a page shows on a screen of high resolution
AROUND = 2.4  # side of the square in sides of the box from eyebrows to chin: hair and neck
QUALITY = 90


def around_face(picture: AnyArray, box: Sequence[int]) -> AnyArray:
    """Return the square around a face, or as much of it as the picture has.

    Parameters
    ----------
    picture : ndarray, shape (H, W, 3)
        RGB.
    box
        Left, top, right and bottom of the face (pixels).

    Returns
    -------
    ndarray, shape (N, M, 3)
    """
    left, top, right, bottom = box
    half = AROUND * max(right - left, bottom - top) / 2
    row, column = (top + bottom) / 2, (left + right) / 2
    rows = _span(row, half, picture.shape[0])
    return picture[rows, _span(column, half, picture.shape[1])]


def jpeg(picture: AnyArray) -> bytes:
    """Return a picture as JPEG without metadata, its longer side at most `SIDE` pixels.

    Parameters
    ----------
    picture : ndarray of uint8, shape (H, W, 3)
        RGB.
    """
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(picture, np.uint8))
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    stream = BytesIO()
    image.save(stream, 'JPEG', quality=QUALITY)
    return stream.getvalue()


def _span(centre: float, half: float, length: int) -> slice:
    """Return a span of 2 half around a centre, moved to lie within a length as far as it can."""
    start = min(max(centre - half, 0), max(length - 2 * half, 0))
    return slice(round(start), min(round(start + 2 * half), length))
