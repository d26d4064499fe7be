# SPDX-License-Identifier: Apache-2.0
import json
import shutil
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from facebids import filesystem
from facebids.cli import verify
from facebids.release import attack
from facebids.release.attack import Attacked
from facebids.release.scan import INCOMPLETE, NO_FINDINGS, REVIEW, scan

T1W = 'sub-01/anat/sub-01_T1w.nii.gz'
BOLD = 'sub-01/func/sub-01_task-rest_bold.nii.gz'
TEXTS = {
    'dataset_description.json': '{"Name": "Theirs", "BIDSVersion": "1.10.0"}',
    'README': 'Defaced elsewhere.\n',
    'sub-01/anat/sub-01_T1w.json': '{"EchoTime": 0.003}',
}


def _write(path, shape=(20, 20, 20)):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.ones(shape, np.int16), np.eye(4)), path)


@pytest.fixture
def dataset(tmp_path):
    """Return a dataset that FaceBIDS never processed."""
    root = tmp_path / 'theirs'
    for path, text in TEXTS.items():
        filesystem.write_text_atomic(root / path, text)
    _write(root / T1W)
    _write(root / BOLD, (20, 20, 20, 12))
    return root


@pytest.fixture(autouse=True)
def seen(monkeypatch):
    """Return what the attack finds, by path: by default no face in ten views."""
    found = {}

    def look(path, target):
        return found.get(target.image, Attacked(target.image, views=10))

    monkeypatch.setattr(attack, 'attack', look)
    return found


def test_a_clean_dataset_has_no_findings(dataset):
    told = []
    found = scan(dataset, None, told.append)
    assert (found.state, found.images, found.files) == (NO_FINDINGS, 1, 5)
    assert told == [T1W]  # a series of twelve volumes is no structural scan


def test_masks_of_the_certificate_are_not_searched_but_others_are(dataset, monkeypatch):
    mask, other = T1W.replace('T1w', 'mod-T1w_defacemask'), T1W.replace('T1w', 'label-head_mask')
    for path in (mask, other):
        _write(dataset / path)
    told = []
    found = scan(dataset, None, told.append)
    assert sorted(told) == sorted([T1W, mask, other])
    assert (found.images, found.masks) == (1, 2)
    certificate = SimpleNamespace(images=[SimpleNamespace(image=T1W, mode='remove', mask=mask)])
    monkeypatch.setattr('facebids.release.scan.differences', lambda *_: [])
    told.clear()
    found = scan(dataset, certificate, told.append)
    assert sorted(told) == sorted([T1W, other])
    assert (found.images, found.masks) == (1, 1)


def test_a_face_has_to_be_reviewed(dataset, seen):
    seen[T1W] = Attacked(T1W, 10, 9, 8, objection='A face is detected.', failed=True)
    found = scan(dataset, None)
    assert found.state == REVIEW
    (issue,) = found.findings
    assert (issue.path, issue.reason) == (
        T1W, 'a face shows with certainty in 8 of 10 views'
    )  # fmt: skip


@pytest.mark.parametrize(
    ('path', 'text', 'reason'),
    [
        ('sub-01/anat/photo.jpg', 'x', 'cannot be searched'),
        ('sub-01/anat/sub-01_T1w.json', '{"PatientName": "Doe"}', '(name): PatientName'),
        ('sub-01/eeg/sub-01_headshape.pos', 'x', 'head'),
    ],
)
def test_what_identifies_people_is_found_and_not_repeated(dataset, path, text, reason):
    filesystem.write_text_atomic(dataset / path, text)
    found = scan(dataset, None)
    assert found.state == REVIEW
    (issue,) = found.findings
    assert issue.path == path
    assert reason in issue.reason
    assert 'Doe' not in issue.reason


@pytest.mark.parametrize(
    ('path', 'content', 'reason'),
    [
        ('sub-01/anat/sub-01_FLAIR.nii.gz', 'no image', 'sub-01_FLAIR'),
        ('participants.tsv', '\xff', 'participants.tsv'),
        ('sourcedata/sub-01/a.dcm', 'x', 'this folder is not scanned'),
    ],
)
def test_what_cannot_be_scanned_makes_the_scan_incomplete(dataset, path, content, reason):
    (dataset / path).parent.mkdir(parents=True, exist_ok=True)
    (dataset / path).write_bytes(content.encode('latin-1'))
    found = scan(dataset, None)
    assert found.state == INCOMPLETE
    (issue,) = found.not_scanned
    assert reason in f'{issue.path}: {issue.reason}'
    assert str(dataset) not in issue.reason


def test_content_that_was_not_downloaded_and_an_empty_folder_are_incomplete(dataset, tmp_path):
    (dataset / T1W).unlink()
    (dataset / T1W).symlink_to('../../.git/annex/objects/aa/bb/key/key')
    found = scan(dataset, None)
    assert (found.state, found.not_scanned[0].path) == (INCOMPLETE, T1W)
    (tmp_path / 'empty').mkdir()
    assert scan(tmp_path / 'empty', None).state == INCOMPLETE


def test_findings_count_more_than_gaps_and_both_are_listed(dataset, seen):
    seen[T1W] = Attacked(T1W, problem=f'{dataset / T1W}: no head was found.', failed=True)
    filesystem.write_text_atomic(dataset / 'sub-01/anat/photo.jpg', 'x')
    found = scan(dataset, None)
    assert found.state == REVIEW
    assert found.not_scanned[0].reason == f'{T1W}: no head was found.'
    assert found.images == 0


def test_the_command_writes_the_state_with_reasons(dataset, tmp_path, capsys):
    target = tmp_path / 'summary.json'
    arguments = [str(dataset), '--summary', '--json', str(target)]
    assert verify.main(arguments) == 0
    assert 'no findings: Everything was scanned' in capsys.readouterr().out
    assert json.loads(target.read_text())['State'] == NO_FINDINGS
    shutil.copy(dataset / 'README', dataset / 'sub-01/anat/face.stl')
    assert verify.main(arguments) == 1
    text = capsys.readouterr().out
    assert f'searching {T1W}' in text
    assert '6 files read, 1 image searched for a face' in text
    assert 'curator review required' in text
    assert '  sub-01/anat/face.stl: it may show a face' in text
    summary = json.loads(target.read_text())
    assert summary['Findings'] == [
        {'File': 'sub-01/anat/face.stl', 'Reason': 'it may show a face, and cannot be searched '
         'for one'}
    ]  # fmt: skip
    assert set(summary) >= {'State', 'Meaning', 'ImagesSearched', 'FilesRead', 'NotScanned'}
    assert summary['Software']['SHA256']


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ([], 'give CERTIFICATE.json'),
        (['--summary', '--attack'], 'omit the others'),
        (['--json', 'x.json', 'y'], '--json: only --summary'),
    ],
)
def test_options_that_do_not_go_together(dataset, capsys, options, message):
    with pytest.raises(SystemExit) as end:
        verify.main([str(dataset), *options])
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_a_folder_that_is_not_there(tmp_path, capsys):
    assert verify.main([str(tmp_path / 'x'), '--summary']) == 2
    assert 'no such folder' in capsys.readouterr().err
