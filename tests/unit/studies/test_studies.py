# SPDX-License-Identifier: Apache-2.0
"""Attacks on a cohort of made-up templates: two engines whose scores are known."""

import json
import re
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from facebids.bids import names
from facebids.bids.names import HeadImage
from facebids.core.attack import engines
from facebids.core.identifiability.summary import Estimate
from facebids.release import cohort
from facebids.studies import (
    against_photographs,
    dataset,
    enrolment,
    render_pairs,
    results,
    scans,
    single_views,
    tables,
)
from facebids.studies.comparisons import KINDS, ONE_PERSON, Scan

VARIANTS = single_views._appearance_variants  # which the fixture replaces
VIEWS = ('random01', 'random02', 'random03', 'random04', 'frontal', 'halfside', 'side', 'top')


class FaceEngine:
    """Embeds views; the score is the mean inner product of random views, as dlib's is."""

    IMPOSTOR_SCORES, WEIGHT = (0.0, 1.0), 0.5

    @staticmethod
    def score(probes, gallery):
        return np.array([[_mean(a) @ _mean(b) for b in gallery] for a in probes])

    @staticmethod
    def enrol_photograph(picture):
        if not picture.any():
            return None
        return {'embeddings': picture[:1, :, 0] / 100, 'names': np.array(['random_photograph'])}


class ShapeEngine:
    """Knows scans alone."""

    IMPOSTOR_SCORES, WEIGHT = (0.0, 1.0), 0.5

    @staticmethod
    def score(probes, gallery):
        return np.array([[-abs(a['shape'] - b['shape']).sum() for b in gallery] for a in probes])


def _mean(template):
    random = np.char.startswith(template['names'].astype(str), 'random')
    found = template['embeddings'][random & np.isfinite(template['embeddings'][:, 0])]
    return found.mean(axis=0) if len(found) else np.full(template['embeddings'].shape[1], np.nan)


@pytest.fixture(autouse=True)
def two_engines(monkeypatch):
    monkeypatch.setattr(engines, 'engines', lambda: {'face': FaceEngine, 'shape': ShapeEngine})
    monkeypatch.setattr(
        single_views, '_appearance_variants', lambda: {'bob, colour': lambda picture, _: picture}
    )


def _embedding(person, size=12):
    return np.eye(size)[person]


def _template(person, state, rng):
    """Return a head that is known before defacing, and after it is like everybody's."""
    face = _embedding(person) if state == 'before' else np.full(12, 0.29)
    embeddings = face + 0.05 * rng.normal(size=(len(VIEWS), 12))
    embeddings[1] = np.nan  # a view without a face
    shape = np.full(3, float(person)) if state == 'before' else np.zeros(3)
    return {
        'face': {'embeddings': embeddings, 'names': np.array(VIEWS)},
        'shape': {'shape': shape + 0.01 * rng.normal(size=3)},
    }


def _enrolled(people=6, sessions=('A', 'B')):
    rng = np.random.default_rng(0)
    everyone, templates = [], {}
    for person in range(people):
        for session in sessions:
            label = f'{person:02d}'
            path = f'sub-{label}/ses-{session}/anat/sub-{label}_ses-{session}_T1w.nii.gz'
            everyone.append(Scan(label, session, 'T1w', path))
            for state in ('before', 'after'):
                templates[path, state] = _template(person, state, rng)
    return enrolment.Enrolment(tuple(everyone), templates, {}, ())


def _faces(people=6, each=2):
    def photograph(person):
        names = np.array(['random_p'])
        template = {'embeddings': _embedding(person)[None], 'names': names}
        return enrolment.Photograph({'face': template})

    return {f'{person:02d}': [photograph(person)] * each for person in range(people)}


def _by(outcomes, **wanted):
    return next(
        item for item in outcomes if all(getattr(item, key) == v for key, v in wanted.items())
    )


def test_the_attack_is_strong_before_and_fails_after():
    outcomes, impossible = scans.compare(_enrolled(), seed=0)
    for engine in ('face', 'shape', 'fused'):
        before = _by(outcomes, key='sessions_T1w_in_T1w', condition='before', engine=engine)
        after = _by(outcomes, key='sessions_T1w_in_T1w', condition='after', engine=engine)
        assert before.summary.rank1.value == 1
        assert after.summary.rank1.value < 0.6
        assert before.summary.gallery_size == 6
        assert [search.rank for search in before.searches] == [1.0] * 6
        assert before.spread['same'][2] > before.spread['other'][2]
    assert {item.key for item in impossible} == set(KINDS) - {'sessions', 'same_scan'}


@pytest.mark.parametrize('study', ['S1', 'S2'])
def test_thresholds_are_fixed_before_defacing_and_hold_after(study):
    outcomes, _ = against_photographs.compare(_enrolled(), _faces(), seed=0)
    states = [_by(outcomes, study=study, condition=state) for state in ('before', 'after')]
    before, after = (item.summary.open_set for item in states)
    assert [point.threshold for point in before] == [point.threshold for point in after]
    assert (before[0].fpir.value, before[0].tpir.value) == (0, 1)
    assert after[0].tpir.value < 0.6


def test_thresholds_for_scans_come_from_other_people():
    outcomes, _ = scans.compare(_enrolled(), seed=0)
    for engine in ('face', 'fused'):
        found = _by(outcomes, key='sessions_T1w_in_T1w', condition='before', engine=engine)
        assert [point.threshold for point in found.summary.open_set] == [3.0, 4.0]


def test_the_detection_rate_is_that_of_the_random_views():
    outcomes, _ = scans.compare(_enrolled(), seed=0)
    before = _by(outcomes, key='sessions_T1w_in_T1w', condition='before', engine='face')
    assert before.summary.detection == pytest.approx(3 / 4)


def test_photographs_find_scans_before_and_not_after():
    outcomes, impossible = against_photographs.compare(_enrolled(), _faces(), seed=0)
    for study in ('S1', 'S2'):
        assert _by(outcomes, study=study, condition='before').summary.rank1.value == 1
        assert _by(outcomes, study=study, condition='after').summary.rank1.value < 0.6
    assert not impossible
    (first,) = [item for item in outcomes if item.study == 'S2' and item.condition == 'before']
    assert all(search.image is None for search in first.searches)


def test_small_galleries_of_s1_are_reached_or_not():
    outcomes, _ = against_photographs.compare(_enrolled(), _faces(), seed=0)
    smaller = _by(outcomes, study='S1', condition='before').summary.smaller_galleries
    assert [(item.size, item.rank1) for item in smaller] == [
        (size, Estimate()) for size in (50, 100, 150)
    ]


def test_every_orientation_is_searched_and_controls_leave_the_photograph_itself_out():
    outcomes, _ = against_photographs.compare(_enrolled(), _faces(), seed=0)
    kinds = {s.probe_type for item in outcomes if item.study == 'S3' for s in item.searches}
    assert set(single_views.ORIENTATIONS) | {'photograph'} <= kinds
    control = _by(outcomes, study='S3', condition='control')
    assert control.summary.rank1.value == 1
    assert (control.summary.gallery_size, control.summary.missing) == (11, 0)
    assert control.summary.chance == 1 / 11
    frontal = next(item for item in outcomes if 'frontal' in item.probe and item.study == 'S3')
    assert frontal.searches[0].hit(frontal.summary.gallery_size)
    assert frontal.searches[0].ranks == (1.5, 1.5)


def test_searches_of_s3_count_in_the_check_of_a_release():
    outcomes, _ = against_photographs.compare(_enrolled(), _faces(), seed=0)
    s3 = tuple(item for item in outcomes if item.study == 'S3')
    checks = cohort.check(results.Results(outcomes=s3))
    assert len(checks) == 5  # four orientations and one hairstyle, after defacing
    assert {item.people for item in checks} == {6}
    assert {item.chance for item in checks} == {2 / 12}


@pytest.mark.parametrize(
    ('scanned', 'photographed', 'each', 'chance'), [(2, 10, 2, 1 / 10), (10, 2, 3, 1 / 2)]
)
def test_the_chance_level_is_that_of_the_gallery(scanned, photographed, each, chance):
    """In S1 and S3 the participants with scans are the probes, those with photographs not."""
    faces = _faces(photographed, each)
    outcomes, _ = against_photographs.compare(_enrolled(scanned), faces, seed=0)
    found = [item for item in outcomes if item.study in ('S1', 'S3') and item.condition == 'after']
    assert {item.study for item in found} == {'S1', 'S3'}
    assert {item.summary.chance for item in found} == {chance}
    checks = cohort.check(results.Results(outcomes=tuple(found)))
    assert {item.chance for item in checks} == {chance}


def test_participants_with_more_photographs_are_found_more_often_by_chance():
    faces = _faces(2, 1) | {'02': _faces(3, 5)['02']}
    outcomes, _ = against_photographs.compare(_enrolled(3), faces, seed=0)
    s1, s3 = (_by(outcomes, study=study, condition='after') for study in ('S1', 'S3'))
    assert s1.summary.chance == 1 / 3
    assert s3.summary.chance == pytest.approx((1 + 1 + 5) / 7 / 3)


def test_photographs_whose_hair_is_hidden_are_a_control_of_their_own():
    faces = {
        name: [replace(item, without_hair=item.templates) for item in photographs]
        for name, photographs in _faces().items()
    }
    faces['00'][0] = replace(faces['00'][0], without_hair={})  # it could not be hidden
    outcomes, _ = against_photographs.compare(_enrolled(), faces, seed=0)
    bare = _by(outcomes, study='S3', condition='control', probe='photographs without hair')
    assert 0.5 < bare.summary.rank1.value < 1


def test_without_second_photographs_there_is_no_control():
    _, impossible = against_photographs.compare(_enrolled(), _faces(each=1), seed=0)
    assert [item.reason for item in impossible] == [single_views.NO_SECOND]


def test_without_photographs_three_studies_are_not_possible():
    outcomes, impossible = against_photographs.compare(_enrolled(), None, seed=0)
    assert not outcomes
    assert {item.study for item in impossible} == {'S1', 'S2', 'S3'}
    _, impossible = against_photographs.compare(_enrolled(), {'00': []}, seed=0)
    assert all('shows a face' in item.reason for item in impossible)


def test_scores_of_a_persons_photographs_go_together():
    scores = np.array([[1.0, 2.0], [3.0, np.nan], [np.nan, np.nan]])
    together = against_photographs.mean_by_person(scores, ['a', 'a', 'b'], ['a', 'b'])
    np.testing.assert_array_equal(together, [[2.0, 2.0], [np.nan, np.nan]])


def test_a_picture_without_a_face_is_a_miss():
    found = single_views.ranks_within_five(np.array([np.nan, 0.2]), np.array([True, False]))
    assert found == ((), ())


def test_a_defaced_head_is_embedded_where_its_face_was_and_that_is_no_face():
    template = _template(0, 'after', np.random.default_rng(0))['face']
    assert enrolment.detection([template]) == pytest.approx(3 / 4)
    template['found'] = np.arange(len(VIEWS)) == 0
    assert enrolment.detection([template]) == pytest.approx(1 / 4)
    assert list(enrolment.view(template, 'side')['found']) == [False]
    assert enrolment.detection([]) is None
    only_named = {'names': np.array(['frontal']), 'embeddings': np.ones((1, 12))}
    assert enrolment.detection([only_named]) is None


def test_ranks_of_all_right_photographs_within_five():
    scores = np.array([0.9, 0.8, 0.8, 0.5, 0.4, 0.3, 0.2])
    mates = np.array([False, True, False, True, False, False, True])
    assert single_views.ranks_within_five(scores, mates) == ((2.5, 4.0), (0.8, 0.5))


def test_the_chance_level_is_high_in_a_small_gallery():
    mates = np.zeros((2, 10), bool)
    mates[0, :2] = True  # the other person is not in the gallery
    drawn = np.array([set(c) & {0, 1} != set() for c in combinations(range(10), 5)])
    assert single_views.chance_within_five(mates) == pytest.approx(drawn.mean())
    assert single_views.chance_within_five(mates[1:]) is None
    assert single_views.chance_within_five(mates[:, :5]) is None
    assert single_views.chance_within_five(mates[:, :3]) is None


def test_pairs_of_renders_tell_people_apart_before():
    outcomes, impossible = render_pairs.compare(_enrolled(12), seed=0)
    before, after = (_by(outcomes, condition=state).summary for state in ('before', 'after'))
    assert not impossible
    assert before.intra.median > before.inter.median
    assert before.auc.value > 0.99 > after.auc.value
    assert before.svm.auc > 0.99
    assert before.detection == pytest.approx(3 / 4)
    assert before.auc.low <= before.auc.value <= before.auc.high


@pytest.mark.parametrize('states', ['one state each', 'no face', 'one person in both'])
def test_pairs_of_renders_are_left_out_where_there_are_none(states):
    enrolled = _enrolled(4)
    everyone = list(enrolled.scans)
    if states == 'no face':
        for template in enrolled.templates.values():
            template['face']['embeddings'][:] = np.nan
    else:
        for index, scan in enumerate(everyone):
            if states == 'one state each' or scan.participant != '00':
                everyone[index] = replace(scan, states=(('before', 'after')[index // 2 % 2],))
    outcomes, _ = render_pairs.compare(replace(enrolled, scans=tuple(everyone)), seed=0)
    found = {item.condition: item.summary for item in outcomes}
    if states == 'no face':
        assert {summary.auc.value for summary in found.values()} == {None}
        assert {summary.detection for summary in found.values()} == {0}
        assert all(summary.reasons for summary in found.values())
    else:
        assert set(found) == {'before', 'after_both'}
        assert all(summary.people >= 2 for summary in found.values())


def test_one_person_has_no_pairs_of_renders():
    enrolled = _enrolled(1)
    outcomes, impossible = render_pairs.compare(enrolled, seed=0)
    assert not outcomes
    assert [item.reason for item in impossible] == [ONE_PERSON]


def test_one_view_stands_for_itself():
    template = _template(0, 'before', np.random.default_rng(1))['face']
    view = enrolment.view(template, 'side')
    np.testing.assert_array_equal(view['embeddings'], template['embeddings'][6:7])
    assert np.isfinite(FaceEngine.score([view], [template])).all()
    assert enrolment.view(template, 'back') is None


# --- from the private folder to the tables -------------------------------------------------------


@pytest.fixture
def private(tmp_path):
    """Return a private folder of four people, and their images; one has no template."""
    images = [
        HeadImage.from_relative_path(f'sub-{person:02d}/anat/sub-{person:02d}_T1w.nii.gz')
        for person in range(4)
    ]
    rng = np.random.default_rng(0)
    for person, image in enumerate(images[:3]):
        for state in ('before', 'after'):
            path = tmp_path / names.private_templates(image, state)
            path.parent.mkdir(exist_ok=True)
            picture = np.zeros((4, 4, 3), np.uint8)
            box = np.full(4, -1) if person else np.arange(4)
            packed = engines.pack(_template(person, state, rng))
            np.savez(path, frontal=picture, frontal_box=box, **packed)
    return tmp_path, images


def test_templates_come_back_and_pictures_stay_on_disk(private):
    enrolled = enrolment.read(*private)
    assert enrolled.people == 3
    assert enrolled.without == ('sub-03/anat/sub-03_T1w.nii.gz',)
    first = enrolled.templates[enrolled.scans[0].image, 'before']
    assert set(first) == {'face', 'shape'}
    picture, box = enrolled.frontal(enrolled.scans[0], 'before')
    assert picture.shape == (4, 4, 3)
    assert enrolled.frontal(enrolled.scans[1], 'before') is None
    assert list(box) == [0, 1, 2, 3]


def test_results_become_tables_without_anything_of_a_face(private):
    found = dataset.attack(*private, None, seed=0, notes=['Note.'])
    assert found.notes[0].startswith('1 image is left out')
    assert found.notes[1] == 'Note.'
    rows = tables.comparison_rows(found)
    assert {row['study'] for row in rows} == {'scans', 'S1', 'S2', 'S3', 'S4'}
    assert all(row['reason'] for row in rows if 'engine' not in row)
    header = tables.header(rows, tables.COMPARISON_COLUMNS)
    assert set(tables.dictionary(header)) == set(header)
    described = tables.dictionary(header).values()
    assert all(re.fullmatch(r'[^{}]+\.', item['Description']) for item in described)
    assert 'expected_rank1_in_1000000000_high' in header
    assert all(
        row['threshold'] == 3 for row in rows if row['study'] == 'scans' and 'engine' in row
    )
    searches = list(tables.search_rows(found))
    assert set(searches[0]) == set(tables.SEARCH_COLUMNS)
    text = json.dumps([rows, searches])
    assert 'embedding' not in text
    ranks = tables.image_ranks(found)
    assert set(ranks['sub-00/anat/sub-00_T1w.nii.gz']) == {'rank_of_same_scan'}


def test_an_empty_private_folder_is_no_crash(tmp_path):
    image = HeadImage.from_relative_path('sub-01/anat/sub-01_T1w.nii.gz')
    found = dataset.attack(tmp_path, [image], None, seed=0)
    assert not found.outcomes
    assert {item.study for item in found.not_possible} == {'scans', 'S1', 'S2', 'S3', 'S4'}


def test_every_hairstyle_is_tried_in_colour_and_without(phantom_pictures):
    from facebids.core.attack import recognition
    from facebids.studies import hair

    picture = phantom_pictures[0][0]
    box = np.array(recognition.detect(picture).box)
    variants = {name: change(picture, box) for name, change in VARIANTS().items()}
    assert len(variants) == 1 + 2 * len(hair.STYLES)
    for name, changed in variants.items():
        assert changed.shape == picture.shape
        assert (changed != picture).any()
        assert (np.ptp(changed, axis=2) == 0).all() == ('black and white' in name)
