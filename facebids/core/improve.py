# SPDX-License-Identifier: Apache-2.0
"""Improve a defacing that is not proven: a deeper region, and the attack again.

The number of attempts is bounded by the depths of the region of the atlas. The region has the
shape of the atlas at every depth, so that nothing of the skin of the subject enters the mask. The
shallowest attempt that is proven is kept, or else the one with the fewest doubts.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from facebids.core.atlas import SHELL_STEPS_MM
from facebids.core.record import Record
from facebids.core.steps import Step
from facebids.core.verdict import judge

# Reasons that a deeper region may resolve.
MENDABLE = frozenset({
    'face_skin_left', 'face_found_after', 'person_recognised_after', 'face_recognised_after',
    'face_recognised_at_place', 'shape_recognised_after',
})  # fmt: skip

Attempt = TypeVar('Attempt')


def describe(record: Record) -> Step:
    """Return what an attempt reached.

    Parameters
    ----------
    record
        What is known of the image after the attempt: mode, registration, screening, mask and
        identifiability.
    """
    mask, found = record.mask, record.identifiability
    if mask is None or found is None:
        raise ValueError('An attempt has a mask, and was attacked.')
    doubts = {
        reason.code
        for reason in judge(record).reasons
        if reason.severity != 'note' and reason.code in MENDABLE
    }
    return Step(
        mask.shell_mm,
        mask.skin_removed_share,
        found.log10_lr,
        found.log10_lr_high,
        tuple(sorted(doubts)),
    )


def improve(
    first: Attempt, attempt: Callable[[float], Attempt], reached: Callable[[Attempt], Step]
) -> tuple[Attempt, tuple[Step, ...]]:
    """Deface with a deeper region until the removal is proven, or no deeper one is left.

    Parameters
    ----------
    first
        The attempt that was made.
    attempt
        Defaces and attacks the image with a region of at least a depth, mm.
    reached
        Describes an attempt (`describe`).

    Returns
    -------
    attempt
        The one to keep.
    steps
        All attempts, in order.
    """
    attempts, steps = [first], [reached(first)]
    while steps[-1].unproven:
        deeper = [shell for shell in SHELL_STEPS_MM if shell > (steps[-1].shell_mm or shell)]
        if not deeper:
            break
        attempts.append(attempt(deeper[0]))
        steps.append(reached(attempts[-1]))
    best = min(range(len(steps)), key=lambda number: len(steps[number].unproven))
    steps[best] = replace(steps[best], kept=True)
    return attempts[best], tuple(steps)
