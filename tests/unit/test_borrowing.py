# SPDX-License-Identifier: Apache-2.0
"""Registrations that other images borrow or share."""

from dataclasses import replace
from pathlib import Path

import make
import nibabel as nib
import numpy as np
import pytest

from facebids.core.alignment import align, coregistration, registration
from facebids.core.alignment.coregistration import Coregistration
from facebids.core.alignment.quality import Quality
from facebids.core.alignment.registration import Registration
from facebids.core.images import Volume
from facebids.core.verdict import fails
from facebids.errors import GridError, NotAHeadError, UnexpectedError, UnreadableImageError
from facebids.interfaces import files
from facebids.interfaces.files import RegistrationFile
from facebids.interfaces.registration import Coregister, Register, RegisterOrBorrow, Share

QUALITY = Quality(brain=0.7, tissue=0.3, head=0.9, brain_in_view=1.0, score=0.8)
SHIFT = np.eye(4)
SHIFT[:3, 3] = 1, 2, 3


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Work in a temporary folder, and replace the registration."""
    monkeypatch.chdir(tmp_path)
    own = Registration(0.9 * np.eye(4), QUALITY, 'here', {})
    monkeypatch.setattr(registration, 'register', lambda *_: own)


def image(tmp_path, name, shape=(20, 20, 20), shift=0.0):
    affine = np.diag([5.0, 5, 5, 1])  # a field of view of the size of a head
    affine[0, 3] = shift
    data = np.random.default_rng(0).integers(0, 99, shape).astype(np.int16)
    nib.save(nib.Nifti1Image(data, affine), tmp_path / name)
    return str(tmp_path / name)


def run(interface, tmp_path, **inputs):
    path = interface(**inputs).run(cwd=str(tmp_path)).outputs.out_file
    kept = tmp_path / f'{interface.__name__}.json'
    kept.write_bytes(Path(path).read_bytes())
    return str(kept)


def borrow(tmp_path, monkeypatch, source, quality=0.9, interface=Coregister):
    found = Coregistration(SHIFT, quality, 'header', {})
    monkeypatch.setattr(coregistration, 'coregister', lambda *_: found)
    path = run(
        interface, tmp_path, in_file=image(tmp_path, 'in.nii.gz'), contrast='FLAIR',
        source_file=image(tmp_path, 'source.nii.gz'), source='source.nii.gz',
        source_registration=source,
    )  # fmt: skip
    return files.read_alignment(path)


def source_of(tmp_path, **changes):
    path = run(Register, tmp_path, in_file=image(tmp_path, 'source.nii.gz'), contrast='T1w')
    found = files.read_alignment(path)
    found = replace(found, numbers=replace(found.numbers, **changes))
    return files.write_numbers(tmp_path, 'source.json', RegistrationFile(found))


def test_a_borrowed_affine_goes_by_way_of_the_source(tmp_path, monkeypatch):
    found = borrow(tmp_path, monkeypatch, source_of(tmp_path, brain=0.5))
    np.testing.assert_allclose(found.affine, SHIFT @ (0.9 * np.eye(4)))
    result = found.numbers
    assert (result.origin, result.source, result.contrast) == ('borrowed', 'source.nii.gz', 'T1w')
    assert (result.coregistration, result.brain) == (0.9, 0.5)
    assert result.scale == pytest.approx(0.9)


@pytest.mark.parametrize('why', ['no agreement', 'bad source', 'broken source'])
def test_what_cannot_be_borrowed_is_registered_by_itself(tmp_path, monkeypatch, why):
    source = source_of(tmp_path, brain=0.05 if why == 'bad source' else 0.7)
    if why == 'broken source':
        (tmp_path / 'broken.nii').write_bytes(b'no image')
        source = run(Register, tmp_path, in_file=str(tmp_path / 'broken.nii'), contrast='T1w')
    found = borrow(tmp_path, monkeypatch, source, 0.1 if why == 'no agreement' else 0.9)
    result = found.numbers
    assert (result.origin, result.source, result.contrast) == ('own', None, 'FLAIR')
    assert result.coregistration is None


@pytest.mark.parametrize(
    ('brain', 'quality', 'origin'),
    [(0.7, 0.9, 'own'), (0.16, 0.9, 'borrowed'), (0.05, 0.9, 'borrowed'), (0.16, 0.1, 'own')],
)
def test_a_doubtful_registration_is_replaced_by_a_certain_one(
    tmp_path, monkeypatch, brain, quality, origin
):
    source = source_of(tmp_path)
    doubtful = Registration(0.9 * np.eye(4), replace(QUALITY, brain=brain), 'here', {})
    monkeypatch.setattr(registration, 'register', lambda *_: doubtful)
    found = borrow(tmp_path, monkeypatch, source, quality, RegisterOrBorrow)
    assert found.numbers.origin == origin


def test_an_image_that_cannot_be_registered_borrows(tmp_path, monkeypatch):
    source = source_of(tmp_path)

    def stopped(*_):
        raise NotAHeadError('No head was found.')

    monkeypatch.setattr(registration, 'register', stopped)
    found = borrow(tmp_path, monkeypatch, source, 0.9, RegisterOrBorrow)
    assert found.numbers.origin == 'borrowed'
    with pytest.raises(NotAHeadError):
        borrow(tmp_path, monkeypatch, source, 0.1, RegisterOrBorrow)


def test_an_error_reaches_whoever_needs_the_registration(tmp_path):
    (tmp_path / 'broken.nii').write_bytes(b'no image')
    path = run(Register, tmp_path, in_file=str(tmp_path / 'broken.nii'), contrast='T1w')
    with pytest.raises(UnreadableImageError, match='does not have the header of NIfTI'):
        files.read_alignment(path)


def share(tmp_path, **changes):
    return run(
        Share, tmp_path, in_file=image(tmp_path, 'part.nii.gz', **changes), contrast='T1w',
        source_file=image(tmp_path, 'source.nii.gz'), source='source.nii.gz',
        source_registration=source_of(tmp_path),
    )  # fmt: skip


def test_what_was_acquired_together_shares_its_affine(tmp_path):
    found = files.read_alignment(share(tmp_path))
    np.testing.assert_allclose(found.affine, 0.9 * np.eye(4))
    assert (found.numbers.origin, found.numbers.source) == ('shared', 'source.nii.gz')


@pytest.mark.parametrize('changes', [{'shape': (20, 20, 21)}, {'shift': 0.5}])
def test_another_grid_shares_nothing(tmp_path, changes):
    with pytest.raises(GridError, match='mask would not fit'):
        files.read_alignment(share(tmp_path, **changes))


@pytest.mark.parametrize(('shift', 'origin'), [(0, 'shared'), (3, 'borrowed')])
def test_a_part_whose_head_lies_elsewhere_shares_nothing(phantom_scan, shift, origin):
    """Three voxels of 4 mm further back."""
    affine = phantom_scan.affine @ np.diag([2, 2, 2, 1])
    still = phantom_scan.data[::2, ::2, ::2].astype(np.float32)
    shown = Volume(np.roll(still, -shift, axis=1), affine)
    known = make.alignment(phantom_scan.transform)
    found = align.share(shown, Volume(still, affine), known, 'source.nii.gz')
    assert (found.numbers.origin, found.numbers.source) == (origin, 'source.nii.gz')
    moved = (found.affine - phantom_scan.transform)[:3, 3]
    np.testing.assert_allclose(moved, affine[:3, 1] * -shift, atol=2)


def test_a_part_without_a_head_of_its_own_shares(phantom_scan):
    known = make.alignment(phantom_scan.transform)
    source = Volume(phantom_scan.data, phantom_scan.affine)
    found = align.share(None, source, known, 'source.nii.gz')
    assert found.numbers.origin == 'shared'
    np.testing.assert_array_equal(found.affine, known.affine)


def test_a_quality_that_cannot_be_measured_is_undefined_and_fails(tmp_path, monkeypatch):
    """Correlations of huge intensities overflow."""
    broken = replace(QUALITY, brain=float('nan'), score=float('nan'))
    found = Registration(0.9 * np.eye(4), broken, 'here', {})
    monkeypatch.setattr(registration, 'register', lambda *_: found)
    path = run(Register, tmp_path, in_file=image(tmp_path, 'in.nii.gz'), contrast='T1w')
    numbers = files.read_alignment(path).numbers
    assert (numbers.brain, numbers.quality) == (None, None)
    assert fails(numbers)


def test_an_unforeseen_error_stops_only_the_image_itself(tmp_path, monkeypatch):
    """Others borrow from it: they are registered by themselves."""

    def broken(*_):
        raise RuntimeError('of a library')

    monkeypatch.setattr(registration, 'register', broken)
    path = run(Register, tmp_path, in_file=image(tmp_path, 'in.nii.gz'), contrast='T1w')
    with pytest.raises(UnexpectedError, match='RuntimeError'):
        files.read_alignment(path)
