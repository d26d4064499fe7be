# SPDX-License-Identifier: Apache-2.0
"""Figures of an image for the reports: slices in atlas planes, and a sheet of renders."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from facebids.core.arrays import AnyArray, BoolArray, FloatArray, IntArray
from facebids.core.atlas import HeadModel
from facebids.words import spelled

# atlas mm, along x, y and z
POSITIONS = (
    (-60.0, -40.0, -20.0, 0.0, 20.0, 40.0, 60.0),
    (-70.0, -35.0, 0.0, 30.0, 55.0, 75.0, 95.0),
    (-110.0, -85.0, -60.0, -35.0, -10.0, 20.0, 50.0),
)
ALIGNMENT = ((0, 0.0), (0, 40.0), (1, -35.0), (1, 30.0), (2, -60.0), (2, 0.0), (2, 40.0))
BOX = ((-105.0, 105.0), (-146.0, 130.0), (-192.0, 116.0))  # atlas mm shown
ENDS = (('P', 'A'), ('L', 'R'), ('L', 'R'))  # left and right end of a slice across each axis
FINEST, COARSEST = 0.8, 1.2  # mm per pixel
MASK_COLOUR = (255, 96, 64)
FACE_COLOUR = (176, 186, 196)  # neutral: what is in the box need not be a face
HEAD_COLOUR, BRAIN_COLOUR = (90, 170, 255), (255, 214, 64)  # outlines of the atlas
TINT, TISSUE = 0.35, 0.12  # share of the colour, and least intensity of tissue (of the window)
GAP, STRIP, TEXT = 6, 24, 16  # pixels: between slices, height of a strip of text, size of text
FACE_LIKE = 'something face-like'


def slice_mosaic(
    data: AnyArray, mask: BoolArray, affine: FloatArray, transform: FloatArray, atlas: HeadModel
) -> IntArray:
    """Draw seven slices across each axis of the atlas, and the alignment with the atlas below.

    Slices show the outline of the mask, the replaced tissue tinted, and the brain of the atlas.
    The last row has the outlines of head and brain of the atlas: on them the mask depends.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
        It sets the resolution, from `FINEST` to `COARSEST`.
    mask : ndarray of bool, shape (X, Y, Z)
    affine : ndarray, shape (4, 4)
        Voxel indices to subject RAS mm.
    transform : ndarray, shape (4, 4)
        Atlas RAS mm to subject RAS mm.
    atlas : HeadModel

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        RGB.
    """
    to_voxels = np.linalg.inv(affine) @ transform
    to_atlas = np.linalg.inv(atlas.affine)
    zooms = np.sqrt((np.asarray(affine)[:3, :3] ** 2).sum(axis=0))
    step = float(np.clip(zooms.min(), FINEST, COARSEST))
    above = data[data > data.mean()]
    window = float(np.quantile(above, 0.98)) if above.size else 0.0
    if window <= 0:  # no positive values: the slices stay black
        data, window = np.zeros_like(data), 1.0
    covered = mask.astype(np.float32)

    def tile(axis: int, position: float, *, alignment: bool) -> IntArray:
        points, shape = _plane(axis, position, step)

        def cut(field: AnyArray, matrix: FloatArray, outside: float) -> FloatArray:
            indices = matrix[:3, :3] @ points + matrix[:3, 3:]
            cells = ndimage.map_coordinates(field, indices, order=1, cval=outside)
            return np.asarray(cells.reshape(shape))

        values = cut(data, to_voxels, 0) / window
        picture = np.repeat((np.clip(values, 0, 1) * 255).astype(np.uint8)[..., None], 3, axis=2)
        brain = cut(atlas.brain, to_atlas, 99) < 0
        if alignment:
            _outline(picture, cut(atlas.skin, to_atlas, 99) < 0, HEAD_COLOUR)
        else:
            inside = cut(covered, to_voxels, 0) > 0.5
            _tint(picture, inside & (values > TISSUE))
            _outline(picture, inside, MASK_COLOUR)
        _outline(picture, brain, BRAIN_COLOUR)
        return _titled(picture, _title(axis, position))

    rows = [
        [tile(axis, position, alignment=False) for position in positions]
        for axis, positions in enumerate(POSITIONS)
    ]
    rows.append([tile(axis, position, alignment=True) for axis, position in ALIGNMENT])
    lines = [_beside(row) for row in rows]
    lines.insert(3, _strip(lines[0].shape[1], 'Alignment: head and brain of the atlas'))
    return _below(lines)


def contact_sheet(
    pictures: IntArray, boxes: IntArray, names: Sequence[str], random: BoolArray
) -> IntArray:
    """Draw the named views large, and the random ones small, with boxes around what is face-like.

    Parameters
    ----------
    pictures : ndarray of uint8, shape (V, S, S, 3)
    boxes : ndarray of int, shape (V, 4)
        Left, top, right, bottom in pixels; -1 where no face was found.
    names : sequence of str
        Names of the views, ``'halfside'``.
    random : ndarray of bool, shape (V,)
        Which views are random.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
    """
    framed = [
        _framed(picture, box, labelled=not small)
        for picture, box, small in zip(pictures, boxes, random, strict=True)
    ]
    large = [
        _titled(picture, f'{spelled(name)} view')
        for picture, name, small in zip(framed, names, random, strict=True)
        if not small
    ]
    small = [picture for picture, is_random in zip(framed, random, strict=True) if is_random]
    lines = [_beside(large)] if large else []
    if small:
        width = lines[0].shape[1] if lines else len(small) * framed[0].shape[1] // 2
        edge = width // len(small) - GAP
        lines.append(_strip(width, f'{len(small)} random views'))
        lines.append(_beside([_resized(picture, edge) for picture in small]))
    return _below(lines)


def _title(axis: int, position: float) -> str:
    side = '' if axis or not position else ' (left)' if position < 0 else ' (right)'
    left, right = ENDS[axis]
    return f'{left}   {"xyz"[axis]} = {position:g} mm{side}   {right}'


def _framed(picture: IntArray, box: IntArray, *, labelled: bool) -> IntArray:
    """Return a picture with a box and its label, or the same without a box.

    One that is made small afterwards has a thick box, and no label, which nobody could read.
    """
    left, top, right, bottom = (int(edge) for edge in box)
    if right <= left:
        return picture
    from PIL import Image, ImageDraw

    image = Image.fromarray(picture)
    size = picture.shape[0] - 1
    left, right = (int(np.clip(x, 2, size - 2)) for x in (left, right))
    top, bottom = (int(np.clip(y, 2, size - 2)) for y in (top, bottom))
    draw = ImageDraw.Draw(image)
    draw.rectangle((left, top, right, bottom), outline=FACE_COLOUR, width=3 if labelled else 6)
    if not labelled:
        return np.asarray(image)
    below = bottom + 4 if bottom + STRIP < size else top - STRIP
    draw.rectangle(draw.textbbox((left, below), FACE_LIKE, _font()), fill='black')
    draw.text((left, below), FACE_LIKE, FACE_COLOUR, _font())
    return np.asarray(image)


def _plane(axis: int, position: float, step: float) -> tuple[FloatArray, tuple[int, int]]:
    """Return the atlas points (3, N) of a plane, rows from top to bottom, and its shape."""
    across, up = [i for i in range(3) if i != axis]
    columns = np.arange(*BOX[across], step)
    rows = np.arange(*BOX[up], step)[::-1]
    points = np.empty((3, rows.size, columns.size))
    points[axis], points[across], points[up] = position, columns[None, :], rows[:, None]
    return points.reshape(3, -1), (rows.size, columns.size)


def _outline(picture: IntArray, inside: BoolArray, colour: tuple[int, int, int]) -> None:
    picture[inside ^ ndimage.binary_erosion(inside, border_value=1)] = colour


def _tint(picture: IntArray, inside: BoolArray) -> None:
    mixed = (1 - TINT) * picture[inside] + TINT * np.array(MASK_COLOUR)
    picture[inside] = mixed.astype(np.uint8)


# --- layout -------------------------------------------------------------------------------------


def _font() -> Any:  # one of two classes of Pillow
    from PIL import ImageFont

    return ImageFont.load_default(TEXT)


def _strip(width: int, text: str) -> IntArray:
    """Return a black strip with a text in its middle, shape (STRIP, width, 3)."""
    from PIL import Image, ImageDraw

    image = Image.new('RGB', (width, STRIP))
    ImageDraw.Draw(image).text((width / 2, STRIP / 2), text, 'white', _font(), anchor='mm')
    return np.asarray(image)


def _titled(picture: IntArray, text: str) -> IntArray:
    return np.concatenate([_strip(picture.shape[1], text), picture])


def _resized(picture: IntArray, edge: int) -> IntArray:
    from PIL import Image

    return np.asarray(Image.fromarray(picture).resize((edge, edge)))


def _beside(pictures: Sequence[IntArray]) -> IntArray:
    height = max(picture.shape[0] for picture in pictures)
    half = GAP // 2
    return np.concatenate(
        [
            np.pad(picture, ((0, height - picture.shape[0]), (half, half), (0, 0)))
            for picture in pictures
        ],
        axis=1,
    )


def _below(lines: Sequence[IntArray]) -> IntArray:
    width = max(line.shape[1] for line in lines)
    missing = [width - line.shape[1] for line in lines]
    return np.concatenate(
        [
            np.pad(line, ((0, GAP), (more // 2, more - more // 2), (0, 0)))
            for line, more in zip(lines, missing, strict=True)
        ]
    )
