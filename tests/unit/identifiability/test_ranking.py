# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from facebids.core.identifiability import ranking
from facebids.core.identifiability.ranking import (
    best_of_each_person,
    hits,
    mate_ranks,
)

NAN = np.nan


def ranks(rows, mates):
    return mate_ranks(np.array(rows, dtype=float), np.array(mates, dtype=bool)).tolist()


@pytest.mark.parametrize(
    ('scores', 'mates', 'rank'),
    [
        ([0.9, 0.1, 0.2], [1, 0, 0], 1),
        ([0.1, 0.9, 0.2], [1, 0, 0], 3),
        ([0.5, 0.5, 0.2], [1, 0, 0], 1.5),
        ([0.5, 0.5, 0.5], [1, 0, 0], 2),
        ([0.5, 0.5, 0.9], [1, 1, 0], 2),  # a tie with a second mate is no tie
        ([0.1, 0.8, 0.5], [1, 1, 0], 1),  # the better mate counts
        ([0.1, NAN, NAN], [1, 0, 0], 1),  # a number beats no score
        ([NAN, 0.8, 0.5], [1, 1, 0], 1),
        ([NAN, 0.1, 0.2], [1, 0, 0], 3),
        ([NAN, NAN, NAN], [1, 0, 0], 3),  # a miss, even where nobody else has a score
        ([-np.inf, NAN, NAN], [1, 0, 0], 1),
    ],
)
def test_rank_of_the_best_mate(scores, mates, rank):
    assert ranks([scores], [mates]) == [rank]


def test_a_search_without_mate_has_no_rank():
    assert np.isnan(ranks([[0.1, 0.2]], [[0, 0]])).all()
    assert mate_ranks(np.empty((0, 3)), np.empty((0, 3), bool)).shape == (0,)


def test_ranks_are_those_of_sorting():
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(30, 20))
    own = rng.integers(20, size=30)
    places = (np.argsort(-scores, axis=1) == own[:, None]).argmax(axis=1) + 1
    assert (mate_ranks(scores, own[:, None] == np.arange(20)) == places).all()


def test_order_of_the_gallery_does_not_matter():
    rng = np.random.default_rng(2)
    scores = rng.integers(5, size=(20, 12)).astype(float)  # many ties
    scores[rng.random(scores.shape) < 0.1] = NAN
    mates = rng.random(scores.shape) < 0.1
    order = rng.permutation(12)
    changed = mate_ranks(scores[:, order], mates[:, order])
    np.testing.assert_array_equal(mate_ranks(scores, mates), changed)


def test_hits_are_searches_at_rank_n_or_better():
    found = np.array([1, 1, 2, 4, NAN])
    np.testing.assert_array_equal(hits(found, [1, 4]), [[1, 1], [1, 1], [0, 1], [0, 1], [NAN] * 2])


def test_a_tie_for_the_highest_score_is_not_rank_1():
    assert hits(np.array([1.5]), [1, 2, 3]).tolist() == [[0, 1, 1]]


def test_the_cmc_at_chance_is_the_diagonal():
    scores = np.random.default_rng(3).normal(size=(4000, 10))
    ranks = mate_ranks(scores, np.arange(10) == np.zeros((4000, 1)))
    curve = hits(ranks, np.arange(1, 11)).mean(axis=0)
    np.testing.assert_allclose(curve, np.arange(1, 11) / 10, atol=0.03)


def test_of_several_scans_of_one_person_the_best_counts():
    scores = np.array([[0.1, 0.5, NAN, 0.3], [NAN, 0.2, 0.4, 0.9]])
    people = np.array(['b', 'a', 'b', 'a'])
    best, names = best_of_each_person(scores, people)
    assert names.tolist() == ['a', 'b']
    np.testing.assert_array_equal(best, [[0.5, 0.1], [0.9, 0.4]])


def test_one_scan_each_is_left_as_it_is():
    scores = np.random.default_rng(4).normal(size=(3, 5))
    best, _ = best_of_each_person(scores, np.arange(5))
    assert best is scores
    turned, people = best_of_each_person(scores, np.arange(5)[::-1])
    assert people.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(turned, scores[:, ::-1])
    nobody, people = best_of_each_person(np.empty((3, 0)), [])
    assert nobody.shape == (3, 0)
    assert not people.size


def chance_level(mates):
    return ranking.chance_level(mates.sum(axis=1), mates.shape[1])


def test_the_chance_level_is_the_rank1_rate_of_random_scores():
    rng = np.random.default_rng(3)
    gallery = np.repeat(np.arange(5), [1, 2, 3, 4, 10])
    probes = rng.integers(6, size=20_000)  # person 5 is not in the gallery
    mates = probes[:, None] == gallery
    found = mate_ranks(rng.random(mates.shape), mates) == 1
    expected = chance_level(mates)
    assert found[probes < 5].mean() == pytest.approx(expected, abs=0.01)
    assert expected == pytest.approx(0.2, abs=0.01)
    assert chance_level(mates[probes == 4]) == 0.5


def test_there_is_no_chance_level_without_a_mate():
    assert chance_level(np.zeros((3, 4), bool)) is None
    assert chance_level(np.zeros((0, 4), bool)) is None
    assert chance_level(np.zeros((3, 0), bool)) is None
