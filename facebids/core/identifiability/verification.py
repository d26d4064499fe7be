# SPDX-License-Identifier: Apache-2.0
"""Verification: whether two scans show the same person.

A *genuine* pair shows one person, an *impostor* pair two. Terms as in ISO/IEC 19795-1:2021. A
missing score (NaN) counts as lower than every number and is left out of the similarity.
"""

from collections.abc import Callable, Iterator

import numpy as np
from scipy.special import ndtri

from facebids.core.arrays import BoolArray, FloatArray, IntArray
from facebids.core.identifiability.pairs import Pairs, ascending, lowest
from facebids.core.identifiability.summary import Det, Roc, Similarity, Svm

FOLDS = 5
LEAST_RATE = 1e-4  # to which normal deviates are cut off


def auc(genuine: FloatArray, impostor: FloatArray) -> float:
    """Return the probability that a genuine pair scores higher than an impostor pair.

    Ties count half.

    The Mann-Whitney statistic, which is the area under the ROC curve (Hanley & McNeil, 1982,
    Radiology 143:29).

    Parameters
    ----------
    genuine, impostor : ndarray, 1-D
        NaN counts as lower than every number.

    Returns
    -------
    float
        NaN where one of them is empty.
    """
    if not genuine.size or not impostor.size:
        return np.nan
    genuine, impostor = lowest(genuine), ascending(lowest(impostor))
    below = np.searchsorted(impostor, genuine, 'left')
    not_above = np.searchsorted(impostor, genuine, 'right')
    return float((below + not_above).mean() / 2 / len(impostor))


def roc(genuine: FloatArray, impostor: FloatArray, points: int | None = None) -> Roc:
    """Return the shares of pairs accepted as genuine, at every threshold that changes them.

    Parameters
    ----------
    genuine, impostor : ndarray, 1-D
        NaN counts as lower than every number.
    points : int or None
        Keep at most so many points, evenly spread along the curve; None keeps all.
    """
    if not genuine.size or not impostor.size:
        return Roc()
    genuine, impostor = lowest(genuine), lowest(impostor)
    thresholds = np.unique(np.concatenate([genuine, impostor]))[::-1]

    def share(scores: FloatArray) -> FloatArray:
        above = len(scores) - np.searchsorted(ascending(scores), thresholds)
        return np.concatenate([[0.0], above / len(scores)])

    fpr, tpr = share(impostor), share(genuine)
    if points is not None and len(fpr) > points:
        kept = np.unique(np.searchsorted(fpr + tpr, np.linspace(0, 2, points)))
        fpr, tpr = fpr[kept], tpr[kept]
    return Roc(tuple(fpr.tolist()), tuple(tpr.tolist()))


def det(genuine: FloatArray, impostor: FloatArray, points: int) -> Det:
    """Return the error rates of the ROC, spaced evenly on normal deviate axes.

    Detection error tradeoff (Martin, Doddington, Kamm, Ordowski & Przybocki, 1997, Proc.
    Eurospeech, 1895).

    Parameters
    ----------
    genuine, impostor : ndarray, 1-D
        NaN counts as lower than every number.
    points : int
        Keep at most so many points.
    """
    curve = roc(genuine, impostor)
    if not curve.fpr:
        return Det()
    fmr, fnmr = np.array(curve.fpr), 1 - np.array(curve.tpr)
    ends = [np.clip(rate, LEAST_RATE, 1 - LEAST_RATE) for rate in (fmr, fnmr)]
    along = ndtri(ends[0]) - ndtri(ends[1])
    kept = np.unique(np.searchsorted(along, np.linspace(along[0], along[-1], points)))
    return Det(tuple(fmr[kept].tolist()), tuple(fnmr[kept].tolist()))


def similarity(genuine: FloatArray, impostor: FloatArray) -> tuple[Similarity, Similarity]:
    """Return the quartiles of the scores of genuine and of impostor pairs.

    Parameters
    ----------
    genuine, impostor : ndarray, 1-D
        Missing scores are left out.
    """
    return _quartiles(genuine), _quartiles(impostor)


def _quartiles(scores: FloatArray) -> Similarity:
    known = scores[np.isfinite(scores)]
    if not known.size:
        return Similarity()
    q1, median, q3 = np.quantile(known, [0.25, 0.5, 0.75]).tolist()
    return Similarity(median, q1, q3)


def same_person_svm(pairs: Pairs, seed: int) -> tuple[Svm | None, str | None]:
    """Classify pairs as genuine or impostor by their score, cross-validated over participants.

    A linear support vector machine, five folds. People are assigned to the folds, not pairs: a
    pair is a test pair of the fold that holds both of its people and a training pair of the folds
    that hold neither; in the other folds it is not used. Otherwise the test pairs would be of
    people in the training pairs. Genuine pairs are few, so both classes have the same weight and
    the accuracy is balanced (the mean of the accuracies of the two classes): the chance level is
    0.5.

    Pairs without a score are left out of the training. In the test they are classified as
    impostor pairs, with a decision value below all others.

    Parameters
    ----------
    pairs : Pairs
    seed : int
        Random seed of the assignment to folds.

    Returns
    -------
    result : Svm or None
    reason : str or None
        Why there is no result.
    """
    people, matched = people_of(pairs)
    if len(matched) < FOLDS or len(people) < 2 * FOLDS:
        return None, (
            f'The SVM needs {2 * FOLDS} participants, {FOLDS} of them with a genuine pair; '
            f'there are {len(people)} and {len(matched)}.'
        )
    scores, same = pairs.scores, pairs.same
    figures = []
    for train, test in person_folds(pairs, seed):
        train = train & ~np.isnan(scores)
        if len(np.unique(same[train])) < 2:
            return None, 'The SVM has too few pairs with a score to train on.'
        decide = _train_svm(scores[train], same[train])
        figures.append(_test_svm(decide(scores[test]), same[test]))
    means, deviations = np.mean(figures, axis=0), np.std(figures, axis=0, ddof=1)
    return Svm(
        auc=float(means[0]),
        auc_sd=float(deviations[0]),
        accuracy=float(means[1]),
        accuracy_sd=float(deviations[1]),
    ), None


def people_of(pairs: Pairs) -> tuple[IntArray, IntArray]:
    """Return the numbers of all people of a comparison, and of those with a genuine pair."""
    sides = pairs.sides.probes, pairs.sides.gallery
    return np.union1d(*sides), np.intersect1d(*sides)


def person_folds(pairs: Pairs, seed: int) -> Iterator[tuple[BoolArray, BoolArray]]:
    """Assign people to five folds, and pairs accordingly.

    People with a genuine pair are assigned first, so that each fold has its share of them.

    Parameters
    ----------
    pairs : Pairs
    seed : int

    Yields
    ------
    train, test : ndarray of bool, shape (n,)
        Pairs of which neither person, and of which both people, are in this fold.
    """
    people, matched = people_of(pairs)
    first = np.isin(people, matched)
    shuffled = np.random.default_rng(seed).permutation(len(people))
    order = shuffled[np.argsort(~first[shuffled], kind='stable')]
    folds = np.empty(len(people), dtype=int)
    folds[order] = np.arange(len(people)) % FOLDS
    fold_a, fold_b = (folds[np.searchsorted(people, side)] for side in pairs.people)
    for fold in range(FOLDS):
        yield (fold_a != fold) & (fold_b != fold), (fold_a == fold) & (fold_b == fold)


def _train_svm(scores: FloatArray, same: BoolArray) -> Callable[[FloatArray], FloatArray]:
    """Fit on pairs with a score; return a function from scores to decision values."""
    from sklearn.svm import LinearSVC

    centre, spread = scores.mean(), scores.std() or 1.0
    # One feature, many pairs: the primal problem is the smaller one, and is deterministic.
    machine = LinearSVC(dual=False, class_weight='balanced')
    machine.fit((scores[:, None] - centre) / spread, same)

    def decide(scores: FloatArray) -> FloatArray:
        decisions = np.full(scores.shape, -np.inf)
        known = ~np.isnan(scores)
        if known.any():
            scaled = (scores[known, None] - centre) / spread
            decisions[known] = machine.decision_function(scaled)
        return decisions

    return decide


def _test_svm(decisions: FloatArray, same: BoolArray) -> tuple[float, float]:
    """Return the area under the ROC curve and the balanced accuracy."""
    accepted = decisions > 0
    accuracy = (accepted[same].mean() + (~accepted[~same]).mean()) / 2
    return auc(decisions[same], decisions[~same]), accuracy
