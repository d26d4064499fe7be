# SPDX-License-Identifier: Apache-2.0
"""Whether participants are recognised after defacing more often than by chance."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from facebids.studies.results import SAME_ACQUISITION, Outcome, Results

SINGLE_VIEWS = 'S3'  # a family of its own: its many views must not widen the other intervals
CONFIDENCE = 0.95  # simultaneous, of the rank-1 intervals of each family
# Genuine pairs may score higher than impostor pairs even where nobody is at rank 1. This is the
# highest ROC-AUC after defacing with the weaker tool in a study of head CT (PMID 39754865).
MOST_AUC = 0.60
REMEDY = (
    'Deface again in another mode, or exclude the images that group.html shows to be recognised.'
)


@dataclass(frozen=True)
class Check:
    """One comparison after defacing, tested against the chance level.

    Attributes
    ----------
    comparison, engine
        What was compared, and by which engine.
    people
        Number of participants with a mate in the gallery.
    rank1, low, high
        Rank-1 identification rate and its exact interval.
    chance
        Chance level of rank 1.
    auc, auc_low
        Area under the ROC curve and the lower end of its 95 % interval, None where undefined.
    at_chance
        Whether `low` is at most `chance`, and `auc_low` at most `MOST_AUC`.
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
    """Test the rank-1 identification rates after defacing against the chance level.

    The comparisons are those of defaced scans with scans that are not defaced, and with
    photographs. Where a comparison was also made of scans of the same site, scanner and voxel size
    (`studies.same_acquisition`), that one is tested instead: style alone may exceed chance in
    mixed galleries. The intervals are those of Clopper and Pearson (1934), doi
    10.1093/biomet/26.4.404, with participants as trials, and are simultaneous (Bonferroni) within
    two families: single views (S3), and all other comparisons.

    Parameters
    ----------
    results
        Results of the group level.

    Returns
    -------
    tuple of Check
        Empty where no comparison is possible.
    """
    found = [
        (item, item.summary.rank1.value)
        for item in results.outcomes
        if item.condition == 'after' and item.summary.rank1.value is not None
    ]
    names = {(item.key, item.engine) for item, _ in found}
    made = [
        (item, rank1)
        for item, rank1 in found
        if (item.key + SAME_ACQUISITION, item.engine) not in names
    ]
    families = Counter(item.study == SINGLE_VIEWS for item, _ in made)
    return tuple(
        _check(item, rank1, 1 - (1 - CONFIDENCE) / families[item.study == SINGLE_VIEWS])
        for item, rank1 in made
    )


def _check(outcome: Outcome, rank1: float, confidence: float) -> Check:
    from scipy.stats import binomtest

    summary = outcome.summary
    trials = max(summary.people_with_mates, 1)
    interval = binomtest(round(rank1 * trials), trials).proportion_ci(confidence, method='exact')
    chance = summary.chance or 0.0  # None only where rank 1 is undefined too
    auc_low = summary.auc.low
    return Check(
        comparison=outcome.key,
        engine=outcome.engine,
        people=trials,
        rank1=rank1,
        low=float(interval.low),
        high=float(interval.high),
        chance=chance,
        auc=summary.auc.value,
        auc_low=auc_low,
        at_chance=bool(interval.low <= chance and (auc_low is None or auc_low <= MOST_AUC)),
    )


def objections(checks: Iterable[Check]) -> list[str]:
    """Return a sentence for each comparison that is above chance, the last with what to do."""
    sentences = [
        f'{item.comparison}, {item.engine}: after defacing, {item.rank1:.0%} of {item.people} '
        f'participants are at rank 1 (interval {item.low:.0%} to {item.high:.0%}, chance level '
        f'{item.chance:.1%}; ROC-AUC {_number(item.auc)}, at least {_number(item.auc_low)}).'
        for item in checks
        if not item.at_chance
    ]
    return [*sentences[:-1], f'{sentences[-1]} {REMEDY}'] if sentences else []


def _number(value: float | None) -> str:
    return 'not known' if value is None else f'{value:.2f}'
