# SPDX-License-Identifier: Apache-2.0
"""Verification: whether two scans show the same person.

A *genuine* pair shows one person, an *impostor* pair two. Terms as in ISO/IEC 19795-1:2021. A
missing score (NaN) is a miss: it counts as lower than every number, but has no similarity.
"""

from dataclasses import dataclass

import numpy as np

FOLDS = 5


@dataclass(frozen=True)
class Roc:
    """Receiver operating characteristic.

    Parameters
    ----------
    fpr, tpr : ndarray, shape (T,)
        Share of impostor and of genuine pairs at or above falling thresholds, (0, 0) to (1, 1).
        Empty where one kind of pair is missing.
    auc : float
        Area under the curve, NaN where one kind of pair is missing.
    """

    fpr: np.ndarray
    tpr: np.ndarray
    auc: float

    def thinned(self, points):
        """Keep at most so many points, evenly spread along the curve."""
        if len(self.fpr) <= points:
            return self
        steps = np.linspace(0, 2, points)
        kept = np.unique(np.searchsorted(self.fpr + self.tpr, steps))
        return Roc(self.fpr[kept], self.tpr[kept], self.auc)


def split(scores, mates):
    """Scores of genuine and of impostor pairs.

    Parameters
    ----------
    scores : ndarray, shape (P, G)
    mates : ndarray of bool, shape (P, G)

    Returns
    -------
    genuine, impostor : ndarray, 1-D
        Row by row; NaN stays NaN.
    """
    return scores[mates], scores[~mates]


def auc(genuine, impostor):
    """Probability that a genuine pair scores higher than an impostor pair, ties counted half.

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
    genuine, impostor = _lowest(genuine), np.sort(_lowest(impostor))
    below = np.searchsorted(impostor, genuine, 'left')
    not_above = np.searchsorted(impostor, genuine, 'right')
    return float((below + not_above).mean() / 2 / len(impostor))


def roc(genuine, impostor):
    """Shares of pairs called the same person, at every threshold that changes them.

    Parameters
    ----------
    genuine, impostor : ndarray, 1-D
        NaN counts as lower than every number.

    Returns
    -------
    Roc
    """
    if not genuine.size or not impostor.size:
        return Roc(np.empty(0), np.empty(0), np.nan)
    genuine, impostor = _lowest(genuine), _lowest(impostor)
    thresholds = np.unique(np.concatenate([genuine, impostor]))[::-1]

    def share(scores):
        above = len(scores) - np.searchsorted(np.sort(scores), thresholds)
        return np.concatenate([[0.0], above / len(scores)])

    return Roc(share(impostor), share(genuine), auc(genuine, impostor))


def similarity(genuine, impostor):
    """Median and quartiles of the scores of one person and of two.

    Parameters
    ----------
    genuine, impostor : ndarray, 1-D
        Missing scores are left out: they have no similarity.

    Returns
    -------
    dict
        `intra_median`, `intra_q1`, `intra_q3`, and the same for `inter`; NaN where undefined.
    """
    found = {}
    for name, scores in (('intra', genuine), ('inter', impostor)):
        names = f'{name}_q1', f'{name}_median', f'{name}_q3'
        found |= dict(zip(names, quantiles(scores, [0.25, 0.5, 0.75]), strict=True))
    return found


def quantiles(scores, shares):
    """Quantiles of the scores that there are, NaN if there are none."""
    known = scores[np.isfinite(scores)]
    return np.quantile(known, shares) if known.size else np.full(np.shape(shares), np.nan)


def same_person_svm(scores, people_a, people_b, seed):
    """Decide from the score alone whether a pair shows one person, tested on other people.

    A linear support vector machine, five folds. People are dealt to the folds, not pairs: a pair
    is tested in a fold that holds both of its people and trained on where neither is in it; a pair
    across the border serves neither. Otherwise what is learned of a person would be tested on the
    same person. Genuine pairs are few, so classes are weighted alike and the accuracy is balanced
    (mean of both classes'): 0.5 is chance, as where pairs are drawn half and half.

    A pair without score cannot be trained on; tested, it is called two people, and its decision
    is lower than any other.

    Parameters
    ----------
    scores : ndarray, shape (A, B)
    people_a : ndarray, shape (A,)
    people_b : ndarray, shape (B,)
    seed : int
        Of the dealing.

    Returns
    -------
    result : dict or None
        `auc`, `auc_sd`, `accuracy`, `accuracy_sd`: mean and standard deviation over the folds.
    reason : str or None
        Why there is no result.
    """
    people_a, people_b = np.asarray(people_a), np.asarray(people_b)
    people = np.union1d(people_a, people_b)
    matched = np.intersect1d(people_a, people_b)
    if len(matched) < FOLDS or len(people) < 2 * FOLDS:
        return None, (
            f'The SVM needs {2 * FOLDS} people, {FOLDS} of them with a genuine pair; '
            f'here are {len(people)} and {len(matched)}.'
        )
    same = people_a[:, None] == people_b
    figures = []
    for train, test in person_folds(people_a, people_b, seed):
        train = train & ~np.isnan(scores)
        if len(np.unique(same[train])) < 2:
            return None, 'The SVM has too few pairs with a score to learn from.'
        decide = _train_svm(scores[train], same[train])
        figures.append(_test_svm(decide(scores[test]), same[test]))
    means, deviations = np.mean(figures, axis=0), np.std(figures, axis=0, ddof=1)
    return {
        'auc': float(means[0]),
        'auc_sd': float(deviations[0]),
        'accuracy': float(means[1]),
        'accuracy_sd': float(deviations[1]),
    }, None


def person_folds(people_a, people_b, seed):
    """Deal people to five folds, and pairs after them.

    People with a genuine pair are dealt first, so that each fold has its share of them.

    Parameters
    ----------
    people_a : ndarray, shape (A,)
    people_b : ndarray, shape (B,)
    seed : int

    Yields
    ------
    train, test : ndarray of bool, shape (A, B)
        Pairs with nobody, and with nobody but people, of this fold.
    """
    people = np.union1d(people_a, people_b)
    matched = np.isin(people, np.intersect1d(people_a, people_b))
    shuffled = np.random.default_rng(seed).permutation(len(people))
    order = shuffled[np.argsort(~matched[shuffled], kind='stable')]
    folds = np.empty(len(people), dtype=int)
    folds[order] = np.arange(len(people)) % FOLDS
    fold_a = folds[np.searchsorted(people, people_a)][:, None]
    fold_b = folds[np.searchsorted(people, people_b)][None, :]
    for fold in range(FOLDS):
        yield (fold_a != fold) & (fold_b != fold), (fold_a == fold) & (fold_b == fold)


def _train_svm(scores, same):
    """Fit on pairs with a score; return a function from scores to decisions."""
    from sklearn.svm import LinearSVC

    centre, spread = scores.mean(), scores.std() or 1.0
    # One feature, many pairs: the primal problem is the small one, and needs no random numbers.
    machine = LinearSVC(dual=False, class_weight='balanced')
    machine.fit((scores[:, None] - centre) / spread, same)

    def decide(scores):
        decisions = np.full(scores.shape, -np.inf)
        known = ~np.isnan(scores)
        if known.any():
            scaled = (scores[known, None] - centre) / spread
            decisions[known] = machine.decision_function(scaled)
        return decisions

    return decide


def _test_svm(decisions, same):
    """Area under the curve and balanced accuracy."""
    called = decisions > 0
    accuracy = (called[same].mean() + (~called[~same]).mean()) / 2
    return auc(decisions[same], decisions[~same]), accuracy


def _lowest(scores):
    return np.where(np.isnan(scores), -np.inf, scores)
