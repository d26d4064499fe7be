# SPDX-License-Identifier: Apache-2.0
"""Comparisons of scans with photographs: S1, S2 and S3.

S1 searches the frontal render of each scan in a gallery of one photograph per participant. S2
searches photographs in a gallery of scans and averages the scores of a participant's photographs.
S3 searches single views, and the frontal render with generic hair, in a gallery of all
photographs, and as positive control each photograph in the gallery of the others. Photographs are
read only: neither they nor their names are stored.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from facebids.core.arrays import FloatArray
from facebids.core.attack import engines
from facebids.core.identifiability.evaluation import finite
from facebids.core.identifiability.pairs import Sides
from facebids.core.identifiability.searches import gather
from facebids.core.identifiability.summary import Estimate, GalleryRank1
from facebids.studies import enrolment
from facebids.studies import outcomes as make
from facebids.studies.comparisons import STUDIES, Comparison, person, plan_photographs, scans_of
from facebids.studies.enrolment import EngineTemplates, Enrolment, Photographs
from facebids.studies.outcomes import TITLES
from facebids.studies.results import GALLERIES, NotPossible, Outcome
from facebids.studies.single_views import compare_controls, compare_views
from facebids.studies.smaller_galleries import rank1_in_smaller


def compare(
    enrolled: Enrolment,
    photographs: Photographs | None,
    seed: int,
    studies: Collection[str] = STUDIES,
) -> tuple[list[Outcome], list[NotPossible]]:
    """Make every comparison of scans with photographs that the data allow.

    Parameters
    ----------
    enrolled
        The templates of the scans.
    photographs
        Templates of each participant's photographs that show a face; None without a folder.
    seed
        Random seed of the statistics.
    studies
        Which of `STUDIES` to make: S3 embeds many pictures and takes most of the time.
    """
    photographed = [name for name, faces in (photographs or {}).items() if faces]
    possible, impossible = plan_photographs(
        enrolled.scans, None if photographs is None else photographed
    )
    study = {'S1': _s1, 'S2': _s2, 'S3': compare_views}
    outcomes = [
        outcome
        for comparison in possible
        if comparison.kind in studies
        for outcome in study[comparison.kind](enrolled, photographs or {}, comparison, seed)
    ]
    reasons = [
        NotPossible(item.kind, item.kind, TITLES[item.kind], item.reason) for item in impossible
    ]
    if photographs is None or not photographed or 'S3' not in studies:
        return outcomes, reasons
    controls, no_controls = compare_controls(photographs, seed)
    return outcomes + controls, reasons + no_controls


def mean_by_person(scores: FloatArray, owners: Sequence[str], order: Sequence[str]) -> FloatArray:
    """Average the scores of each participant's photographs.

    S2 adds them up. Their mean ranks the gallery in the same way, and one threshold holds for any
    number of photographs.

    Parameters
    ----------
    scores : ndarray, shape (F, G)
        Of every photograph; NaN, where no face was found, is left out.
    owners : sequence of length F
        Participant of each photograph.
    order : sequence of length P
        The participants.

    Returns
    -------
    ndarray, shape (P, G)
        NaN where none of a participant's photographs has a score.
    """
    belongs = np.array(order, str)[:, None] == np.array(owners, str)[None]
    known = np.isfinite(scores)
    total = belongs.astype(float) @ np.where(known, scores, 0.0)
    count = belongs.astype(float) @ known
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _s2(
    enrolled: Enrolment, photographs: Photographs, comparison: Comparison, seed: int
) -> list[Outcome]:
    """Search the photographs of each participant in a gallery of scans."""
    order = [person(item) for item in comparison.probes]
    owners = [label for label in order for _ in photographs[label]]
    pictures = [photograph.templates for label in order for photograph in photographs[label]]
    levels: dict[str, tuple[float, ...]] = {}
    outcomes = []
    sides = Sides.of(*make.people(comparison))
    for condition in comparison.conditions:
        gallery = enrolled.of(scans_of(comparison.gallery), condition.gallery)
        for engine in _engines(pictures, gallery):
            single = engines.score(
                engine, [item[engine] for item in pictures], [item[engine] for item in gallery]
            )
            scores = mean_by_person(single, owners, order)
            gathered = gather(scores, 0, sides, seed)
            levels.setdefault(engine, make.thresholds(gathered.searches.others))
            made = make.outcome(
                comparison,
                condition,
                engine,
                gathered,
                seed=seed,
                thresholds=levels[engine],
                detection=enrolment.detection(item[engine] for item in gallery),
            )
            outcomes.append(made)
    return outcomes


def _s1(
    enrolled: Enrolment, photographs: Photographs, comparison: Comparison, seed: int
) -> list[Outcome]:
    """Search each frontal render in a gallery of one photograph per participant."""
    gallery = [photographs[person(item)][0].templates for item in comparison.gallery]
    levels: dict[str, tuple[float, ...]] = {}
    outcomes = []
    sides = Sides.of(*make.people(comparison))
    for condition in comparison.conditions:
        probes = enrolled.of(scans_of(comparison.probes), condition.probe)
        for engine in _engines(gallery, probes):
            frontal = [enrolment.view(item[engine], 'frontal') for item in probes]
            scores = engines.score(engine, frontal, [item[engine] for item in gallery])
            gathered = gather(scores, 0, sides, seed)
            levels.setdefault(engine, make.thresholds(gathered.searches.others))
            made = make.outcome(
                comparison,
                condition,
                engine,
                gathered,
                seed=seed,
                thresholds=levels[engine],
                detection=enrolment.detection(item for item in frontal if item),
            )
            rates = rank1_in_smaller(gathered.searches.ranks, len(gallery), GALLERIES)
            smaller = tuple(
                GalleryRank1(size, Estimate(finite(rate)))
                for size, rate in zip(GALLERIES, rates, strict=True)
            )
            outcomes.append(
                replace(made, summary=replace(made.summary, smaller_galleries=smaller))
            )
    return outcomes


def _engines(one: Sequence[EngineTemplates], other: Sequence[EngineTemplates]) -> list[str]:
    """Return the engines with templates of all photographs, and of each view of all scans."""
    return [
        name
        for name in engines.engines()
        if all(name in item and enrolment.embeds_views(item[name]) for item in other)
        and all(name in item for item in one)
    ]
