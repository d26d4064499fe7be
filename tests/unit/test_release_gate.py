# SPDX-License-Identifier: Apache-2.0
"""Which files may leave."""

import pytest
from make import image_record

from facebids.core.record import Reason
from facebids.errors import UsageError
from facebids.release import gate

T1W = 'sub-01/anat/sub-01_T1w.nii.gz'


def record(verdict='pass', image=T1W, **values):
    reasons = () if verdict == 'pass' else (Reason('face_skin_left', verdict, 'Some skin.'),)
    return image_record(image, verdict=verdict, reasons=reasons, **values)


def decide(paths, records=(), **choices):
    found = gate.decide(paths, records, gate.Choices(choices.pop('accepted', {}), **choices))
    return {item.path: item for item in found}


def test_a_pass_is_replaced():
    assert decide([T1W], [record()])[T1W].action == gate.REPLACE


@pytest.mark.parametrize('verdict', ['review', 'fail', 'something new'])
def test_other_verdicts_are_refused(verdict):
    found = decide([T1W], [record(verdict)])[T1W]
    assert found.action == gate.REFUSE
    assert '--exclude-failed' in found.reason


def test_a_pass_without_hashes_is_refused():
    assert decide([T1W], [record(provenance=None)])[T1W].action == gate.REFUSE


@pytest.mark.parametrize('verdict', ['review', 'fail'])
def test_images_that_may_not_be_released_can_be_excluded(verdict):
    found = decide([T1W], [record(verdict)], exclude_failed=True)[T1W]
    assert found.action == gate.EXCLUDE


def test_an_accepted_review_is_released():
    accepted = {T1W: gate.Accepted('sub-01', T1W, 'A. Example', 'looked at')}
    found = decide([T1W], [record('review')], accepted=accepted)[T1W]
    assert found.action == gate.REPLACE
    assert 'A. Example' in found.reason


@pytest.mark.parametrize('found', [[record('fail')], []])
def test_failed_and_unprocessed_images_cannot_be_accepted(found):
    accepted = {T1W: gate.Accepted('sub-01', T1W, 'A. Example', 'looked at')}
    with pytest.raises(UsageError, match='only a review'):
        decide([T1W], found, accepted=accepted)


def test_a_decision_on_another_participant_is_refused():
    accepted = {T1W: gate.Accepted('sub-02', T1W, 'A. Example', 'looked at')}
    with pytest.raises(UsageError, match='not belong to sub-02'):
        decide([T1W], [record('review')], accepted=accepted)


UNSEEN = (
    'sub-01/anat/sub-01_T2w.nii.gz',
    'sub-01/anat/sub-01_T2w.NII.GZ',
    'sub-01/anat/sub-01_something.nii',
    'sub-01/ct/sub-01_ct.nii.gz',
    'sub-01/pet/sub-01_pet.nii.gz',
    'sub-01/perf/sub-01_asl.nii.gz',
    'sub-01/fmap/sub-01_magnitude1.nii.gz',
    'sub-01/beh/sub-01_photo.jpg',
    'sub-01/anat/sub-01_T1w.mgz',
    'sub-01/anat/scan.dcm',
    'sub-01/eeg/sub-01_photo.JPG',
    'code/backup.tar.gz',
    'stimuli/head.nii.gz',
    'T1w.nii.gz',
    'code/T1w.nii.bz2',
    'code/T1w.mnc.gz',
    'sub-01/anat/sub-01_T1w+orig.BRIK.gz',
    'sub-01/anat/sub-01_T1w+orig.HEAD',
    'sub-01/anat/sub-01_T1w.mgh.gz',
    'sub-01/anat/sub-01_T1w.nii.gz.bak',
    'sub-01/ses-1/anat/IM0001',
    'sub-01/anat/sub-01_T1w.mat',
    'sub-01/scan.webp',
    'sub-01/ses-1/meg/sub-01_ses-1_meg.ds/sub-01.mri',
)


@pytest.mark.parametrize('path', UNSEEN)
def test_unprocessed_files_stop_the_release(path):
    assert decide([path])[path].action == gate.REFUSE
    # not even the wish to leave out what failed makes up for it, but its name does
    assert decide([path], exclude_failed=True)[path].action == gate.REFUSE
    assert decide([path], excluded=frozenset([path]))[path].action == gate.EXCLUDE


def test_the_remedy_names_the_data_type():
    path = 'sub-01/fmap/sub-01_magnitude1.nii.gz'
    assert '--include fmap' in decide([path])[path].reason
    path = 'sub-01/anat/sub-01_T2w.nii.gz'
    assert '--include' not in decide([path])[path].reason


@pytest.mark.parametrize(
    'path',
    [
        'sub-01/func/sub-01_task-rest_bold.nii.gz',
        'sub-01/func/sub-01_task-rest_sbref.nii.gz',
        'sub-01/dwi/sub-01_dwi.nii.gz',
        'sub-01/fmap/sub-01_dir-AP_epi.nii.gz',
        'sub-01/anat/sub-01_mod-T1w_defacemask.nii.gz',
        'sub-01/anat/sub-01_label-lesion_mask.nii.gz',
        'sub-01/anat/sub-01_T1w_label-lesion_roi.nii.gz',
        'sub-01/mrs/sub-01_svs.nii.gz',
    ],
)
def test_what_hardly_shows_a_face_is_left_to_the_look(path):
    found = decide([path])[path]
    assert found.action == gate.COPY
    assert found.reason


def test_a_failed_echo_planar_image_is_refused():
    path = 'sub-01/func/sub-01_task-rest_bold.nii.gz'
    assert decide([path], [record('fail', path)])[path].action == gate.REFUSE


@pytest.mark.parametrize(
    'path',
    [
        'sub-01/func/sub-01_task-rest_events.tsv',
        'sub-01/anat/sub-01_T1w.json',
        'stimuli/face.png',
        'docs/figure.jpg',
        'sub-01/micr/sub-01_sample-A_SEM.png',
        'sub-01/eeg/sub-01_task-rest_eeg.edf',
        'sub-01/ses-1/meg/sub-01_ses-1_task-rest_meg.ds/sub-01.meg4',
        'sub-01/ses-1/sub-01_ses-1_scans.tsv',
        'sub-01/func/sub-01_task-rest_physio.tsv.gz',
        'sub-01/dwi/sub-01_dwi.bvec',
        'code/model.mat',
        'README',
    ],
)
def test_other_files_are_not_decided_on(path):
    assert decide([path]) == {}


def test_a_missing_file_cannot_be_excluded():
    with pytest.raises(UsageError, match='sub-09'):
        decide([T1W], [record()], excluded=frozenset(['sub-09/anat/sub-09_T1w.nii.gz']))


def write(path, *rows):
    path.write_text('\n'.join('\t'.join(row) for row in (gate.ACCEPT_COLUMNS, *rows)) + '\n')
    return path


def test_a_table_of_decisions_is_read(tmp_path):
    path = write(tmp_path / 'accepted.tsv', ('sub-01', T1W, 'A. Example', 'looked at'))
    assert gate.read_accepted(path) == {
        T1W: gate.Accepted('sub-01', T1W, 'A. Example', 'looked at')
    }


@pytest.mark.parametrize(
    'rows',
    [
        [('sub-01', T1W, '', 'looked at')],
        [('sub-01', T1W, 'n/a', 'looked at')],
        [('sub-01', T1W)],
        [('sub-01', T1W, 'A', 'b'), ('sub-01', T1W, 'B', 'c')],
    ],
)
def test_incomplete_and_repeated_decisions_are_refused(tmp_path, rows):
    with pytest.raises(UsageError, match=r'accepted\.tsv, line'):
        gate.read_accepted(write(tmp_path / 'accepted.tsv', *rows))


def test_a_missing_table_is_an_error(tmp_path):
    with pytest.raises(UsageError, match='cannot be read'):
        gate.read_accepted(tmp_path / 'none.tsv')


@pytest.mark.parametrize('end', ['\t\t\t\n', '\n\n', '  \n', '\t\t\t\t\t\n'])
def test_empty_lines_of_a_spreadsheet_are_ignored(tmp_path, end):
    path = write(tmp_path / 'accepted.tsv', ('sub-01', T1W, 'A. Example', 'looked at'))
    path.write_text(path.read_text() + end)
    assert list(gate.read_accepted(path)) == [T1W]


def test_a_reason_is_one_line(tmp_path):
    path = write(tmp_path / 'accepted.tsv', ('sub-01', T1W, 'A. Example', '"looked\n# at"'))
    assert gate.read_accepted(path)[T1W].reason == 'looked # at'


@pytest.mark.parametrize('reason', ['"never closed', 'x' * 200_000])
def test_a_file_that_is_not_a_table_is_an_error(tmp_path, reason):
    path = write(tmp_path / 'accepted.tsv', ('sub-01', T1W, 'A. Example', reason))
    with pytest.raises(UsageError, match='not a table'):
        gate.read_accepted(path)


def test_a_file_without_a_face_can_be_excluded():
    found = decide(['participants.tsv', 'README'], excluded=frozenset(['participants.tsv']))
    assert {path: item.action for path, item in found.items()} == {
        'participants.tsv': gate.EXCLUDE
    }
