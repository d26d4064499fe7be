# SPDX-License-Identifier: Apache-2.0
"""The benchmark of perturbed images (benchmarks/robustness.py)."""

import json

import numpy as np
import pytest
import robustness
from perturbations import Perturbed

from facebids.core.images import Volume
from facebids.errors import ImageError

BOX = np.zeros((20, 20, 20), bool)
BOX[:, 10:, :10] = True  # 2 mm: 8 mL


@pytest.fixture
def subject():
    brain = np.zeros_like(BOX)
    brain[:, :10, 10:] = True
    volume = Volume(BOX.astype(np.float32), np.diag([2.0, 2, 2, 1]))
    return robustness.Subject('head', volume, np.eye(4), brain, {'ours': BOX}, has_neck=False)


def as_is(subject):
    return Perturbed(subject.volume.data, subject.volume.affine, np.eye(4))


def test_what_is_left_and_lost_is_counted_where_the_head_went(subject):
    taken = BOX.copy()
    taken[:5] = False  # a quarter of the face
    taken[0, 0, 19] = True  # of 2000 brain voxels
    found = robustness.measure(subject, as_is(subject), 'ours', taken)
    assert found == {'face_left': 0.25, 'brain_lost': 1 / 2000, 'brain_voxels_lost': 1}
    moved = Perturbed(subject.volume.data, np.diag([1.0, 1, 1, 1]), np.diag([0.5, 0.5, 0.5, 1]))
    small = robustness.measure(subject, moved, 'ours', taken)
    assert small['face_left'] is None  # 1 mL of face
    assert small['brain_voxels_lost'] == 1


def test_an_image_that_shows_no_face_has_no_share_of_it(subject):
    affine = subject.volume.affine.copy()
    affine[2, 3] = 20
    upper = Perturbed(subject.volume.data[:, :, 10:], affine, np.eye(4))
    assert robustness.measure(subject, upper, 'ours', upper.data > 2)['face_left'] is None


@pytest.mark.parametrize(
    ('face_left', 'status', 'silent'),
    [(0.5, 'pass', True), (0.5, 'review', False), (0.5, 'fail', False), (0.01, 'pass', False)],
)
def test_a_failure_is_silent_when_nothing_is_said(subject, face_left, status, silent):
    taken = BOX.copy()
    taken[: round(20 * face_left)] = False
    row = robustness._row(subject, 'any', 'ours', as_is(subject), taken, {'status': status})
    assert row['silent'] is silent


def test_displacement_is_in_mm_and_blind_to_mirrors():
    moved = np.eye(4)
    moved[:3, 3] = 3, 4, 0
    assert robustness.displacement(moved, np.eye(4)) == pytest.approx(5)
    assert robustness.displacement(np.eye(4), robustness.MIRROR) == pytest.approx(0)


def test_phantoms_are_perturbed_and_tabulated(tmp_path, capsys):
    log = tmp_path / 'rows.json'
    options = ['--phantoms', '1', '--resolution', '4', '--json']
    robustness.main([*options, str(log), '--cases', 'origin*'])
    rows = json.loads(log.read_text())
    assert [row['case'] for row in rows] == ['origin off']
    assert all(row['status'] == 'pass' and row['face_left'] < 0.05 for row in rows)
    assert all(row['brain_voxels_lost'] == 0 and row['displacement_mm'] < 3 for row in rows)
    printed = capsys.readouterr().out
    assert '| origin off | ' in printed
    assert 'ours, of 1: 1 pass, 0 review, 0 fail; 0 silent failures.' in printed
    assert 'niimath is skipped' in printed


def test_an_unknown_case_is_refused(capsys):
    with pytest.raises(SystemExit):
        robustness.parse(['--cases', 'sideways'])
    assert 'no case matches' in capsys.readouterr().err


def test_an_image_without_truth_is_left_out_and_said_so(capsys):
    def unreadable(what, options, peer):
        raise ImageError(f'{what}: it is damaged.')

    options = robustness.parse(['--cases', 'as is'])
    assert robustness.perturb_all((unreadable, 'head.nii'), options, None) == []
    assert 'Skipped: head.nii: it is damaged.' in capsys.readouterr().err
