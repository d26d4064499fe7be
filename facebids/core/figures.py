# SPDX-License-Identifier: Apache-2.0
"""Figures of an image for the reports: slices in atlas planes, and a sheet of renders."""

import numpy as np
from scipy import ndimage

from facebids.core.arrays import AnyArray, BoolArray, FloatArray, IntArray

SAGITTAL, CORONAL, AXIAL = (2.0, -30.0), (70.0, 30.0), (-50.0, 20.0)  # atlas mm
STEP = 1.2  # mm per pixel
BOX = ((-105.0, 105.0), (-146.0, 130.0), (-192.0, 116.0))  # atlas mm shown
MASK_COLOUR = (255, 96, 64)
FACE_COLOUR = (176, 186, 196)  # neutral: what is in the box need not be a face


def slice_mosaic(
    data: AnyArray, mask: BoolArray, affine: FloatArray, transform: FloatArray
) -> IntArray:
    """Draw six slices in planes of the atlas with the outline of a mask.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
    mask : ndarray of bool, shape (X, Y, Z)
    affine : ndarray, shape (4, 4)
        Voxel indices to subject RAS mm.
    transform : ndarray, shape (4, 4)
        Atlas RAS mm to subject RAS mm.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        RGB.
    """
    to_voxels = np.linalg.inv(affine) @ transform
    above = data[data > data.mean()]
    window = float(np.quantile(above, 0.98)) if above.size else 0.0
    if window <= 0:  # no positive values: the slices stay black
        data, window = np.zeros_like(data), 1.0
    rows = []
    for axis, positions in enumerate((SAGITTAL, CORONAL, AXIAL)):
        for position in positions:
            points, shape = _plane(axis, position)
            indices = to_voxels[:3, :3] @ points + to_voxels[:3, 3:]
            values = ndimage.map_coordinates(data, indices, order=1, cval=0).reshape(shape)
            inside = ndimage.map_coordinates(
                mask.astype(np.float32), indices, order=1, cval=0
            ).reshape(shape)
            rows.append(_paint(values / window, inside > 0.5))
    height = max(picture.shape[0] for picture in rows)
    padded = [_pad(picture, height) for picture in rows]
    return np.concatenate(
        [np.concatenate(padded[0::2], axis=1), np.concatenate(padded[1::2], axis=1)]
    )


def contact_sheet(pictures: IntArray, boxes: IntArray, columns: int = 7) -> IntArray:
    """Draw all renders on one sheet, with boxes around the faces that were found.

    Parameters
    ----------
    pictures : ndarray of uint8, shape (V, S, S, 3)
    boxes : ndarray of int, shape (V, 4)
        Left, top, right, bottom in pixels; -1 where no face was found.
    columns : int

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
    """
    tiles = []
    for picture, (left, top, right, bottom) in zip(pictures, boxes, strict=True):
        tile = picture.copy()
        if right > left:
            size = tile.shape[0] - 1
            left, right = np.clip((left, right), 2, size - 2)
            top, bottom = np.clip((top, bottom), 2, size - 2)
            for y in (top, bottom):
                tile[y - 2 : y + 2, left:right] = FACE_COLOUR
            for x in (left, right):
                tile[top:bottom, x - 2 : x + 2] = FACE_COLOUR
        tiles.append(tile[::2, ::2])
    blank = np.full_like(tiles[0], 255)
    tiles += [blank] * (-len(tiles) % columns)
    lines = [tiles[i : i + columns] for i in range(0, len(tiles), columns)]
    return np.concatenate([np.concatenate(line, axis=1) for line in lines])


def _plane(axis: int, position: float) -> tuple[FloatArray, tuple[int, int]]:
    """Return the atlas points (3, N) of a plane, rows from top to bottom, and its shape."""
    across, up = [i for i in range(3) if i != axis]
    columns = np.arange(*BOX[across], STEP)
    rows = np.arange(*BOX[up], STEP)[::-1]
    points = np.empty((3, rows.size, columns.size))
    points[axis], points[across], points[up] = position, columns[None, :], rows[:, None]
    return points.reshape(3, -1), (rows.size, columns.size)


def _paint(values: FloatArray, inside: BoolArray) -> IntArray:
    grey = (np.clip(values, 0, 1) * 255).astype(np.uint8)
    picture = np.repeat(grey[..., None], 3, axis=2)
    picture[inside ^ ndimage.binary_erosion(inside, border_value=1)] = MASK_COLOUR
    return picture


def _pad(picture: IntArray, height: int) -> IntArray:
    missing = height - picture.shape[0]
    return np.pad(picture, ((missing // 2, missing - missing // 2), (4, 4), (0, 0)))
