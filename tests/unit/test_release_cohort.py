# SPDX-License-Identifier: Apache-2.0
"""Whether people can be told from each other after defacing."""

import pytest

from facebids.release import cohort
from facebids.studies.results import Outcome, Results


def outcome(rank1, people=52, condition='after', auc=0.5, auc_low=0.4):
    summary = {
        'rank1': rank1, 'people': people, 'people_with_mates': people, 'auc': auc,
        'auc_low': auc_low,
    }  # fmt: skip
    return Outcome('scans', 'key', 'title', condition, 'T1w', 'T1w', 'fused', people, 0, summary)


def check(*outcomes):
    return cohort.check(Results(outcomes=outcomes))


@pytest.mark.parametrize('hits', [0, 1, 3])
def test_a_few_hits_are_chance(hits):
    (found,) = check(outcome(hits / 52))
    assert found.at_chance
    assert found.low <= 1 / 52 <= found.high or hits == 0
    assert cohort.objections([found]) == []


@pytest.mark.parametrize('hits', [6, 26, 52])
def test_many_hits_are_none(hits):
    (found,) = check(outcome(hits / 52))
    assert not found.at_chance
    assert 'fused' in cohort.objections([found])[0]


def test_two_people_cannot_show_more_than_chance():
    (found,) = check(outcome(1.0, people=2, auc=1.0, auc_low=None))
    assert found.at_chance


def test_people_who_are_likelier_than_strangers_are_told_from_them():
    """Nobody comes first, and yet the right person is among the first."""
    (found,) = check(outcome(0.0, auc=0.8, auc_low=0.7))
    assert not found.at_chance


def test_before_defacing_everybody_may_be_recognised():
    assert check(outcome(1.0, condition='before'), outcome(1.0, condition='control')) == ()


def test_what_could_not_be_compared_is_no_comparison():
    assert check(outcome(None)) == ()


def test_several_comparisons_share_the_confidence():
    alone = check(outcome(4 / 52))[0]
    together = check(*[outcome(4 / 52)] * 10)[0]
    assert together.low < alone.low < alone.high < together.high
