# SPDX-License-Identifier: Apache-2.0
"""Whether participants are recognised after defacing more often than by chance."""

from dataclasses import replace

import pytest

from facebids.release import cohort
from facebids.studies.results import Estimate, Outcome, Results, Summary


def outcome(rank1, people=52, condition='after', auc=0.5, auc_low=0.4, chance=None):
    summary = Summary(
        people=people,
        probes=people,
        gallery_size=people,
        chance=chance or 1 / people,
        people_with_mates=people,
        rank1=Estimate(rank1),
        auc=Estimate(auc, auc_low),
    )
    return Outcome('scans', 'key', 'title', condition, 'T1w', 'T1w', 'fused', summary)


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


def test_what_to_do_is_said_once():
    (found,) = check(outcome(0.5))
    first, last = cohort.objections([found, found])
    assert last == f'{first} {cohort.REMEDY}'


def test_two_participants_cannot_be_above_chance():
    (found,) = check(outcome(1.0, people=2, auc=1.0, auc_low=None))
    assert found.at_chance


def test_the_chance_level_is_that_of_the_gallery():
    """Whatever the number of probes."""
    (lenient,) = check(outcome(0.3, people=10, chance=0.10))
    (strict,) = check(outcome(0.3, people=10, chance=0.02))
    assert (lenient.at_chance, strict.at_chance) == (True, False)
    assert strict.chance == 0.02
    (allowed,) = check(outcome(0.2, people=50, chance=0.20))
    assert allowed.at_chance
    assert not check(outcome(0.2, people=50, chance=0.02))[0].at_chance


def test_a_high_auc_is_above_chance():
    """Nobody is at rank 1, but genuine pairs score higher than impostor pairs."""
    (found,) = check(outcome(0.0, auc=0.8, auc_low=0.7))
    assert not found.at_chance


def test_results_before_defacing_are_not_checked():
    assert check(outcome(1.0, condition='before'), outcome(1.0, condition='control')) == ()


def test_a_comparison_without_rank1_is_not_checked():
    assert check(outcome(None)) == ()


def test_several_comparisons_share_the_confidence():
    alone = check(outcome(4 / 52))[0]
    together = check(*[outcome(4 / 52)] * 10)[0]
    assert together.low < alone.low < alone.high < together.high


def test_single_views_do_not_widen_the_intervals_of_other_comparisons():
    alone = check(outcome(4 / 52))[0]
    views = [replace(outcome(4 / 52), study='S3')] * 17
    among, *others = check(outcome(4 / 52), *views)
    assert (among.low, among.high) == (alone.low, alone.high)
    assert all(item.low < alone.low for item in others)
