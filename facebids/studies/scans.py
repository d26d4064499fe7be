# SPDX-License-Identifier: Apache-2.0
"""Scans in a gallery of scans of other sessions, runs and contrasts, before and after defacing.

Of more than `enrolment.MOST_PEOPLE` participants, engines that condense their templates compare
all, and the others, and the fused scores, those of a sample.
"""

from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

from facebids.core.identifiability import searches
from facebids.core.identifiability.pairs import Sides
from facebids.core.identifiability.searches import Gathered
from facebids.studies import enrolment, outcomes, same_acquisition
from facebids.studies.comparisons import Comparison, Condition, plan_scans, scans_of
from facebids.studies.enrolment import Enrolment
from facebids.studies.outcomes import TITLES, fixed_thresholds, outcome
from facebids.studies.results import NotPossible, Outcome
from facebids.studies.same_acquisition import Acquisitions, Within


@dataclass(frozen=True)
class _Run:
    """Which templates are compared, how, and the engines whose outcomes are there already."""

    enrolled: Enrolment
    seed: int
    pool: Executor
    done: frozenset[str] = frozenset()


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
            return _compare_all(_Run(enrolled, seed, pool))
        everyone, not_possible = _compare_all(_Run(enrolled.condensed, seed, pool))
        done = frozenset(item.engine for item in everyone)
        sample, _ = _compare_all(_Run(enrolled.sampled, seed, pool, done))
    return [*everyone, *sample], not_possible


def _compare_all(run: _Run) -> tuple[list[Outcome], list[NotPossible]]:
    possible, impossible = plan_scans(run.enrolled.scans)
    mixed = [comparison for comparison in possible if same_acquisition.is_mixed(comparison)]
    too_few = {item.key: reason for item in mixed if (reason := same_acquisition.unmet(item))}
    within = {item.key for item in mixed} - set(too_few)
    found = [
        item
        for comparison in possible
        for item in _compare(run, comparison, within=comparison.key in within)
    ]
    reasons = [
        NotPossible('scans', item.kind, TITLES[item.kind], item.reason) for item in impossible
    ]
    return found, [*reasons, *too_few.values()]


def _compare(run: _Run, comparison: Comparison, *, within: bool) -> list[Outcome]:
    """Return the outcomes of a comparison: each engine in each condition, `before` first.

    Those of scans of the same acquisition come last, if these are compared too.
    """
    made, of_same = [], []
    acquisitions = Acquisitions(comparison) if within else None
    for condition in comparison.conditions:
        probes = run.enrolled.of(scans_of(comparison.probes), condition.probe)
        parts = _gather(run, comparison, condition, acquisitions)
        for engine in parts[0]:
            gathered, same = zip(*(part[engine] for part in parts), strict=True)
            made.append(
                outcome(
                    comparison,
                    condition,
                    engine,
                    searches.join(gathered),
                    seed=run.seed,
                    thresholds=fixed_thresholds(engine),
                    detection=enrolment.detection(p[engine] for p in probes if engine in p),
                )
            )
            if acquisitions:
                summary = acquisitions.summarise(same, run.seed)
                of_same.append(same_acquisition.outcome(comparison, condition, engine, summary))
    return made + of_same


def _gather(
    run: _Run, comparison: Comparison, condition: Condition, acquisitions: Acquisitions | None
) -> list[dict[str, tuple[Gathered, Within | None]]]:
    """Score block after block, and return what is kept of each, by engine."""
    sides = Sides.of(*outcomes.people(comparison))
    score = enrolment.scorer(
        run.enrolled.of(scans_of(comparison.probes), condition.probe),
        run.enrolled.of(scans_of(comparison.gallery), condition.gallery),
    )

    def gather(block: slice) -> dict[str, tuple[Gathered, Within | None]]:
        return {
            engine: (
                searches.gather(rows, block.start, sides, run.seed),
                acquisitions.gather(rows, block.start, run.seed) if acquisitions else None,
            )
            for engine, rows in score(block).items()
            if engine not in run.done
        }

    return list(run.pool.map(gather, searches.blocks(len(sides.probes), len(sides.gallery))))
