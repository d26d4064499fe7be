# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from scipy import stats

from facebids.core.identifiability import ratios
from facebids.core.identifiability.calibration import cllr
from facebids.core.identifiability.pairs import of_matrix
from facebids.core.identifiability.verification import det

NAN = np.nan


def evidence(scores, people_a, people_b, seed):
    return ratios.evidence(of_matrix(scores, people_a, people_b), seed)


def cohort(people=60, distance=3.0, seed=1):
    scores = np.random.default_rng(seed).normal(size=(people, people))
    labels = np.array([f'sub-{i:03}' for i in range(people)])
    return scores + distance * np.eye(people), labels, labels


def test_ratios_of_other_people_cost_little_more_than_the_best():
    found, reason = evidence(*cohort(200), seed=0)
    assert reason is None
    assert found.cllr_min <= found.cllr < found.cllr_min + 0.1
    exact = [
        sign * 3 * (rng.normal(mean, 1, 20_000) - 1.5) / np.log(10)
        for rng in [np.random.default_rng(2)]
        for sign, mean in ((1, 3), (1, 0))
    ]
    assert found.cllr_min == pytest.approx(cllr(*exact), abs=0.1)


def test_where_nobody_is_recognised_ratios_say_nothing():
    found, _ = evidence(*cohort(100, distance=0.0), seed=0)
    assert found.cllr == pytest.approx(1, abs=0.05)
    assert 0.9 < found.cllr_min < 1 + 1e-9


def test_scale_and_order_do_not_matter():
    scores, people, _ = cohort()
    one, _ = evidence(scores, people, people, seed=0)
    scaled, _ = evidence(0.5 * scores + 2, people, people, seed=0)
    assert scaled.cllr == pytest.approx(one.cllr, abs=0.05)
    assert scaled.cllr_min == pytest.approx(one.cllr_min, abs=0.02)


def test_tippett_counts_pairs_from_each_ratio_on():
    found = ratios.tippett(np.array([-1.0, 1.0, 3.0, 3.0]), np.array([-2.0, -1.0, 0.5]))
    share = dict(zip(np.round(found.log10_lr, 2), found.mates, strict=True))
    assert share[-2.0] == share[-1.0] == 1
    assert share[2.0] == share[3.0] == 0.5
    assert found.strangers[0] == 1
    assert found.strangers[-1] == 0


def test_misleading_ratios_cost_more_than_their_order():
    mates, strangers = np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.7, 1.5])
    assert ratios.least_cost(mates, strangers) < cllr(mates, strangers)
    assert ratios.least_cost(mates + 10, strangers - 10) == pytest.approx(0)


@pytest.mark.parametrize('people', [3, 9])
def test_few_people_have_no_ratios(people):
    found, reason = evidence(*cohort(people), seed=0)
    assert found is None
    assert 'need 10 participants' in reason


def test_pairs_without_a_score_say_nothing():
    scores, people, _ = cohort(100, distance=30.0)
    whole, _ = evidence(scores, people, people, seed=0)
    scores[:50] = NAN
    half, _ = evidence(scores, people, people, seed=0)
    assert half.cllr == pytest.approx(0.5 + whole.cllr / 2, abs=0.1)
    found, reason = evidence(np.full_like(scores, NAN), people, people, seed=0)
    assert found is None
    assert 'Too few pairs' in reason


def test_the_errors_of_normal_scores_are_a_line_on_normal_deviate_axes():
    rng = np.random.default_rng(3)
    curve = det(rng.normal(2, 1, 20_000), rng.normal(size=20_000), points=51)
    assert len(curve.fmr) <= 51
    inner = [(a, b) for a, b in zip(curve.fmr, curve.fnmr, strict=True) if 0.01 < a < 0.9]
    deviates = stats.norm.ppf(inner)
    np.testing.assert_allclose(deviates.sum(axis=1), -2, atol=0.1)
    assert det(np.array([]), np.ones(3), 10).fmr == ()
