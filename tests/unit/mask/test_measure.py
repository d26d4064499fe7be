# SPDX-License-Identifier: Apache-2.0
"""From landmarks to parameters: movements are kept, the shape of the face is not."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip('mediapipe', reason='facebids[video] is not installed')

from facebids.mask import landmarks, measure, parameters
from facebids.mask.measure import COLUMN, MEASURES, SHAPE

RATE = 25.0
SIZE = (640, 480)


def face(yaw=0.0, pitch=0.0, roll=0.0, scale=1.5, at=(320, -240), gaze=0.0):
    """Return landmarks of the generic face with irises, in pixels."""
    points = np.vstack([landmarks.generic_points(), np.zeros((10, 3))])
    for side in (0, 1):
        centre, first, last = measure.IRIS[side]
        middle = points[list(measure.CORNERS[side])].mean(0) + np.array([0, 0, 5])
        apart = (measure.APART_DEG, -measure.APART_DEG)[side]
        middle[0] += measure.EYE_MM[0] * np.sin(np.radians(gaze + apart))
        points[centre : centre + 5] = middle
        points[first, 0] -= measure.IRIS_MM / 2
        points[last, 0] += measure.IRIS_MM / 2
    turn = Rotation.from_euler(
        'YXZ', [yaw / measure.YAW, -pitch / measure.PITCH, -roll], degrees=True
    )
    return turn.apply(points) * scale + np.array([*at, 0])


@pytest.mark.parametrize('yaw', [-30, 0, 20])
@pytest.mark.parametrize('pitch', [-20, 0, 20])
@pytest.mark.parametrize('roll', [-15, 0, 40])
def test_pose_does_not_change_what_the_face_does(yaw, pitch, roll):
    still = measure.measures(face(gaze=10), SIZE)
    turned = measure.measures(face(yaw, pitch, roll, scale=1.1, gaze=10), SIZE)
    pose = [COLUMN[name] for name in parameters.POSE]
    assert turned[pose] == pytest.approx([pitch, yaw, roll], abs=1e-6)
    kept = slice(COLUMN['fit'], None)
    others = [i for i in range(len(MEASURES))[kept] if i not in pose]
    assert turned[others] == pytest.approx(still[others], abs=1e-6)


def test_gaze_is_the_angle_of_each_eye():
    for angle in (-20, 0, 15):
        found = measure.measures(face(gaze=angle), SIZE)
        for side in ('left', 'right'):
            assert found[COLUMN[f'gaze_{side}_horizontal_deg']] == pytest.approx(angle, abs=0.01)


def table(seconds=4.0, **moving):
    """Return times and measures of a still generic face, some of which move."""
    times = np.arange(round(seconds * RATE)) / RATE
    rows = np.tile(measure.measures(face(), SIZE), (len(times), 1))
    for side in ('left', 'right'):
        rows[:, COLUMN[f'open_{side}']] = measure.LIDS_MM / measure.OPEN
    for name, values in moving.items():
        rows[:, COLUMN[name]] += values(times)
    return times, rows


def column(recording, name):
    return np.array([getattr(frame, name) for frame in recording.frames])


def test_a_still_face_is_the_neutral_face():
    recording = measure.recording(*table())
    assert recording.neutral == 'own'
    assert {frame.confident for frame in recording.frames} == {True}
    still = parameters.frame(0.0, confidence=1.0)
    assert {f.__class__(**{**vars(f), 'time_s': 0.0}) for f in recording.frames} == {still}


def test_the_shape_of_a_face_leaves_no_trace():
    """Faces whose proportions differ, but whose sides are alike, give the same table."""
    rng = np.random.default_rng(1)
    times, rows = table(gaze_left_horizontal_deg=lambda t: 5 * np.sin(6 * t))
    reference = measure.recording(times, rows)
    for _ in range(20):
        other = rows.copy()
        for name in measure.PLACES:
            change = rng.normal(0, 4)
            for side in ('left', 'right'):
                other[:, COLUMN[f'{name}_{side}']] += change
        for name in measure.MIDDLE:
            other[:, COLUMN[name]] += rng.normal(0, 4)
        for axis in ('horizontal', 'vertical'):
            change = rng.normal(0, 3)
            for side in ('left', 'right'):
                other[:, COLUMN[f'gaze_{side}_{axis}_deg']] += change
        for side in ('left', 'right'):  # a face of another size, and eyes of another width
            other[:, COLUMN[f'open_{side}']] *= 1.05
        other[:, COLUMN['eyes_px']] *= rng.uniform(0.7, 1.5)
        assert measure.recording(times, other) == reference


@pytest.mark.parametrize('hertz', [1.0, 3.0, 5.0])
def test_nystagmus_of_five_hertz_survives(hertz):
    def swing(times):
        return 4 * np.sin(2 * np.pi * hertz * times)

    moving = {f'gaze_{side}_horizontal_deg': swing for side in ('left', 'right')}
    gaze = column(measure.recording(*table(**moving)), 'gaze_left_horizontal_deg')
    assert np.std(gaze) / (4 / np.sqrt(2)) == pytest.approx(1, abs=0.2)


def test_a_blink_of_150_ms_survives():
    def blink(times):
        return np.where((times >= 2) & (times < 2.15), -measure.LIDS_MM / measure.OPEN, 0)

    lids = column(measure.recording(*table(open_left=blink, open_right=blink)), 'lid_left')
    assert np.count_nonzero(lids < 0.2) in (3, 4)
    assert np.count_nonzero(lids == 1) == len(lids) - np.count_nonzero(lids < 0.2)


def test_squint_and_ptosis_are_kept_on_their_side():
    recording = measure.recording(
        *table(
            gaze_right_horizontal_deg=lambda t: 15 + 0 * t,
            open_left=lambda t: -0.45 * measure.LIDS_MM / measure.OPEN + 0 * t,
        )
    )
    assert set(column(recording, 'gaze_left_horizontal_deg')) == {0}
    assert set(column(recording, 'gaze_right_horizontal_deg')) == {16}
    assert set(column(recording, 'lid_right')) == {1}
    assert set(column(recording, 'lid_left')) == {0.55}


def test_expressions_are_found_again():
    response, _ = measure._system()
    for number, name in enumerate(parameters.EXPRESSIONS):
        moved = response[: len(SHAPE), number]
        if np.linalg.norm(moved) < 5:  # of these the landmarks hardly tell
            continue
        found = dict(zip(parameters.EXPRESSIONS, measure.fitted(moved), strict=True))
        assert found[name] == pytest.approx(1, abs=0.35), name
        assert max(abs(value) for other, value in found.items() if other != name) < 0.35


def test_frames_without_a_face_are_empty():
    times, rows = table()
    rows[10:20] = np.nan
    rows[30:40, COLUMN['yaw_deg']] = 80  # profile
    rows[50:60, COLUMN['eyes_px']] = 10  # far away
    recording = measure.recording(times, rows)
    confident = column(recording, 'confident')
    assert not confident[[*range(10, 20), *range(30, 40), *range(50, 60)]].any()
    assert confident.sum() == len(times) - 30
    assert recording.frames[12] == parameters.empty(times[12])


def test_no_face_at_all():
    times, rows = table(1)
    recording = measure.recording(times, np.full_like(rows, np.nan))
    assert not any(frame.confident for frame in recording.frames)


def test_a_photograph_keeps_only_large_movements():
    times, rows = table()
    rows[0, COLUMN['brow_left']] += 1.0  # within personal proportions
    recording = measure.recording(times[:1], rows[:1], photograph=True)
    assert recording.neutral == 'generic'
    assert recording.rate_hz == 0
    assert recording.frames == (parameters.frame(0.0, confidence=1.0),)


def test_a_short_video_has_the_generic_neutral():
    times, rows = table(1)
    assert measure.recording(times, rows).neutral == 'generic'
