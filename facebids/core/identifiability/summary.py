# SPDX-License-Identifier: Apache-2.0
"""All statistics of one comparison of probes with a gallery, ready for JSON.

What cannot be computed is None, and a sentence says why. Identification (ranks, open set, expected
rank-1) searches among people: of several gallery entries of one person the best counts.
Verification (AUC, ROC, similarity, SVM) takes every pair of scans.
"""

import math

import numpy as np

from facebids.core.identifiability import (
    open_set,
    population,
    ranking,
    resampling,
    verification,
)

SIZES = tuple(10**power for power in range(1, 10))
CMC_PLACES = 1000
ROC_POINTS = 101
# More scores than this in all draws together take minutes: then there are fewer draws.
DRAWN_SCORES, LEAST_DRAWS = 20_000_000, 200


def summarise(scores, mates, probe_people, gallery_people, seed, thresholds=(), count=1000):
    """Compute everything that the scores allow.

    Parameters
    ----------
    scores : ndarray, shape (P, G)
        Similarity, higher is more alike; NaN where there is none.
    mates : ndarray of bool, shape (P, G)
        Which gallery entries are of the probe's person.
    probe_people : ndarray, shape (P,)
    gallery_people : ndarray, shape (G,)
        Labels of people.
    seed : int
        Of the bootstrap and of the folds.
    thresholds : sequence of float
        Scores at which the open set is judged.
    count : int
        Number of bootstrap draws; less, down to 200, for more than 20,000 scores.

    Returns
    -------
    dict
        `probes`, `gallery`: scans; `people`; `people_with_mates`; `missing`: pairs without
        score; `rank1`, `rank5`; `cmc`: list, at most 1000 places; `auc`; `roc`: `fpr` and `tpr`,
        at most 101 points; `intra_median`, `intra_q1`, `intra_q3` and the same for `inter`;
        `svm`: `auc`, `auc_sd`, `accuracy`, `accuracy_sd`, or None; `open_set`: list of
        `threshold`, `tpir`, `fpir`; `expected_rank1`: list of `n`, `rate`; `reasons`: list of
        sentences. Rates, AUC and medians have a 95 % interval in `*_low` and `*_high`.
    """
    scores, mates = np.asarray(scores, dtype=float), np.asarray(mates, dtype=bool)
    probe_people, gallery_people = np.asarray(probe_people), np.asarray(gallery_people)
    draws = seed, min(count, max(LEAST_DRAWS, DRAWN_SCORES // max(scores.size, 1)))
    best, best_mates, people = ranking.best_of_each_person(scores, mates, gallery_people)
    svm, no_svm = verification.same_person_svm(scores, probe_people, gallery_people, seed)
    found = {
        'probes': len(probe_people),
        'gallery': len(gallery_people),
        'people': len(np.union1d(probe_people, gallery_people)),
        'people_with_mates': len(np.unique(probe_people[mates.any(axis=1)])),
        'missing': int(np.isnan(scores).sum()),
        **_ranks(best, best_mates, probe_people, draws),
        **_pairs(scores, mates, probe_people, gallery_people, draws),
        'svm': svm,
        'open_set': [
            _at_threshold(best, best_mates, probe_people, draws, threshold)
            for threshold in thresholds
        ],
        'expected_rank1': _expected_rank1(best, best_mates, probe_people, people, draws),
    }
    reasons = _reasons(found, len(people), scores, mates, no_svm)
    return _for_json(found | {'reasons': reasons})


def _ranks(scores, mates, probe_people, draws):
    """Closed-set identification; undefined in a gallery that is too small to be wrong in."""
    size, ranks = scores.shape[1], ranking.mate_ranks(scores, mates)
    curve = [[]] * 3
    if size > 1 and not np.isnan(ranks).all():
        hits = ranking.hits(ranks, np.arange(1, min(size, CMC_PLACES) + 1))
        curve = resampling.rate(hits, probe_people, *draws)
        curve = [np.maximum.accumulate(values) for values in curve]  # bounds rise as it does
    found = _with_interval('cmc', *(values if len(values) else None for values in curve))
    for place in (1, 5):
        at_place = (values[place - 1] if len(values) > place else None for values in curve)
        found |= _with_interval(f'rank{place}', *at_place)
    return found


def _pairs(scores, mates, probe_people, gallery_people, draws):
    """Verification: ROC, AUC and similarity."""
    pairs = verification.split(scores, mates)
    owners = resampling.pair_people(mates, probe_people, gallery_people)
    curve = verification.roc(*pairs)
    interval = resampling.bootstrap(verification.auc, pairs, owners, *draws)
    found = _with_interval('auc', curve.auc, *interval)
    thin = curve.thinned(ROC_POINTS)
    found['roc'] = {'fpr': thin.fpr, 'tpr': thin.tpr} if len(thin.fpr) else None
    found |= verification.similarity(*pairs)
    for name, sample, people in zip(('intra', 'inter'), pairs, owners, strict=True):
        interval = resampling.bootstrap(_median, [sample], [people], *draws)
        found |= _with_interval(f'{name}_median', found[f'{name}_median'], *interval)
    return found


def _median(scores):
    return verification.quantiles(scores, 0.5)


def _at_threshold(scores, mates, probe_people, draws, threshold):
    """Open-set identification."""
    true = open_set.true_positives(scores, mates, threshold)
    false = open_set.false_positives(scores, mates, threshold)
    return {
        'threshold': threshold,
        **_with_interval('tpir', *resampling.rate(true, probe_people, *draws)),
        **_with_interval('fpir', *resampling.rate(false, probe_people, *draws)),
    }


def _expected_rank1(scores, mates, probe_people, people, draws):
    """Rank-1 in larger galleries; each probe's own score is that of its person's best entry."""
    samples = verification.split(scores, mates)
    owners = resampling.pair_people(mates, probe_people, people)

    def rates(genuine, impostor):
        return population.expected_rank1(genuine, impostor, SIZES)

    values = [rates(*samples), *resampling.bootstrap(rates, samples, owners, *draws)]
    rows = zip(SIZES, *values, strict=True)
    return [{'n': n, **_with_interval('rate', *interval)} for n, *interval in rows]


def _reasons(found, gallery_people, scores, mates, no_svm):
    """Sentences for what cannot be computed."""
    if not scores.size:
        return ['There is nothing to compare.']
    several, mated, known = found['people'] > 1, found['people_with_mates'], ~np.isnan(scores)
    conditions = [
        (not known.any(), 'No pair has a score.'),
        (known.any() and mated and not known[mates].any(), 'No pair of one person has a score.'),
        (not mated, 'Nobody is both searched for and in the gallery.'),
        (not several, 'Fewer than two people: there is nobody to be mistaken for.'),
        (
            several and gallery_people == 1,
            'The gallery holds one person: a search in it cannot go wrong.',
        ),
        (
            1 < gallery_people <= 5,
            f'The gallery holds {gallery_people} people: everybody is within the first five.',
        ),
        (
            found['auc'] == found['auc'] and np.isnan(found['auc_low']),
            'Too few people are both searched for and in the gallery for all intervals.',
        ),
        (
            found['auc'] in (0, 1),
            'The pairs of one person and of two do not overlap: the interval of the AUC has no '
            'width and says nothing.',
        ),
        (no_svm, no_svm),
        (
            population.fit_tail(scores[~mates]) is None,
            'Too few scores between two people to say what happens in larger galleries.',
        ),
    ]
    return [sentence for condition, sentence in conditions if condition]


def _with_interval(name, value, low, high):
    return {name: value, f'{name}_low': low, f'{name}_high': high}


def _for_json(value):
    """Turn arrays into lists and what is not finite into None."""
    if isinstance(value, dict):
        return {key: _for_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray) and np.ndim(value):
        return [_for_json(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return _for_json(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
