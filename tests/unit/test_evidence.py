# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest

from facebids.core.attack import evidence
from facebids.core.attack.attacker import AttackResult
from facebids.core.attack.decoys import Panel
from facebids.core.attack.engines import geometry
from facebids.core.attack.recognition import Recognition
from facebids.core.record import FaceSeen

NAMES = np.array(['random01', 'random02', 'frontal'])
CELLS = int(geometry.cells().sum())
NO_SHAPE, SHAPE = np.full(CELLS, np.nan, np.float32), np.zeros(CELLS, np.float32)


def recognition(*values):
    """Return one face per value, the first coordinate of its embedding; None without a face."""
    embeddings = np.full((len(values), 128), np.nan)
    for view, value in enumerate(values):
        if value is not None:
            embeddings[view] = 0
            embeddings[view, 0] = value
    found = np.array([value is not None for value in values])
    empty = np.zeros(len(values))
    return Recognition(NAMES, found, empty, empty, empty, embeddings)


def attacked(*values, known=None, shape=SHAPE):
    """Return the attack that saw these faces, and others at the known place."""
    place = None if known is None else recognition(*known).embeddings
    faces = {'geometry': {'relief': shape}}
    return AttackResult(np.empty((3, 0)), np.eye(4), 2, recognition(*values), faces, place)


def test_distances_and_counts():
    before, after = attacked(0.0, 0.3, 0.1), attacked(None, 1.0, None, known=(0.5, 1.3, 0.0))
    found = evidence.compare(before, after, None, seed=3)
    assert (found.views, found.faces_before, found.faces_after) == (2, 2, 1)
    assert found.distance_within_before == pytest.approx(0.3)
    assert found.distance_before_after == pytest.approx((1.0 + 0.7 + 0.9) / 3)
    assert found.distance_before_after_min == pytest.approx(0.7)
    assert found.distance_at_known_place == pytest.approx((0.5 + 1.0) / 2)
    assert found.named == {'frontal': FaceSeen(before=True, after=False)}
    assert (found.agreement_before_after, found.shape_in_view_before) == (1, 1)
    assert (found.seed, found.volumes) == (3, 2)
    assert (found.log10_lr, found.log10_lr_before, found.engines) == (None, None, {})


def test_undefined_numbers_are_none():
    nothing = attacked(None, None, None, known=(None, None, None), shape=NO_SHAPE)
    found = evidence.compare(nothing, nothing, None, seed=0)
    assert found.distance_before_after is None
    assert found.distance_before_after_min is None
    assert found.distance_within_before is None
    assert found.distance_at_known_place is None
    assert found.agreement_before_after is None
    assert (found.faces_after, found.shape_in_view_before) == (0, 0)


def test_certain_faces_are_counted_separately():
    before = attacked(0.0, 0.1, 0.2)
    certain = dataclasses.replace(before.recognition, score=np.array([1.2, 0.3, 2.0]))
    before = dataclasses.replace(before, recognition=certain)
    after = attacked(None, None, None, known=(None, None, None))
    found = evidence.compare(before, after, None, seed=0)
    assert found.faces_before == 2
    assert found.faces_certain_before == 1  # the named view does not count
    assert found.faces_certain_after == 0


def test_the_second_attack_has_to_know_the_first():
    with pytest.raises(ValueError, match='original'):
        evidence.compare(attacked(0.0, 0.1, 0.2), attacked(0.0, 0.1, 0.2), None, seed=0)


def test_the_strength_of_evidence_is_measured_against_decoys():
    rng = np.random.default_rng(0)
    own, *others = ({'geometry': {'relief': rng.normal(0, 2, CELLS)}} for _ in range(9))
    panel = Panel(own, own, tuple(others))
    before = attacked(0.0, 0.1, 0.2, shape=own['geometry']['relief'])
    known = {'known': (0.5, 1.3, 0.0)}
    for shape, kept in ((own['geometry']['relief'], True), (rng.normal(0, 2, CELLS), False)):
        found = evidence.compare(
            before, attacked(None, None, None, shape=shape, **known), panel, 0
        )
        assert (found.log10_lr > 1) == kept
        assert found.log10_lr_low <= found.log10_lr <= found.log10_lr_high
        assert found.log10_lr_before > 1
        assert set(found.engines) == {'geometry'}
        assert (found.engines['geometry'].after > 3) == kept
        assert found.decoy_p >= 1 / 9
