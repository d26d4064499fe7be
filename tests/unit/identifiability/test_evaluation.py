# SPDX-License-Identifier: Apache-2.0
from dataclasses import astuple

import numpy as np
import pytest

from facebids.core.identifiability.evaluation import summarise
from facebids.core.identifiability.open_set import false_positives
from facebids.core.identifiability.ranking import best, mate_ranks
from facebids.core.identifiability.summary import Cmc, Estimate, Roc, Similarity
from facebids.core.identifiability.verification import auc

NAN = np.nan
UNKNOWN = Estimate()


def cohort(people=84, distance=3.0, seed=1):
    scores = np.random.default_rng(seed).normal(size=(people, people))
    labels = np.array([f'sub-{i:03}' for i in range(people)])
    return scores + distance * np.eye(people), np.eye(people, dtype=bool), labels, labels


def summary(scores, mates, probe_people, gallery_people, **options):
    """Of few draws, checked to be free of NaN."""
    options = {'seed': 1, 'thresholds': [2.0, 4.0], 'count': 100} | options
    found = summarise(scores, probe_people, gallery_people, **options)
    np.testing.assert_array_equal(mates, np.equal.outer(probe_people, gallery_people))
    assert not any(value != value for value in _flat(astuple(found)))
    return found


def test_every_number_is_that_of_its_function():
    scores, mates, *_ = data = cohort()
    found = summary(*data)
    ranks = mate_ranks(scores, mates)
    counts = [found.probes, found.gallery_size, found.people, found.people_with_mates]
    assert counts == [84] * 4
    assert found.chance == 1 / 84
    assert found.missing == 0
    expected = [np.mean(ranks <= rank) for rank in range(1, 85)]
    assert found.cmc.rates == pytest.approx(expected)
    assert found.rank1.value == np.mean(ranks <= 1)
    assert found.rank5.value == np.mean(ranks <= 5)
    assert found.auc.value == pytest.approx(auc(scores[mates], scores[~mates]))
    assert found.intra.median == pytest.approx(np.median(np.diag(scores)))
    assert found.inter.q3 == pytest.approx(np.quantile(scores[~mates], 0.75))
    assert found.svm.auc == pytest.approx(found.auc.value, abs=0.03)
    assert [point.threshold for point in found.open_set] == [2.0, 4.0]
    others = best(scores, ~mates)
    assert found.open_set[0].fpir.value == np.mean(false_positives(others, np.full(84, 83), 2.0))
    assert len(found.roc.fpr) == len(found.roc.tpr) <= 101
    assert found.reasons == ()


def test_every_rate_lies_in_its_interval():
    found = summary(*cohort())
    estimates = [found.rank1, found.rank5, found.auc]
    estimates += [rate for point in found.open_set for rate in (point.tpir, point.fpir)]
    estimates += [larger.rank1 for larger in found.larger_galleries if larger.rank1.value]
    for rate in estimates:
        assert rate.low <= rate.value <= rate.high
    curves = np.array([found.cmc.low, found.cmc.rates, found.cmc.high])
    assert (np.diff(curves, axis=0) >= 0).all()
    assert (np.diff(curves, axis=1) >= 0).all()
    assert curves.min() >= 0
    assert curves.max() <= 1


def test_the_expected_rank1_goes_through_the_measured_one():
    found = [summary(*cohort(100, 2.5, seed), count=2) for seed in range(10)]
    expected = [one.larger_galleries[1].rank1.value for one in found]
    measured = [one.rank1.value for one in found]
    assert np.mean(expected) == pytest.approx(np.mean(measured), abs=0.03)
    sizes = [gallery.size for gallery in found[0].larger_galleries]
    assert sizes == [10**power for power in range(1, 10)]


def test_several_scans_of_one_person_are_searched_as_one_person():
    scores, mates, people, _ = cohort(20)
    twice = np.concatenate([scores, scores - 0.5], axis=1)
    found = summary(twice, np.tile(mates, 2), people, np.tile(people, 2))
    once = summary(scores, mates, people, people)
    assert (found.gallery_size, found.people) == (40, 20)
    for name in ('cmc', 'rank1', 'open_set', 'larger_galleries'):
        assert getattr(found, name) == getattr(once, name)
    assert found.auc != once.auc


def test_the_chance_level_counts_the_people_of_the_gallery():
    """Of more probes than gallery entries, and of several entries per person."""
    scores, mates, people, _ = cohort(20)
    found = summary(scores[:, :5], mates[:, :5], people, people[:5])
    assert (found.people, found.chance) == (20, 1 / 5)
    more = np.tile(mates[:4], 3)
    found = summary(np.tile(scores[:4], 3), more, people[:4], np.tile(people, 3))
    assert (found.gallery_size, found.chance) == (60, 1 / 20)


def test_order_does_not_matter():
    scores, mates, people, _ = data = cohort(30)
    rng = np.random.default_rng(2)
    rows, columns = rng.permutation(30), rng.permutation(30)
    changed = summary(
        scores[np.ix_(rows, columns)], mates[np.ix_(rows, columns)], people[rows], people[columns]
    )
    first = summary(*data)
    assert _flat(astuple(changed)) == pytest.approx(_flat(astuple(first)))


def _flat(value):
    if isinstance(value, tuple):
        return [number for item in value for number in _flat(item)]
    return [value]


def test_the_seed_decides_the_intervals_and_nothing_else():
    one, same, other = (summary(*cohort(30), seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one.auc.value == other.auc.value
    assert one.auc.low != other.auc.low


def test_a_strong_attack_and_none():
    strong, none = summary(*cohort(distance=30.0)), summary(*cohort(distance=0.0))
    assert (strong.rank1.value, strong.rank1.high, strong.auc.value) == (1, 1, 1)
    assert strong.rank1.low == pytest.approx(0.025 ** (1 / 84))
    assert 'no width' in strong.reasons[0]
    assert none.rank1.value < 0.1
    assert none.auc.low < 0.5 < none.auc.high
    assert none.larger_galleries[2].rank1 == Estimate(None, 0, pytest.approx(0.043, abs=1e-3))


def test_no_figure_is_given_beyond_the_scores():
    """84 people have 6972 impostor scores: they support galleries of up to as many people."""
    found = summary(*cohort()).larger_galleries
    assert [item.rank1.high is not None for item in found] == [True] * 3 + [False] * 6
    few = summary(*cohort(15))
    assert all(item.rank1 == UNKNOWN for item in few.larger_galleries)
    assert 'Too few scores' in few.reasons[-1]


def test_an_interval_that_spans_nearly_everything_is_no_figure():
    """Of 30 people, three in four would be found, or none."""
    found = summary(*cohort(40, distance=4.0)).larger_galleries
    known = [item.rank1 for item in found if item.rank1.high is not None]
    assert known
    assert all(rate.high - rate.low <= 0.7 for rate in known)


def test_missing_scores_are_counted_and_are_misses():
    scores, mates, people, _ = cohort(40, distance=30.0)
    scores[:10] = NAN
    found = summary(scores, mates, people, people)
    assert found.missing == 400
    assert found.rank1.value == 0.75
    assert found.cmc.rates[-1] == 1
    assert found.auc.value == pytest.approx(0.75 + 0.25 * 0.25 / 2)
    assert found.intra.median == pytest.approx(np.median(np.diag(scores)[10:]))
    assert found.open_set[0].tpir.value == 0.75
    assert found.larger_galleries[0].rank1.value <= 0.75


def test_nothing_has_a_score():
    scores, mates, people, _ = cohort(20)
    found = summary(np.full_like(scores, NAN), mates, people, people)
    assert found.missing == 400
    assert (found.rank1.value, found.auc.value) == (0, 0.5)
    assert found.rank1.high == pytest.approx(1 - 0.025 ** (1 / 20))
    assert found.intra.median is None
    assert found.svm is None
    assert found.larger_galleries[0].rank1.value is None
    assert 'No pair has a score.' in found.reasons


def test_no_pair_of_one_person_has_a_score():
    scores, mates, people, _ = cohort(20)
    scores[mates] = NAN
    found = summary(scores, mates, people, people)
    assert (found.rank1.value, found.auc.value, found.intra.median) == (0, 0, None)
    assert 'No genuine pair has a score.' in found.reasons


def test_nobody_has_a_mate():
    scores, _, people, _ = cohort(20)
    strangers = np.char.add(people, 'x')
    found = summary(scores, np.zeros((20, 20), bool), people, strangers)
    assert (found.rank1, found.auc, found.svm) == (UNKNOWN, UNKNOWN, None)
    assert found.chance is None
    assert (found.cmc, found.roc, found.intra) == (Cmc(), Roc(), Similarity())
    assert found.inter.q1 < found.inter.median < found.inter.q3
    assert found.open_set[0].tpir.value is None
    assert found.open_set[0].fpir.value > 0
    assert 'No probe has a mate in the gallery.' in found.reasons


def test_one_person_has_a_mate():
    scores, _, people, _ = cohort(20)
    gallery = np.concatenate([people[:1], np.char.add(people[1:], 'x')])
    found = summary(scores, people[:, None] == gallery, people, gallery)
    assert found.people_with_mates == 1
    assert found.rank1.value in (0, 1)
    assert found.auc.value is not None
    assert found.auc.low is None
    assert any('intervals' in reason for reason in found.reasons)


def test_fewer_than_two_people():
    found = summary(np.ones((2, 3)), np.ones((2, 3), bool), ['a', 'a'], ['a', 'a', 'a'])
    assert (found.people, found.intra.median) == (1, 1)
    assert found.rank1 == found.rank5 == found.auc == UNKNOWN
    assert (found.cmc, found.svm) == (Cmc(), None)
    assert found.open_set[0].fpir.value is None
    assert any('Fewer than two participants' in reason for reason in found.reasons)


@pytest.mark.parametrize('shape', [(0, 0), (0, 4), (4, 0)])
def test_nothing_to_compare(shape):
    people = [np.arange(size) for size in shape]
    found = summary(np.empty(shape), np.empty(shape, bool), *people)
    assert found.reasons == ('There is nothing to compare.',)
    assert found.rank1.value is None
    assert found.auc.value is None


def test_a_gallery_of_one_person():
    mates = np.array([[True], [False], [False]])
    found = summary(np.ones((3, 1)), mates, np.array([1, 2, 3]), np.array([1]))
    assert found.rank1.value is None
    assert any('holds one participant' in reason for reason in found.reasons)


def test_in_a_gallery_of_four_everybody_is_within_five():
    found = summary(*cohort(4))
    assert found.rank1.value is not None
    assert found.rank5.value is None
    assert len(found.cmc.rates) == 4
    assert any('holds 4 participants' in reason for reason in found.reasons)


def test_ties_everywhere():
    _, mates, people, _ = cohort(21)
    found = summary(np.ones((21, 21)), mates, people, people)
    assert (found.rank1.value, found.auc.value) == (0, 0.5)
    assert found.cmc.rates == (0,) * 10 + (1,) * 11  # all share the middle place
    assert found.svm.auc == 0.5


def test_large_comparisons_take_fewer_draws():
    """Of 40,000 scores 500, whatever was asked for."""
    many, few = (summary(*cohort(200), count=count) for count in (1000, 500))
    assert many == few
