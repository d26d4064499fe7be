# SPDX-License-Identifier: Apache-2.0
"""From the measures of a recording to its parameters, without the shape of the face.

Each value has two parts: a *level*, which is constant over the recording, and the *movement*
around it. Levels carry what is diseased, but also what is personal. They are dropped (expressions,
direction of gaze) or rounded to steps wider than the normal variation: the opening of the lids,
the pose of the head, and the difference between the two sides (strabismus, ptosis, palsy).

How far landmarks follow a movement is personal, too, and how much they tremble. Both sides
therefore move alike unless they differ as in a disease, and movements have wide steps as well: a
head that turns goes from step to step, an eye from fixation to fixation, lids are open, part open
or closed, and an expression is there or not, with two sizes. A value stays on its step until it is
well off, so that trembling at the border of two steps is no movement. Only regular movements of
the eyes, as in a nystagmus, are followed picture by picture.
"""

import csv
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from facebids.core.arrays import BoolArray, FloatArray
from facebids.errors import FacebidsError
from facebids.mask import iris, parameters, summary
from facebids.mask.measure import (
    COLUMN,
    CONFIDENT,
    SHAPE,
    SIDES,
    confidence,
    generic_places,
)
from facebids.mask.parameters import EXPRESSIONS, Neutral, Recording

# white-to-white diameter of the cornea (Rüfer 2005, doi 10.1097/01.ico.0000148312.01805.53)
IRIS_MM = 11.7
LIDS_MM = 9.5  # between open lids
# Gains on renders of people who do not exist (`benchmarks/mask.py --first 0`), where the ends of
# an eye are 40 apart. Lids follow vertical gaze.
HORIZONTAL_DEG = 3.6  # of the iris
VERTICAL_DEG = (4.6, 2.6, -2.7)  # of the iris, of the upper lid (mm), of the lower end of the eye
# by which the iris of an eye that looks ahead is nearer to the nose than the middle: of 100 people
NASAL = 1.14
OPEN = 0.87  # distance of the lids, and below the open state its share:
OPENED = ((0.05, 0.2, 0.38, 0.62, 0.85, 1.0, 1.3), (0.0, 0.16, 0.3, 0.55, 0.88, 1.0, 1.15))

# How the places of the mask move with its expressions: made by benchmarks/mask_response.py.
RESPONSE = Path(__file__).with_name('response.tsv')
STIFFNESS_MM = 1.0  # an expression that moves no place further is not told from noise
# The least peaks of the expressions that are kept: those that correlate with the truth by 0.5.
LEAST = {'jaw_open': 0.1, 'brow_up': 0.2, 'smile': 0.2, 'lip_down': 0.4}
# Others explain movements, too, but what is found of them is more noise than movement.
FITTED = (*LEAST, 'jaw_side', 'mouth_side', 'brow_down', 'frown', 'pucker')
SLIGHT, FULL = 0.35, 0.7  # sizes of expressions, and for the jaw:
JAW = (0.15, 0.35)
FULL_FROM = 2.0  # least peaks

# Steps of levels. Each is wider than the normal variation and the error of the landmarks.
LEVEL_POSE_DEG = 5.0  # of yaw and roll; the pitch at rest is not told from the shape of the face
LEVEL_SQUINT_DEG, LEAST_SQUINT_DEG = 8.0, 13.5  # three standard deviations of healthy eyes
LEVEL_PTOSIS, LEAST_PTOSIS = 0.15, 0.25
LEVEL_SIDES_MM, LEAST_SIDES_MM = 5.0, 2.5
PTOSIS = 1.25  # share of the opening that is missing for a share of the sclera
# The resting difference of the sides that is kept: place, mm, and what it is if lower or higher.
UNEVEN = {'brow': (7.0, 'brow_down', 'brow_up'), 'corner': (8.0, 'frown', 'smile')}
ALIKE = 0.6  # a side that moves by a smaller share of the other moves differently
WEAKER = 0.25  # step of the share by which it does
STILL_DEG = 4.0  # standard deviation of the pose of a head that hardly turns
# Steps of a photograph, in which personal proportions and movements cannot be told apart.
PHOTOGRAPH_POSE_DEG, PHOTOGRAPH_GAZE_DEG = 10.0, 16.0
PHOTOGRAPH_SQUINT_DEG, PHOTOGRAPH_PTOSIS, PHOTOGRAPH_SIDES_MM = 16.0, 0.5, 7.0
PHOTOGRAPH_JAW = 0.3  # from which a mouth is open
# Steps of movements. Each is wider than the noise of the landmarks.
POSE_DEG = {'yaw_deg': 3.0, 'roll_deg': 3.0, 'pitch_deg': 4.0}
GAZE_DEG = {'horizontal': 3.0, 'vertical': 5.0}
LIDS = 1 / 3
STAY = 0.75  # steps by which a value is off before it moves to the next one
REGULAR_DEG, REGULAR_HZ = 1.5, 1.2  # of eye movements that are followed picture by picture

OWN_FRAMES, OWN_SECONDS = 25, 2.0  # of confident frames, from which there is an own neutral
SHUT = 0.4  # share of the open state below which the iris is not seen
CLOSED = 0.4  # of the open state: lids that come nearer than this close
WINDOW_S, POSE_WINDOW_S = 0.2, 0.4  # of the filters of expressions and pose
FIXATION_S = 0.3  # eyes rest for longer than half of this between two movements
GAZE_WINDOW_S = 0.12  # a movement of 5 Hz keeps its amplitude at 25 pictures a second


def recording(times: FloatArray, table: FloatArray, *, photograph: bool = False) -> Recording:
    """Make the parameters of a recording.

    Parameters
    ----------
    times : ndarray, shape (n,)
        In s, increasing.
    table : ndarray, shape (n, len(MEASURES))
        `measure.measures` of each picture; NaN where there is no face.
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


def _columns(
    times: FloatArray, table: FloatArray, good: BoolArray, own: bool
) -> dict[str, FloatArray]:
    """Return the parameters of all frames, without those that are not confident (NaN)."""
    raw = {name: np.where(good, table[:, i], np.nan) for name, i in COLUMN.items()}
    lids, seen = _lids(raw, own)
    interval = _interval(times)
    gaze = {
        name: _smoothed(_filled(times, values, good & seen), GAZE_WINDOW_S / interval)
        for name, values in _angles(raw, good & seen).items()
    }
    smooth = {name: _smoothed(raw[name], WINDOW_S / interval) for name in SHAPE}
    pose = {name: _smoothed(raw[name], POSE_WINDOW_S / interval) for name in parameters.POSE}
    return (
        _poses(pose, POSE_WINDOW_S / interval, own)
        | _gazes(gaze | pose, times, own)
        | _expressions(smooth | pose, WINDOW_S / interval, own)
        | lids
    )


def _poses(raw: dict[str, FloatArray], frames: float, own: bool) -> dict[str, FloatArray]:
    """Return the angles of the head: it goes from step to step in the given number of frames."""
    if not own:
        turned = {name: _steps(raw[name], PHOTOGRAPH_POSE_DEG) for name in ('yaw_deg', 'roll_deg')}
        return turned | {'pitch_deg': raw['pitch_deg'] * 0}
    made = {}
    for name, step in POSE_DEG.items():
        level = float(np.nanmedian(raw[name]))
        kept = 0.0 if name == 'pitch_deg' else _rounded(level, LEVEL_POSE_DEG)
        made[name] = _eased(_stepped(raw[name] - level, step), frames) + kept
    return made


def _interval(times: FloatArray) -> float:
    return float(np.median(np.diff(times))) if len(times) > 1 else 1.0


def _filled(times: FloatArray, values: FloatArray, known: BoolArray) -> FloatArray:
    """Return values with those not known interpolated; 0 if none is known."""
    if not known.any():
        return np.where(np.isnan(values), np.nan, 0.0)
    filled = np.interp(times, times[known], values[known])
    return np.where(np.isnan(values), np.nan, filled)


def _odd(frames: float) -> int:
    """Return the odd length of a window that is nearest."""
    return 1 + 2 * round((frames - 1) / 2)


def _by_runs(values: FloatArray, change: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """Return values of which each run of numbers was changed by itself."""
    made = values.copy()
    numbers = np.flatnonzero(~np.isnan(values))
    for run in np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1):
        made[run] = change(values[run])
    return made


def _smoothed(values: FloatArray, frames: float) -> FloatArray:
    """Return values smoothed without delay (Savitzky 1964)."""
    from scipy.signal import savgol_filter

    length = _odd(frames)
    if length < 5:
        return values
    return _by_runs(
        values, lambda run: savgol_filter(run, length, 2) if len(run) >= length else run
    )


def _eased(values: FloatArray, frames: float) -> FloatArray:
    """Return values that go from step to step in the given number of frames."""
    from scipy.ndimage import uniform_filter1d

    return _by_runs(values, lambda run: uniform_filter1d(run, _odd(frames), mode='nearest'))


def _fixations(values: FloatArray, frames: float) -> FloatArray:
    """Return values without those that last less than half of the given number of frames."""
    from scipy.ndimage import median_filter

    return _by_runs(values, lambda run: median_filter(run, _odd(frames), mode='nearest'))


def _stepped(values: FloatArray, step: float) -> FloatArray:
    """Return values in steps; each stays until it is off by more than `STAY` of a step."""
    made = values.copy()
    last = np.nan
    for i, value in enumerate(values):
        if np.isfinite(value):
            last = last if abs(value - last) <= STAY * step else _rounded(value, step)
            made[i] = last
    return made


def _rounded(value: float, step: float) -> float:
    return step * round(value / step)


def _steps(values: FloatArray, step: float) -> FloatArray:
    return np.round(values / step) * step


def _sides(left: float, right: float, step: float, least: float) -> tuple[float, float]:
    """Return the levels of both sides: their difference, in steps, on the less normal side.

    Parameters
    ----------
    left, right
        Differences from what is normal.
    step
        By which a difference is rounded.
    least
        Smaller differences are normal.
    """
    difference = left - right
    difference = _rounded(difference, step) if abs(difference) >= least else 0.0
    return (difference, 0.0) if abs(left) >= abs(right) else (0.0, -difference)


def _together(left: FloatArray, right: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the movements of both sides: their mean, unless one moves much less."""
    spread = [float(np.ptp(np.nanpercentile(side, [2, 98]))) for side in (left, right)]
    if min(spread) < ALIKE * max(spread):
        return left, right
    return (left + right) / 2, (left + right) / 2


def _angles(raw: dict[str, FloatArray], seen: BoolArray) -> dict[str, FloatArray]:
    """Return the angles of the eyes in the head, in degrees."""
    found: dict[str, FloatArray] = {}
    for side, nose in zip(SIDES, (-1, 1), strict=True):
        outer, inner = raw[f'end_outer_{side}'], raw[f'end_inner_{side}']
        width = np.median(np.abs(outer - inner)[seen]) if seen.any() else iris.WIDE
        scale = iris.WIDE / max(float(width), 1.0)
        x = scale * (raw[f'iris_x_{side}'] - (outer + inner) / 2)
        found[f'gaze_{side}_horizontal_deg'] = HORIZONTAL_DEG * (x - nose * NASAL)
        by_iris, by_upper, by_lower = VERTICAL_DEG
        found[f'gaze_{side}_vertical_deg'] = (
            by_iris * scale * raw[f'iris_y_{side}']
            + by_upper * raw[f'upper_{side}']
            + by_lower * scale * raw[f'lower_{side}']
        )
    return found


def _gazes(raw: dict[str, FloatArray], times: FloatArray, own: bool) -> dict[str, FloatArray]:
    """Return the angles of the eyes. The level is the squint alone: where both look is dropped.

    The eye that squints is the one that looks farther from the camera.
    """
    made: dict[str, FloatArray] = {}
    for axis, ahead in (('horizontal', 'yaw_deg'), ('vertical', 'pitch_deg')):
        names = [f'gaze_{side}_{axis}_deg' for side in SIDES]
        levels = [float(np.nanmedian(raw[name])) for name in names]
        # towards the camera, as far as the eyes turn with ease
        camera = float(np.clip(-np.nanmedian(raw[ahead]), -25, 25)) if own else 0.0
        kept = (0.0, 0.0)  # of heights: those of the eyes differ between people
        if axis == 'horizontal':
            least = LEAST_SQUINT_DEG if own else PHOTOGRAPH_SQUINT_DEG
            kept = _sides(levels[0] - camera, levels[1] - camera, LEVEL_SQUINT_DEG, least)
        both = np.mean([raw[name] for name in names], axis=0)
        moved = [_steps(both, PHOTOGRAPH_GAZE_DEG) if axis == 'horizontal' else both * 0] * 2
        if own:
            left, right = (raw[name] - level for name, level in zip(names, levels, strict=True))
            moved = list(_together(left, right))
            if not _regular(times, both):
                frames = FIXATION_S / _interval(times)
                moved = [_stepped(_fixations(side, frames), GAZE_DEG[axis]) for side in moved]
        for name, move, keep in zip(names, moved, kept, strict=True):
            made[name] = move + keep
    return made


def _regular(times: FloatArray, angle: FloatArray) -> bool:
    """Return whether an angle of the eyes swings as in a nystagmus."""
    hertz, degrees = summary.regular(times, [angle], np.isfinite(angle))
    return (hertz or 0.0) >= REGULAR_HZ and (degrees or 0.0) >= REGULAR_DEG


def _lids(raw: dict[str, FloatArray], own: bool) -> tuple[dict[str, FloatArray], BoolArray]:
    """Return the opening of the lids, and in which frames the irises are seen."""
    iris_mm = np.nanmedian([raw['iris_left'], raw['iris_right']])
    opened = {side: raw[f'open_{side}'] * (OPEN * IRIS_MM / iris_mm) for side in SIDES}
    levels = {side: float(np.nanpercentile(opened[side], 75)) for side in SIDES}
    if not own:  # closed lids of a photograph are no level
        levels = dict.fromkeys(SIDES, LIDS_MM)
    shares = [np.interp(opened[side] / max(levels[side], 1.0), *OPENED) for side in SIDES]
    seen: BoolArray = np.min(shares, axis=0) > SHUT
    if own:
        moved = [_stepped(np.minimum(_closing(share), 1), LIDS) for share in _together(*shares)]
    else:
        moved = [np.where(np.isnan(share), np.nan, share > SHUT) for share in shares]
    least = LEAST_PTOSIS if own else PHOTOGRAPH_PTOSIS
    made: dict[str, FloatArray] = {}
    for side, share, part in zip(SIDES, moved, _parts(raw, seen, least), strict=True):
        made[f'lid_{side}'] = part * share
        made[f'lid_{side}_mm'] = LIDS_MM * part * share
    return made, seen


def _parts(raw: dict[str, FloatArray], seen: BoolArray, least: float) -> list[float]:
    """Return how far each eye opens, as a share of the wider one: by the sclera that is seen."""
    white = [float(np.median(raw[f'white_{side}'][seen])) if seen.any() else 0.0 for side in SIDES]
    missing = [PTOSIS * (1 - value / max(*white, 1.0)) for value in white]
    if not any(white):
        return [1.0, 1.0]
    return [
        1.0 if less < least else max(1 - _rounded(less, LEVEL_PTOSIS), 0.0) for less in missing
    ]


def _closing(share: FloatArray) -> FloatArray:
    """Return the opening of lids so that those that nearly close do: how near is personal."""
    least = float(np.nanmin(share))
    if least >= CLOSED:
        return share
    stretched: FloatArray = np.where(share < 1, (share - least) / (1 - least), share)
    return stretched


def _expressions(raw: dict[str, FloatArray], frames: float, own: bool) -> dict[str, FloatArray]:
    """Return the expressions for which the landmarks of the mask move most alike.

    They come and go in the given number of frames.
    """
    places = _moved(raw, own)
    moved = np.transpose([places[name] for name in SHAPE])
    values = np.full((len(moved), len(EXPRESSIONS)), np.nan)
    for i in np.flatnonzero(np.isfinite(moved).all(axis=1)):
        values[i] = fitted(moved[i])
    found = {name: values[:, i] for i, name in enumerate(EXPRESSIONS)}
    made = {name: value * 0 for name, value in found.items()}
    if not own:
        made['jaw_open'] = np.where(found['jaw_open'] >= PHOTOGRAPH_JAW, JAW[1], made['jaw_open'])
    for name, least in LEAST.items() if own else ():
        sizes = JAW if name == 'jaw_open' else (SLIGHT, FULL)
        names = [name] if name in made else [f'{name}_{side}' for side in SIDES]
        sized = _sized([found[item] for item in names], least, sizes)
        made |= zip(names, [_eased(side, frames) for side in sized], strict=True)
    for name, value in _uneven(raw, LEAST_SIDES_MM if own else PHOTOGRAPH_SIDES_MM).items():
        made[name] = np.where(np.isnan(made[name]), np.nan, np.maximum(made[name], value))
    return made


def _sized(sides: list[FloatArray], least: float, sizes: tuple[float, float]) -> list[FloatArray]:
    """Return an expression, on one or two sides, that is there or not, with a size in steps.

    A side that moves much less than the other keeps its share of that, in steps of `WEAKER`.
    """
    peaks = [float(np.nanpercentile(np.abs(side), 98)) for side in sides]
    strongest = max(peaks)
    if strongest < least:
        return [side * 0 for side in sides]
    size = sizes[int(strongest >= FULL_FROM * least)]
    if min(peaks) >= ALIKE * strongest:
        both = np.mean(sides, axis=0)
        peaks, sides = (
            [float(np.nanpercentile(np.abs(both), 98))] * len(sides),
            [both] * len(sides),
        )
        strongest = peaks[0]
    made = []
    for side, peak in zip(sides, peaks, strict=True):
        share = 1.0 if peak >= ALIKE * strongest else _rounded(peak / strongest, WEAKER)
        course = np.clip(side / max(peak, 1e-6), -1, 1)
        made.append(_stepped(course, 1.0) * size * share)
    return made


def _uneven(raw: dict[str, FloatArray], least_mm: float) -> dict[str, float]:
    """Return the expressions of a face whose sides differ at rest, as in a palsy."""
    generic, found = generic_places(), {}
    for name, (size_mm, lower, higher) in UNEVEN.items():
        away = [float(np.nanmedian(raw[f'{name}_{s}'])) - generic[f'{name}_{s}'] for s in SIDES]
        kept = _sides(away[0], away[1], LEVEL_SIDES_MM, least_mm)
        for side, keep in zip(SIDES, kept, strict=True):
            if keep:
                found[f'{lower if keep < 0 else higher}_{side}'] = abs(keep) / size_mm
    return found


def fitted(moved: FloatArray) -> FloatArray:
    """Return the expressions that explain a movement, by regularised least squares.

    Parameters
    ----------
    moved : ndarray, shape (len(SHAPE),)
        Movement of each place, in mm.

    Returns
    -------
    ndarray, shape (len(EXPRESSIONS),)
        In their ranges; 0 for those of which landmarks do not tell.
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
    told = [
        i for i, name in enumerate(EXPRESSIONS)
        if name.removesuffix('_left').removesuffix('_right') in FITTED
    ]  # fmt: skip
    signs = [(i, 1) for i in told]
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
    """Return the places less the neutral."""
    generic = generic_places()
    if not own:
        return {name: raw[name] - generic[name] for name in SHAPE}
    raw = _without_pose(raw)
    moved: dict[str, FloatArray] = {
        name: raw[name] - np.nanmedian(raw[name]) for name in SHAPE if name != 'chin_up'
    }
    # the mouth is closed in some part of a recording, the jaw never above that
    moved['chin_up'] = raw['chin_up'] - np.nanpercentile(raw['chin_up'], 80)
    return moved
