# SPDX-License-Identifier: Apache-2.0
"""The Python interface, as its documentation shows it."""

import doctest

import nibabel as nib
import numpy as np
import pytest

import facebids
from facebids import api


def test_the_documented_example_holds():
    found = doctest.testmod(api)
    assert found.attempted >= 5
    assert not found.failed


def test_unknown_options_are_refused_before_anything_is_read():
    with pytest.raises(ValueError, match='Choose one of remove, blur, reface'):
        facebids.deface('no file', mode='erase')
    with pytest.raises(ValueError, match="'hair' cannot be kept"):
        facebids.deface('no file', keep=['hair'])


def test_an_image_in_memory_is_attacked(phantom_scan):
    found = facebids.attack(nib.Nifti1Image(phantom_scan.data, phantom_scan.affine))
    assert found.recognition.certain_faces > 5
    assert not np.isnan(found.face_templates['geometry']['relief']).all()


def test_the_package_has_nothing_else():
    with pytest.raises(AttributeError, match='no attribute'):
        facebids.nothing  # noqa: B018
