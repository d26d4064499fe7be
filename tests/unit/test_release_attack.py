# SPDX-License-Identifier: Apache-2.0
"""The attack on a released image."""

from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from facebids.release.attack import Target, attack, to_attack

IMAGE = 'sub-01/anat/sub-01_T1w.nii.gz'


@pytest.fixture(scope='module')
def seen(phantom_scan, tmp_path_factory):
    """Return what the attack sees of a phantom that still has its face, for two modes."""
    root = tmp_path_factory.mktemp('release')
    path = root / IMAGE
    path.parent.mkdir(parents=True)
    nib.save(nib.Nifti1Image(phantom_scan.data, phantom_scan.affine), path)
    return [attack(root, Target(IMAGE, mode)) for mode in ('remove', 'reface')]


def test_a_remaining_face_is_detected(seen):
    assert seen[0].views == 10
    assert seen[0].certain > 3
    assert 'face is detected with certainty' in seen[0].objection


def test_a_generic_face_is_expected(seen):
    assert seen[1].certain == seen[0].certain
    assert seen[1].objection is None


def test_an_image_that_cannot_be_attacked_is_a_problem(tmp_path):
    path = tmp_path / IMAGE
    path.parent.mkdir(parents=True)
    nib.save(nib.Nifti1Image(np.zeros((20, 20, 20), np.int16), np.eye(4)), path)
    assert attack(tmp_path, Target(IMAGE, 'remove')).problem


def test_an_image_missing_from_the_certificate_is_attacked_too(tmp_path):
    for name in ('T1w.nii.gz', 'mod-T1w_defacemask.nii.gz', 'T1w.json', 'T2w.nii'):
        path = tmp_path / 'sub-01/anat' / f'sub-01_{name}'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('')
    listed = Target(IMAGE, 'blur')
    certificate = SimpleNamespace(images=(listed,))
    further = Target('sub-01/anat/sub-01_T2w.nii', None)
    assert to_attack(tmp_path, certificate) == (listed, further)
