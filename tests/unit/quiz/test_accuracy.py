# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest

from facebids.quiz.answers import NO_ANSWER, Answer, Observer
from facebids.quiz.scoring import groups, simulate
from facebids.quiz.scoring.accuracy import Trials, cluster_interval, rate, wilson

ANSWER = Answer('o1', 1, 's1', 'before', 'match', True, ('a', 'b', 'c'), 'a', 'a', 5.0)


def answer(**changes):
    return replace(ANSWER, **changes)


@pytest.mark.parametrize(
    ('chosen', 'present', 'correct', 'false_match'),
    [
        ('a', True, True, False),
        ('b', True, False, True),
        (None, True, False, False),
        (None, False, True, False),
        ('b', False, False, True),
        (NO_ANSWER, True, False, False),
        (NO_ANSWER, False, False, False),
    ],
)
def test_what_is_right_and_what_is_a_false_match(chosen, present, correct, false_match):
    item = answer(kind='open', chosen=chosen, present=present)
    assert (item.correct, item.false_match) == (correct, false_match)


def test_chance_is_what_random_answers_give():
    skill = simulate.Skill(0, 0, 0, 0, 0, 0, 0)
    found = simulate.simulate(60, 15, skill, choices=4, seed=3)
    random = np.random.default_rng(0)
    guesses = [
        replace(item, chosen=random.choice([*item.choices, *([None] * (item.kind == 'open'))]))
        for item in found.answers
    ]
    trials = Trials.of(guesses)
    for inside in groups.of_kinds(trials).values():
        assert trials.correct[inside].mean() == pytest.approx(
            trials.chance[inside].mean(), abs=0.04
        )
        false = trials.false_match[inside].mean()
        assert false == pytest.approx(trials.false_chance[inside].mean(), abs=0.04)


def test_the_wilson_interval_is_that_of_the_literature():
    """Newcombe, 1998, Stat. Med. 17:857, table I, method 3."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)


def test_the_bootstrap_interval_is_wider_where_answers_are_clustered():
    observers = np.repeat(np.arange(20), 30)
    scans = np.tile(np.arange(30), 20)
    alike = observers < 10  # half of the observers are always right
    mixed = (observers + scans) % 2 == 0
    low, high = cluster_interval(alike, (observers, scans), 0)
    least, most = cluster_interval(mixed, (observers, scans), 0)
    assert high - low > 0.35
    assert most - least < 0.15
    assert cluster_interval(alike, (observers, scans), 0) == (low, high)


def test_the_bootstrap_interval_covers_the_truth_at_the_nominal_rate():
    """Observers and scans with random effects, of which the mean over all is known."""
    covered = []
    for seed in range(120):
        random = np.random.default_rng(seed)
        odds = random.normal(0, 0.7, (25, 1)) + random.normal(0, 0.7, (1, 25))
        right = random.random((25, 25)) < 1 / (1 + np.exp(-odds))
        observers, scans = np.indices(right.shape)
        low, high = cluster_interval(right.ravel(), (observers.ravel(), scans.ravel()), seed, 400)
        covered.append(low <= 0.5 <= high)  # by symmetry
    assert 0.9 <= np.mean(covered) <= 1


def test_an_interval_of_only_right_answers_has_a_width():
    observers, scans = (item.ravel() for item in np.indices((6, 4)))
    low, high = cluster_interval(np.ones(24, bool), (observers, scans), 0)
    assert high == 1
    assert low == pytest.approx(0.025 ** (1 / 4))
    low, high = cluster_interval(np.zeros(24, bool), (observers, scans), 0)
    assert (low, high) == (0, pytest.approx(1 - 0.025 ** (1 / 4)))


def test_one_observer_has_no_bootstrap_interval():
    share = rate(np.array([True, False]), np.zeros(2, int), np.arange(2), np.full(2, 0.2))
    assert (share.value, share.low, share.high) == (0.5, None, None)
    assert share.wilson_low < 0.5 < share.wilson_high


def test_the_interval_of_a_scan_draws_observers_only():
    share = rate(
        np.arange(20) % 2 == 0, np.arange(20), np.zeros(20, int), np.full(20, 0.2),
        fixed_scans=True,
    )  # fmt: skip
    assert share.scans == 1
    assert share.low < 0.5 < share.high


@pytest.mark.parametrize(
    ('one', 'other', 'expected'),
    [
        ('Black', 'black ', 'same'),
        ('Black', 'White', 'other'),
        (None, 'White', groups.UNKNOWN),
        ('Black', None, groups.UNKNOWN),
        ('', '', groups.UNKNOWN),
    ],
)
def test_ethnicities_are_compared_where_both_are_known(one, other, expected):
    assert groups.same_ethnicity(one, other) == expected


def test_shares_of_groups_count_the_answers_of_their_observers():
    others = [Observer(f'x{number}', 'before', sex='f') for number in range(groups.LEAST - 1)]
    observers = (Observer('o1', 'before', sex='F'), Observer('o2', 'before'), *others)
    answers = (
        answer(),
        answer(number=2, scan='s2', kind='open', chosen=None),
        answer(observer='o2', chosen='b'),
        answer(observer='o2', number=2, scan='s2', chosen='c'),
    )
    found = groups.shares(answers, groupings=groups.levels(answers, observers, {'s1': 'X'}))
    by_sex = groups.find(found, 'before', group='sex')
    assert {level: share.successes for level, share in by_sex.items()} == {
        'F': 1,
        groups.UNKNOWN: 0,
    }
    false = groups.find(found, 'before', group='sex', measure='false_match')
    assert false[groups.UNKNOWN].value == 1
    assert groups.find(found, 'before', 'open')['all'].answers == 1
    by_scan = groups.find(found, 'before', group='scan')
    assert {scan: share.value for scan, share in by_scan.items()} == {'s1': 0.5, 's2': 0}


def test_learning_is_followed_over_parts_of_the_questionnaire():
    numbers = Trials.of([answer(number=number) for number in range(1, 59)])
    parts = groups.blocks(numbers)
    assert [*dict.fromkeys(parts)] == ['01-10', '11-19', '20-29', '30-39', '40-48', '49-58']
    assert parts[9] == '01-10'
    assert parts[10] == '11-19'
    assert [*groups.blocks(Trials.of([ANSWER]))] == ['1-1']
