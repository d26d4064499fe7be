# SPDX-License-Identifier: Apache-2.0
"""Scans in a gallery of scans of other sessions, runs and contrasts, before and after defacing."""

from facebids.studies import enrolment, same_acquisition
from facebids.studies.comparisons import Comparison, plan_scans, scans_of
from facebids.studies.enrolment import Enrolment
from facebids.studies.outcomes import TITLES, fixed_thresholds, outcome
from facebids.studies.results import NotPossible, Outcome


def compare(enrolled: Enrolment, seed: int) -> tuple[list[Outcome], list[NotPossible]]:
    """Make every comparison of scans with scans that the data allow.

    Parameters
    ----------
    enrolled
        The templates of the scans.
    seed
        Random seed of the statistics.
    """
    possible, impossible = plan_scans(enrolled.scans)
    mixed = [comparison for comparison in possible if same_acquisition.is_mixed(comparison)]
    too_few = {item.key: reason for item in mixed if (reason := same_acquisition.unmet(item))}
    within = {item.key for item in mixed} - set(too_few)
    outcomes = [
        item
        for comparison in possible
        for item in _compare(enrolled, comparison, seed, within=comparison.key in within)
    ]
    reasons = [
        NotPossible('scans', item.kind, TITLES[item.kind], item.reason) for item in impossible
    ]
    return outcomes, [*reasons, *too_few.values()]


def _compare(
    enrolled: Enrolment, comparison: Comparison, seed: int, *, within: bool
) -> list[Outcome]:
    """Return the outcomes of a comparison: each engine in each condition, `before` first.

    Those of scans of the same acquisition come last, if these are compared too.
    """
    outcomes, of_same = [], []
    for condition in comparison.conditions:
        probes = enrolled.of(scans_of(comparison.probes), condition.probe)
        gallery = enrolled.of(scans_of(comparison.gallery), condition.gallery)
        for engine, matrix in enrolment.score(probes, gallery).items():
            made = outcome(
                comparison,
                condition,
                engine,
                matrix,
                seed=seed,
                thresholds=fixed_thresholds(engine),
                detection=enrolment.detection(p[engine] for p in probes if engine in p),
            )
            outcomes.append(made)
            if within:
                same = same_acquisition.compare(comparison, condition, engine, matrix, seed)
                of_same.append(same)
    return outcomes + of_same
