# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import mannwhitneyu

from facebids.core.identifiability import verification
from facebids.core.identifiability.pairs import of_matrix
from facebids.core.identifiability.summary import Roc, Similarity
from facebids.core.identifiability.verification import FOLDS, auc, person_folds, roc, similarity

NAN = np.nan


def pairs(seed, genuine=60, impostor=400, ties=False):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(1, 1, genuine), rng.normal(0, 1, impostor)
    return (a.round(), b.round()) if ties else (a, b)


def test_split_keeps_what_is_missing():
    scores = np.array([[1.0, NAN], [3.0, 4.0]])
    genuine, impostor = of_matrix(scores, [1, 2], [1, 2]).split
    np.testing.assert_array_equal(genuine, [1, 4])
    np.testing.assert_array_equal(impostor, [NAN, 3])


@pytest.mark.parametrize('ties', [False, True])
def test_auc_is_the_mann_whitney_statistic(ties):
    genuine, impostor = pairs(1, ties=ties)
    by_hand = (genuine[:, None] > impostor) + (genuine[:, None] == impostor) / 2
    assert auc(genuine, impostor) == pytest.approx(by_hand.mean(), abs=1e-12)
    expected = mannwhitneyu(genuine, impostor).statistic / genuine.size / impostor.size
    assert auc(genuine, impostor) == pytest.approx(expected, abs=1e-12)


def test_auc_of_two_normal_distributions():
    genuine, impostor = pairs(2, 20000, 20000)
    assert auc(genuine, impostor) == pytest.approx(ndtr(1 / np.sqrt(2)), abs=0.01)


@pytest.mark.parametrize(
    ('genuine', 'impostor', 'area'),
    [
        ([2, 3], [0, 1], 1),
        ([0, 1], [2, 3], 0),
        ([1, 1], [1, 1], 0.5),
        ([NAN, 3], [0, 1], 0.5),  # the missing one is below all
        ([NAN], [NAN], 0.5),
        ([2], [NAN, 3], 0.5),
    ],
)
def test_auc_of_few(genuine, impostor, area):
    assert auc(np.array(genuine, float), np.array(impostor, float)) == area


@pytest.mark.parametrize('ties', [False, True])
def test_roc_goes_from_corner_to_corner_and_its_area_is_the_auc(ties):
    genuine, impostor = pairs(3, ties=ties)
    genuine[:5] = NAN
    impostor[:9] = NAN
    curve = roc(genuine, impostor)
    assert (curve.fpr[0], curve.tpr[0]) == (0, 0)
    assert (curve.fpr[-1], curve.tpr[-1]) == (1, 1)
    assert (np.diff(curve.fpr) >= 0).all()
    assert (np.diff(curve.tpr) >= 0).all()
    assert np.trapezoid(curve.tpr, curve.fpr) == pytest.approx(auc(genuine, impostor), abs=1e-12)


def test_roc_has_the_shares_at_a_threshold():
    curve = roc(np.array([1.0, 2, 3, NAN]), np.array([0.0, 1, 2.5, NAN]))
    points = list(zip(curve.fpr, curve.tpr, strict=True))
    at_1 = (2 / 4, 3 / 4)
    assert at_1 in points


def test_a_thinned_roc_keeps_its_ends_and_nearly_its_area():
    samples = pairs(4, 500, 3000)
    thin = roc(*samples, points=101)
    assert len(thin.fpr) <= 101
    assert (thin.fpr[0], thin.tpr[0], thin.fpr[-1], thin.tpr[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(thin.tpr, thin.fpr) == pytest.approx(auc(*samples), abs=2e-3)
    assert roc(*samples, points=10_000) == roc(*samples)


def test_without_one_kind_of_pair_nothing_is_known():
    some, none = np.array([1.0]), np.array([])
    for genuine, impostor in ((some, none), (none, some), (none, none)):
        assert np.isnan(auc(genuine, impostor))
        assert roc(genuine, impostor) == Roc()


def test_the_order_of_pairs_does_not_matter():
    genuine, impostor = pairs(5, ties=True)
    assert roc(genuine, impostor) == roc(genuine[::-1], impostor[::-1])


def test_similarity_leaves_out_what_is_missing():
    intra, inter = similarity(np.array([1.0, 2, 3, 4, 5, NAN]), np.array([NAN]))
    assert intra == Similarity(median=3, q1=2, q3=4)
    assert inter == Similarity()


def same_person_svm(scores, people_a, people_b, seed):
    return verification.same_person_svm(of_matrix(scores, people_a, people_b), seed)


def cohort(seed, people=60, distance=1.0):
    scores = np.random.default_rng(seed).normal(size=(people, people))
    return scores + distance * np.eye(people), np.arange(people), np.arange(people)


def test_svm_on_other_people_reaches_what_the_scores_hold():
    found, reason = same_person_svm(*cohort(6, 300, distance=2.0), seed=1)
    assert reason is None
    assert found.auc == pytest.approx(ndtr(2 / np.sqrt(2)), abs=0.03)
    assert found.accuracy == pytest.approx(ndtr(1), abs=0.04)  # the best threshold: half way
    assert 0 < found.auc_sd < 0.1


def test_svm_on_noise_is_at_chance():
    figures = [same_person_svm(*cohort(seed, distance=0), seed)[0] for seed in range(20)]
    for name in ('auc', 'accuracy'):
        assert np.mean([getattr(found, name) for found in figures]) == pytest.approx(0.5, abs=0.05)


def test_svm_calls_a_pair_without_score_two_people():
    scores, a, b = cohort(7, 50, distance=20.0)
    all_there = same_person_svm(scores, a, b, 1)[0]
    assert (all_there.auc, all_there.accuracy) == (1, 1)
    scores[np.diag_indices(50)] = np.where(np.arange(50) % 2, np.diag(scores), NAN)
    half = same_person_svm(scores, a, b, 1)[0]
    assert half.accuracy == pytest.approx(0.75, abs=0.02)
    assert half.auc < 0.6


def habits(seed, people=10, scans=3):
    """Noise in which each pair of people has a score of its own, in all of their scans."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), scans)
    own = rng.normal(size=(people, people))
    noise = 0.01 * rng.normal(size=(len(labels), len(labels)))
    return own[np.ix_(labels, labels)] + noise, labels


def leaking_auc(scores, labels, seed):
    """Mean AUC of the same machine where pairs, not people, are dealt to the folds."""
    from sklearn.model_selection import StratifiedKFold
    from sklearn.svm import LinearSVC

    same = (labels[:, None] == labels).ravel()
    scores = scores.reshape(-1, 1)
    areas = []
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(scores, same):
        machine = LinearSVC(dual=False, class_weight='balanced').fit(scores[train], same[train])
        decisions = machine.decision_function(scores[test])
        areas.append(auc(decisions[same[test]], decisions[~same[test]]))
    return np.mean(areas)


def test_what_is_learned_of_people_is_not_tested_on_them():
    """Here nothing tells one person from two, but pairs of the same people repeat themselves."""
    cohorts = [habits(seed) for seed in range(60)]
    leaking = [leaking_auc(*cohort, seed) for seed, cohort in enumerate(cohorts)]
    grouped = [
        same_person_svm(scores, labels, labels, seed)[0].auc
        for seed, (scores, labels) in enumerate(cohorts)
    ]
    assert np.mean(leaking) > 0.54
    assert np.mean(grouped) < 0.51


def test_nobody_is_trained_on_and_tested():
    rng = np.random.default_rng(8)
    a, b = rng.integers(0, 40, 90), rng.integers(20, 70, 70)
    same = a[:, None] == b
    tested = []
    shape = same.shape
    for folds in person_folds(of_matrix(np.zeros(shape), a, b), seed=3):
        train, test = (fold.reshape(shape) for fold in folds)
        trained = {*a[train.any(axis=1)], *b[train.any(axis=0)]}
        tested.append({*a[test.any(axis=1)], *b[test.any(axis=0)]})
        assert not trained & tested[-1]
        assert same[train].any()
        assert same[test].any()
        assert len(tested[-1] & {*a} & {*b}) in (2, 3)  # of 13
    assert set.union(*tested) == {*a, *b}
    assert sum(map(len, tested)) == len({*a, *b})


def test_svm_depends_on_its_seed_alone():
    scores, a, b = cohort(9)
    assert same_person_svm(scores, a, b, 1) == same_person_svm(scores, a, b, 1)
    assert same_person_svm(scores, a, b, 1) != same_person_svm(scores, a, b, 2)
    names = np.array([f'sub-{i:02}' for i in a])
    assert same_person_svm(scores, names, names, 1) == same_person_svm(scores, a, b, 1)


def test_svm_says_why_it_has_no_result():
    few = cohort(10, 9)
    assert same_person_svm(*few, 1) == (
        None,
        'The SVM needs 10 participants, 5 of them with a genuine pair; there are 9 and 9.',
    )
    scores, a, b = cohort(11, 20)
    strangers, reason = same_person_svm(scores, a, b + 100, 1)
    assert strangers is None
    assert 'there are 40 and 0' in reason
    scores[np.diag_indices(20)] = NAN
    unscored, reason = same_person_svm(scores, a, b, 1)
    assert unscored is None
    assert 'too few pairs with a score' in reason
    assert same_person_svm(np.empty((0, 0)), [], [], 1)[0] is None


def test_svm_of_equal_scores_is_chance():
    found, _ = same_person_svm(np.ones((20, 20)), np.arange(20), np.arange(20), 1)
    assert (found.auc, found.accuracy) == (0.5, 0.5)
