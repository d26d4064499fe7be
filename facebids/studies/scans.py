# SPDX-License-Identifier: Apache-2.0
"""Scans in a gallery of scans of other sessions, runs and contrasts, before and after defacing.

Of more than `enrolment.MOST_PEOPLE` participants, engines that condense their templates compare
all, and the others, and the fused scores, those of a sample.
"""

from collections.abc import Collection
from concurrent.futures import Executor, ThreadPoolExecutor

from facebids.core.identifiability import searches
from facebids.core.identifiability.pairs import Sides
from facebids.core.identifiability.searches import Gathered
from facebids.studies import enrolment, outcomes, same_acquisition
from facebids.studies.comparisons import Comparison, Condition, plan_scans, scans_of
from facebids.studies.enrolment import Enrolment
from facebids.studies.outcomes import TITLES, fixed_thresholds, outcome
from facebids.studies.results import NotPossible, Outcome
from facebids.studies.same_acquisition import Acquisitions, Within


def compare(
    enrolled: Enrolment, seed: int, threads: int = 1
) -> tuple[list[Outcome], list[NotPossible]]:
    """Make every comparison of scans with scans that the data allow.

    Parameters
    ----------
    enrolled
        The templates of the scans.
    seed
        Random seed of the statistics.
    threads
        Number of threads, each of which scores a block of probes at a time.
    """
    with ThreadPoolExecutor(threads) as pool:
        if enrolled.sample is None:
            return _compare_all(enrolled, seed, pool)
        everyone, not_possible = _compare_all(enrolled.condensed, seed, pool)
        done = {item.engine for item in everyone}
        sample, _ = _compare_all(enrolled.sampled, seed, pool, done)
    return [*everyone, *sample], not_possible


def _compare_all(
    enrolled: Enrolment, seed: int, pool: Executor, done: Collection[str] = ()
) -> tuple[list[Outcome], list[NotPossible]]:
    """Make every comparison by the engines that are not done."""
    possible, impossible = plan_scans(enrolled.scans)
    mixed = [comparison for comparison in possible if same_acquisition.is_mixed(comparison)]
    too_few = {item.key: reason for item in mixed if (reason := same_acquisition.unmet(item))}
    within = {item.key for item in mixed} - set(too_few)
    found = [
        item
        for comparison in possible
        for item in _compare(enrolled, comparison, seed, comparison.key in within, pool, done)
    ]
    reasons = [
        NotPossible('scans', item.kind, TITLES[item.kind], item.reason) for item in impossible
    ]
    return found, [*reasons, *too_few.values()]


def _compare(
    enrolled: Enrolment,
    comparison: Comparison,
    seed: int,
    within: bool,
    pool: Executor,
    done: Collection[str],
) -> list[Outcome]:
    """Return the outcomes of a comparison: each engine in each condition, `before` first.

    Those of scans of the same acquisition come last, if these are compared too.
    """
    made, of_same = [], []
    acquisitions = Acquisitions(comparison) if within else None
    for condition in comparison.conditions:
        probes = enrolled.of(scans_of(comparison.probes), condition.probe)
        parts = _gather(enrolled, comparison, condition, acquisitions, seed, pool, done)
        for engine in parts[0]:
            gathered, same = zip(*(part[engine] for part in parts), strict=True)
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
                summary = acquisitions.summarise(same, seed)
                made_within = same_acquisition.outcome(comparison, condition, engine, summary)
                of_same.append(made_within)
    return made + of_same


def _gather(
    enrolled: Enrolment,
    comparison: Comparison,
    condition: Condition,
    acquisitions: Acquisitions | None,
    seed: int,
    pool: Executor,
    done: Collection[str],
) -> list[dict[str, tuple[Gathered, Within | None]]]:
    """Score block after block, and return what is kept of each, by engine."""
    sides = Sides.of(*outcomes.people(comparison))
    score = enrolment.scorer(
        enrolled.of(scans_of(comparison.probes), condition.probe),
        enrolled.of(scans_of(comparison.gallery), condition.gallery),
    )

    def gather(block: slice) -> dict[str, tuple[Gathered, Within | None]]:
        return {
            engine: (
                searches.gather(rows, block.start, sides, seed),
                acquisitions.gather(rows, block.start, seed) if acquisitions else None,
            )
            for engine, rows in score(block).items()
            if engine not in done
        }

    return list(pool.map(gather, searches.blocks(len(sides.probes), len(sides.gallery))))
