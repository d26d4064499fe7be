# SPDX-License-Identifier: Apache-2.0
"""The mixed logistic model: what an answer depends on.

The log odds of a right answer are a sum of fixed effects and of the crossed random effects of the
observer and of the scan. `statsmodels` fits it by variational Bayes (BinomialBayesMixedGLM). Its
estimates are good, but its standard deviations are not, because its posterior has no correlations:
its interval of the intercept covers the truth in 40 % of simulated studies of 149 observers and 29
scans, and in 57 % of 20 observers and 8 scans, not in 95 %. Intervals therefore come from the
normal approximation of the posterior around the estimates (Breslow & Clayton, 1993, J. Am. Stat.
Assoc. 88:9), with the standard deviations of the random effects held at their estimates. These
cover the truth in 93 to 97 %. The maximum of the posterior, which `statsmodels` offers too, is no
estimate here: it has a random effect without variance.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from facebids.core.arrays import FloatArray, IntArray, StrArray
from facebids.quiz.scoring.accuracy import Trials

Z = 1.96  # standard deviations on either side: 95 %
# Standard deviations of the priors: weak for fixed effects (log odds), and for the logarithm of
# the standard deviations of the random effects, so that these neither vanish nor grow too far.
PRIOR_EFFECT, PRIOR_LOG_SD = 3.0, 1.0
START_SD = 0.5  # of the random effects (log odds)
TERMS = {
    'intercept': 'A question with a guaranteed match, halfway through the questionnaire, in the '
    'first arm, about a person of another ethnicity',
    'open': '"None of the above" is a choice',
    'after': 'The render was made after defacing',
    'same_ethnicity': 'Observer and person in the scan have the same ethnicity',
    'unknown_ethnicity': 'One of their ethnicities is not known',
    'learning': 'From the first to the last question',
}


@dataclass(frozen=True)
class Effect:
    """A fixed effect in log odds, with its 95 % interval; ``name`` is a key of `TERMS`."""

    name: str
    value: float
    low: float
    high: float

    @property
    def odds_ratio(self) -> tuple[float, float, float]:
        """The odds ratio and its interval; of the intercept, the odds."""
        value, low, high = np.exp([self.value, self.low, self.high]).tolist()
        return value, low, high


@dataclass(frozen=True)
class Mixed:
    """The fitted model.

    Attributes
    ----------
    effects
        Fixed effects.
    observer_sd, scan_sd
        Standard deviations of the random effects (log odds). They have no interval, because that
        of the fit is too narrow. In a small study, they are too large where the truth is near 0:
        about 0.35 in one of 20 observers and 8 scans.
    converged
        Whether the optimiser reported success.
    notes
        What did not converge or could not be estimated, in sentences.
    """

    effects: tuple[Effect, ...]
    observer_sd: float
    scan_sd: float
    converged: bool
    notes: tuple[str, ...] = ()

    def effect(self, name: str) -> Effect | None:
        """Return a fixed effect, or None if the model has none of this name."""
        return next((item for item in self.effects if item.name == name), None)

    @property
    def icc(self) -> tuple[float, float]:
        """Share of the variance of observers and of scans, as the power calculation takes it.

        The variance of the logistic distribution is that of a single answer (Nakagawa &
        Schielzeth, 2010, Biol. Rev. 85:935).
        """
        total = self.observer_sd**2 + self.scan_sd**2 + np.pi**2 / 3
        return float(self.observer_sd**2 / total), float(self.scan_sd**2 / total)


def design(trials: Trials, ethnicity: StrArray) -> tuple[tuple[str, ...], FloatArray]:
    """Return the names and the columns of the fixed effects; those that do not vary are left out.

    Parameters
    ----------
    trials : Trials
    ethnicity : ndarray of str, shape (N,)
        Of each answer, as of `groups.levels`.

    Returns
    -------
    names : tuple of str
    columns : ndarray, shape (N, P)
        The intercept first.
    """
    last = max(int(trials.number.max(initial=1)) - 1, 1)
    columns = {
        'open': trials.kind == 'open',
        'after': trials.arm == 'after',
        'same_ethnicity': ethnicity == 'same',
        'unknown_ethnicity': ~np.isin(ethnicity, ('same', 'other')),
        'learning': (trials.number - 1) / last - 0.5,
    }
    if not (ethnicity == 'other').any():  # nothing to compare the same ethnicity with
        del columns['same_ethnicity']
    kept = {name: column for name, column in columns.items() if np.ptp(column.astype(float)) > 0}
    ones = np.ones(len(trials))
    return ('intercept', *kept), np.column_stack([ones, *kept.values()]).astype(float)


def fit(trials: Trials, ethnicity: StrArray) -> Mixed | str:
    """Fit the model, or return in a sentence why it cannot be fitted.

    Parameters
    ----------
    trials : Trials
    ethnicity : ndarray of str, shape (N,)
        Of each answer, as of `groups.levels`.
    """
    if min(len(np.unique(trials.observer)), len(np.unique(trials.scan))) < 2:
        return 'The mixed model needs two or more observers and scans.'
    if trials.correct.all() or not trials.correct.any():
        return 'The mixed model needs right and wrong answers.'
    names, fixed = design(trials, ethnicity)
    random, kinds = _indicators(trials.observer, trials.scan)
    result = _fit(trials.correct, fixed, random, kinds)
    errors = standard_errors(fixed, random, kinds, result)
    effects = tuple(
        Effect(name, float(value), float(value - Z * error), float(value + Z * error))
        for name, value, error in zip(names, result.fe_mean, errors, strict=True)
    )
    converged = bool(result.optim_retvals.success)
    notes = [f'The mixed model did not converge: {result.optim_retvals.message}.'] * (
        not converged
    )
    notes += [
        f'The effect "{item.name}" is hardly determined by the data: its prior limits it.'
        for item, error in zip(effects, errors, strict=True)
        if error > PRIOR_EFFECT / 3
    ]
    observer_sd, scan_sd = np.exp(result.vcp_mean).tolist()
    return Mixed(effects, observer_sd, scan_sd, converged, tuple(notes))


def _indicators(observer: IntArray, scan: IntArray) -> tuple[Any, IntArray]:
    """Return the sparse columns of the random effects, shape (N, R), and the kind of each."""
    from scipy import sparse

    codes = [np.unique(item, return_inverse=True)[1] for item in (observer, scan)]
    sizes = [int(item.max()) + 1 for item in codes]
    rows = np.arange(len(observer))
    columns = [
        sparse.csr_matrix((np.ones(len(rows)), (rows, item)), shape=(len(rows), size))
        for item, size in zip(codes, sizes, strict=True)
    ]
    return sparse.hstack(columns).tocsr(), np.repeat([0, 1], sizes)


def _fit(correct: Any, fixed: FloatArray, random: Any, kinds: IntArray) -> Any:
    """Fit by variational Bayes, from a start that does not depend on chance."""
    from statsmodels.genmod.bayes_mixed_glm import BinomialBayesMixedGLM

    model = BinomialBayesMixedGLM(
        correct.astype(float), fixed, random, kinds, vcp_p=PRIOR_LOG_SD, fe_p=PRIOR_EFFECT
    )
    odds = np.log(correct.mean() / (1 - correct.mean()))
    zeros = np.zeros(fixed.shape[1] - 1)
    mean = np.concatenate([[odds], zeros, np.log([START_SD] * 2), np.zeros(len(kinds))])
    with warnings.catch_warnings():  # the notes of the model say what did not converge
        warnings.simplefilter('ignore', UserWarning)
        return model.fit_vb(
            mean=mean, sd=np.full(len(mean), 0.1), fit_method='L-BFGS-B', scale_fe=False
        )


def standard_errors(fixed: FloatArray, random: Any, kinds: IntArray, result: Any) -> FloatArray:
    """Return the standard errors of the fixed effects, shape (P,).

    The inverse of the information of fixed and random effects together, at the estimates.

    Parameters
    ----------
    fixed : ndarray, shape (N, P)
    random : sparse matrix, shape (N, R)
    kinds : ndarray of int, shape (R,)
        Kind of each random effect.
    result
        Result of `statsmodels`.
    """
    from scipy import sparse

    columns = sparse.hstack([sparse.csr_matrix(fixed), random]).tocsr()
    probability = 1 / (1 + np.exp(-columns @ np.concatenate([result.fe_mean, result.vc_mean])))
    weights = probability * (1 - probability)
    information = (columns.T @ columns.multiply(weights[:, None])).toarray()
    prior = [np.full(fixed.shape[1], PRIOR_EFFECT**-2), np.exp(-2 * result.vcp_mean)[kinds]]
    information += np.diag(np.concatenate(prior))
    return np.sqrt(np.diag(np.linalg.inv(information))[: fixed.shape[1]])
