# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import binom

from facebids.core.identifiability.pairs import of_matrix
from facebids.core.identifiability.resampling import bootstrap, rate
from facebids.core.identifiability.verification import auc

NAN = np.nan


def mean(values):
    return values.mean() if values.size else NAN


def test_interval_of_a_mean_is_that_of_its_standard_error():
    values = np.random.default_rng(1).normal(size=400)
    low, high = bootstrap(mean, [values], [np.arange(400)], seed=1, count=4000)
    error = 1.96 * values.std() / 20
    np.testing.assert_allclose(
        [low, high], [values.mean() - error, values.mean() + error], atol=0.01
    )


def test_scores_of_one_person_do_not_count_as_many_people():
    values = np.random.default_rng(2).normal(size=50)
    low, high = bootstrap(mean, [values], [np.arange(50)], seed=1)
    repeated = bootstrap(mean, [np.repeat(values, 9)], [np.repeat(np.arange(50), 9)], seed=1)
    np.testing.assert_allclose(repeated, (low, high))


def coverage_of_a_rate(people, probes, truth, cohorts, seed):
    """How often the interval holds the truth where people differ in how often they are found."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), probes)
    held = 0
    for cohort in range(cohorts):
        own = rng.beta(2 * truth, 2 * (1 - truth), people)
        found = rng.random(people * probes) < own[labels]
        _, low, high = rate(found, labels, seed=cohort, count=400)
        held += low <= truth <= high
    return held / cohorts


@pytest.mark.parametrize(
    ('people', 'probes', 'truth'), [(40, 5, 0.5), (84, 5, 0.85), (60, 1, 0.3)]
)
def test_intervals_of_a_rate_hold_the_truth(people, probes, truth):
    assert 0.89 <= coverage_of_a_rate(people, probes, truth, 300, seed=3) <= 0.99


def test_intervals_that_ignore_people_do_not():
    """The same cohorts, every probe a person of its own: what resampling people is for."""
    rng = np.random.default_rng(4)
    held = 0
    for cohort in range(200):
        found = rng.random((40, 5)) < rng.beta(1, 1, 40)[:, None]
        _, low, high = rate(found.ravel(), np.arange(200), seed=cohort, count=200)
        held += low <= 0.5 <= high
    assert held / 200 < 0.87


def test_intervals_of_the_auc_hold_the_truth():
    """Scores with a share of each of the two people: pairs are not independent."""
    rng = np.random.default_rng(5)
    people, cohorts, held = np.arange(40), 200, 0
    mates = np.eye(40, dtype=bool)
    for cohort in range(cohorts):
        shares = rng.normal(size=(40, 1)) / 2 + rng.normal(size=(1, 40)) / 2
        scores = shares + rng.normal(size=(40, 40)) * np.sqrt(0.5) + 1.5 * mates
        found = of_matrix(scores, people, people)
        low, high = bootstrap(auc, found.split, found.owners, seed=cohort, count=200)
        held += low <= ndtr(1.5 / np.sqrt(2)) <= high
    assert 0.89 <= held / cohorts <= 0.995


def test_a_pair_is_taken_as_often_as_both_people_were_drawn():
    """Two people: both drawn once, or one of them twice, and then there is no pair of two."""
    seen = []
    found = of_matrix(np.array([[1.0, 100], [1000, 10]]), ['a', 'b'], ['a', 'b'])

    def look(genuine, impostor):
        seen.append((sorted(genuine), sorted(impostor)))
        return 0.0

    bootstrap(look, found.split, found.owners, 1, count=50)
    draws = {(tuple(map(float, own)), tuple(map(float, other))) for own, other in seen}
    assert draws == {((1, 10), (100, 1000)), ((1, 1), ()), ((10, 10), ())}


def test_people_of_pairs_follow_the_split():
    """Of scores that name both people as tens and ones."""
    rng = np.random.default_rng(6)
    probes, gallery = rng.integers(4, size=6), rng.integers(4, size=8)
    found = of_matrix(10.0 * probes[:, None] + gallery, probes, gallery)
    (own, both), (genuine, impostor) = found.owners, found.split
    known = np.unique([*probes, *gallery])
    assert (11 * known[own]).tolist() == genuine.tolist()
    assert (known[both] @ [10, 1]).tolist() == impostor.tolist()


def test_statistics_with_several_values_and_seeds():
    values = np.random.default_rng(7).normal(size=30)

    def statistic(sample):
        return np.array([sample.mean(), sample.max()])

    low, high = bootstrap(statistic, [values], [np.arange(30)], seed=1)
    assert low.shape == high.shape == (2,)
    alone, _ = bootstrap(mean, [values], [np.arange(30)], seed=1)
    assert low[0] == alone
    assert bootstrap(mean, [values], [np.arange(30)], seed=2)[0] != alone


def test_too_few_people_have_no_interval():
    for values, people in ((np.ones(3), np.zeros(3)), (np.array([]), np.array([]))):
        low, high = bootstrap(mean, [values], [people], seed=1)
        assert np.isnan(low)
        assert np.isnan(high)
    # of two people every other draw holds one alone, twice
    found = of_matrix(np.eye(2), [1, 2], [1, 2])
    assert np.isnan(bootstrap(auc, found.split, found.owners, seed=1)).all()


def test_rate_counts_rows_not_people_and_leaves_out_what_has_none():
    people = np.array(['a', 'a', 'a', 'b', 'c'])
    value, low, high = rate(np.array([1, 1, 1, 0, NAN]), people, seed=1)
    assert value == 0.75
    assert low == 0
    assert high == 1
    assert np.isnan(rate(np.array([NAN, NAN]), people[:2], seed=1)).all()
    assert np.isnan(rate(np.array([]), np.array([]), seed=1)).all()


@pytest.mark.parametrize('people', [1, 2, 10, 84])
def test_where_all_or_none_are_found_the_interval_is_the_exact_one(people):
    labels = np.repeat(np.arange(people), 3)
    value, low, high = rate(np.ones(3 * people), labels, seed=1)
    assert (value, high) == (1, 1)
    assert binom.pmf(people, people, low) == pytest.approx(0.025)
    value, low, high = rate(np.zeros(3 * people), labels, seed=1)
    assert (value, low) == (0, 0)
    assert binom.pmf(0, people, high) == pytest.approx(0.025)


def test_several_rates_at_once_are_those_one_by_one():
    found = np.random.default_rng(8).random((40, 3)) < [0.2, 0.5, 1.0]
    people = np.repeat(np.arange(20), 2)
    together = np.array(rate(found, people, seed=1))
    alone = np.array([rate(column, people, seed=1) for column in found.T]).T
    np.testing.assert_allclose(together, alone)


def test_rate_is_the_bootstrap_of_a_mean():
    found = (np.random.default_rng(9).random(60) < 0.4).astype(float)
    people = np.repeat(np.arange(20), 3)
    _, *interval = rate(found, people, seed=4)
    np.testing.assert_allclose(interval, bootstrap(mean, [found], [people], seed=4))


def test_order_of_the_rows_does_not_matter():
    rng = np.random.default_rng(10)
    found, people = rng.random(60) < 0.4, np.repeat(np.arange(20), 3)
    order = rng.permutation(60)
    np.testing.assert_allclose(rate(found, people, 1), rate(found[order], people[order], 1))
