# SPDX-License-Identifier: Apache-2.0
"""From landmarks to parameters, without the shape of the face.

`measures` describes the face on one picture in the frame of the head. `parameters` makes the
frames of a recording from them. Each value has two parts: a *level*, which is constant over the
recording, and the *movement* around it. Levels carry what is diseased, but also what is personal.
They are therefore dropped (expressions, direction of gaze) or rounded to coarse steps wider than
the normal variation: the difference between the two sides (strabismus, ptosis, palsy), the
opening of the lids, and the pose of the head. Movements are rounded finely.
"""

import csv
from functools import cache
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from facebids.core.arrays import BoolArray, FloatArray
from facebids.errors import FacebidsError
from facebids.mask import parameters
from facebids.mask.landmarks import generic_points
from facebids.mask.parameters import EXPRESSIONS, Neutral, Recording

# white-to-white diameter of the cornea (Rüfer 2005, doi 10.1097/01.ico.0000148312.01805.53)
IRIS_MM = 11.7
LIDS_MM = 9.5  # between open lids
# Landmarks follow some movements only in part. Gains and shapes on renders of known heads:
EYE_MM = (7.8, 5.2)  # from the centre of the eye to the iris, for horizontal and vertical turns
APART_DEG = 7.0  # outward angle of each eye that looks straight ahead
PITCH, YAW = 1.33, 1.08
OPEN = 0.87  # distance of the lids, and below the open state its share:
OPENED = ((0.03, 0.2, 0.38, 0.62, 0.8, 1.0, 1.17), (0.0, 0.18, 0.3, 0.48, 0.73, 1.0, 1.25))

# Hardly moved by expressions: forehead, temples, corners of the eyes, bridge of the nose.
STABLE = (
    10, 338, 297, 332, 284, 251, 109, 67, 103, 54, 21, 127, 356, 234, 454, 33, 133, 362, 263,
    168, 6, 197, 195, 8, 193, 417, 122, 351,
)  # fmt: skip

# Landmarks of the left side and of the right side of the person.
CORNERS = ((263, 362), (33, 133))  # outer and inner corner of the eye
LIDS = ((386, 374), (159, 145))  # upper and lower lid at the middle of the eye
IRIS = ((473, 474, 476), (468, 469, 471))  # centre, and the ends of its horizontal diameter

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
# Differences between the sides at rest are kept of these, as of a palsy.
UNEVEN = ('brow', 'corner')
CHIN = (152, 148, 377)
MOUTH = (0, 17, 13, 14)
SIDES = ('left', 'right')
PLACED = tuple(f'{name}_{side}' for name in PLACES for side in SIDES)
MIDDLE = ('chin_up', 'chin_left', 'mouth_left')
SHAPE = (*PLACED, *MIDDLE)
# How the places of the mask move with its expressions: made by benchmarks/mask_response.py.
RESPONSE = Path(__file__).with_name('response.tsv')
STIFFNESS_MM = 1.0  # an expression that moves no place further is not told from noise

# What is measured on one picture: mm of the generic face, unless the name says otherwise.
MEASURES = (
    'x_px', 'y_px', 'eyes_px', 'inside', 'fit', *parameters.POSE,
    'iris_left', 'iris_right', 'open_left', 'open_right',
    'gaze_left_horizontal_deg', 'gaze_left_vertical_deg',
    'gaze_right_horizontal_deg', 'gaze_right_vertical_deg',
    *SHAPE,
)  # fmt: skip
COLUMN = {name: index for index, name in enumerate(MEASURES)}
GAZE = MEASURES[COLUMN['gaze_left_horizontal_deg'] : COLUMN['gaze_right_vertical_deg'] + 1]

# Steps of levels. Each is wider than the normal variation and the error of the landmarks.
LEVEL_POSE_DEG = 5.0  # of yaw and roll; the pitch at rest is not told from the shape of the face
LEVEL_SQUINT_DEG = 8.0
LEVEL_LIDS_MM = 3.0
LEVEL_PTOSIS = 0.15
LEVEL_SIDES_MM = 5.0
LEAST = 0.15  # of an expression: less is not told from noise, which differs between people
STILL_DEG = 1.0  # standard deviation of the pose of a head that hardly turns
PHOTOGRAPH = 0.5  # of a parameter: personal proportions and expressions cannot be told apart

OWN_FRAMES, OWN_SECONDS = 25, 2.0  # of confident frames, from which there is an own neutral
CONFIDENT = 0.5
SHUT = 0.4  # share of the open state below which the iris is not seen
WINDOW_S = 0.2  # of the filter: a movement of 5 Hz keeps 84 % of its amplitude


def measures(points: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Describe the face on one picture.

    Parameters
    ----------
    points : ndarray, shape (478, 3)
        Landmarks, as `facebids.mask.landmarks.Landmarker.find` returns them.
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
    middle = points[[corner for pair in CORNERS for corner in pair], :2].mean(0)
    eyes = np.linalg.norm(points[CORNERS[0][0]] - points[CORNERS[1][0]])
    inside = (points[:, 0] > 0) & (points[:, 0] < size[0])
    inside &= (points[:, 1] < 0) & (points[:, 1] > -size[1])
    iris = [float(np.linalg.norm(head[a] - head[b])) for _, a, b in IRIS]
    values = [*middle, eyes, inside.mean(), fit, -PITCH * pitch, YAW * yaw, -roll, *iris]
    values += [head[upper, 1] - head[lower, 1] for upper, lower in LIDS]
    values += [angle for side in (0, 1) for angle in _gaze(head, side, float(np.mean(iris)))]
    return np.array([*values, *_places(head)])


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


def _gaze(head: FloatArray, side: int, iris: float) -> tuple[float, float]:
    """Return horizontal and vertical angle of an eye in the head, in degrees."""
    away = head[IRIS[side][0]] - head[list(CORNERS[side])].mean(0)
    sine = np.clip(away[:2] * IRIS_MM / iris / EYE_MM, -1, 1)
    horizontal, vertical = np.degrees(np.arcsin(sine))
    return float(horizontal) + (-APART_DEG, APART_DEG)[side], float(vertical)


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


def recording(times: FloatArray, table: FloatArray, *, photograph: bool = False) -> Recording:
    """Make the parameters of a recording.

    Parameters
    ----------
    times : ndarray, shape (n,)
        In s, increasing.
    table : ndarray, shape (n, len(MEASURES))
        `measures` of each picture; NaN where there is no face.
    photograph
        Whether it is a single photograph.

    Returns
    -------
    Recording
        Its neutral is that of the person if enough frames are confident.
    """
    times = times - times[0]
    certainty = confidence(table)
    good = certainty >= CONFIDENT
    span = np.ptp(times[good]) if good.any() else 0.0
    own = bool(not photograph and good.sum() >= OWN_FRAMES and span >= OWN_SECONDS)
    columns = _columns(times, table, good, own) if good.any() else {}
    frames = tuple(
        parameters.frame(
            time, confidence=sure, **{name: column[i] for name, column in columns.items()}
        )
        if good[i]
        else parameters.empty(time, sure)
        for i, (time, sure) in enumerate(zip(times, certainty, strict=True))
    )
    rate = 0.0 if len(times) < 2 else round(float((len(times) - 1) / times[-1]), 3)
    neutral: Neutral = 'own' if own else 'generic'
    return Recording(frames, rate, neutral)


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


def _columns(
    times: FloatArray, table: FloatArray, good: BoolArray, own: bool
) -> dict[str, FloatArray]:
    """Return the parameters of all frames, without those that are not confident (NaN)."""
    raw = {name: np.where(good, table[:, i], np.nan) for name, i in COLUMN.items()}
    lids, seen = _lids(raw, own)
    for eye in SIDES:
        for name in (name for name in GAZE if eye in name):
            raw[name] = _filled(times, raw[name], good & seen[eye])
    length = 1 + 2 * round((WINDOW_S / _interval(times) - 1) / 2)
    smooth = {name: _smoothed(raw[name], length) for name in (*GAZE, *SHAPE)}
    smooth |= {name: _smoothed(raw[name], length) for name in parameters.POSE}
    made = _poses(smooth, own) | _gazes(smooth, own) | _expressions(smooth, own)
    return made | lids


def _poses(raw: dict[str, FloatArray], own: bool) -> dict[str, FloatArray]:
    made: dict[str, FloatArray] = {
        name: _split(raw[name], LEVEL_POSE_DEG) for name in ('yaw_deg', 'roll_deg')
    }
    pitch = raw['pitch_deg']
    made['pitch_deg'] = pitch - np.nanmedian(pitch) if own else _steps(pitch, 20.0)
    return made


def _interval(times: FloatArray) -> float:
    return float(np.median(np.diff(times))) if len(times) > 1 else 1.0


def _filled(times: FloatArray, values: FloatArray, known: BoolArray) -> FloatArray:
    """Return values with those not known interpolated; 0 if none is known."""
    if not known.any():
        return np.where(np.isnan(values), np.nan, 0.0)
    filled = np.interp(times, times[known], values[known])
    return np.where(np.isnan(values), np.nan, filled)


def _smoothed(values: FloatArray, length: int) -> FloatArray:
    """Return values smoothed without delay (Savitzky 1964), each run of numbers by itself."""
    from scipy.signal import savgol_filter

    if length < 5:
        return values
    smooth = values.copy()
    numbers = np.flatnonzero(~np.isnan(values))
    for run in np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1):
        if len(run) >= length:
            smooth[run] = savgol_filter(values[run], length, 2)
    return smooth


def _rounded(value: float, step: float) -> float:
    return step * round(value / step)


def _split(values: FloatArray, step: float) -> FloatArray:
    """Return values whose level is rounded to steps."""
    level = float(np.nanmedian(values))
    return values - level + _rounded(level, step)


def _sides(left: float, right: float, step: float) -> tuple[float, float]:
    """Return the levels of both sides: their difference, in steps, on the less normal side.

    Parameters
    ----------
    left, right
        Differences from what is normal.
    step
        Differences below half of it are normal.
    """
    difference = _rounded(left - right, step)
    return (difference, 0.0) if abs(left) >= abs(right) else (0.0, -difference)


def _gazes(raw: dict[str, FloatArray], own: bool) -> dict[str, FloatArray]:
    """Return the angles of the eyes. The level is the squint alone: where both look is dropped.

    The eye that squints is the one that looks farther from the camera.
    """
    made: dict[str, FloatArray] = {}
    for axis, ahead in (('horizontal', 'yaw_deg'), ('vertical', 'pitch_deg')):
        names = [f'gaze_{side}_{axis}_deg' for side in SIDES]
        if not own:
            made |= {name: _steps(raw[name], LEVEL_SQUINT_DEG) for name in names}
            continue
        levels = [float(np.nanmedian(raw[name])) for name in names]
        # towards the camera, as far as the eyes turn with ease
        camera = float(np.clip(-np.nanmedian(raw[ahead]), -25, 25))
        kept = _sides(levels[0] - camera, levels[1] - camera, LEVEL_SQUINT_DEG)
        for name, level, keep in zip(names, levels, kept, strict=True):
            made[name] = raw[name] - level + keep
    return made


def _steps(values: FloatArray, step: float) -> FloatArray:
    return np.round(values / step) * step


def _lids(
    raw: dict[str, FloatArray], own: bool
) -> tuple[dict[str, FloatArray], dict[str, BoolArray]]:
    """Return the opening of the lids, and in which frames the iris is seen."""
    iris = np.nanmedian([raw['iris_left'], raw['iris_right']])
    opened = {side: raw[f'open_{side}'] * (OPEN * IRIS_MM / iris) for side in SIDES}
    levels = {side: float(np.nanpercentile(opened[side], 75)) for side in SIDES}
    if not own:  # closed lids of a photograph are no level
        levels = dict.fromkeys(SIDES, LIDS_MM)
    wide = max(levels.values())
    wide_mm = float(np.clip(LIDS_MM + _rounded(wide - LIDS_MM, LEVEL_LIDS_MM), 5, 14))
    made: dict[str, FloatArray] = {}
    seen: dict[str, BoolArray] = {}
    for side, level in levels.items():
        part = 1 - _rounded(1 - level / wide, LEVEL_PTOSIS)
        share: FloatArray = np.interp(opened[side] / max(level, 0.1 * wide), *OPENED)
        seen[side] = share > SHUT
        if not own:
            share = _steps(share, PHOTOGRAPH / 2)
        made[f'lid_{side}'] = part * share
        made[f'lid_{side}_mm'] = wide_mm * part * share
    return made, seen


def _expressions(raw: dict[str, FloatArray], own: bool) -> dict[str, FloatArray]:
    """Return the expressions for which the landmarks of the mask move most alike."""
    places = _moved(raw, own)
    moved = np.transpose([places[name] for name in SHAPE])
    values = np.full((len(moved), len(EXPRESSIONS)), np.nan)
    for i in np.flatnonzero(np.isfinite(moved).all(axis=1)):
        values[i] = fitted(moved[i])
    if not own:
        values = _steps(values, PHOTOGRAPH)
    values = np.where(np.abs(values) < LEAST, 0.0, values)
    return {name: values[:, i] for i, name in enumerate(EXPRESSIONS)}


def fitted(moved: FloatArray) -> FloatArray:
    """Return the expressions that explain a movement, by regularised least squares.

    Parameters
    ----------
    moved : ndarray, shape (len(SHAPE),)
        Movement of each place, in mm.

    Returns
    -------
    ndarray, shape (len(EXPRESSIONS),)
        In their ranges.
    """
    from scipy.optimize import nnls

    table, signs = _system()
    halves, _ = nnls(table, np.concatenate([moved, np.zeros(table.shape[1])]))
    values = np.zeros(len(EXPRESSIONS))
    np.add.at(values, [i for i, _ in signs], halves * [sign for _, sign in signs])
    return values


@cache
def _system() -> tuple[FloatArray, tuple[tuple[int, int], ...]]:
    """Return the equations, and the expression and sign of each of their unknowns."""
    with open(RESPONSE, newline='', encoding='utf-8') as stream:
        rows = list(csv.DictReader(stream, delimiter='\t'))
    if [row['place'] for row in rows] != list(SHAPE):
        raise FacebidsError(f'{RESPONSE} is not that of this version. Install facebids again.')
    response = np.array([[float(row[name]) for name in EXPRESSIONS] for row in rows])
    signs = [(i, 1) for i in range(len(EXPRESSIONS))]
    signs += [(EXPRESSIONS.index(name), -1) for name in ('jaw_side', 'mouth_side')]
    table = np.transpose([response[:, i] * sign for i, sign in signs])
    return np.vstack([table, STIFFNESS_MM * np.eye(len(signs))]), tuple(signs)


def _without_pose(raw: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Return the places without what follows the pose: parallax of the shape of the face."""
    pose = np.transpose([raw[name] for name in parameters.POSE])
    good = np.isfinite(pose).all(axis=1)
    turned = pose[good] - pose[good].mean(0)
    places = np.transpose([raw[name][good] for name in SHAPE])
    # a head that hardly turns tells nothing about parallax: its slopes stay near 0
    weight = turned.T @ turned + good.sum() * STILL_DEG**2 * np.eye(len(parameters.POSE))
    slopes = np.linalg.solve(weight, turned.T @ (places - places.mean(0)))
    found = {name: raw[name].copy() for name in SHAPE}
    for name, change in zip(SHAPE, (turned @ slopes).T, strict=True):
        found[name][good] -= change
    return found


def _moved(raw: dict[str, FloatArray], own: bool) -> dict[str, FloatArray]:
    """Return the places less the neutral, but with what is not normal between the sides."""
    generic = generic_places()
    if not own:
        return {name: raw[name] - generic[name] for name in SHAPE}
    raw = _without_pose(raw)
    moved: dict[str, FloatArray] = {name: raw[name] - np.nanmedian(raw[name]) for name in MIDDLE}
    # the mouth is closed in some part of a recording, the jaw never above that
    moved['chin_up'] = raw['chin_up'] - np.nanpercentile(raw['chin_up'], 80)
    for name in PLACES:
        names = [f'{name}_{side}' for side in SIDES]
        levels = [float(np.nanmedian(raw[item])) for item in names]
        away = [level - generic[item] for level, item in zip(levels, names, strict=True)]
        kept = _sides(away[0], away[1], LEVEL_SIDES_MM) if name in UNEVEN else (0.0, 0.0)
        for item, level, keep in zip(names, levels, kept, strict=True):
            moved[item] = raw[item] - level + keep
    return moved
