# SPDX-License-Identifier: Apache-2.0
"""Numbers of a whole recording, from its parameters alone."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from facebids.core.arrays import BoolArray, FloatArray
from facebids.mask.parameters import Recording

SIDES = ('left', 'right')
BLINK_SHUT = 0.5  # share of the open state of the eye that lids fall below
BLINK_S = (0.05, 0.6)  # duration of a blink below that
LOWEST_HZ, LEAST_S = 0.5, 2.0  # frequency, and length of a stretch, of regular eye movements
REGULAR = 0.5  # share of the power of a regular movement around its frequency
LEAST_DEG = 0.5  # standard deviation of eye movements that have a frequency


def _number(meaning: str, unit: str | None = None) -> Any:
    return field(metadata={'meaning': meaning, 'unit': unit})


@dataclass(frozen=True)
class Summary:
    """What a recording shows. None where it cannot be told."""

    duration_s: float = _number('Time from the first picture to the last.', 's')
    pictures: int = _number('Number of pictures.')
    confident: float = _number('Share of pictures in which the face could be measured.')
    blinks: int | None = _number('Number of blinks: both lids closed for 0.05 to 0.6 s.')
    blinks_per_minute: float | None = _number('Blinks in a minute of confident pictures.')
    lid_left_mm: float | None = _number(
        'Mean opening of the left lids between blinks, if the wider eye opens by 9.5 mm.', 'mm'
    )
    lid_right_mm: float | None = _number(
        'Mean opening of the right lids between blinks, likewise.', 'mm'
    )
    gaze_horizontal_deg: float | None = _number(
        'Range of horizontal eye movements: 5th to 95th percentile of the mean of both eyes.',
        'degree',
    )
    gaze_vertical_deg: float | None = _number('Range of vertical eye movements.', 'degree')
    squint_horizontal_deg: float | None = _number(
        'Median angle between the eyes: positive when they converge.', 'degree'
    )
    squint_vertical_deg: float | None = _number(
        'Median vertical angle between the eyes: positive when the left one is higher.', 'degree'
    )
    eye_movement_hz: float | None = _number(
        'Dominant frequency of regular eye movements, from 0.5 Hz; n/a if there are none.', 'Hz'
    )
    eye_movement_deg: float | None = _number(
        'Amplitude of these: half of the distance between both ends.', 'degree'
    )
    lid_asymmetry: float | None = _number(
        'Difference of the mean openings of the lids, relative to the wider one; positive when '
        'the left is narrower.'
    )
    face_asymmetry: float | None = _number(
        'Difference of the strongest movements of the left and right side (brow, '
        'smile), relative to their sum: 0 even, 1 the left side alone does not move, -1 the '
        'right side alone.'
    )


PAIRS = ('brow_up', 'smile')
LEAST_MOVEMENT = 0.3  # of the coefficients, from which sides are compared


def summarise(recording: Recording) -> Summary:
    """Return the summary of a recording."""
    frames = recording.frames
    times = np.array([frame.time_s for frame in frames])
    good = np.array([frame.confident for frame in frames])
    length = float(times[-1])
    values: dict[str, Any] = dict.fromkeys(Summary.__dataclass_fields__)
    values |= {
        'duration_s': round(length, 3),
        'pictures': len(frames),
        'confident': round(float(good.mean()), 3),
    }
    if good.any():
        values |= _eyes(recording, times, good) | {'face_asymmetry': _asymmetry(recording, good)}
    return Summary(**values)


def column(recording: Recording, name: str) -> FloatArray:
    """Return a parameter of all frames: NaN where a frame is not confident."""
    return np.array(
        [getattr(frame, name) if frame.confident else np.nan for frame in recording.frames]
    )


def blinks(recording: Recording) -> list[tuple[float, float]]:
    """Return the start and end of each blink, in s."""
    times = np.array([frame.time_s for frame in recording.frames])
    lids = [column(recording, f'lid_{side}') for side in SIDES]
    tops = [np.nanpercentile(lid, 75) if np.isfinite(lid).any() else 1.0 for lid in lids]
    # one eye that never opens or never closes does not hide the blinks of the other
    shares = np.array([lid / max(top, 0.1) for lid, top in zip(lids, tops, strict=True)])
    moving = [np.ptp(share[np.isfinite(share)]) > BLINK_SHUT for share in shares]
    if not any(moving):
        return []
    shut = np.all(np.nan_to_num(shares[moving], nan=1.0) < BLINK_SHUT, axis=0)
    found = []
    for first, last in runs(shut):
        end = times[min(last + 1, len(times) - 1)]
        if BLINK_S[0] / 2 <= end - times[first] <= BLINK_S[1]:
            found.append((float(times[first]), float(end)))
    return found


def runs(mask: BoolArray) -> list[tuple[int, int]]:
    """Return the first and last index of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2)]


def _eyes(recording: Recording, times: FloatArray, good: BoolArray) -> dict[str, Any]:
    video = len(times) > 1
    gaze = {
        (side, axis): column(recording, f'gaze_{side}_{axis}_deg')
        for side in SIDES
        for axis in ('horizontal', 'vertical')
    }
    mean = {axis: (gaze['left', axis] + gaze['right', axis]) / 2 for _, axis in gaze}
    open_mm = [_open_mm(recording, side) for side in SIDES]
    found = blinks(recording) if video else []
    minutes = good.mean() * times[-1] / 60
    hertz, degrees = regular(times, mean.values(), good)
    return {
        'blinks': len(found) if video else None,
        'blinks_per_minute': round(len(found) / minutes, 1) if minutes else None,
        'lid_left_mm': round(open_mm[0], 2),
        'lid_right_mm': round(open_mm[1], 2),
        'lid_asymmetry': round((open_mm[1] - open_mm[0]) / max(*open_mm, 1), 2),
        'gaze_horizontal_deg': _range(mean['horizontal']) if video else None,
        'gaze_vertical_deg': _range(mean['vertical']) if video else None,
        'squint_horizontal_deg': round(
            float(np.nanmedian(gaze['right', 'horizontal'] - gaze['left', 'horizontal'])), 1
        ),
        'squint_vertical_deg': round(
            float(np.nanmedian(gaze['left', 'vertical'] - gaze['right', 'vertical'])), 1
        ),
        'eye_movement_hz': hertz,
        'eye_movement_deg': degrees,
    }


def _open_mm(recording: Recording, side: str) -> float:
    opened = column(recording, f'lid_{side}_mm')
    return float(np.nanmean(opened[opened >= BLINK_SHUT * np.nanpercentile(opened, 75)]))


def _range(values: FloatArray) -> float:
    low, high = np.nanpercentile(values, [5, 95])
    return round(float(high - low), 1)


def regular(
    times: FloatArray, angles: Iterable[FloatArray], good: BoolArray
) -> tuple[float | None, float | None]:
    """Return the frequency (Hz) and amplitude (degrees) of regular eye movements, or None.

    Parameters
    ----------
    times : ndarray, shape (n,)
        In s.
    angles : iterable of ndarray, shape (n,)
        Degrees; that which swings most counts.
    good : ndarray, shape (n,)
        Which pictures count.

    Notes
    -----
    The periodogram of Lomb and Scargle allows for times at uneven distances, and for gaps.
    """
    from scipy.signal import lombscargle

    if good.sum() < 10 or np.ptp(times[good]) < LEAST_S:
        return None, None
    span = np.ptp(times[good])
    top = min(10.0, 0.45 / float(np.median(np.diff(times))))
    hertz = np.arange(LOWEST_HZ, top, 0.25 / span)
    best: tuple[float, float] | None = None
    for values in angles:
        angle = _detrended(times[good], values[good])
        if len(hertz) < 3 or angle.std() < LEAST_DEG:
            continue
        power = lombscargle(times[good], angle, 2 * np.pi * hertz, normalize=True)
        peak = int(power.argmax())
        amplitude = float(np.sqrt(2 * power[peak]) * angle.std())
        if power[peak] >= REGULAR and (best is None or amplitude > best[1]):
            best = round(float(hertz[peak]), 2), round(amplitude, 1)
    return best or (None, None)


def _detrended(times: FloatArray, values: FloatArray) -> FloatArray:
    """Return values without what is slower than a second."""
    from scipy.ndimage import uniform_filter1d

    length = max(3, round(1 / max(float(np.median(np.diff(times))), 1e-3)))
    rest: FloatArray = values - uniform_filter1d(values, length, mode='nearest')
    return rest - rest.mean()


def _asymmetry(recording: Recording, good: BoolArray) -> float | None:
    strongest = {
        (name, side): float(np.nanpercentile(column(recording, f'{name}_{side}'), 98))
        for name in PAIRS
        for side in SIDES
    }
    moved = [
        name for name in PAIRS if max(strongest[name, side] for side in SIDES) > LEAST_MOVEMENT
    ]
    if not moved:
        return None
    left, right = (sum(strongest[name, side] for name in moved) for side in SIDES)
    return round((right - left) / (right + left), 2)


def as_json(summary: Summary) -> dict[str, Any]:
    """Return a summary with the meaning and unit of each number."""
    about = {
        name: {
            key: item.metadata[source]
            for key, source in (('Description', 'meaning'), ('Units', 'unit'))
            if item.metadata[source]
        }
        for name, item in Summary.__dataclass_fields__.items()
    }
    return asdict(summary) | {'Definitions': about}
