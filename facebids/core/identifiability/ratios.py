# SPDX-License-Identifier: Apache-2.0
"""Likelihood ratios of the pairs of a cohort, calibrated on other people of the same cohort.

They show how strong evidence of identity the scores are: by their cost (`calibration.cllr`), by
the least cost that any calibration would have, and as a Tippett plot (Tippett et al., 1968, J.
Forensic Sci. Soc. 8:61).
"""

import numpy as np

from facebids.core.arrays import FloatArray
from facebids.core.identifiability import calibration
from facebids.core.identifiability.pairs import Pairs
from facebids.core.identifiability.summary import Evidence, Tippett
from facebids.core.identifiability.verification import FOLDS, people_of, person_folds

POINTS = 101
FARTHEST = 300.0  # log10: a ratio of certainty, which a float can hold


def evidence(pairs: Pairs, seed: int) -> tuple[Evidence | None, str | None]:
    """Calibrate scores in five folds with disjoint people, and measure the ratios.

    Pairs without a score have a ratio of 1.

    Parameters
    ----------
    pairs : Pairs
    seed : int
        Random seed of the assignment to folds.

    Returns
    -------
    result : Evidence or None
    reason : str or None
        Why there is no result.
    """
    people, matched = people_of(pairs)
    if len(matched) < FOLDS or len(people) < 2 * FOLDS:
        return None, (
            f'Likelihood ratios need {2 * FOLDS} participants, {FOLDS} with a genuine pair.'
        )
    scores, same = pairs.scores, pairs.same
    found: dict[bool, list[FloatArray]] = {True: [], False: []}
    for train, test in person_folds(pairs, seed):
        known = train & ~np.isnan(scores)
        if len(np.unique(same[known])) < 2:
            return None, 'Too few pairs have a score to calibrate likelihood ratios.'
        calibrated = calibration.fit(scores[known & same], scores[known & ~same], draws=0)
        for kind, ratios in found.items():
            values = scores[test & (same == kind)]
            ratios.append(
                np.where(np.isnan(values), 0, calibrated.log10_lr(np.nan_to_num(values)[:, None]))
            )
    mates, strangers = (np.concatenate(found[kind]) for kind in (True, False))
    if not mates.size or not strangers.size:
        return None, 'Too few pairs have a score to calibrate likelihood ratios.'
    return Evidence(
        cllr=calibration.cllr(mates, strangers),
        cllr_min=least_cost(mates, strangers),
        tippett=tippett(mates, strangers),
    ), None


def least_cost(mates: FloatArray, strangers: FloatArray) -> float:
    """Return the least cost of any calibration that keeps the order of the ratios, in bits.

    The best one is found by isotonic regression (pool adjacent violators) with both classes of
    the same weight: the minimum Cllr of Brümmer & du Preez (2006, Comput. Speech Lang. 20:230).

    Parameters
    ----------
    mates, strangers : ndarray, 1-D
        Log10 likelihood ratios.
    """
    from sklearn.isotonic import IsotonicRegression

    same = np.arange(len(mates) + len(strangers)) < len(mates)
    weights = np.where(same, 1 / len(mates), 1 / len(strangers))
    ratios = np.concatenate([mates, strangers])
    model = IsotonicRegression(y_min=0, y_max=1, out_of_bounds='clip')
    share = model.fit(ratios, same, weights).predict(ratios)
    with np.errstate(divide='ignore'):
        best = np.clip(np.log10(share) - np.log10(1 - share), -FARTHEST, FARTHEST)
    return calibration.cllr(best[same], best[~same])


def tippett(mates: FloatArray, strangers: FloatArray) -> Tippett:
    """Return the shares of mates and of strangers with at least each ratio.

    Parameters
    ----------
    mates, strangers : ndarray, 1-D
        Log10 likelihood ratios.
    """
    ratios = np.concatenate([mates, strangers])
    grid = np.linspace(ratios.min(), ratios.max(), POINTS)

    def share(values: FloatArray) -> tuple[float, ...]:
        below = np.searchsorted(np.sort(values), grid)
        return tuple((1 - below / len(values)).tolist())

    return Tippett(tuple(grid.tolist()), share(mates), share(strangers))
