# SPDX-License-Identifier: Apache-2.0
"""Brains of people who do not exist: smooth random fields, in two contrasts and several poses."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from facebids.core.attack import brains
from facebids.core.images import Volume
from facebids.studies import brain_linkage
from facebids.studies.comparisons import Scan
from facebids.studies.enrolment import Enrolment

PEOPLE = 6
GRID = np.diag([4.0, 4, 4, 1])
GRID[:3, 3] = -90, -126, -90
CONTRASTS = {'T1w': lambda field: field, 'FLAIR': lambda field: 5 - 2 * field}


def person(seed):
    field = np.random.default_rng(seed).normal(size=(46, 56, 48))
    return ndimage.gaussian_filter(field, 1.5) * 20


def common():
    return 3 * person(1000)


def pose(rng):
    affine = np.eye(4)
    affine[:3, :3] = 0.95 * Rotation.from_rotvec(rng.normal(size=3) * 0.2).as_matrix()
    affine[:3, 3] = rng.normal(size=3) * 5
    return affine


def scan(seed, contrast, rng):
    """Return a scan, and the affine from the atlas to it."""
    affine = pose(rng)
    data = CONTRASTS[contrast](person(seed) + common() + 0.3 * rng.normal(size=(46, 56, 48)))
    return Volume(data.astype(np.float32), affine @ GRID), affine


@pytest.fixture(scope='module')
def enrolled():
    rng = np.random.default_rng(0)
    return {
        (number, contrast): brains.enrol(*scan(number, contrast, rng))
        for number in range(PEOPLE)
        for contrast in CONTRASTS
    }


def _search(enrolled, alignment, probe, gallery):
    sides = [[enrolled[n, c][alignment] for n in range(PEOPLE)] for c in (probe, gallery)]
    return brains.score(*sides, (probe, gallery))


@pytest.mark.parametrize('alignment', brains.ALIGNMENTS)
def test_a_brain_is_found_in_another_contrast_and_pose(enrolled, alignment):
    scores = _search(enrolled, alignment, 'FLAIR', 'T1w')
    assert scores.shape == (PEOPLE, PEOPLE)
    assert (scores.argmax(axis=1) == np.arange(PEOPLE)).all()
    assert (scores >= 0).all()
    assert (scores <= 1 + 1e-6).all()


def test_the_brain_alone_is_enrolled():
    """What lies outside of the atlas's brain, such as a face, changes nothing."""
    rng = np.random.default_rng(1)
    volume, affine = scan(0, 'T1w', rng)
    outside = Volume(volume.data.copy(), volume.affine)
    outside.data[:, 49:] = 1000  # in front of y = 70 mm
    for name, one in brains.enrol(volume, affine).items():
        np.testing.assert_array_equal(one, brains.enrol(outside, affine)[name])


def test_the_similarity_keeps_proportions_and_size():
    affine = np.diag([1.1, 0.9, 1.0, 1])
    affine[:3, :3] = Rotation.from_rotvec([0.1, 0.2, 0.3]).as_matrix() @ affine[:3, :3]
    affine[:3, 3] = 3, -4, 5
    similar = brains.nearest_similarity(affine)
    assert np.linalg.det(similar) == pytest.approx(np.linalg.det(affine))
    rotation = similar[:3, :3] / np.cbrt(np.linalg.det(similar))
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(brains.nearest_similarity(similar), similar, atol=1e-12)


def test_what_a_scan_does_not_show_is_left_out():
    rng = np.random.default_rng(2)
    volume, affine = scan(0, 'T1w', rng)
    half = Volume(
        volume.data[:, :, 20:],
        volume.affine @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 20], [0, 0, 0, 1]]),
    )
    cropped = brains.enrol(half, affine)['affine']
    assert 0.1 < np.isnan(cropped).mean() < 0.6
    others = [brains.enrol(*scan(n, 'T1w', rng))['affine'] for n in range(3)]
    assert brains.score([cropped], others, ('T1w', 'T1w'))[0].argmax() == 0
    nowhere = np.eye(4)
    nowhere[:3, 3] = 1000
    empty = brains.enrol(volume, nowhere)['affine']
    assert np.isnan(empty).all()
    assert not brains.score([empty], others, ('T1w', 'T1w')).any()


def test_templates_survive_their_file(enrolled):
    template = enrolled[0, 'T1w']
    packed = brains.pack(template) | {'other': np.zeros(2)}
    assert set(brains.unpack(packed)) == set(template)
    assert brains.unpack({'other': np.zeros(2)}) == {}


def test_people_of_a_cohort_are_linked_by_their_brains(enrolled):
    def path(number, contrast):
        return f'sub-{number:02d}/anat/sub-{number:02d}_{contrast}.nii.gz'

    everyone = tuple(Scan(f'{n:02d}', None, c, path(n, c)) for n, c in enrolled)
    templates = {path(*key): template for key, template in enrolled.items()}
    outcomes = brain_linkage.compare(Enrolment(everyone, {}, {}, (), templates), seed=0)
    assert {item.engine for item in outcomes} == {'affine', 'similarity'}
    for item in outcomes:
        assert item.key == 'brain_contrasts_FLAIR_in_T1w'
        assert item.condition == 'brain'
        assert item.summary.rank1.value == 1
        assert item.summary.larger_galleries == ()
    assert brain_linkage.compare(Enrolment(everyone, {}, {}, ()), seed=0) == []
