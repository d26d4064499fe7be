# SPDX-License-Identifier: Apache-2.0
"""Describe the face on one picture: landmarks in the frame of the head, and the eyes.

These values tell people apart. `facebids.mask.movements` makes parameters of them.
"""

from functools import cache

import numpy as np
from scipy.spatial.transform import Rotation

from facebids.core.arrays import FloatArray
from facebids.mask import iris, parameters
from facebids.mask.landmarks import generic_points

# Landmarks follow turns of the head only in part: gains on renders of known heads.
PITCH, YAW = 1.33, 1.08

# Hardly moved by expressions: forehead, temples, corners of the eyes, bridge of the nose.
STABLE = (
    10, 338, 297, 332, 284, 251, 109, 67, 103, 54, 21, 127, 356, 234, 454, 33, 133, 362, 263,
    168, 6, 197, 195, 8, 193, 417, 122, 351,
)  # fmt: skip

# Landmarks of the left side and of the right side of the person.
LIDS = ((386, 374), (159, 145))  # upper and lower lid at the middle of the eye

# Points of the left and right side whose mean moves, and the axis: out to the side, or up.
PLACES: dict[str, tuple[tuple[int, ...], tuple[int, ...], str]] = {
    'brow': ((334, 296, 282, 293), (105, 66, 52, 63), 'up'),
    'cheek': ((425, 280, 330), (205, 50, 101), 'up'),
    'nose': ((278, 331, 294), (48, 102, 64), 'up'),
    'corner': ((291, 306), (61, 76), 'up'),
    'width': ((291, 306), (61, 76), 'out'),
    'upper_lip': ((271, 268, 303), (41, 38, 73), 'up'),
    'lower_lip': ((403, 316, 319), (179, 86, 89), 'up'),
}
CHIN = (152, 148, 377)
MOUTH = (0, 17, 13, 14)
SIDES = ('left', 'right')
PLACED = tuple(f'{name}_{side}' for name in PLACES for side in SIDES)
MIDDLE = ('chin_up', 'chin_left', 'mouth_left')
SHAPE = (*PLACED, *MIDDLE)
# What is measured on one picture: mm of the generic face, unless the name says otherwise.
MEASURES = (
    'x_px', 'y_px', 'eyes_px', 'inside', 'fit', *parameters.POSE,
    'iris_left', 'iris_right', 'open_left', 'open_right', 'upper_left', 'upper_right',
    *(f'{name}_{side}' for side in SIDES for name in iris.FOUND),
    *SHAPE,
)  # fmt: skip
COLUMN = {name: index for index, name in enumerate(MEASURES)}
CONFIDENT = 0.5


def measures(points: FloatArray, eyes: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Describe the face on one picture.

    Parameters
    ----------
    points : ndarray, shape (478, 3)
        Landmarks, as `facebids.mask.landmarks.Landmarker.find` returns them.
    eyes : ndarray, shape (2, len(iris.FOUND))
        Of `facebids.mask.iris.eyes`.
    size
        Width and height of the picture, in pixels.

    Returns
    -------
    ndarray, shape (len(MEASURES),)
        The values that `MEASURES` names.

    Notes
    -----
    The head turns from the generic face by ``Ry(yaw) Rx(-pitch) Rz(-roll)``: x to its left, y up,
    z to the front.
    """
    rotation, scale, origin, fit = _pose(points[list(STABLE)])
    head = (points - origin) @ rotation / scale
    yaw, pitch, roll = Rotation.from_matrix(rotation).as_euler('YXZ', degrees=True)
    corners = [points[list(pair)] for pair in iris.CORNERS]
    middle = np.concatenate(corners)[:, :2].mean(0)
    apart = np.linalg.norm(corners[0][0] - corners[1][0])
    inside = (points[:, 0] > 0) & (points[:, 0] < size[0])
    inside &= (points[:, 1] < 0) & (points[:, 1] > -size[1])
    values = [*middle, apart, inside.mean(), fit, -PITCH * pitch, YAW * yaw, -roll]
    values += [float(np.linalg.norm(head[a] - head[b])) for _, a, b in iris.IRIS]
    values += [head[upper, 1] - head[lower, 1] for upper, lower in LIDS]
    values += [
        head[upper, 1] - head[list(pair), 1].mean()
        for (upper, _), pair in zip(LIDS, iris.CORNERS, strict=True)
    ]
    return np.array([*values, *eyes.ravel(), *_places(head)])


def _pose(points: FloatArray) -> tuple[FloatArray, float, FloatArray, float]:
    """Return rotation, scale, origin and error (mm) of the generic face (Umeyama 1991)."""
    model = generic_points()[list(STABLE)]
    a, b = model - model.mean(0), points - points.mean(0)
    u, lengths, vt = np.linalg.svd(b.T @ a)
    signs = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * signs) @ vt
    scale = float((lengths * signs).sum() / (a**2).sum())
    origin = points.mean(0) - scale * rotation @ model.mean(0)
    fit = np.sqrt((((b @ rotation) / scale - a) ** 2).sum(1).mean())
    return rotation, scale, origin, float(fit)


def _places(head: FloatArray) -> list[float]:
    """Return the values of `SHAPE`."""
    found = []
    for *sides, axis in PLACES.values():
        for points, sign in zip(sides, (1, -1), strict=True):
            place = head[list(points)].mean(0)
            found.append(place[1] if axis == 'up' else sign * place[0])
    chin, mouth = head[list(CHIN)].mean(0), head[list(MOUTH)].mean(0)
    return [*found, chin[1], chin[0], mouth[0]]


@cache
def generic_places() -> dict[str, float]:
    """Return the places of the generic face, in mm."""
    return dict(zip(SHAPE, _places(generic_points()), strict=True))


def confidence(table: FloatArray) -> FloatArray:
    """Return the confidence in each row of measures: 0 to 1, and 0 where there is no face.

    It falls when the eyes are less than 30 pixels apart, the head is turned by more than 40
    degrees, the face leaves the picture, or the landmarks are not those of a face.
    """
    eyes, inside, fit = (table[:, COLUMN[name]] for name in ('eyes_px', 'inside', 'fit'))
    yaw, pitch = (np.abs(table[:, COLUMN[name]]) for name in ('yaw_deg', 'pitch_deg'))
    ramps = [
        (eyes - 12) / 18,
        (75 - yaw) / 35,
        (70 - pitch) / 35,
        (inside - 0.6) / 0.35,
        2 - fit / 8,
    ]
    return np.nan_to_num(np.prod([np.clip(ramp, 0, 1) for ramp in ramps], axis=0))
