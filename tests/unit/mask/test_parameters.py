# SPDX-License-Identifier: Apache-2.0
"""The table of the mask: exact, rounded, and nothing that a face could hide in."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facebids.errors import DatasetError
from facebids.mask import parameters
from facebids.mask.parameters import Frame, Recording

values = st.fixed_dictionaries(
    {name: st.floats(-1000, 1000, allow_nan=False) for name in parameters.NUMBERS}
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.one_of(st.none(), values), min_size=1, max_size=5))
def test_a_table_holds_frames_exactly(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp('table') / 'a.tsv'
    frames = tuple(
        parameters.empty(number / 25, 0.2) if row is None else parameters.frame(number / 25, **row)
        for number, row in enumerate(rows)
    )
    recording = Recording(frames, 25.0, 'own')
    parameters.write(recording, path, {})
    assert parameters.read(path) == recording
    assert parameters.to_tsv(parameters.read_frames(path)) == path.read_text()


def test_values_are_rounded_to_steps_within_their_range():
    frame = parameters.frame(1 / 3, yaw_deg=12.4, lid_left=9, smile_left=-0.3, jaw_side=-0.52)
    assert (frame.time_s, frame.yaw_deg, frame.lid_left) == (0.333, 12.0, 1.5)
    assert (frame.smile_left, frame.jaw_side) == (0.0, -0.5)
    assert str(parameters.rounded('jaw_side', -0.01)) == '0.0'


def test_frames_without_a_face_have_no_values(tmp_path):
    table = parameters.to_tsv([Frame(0.0, smile_left=1.0), Frame(0.04, confident=False)])
    assert set(table.splitlines()[2].split('\t')[3:]) == {'n/a'}


@pytest.mark.parametrize(
    ('old', 'new', 'named'),
    [
        ('time_s', 'time', 'columns'),
        ('true', 'yes', 'not a number'),
        ('0.35', 'nose', 'not a number'),
        ('0.35', '0.351', 'smile_left'),
        ('0.35', '7', 'smile_left'),
        ('0.35', 'nan', 'smile_left'),
        ('0.04', '0', 'times'),
    ],
)
def test_a_changed_table_is_refused(tmp_path, old, new, named):
    """A value beside the steps could carry what the mask must not."""
    path = tmp_path / 'a.tsv'
    frames = [parameters.frame(0, smile_left=0.35), parameters.frame(0.04)]
    path.write_text(parameters.to_tsv(frames).replace(old, new, 1))
    with pytest.raises(DatasetError, match=named):
        parameters.read_frames(path)


@pytest.mark.parametrize('content', [None, b'', b'\xff\xfe\x00', b'time_s\n'])
def test_what_is_no_table_is_named(tmp_path, content):
    path = tmp_path / 'a.tsv'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DatasetError, match=r'a\.tsv'):
        parameters.read_frames(path)


def test_the_dictionary_describes_every_column(tmp_path):
    path = tmp_path / 'a.tsv'
    parameters.write(Recording((Frame(0.0),), 0.0, 'generic'), path, {'Made': 'today'})
    about = json.loads(path.with_suffix('.json').read_text())
    assert set(parameters.COLUMNS) < set(about)
    assert all(about[name]['Description'] for name in parameters.COLUMNS)
    assert about['gaze_left_horizontal_deg']['Units'] == 'degree'
    assert (about['Neutral'], about['Made']) == ('generic', 'today')


def test_expressions_have_both_sides():
    sided = [name for name in parameters.EXPRESSIONS if name.endswith('_left')]
    assert sided
    assert {name.removesuffix('left') + 'right' for name in sided} < set(parameters.EXPRESSIONS)
