# SPDX-License-Identifier: Apache-2.0
"""How many participants are found again by their brain alone, whatever is done to the face."""

from dataclasses import replace

from facebids.core.arrays import FloatArray
from facebids.core.attack import brains
from facebids.core.identifiability.evaluation import summarise
from facebids.studies import outcomes as make
from facebids.studies.comparisons import Comparison, Scan, plan_scans, scans_of
from facebids.studies.enrolment import Enrolment
from facebids.studies.results import BRAIN, Outcome

CONDITION = 'brain'


def compare(enrolled: Enrolment, seed: int) -> list[Outcome]:
    """Search the brain of each scan in a gallery of brains of other scans.

    The comparisons are those of scans with scans, except for the same scan; of scans whose brain
    was enrolled.

    Parameters
    ----------
    enrolled
        The templates of the scans.
    seed
        Random seed of the statistics.
    """
    known = [scan for scan in enrolled.scans if scan.image in enrolled.brains]
    possible, _ = plan_scans(known)
    return [
        _compare(enrolled, comparison, alignment, seed)
        for comparison in possible
        if comparison.kind != 'same_scan'
        for alignment in brains.ALIGNMENTS
    ]


def _compare(enrolled: Enrolment, comparison: Comparison, alignment: str, seed: int) -> Outcome:
    def templates(scans: list[Scan]) -> list[FloatArray]:
        return [enrolled.brains[scan.image][alignment] for scan in scans]

    scores = brains.score(
        templates(scans_of(comparison.probes)),
        templates(scans_of(comparison.gallery)),
        (comparison.probe_suffix, comparison.gallery_suffix),
    )
    summary = summarise(scores, *make.people(comparison), seed, count=200)
    return Outcome(
        study=BRAIN,
        key=f'{BRAIN}_{comparison.key}',
        title=make.TITLES[comparison.kind],
        condition=CONDITION,
        probe=f'{comparison.probe_suffix}, brain',
        gallery=f'{comparison.gallery_suffix}, brain',
        engine=alignment,
        summary=replace(summary, larger_galleries=()),
    )
