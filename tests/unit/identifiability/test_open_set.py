# SPDX-License-Identifier: Apache-2.0
import numpy as np

from facebids.core.identifiability import open_set
from facebids.core.identifiability.ranking import best, mate_ranks

NAN = np.nan
# Mate first; mate behind a stranger; mate without score; nobody's mate; nothing found.
SCORES = np.array(
    [[0.9, 0.5, 0.1], [0.8, 0.7, 0.1], [0.3, 0.2, NAN], [0.6, 0.1, 0.2], [NAN, NAN, NAN]]
)
MATES = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0], [1, 0, 0]], dtype=bool)


def true_positives(scores, mates, *limits):
    return open_set.true_positives(best(scores, mates), mate_ranks(scores, mates), *limits)


def false_positives(scores, mates, threshold):
    return open_set.false_positives(best(scores, ~mates), (~mates).sum(axis=1), threshold)


def test_a_true_positive_is_first_and_reaches_the_threshold():
    np.testing.assert_array_equal(true_positives(SCORES, MATES, 0.5), [1, 0, 0, NAN, 0])
    np.testing.assert_array_equal(true_positives(SCORES, MATES, 0.5, 2), [1, 1, 0, NAN, 0])
    np.testing.assert_array_equal(true_positives(SCORES, MATES, 0.9), [1, 0, 0, NAN, 0])
    np.testing.assert_array_equal(true_positives(SCORES, MATES, 0.91), [0, 0, 0, NAN, 0])


def test_a_false_positive_is_anybody_else_at_the_threshold():
    np.testing.assert_array_equal(false_positives(SCORES, MATES, 0.5), [1, 1, 0, 1, 0])
    np.testing.assert_array_equal(false_positives(SCORES, MATES, 0.6), [0, 1, 0, 1, 0])
    np.testing.assert_array_equal(false_positives(SCORES, MATES, -np.inf)[:4], [1, 1, 1, 1])


def test_nobody_else_in_the_gallery():
    own = np.ones((2, 1), dtype=bool)
    assert np.isnan(false_positives(np.ones((2, 1)), own, 0)).all()
    assert true_positives(np.ones((2, 1)), own, 0).tolist() == [1, 1]
    assert np.isnan(false_positives(np.empty((2, 0)), np.empty((2, 0), bool), 0)).all()


def test_without_threshold_the_closed_set_remains():
    rng = np.random.default_rng(1)
    scores, mates = rng.normal(size=(50, 50)), np.eye(50, dtype=bool)
    found = true_positives(scores, mates, -np.inf)
    np.testing.assert_array_equal(found, mate_ranks(scores, mates) == 1)


def test_rates_of_a_known_distribution():
    """Of 20 uniform scores the best lies above t with probability 1 - t ** 20."""
    scores = np.random.default_rng(2).random((5000, 21))
    mates = np.arange(21) == np.zeros((5000, 1))
    rate = false_positives(scores, mates, 0.95).mean()
    np.testing.assert_allclose(rate, 1 - 0.95**20, atol=0.02)
    # a mate above t is best with the mean of s ** 20 over s from t to 1
    rate = true_positives(scores, mates, 0.95).mean()
    np.testing.assert_allclose(rate, (1 - 0.95**21) / 21, atol=0.006)


def test_rates_fall_as_the_threshold_rises():
    rng = np.random.default_rng(3)
    scores, mates = rng.normal(size=(40, 30)), rng.random((40, 30)) < 0.03
    scores[rng.random(scores.shape) < 0.2] = NAN
    thresholds = np.linspace(-3, 3, 25)
    for rates in (true_positives, false_positives):
        values = [np.nanmean(rates(scores, mates, threshold)) for threshold in thresholds]
        assert (np.diff(values) <= 0).all()


def test_order_of_the_gallery_does_not_matter():
    order = [2, 0, 1]
    for rates in (true_positives, false_positives):
        changed = rates(SCORES[:, order], MATES[:, order], 0.5)
        np.testing.assert_array_equal(rates(SCORES, MATES, 0.5), changed)
