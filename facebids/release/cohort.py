# SPDX-License-Identifier: Apache-2.0
"""Whether people of the cohort can be told from each other after defacing."""

from collections.abc import Iterable
from dataclasses import dataclass

from facebids.studies.results import Outcome, Results

CONFIDENCE = 0.95  # of all intervals of rank-1 together
# Somebody who is not recognised may still be likelier than chance. This is the most that a study
# of defaced CT reached with its weakest tool (ROC-AUC, PMID 39754865).
MOST_AUC = 0.60


@dataclass(frozen=True)
class Check:
    """One comparison after defacing, against chance.

    Attributes
    ----------
    comparison, engine
        What was compared, and by which engine.
    people
        Who were searched for.
    rank1, low, high
        Share of people who came first, and its exact interval.
    chance
        Share that guessing would put first.
    auc, auc_low
        Area under the ROC curve and the lower end of its 95 % interval, None where undefined.
    at_chance
        Whether the interval includes chance, and the area may be no more than `MOST_AUC`.
    """

    comparison: str
    engine: str
    people: int
    rank1: float
    low: float
    high: float
    chance: float
    auc: float | None
    auc_low: float | None
    at_chance: bool


def check(results: Results) -> tuple[Check, ...]:
    """Hold what the attacks on the cohort found after defacing against chance.

    Defaced heads searched for among heads with faces, or among photographs. The intervals of
    rank-1 are those of Clopper and Pearson (1934), doi 10.1093/biomet/26.4.404, with people as
    trials, and hold together (Bonferroni): the more comparisons, the wider.

    Parameters
    ----------
    results
        What the group level found.

    Returns
    -------
    tuple of Check
        Empty where no comparison is possible.
    """
    made = [item for item in results.outcomes if item.condition == 'after' and _counts(item)]
    return tuple(_check(item, 1 - (1 - CONFIDENCE) / len(made)) for item in made)


def _counts(outcome: Outcome) -> bool:
    return outcome.summary.get('rank1') is not None


def _check(outcome: Outcome, confidence: float) -> Check:
    from scipy.stats import binomtest

    summary = outcome.summary
    trials = max(int(summary['people_with_mates']), 1)
    hits = round(summary['rank1'] * trials)
    interval = binomtest(hits, trials).proportion_ci(confidence, method='exact')
    chance = 1 / max(int(summary['people']), 1)
    auc, auc_low = summary.get('auc'), summary.get('auc_low')
    fine = interval.low <= chance and (auc_low is None or auc_low <= MOST_AUC)
    return Check(
        outcome.key, outcome.engine, trials, summary['rank1'], float(interval.low),
        float(interval.high), chance, auc, auc_low, fine,
    )  # fmt: skip


def objections(checks: Iterable[Check]) -> list[str]:
    """Return a sentence for each comparison in which people can be told from each other."""
    return [
        f'{item.comparison}, {item.engine}: of {item.people} people {item.rank1:.0%} come first '
        f'after defacing (interval {item.low:.0%} to {item.high:.0%}, by guessing '
        f'{item.chance:.1%}; ROC-AUC {_number(item.auc)}, at least {_number(item.auc_low)}). '
        'Deface anew in another mode, or leave the images out that group.html shows to be '
        'recognised.'
        for item in checks
        if not item.at_chance
    ]


def _number(value: float | None) -> str:
    return 'not known' if value is None else f'{value:.2f}'
