# SPDX-License-Identifier: Apache-2.0
"""The questions of an observer."""

from collections import Counter
from dataclasses import replace

import make_quiz
import pytest

from facebids.quiz import draw
from facebids.quiz.draw import Question, questions_of

STUDY = make_quiz.plan(scans=6, others=8, choices=4, arms=('before', 'after')).study
OBSERVERS = range(1, 31)


def people(study, question):
    owner = {item.id: item.participant or item.id for item in study.photographs}
    return [owner[id] for id in question.choices]


def participant(study, question):
    return next(scan.participant for scan in study.scans if scan.id == question.scan)


@pytest.mark.parametrize('observer', OBSERVERS)
def test_each_scan_is_asked_once_with_a_certain_match_and_once_open(observer):
    questions = questions_of(STUDY, observer)
    asked = Counter((item.scan, item.kind) for item in questions)
    assert asked == {(scan.id, kind): 1 for scan in STUDY.scans for kind in ('match', 'open')}
    assert [item.number for item in questions] == list(range(1, 13))


@pytest.mark.parametrize('observer', OBSERVERS)
def test_choices_show_each_person_once_and_the_right_one_where_it_is_said(observer):
    for question in questions_of(STUDY, observer):
        shown = people(STUDY, question)
        assert len(shown) == len(set(shown)) == STUDY.choices
        assert (participant(STUDY, question) in shown) == question.present
        assert (question.right in question.choices) == question.present
        assert question.present or question.kind == 'open'


@pytest.mark.parametrize('observer', OBSERVERS)
def test_the_right_photograph_is_absent_from_half_of_the_open_questions(observer):
    questions = [item for item in questions_of(STUDY, observer) if item.kind == 'open']
    assert Counter(item.present for item in questions) == {True: 3, False: 3}


def test_draws_are_reproducible_and_differ_between_observers_and_seeds():
    drawn = [questions_of(STUDY, observer) for observer in OBSERVERS]
    assert drawn == [questions_of(STUDY, observer) for observer in OBSERVERS]
    assert len(set(drawn)) == len(drawn)
    assert questions_of(replace(STUDY, seed=2), 1) != drawn[0]


def test_draws_are_those_of_every_version():
    """Studies under way would otherwise ask some scans twice, and others never."""
    expected = Question(1, 's0', 'before', 'match', ('p5', 'p4', 'p0', 'p11'), True, 'p0')
    assert questions_of(STUDY, 1)[0] == expected
    assert draw.question_of(STUDY, 1, 1) == expected


def test_draws_do_not_depend_on_the_tokens():
    renamed = replace(
        STUDY,
        photographs=tuple(replace(item, id=f'x{item.id}') for item in STUDY.photographs),
    )
    for a, b in zip(questions_of(STUDY, 3), questions_of(renamed, 3), strict=True):
        assert b.choices == tuple(f'x{id}' for id in a.choices)


def test_the_place_of_the_right_photograph_says_nothing():
    places = Counter(
        question.choices.index(question.right)
        for observer in range(1, 201)
        for question in questions_of(STUDY, observer)
        if question.present
    )
    expected = sum(places.values()) / STUDY.choices  # 450, standard deviation 18
    assert all(abs(count - expected) < 90 for count in places.values())
    assert len(places) == STUDY.choices


def test_as_many_observers_see_each_arm():
    arms = [draw.arm_of(STUDY, observer) for observer in range(2, 22)]
    assert Counter(arms) == {'before': 10, 'after': 10}
    assert arms[:10] != arms[10:]
    assert {item.arm for item in questions_of(STUDY, 5)} == {draw.arm_of(STUDY, 5)}


def test_others_of_the_same_sex_and_age_band_come_first():
    known = replace(
        STUDY,
        scans=tuple(replace(scan, sex='male', age=41.0) for scan in STUDY.scans),
        photographs=tuple(
            replace(item, sex='male', age=40.0 + 9 * (number % 2))
            if number % 14 < 7
            else replace(item, sex='female', age=44.0)
            for number, item in enumerate(STUDY.photographs)
        ),
    )
    men = {item.id for item in known.photographs if item.sex == 'male'}
    for observer in OBSERVERS:
        assert all(set(item.choices) <= men for item in questions_of(known, observer))


def test_few_matched_others_are_completed_by_the_nearest():
    (first, *_), photographs = STUDY.scans, STUDY.photographs
    known = replace(
        STUDY,
        scans=tuple(replace(scan, sex='male', age=41.0) for scan in STUDY.scans),
        photographs=(
            *(replace(item, sex='male', age=77.0) for item in photographs[:7]),
            replace(photographs[7], sex='male', age=45.0),
            *(replace(item, sex='female', age=41.0) for item in photographs[8:]),
        ),
    )
    for question in questions_of(known, 1):
        assert photographs[7].id in question.choices
        assert not {item.id for item in photographs[8:]} & set(question.choices)
    assert draw.is_matched(known.scans[0], known.photographs[7])
    assert not draw.is_matched(known.scans[0], known.photographs[0])
    assert not draw.is_matched(first, known.photographs[7])  # unknown


def test_if_scans_are_left_out_none_is_a_second_one_of_a_person():
    twice = replace(
        STUDY,
        scans=(*STUDY.scans, *(replace(scan, id=f'again{scan.id}') for scan in STUDY.scans)),
        questions=2 * len(STUDY.scans),
    )
    for observer in OBSERVERS:
        asked = {item.scan: participant(twice, item) for item in questions_of(twice, observer)}
        assert len(asked) == len(set(asked.values())) == 6


def test_another_photograph_of_the_same_person_is_no_distractor():
    second = tuple(replace(item, id=f'second{item.id}') for item in STUDY.photographs[:6])
    more = replace(STUDY, photographs=(*STUDY.photographs, *second))
    shown = set()
    for observer in OBSERVERS:
        for question in questions_of(more, observer):
            found = people(more, question)
            assert len(found) == len(set(found))
            assert (participant(more, question) in found) == question.present
            shown |= set(question.choices)
    assert {item.id for item in second} <= shown


@pytest.mark.parametrize(
    ('age', 'band'), [(None, None), (39.9, '30-39'), (40, '40-49'), (7, '0-9')]
)
def test_age_bands(age, band):
    assert draw.age_band(age) == band
