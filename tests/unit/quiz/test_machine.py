# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from facebids.core.attack import engines
from facebids.errors import UsageError
from facebids.quiz.answers import NO_ANSWER, Answer
from facebids.quiz.scoring import groups, machine

OWN = {'s1': ['a', 'a2'], 's2': ['a']}
QUESTION = Answer('o1', 1, 's1', 'before', 'open', True, ('a', 'b', 'c'), None, 'a', 5.0)


def question(**changes):
    return replace(QUESTION, **changes)


@pytest.fixture
def toy(monkeypatch):
    """Replace the engines by one that compares brightness, and sees no face in what is black."""

    def enrol(picture):
        return {'mean': np.array(picture.mean())} if picture.any() else None

    def score(probes, gallery):
        return -np.abs(
            np.subtract.outer([p['mean'] for p in probes], [g['mean'] for g in gallery])
        )

    engine = SimpleNamespace(
        NAME='toy', IMPOSTOR_SCORES=(-50.0, 10.0), WEIGHT=1.0, enrol=enrol, score=score,
        enrol_photograph=enrol,
    )  # fmt: skip
    scans_only = SimpleNamespace(
        NAME='scans', IMPOSTOR_SCORES=(0, 1), WEIGHT=1.0, enrol=enrol, score=score
    )
    monkeypatch.setattr(engines, 'engines', lambda: {'toy': engine, 'scans': scans_only})
    return 'toy'


def grey(value):
    return np.full((4, 4, 3), value, np.uint8)


def test_only_engines_that_compare_photographs_can_answer(toy):
    assert machine.usable(['toy', 'toy']) == ('toy',)
    assert machine.usable([]) == ()
    for name in ('scans', 'unknown'):
        with pytest.raises(UsageError, match='Choose from toy'):
            machine.usable([name])


def test_dlib_is_usable_and_the_default():
    assert machine.usable(machine.DEFAULT) == ('dlib',)


def test_pictures_are_compared_through_the_engine(toy):
    renders = {('s1', 'before'): grey(100), ('s2', 'before'): grey(0)}
    scores = machine.compare(toy, renders, {'a': grey(90), 'b': grey(50), 'c': grey(0)})
    assert scores == {('s1', 'before'): {'a': -10.0, 'b': -50.0}, ('s2', 'before'): None}


def test_the_most_similar_photograph_is_chosen_and_none_below_the_threshold(toy):
    scores = {
        ('s1', 'before'): {'a': -1.0, 'b': -60.0, 'c': -70.0},
        ('s2', 'before'): {'a': -2.0, 'b': -65.0, 'c': -75.0},
    }
    questions = [
        question(),
        question(number=2, kind='match', choices=('b', 'c'), right='b'),
        question(number=3, present=False, choices=('b', 'c')),
        question(number=4, scan='s2'),
        question(number=5, scan='s2', present=False, choices=('b', 'c')),
    ]
    made = machine.answer(toy, questions, scores, OWN)
    assert [item.chosen for item in made.answers] == ['a', 'b', None, 'a', None]
    assert all(item.correct for item in made.answers)
    # of s1 from the scores of s2, and the other way round
    assert made.thresholds['before'] == pytest.approx(-(33.5 + 30.5) / 2)


def test_a_render_without_a_face_is_wrong_in_every_question(toy):
    questions = [question(), question(number=2, present=False, choices=('b', 'c'))]
    made = machine.answer(toy, questions, {('s1', 'before'): None}, OWN)
    assert [item.chosen for item in made.answers] == [NO_ANSWER] * 2
    share = groups.find(groups.shares(made.answers, toy), 'before', who=toy)['all']
    assert (share.answers, share.successes) == (2, 0)
    assert made.searches == (machine.Search('s1', 'before', face=False, first=False),)


def test_the_threshold_of_one_scan_alone_is_that_of_the_engine(toy):
    made = machine.answer(toy, [question()], {('s1', 'before'): {'a': -33.0, 'b': -90.0}}, OWN)
    assert made.thresholds == {'before': pytest.approx(-50 + 1.64 * 10)}
    assert made.answers[0].chosen == 'a'


def test_the_answers_about_a_scan_do_not_set_its_own_threshold(toy):
    """Alone, each of the two scans would have a threshold that makes it right."""
    scores = {('s1', 'before'): {'a': -80.0}, ('s2', 'before'): {'b': -10.0}}
    questions = [
        question(choices=('a',)),
        question(number=2, scan='s2', right='c', present=False, choices=('b',)),
    ]
    made = machine.answer(toy, questions, scores, OWN)
    assert not any(item.correct for item in made.answers)


def test_a_search_among_all_photographs_is_right_if_the_first_is_of_the_person(toy):
    scores = {
        ('s1', 'before'): {'a': -5.0, 'z': -1.0},
        ('s1', 'after'): {'a': -5.0, 'z': -9.0, 'a2': -2.0},
    }
    made = machine.answer(toy, [question(), question(arm='after')], scores, OWN)
    assert {item.arm: item.first for item in made.searches} == {'before': False, 'after': True}
    assert made.photographs == 3


@pytest.mark.parametrize('seed', range(20))
def test_the_threshold_is_the_best_of_all(seed):
    random = np.random.default_rng(seed)
    best = random.integers(0, 6, 12).astype(float)  # with ties
    absent = random.random(12) < 0.5
    is_right = ~absent & (random.random(12) < 0.7)

    def right(limit):
        return (np.where(best >= limit, is_right, absent)).sum()

    found = machine.threshold(best, is_right, absent)
    assert right(found) == max(right(limit) for limit in [*(np.arange(8) - 0.5), -np.inf, np.inf])
