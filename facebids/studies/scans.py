# SPDX-License-Identifier: Apache-2.0
"""Scans in a gallery of scans of other sessions, runs and contrasts, before and after defacing.

Of more than `enrolment.MOST_PEOPLE` participants, engines that condense their templates compare
all, and the others, and the fused scores, those of a sample.
"""

from collections.abc import Collection

from facebids.core.identifiability import searches
from facebids.core.identifiability.pairs import Sides
from facebids.core.identifiability.searches import Gathered
from facebids.studies import enrolment, outcomes, same_acquisition
from facebids.studies.comparisons import Comparison, Condition, plan_scans, scans_of
from facebids.studies.enrolment import Enrolment
from facebids.studies.outcomes import TITLES, fixed_thresholds, outcome
from facebids.studies.results import NotPossible, Outcome
from facebids.studies.same_acquisition import Acquisitions, Within


def compare(enrolled: Enrolment, seed: int) -> tuple[list[Outcome], list[NotPossible]]:
    """Make every comparison of scans with scans that the data allow.

    Parameters
    ----------
    enrolled
        The templates of the scans.
    seed
        Random seed of the statistics.
    """
    if enrolled.sample is None:
        return _compare_all(enrolled, seed)
    everyone, not_possible = _compare_all(enrolled.condensed, seed)
    done = {item.engine for item in everyone}
    sample, _ = _compare_all(enrolled.sampled, seed, done)
    return [*everyone, *sample], not_possible


def _compare_all(
    enrolled: Enrolment, seed: int, done: Collection[str] = ()
) -> tuple[list[Outcome], list[NotPossible]]:
    """Make every comparison by the engines that are not done."""
    possible, impossible = plan_scans(enrolled.scans)
    mixed = [comparison for comparison in possible if same_acquisition.is_mixed(comparison)]
    too_few = {item.key: reason for item in mixed if (reason := same_acquisition.unmet(item))}
    within = {item.key for item in mixed} - set(too_few)
    found = [
        item
        for comparison in possible
        for item in _compare(enrolled, comparison, seed, comparison.key in within, done)
    ]
    reasons = [
        NotPossible('scans', item.kind, TITLES[item.kind], item.reason) for item in impossible
    ]
    return found, [*reasons, *too_few.values()]


def _compare(
    enrolled: Enrolment, comparison: Comparison, seed: int, within: bool, done: Collection[str]
) -> list[Outcome]:
    """Return the outcomes of a comparison: each engine in each condition, `before` first.

    Those of scans of the same acquisition come last, if these are compared too.
    """
    made, of_same = [], []
    acquisitions = Acquisitions(comparison) if within else None
    for condition in comparison.conditions:
        probes = enrolled.of(scans_of(comparison.probes), condition.probe)
        whole, parts = _gather(enrolled, comparison, condition, acquisitions, seed, done)
        for engine, gathered in whole.items():
            made.append(
                outcome(
                    comparison,
                    condition,
                    engine,
                    searches.join(gathered),
                    seed=seed,
                    thresholds=fixed_thresholds(engine),
                    detection=enrolment.detection(p[engine] for p in probes if engine in p),
                )
            )
            if acquisitions:
                summary = acquisitions.summarise(parts[engine], seed)
                same = same_acquisition.outcome(comparison, condition, engine, summary)
                of_same.append(same)
    return made + of_same


def _gather(
    enrolled: Enrolment,
    comparison: Comparison,
    condition: Condition,
    acquisitions: Acquisitions | None,
    seed: int,
    done: Collection[str],
) -> tuple[dict[str, list[Gathered]], dict[str, list[Within]]]:
    """Score block after block, and return what is kept of each, by engine."""
    sides = Sides.of(*outcomes.people(comparison))
    whole: dict[str, list[Gathered]] = {}
    within: dict[str, list[Within]] = {}
    blocks = enrolment.score_blocks(
        enrolled.of(scans_of(comparison.probes), condition.probe),
        enrolled.of(scans_of(comparison.gallery), condition.gallery),
    )
    for start, scores in blocks:
        for engine in (name for name in scores if name not in done):
            rows = scores[engine]
            whole.setdefault(engine, []).append(searches.gather(rows, start, sides, seed))
            if acquisitions:
                part = acquisitions.gather(rows, start, seed)
                within.setdefault(engine, []).append(part)
    return whole, within
