# SPDX-License-Identifier: Apache-2.0
"""From measures to parameters: movements are kept, the shape of the face is not."""

import numpy as np
import pytest

pytest.importorskip('mediapipe', reason='facebids[video] is not installed')

from facebids.mask import measure, movements, parameters
from facebids.mask.measure import COLUMN, MEASURES, SHAPE

RATE = 25.0
STILL = {
    'x_px': 320, 'y_px': 240, 'eyes_px': 90, 'inside': 1, 'iris_left': 12, 'iris_right': 12,
    'open_left': 11, 'open_right': 11, 'white_left': 200, 'white_right': 200,
    'iris_x_left': -movements.NASAL, 'end_inner_left': -20, 'end_outer_left': 20,
    'iris_x_right': movements.NASAL, 'end_inner_right': 20, 'end_outer_right': -20,
}  # fmt: skip


def table(seconds=4.0, **moving):
    """Return times and measures of a still generic face, some of which move."""
    times = np.arange(round(seconds * RATE)) / RATE
    still = measure.generic_places() | STILL
    rows = np.tile([float(still.get(name, 0.0)) for name in MEASURES], (len(times), 1))
    for name, values in moving.items():
        rows[:, COLUMN[name]] += values(times)
    return times, rows


def column(recording, name):
    return np.array([getattr(frame, name) for frame in recording.frames])


def test_a_still_face_is_the_neutral_face():
    recording = movements.recording(*table())
    assert recording.neutral == 'own'
    assert {frame.confident for frame in recording.frames} == {True}
    still = parameters.frame(0.0, confidence=1.0)
    assert {f.__class__(**{**vars(f), 'time_s': 0.0}) for f in recording.frames} == {still}


def test_the_shape_of_a_face_leaves_no_trace():
    """Faces whose proportions differ, but whose sides are alike, give the same table."""
    rng = np.random.default_rng(1)
    times, rows = table(iris_x_left=lambda t: np.sin(6 * t), brow_left=lambda t: 3 * np.sin(t))
    reference = movements.recording(times, rows)
    for _ in range(20):
        other = rows.copy()
        for name in measure.PLACES:
            change = rng.normal(0, 4)
            for side in ('left', 'right'):
                other[:, COLUMN[f'{name}_{side}']] += change
        for name in measure.MIDDLE:
            other[:, COLUMN[name]] += rng.normal(0, 4)
        for name in ('iris_x', 'iris_y', 'lower', 'upper'):
            change = rng.normal(0, 1)
            for side in ('left', 'right'):
                other[:, COLUMN[f'{name}_{side}']] += change
        wide, white = rng.uniform(0.8, 1.3), rng.uniform(0.5, 2)
        for side in ('left', 'right'):  # a face of another size, and eyes of another shape
            other[:, COLUMN[f'open_{side}']] *= wide
            other[:, COLUMN[f'white_{side}']] *= white
        other[:, COLUMN['eyes_px']] *= rng.uniform(0.7, 1.5)
        assert movements.recording(times, other) == reference


@pytest.mark.parametrize('hertz', [1.0, 3.0, 5.0])
def test_nystagmus_of_five_hertz_survives(hertz):
    def swing(times):
        return 4 / movements.HORIZONTAL_DEG * np.sin(2 * np.pi * hertz * times)

    moving = {f'iris_x_{side}': swing for side in ('left', 'right')}
    gaze = column(movements.recording(*table(**moving)), 'gaze_left_horizontal_deg')
    assert np.std(gaze) / (4 / np.sqrt(2)) == pytest.approx(1, abs=0.15)


def test_a_blink_of_150_ms_survives():
    def blink(times):
        return np.where((times >= 2) & (times < 2.15), -11.0, 0)

    lids = column(movements.recording(*table(open_left=blink, open_right=blink)), 'lid_left')
    assert np.count_nonzero(lids < 0.2) in (3, 4)
    assert np.count_nonzero(lids == 1) == len(lids) - np.count_nonzero(lids < 0.2)


def test_squint_and_ptosis_are_kept_on_their_side():
    recording = movements.recording(
        *table(
            iris_x_right=lambda t: 15 / movements.HORIZONTAL_DEG + 0 * t,
            white_left=lambda t: -72 + 0 * t,
        )
    )
    assert set(column(recording, 'gaze_left_horizontal_deg')) == {0}
    assert set(column(recording, 'gaze_right_horizontal_deg')) == {16}
    assert set(column(recording, 'lid_right')) == {1}
    assert set(column(recording, 'lid_left')) == {0.55}


def test_expressions_are_found_again():
    response, signs = movements._system()
    for number, (index, sign) in enumerate(signs):
        name, moved = parameters.EXPRESSIONS[index], response[: len(SHAPE), number]
        if sign < 0 or np.linalg.norm(moved) < 5:  # of these the landmarks hardly tell
            continue
        found = dict(zip(parameters.EXPRESSIONS, movements.fitted(moved), strict=True))
        assert found[name] == pytest.approx(1, abs=0.35), name
        assert max(abs(value) for other, value in found.items() if other != name) < 0.35


def test_frames_without_a_face_are_empty():
    times, rows = table()
    rows[10:20] = np.nan
    rows[30:40, COLUMN['yaw_deg']] = 80  # profile
    rows[50:60, COLUMN['eyes_px']] = 10  # far away
    recording = movements.recording(times, rows)
    confident = column(recording, 'confident')
    assert not confident[[*range(10, 20), *range(30, 40), *range(50, 60)]].any()
    assert confident.sum() == len(times) - 30
    assert recording.frames[12] == parameters.empty(times[12])


def test_no_face_at_all():
    times, rows = table(1)
    recording = movements.recording(times, np.full_like(rows, np.nan))
    assert not any(frame.confident for frame in recording.frames)


def test_a_photograph_keeps_no_proportions():
    times, rows = table()
    rng = np.random.default_rng(3)
    for _ in range(10):
        other = rows[:1].copy()
        for name in SHAPE:
            other[:, COLUMN[name]] += rng.normal(0, 1)
        recording = movements.recording(times[:1], other, photograph=True)
        assert recording.neutral == 'generic'
        assert recording.rate_hz == 0
        assert recording.frames == (parameters.frame(0.0, confidence=1.0),)


def test_a_photograph_keeps_closed_lids_and_an_open_mouth():
    times, rows = table()
    rows[0, COLUMN['open_left']] = 0
    for name in ('chin_up', 'lower_lip_left', 'lower_lip_right'):
        rows[0, COLUMN[name]] -= 20
    (frame,) = movements.recording(times[:1], rows[:1], photograph=True).frames
    assert (frame.lid_left, frame.lid_right) == (0, 1)
    assert frame.jaw_open == movements.JAW[1]


@pytest.mark.parametrize(('weaker', 'share'), [(0.1, 0.0), (0.5, 0.5), (0.8, 1.0)])
def test_sides_move_alike_unless_one_is_weak(weaker, share):
    course = np.sin(np.pi * np.linspace(0, 1, 50)) ** 2
    left, right = movements._sized([course, weaker * course], 0.2, (0.35, 0.7))
    assert left.max() == pytest.approx(0.7, abs=0.07)
    assert right.max() == pytest.approx(0.7 * share, abs=0.1)


def test_the_size_of_an_expression_has_steps():
    course = np.sin(np.pi * np.linspace(0, 1, 50)) ** 2
    tops = [
        movements._sized([size * course], 0.2, (0.35, 0.7))[0].max()
        for size in (0.15, 0.25, 0.35, 0.5, 0.9)
    ]
    assert tops == pytest.approx([0, 0.35, 0.35, 0.7, 0.7], abs=0.07)


def test_a_value_stays_on_its_step_until_it_is_well_off():
    values = np.array([0.4, 2.2, 1.9, np.nan, 2.3, 3.2, 1.2, 0.7])
    made = movements._stepped(values, 3.0)
    assert made[[0, 1, 2, 4, 5, 6, 7]].tolist() == [0, 0, 0, 3, 3, 3, 0]
    assert np.isnan(made[3])


def test_trembling_is_no_movement():
    """How much landmarks tremble differs between people."""
    rng = np.random.default_rng(5)
    times, rows = table()
    reference = movements.recording(times, rows)
    sizes = dict.fromkeys(SHAPE, 0.4) | {'pitch_deg': 1.0, 'yaw_deg': 0.7, 'roll_deg': 0.5}
    sizes |= {f'iris_{axis}_{side}': 0.3 for axis in 'xy' for side in ('left', 'right')}
    for name, size in sizes.items():
        rows[:, COLUMN[name]] += rng.normal(0, size, len(times))
    assert movements.recording(times, rows) == reference


def test_eyes_go_from_fixation_to_fixation():
    def look(times):
        away = np.where(times >= 2, 9.0, 0.0) + np.where((times >= 1) & (times < 1.1), 9.0, 0.0)
        return away / movements.HORIZONTAL_DEG

    recording = movements.recording(*table(6.0, iris_x_left=look, iris_x_right=look))
    gaze = column(recording, 'gaze_left_horizontal_deg')
    assert np.flatnonzero(np.diff(gaze)).tolist() == [49]
    assert gaze[-1] - gaze[0] == 9


def test_a_turning_head_goes_from_step_to_step():
    recording = movements.recording(*table(yaw_deg=lambda t: 5 * t))
    yaw = column(recording, 'yaw_deg')
    assert yaw[-1] - yaw[0] == pytest.approx(20, abs=movements.POSE_DEG['yaw_deg'])
    assert (np.diff(yaw) >= 0).all()
    assert np.diff(yaw).max() <= 1


def test_a_short_video_has_the_generic_neutral():
    times, rows = table(1)
    assert movements.recording(times, rows).neutral == 'generic'
