# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from facebids.core.identifiability.calibration import bounds, cllr, fit


def examples(shift=3.0, count=500, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(shift, 1, count), rng.normal(0, 1, count)


def test_the_ratio_of_two_normal_distributions_is_found():
    """Log LR of N(3, 1) against N(0, 1) is 3 z - 4.5."""
    found = fit(*examples(count=5000), draws=20)
    assert found.weights[0] == pytest.approx(3 / np.log(10), rel=0.1)
    assert found.offset == pytest.approx(-4.5 / np.log(10), rel=0.1)


def test_a_calibration_rises_and_is_bounded_by_the_number_of_examples():
    found = fit(*examples(), draws=20)
    values = found.log10_lr(np.linspace(-50, 50, 101)[:, None])
    assert (np.diff(values) >= 0).all()
    assert (values[0], values[-1]) == (found.least, found.most)
    assert found.most <= np.log10(501)
    assert found.least >= -np.log10(501)


def test_calibrated_ratios_hold_on_others():
    found = fit(*examples(seed=1), draws=20)
    mates, strangers = (found.log10_lr(part[:, None]) for part in examples(seed=2))
    assert cllr(mates, strangers) < 0.35
    assert (mates >= 1).mean() >= 10 * (strangers >= 1).mean()


def test_cost_of_knowing_nothing_and_everything():
    nothing, far = np.zeros(5), np.full(5, 9.0)
    assert cllr(nothing, nothing) == pytest.approx(1)
    assert cllr(far, -far) == pytest.approx(0, abs=1e-6)
    assert cllr(-far, far) > 10
    assert cllr(np.full(5, np.nan), nothing) == pytest.approx(1)
    assert np.isnan(cllr(far, np.empty(0)))


def test_useless_scores_support_no_ratio():
    same = np.linspace(-2, 2, 50)
    assert bounds(same, same) == pytest.approx((0, 0), abs=0.1)


def test_intervals_are_wider_for_uncertain_scores_and_few_people():
    found = fit(*examples(count=60), draws=50)
    where = np.array([[1.5]])
    sure, unsure = found.interval(where), found.interval(where, np.array([[0.3]]))
    assert unsure[0] < sure[0] < found.log10_lr(where) < sure[1] < unsure[1]
    mates, strangers = examples(count=60)
    few = [i // 20 for i in range(60)]
    grouped = fit(np.repeat(mates[:3], 20), np.repeat(strangers[:3], 20), (few, few), draws=50)
    one = grouped.interval(where)
    assert one[1] - one[0] > 0


def test_two_scores_are_fused():
    rng = np.random.default_rng(3)
    strangers = rng.normal(0, 1, (800, 2))
    mates = rng.normal((3, 0), 1, (800, 2))
    found = fit(mates, strangers, draws=10)
    assert found.weights[0] > 10 * abs(found.weights[1])


def test_examples_of_both_kinds_are_needed():
    with pytest.raises(ValueError, match='strangers'):
        fit(np.ones(3), np.empty(0))
