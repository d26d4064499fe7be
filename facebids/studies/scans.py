# SPDX-License-Identifier: Apache-2.0
"""Scans in a gallery of scans of other sessions, runs and contrasts, before and after defacing."""

from facebids.studies import enrolment
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
    outcomes = [item for comparison in possible for item in _compare(enrolled, comparison, seed)]
    reasons = [
        NotPossible('scans', item.kind, TITLES[item.kind], item.reason) for item in impossible
    ]
    return outcomes, reasons


def _compare(enrolled: Enrolment, comparison: Comparison, seed: int) -> list[Outcome]:
    """Return the outcomes of a comparison: each engine in each condition, `before` first."""
    outcomes = []
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
    return outcomes
