# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from facebids.quiz.scoring import simulate
from facebids.quiz.scoring.accuracy import Trials
from facebids.quiz.scoring.groups import of_kinds


def test_every_observer_has_two_questions_about_every_scan():
    found = simulate.simulate(7, 5, seed=1)
    assert len(found.observers) == 7
    assert len(found.answers) == 7 * 10
    for person in found.observers:
        mine = [item for item in found.answers if item.observer == person.id]
        assert sorted(item.number for item in mine) == list(range(1, 11))
        assert len({(item.scan, item.kind) for item in mine}) == 10
    for item in found.answers:
        assert (item.right in item.choices) == item.present
        assert item.chosen in (*item.choices, *([None] * (item.kind == 'open')))


def test_the_accuracy_is_that_of_the_skill():
    skill = simulate.Skill(match=2.0, open=-2.0, same_ethnicity=0, learning=0, observer_sd=0,
                           scan_sd=0)  # fmt: skip
    trials = Trials.of(simulate.simulate(80, 20, skill, seed=0).answers)
    kinds = of_kinds(trials)
    expected = 1 / (1 + np.exp(-2))
    assert trials.correct[kinds['match']].mean() == pytest.approx(expected, abs=0.02)
    assert trials.correct[kinds['open']].mean() == pytest.approx(0.5, abs=0.03)


def test_the_defaults_are_about_as_good_as_the_observers_of_s1():
    trials = Trials.of(simulate.simulate(149, 29, seed=0).answers)
    kinds = of_kinds(trials)
    assert trials.correct[kinds['match']].mean() == pytest.approx(0.88, abs=0.04)
    assert trials.correct[kinds['open']].mean() == pytest.approx(0.5, abs=0.06)


def test_the_same_seed_gives_the_same_answers():
    assert simulate.simulate(3, 4, seed=5) == simulate.simulate(3, 4, seed=5)
    assert simulate.simulate(3, 4, seed=5) != simulate.simulate(3, 4, seed=6)


@pytest.mark.parametrize('right', ['a', 'z'])
def test_an_observer_without_error_is_right_and_one_without_skill_is_wrong(right):
    random = np.random.default_rng(0)
    what = {'kind': 'open', 'choices': ('a', 'b'), 'right': right}
    truth = 'a' if right == 'a' else None
    assert {simulate.choose(random, 1.0, **what) for _ in range(20)} == {truth}
    wrong = {simulate.choose(random, 0.0, **what) for _ in range(50)}
    assert wrong == {'a', 'b', None} - {truth}
