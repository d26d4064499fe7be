# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from scipy import ndimage

from facebids.core.attack import engines
from facebids.core.attack.engines import embedding, geometry


def people(count, seed=0):
    """Reliefs of as many people: smooth, a few millimetres high."""
    rng = np.random.default_rng(seed)
    cells = geometry._layout().cells
    fields = ndimage.gaussian_filter(rng.normal(size=(count, *cells.shape)), (0, 3, 3))
    fields *= 3.0 / fields.std()
    return fields[:, cells].astype(np.float32)


def rescanned(reliefs, seed, noise=0.4, millimetres=1.5):
    """Return the same people in another scan: noise, and a head that lies a little otherwise."""
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


def test_a_file_is_all_that_a_further_engine_needs(tmp_path, monkeypatch):
    (tmp_path / 'third.py').write_text(
        "import numpy as np\nNAME = 'third'\nIMPOSTOR_SCORES = (0.0, 1.0)\nWEIGHT = 0.5\n"
        "def enrol(head):\n    return {'size': np.array(len(head))}\n"
        'def score(probes, gallery):\n'
        "    return -np.abs(np.subtract.outer([p['size'] for p in probes], "
        "[g['size'] for g in gallery])).astype(float)\n"
    )
    monkeypatch.setattr(engines, '__path__', [str(tmp_path)])
    engines.engines.cache_clear()
    try:
        template = engines.enrol('four')
        assert template['third']['size'] == 4
        scores = engines.score('third', [template['third'], None], [{'size': np.array(6)}])
        np.testing.assert_array_equal(scores, [[-2], [np.nan]])
        np.testing.assert_array_equal(engines.fuse({'third': scores}), [[-1], [np.nan]])
        assert engines.enrol_photograph(np.zeros((9, 9, 3), np.uint8)) == {}
    finally:
        engines.engines.cache_clear()


def test_templates_make_the_round_trip():
    template = {'dlib': {'names': np.array(['a'])}, 'geometry': {'relief': np.ones(3)}}
    packed = engines.pack(template) | {'pictures': np.ones(2), 'stranger.relief': np.ones(1)}
    back = engines.unpack(packed)
    assert back.keys() == template.keys()
    np.testing.assert_array_equal(back['geometry']['relief'], np.ones(3))


def test_people_are_told_apart_by_shape_though_the_head_lies_otherwise():
    reliefs = people(12)
    scores = geometry.score(templates(rescanned(reliefs, 3)), templates(reliefs))
    mates = np.eye(12, dtype=bool)
    assert scores[mates].min() > 0.7
    assert scores[~mates].max() < 0.5


def test_shapes_are_compared_where_both_are_seen():
    reliefs = people(6)
    cut = rescanned(reliefs, 4)
    cut[:, : cut.shape[1] // 3] = np.nan
    scores = geometry.score(templates(cut), templates(reliefs))
    np.testing.assert_array_equal(scores.argmax(1), np.arange(6))


def test_an_opened_mouth_costs_no_more_than_its_share():
    reliefs = people(2)
    changed = reliefs.copy()
    changed[:, :100] += 15
    share = 100 / reliefs.shape[1]
    same = geometry.score(templates(changed), templates(reliefs)).diagonal()
    assert (same > 1 - share - 0.05).all()


def test_nothing_is_said_about_faces_that_hardly_overlap():
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


def test_short_list_of_a_larger_gallery_holds_the_mate():
    reliefs = people(2000, seed=5)
    cut = rescanned(reliefs[:20], 6)
    cut[10:, : cut.shape[1] // 4] = np.nan
    found, scores = geometry.search(templates(cut), templates(reliefs), 5)
    np.testing.assert_array_equal(found[:, 0], np.arange(20))
    assert (np.diff(scores, axis=1) <= 0).all()
    exact = geometry.score(templates(cut[:1]), templates(reliefs[found[0]]))
    np.testing.assert_allclose(exact[0], scores[0], atol=1e-6)


def test_search_in_blocks_gives_the_same(monkeypatch):
    reliefs = people(60)
    probes = templates(rescanned(reliefs[:7], 1))
    whole = geometry.search(probes, templates(reliefs), 4)
    monkeypatch.setattr(geometry, 'BLOCK_PAIRS', 130)
    np.testing.assert_array_equal(geometry.search(probes, templates(reliefs), 4)[0], whole[0])


def test_embedding_score_is_the_mean_over_all_pairs_of_views():
    rng = np.random.default_rng(0)
    a, b = views(rng, 0.1, missing=3), views(rng, 0.0, 6)
    a['names'][9] = 'frontal'  # a named view takes no part
    pairs = a['embeddings'][3:9, None] - b['embeddings'][None]
    expected = -(pairs**2).sum(-1).mean()
    assert embedding.score([a], [b])[0, 0] == pytest.approx(expected)


def test_no_face_means_no_score():
    rng = np.random.default_rng(0)
    nobody, somebody = views(rng, 0, missing=10), views(rng, 0)
    scores = embedding.score([nobody, somebody], [somebody])
    assert np.isnan(scores[0, 0])
    assert np.isfinite(scores[1, 0])


def test_no_photograph_without_a_face():
    assert engines.enrol_photograph(np.zeros((200, 200, 3), np.uint8)) == {}


def test_fused_score_of_strangers_is_near_nought_and_a_blind_engine_adds_none():
    mean = {
        name: np.array([[engine.IMPOSTOR_SCORES[0]]]) for name, engine in engines.engines().items()
    }
    assert engines.fuse(mean)[0, 0] == pytest.approx(0)
    blind = mean | {'dlib': np.array([[np.nan]])}
    assert engines.fuse(blind)[0, 0] == pytest.approx(0)
    assert np.isnan(engines.fuse({'dlib': np.array([[np.nan]])})[0, 0])


def test_search_finds_what_the_matrix_of_all_scores_says(monkeypatch):
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
    # sums of products in another order: float32
    np.testing.assert_allclose(scores, np.take_along_axis(matrix, expected, 1), rtol=1e-5)
    everybody = engines.search('dlib', probes, gallery, 99)
    assert (everybody[0][:, -1] == 7).all()
    assert np.isnan(everybody[1][:, -1]).all()


@pytest.mark.parametrize('name', ['dlib', 'geometry'])
def test_search_without_probes_or_without_a_gallery_finds_nobody(name):
    face = views(np.random.default_rng(0), 0) | templates(people(1))[0]
    for probes, gallery, shape in (([], [face], (0, 1)), ([face], [], (1, 0)), ([], [], (0, 0))):
        found, scores = engines.search(name, probes, gallery)
        assert found.shape == scores.shape == shape
