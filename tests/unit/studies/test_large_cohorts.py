# SPDX-License-Identifier: Apache-2.0
"""Cohorts of more people than are compared by shape; the limits are small here."""

import numpy as np
import pytest

from facebids.bids import names
from facebids.bids.acquisitions import Acquisition
from facebids.bids.names import HeadImage
from facebids.core.attack import engines
from facebids.core.attack.engines import embedding, geometry
from facebids.core.identifiability import pairs, searches
from facebids.studies import dataset, enrolment, same_acquisition, tables
from facebids.studies.comparisons import SCAN_CONDITIONS, Comparison, Scan

PEOPLE, SAMPLE = 24, 12
VIEWS = np.array([f'random{number:02d}' for number in range(1, 11)] + ['frontal'])


def _templates(rng, person):
    """Return a head that is known before defacing."""
    embeddings = rng.normal(size=(11, 128)).astype(np.float32) / 30
    embeddings[:, person] += 0.3
    embeddings[1] = np.nan  # a view without a face
    relief = rng.normal(size=int(geometry.cells().sum())).astype(np.float32)
    found = ~np.isnan(embeddings[:, 0])
    dlib = {'embeddings': embeddings, 'names': VIEWS, 'found': found}
    return {'dlib': dlib, 'geometry': {'relief': relief}}


@pytest.fixture(scope='module')
def private(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp('private'), np.random.default_rng(0)
    images = [
        HeadImage.from_relative_path(
            f'sub-{person:02d}/ses-{s}/anat/sub-{person:02d}_ses-{s}_T1w.nii.gz'
        )
        for person in range(PEOPLE)
        for s in 'AB'
    ]
    for image in images:
        for state in names.STATES:
            path = folder / names.private_templates(image, state)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, **engines.pack(_templates(rng, int(image.participant))))
    return folder, images


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(enrolment, 'MOST_PEOPLE', SAMPLE)


def _of(results, engine, key='sessions_T1w_in_T1w'):
    return [item for item in results.outcomes if (item.engine, item.key) == (engine, key)]


@pytest.fixture(scope='module')
def results(private):
    """Return the results of all people compared by all engines, and of a sample of them."""
    whole = dataset.attack(*private, None, seed=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(enrolment, 'MOST_PEOPLE', SAMPLE)
        patch.setattr(searches, 'BLOCK_SCORES', 100)
        return whole, dataset.attack(*private, None, seed=0, nprocs=2)


def test_all_are_compared_by_pictures_and_a_sample_by_all_engines(results):
    whole, found = results
    assert not whole.notes
    assert found.notes[0].startswith('12 of 24 participants, drawn at random')
    assert found.people == whole.people == PEOPLE
    for one, other in zip(_of(found, 'dlib'), _of(whole, 'dlib'), strict=True):
        assert one.summary.rank1 == other.summary.rank1
        assert one.summary.detection == other.summary.detection == 0.9
        assert [item.rank for item in one.searches] == [item.rank for item in other.searches]
        assert one.summary.auc.value == pytest.approx(other.summary.auc.value)
    for engine in ('geometry', 'fused'):
        for outcome in _of(found, engine):
            assert outcome.summary.gallery_size == outcome.summary.people == SAMPLE
    searched = {item.participant for item in _of(found, 'fused')[0].searches}
    assert len(searched) == SAMPLE
    assert len({(o.key, o.condition, o.engine) for o in found.outcomes}) == len(found.outcomes)
    assert {o.summary.people for o in found.outcomes if o.study == 'S4'} == {SAMPLE}


def test_each_image_has_its_rank_among_all(results):
    ranks = tables.image_ranks(results[1])
    for column in ('rank_of_same_scan', 'rank_before', 'rank_after'):
        assert sum(column in row for row in ranks.values()) == PEOPLE


def test_the_seed_draws_the_sample(small):
    people = {f'{number:02d}' for number in range(PEOPLE)}
    one, same, other = (enrolment.draw_people(people, seed) for seed in (1, 1, 2))
    assert len(one) == SAMPLE
    assert one == same != other
    assert one < people
    assert enrolment.draw_people(one, 1) is None


def test_templates_of_others_are_condensed(private, small):
    enrolled = enrolment.read(*private)
    complete = {key[0] for key, item in enrolled.templates.items() if 'geometry' in item}
    assert len(complete) == 2 * SAMPLE
    assert set(enrolled.pictures) == {
        (image, state) for image in complete for state in names.STATES
    }
    condensed = next(item for item in enrolled.templates.values() if 'geometry' not in item)
    assert sum(np.size(value) for value in condensed['dlib'].values()) == 139
    assert enrolled.sampled.people == SAMPLE
    assert enrolled.condensed.people == PEOPLE


def test_a_condensed_template_has_the_same_scores():
    rng = np.random.default_rng(1)
    heads = [_templates(rng, person)['dlib'] for person in range(5)]
    heads[2]['embeddings'][:] = np.nan
    small = [embedding.condense(head) for head in heads]
    np.testing.assert_array_equal(embedding.score(small, heads), embedding.score(heads, heads))
    assert embedding.condense(small[0]) is small[0]
    rows = engines.rows('dlib', [*small, None], heads)
    expected = engines.score('dlib', [*heads, None], heads)
    np.testing.assert_array_equal(rows(slice(4, 6)), expected[4:6])
    shapes = [_templates(rng, person)['geometry'] for person in range(3)]
    rows = engines.rows('geometry', shapes, shapes)
    np.testing.assert_array_equal(rows(slice(1, 3)), engines.score('geometry', shapes, shapes)[1:])


def _acquisitions(people):
    everyone = [
        (f'{number:03d}', Acquisition(site='ab'[number % 3 > 0])) for number in range(people)
    ]
    sides = [
        tuple(
            Scan(label, s, 'T1w', f'sub-{label}_ses-{s}', acquisition=a) for label, a in everyone
        )
        for s in 'BA'
    ]
    comparison = Comparison('sessions', 'T1w', 'T1w', *sides, SCAN_CONDITIONS)
    scores = np.random.default_rng(3).normal(size=(people, people)) + 1.5 * np.eye(people)
    scores[:, 5] = np.nan
    return same_acquisition.Acquisitions(comparison), scores


def _within(acquisitions, scores, rows):
    parts = [
        acquisitions.gather(scores[start : start + rows], start, seed=0)
        for start in range(0, len(scores), rows)
    ]
    return acquisitions.summarise(parts, seed=0)


def test_blocks_within_acquisitions_hold_what_the_whole_holds():
    data = _acquisitions(90)
    assert _within(*data, 90) == _within(*data, 7)


def test_drawn_pairs_within_acquisitions_stand_for_all(monkeypatch):
    data = _acquisitions(300)
    whole = _within(*data, 300)
    assert data[0].comparable == 100**2 + 200**2
    monkeypatch.setattr(pairs, 'MOST_PAIRS', 10_000)
    drawn = _within(*data, 40)
    for name in ('rank1', 'rank5', 'chance', 'missing', 'people', 'probes'):
        assert getattr(drawn, name) == getattr(whole, name)
    assert drawn.auc.value == pytest.approx(whole.auc.value, abs=0.02)
    assert whole.reasons == ()
    assert '10,000 of 50,000 pairs' in drawn.reasons[0]
