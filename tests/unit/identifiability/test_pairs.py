# SPDX-License-Identifier: Apache-2.0
"""Drawn pairs stand for all of them, with an error that is stated."""

import numpy as np
import pytest

from facebids.core.identifiability import pairs
from facebids.core.identifiability.evaluation import evaluate, summarise
from facebids.core.identifiability.pairs import Sides, of_matrix
from facebids.core.identifiability.searches import gather
from facebids.core.identifiability.verification import auc

PEOPLE = 300


def cohort(seed=1, distance=1.5):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(PEOPLE, PEOPLE)) + rng.normal(size=(PEOPLE, 1)) / 2
    return scores + distance * np.eye(PEOPLE), np.arange(PEOPLE)


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(pairs, 'MOST_PAIRS', 9000)


def test_all_pairs_are_taken_as_long_as_they_are_few():
    scores, people = cohort()
    found = of_matrix(scores, people, people)
    np.testing.assert_array_equal(found.scores, scores.ravel())
    assert found.error == 0


def test_people_are_numbered_in_the_order_of_their_labels():
    sides = Sides.of(['b', 'c', 'b'], ['c', 'a'])
    assert (sides.probes.tolist(), sides.gallery.tolist()) == ([1, 2, 1], [2, 0])
    row, column = sides.mates(1, 3)
    assert (row.tolist(), column.tolist()) == ([0], [0])
    assert sides.impostors == 5


def test_every_genuine_pair_is_kept_and_others_are_drawn(few):
    scores, people = cohort()
    found = of_matrix(scores, people, people)
    genuine, impostor = found.split
    np.testing.assert_array_equal(genuine, np.diag(scores))
    assert 8000 < len(impostor) <= 9000
    np.testing.assert_array_equal(found.scores, scores[found.row, found.column])
    flat = found.row * PEOPLE + found.column
    assert (np.diff(flat) > 0).all()  # none twice
    assert not found.same[found.row != found.column].any()


def test_the_seed_decides_what_is_drawn(few):
    scores, people = cohort()
    one, same, other = (of_matrix(scores, people, people, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.scores, same.scores)
    assert not np.array_equal(one.row, other.row)


def test_the_stated_error_holds(few):
    """Of the share of impostor scores above each threshold, and of the area under the curve."""
    scores, people = cohort()
    everyone = np.sort(scores[~np.eye(PEOPLE, dtype=bool)])
    held = []
    for seed in range(40):
        found = of_matrix(scores, people, people, seed)
        genuine, impostor = found.split
        assert found.error < 0.016
        share = np.searchsorted(np.sort(impostor), everyone) / len(impostor)
        worst = np.abs(share - np.arange(len(everyone)) / len(everyone)).max()
        gap = abs(auc(genuine, impostor) - auc(genuine, everyone))
        assert gap <= worst
        held.append(worst <= found.error)
    assert np.mean(held) >= 0.95


def test_searches_are_those_of_all_and_the_summary_says_what_is_drawn(few, monkeypatch):
    scores, people = cohort()
    options = {'seed': 1, 'thresholds': (2.0,), 'count': 100}
    drawn = evaluate(gather(scores, 0, Sides.of(people, people), 1), **options)
    monkeypatch.setattr(pairs, 'MOST_PAIRS', PEOPLE**2)
    whole = summarise(scores, people, people, **options)
    for name in ('rank1', 'rank5', 'cmc', 'open_set', 'missing', 'chance', 'people'):
        assert getattr(drawn, name) == getattr(whole, name)
    assert drawn.intra == whole.intra
    assert drawn.auc.value == pytest.approx(whole.auc.value, abs=0.0155)
    assert drawn.evidence.cllr == pytest.approx(whole.evidence.cllr, abs=0.05)
    assert drawn.svm.auc == pytest.approx(whole.svm.auc, abs=0.05)
    for one, other in zip(drawn.larger_galleries[:3], whole.larger_galleries, strict=False):
        assert one.rank1.value == pytest.approx(other.rank1.value, abs=0.05)
    assert not any('drawn' in reason for reason in whole.reasons)
    (reason,) = (reason for reason in drawn.reasons if 'drawn' in reason)
    assert 'of 89,700 impostor pairs' in reason
    assert '1.4' in reason
