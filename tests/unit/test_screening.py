# SPDX-License-Identifier: Apache-2.0
"""Whole, cropped, blurred and defaced phantoms, and how an image that arrives defaced fares."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from make import REGISTRATION, alignment, changed, image_record, written_alignment

from facebids.core import foreground, grids
from facebids.core.atlas import generic_atlas
from facebids.core.attack import screening
from facebids.core.attack.recognition import Recognition
from facebids.core.coverage import Coverage
from facebids.core.defacing import fill, masks
from facebids.core.defacing.deface import Defacing
from facebids.core.headers import Forms
from facebids.core.images import Volume
from facebids.core.metrics_file import loads
from facebids.core.phantoms import phantom
from facebids.core.record import Screening
from facebids.core.verdict import judge
from facebids.errors import NotAHeadError


@pytest.fixture(scope='module')
def scan(phantom_person):
    person, head = phantom_person
    rng = np.random.default_rng(8)
    return phantom.scan(head, phantom.draw_pose(rng, person), 'T1w', rng, spacing=3.0)


@pytest.fixture(scope='module')
def volume(scan):
    return Volume(scan.data.astype(np.float32), scan.affine)


@pytest.fixture(scope='module')
def mask(volume, scan):
    head = foreground.head_mask(volume.data, volume.zooms)
    return masks.face_mask(generic_atlas(2.0), volume, scan.transform, head).mask


@pytest.fixture(scope='module')
def removed(volume, mask):
    data = volume.data.copy()
    data[mask] = 0
    return Volume(data, volume.affine)


def coordinates(volume, transform):
    """Atlas y and z (mm) of every voxel."""
    back = np.linalg.inv(transform) @ volume.affine
    index = np.stack(np.indices(volume.data.shape), -1)
    return np.moveaxis(index @ back[1:3, :3].T + back[1:3, 3], -1, 0)


def without(volume, where):
    return Volume(np.where(where, 0, volume.data).astype(np.float32), volume.affine)


def finding(volume, transform):
    return screening.measure(volume, transform).finding


def test_a_head_with_its_face_has_a_face(volume, scan):
    found = screening.measure(volume, scan.transform)
    assert found.finding == 'face'
    assert max(found.eyes_gone, found.nose_gone, found.midface_gone) < 0.3
    assert min(found.eyes_seen, found.nose_seen, found.midface_seen) > 0.9


def test_a_skull_stripped_image_is_told_from_a_defaced_one(volume, removed, scan):
    atlas = generic_atlas(2.0)
    brain = grids.carry_over(atlas.brain, atlas, volume.data.shape, volume.affine, scan.transform)
    stripped = screening.measure(without(volume, brain > 0), scan.transform)
    assert stripped.finding == 'defaced'
    assert screening.is_skull_stripped(stripped)
    assert not screening.is_skull_stripped(screening.measure(removed, scan.transform))
    assert not screening.is_skull_stripped(screening.measure(volume, scan.transform))


@pytest.mark.parametrize('what', ['zero', 'air'])
def test_a_head_whose_face_was_removed_has_none(volume, mask, removed, scan, what):
    defaced = removed
    if what == 'air':
        transform = scan.transform
        values = fill.fill(volume, mask, generic_atlas(2.0), transform, 'remove')
        data = volume.data.copy()
        data[mask] = values
        defaced = Volume(data, volume.affine)
    assert finding(defaced, scan.transform) == 'defaced'


def test_a_head_cut_by_a_plane_from_brow_to_throat_has_no_face(volume, scan):
    y, z = coordinates(volume, scan.transform)
    cut = y > 60 + 0.6 * (z + 24)
    assert finding(without(volume, cut), scan.transform) == 'defaced'


@pytest.mark.parametrize('mode', ['blur', 'reface'])
def test_another_face_is_a_face(volume, mask, scan, mode):
    data = volume.data.copy()
    data[mask] = fill.fill(volume, mask, generic_atlas(2.0), scan.transform, mode)
    assert finding(Volume(data, volume.affine), scan.transform) == 'face'


@pytest.mark.parametrize('kept', ['eyes', 'nose and eyes', 'chin and mouth'])
def test_half_a_face_is_a_face(volume, mask, scan, kept):
    _, z = coordinates(volume, scan.transform)
    part = {'eyes': z < -60, 'nose and eyes': z < -102, 'chin and mouth': z > -95}[kept]
    assert finding(without(volume, mask & part), scan.transform) == 'face'


@pytest.mark.parametrize('share', [0.6, 0.8])
@pytest.mark.parametrize('axis', [1, 2])
def test_a_field_of_view_that_cuts_the_face_does_not_deface_it(volume, scan, share, axis):
    size = volume.data.shape[axis]
    kept = slice(0, round(share * size)) if axis == 1 else slice(round((1 - share) * size), None)
    data = volume.data[(slice(None),) * axis + (kept,)]
    affine = volume.affine.copy()
    affine[:3, 3] += affine[:3, axis] * (kept.start or 0)
    assert finding(Volume(data, affine), scan.transform) != 'defaced'


def test_no_face_is_in_view_of_a_slab_above_the_eyes(volume, scan):
    _, z = coordinates(volume, scan.transform)
    above = int(np.argmax(z.min(axis=(0, 1)) > -10))
    affine = volume.affine.copy()
    affine[:3, 3] += affine[:3, 2] * above
    slab = Volume(volume.data[..., above:], affine)
    assert finding(slab, scan.transform) == 'no_face_in_view'


@pytest.mark.parametrize(
    ('number', 'value'),
    [
        ('brain', 0.2),
        ('brain', np.nan),
        ('tissue', 0.01),
        ('tissue', None),
        ('brain_in_view', 0.3),
        ('scale', 1.2),
    ],
)
def test_a_face_is_not_missing_where_the_alignment_is_doubtful(number, value):
    assert screening.is_aligned(REGISTRATION, 'T1w')
    doubtful = dataclasses.replace(REGISTRATION, **{number: value})
    assert not screening.is_aligned(doubtful, 'T1w')


def test_a_contrast_without_limits_is_doubtful():
    assert not screening.is_aligned(REGISTRATION, 'angio')


def test_the_head_overlap_that_defacing_changed_does_not_count():
    assert screening.is_aligned(dataclasses.replace(REGISTRATION, head=0.3), 'T1w')


def attacked(monkeypatch, certain):
    found = np.arange(11) < certain
    seen = Recognition(
        names=np.array([f'random_{view}' for view in range(10)] + ['frontal']),
        found=found,
        detector=np.where(found, 'hog', ''),
        score=np.where(found, 0.9, np.nan),
        boxes=np.zeros((11, 4), int),
        embeddings=np.zeros((11, 128)),
    )
    head = SimpleNamespace(recognition=seen)
    monkeypatch.setattr(screening, 'view_head', lambda *_: head)


def test_an_image_that_shows_no_head_has_a_face_if_its_alignment_is_borrowed(volume, scan):
    noise = np.random.default_rng(0).uniform(1, 2, volume.data.shape).astype(np.float32)
    hidden = Volume(noise, volume.affine)
    with pytest.raises(NotAHeadError):
        screening.screen(hidden, alignment(scan.transform), 'T1w', 0)
    borrowed = alignment(scan.transform, origin='borrowed', coregistration=0.9)
    found = screening.screen(hidden, borrowed, 'T1w', 0)
    assert (found.finding, found.eyes_gone, found.nose_gone) == ('face', None, None)
    whole = screening.measure(volume, scan.transform)
    assert (found.eyes_seen, found.nose_seen) == (whole.eyes_seen, whole.nose_seen)


@pytest.mark.parametrize(('certain', 'expected'), [(3, 'defaced'), (4, 'face')])
def test_an_image_in_which_the_attack_detects_a_face_is_not_defaced(
    monkeypatch, removed, scan, certain, expected
):
    attacked(monkeypatch, certain)
    found = screening.screen(removed, alignment(scan.transform), 'T1w', 0)
    assert (found.finding, found.faces_certain) == (expected, certain)


def test_an_image_with_a_doubtful_alignment_is_not_attacked_and_has_a_face(
    monkeypatch, removed, scan
):
    monkeypatch.setattr(screening, 'view_head', lambda *_: pytest.fail('attacked'))
    doubtful = alignment(scan.transform, brain=0.2)
    assert screening.screen(removed, doubtful, 'T1w', 0).finding == 'face'


@pytest.mark.parametrize(
    ('force', 'coregistration', 'expected'),
    [(False, None, True), (True, None, False), (False, 0.9, False)],
)
def test_an_image_that_arrives_defaced_is_passed_on_unchanged(
    monkeypatch, tmp_path, removed, scan, force, coregistration, expected
):
    from facebids.interfaces.deface import Deface
    from facebids.interfaces.masks import FaceMask
    from facebids.interfaces.screening import Screen

    attacked(monkeypatch, 0)
    monkeypatch.chdir(tmp_path)
    image = nib.Nifti1Image(removed.data.astype(np.int16), removed.affine)
    image.header['descrip'] = b'Jane Doe'
    nib.save(image, tmp_path / 'in.nii.gz')
    changes = {'coregistration': coregistration}
    if coregistration:
        changes['origin'] = 'borrowed'
    base = {
        'in_file': str(tmp_path / 'in.nii.gz'),
        'registration': written_alignment(tmp_path, scan.transform, **changes),
    }
    screened = Screen(**base, contrast='T1w', force=force).run().outputs.out_file
    found = loads(Screening, Path(screened).read_bytes())
    assert (found.finding, found.passed_on) == ('defaced', expected)
    made = FaceMask(**base, screening=screened).run().outputs
    given = {'mask_file': made.mask_file, 'guard_file': made.guard_file}
    out = Deface(**base, **given).run().outputs
    mask, after = (nib.load(path) for path in (made.mask_file, out.out_file))
    same = np.array_equal(after.get_fdata(), image.get_fdata())
    assert (bool(np.asanyarray(mask.dataobj).any()), same) == (not expected, expected)
    assert bytes(after.header['descrip'].item()).strip(b'\0') == b''
    defacing = loads(Defacing, Path(out.defacing).read_bytes())
    assert defacing.integrity.voxels_changed_outside == 0
    assert (loads(Coverage, Path(made.coverage).read_bytes()).volume_ml > 0) != expected


def test_a_series_with_a_face_in_one_volume_is_not_passed_on(
    monkeypatch, tmp_path, volume, removed, scan
):
    from facebids.interfaces.screening import Screen

    attacked(monkeypatch, 0)
    monkeypatch.chdir(tmp_path)
    series = np.stack([removed.data] * 12 + [volume.data], axis=-1)
    for name, voxels in {'whole': series, 'defaced': series[..., :-1]}.items():
        path = tmp_path / f'{name}.nii.gz'
        nib.save(nib.Nifti1Image(voxels.astype(np.int16), removed.affine), path)
        screened = Screen(
            in_file=str(path),
            registration=written_alignment(tmp_path, scan.transform),
            contrast='T1w',
        ).run()
        found = loads(Screening, Path(screened.outputs.out_file).read_bytes())
        assert found.midface_gone > 0.9  # in the mean
        assert found.passed_on == (name == 'defaced')


PASSED_ON = image_record(
    mode=None,
    screening={'finding': 'defaced', 'passed_on': True, 'midface_gone': 0.99},
    mask={'skin_removed_share': None},
    identifiability={
        'faces_before': 1,
        'faces_after': 1,
        'faces_certain_before': 0,
        'log10_lr': 1.6,
        'log10_lr_high': 2.0,
        'distance_before_after': 0.0,
        'distance_at_known_place': 0.0,
        'agreement_before_after': 1.0,
    },
)


def test_an_image_that_was_passed_on_passes_with_a_note():
    judged = judge(PASSED_ON)
    assert judged.verdict == 'pass'
    assert [(reason.code, reason.severity) for reason in judged.reasons] == [
        ('already_defaced', 'note')
    ]


@pytest.mark.parametrize(
    ('section', 'number', 'value', 'expected'),
    [
        ('registration', 'brain', 0.1, 'fail'),
        ('registration', 'brain', 0.25, 'review'),
        ('mask', 'voxels_changed_outside', 1, 'fail'),
        ('identifiability', 'faces_certain_after', 4, 'review'),
        ('identifiability', 'faces_certain_after', None, 'review'),
    ],
)
def test_an_image_that_was_passed_on_does_not_pass_if_a_limit_is_missed(
    section, number, value, expected
):
    judged = judge(changed(PASSED_ON, **{section: {number: value}}))
    assert judged.verdict == expected
    assert 'already_defaced' in {reason.code for reason in judged.reasons}


def test_an_image_that_was_not_passed_on_meets_all_limits_or_fails():
    forced = changed(PASSED_ON, screening={'passed_on': False}, mode='remove')
    judged = judge(forced)
    assert judged.verdict == 'fail'
    assert 'person_recognised_after' in {reason.code for reason in judged.reasons}


def test_the_forms_of_the_header_are_kept(volume, scan):
    told = dataclasses.replace(volume, forms=Forms(12.0, 'qform'))
    found = screening.measure(told, scan.transform)
    assert (found.forms_apart_mm, found.unusable_form) == (12.0, 'qform')
