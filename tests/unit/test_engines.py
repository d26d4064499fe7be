# SPDX-License-Identifier: Apache-2.0
import sys
from pathlib import Path
from pkgutil import iter_modules

import numpy as np
import pytest
from scipy import ndimage

from facebids.core.attack import engines
from facebids.core.attack.engines import embedding, geometry
from facebids.core.attack.head import empty_head
from facebids.studies import enrolment as study
from facebids.studies.outcomes import fixed_thresholds


def people(count, seed=0):
    """Return one relief per person: smooth, a few millimetres high."""
    rng = np.random.default_rng(seed)
    cells = geometry._layout().cells
    fields = ndimage.gaussian_filter(rng.normal(size=(count, *cells.shape)), (0, 3, 3))
    fields *= 3.0 / fields.std()
    return fields[:, cells].astype(np.float32)


def rescanned(reliefs, seed, noise=0.4, millimetres=1.5):
    """Return the same people in another scan: with noise, in a slightly different position."""
    rng = np.random.default_rng([seed, 1])
    motions = geometry._layout().motions
    moves = rng.normal(size=(len(reliefs), 6)) * millimetres
    return (reliefs + moves @ motions.T + noise * rng.normal(size=reliefs.shape)).astype('f4')


def templates(reliefs):
    return [{'relief': relief} for relief in reliefs]


def views(rng, centre, count=10, missing=0):
    embeddings = centre + 0.05 * rng.normal(size=(count, 128))
    embeddings[:missing] = np.nan
    names = np.array([f'random{i + 1:02d}' for i in range(count)])
    return {'embeddings': embeddings, 'found': ~np.isnan(embeddings[:, 0]), 'names': names}


def test_every_engine_of_the_package_is_found():
    assert set(engines.engines()) == {'dlib', 'geometry'}
    assert sum(engine.WEIGHT for engine in engines.engines().values()) == pytest.approx(1)


TOY = """
import numpy as np

NAME = 'toy'
IMPOSTOR_SCORES = (-1.0, 2.0)
WEIGHT = 0.5


def enrol(head):
    return {'views': np.array(len(head.pictures))}


def score(probes, gallery):
    a, b = (np.array([template['views'] for template in side]) for side in (probes, gallery))
    return -np.abs(np.subtract.outer(a, b)).astype(float)
"""


@pytest.fixture
def add_engine(tmp_path, monkeypatch):
    """Return a function that adds a module to the package of the engines, by its source."""

    def add(source):
        (tmp_path / 'toy.py').write_text(source)
        monkeypatch.setattr(engines, '__path__', [*engines.__path__, str(tmp_path)])
        engines.engines.cache_clear()

    yield add
    sys.modules.pop(f'{engines.__name__}.toy', None)
    engines.engines.cache_clear()


def test_an_engine_needs_one_file(add_engine):
    add_engine(TOY)
    enrolled = engines.enrol(empty_head(np.eye(4), seed=0))
    assert enrolled.keys() == {'dlib', 'geometry', 'toy'}
    assert engines.unpack(engines.pack(enrolled))['toy']['views'] == 14

    other = {'toy': {'views': np.array(16)}}
    scores = study.scorer([enrolled, other], [enrolled])(slice(None))
    np.testing.assert_array_equal(scores['toy'], [[0], [-2]])
    np.testing.assert_array_equal(scores['fused'], [[0.25], [-0.25]])  # the others see no face
    assert fixed_thresholds('toy')[0] > -1
    found, best = engines.search('toy', [enrolled['toy']], [other['toy'], enrolled['toy']])
    assert (found.tolist(), best.tolist()) == ([[1, 0]], [[0, -2]])
    assert engines.enrol_photograph(np.zeros((9, 9, 3), np.uint8)) == {}


def test_the_example_in_the_documentation_is_an_engine(add_engine):
    page = (Path(__file__).parents[2] / 'docs' / 'engines.md').read_text()
    add_engine(page.split('```python\n')[1].split('```')[0])
    template = engines.enrol(empty_head(np.eye(4), seed=0))['mynet']
    other = {'embedding': np.eye(512)[0]}
    scores = engines.score('mynet', [template, other], [other])
    np.testing.assert_array_equal(scores, [[np.nan], [1]])


def test_an_incomplete_engine_is_refused_by_name(add_engine):
    add_engine(TOY.replace('WEIGHT', 'weight'))
    with pytest.raises(TypeError, match='toy'):
        engines.engines()


def test_a_module_with_an_underscore_is_no_engine():
    assert '_protocol' in {item.name for item in iter_modules(engines.__path__)}
    assert all(isinstance(engine, engines.Engine) for engine in engines.engines().values())


def test_face_templates_are_restored():
    template = {'dlib': {'names': np.array(['a'])}, 'geometry': {'relief': np.ones(3)}}
    packed = engines.pack(template) | {'pictures': np.ones(2), 'stranger.relief': np.ones(1)}
    back = engines.unpack(packed)
    assert back.keys() == template.keys()
    np.testing.assert_array_equal(back['geometry']['relief'], np.ones(3))


def test_shape_identifies_people_in_another_position():
    reliefs = people(12)
    scores = geometry.score(templates(rescanned(reliefs, 3)), templates(reliefs))
    mates = np.eye(12, dtype=bool)
    assert scores[mates].min() > 0.7
    assert scores[~mates].max() < 0.5


def test_shapes_are_compared_where_both_are_visible():
    reliefs = people(6)
    cut = rescanned(reliefs, 4)
    cut[:, : cut.shape[1] // 3] = np.nan
    scores = geometry.score(templates(cut), templates(reliefs))
    np.testing.assert_array_equal(scores.argmax(1), np.arange(6))


def test_an_open_mouth_reduces_the_score_by_its_share():
    reliefs = people(2)
    changed = reliefs.copy()
    changed[:, :100] += 15
    share = 100 / reliefs.shape[1]
    same = geometry.score(templates(changed), templates(reliefs)).diagonal()
    assert (same > 1 - share - 0.05).all()


def test_faces_that_hardly_overlap_have_no_score():
    reliefs = people(2)
    left, right = reliefs.copy(), reliefs.copy()
    half = reliefs.shape[1] // 2
    left[:, half:], right[:, : int(0.8 * half)] = np.nan, np.nan
    assert np.isnan(geometry.score(templates(left), templates(right))).all()


def test_score_is_symmetric():
    reliefs = people(5)
    scores = geometry.score(templates(reliefs), templates(reliefs))
    np.testing.assert_allclose(scores, scores.T, atol=1e-4)
    np.testing.assert_allclose(scores.diagonal(), 1, atol=1e-6)


def test_the_short_list_of_a_larger_gallery_contains_the_mate():
    reliefs = people(2000, seed=5)
    cut = rescanned(reliefs[:20], 6)
    cut[10:, : cut.shape[1] // 4] = np.nan
    found, scores = geometry.search(templates(cut), templates(reliefs), 5)
    np.testing.assert_array_equal(found[:, 0], np.arange(20))
    assert (np.diff(scores, axis=1) <= 0).all()
    exact = geometry.score(templates(cut[:1]), templates(reliefs[found[0]]))
    np.testing.assert_allclose(exact[0], scores[0], atol=1e-6)


def test_search_in_blocks_has_the_same_result(monkeypatch):
    reliefs = people(60)
    probes = templates(rescanned(reliefs[:7], 1))
    whole = geometry.search(probes, templates(reliefs), 4)
    monkeypatch.setattr(geometry, 'BLOCK_PAIRS', 130)
    np.testing.assert_array_equal(geometry.search(probes, templates(reliefs), 4)[0], whole[0])


def test_embedding_score_is_the_mean_over_all_pairs_of_views():
    rng = np.random.default_rng(0)
    a, b = views(rng, 0.1, missing=3), views(rng, 0.0, 6)
    a['names'][9] = 'frontal'  # named views do not count
    pairs = a['embeddings'][3:9, None] - b['embeddings'][None]
    expected = -(pairs**2).sum(-1).mean()
    assert embedding.score([a], [b])[0, 0] == pytest.approx(expected)


def test_without_a_face_there_is_no_score():
    rng = np.random.default_rng(0)
    empty, face = views(rng, 0, missing=10), views(rng, 0)
    scores = embedding.score([empty, face], [face])
    assert np.isnan(scores[0, 0])
    assert np.isfinite(scores[1, 0])


def test_a_photograph_without_a_face_is_not_enrolled():
    assert engines.enrol_photograph(np.zeros((200, 200, 3), np.uint8)) == {}


def test_the_mean_fused_score_of_impostors_is_zero_and_missing_scores_do_not_change_it():
    mean = {
        name: np.array([[engine.IMPOSTOR_SCORES[0]]]) for name, engine in engines.engines().items()
    }
    assert engines.fuse(mean)[0, 0] == pytest.approx(0)
    missing = mean | {'dlib': np.array([[np.nan]])}
    assert engines.fuse(missing)[0, 0] == pytest.approx(0)
    assert np.isnan(engines.fuse({'dlib': np.array([[np.nan]])})[0, 0])


def test_search_agrees_with_the_matrix_of_all_scores(monkeypatch):
    rng = np.random.default_rng(2)
    people = rng.normal(size=(60, 128)) * 0.05
    gallery = [views(rng, centre) for centre in people]
    gallery[7] = views(rng, 0, missing=10)
    probes = [views(rng, centre) for centre in people[::6]]
    monkeypatch.setattr(engines, 'BLOCK_PAIRS', 130)
    found, scores = engines.search('dlib', probes, gallery, 5)
    matrix = engines.score('dlib', probes, gallery)
    expected = np.argsort(-np.nan_to_num(matrix, nan=-np.inf), axis=1)[:, :5]
    np.testing.assert_array_equal(found, expected)
    # The order of summation differs, in float32.
    np.testing.assert_allclose(scores, np.take_along_axis(matrix, expected, 1), rtol=1e-5)
    everyone = engines.search('dlib', probes, gallery, 99)
    assert (everyone[0][:, -1] == 7).all()
    assert np.isnan(everyone[1][:, -1]).all()


@pytest.mark.parametrize('name', ['dlib', 'geometry'])
def test_search_without_probes_or_without_a_gallery_is_empty(name):
    face = views(np.random.default_rng(0), 0) | templates(people(1))[0]
    for probes, gallery, shape in (([], [face], (0, 1)), ([face], [], (1, 0)), ([], [], (0, 0))):
        found, scores = engines.search(name, probes, gallery)
        assert found.shape == scores.shape == shape
