# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from scipy import integrate, stats

from facebids.core.identifiability.population import (
    Tail,
    expected_rank1,
    fit_tail,
    standardise,
    survival,
)
from facebids.core.identifiability.ranking import mate_ranks
from facebids.core.identifiability.verification import auc
from facebids.studies.smaller_galleries import rank1_in_smaller

NAN = np.nan
POWERS = 10.0 ** np.arange(1, 10)


def exact(own, others, sizes):
    """Integral of f(s) F(s) ** (N - 1) over s, N people with scores of known distributions."""

    def found(share, size):
        return np.exp((size - 1) * np.log1p(-others.sf(own.ppf(share))))

    return np.array([integrate.quad(found, 0, 1, args=(size,), limit=400)[0] for size in sizes])


def evenly(distribution, count):
    """Quantiles: a sample without chance in it."""
    return distribution.ppf((np.arange(count) + 0.5) / count)


CASES = {
    'normal': (stats.norm(3, 1), stats.norm()),
    'bounded, as cosines are': (stats.beta(30, 8), stats.beta(12, 14)),
    'skew': (stats.norm(6, 2), stats.gumbel_r()),
    'heavy tail': (stats.norm(6, 3), stats.t(4)),
    'uniform, half beyond all others': (stats.norm(1, 0.05), stats.uniform()),
    'no signal': (stats.norm(), stats.norm()),
}


@pytest.mark.parametrize('case', CASES)
def test_small_galleries_by_brute_force(case):
    """Galleries are drawn and searched, with the ranks of the measured closed set."""
    own, others = CASES[case]
    rng = np.random.default_rng(1)
    sizes = [2, 5, 20, 60]
    simulated = []
    for size in sizes:
        scores = others.rvs((6000, size), random_state=rng)
        scores[:, 0] = own.rvs(6000, random_state=rng)
        mates = np.arange(size) == np.zeros((6000, 1))
        simulated.append(np.mean(mate_ranks(scores, mates) == 1))
    expected = expected_rank1(evenly(own, 3000), others.rvs(7000, random_state=rng), sizes)
    np.testing.assert_allclose(expected, simulated, atol=0.03)


def test_the_measured_gallery_by_brute_force():
    """Galleries drawn from the very scores that the estimate is made from."""
    rng = np.random.default_rng(2)
    genuine, impostor = rng.normal(2.5, 1, 84), rng.normal(size=84 * 83)
    sizes = [2, 10, 84]
    simulated = [
        np.mean(
            [(rng.choice(impostor, (400, size - 1)).max(axis=1) < own).mean() for own in genuine]
        )
        for size in sizes
    ]
    np.testing.assert_allclose(expected_rank1(genuine, impostor, sizes), simulated, atol=0.015)


@pytest.mark.parametrize('distance', [2, 4, 6])
def test_normal_scores_up_to_a_million_people(distance):
    own, others = stats.norm(distance, 1), stats.norm()
    sizes = POWERS[:6]
    truth = exact(own, others, sizes)
    rng = np.random.default_rng(3)
    samples = [rng.normal(size=100_000) for _ in range(10)]
    rates = [expected_rank1(evenly(own, 2000), sample, sizes) for sample in samples]
    np.testing.assert_allclose(np.mean(rates, axis=0), truth, atol=0.05)
    np.testing.assert_allclose(np.mean(rates, axis=0)[:4], truth[:4], atol=0.02)


@pytest.mark.parametrize('case', CASES)
def test_a_million_people_from_a_cohort_of_84(case):
    """7000 scores say less: the mean over cohorts is within 0.15 of the truth."""
    own, others = CASES[case]
    rng = np.random.default_rng(4)
    genuine, sizes = evenly(own, 1000), POWERS[:6]
    samples = [others.rvs(7000, random_state=rng) for _ in range(40)]
    rates = np.mean([expected_rank1(genuine, sample, sizes) for sample in samples], axis=0)
    truth = exact(own, others, sizes)
    np.testing.assert_allclose(rates, truth, atol=0.15)
    np.testing.assert_allclose(rates[:3], truth[:3], atol=0.03)


def test_exponential_scores_have_an_answer_in_closed_form():
    """A score s is the highest of N, the others exponential: (1 - exp(-s)) ** (N - 1)."""
    rng = np.random.default_rng(5)
    sizes = np.array([10, 1e3, 1e5])
    for score in (4.0, 8.0, 12.0):
        truth = (1 - np.exp(-score)) ** (sizes - 1)
        samples = [rng.exponential(size=100_000) for _ in range(10)]
        rates = [expected_rank1(np.array([score]), sample, sizes) for sample in samples]
        np.testing.assert_allclose(np.mean(rates, axis=0), truth, atol=0.1)


@pytest.mark.parametrize('shape', [-0.5, -0.2, 0.2, 0.5])
def test_the_tail_of_a_generalised_pareto_distribution_is_found(shape):
    rng = np.random.default_rng(6)
    sample = stats.genpareto(shape, scale=2)
    tails = [fit_tail(sample.rvs(100_000, random_state=rng)) for _ in range(20)]
    assert np.mean([tail.shape for tail in tails]) == pytest.approx(shape, abs=0.03)
    scales = [tail.scale / (2 + shape * tail.threshold) for tail in tails]
    assert np.mean(scales) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize('shape', [-0.4, 0.3])
def test_survival_is_that_of_scipy(shape):
    tail = Tail(threshold=1.5, share=0.02, shape=shape, scale=0.7)
    scores = np.array([1.5, 1.6, 2.5, 4.0])  # with shape -0.4 all ends at 3.25
    expected = 0.02 * stats.genpareto(shape, 1.5, 0.7).sf(scores)
    np.testing.assert_allclose(tail.survival(scores), expected, rtol=1e-9)


def test_the_estimator_agrees_with_maximum_likelihood():
    sample = np.random.default_rng(7).normal(size=20_000)
    tail = fit_tail(sample)
    peaks = sample[sample > tail.threshold] - tail.threshold
    shape, _, scale = stats.genpareto.fit(peaks, floc=0)
    assert (tail.shape, tail.scale) == pytest.approx((shape, scale), abs=0.05)


def test_no_score_of_others_reaches_the_own():
    impostor = np.random.default_rng(8).normal(size=7000)
    rates = expected_rank1(np.full(50, impostor.max() + 0.5), impostor, POWERS)
    assert rates[0] > 0.99
    assert (np.diff(rates) <= 0).all()
    assert rates[0] > rates[-1]  # what was never seen is still expected, in a gallery large enough
    far = expected_rank1(np.full(50, 100.0), impostor, POWERS)
    assert far[3] > 0.999


def test_rates_fall_with_the_gallery_and_lie_in_0_to_1():
    rng = np.random.default_rng(9)
    for own, others in CASES.values():
        sample = others.rvs(600, random_state=rng)
        rates = expected_rank1(own.rvs(30, random_state=rng), sample, POWERS)
        assert (np.diff(rates) <= 0).all()
        assert ((rates >= 0) & (rates <= 1)).all()


def test_a_gallery_of_one_cannot_go_wrong_and_of_two_is_the_auc():
    rng = np.random.default_rng(10)
    genuine, impostor = rng.normal(1, 1, 500), rng.normal(size=5000)
    rates = expected_rank1(genuine, impostor, [1, 2])
    assert rates[0] == 1
    assert rates[1] == pytest.approx(auc(genuine, impostor), abs=1e-3)


def test_the_tail_goes_on_where_the_staircase_ends():
    impostor = np.random.default_rng(11).normal(size=7000)
    threshold = fit_tail(impostor).threshold
    around = survival(threshold + np.array([-1e-9, 1e-9]), impostor)
    np.testing.assert_allclose(around[0], around[1], rtol=0.01)
    rising = survival(np.linspace(-3, 6, 500), impostor)
    assert (np.diff(rising) <= 1e-12).all()


def test_what_is_missing_is_never_found_and_never_in_the_way():
    rng = np.random.default_rng(12)
    genuine, impostor = rng.normal(3, 1, 40), rng.normal(size=2000)
    whole = expected_rank1(genuine, impostor, [10, 1000])
    misses = np.concatenate([genuine, np.full(40, NAN)])
    np.testing.assert_allclose(expected_rank1(misses, impostor, [10, 1000]), whole / 2)
    assert expected_rank1(np.array([NAN]), impostor, [1]) == 1
    # half of the others without score: as a gallery of half the size
    thinner = np.concatenate([impostor, np.full(2000, NAN)])
    rates = expected_rank1(genuine, thinner, [20, 2000])
    np.testing.assert_allclose(rates, whole, atol=0.01)


def test_order_and_scale_do_not_matter():
    rng = np.random.default_rng(13)
    genuine, impostor = rng.normal(3, 1, 40), rng.normal(size=2000)
    rates = expected_rank1(genuine, impostor, POWERS)
    turned = expected_rank1(genuine[::-1], rng.permutation(impostor), POWERS)
    np.testing.assert_allclose(turned, rates)
    scaled = expected_rank1(7 * genuine - 2, 7 * impostor - 2, POWERS)
    np.testing.assert_allclose(scaled, rates, atol=1e-6)


def test_scores_in_steps_have_a_tail_too():
    rng = np.random.default_rng(14)
    steps = rng.normal(size=7000).round(1)
    rates = expected_rank1(np.linspace(1, 6, 50).round(1), steps, POWERS[:4])
    smooth = expected_rank1(np.linspace(1, 6, 50), rng.normal(size=7000), POWERS[:4])
    np.testing.assert_allclose(rates, smooth, atol=0.05)


@pytest.mark.parametrize(
    'impostor',
    [np.array([]), np.arange(20.0), np.ones(500), np.full(500, NAN), np.arange(500) % 3.0],
    ids=['none', 'few', 'equal', 'missing', 'three values'],
)
def test_too_few_different_scores_have_no_tail(impostor):
    assert fit_tail(impostor) is None
    assert np.isnan(expected_rank1(np.ones(3), impostor, [10, 100])).all()


def test_nobody_to_find():
    rates = expected_rank1(np.array([]), np.random.default_rng(15).normal(size=500), [10])
    assert np.isnan(rates).all()


def test_each_probe_is_standardised_by_the_scores_of_others():
    rng = np.random.default_rng(16)
    scores = rng.normal(size=(40, 200)) * rng.uniform(1, 3, (40, 1)) + rng.normal(size=(40, 1))
    mates = np.eye(40, 200, dtype=bool)
    scores[0, :150] = NAN
    others = np.where(mates, NAN, standardise(scores, mates))
    np.testing.assert_allclose(np.nanmean(others, axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(np.nanstd(others, axis=1)[1:], 1, atol=0.1)
    np.testing.assert_array_equal(np.isnan(standardise(scores, mates)), np.isnan(scores))
    raised = scores + 100 * mates
    np.testing.assert_allclose((standardise(raised, mates))[~mates], others[~mates])


def test_one_impostor_score_or_none_is_enough_to_go_on():
    assert np.isfinite(standardise(np.array([[5.0, 1.0]]), np.array([[True, False]]))).all()
    assert np.isfinite(standardise(np.array([[5.0]]), np.array([[True]]))).all()


def test_cohorts_tell_the_rate_of_a_gallery_of_five_thousand():
    """Templates are vectors, the score is their distance: unusual people are like nobody."""
    rng = np.random.default_rng(17)
    people = rng.normal(size=(5000, 12))
    probes = people[:400] + rng.normal(size=(400, 12))
    squares = (probes**2).sum(1)[:, None] + (people**2).sum(1) - 2 * probes @ people.T
    scores, mates = -np.sqrt(squares), np.eye(400, 5000, dtype=bool)
    sizes = (50, 500, 5000)
    truth = rank1_in_smaller(mate_ranks(scores, mates), 5000, sizes)
    assert 0.1 < truth[-1] < truth[0] < 0.95
    errors = {True: [], False: []}
    for _ in range(20):
        chosen = rng.choice(400, 100, replace=False)
        cohort, own = scores[np.ix_(chosen, chosen)], np.eye(100, dtype=bool)
        for standard, error in errors.items():
            used = standardise(cohort, own) if standard else cohort
            error.append(expected_rank1(used[own], used[~own], sizes) - truth)
    found, pooled = (np.mean(errors[standard], axis=0) for standard in (True, False))
    np.testing.assert_allclose(found, 0, atol=0.1)
    np.testing.assert_allclose(found[:2], 0, atol=0.05)
    assert pooled[1] < -0.05  # what unusual people lose by those who are like everybody
