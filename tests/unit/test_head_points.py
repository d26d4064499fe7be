# SPDX-License-Identifier: Apache-2.0
"""Digitised points, 3-D scans and photographs: found, named, and left out or kept."""

import json
import struct
from pathlib import Path

import pytest
from make_fif import POINTS, fif_file, tag

from facebids.bids import head_points as by_name
from facebids.release import fif, gate, head_points
from facebids.release.tree import Source

EEG, MEG, NIRS = (f'sub-01/ses-1/{kind}/sub-01_ses-1' for kind in ('eeg', 'meg', 'nirs'))
KINDS = {
    f'{MEG}_headshape.pos': 'shape',
    f'{MEG}_acq-HSP_headshape.hsp': 'shape',
    f'{EEG}_headshape.txt.gz': 'shape',
    'sub-01/headshape/sub-01_headshape.eeg': 'shape',
    f'{MEG}_meg/digitised.elp': 'shape',
    f'{MEG}_meg.ds/sub-01.pos': 'shape',
    f'{MEG}_meg/hs_file': 'shape',
    f'{EEG}_eeg.mff/coordinates.xml': 'shape',
    f'{EEG}_space-CapTrak_electrodes.tsv': 'sensors',
    f'{NIRS}_optodes.tsv': 'sensors',
    f'{EEG}_photo.jpg': 'picture',
    f'{MEG}_scan.stl': 'picture',
    f'{NIRS}_head.OBJ': 'picture',
    # no drawing of a head, or a matter of the images
    f'{EEG}_coordsystem.json': None,
    f'{EEG}_electrodes.json': None,
    f'{MEG}_headshape.json': None,
    f'{EEG}_task-rest_eeg.edf': None,
    f'{MEG}_markers.sqd': None,
    f'{MEG}_meg.ds/sub-01.hc': None,
    'sub-01/ieeg/sub-01_electrodes.tsv': None,
    'sub-01/emg/sub-01_electrodes.tsv': None,
    'sub-01/anat/sub-01_photo.jpg': None,
    'sub-01/micr/sub-01_photo.jpg': None,
    'electrodes.tsv': None,
    'stimuli/eeg/face.stl': None,
}


@pytest.mark.parametrize(('path', 'kind'), KINDS.items())
def test_names_tell_what_draws_the_head(path, kind):
    assert by_name.kind_of(path) == kind


# --- content ------------------------------------------------------------------------------------

LANDMARKS = {'NAS': [1, 2, 3], 'LPA': [0, 1, 0], 'RPA': [0, -1, 0]}


def source(tmp_path, relative, content):
    path = tmp_path / Path(relative).name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return Source(relative, path, 1)


def found_in(tmp_path, relative, content):
    return head_points.find([source(tmp_path, relative, content)]).get(relative)


def test_landmarks_and_coils_are_no_head_points(tmp_path):
    content = {
        'MEGCoordinateSystem': 'CTF',
        'AnatomicalLandmarkCoordinates': LANDMARKS,
        'HeadCoilCoordinates': {f'coil{n}': [n, 0, 0] for n in range(5)},
        'FiducialsCoordinates': LANDMARKS,
        'IntendedFor': [f'file {n}' for n in range(20)],
    }
    assert found_in(tmp_path, f'{MEG}_coordsystem.json', content) is None
    assert json.loads(head_points.without_points(json.dumps(content))) == content


@pytest.mark.parametrize(
    'more',
    [
        {'DigitizedHeadPoints': 'sub-01_headshape.pos'},
        {'DigitizedHeadPoints': [[1, 2, 3]], 'DigitizedHeadPointsUnits': 'mm'},
        {'FiducialsCoordinates': {f'P{n}': [n, 0, 0] for n in range(9)}},
        {'HeadShape': [[n, 0, 0] for n in range(100)]},
    ],
)
def test_head_points_are_taken_out_of_a_coordinate_system(tmp_path, more):
    content = {'AnatomicalLandmarkCoordinates': LANDMARKS, **more}
    found = found_in(tmp_path, f'{MEG}_coordsystem.json', content)
    assert found.kind == 'inside'
    assert all(key in found.what for key in more)
    left = json.loads(head_points.without_points(json.dumps(content)))
    assert left == {'AnatomicalLandmarkCoordinates': LANDMARKS}


@pytest.mark.parametrize('content', [b'{', b'[1]', b'\xff'])
def test_a_damaged_coordinate_system_is_left_to_others(tmp_path, content):
    assert found_in(tmp_path, f'{EEG}_coordsystem.json', content) is None


# --- FIF ----------------------------------------------------------------------------------------


@pytest.mark.parametrize('directory', [True, False])
def test_head_points_are_taken_out_of_fif(tmp_path, directory):
    content = fif_file(directory=directory)
    path, target = tmp_path / 'a.fif', tmp_path / 'b.fif'
    path.write_bytes(content)
    assert len(fif.head_points(path)) == 2
    fif.without_head_points(path, target)
    assert path.read_bytes() == content
    assert fif.head_points(target) == []
    after = target.read_bytes()
    assert len(after) == len(content)
    for gone in (POINTS[1], POINTS[3]):
        assert gone[24:] not in after  # its coordinates
    for kept in (POINTS[0], POINTS[2], b'measured'):
        assert kept in after
    assert after.count(struct.pack('>3i', 108, 0, 20)) == (4 if directory else 2)


def test_a_recording_with_head_points_is_named(tmp_path):
    found = found_in(tmp_path, f'{MEG}_task-rest_meg.fif', fif_file())
    assert (found.kind, found.what) == ('inside', '2 digitised head points')
    assert found_in(tmp_path, f'{MEG}_meg.fif', fif_file(POINTS[:1])) is None


@pytest.mark.parametrize(
    'content',
    [
        b'',
        b'no FIF',
        fif_file()[:-5],
        tag(300, b''),
        tag(100, b'', 0) + tag(300, b'', 16),
        tag(100, b'') + struct.pack('>4i', 300, 0, -1, 0),
    ],
    ids=['empty', 'other', 'truncated', 'no id', 'circle', 'size'],
)
def test_a_recording_that_cannot_be_searched_is_named(tmp_path, content):
    found = found_in(tmp_path, f'{MEG}_meg.fif', content)
    assert (found.kind, 'cannot be searched' in found.what) == ('unreadable', True)


def test_a_missing_file_is_judged_by_its_name_alone(tmp_path):
    paths = (f'{MEG}_meg.fif', f'{MEG}_headshape.pos')
    missing = [Source(path, tmp_path / 'nothing', missing=True) for path in paths]
    assert list(head_points.find(missing)) == [paths[1]]


# --- decisions ----------------------------------------------------------------------------------

DECISIONS = {
    'drop': ('exclude', 'exclude', 'exclude', 'trim', 'refuse'),
    'sensors': ('exclude', 'copy', 'exclude', 'trim', 'refuse'),
    'keep': ('copy', 'copy', 'refuse', 'copy', 'copy'),
}


@pytest.mark.parametrize(('choice', 'actions'), DECISIONS.items())
def test_the_choice_decides(choice, actions):
    paths = [f'{MEG}_headshape.pos', f'{EEG}_electrodes.tsv', f'{EEG}_photo.jpg', 'a', 'b']
    kinds = ('shape', 'sensors', 'picture', 'inside', 'unreadable')
    points = {
        path: head_points.HeadPoints(kind, 'something')
        for path, kind in zip(paths, kinds, strict=True)
    }
    decisions = gate.decide(paths, (), gate.Choices({}, head_points=choice), points)
    assert tuple(item.action for item in decisions) == actions
    for item in decisions:
        assert ('something' in item.reason and choice in item.reason) or item.action == 'refuse'


def test_a_name_decides_before_the_choice():
    path = f'{MEG}_headshape.pos'
    points = {path: head_points.HeadPoints('shape', 'points')}
    choices = gate.Choices({}, frozenset([path]), head_points='keep')
    (found,) = gate.decide([path], (), choices, points)
    assert (found.action, found.reason) == ('exclude', 'excluded by name')
