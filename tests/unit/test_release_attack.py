# SPDX-License-Identifier: Apache-2.0
"""The attack on a released image."""

from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from facebids.core import foreground
from facebids.release.attack import Target, attack, to_attack
from facebids.release.certificate_types import ListedFile

IMAGE = 'sub-01/anat/sub-01_T1w.nii.gz'


@pytest.fixture(scope='module')
def seen(phantom_scan, tmp_path_factory):
    """Return what the attack sees of a phantom that still has its face, for two modes."""
    root = tmp_path_factory.mktemp('release')
    path = root / IMAGE
    path.parent.mkdir(parents=True)
    nib.save(nib.Nifti1Image(phantom_scan.data, phantom_scan.affine), path)
    return [attack(path, Target(IMAGE, mode)) for mode in ('remove', 'reface')]


def test_a_remaining_face_is_detected(seen):
    assert seen[0].views == 10
    assert seen[0].certain > 3
    assert 'face is detected with certainty' in seen[0].objection


def test_a_generic_face_is_expected(seen):
    assert seen[1].certain == seen[0].certain
    assert seen[1].objection is None


def test_a_remaining_face_is_a_failure(seen):
    assert seen[0].failed
    assert not seen[1].failed


def write(path, data, affine=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, np.eye(4) if affine is None else affine), path)
    return path


@pytest.mark.parametrize('required', [True, False])
def test_an_image_that_cannot_be_attacked_is_a_problem(tmp_path, required):
    path = write(tmp_path / 'a.nii', np.zeros((20, 20, 20), np.int16))
    found = attack(path, Target(IMAGE, 'remove', required))
    assert found.problem
    assert found.failed is required


def test_a_whole_head_is_seen_under_the_name_of_an_echo_planar_image(phantom_scan, tmp_path):
    path = write(tmp_path / 'a.nii', phantom_scan.data, phantom_scan.affine)
    found = attack(path, Target('sub-01/func/sub-01_task-rest_sbref.nii'))
    assert found.certain > 3
    assert found.failed


def test_a_mask_has_few_values(tmp_path):
    ramp = np.arange(20**3, dtype=np.int16).reshape(20, 20, 20)
    for name, values, problem in (
        ('mod-T1w_defacemask', 2, False),
        ('mod-T1w_defacemask', 3, True),
        ('label-lesion_mask', 16, False),
        ('label-lesion_mask', 17, True),
        ('label-lesion_roi', 20**3, True),
    ):
        path = write(tmp_path / 'a.nii', ramp % values)
        found = attack(path, Target(f'sub-01/anat/sub-01_{name}.nii'))
        assert bool(found.problem) is problem, (name, values)
        assert found.views == 0  # it is smaller than a head


@pytest.mark.slow
def test_the_mask_of_a_head_draws_the_face(phantom_scan, tmp_path):
    head = foreground.head_mask(
        phantom_scan.data, np.linalg.norm(phantom_scan.affine[:3, :3], axis=0)
    )
    target = Target('sub-01/anat/sub-01_mod-T1w_defacemask.nii')
    for mask in (head, ~head):
        path = write(tmp_path / 'a.nii', mask.astype(np.uint8), phantom_scan.affine)
        assert attack(path, target).certain > 3


def test_every_image_that_may_show_a_face_is_attacked(tmp_path):
    mask = 'sub-01/anat/sub-01_mod-T1w_defacemask.nii.gz'
    bold = 'sub-01/func/sub-01_task-rest_bold.nii.gz'
    foreign = 'sub-01/anat/sub-01_mod-T2w_defacemask.nii.gz'
    lacking = 'sub-01/anat/sub-01_T2w.nii'
    for name in (IMAGE, mask, bold, foreign, lacking):
        write(tmp_path / name, np.zeros((16, 16, 16), np.uint8))
    write(tmp_path / 'sub-01/mrs/sub-01_svs.nii.gz', np.zeros((1, 1, 1, 99), np.complex64))
    (tmp_path / 'sub-01/anat/sub-01_T1w.json').write_text('{}')
    certificate = SimpleNamespace(
        images=(SimpleNamespace(image=IMAGE, mode='blur', mask=mask),),
        not_examined=(ListedFile(bold, ''), ListedFile(foreign, '')),
    )
    assert set(to_attack(tmp_path, certificate)) == {
        Target(IMAGE, 'blur'),
        Target(bold, required=False),
        Target(foreign, required=False),
        Target(lacking),
    }
