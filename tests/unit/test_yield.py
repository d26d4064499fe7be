# SPDX-License-Identifier: Apache-2.0
"""The benchmark of verdicts (benchmarks/yield.py)."""

import json
from argparse import Namespace
from importlib import import_module
from pathlib import Path

import defacers
import nibabel as nib
import numpy as np
import pytest

from facebids.core.metrics_file import to_json
from facebids.core.record import Reason, Record

yields = import_module('yield')
LIMIT = {'code': 'face_skin_left', 'severity': 'review', 'value': 0.93, 'threshold': 0.95}


def row(image='sub-01_T1w', verdict='pass', **others):
    rest = {'contrast': image.rpartition('_')[2], 'zooms': (1.0, 1.0, 1.0)} | others
    return yields.Row(image=image, verdict=verdict, **rest)


def test_verdicts_are_counted_by_contrast_and_voxel_size():
    rows = [
        row(seconds=10.0),
        row(verdict='review', zooms=(2.0, 2.0, 2.0), reasons=(LIMIT,), seconds=30.0),
        row('sub-01_FLAIR', 'fail', zooms=(0.5, 0.5, 6.0)),
    ]
    lines = yields.show(rows).splitlines()
    assert '| all | 3 | 1 | 1 | 1 | 33 | 33 | 33 | 20, at most 30 |' in lines
    assert '| FLAIR | 1 | 0 | 0 | 1 | 0 | 0 | 100 | - |' in lines
    assert '| 1.25 to 2.25 mm | 1 | 0 | 1 | 0 | 0 | 100 | 0 | 30, at most 30 |' in lines
    assert '| over 4 mm | 1 | 0 | 0 | 1 | 0 | 0 | 100 | - |' in lines
    assert '| face_skin_left | review | 0 | 1 |' in lines
    assert 'review: sub-01_T1w: face_skin_left (0.93, limit 0.95)' in lines


@pytest.mark.parametrize(
    ('sections', 'why'),
    [
        ({'screening': {'finding': 'face'}, 'mask': {'no_face': False}}, None),
        ({'screening': None, 'mask': None}, None),  # stopped by an error
        ({'screening': {'finding': 'defaced'}, 'mask': {'no_face': False}}, 'defaced already'),
        ({'screening': {'finding': 'no_face_in_view'}, 'mask': None}, 'no face in view'),
        ({'screening': {'finding': 'face'}, 'mask': {'no_face': True}}, 'no face in view'),
    ],
)
def test_images_that_show_no_face_or_arrive_defaced_do_not_count(sections, why):
    assert yields.why_left_out(sections) == why


def test_what_does_not_count_is_said_and_not_counted():
    text = yields.show([row(), row('sub-02_T1w', 'review', left_out='defaced already')])
    assert '| all | 1 | 1 | 0 | 0 |' in text
    assert 'Not counted: 1 defaced already.' in text
    assert 'sub-02' not in text


def test_the_distance_to_the_brain_is_that_of_the_nearest_changed_voxel():
    brain, changed = np.zeros((2, 10, 10, 10), bool)
    brain[:3] = True
    changed[5:] = True
    assert defacers.distance_to_brain(changed, brain, (2.0, 1.0, 1.0)) == (0, 6.0)
    changed[2, 0, :4] = True
    assert defacers.distance_to_brain(changed, brain, (2.0, 1.0, 1.0)) == (4, 0.0)
    assert defacers.distance_to_brain(np.zeros_like(brain), brain, (1, 1, 1)) == (0, None)


def test_evidence_is_shown_if_a_record_has_it():
    rows = [row(evidence={'log10_lr': value}) for value in (-1.0, 0.0, 1.0)]
    text = yields.show(rows)
    assert '| evidence | log10 LR after |' in text
    assert '| T1w | 0 (-0.5 to 0.5) |' in text


def write_image(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data.astype(np.uint8), np.diag([2.0, 2, 2, 1])), path)


def test_records_of_an_earlier_run_are_read_with_the_images(tmp_path, capsys):
    image = 'sub-01/anat/sub-01_T1w.nii.gz'
    brain, data = np.zeros((8, 8, 8), bool), np.full((8, 8, 8), 9)
    brain[:, :, :2] = True
    write_image(tmp_path / 'raw' / image, data)
    folder = tmp_path / 'raw' / 'derivatives' / 'brain' / 'sub-01' / 'anat'
    write_image(folder / 'sub-01_space-T1w_desc-brain_mask.nii.gz', brain)
    data[0, 0, 5] = 0
    write_image(tmp_path / 'withheld/sub-01/anat/sub-01_desc-defaced_T1w.nii.gz', data)
    reasons = (Reason('stopped', 'fail', 'An error.'), Reason('noted', 'note', 'A note.'))
    record = Record(image, 'sub-01', None, 'T1w', 'remove', 'fail', reasons)
    (tmp_path / 'records').mkdir()
    (tmp_path / 'records' / 'one.json').write_text(json.dumps(to_json([record])))
    (tmp_path / 'records' / 'other.json').write_text('[]')
    log = tmp_path / 'rows.json'
    yields.main([
        str(tmp_path / 'raw'), '--records', str(tmp_path / 'records'), '--json', str(log),
        '--defaced', str(tmp_path / 'derivatives'), str(tmp_path / 'withheld'),
    ])  # fmt: skip
    (found,) = json.loads(log.read_text())
    assert (found['brain_changed'], found['brain_mm']) == (0, pytest.approx(8))
    assert found['zooms'] == pytest.approx([2, 2, 2])
    assert [reason['code'] for reason in found['reasons']] == ['stopped']
    printed = capsys.readouterr().out
    assert f'fail: {image}: stopped' in printed
    assert 'Brain: 0 of 1 changed, 0 with a changed voxel nearer than 2 mm.' in printed


def test_a_finished_participant_is_not_run_again(tmp_path, monkeypatch):
    def refuse(arguments):
        raise AssertionError('it was run again')

    monkeypatch.setattr(yields, 'parse_facebids', refuse)
    (tmp_path / 'seconds').mkdir()
    (tmp_path / 'seconds' / '01.json').write_text('{}')
    options = Namespace(work_dir=tmp_path, dataset=Path('raw'), mode='remove')
    yields.deface_participant('01', options)
    with pytest.raises(AssertionError, match='run again'):
        yields.deface_participant('02', options)
