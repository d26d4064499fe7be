# SPDX-License-Identifier: Apache-2.0
import dataclasses

import nibabel as nib
import numpy as np
import pytest
from make import written_alignment

from facebids.core.attack import attacker, engines
from facebids.core.attack.attacker import AttackResult, clearest
from facebids.core.attack.depth import GRAZING, RAYS, generic_face
from facebids.core.attack.head import KnownFace, empty_head, view_head
from facebids.core.images import Volume
from facebids.errors import NotAHeadError


@pytest.fixture(scope='module')
def volume(phantom_scan):
    return Volume(phantom_scan.data.astype(np.float32), phantom_scan.affine)


@pytest.fixture(scope='module')
def head(volume, phantom_scan):
    return view_head(volume, phantom_scan.transform, seed=0)


def test_faces_are_found_and_the_head_is_aligned_with_the_generic_face(head):
    assert head.recognition.found[:10].mean() >= 0.9
    base, normal = generic_face()
    facing = (normal * RAYS).sum(-1) > GRAZING
    assert np.nanmedian(np.abs(head.depth - base)[facing]) < 3
    assert np.abs(np.linalg.det(head.pose[:3, :3]) - 1) < 1e-6


def test_a_defaced_head_takes_the_pose_and_boxes_of_its_original(head, volume, phantom_scan):
    again = view_head(
        volume, phantom_scan.transform, 0, known=KnownFace(head.pose, head.recognition.boxes)
    )
    np.testing.assert_array_equal(again.pictures, head.pictures)
    np.testing.assert_array_equal(again.at_known_place, head.recognition.embeddings)


def test_a_defaced_head_is_enrolled_at_the_known_place(head, volume, phantom_scan):
    back = np.linalg.inv(phantom_scan.transform) @ volume.affine
    ahead = np.indices(volume.data.shape).reshape(3, -1).T @ back[1, :3] + back[1, 3]
    cut = np.where(ahead.reshape(volume.data.shape) > 40, 0, volume.data)
    flat = view_head(
        Volume(cut, volume.affine),
        phantom_scan.transform,
        0,
        known=KnownFace(head.pose, head.recognition.boxes),
    )
    before, after = engines.enrol(head), engines.enrol(flat)
    there = head.recognition.found
    assert np.isfinite(after['dlib']['embeddings'][there]).all()
    assert not after['dlib']['found'].all()
    agreement = engines.score('geometry', [after['geometry']], [before['geometry']])[0, 0]
    assert agreement < 0.5
    assert engines.score('geometry', [before['geometry']], [before['geometry']])[0, 0] > 0.99


def test_an_empty_head_shows_no_face(head, phantom_scan):
    known = KnownFace(head.pose, head.recognition.boxes)
    nothing = empty_head(phantom_scan.transform, 0, known)
    assert nothing.pictures.shape == head.pictures.shape
    assert nothing.recognition.names.tolist() == head.recognition.names.tolist()
    assert not nothing.recognition.found.any()
    before, after = (engines.enrol(item)['geometry'] for item in (head, nothing))
    assert np.isnan(engines.score('geometry', [after], [before])).all()


def test_the_volume_that_shows_the_face_most_clearly_counts(head, phantom_scan):
    known = KnownFace(head.pose, head.recognition.boxes)
    nothing = empty_head(phantom_scan.transform, 0, known)
    assert clearest([nothing, head]) is head
    assert clearest([head, nothing]) is head
    seen = dataclasses.replace(nothing, at_known_place=head.recognition.embeddings)
    assert clearest([nothing, seen], head.recognition.embeddings) is seen


def result_of(head, **changes):
    result = AttackResult(head.pictures, head.pose, 1, head.recognition, engines.enrol(head))
    return dataclasses.replace(result, **changes)


@pytest.mark.parametrize('defaced', [False, True])
def test_a_result_is_restored_from_its_file(head, tmp_path, defaced):
    place = head.recognition.embeddings if defaced else None
    result = result_of(head, volumes=2, at_known_place=place)
    np.savez(tmp_path / 'attack.npz', **result.to_arrays())
    with np.load(tmp_path / 'attack.npz') as arrays:
        restored = AttackResult.from_arrays(dict(arrays))
    assert restored.volumes == 2
    assert (restored.at_known_place is not None) == defaced
    for name, array in result.to_arrays().items():
        np.testing.assert_array_equal(restored.to_arrays()[name], array, err_msg=name)


NOISE = Volume(np.random.default_rng(0).uniform(1, 2, (20, 20, 20)).astype('f4'), np.eye(4))


def test_without_a_head_the_attack_fails_or_sees_nothing(head):
    with pytest.raises(NotAHeadError):
        attacker.attack([NOISE], np.eye(4), 0, relied_on=False)
    original = result_of(head)
    result = attacker.attack([NOISE], np.eye(4), 0, original, relied_on=True)
    assert not result.recognition.found.any()
    np.testing.assert_array_equal(result.pose, original.pose)
    seen = head.recognition.found
    np.testing.assert_array_equal(np.isfinite(result.at_known_place).all(axis=1), seen)


def test_the_clearest_volume_of_a_series_is_enrolled(head, volume, monkeypatch):
    def view_head(seen, *_):
        if seen is NOISE:
            raise NotAHeadError
        return head

    monkeypatch.setattr(attacker, 'view_head', view_head)
    result = attacker.attack([NOISE, volume], np.eye(4), 0, relied_on=True)
    assert (result.volumes, result.pictures is head.pictures) == (2, True)
    assert result.face_templates['dlib']['found'].any()


def test_the_step_attacks_a_series_without_and_with_its_original(tmp_path, monkeypatch):
    from facebids.interfaces.recognition import Attack

    monkeypatch.chdir(tmp_path)
    series = np.stack([NOISE.data, 2 * NOISE.data], axis=-1)
    nib.save(nib.Nifti1Image(series, NOISE.affine), tmp_path / 'bold.nii.gz')
    borrowed = {'origin': 'borrowed', 'coregistration': 0.9}
    given = {
        'in_file': str(tmp_path / 'bold.nii.gz'),
        'registration': written_alignment(tmp_path, np.eye(4), **borrowed),
    }

    def run(name, **known):
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.chdir(folder)
        path = Attack(**given, **known).run(cwd=folder).outputs.out_file
        with np.load(path) as arrays:
            return path, AttackResult.from_arrays(dict(arrays))

    path, before = run('before')
    _, after = run('after', known_faces=path)
    assert (before.volumes, after.volumes) == (2, 2)
    assert before.at_known_place is None
    assert after.at_known_place.shape == (14, 128)
    np.testing.assert_array_equal(after.pose, before.pose)
