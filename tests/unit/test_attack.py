# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest

from facebids.core.attack import engines
from facebids.core.attack.attacker import clearest
from facebids.core.attack.depth import GRAZING, RAYS, generic_face
from facebids.core.attack.head import KnownFace, empty_head, view_head
from facebids.core.images import Volume


@pytest.fixture(scope='module')
def volume(phantom_scan):
    return Volume(phantom_scan.data.astype(np.float32), phantom_scan.affine)


@pytest.fixture(scope='module')
def head(volume, phantom_scan):
    return view_head(volume, phantom_scan.transform, seed=0)


def test_faces_are_found_and_the_face_lies_on_the_generic_one(head):
    assert head.recognition.found[:10].mean() >= 0.9
    base, normal = generic_face()
    facing = (normal * RAYS).sum(-1) > GRAZING
    assert np.nanmedian(np.abs(head.depth - base)[facing]) < 3
    assert np.abs(np.linalg.det(head.pose[:3, :3]) - 1) < 1e-6


def test_a_defaced_head_is_seen_as_its_original_was(head, volume, phantom_scan):
    again = view_head(
        volume, phantom_scan.transform, 0, known=KnownFace(head.pose, head.recognition.boxes)
    )
    np.testing.assert_array_equal(again.pictures, head.pictures)
    np.testing.assert_array_equal(again.at_known_place, head.recognition.embeddings)


def test_template_of_a_defaced_head_holds_what_stands_at_the_known_place(
    head, volume, phantom_scan
):
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


def test_a_head_that_cannot_be_told_from_the_air_shows_nothing(head, phantom_scan):
    known = KnownFace(head.pose, head.recognition.boxes)
    nothing = empty_head(phantom_scan.transform, 0, known)
    assert nothing.pictures.shape == head.pictures.shape
    assert nothing.recognition.names.tolist() == head.recognition.names.tolist()
    assert not nothing.recognition.found.any()
    before, after = (engines.enrol(item)['geometry'] for item in (head, nothing))
    assert np.isnan(engines.score('geometry', [after], [before])).all()


def test_the_volume_that_shows_the_face_best_counts(head, phantom_scan):
    known = KnownFace(head.pose, head.recognition.boxes)
    nothing = empty_head(phantom_scan.transform, 0, known)
    assert clearest([nothing, head]) is head
    assert clearest([head, nothing]) is head
    seen = dataclasses.replace(nothing, at_known_place=head.recognition.embeddings)
    assert clearest([nothing, seen], head.recognition.embeddings) is seen
