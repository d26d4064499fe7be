# SPDX-License-Identifier: Apache-2.0
"""Numbers of a recording whose movements are known, and its page."""

import numpy as np
import pytest

from facebids.mask import parameters, report, summary
from facebids.mask.parameters import Recording

TIMES = np.arange(250) / 25


def recorded(times=TIMES, rate=25.0, **values):
    """Return a recording; values are functions of time."""
    frames = tuple(
        parameters.frame(time, confidence=1, **{n: float(f(time)) for n, f in values.items()})
        for time in times
    )
    return Recording(frames, rate, 'own')


def eyes(angle, axis='horizontal'):
    return {f'gaze_{side}_{axis}_deg': angle for side in ('left', 'right')}


def lids(opening):
    return {f'lid_{side}': opening for side in ('left', 'right')}


@pytest.mark.parametrize('hertz', [1.0, 2.4, 5.0])
@pytest.mark.parametrize('axis', ['horizontal', 'vertical'])
def test_the_frequency_of_a_nystagmus(hertz, axis):
    found = summary.summarise(recorded(**eyes(lambda t: 4 * np.sin(2 * np.pi * hertz * t), axis)))
    assert found.eye_movement_hz == pytest.approx(hertz, abs=0.1)
    assert found.eye_movement_deg == pytest.approx(4, abs=0.6)


def test_the_frequency_at_uneven_times_and_with_gaps():
    rng = np.random.default_rng(1)
    times = np.sort(rng.choice(np.arange(0, 10, 0.01), 220, replace=False))
    recording = recorded(times, **eyes(lambda t: 4 * np.sin(2 * np.pi * 3 * t)))
    frames = [
        parameters.empty(frame.time_s) if 60 < number < 80 else frame
        for number, frame in enumerate(recording.frames)
    ]
    found = summary.summarise(Recording(tuple(frames), 22.0, 'own'))
    assert found.eye_movement_hz == pytest.approx(3, abs=0.1)


def test_glances_have_no_frequency():
    rng = np.random.default_rng(2)
    targets = rng.normal(0, 8, 12)
    found = summary.summarise(recorded(**eyes(lambda t: targets[int(t)])))
    assert found.eye_movement_hz is None
    assert found.gaze_horizontal_deg > 8


@pytest.mark.parametrize('rate', [12.5, 25.0, 60.0])
def test_every_blink_is_counted(rate):
    starts = (1.0, 3.3, 3.9, 8.2)

    def opening(time):
        return 0.1 if any(start <= time < start + 0.16 for start in starts) else 1

    times = np.arange(round(10 * rate)) / rate
    found = summary.summarise(recorded(times, rate, **lids(opening)))
    assert found.blinks == len(starts)
    assert found.blinks_per_minute == pytest.approx(6 * len(starts), abs=1)


def test_closed_eyes_and_a_wink_are_no_blinks():
    closed = recorded(**lids(lambda t: 0.1 if 2 <= t < 4 else 1))
    assert summary.summarise(closed).blinks == 0
    wink = recorded(
        lid_left=lambda t: 0.1 if 2 <= t < 2.2 else 1,
        lid_right=lambda t: 0.1 if 4 < t < 4.2 else 1,
    )
    assert summary.summarise(wink).blinks == 0


def test_sides_are_compared():
    found = summary.summarise(
        recorded(
            lid_left_mm=lambda t: 6, lid_right_mm=lambda t: 9.5, lid_left=lambda t: 0.6,
            smile_left=lambda t: 0.0, smile_right=lambda t: 0.8 * (4 < t < 6),
            gaze_right_horizontal_deg=lambda t: 12,
        )
    )  # fmt: skip
    assert found.lid_asymmetry == pytest.approx(0.37, abs=0.01)
    assert (found.lid_left_mm, found.lid_right_mm) == (6, 9.5)
    assert found.face_asymmetry == 1
    assert found.squint_horizontal_deg == 12


def test_recordings_without_a_face_and_of_one_picture():
    nothing = Recording((parameters.empty(0), parameters.empty(0.04)), 25.0, 'generic')
    found = summary.summarise(nothing)
    assert (found.confident, found.blinks, found.lid_left_mm) == (0, None, None)
    one = summary.summarise(recorded(TIMES[:1], 0.0))
    assert (one.duration_s, one.blinks, one.lid_left_mm) == (0, None, 9.5)


def test_the_page_needs_no_other_file_than_the_mask(tmp_path):
    recording = recorded(**lids(lambda t: 0.1 if 2 <= t < 2.2 else 1))
    report.write_page(
        tmp_path / 'a.html', recording, summary.summarise(recording), 'a b_desc-mask_video.mp4'
    )
    page = (tmp_path / 'a.html').read_text()
    assert 'src="a%20b_desc-mask_video.mp4"' in page
    assert page.count('<svg') == len(report.PLOTS)
    assert 'http' not in page.replace('http://www.w3.org/', '')
