# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from facebids.quiz import power


def test_chance_counts_none_of_the_above_as_a_choice():
    assert power.chance('match', 6) == pytest.approx(1 / 6)
    assert power.chance('open', 6) == pytest.approx(1 / 7)


def test_independent_answers_have_no_design_effect():
    assert power.design_effect(1000, 50, 20, 0, 0) == 1
    assert power.design_effect(50, 50, 50, 0.5, 0.5) == 1  # each observer and scan once


def test_the_design_effect_is_that_of_crossed_random_effects():
    """Compared with the variance of means of simulated normal values."""
    random = np.random.default_rng(0)
    observers, scans, of_observer, of_scan = 12, 8, 0.2, 0.3
    shape = (4000, observers, scans)
    values = random.normal(0, of_observer**0.5, (4000, observers, 1))
    values = values + random.normal(0, of_scan**0.5, (4000, 1, scans))
    values = values + random.normal(0, (1 - of_observer - of_scan) ** 0.5, shape)
    answers = observers * scans
    measured = values.mean((1, 2)).var() * answers
    expected = power.design_effect(answers, observers, scans, of_observer, of_scan)
    assert measured == pytest.approx(expected, rel=0.08)


def test_the_smallest_accuracy_is_found_with_the_stated_power():
    effective, level = 200, 1 / 6
    accuracy = power.smallest_accuracy(effective, level)
    random = np.random.default_rng(1)
    found = random.binomial(effective, accuracy, 20_000) / effective
    limit = level + 1.96 * (level * (1 - level) / effective) ** 0.5
    assert (found > limit).mean() == pytest.approx(power.POWER, abs=0.04)


def test_too_few_answers_tell_nothing_from_chance():
    assert power.smallest_accuracy(1, 0.5) is None


def test_more_observers_help_up_to_the_number_of_scans():
    counts = (5, 20, 100, 1000, 100_000)
    found = [item for item in power.powers(10, 20, 6, counts) if item.kind == 'match']
    accuracies = [item.accuracy for item in found]
    assert accuracies == sorted(accuracies, reverse=True)
    limit = 10 / power.ICC_SCAN
    assert [item.effective < limit for item in found] == [True] * len(counts)
    assert found[-1].effective == pytest.approx(limit, rel=0.01)
