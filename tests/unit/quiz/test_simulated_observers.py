# SPDX-License-Identifier: Apache-2.0
import json

import make_quiz
import pytest
import quiz_observers

from facebids.quiz.database import answers_of, url_of
from facebids.quiz.scoring.simulate import Skill


def test_observers_who_never_err_are_right_in_every_answer_over_http(tmp_path, monkeypatch):
    """So they read from the pages what was asked, and the database holds what they answered."""
    quiz = make_quiz.write(tmp_path / 'quiz', scans=3, others=4, choices=4)
    monkeypatch.setattr(quiz_observers, 'SKILL', Skill(match=60, open=0, observer_sd=0, scan_sd=0))
    quiz_observers.take_part(quiz, observers=4, seed=0)
    people, answers = answers_of(url_of(quiz))
    assert len(people) == 4
    assert {item.ethnicity for item in people} <= {'A', 'B'}
    assert len({(item.observer, item.number) for item in answers}) == 4 * 6
    assert {item.kind for item in answers} == {'match', 'open'}
    assert {item.present for item in answers} == {True, False}
    assert all(item.correct for item in answers)


@pytest.mark.parametrize(('low', 'expected'), [(1.5, True), (2.5, False)])
def test_the_comparison_fails_where_the_skill_is_outside_its_interval(
    tmp_path, capsys, low, expected
):
    effect = {'effect': 'intercept', 'log_odds': low + 0.5, 'low': low, 'high': low + 1}
    (tmp_path / 'results.json').write_text(json.dumps({'mixed_model': {'effects': [effect]}}))
    assert quiz_observers.compare(tmp_path) is expected
    assert ('NO' in capsys.readouterr().out) is not expected
