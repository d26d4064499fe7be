# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import make
import pytest

from facebids.core import improve
from facebids.core.atlas import SHELL_STEPS_MM
from facebids.core.steps import Step


def step(shell, *unproven):
    return Step(shell, 0.99, 0.0, 0.5, unproven)


def improved(*steps):
    """Improve an attempt, given what each depth reaches; return the depths that were tried."""
    by_depth = {each.shell_mm: each for each in steps}
    tried = []

    def attempt(shell):
        tried.append(shell)
        return by_depth[shell]

    kept, found = improve.improve(steps[0], attempt, lambda each: each)
    assert [each.kept for each in found].count(True) == 1
    assert replace(kept, kept=True) == next(each for each in found if each.kept)
    return kept.shell_mm, tried, found


def test_what_is_proven_is_not_tried_again():
    kept, tried, found = improved(step(11.0))
    assert (kept, tried, len(found)) == (11.0, [], 1)


def test_the_shallowest_proven_attempt_is_kept():
    steps = step(11.0, 'face_skin_left'), step(14.0), step(17.0)
    kept, tried, found = improved(*steps)
    assert (kept, tried) == (14.0, [14.0])
    assert [each.unproven for each in found] == [('face_skin_left',), ()]


def test_attempts_end_with_the_deepest_region_and_the_fewest_doubts_win():
    one, two = ('face_skin_left',), ('face_skin_left', 'person_recognised_after')
    kept, tried, _ = improved(step(11.0, *two), step(14.0, *one), step(17.0, *one))
    assert (kept, tried) == (14.0, [14.0, 17.0])
    assert len(SHELL_STEPS_MM) == 3


def test_an_image_that_is_kept_unchanged_has_one_attempt():
    kept, tried, _ = improved(step(None, 'face_skin_left'))
    assert (kept, tried) == (None, [])


@pytest.mark.parametrize(
    ('mask', 'seen', 'expected'),
    [
        ({}, {}, ()),
        ({'skin_removed_share': 0.93}, {}, ('face_skin_left',)),
        ({}, {'log10_lr': 1.2, 'log10_lr_high': 1.3}, ('person_recognised_after',)),
        ({'guard_cost_ml': 30.0}, {}, ()),
    ],
)
def test_only_what_a_deeper_region_resolves_counts(mask, seen, expected):
    record = make.image_record(mask=mask, identifiability=seen)
    found = improve.describe(record)
    assert found.unproven == expected
    assert found.skin_removed_share == record.mask.skin_removed_share
