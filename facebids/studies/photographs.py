# SPDX-License-Identifier: Apache-2.0
"""Scans against photographs, as S1, S2 and S3 did it.

S2 searches photographs among scans and puts the scores of a person's photographs together. S1
searches the frontal render among one photograph of each person. S3 searches single views, and the
frontal render under hair that is not its own, among all photographs, and photographs among
photographs as positive control. A photograph is only read: nothing of it is kept, nor its name.
"""

from collections.abc import Sequence

import numpy as np

from facebids.core.attack import engines
from facebids.core.identifiability import ranking
from facebids.studies import enrolment
from facebids.studies import outcomes as make
from facebids.studies.comparisons import Comparison, plan_photographs
from facebids.studies.enrolment import Enrolment, Template
from facebids.studies.outcomes import TITLES
from facebids.studies.pictures import compare_controls, compare_pictures
from facebids.studies.results import NotPossible, Outcome
from facebids.studies.subsets import rank1_among

GALLERIES = (50, 100, 150)  # photographs that S1 searched among
Photographs = dict[str, list[Template]]


def compare(
    enrolled: Enrolment, photographs: Photographs | None, seed: int
) -> tuple[list[Outcome], list[NotPossible]]:
    """Make every comparison of scans with photographs that the data allow.

    Parameters
    ----------
    enrolled
        The heads.
    photographs
        Templates of each person's photographs that show a face; None: there is no folder of them.
    seed
        Start of the random numbers of the statistics.
    """
    photographed = [name for name, faces in (photographs or {}).items() if faces]
    possible, impossible = plan_photographs(
        enrolled.scans, None if photographs is None else photographed
    )
    study = {
        'S1': _renders_among_photographs,
        'S2': _photographs_among_scans,
        'S3': compare_pictures,
    }
    outcomes = [
        outcome
        for comparison in possible
        for outcome in study[comparison.kind](enrolled, photographs, comparison, seed)
    ]
    reasons = [
        NotPossible(item.kind, item.kind, TITLES[item.kind], item.reason) for item in impossible
    ]
    if not photographed:
        return outcomes, reasons
    controls, no_controls = compare_controls(photographs, seed)
    return outcomes + controls, reasons + no_controls


def by_person(scores: np.ndarray, owners: Sequence[str], order: Sequence[str]) -> np.ndarray:
    """Put the scores of each person's photographs together.

    S2 adds them up. Their mean gives the same list, and one threshold fits everybody, whatever
    the number of photographs.

    Parameters
    ----------
    scores : ndarray, shape (F, G)
        Of every photograph; NaN, where no face was found, counts for nothing.
    owners : sequence of length F
        Whose each photograph is.
    order : sequence of length P
        The people.

    Returns
    -------
    ndarray, shape (P, G)
        NaN where none of a person's photographs has a score.
    """
    belongs = np.array(order, str)[:, None] == np.array(owners, str)[None]
    known = np.isfinite(scores)
    total = belongs.astype(float) @ np.where(known, scores, 0.0)
    count = belongs.astype(float) @ known
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _photographs_among_scans(
    enrolled: Enrolment, photographs: Photographs, comparison: Comparison, seed: int
) -> list[Outcome]:
    owners = [label for label in comparison.probes for _ in photographs[label]]
    pictures = [template for label in comparison.probes for template in photographs[label]]
    levels: dict[str, tuple[float, ...]] = {}
    outcomes = []
    _, _, mates = make.people(comparison)
    for condition in comparison.conditions:
        gallery = enrolled.of(comparison.gallery, condition.gallery)
        for engine in _engines(pictures, gallery):
            single = engines.score(
                engine, [item[engine] for item in pictures], [item[engine] for item in gallery]
            )
            scores = by_person(single, owners, comparison.probes)
            levels.setdefault(engine, make.thresholds(scores, mates))
            found = enrolment.detection(item[engine] for item in gallery)
            numbers = {'seed': seed, 'thresholds': levels[engine], 'detection': found}
            outcomes.append(make.outcome(comparison, condition, engine, scores, **numbers))
    return outcomes


def _renders_among_photographs(
    enrolled: Enrolment, photographs: Photographs, comparison: Comparison, seed: int
) -> list[Outcome]:
    """Search each frontal render among one photograph a person (S1)."""
    gallery = [photographs[label][0] for label in comparison.gallery]
    levels: dict[str, tuple[float, ...]] = {}
    outcomes = []
    _, _, mates = make.people(comparison)
    for condition in comparison.conditions:
        probes = enrolled.of(comparison.probes, condition.probe)
        for engine in _engines(gallery, probes):
            frontal = [enrolment.view(item[engine], 'frontal') for item in probes]
            scores = engines.score(engine, frontal, [item[engine] for item in gallery])
            levels.setdefault(engine, make.thresholds(scores, mates))
            found = make.outcome(
                comparison,
                condition,
                engine,
                scores,
                seed=seed,
                thresholds=levels[engine],
                detection=enrolment.detection(item for item in frontal if item),
            )
            places = ranking.mate_ranks(scores, mates)
            rates = rank1_among(places, len(gallery), GALLERIES)
            found.summary['among'] = [
                {'n': size, 'rate': None if np.isnan(rate) else float(rate)}
                for size, rate in zip(GALLERIES, rates, strict=True)
            ]
            outcomes.append(found)
    return outcomes


def _engines(one: Sequence[Template], other: Sequence[Template]) -> list[str]:
    """Return the engines that know all photographs and all scans, and embed single views."""
    return [
        name
        for name in engines.engines()
        if all(name in item and enrolment.embeds_views(item[name]) for item in other)
        and all(name in item for item in one)
    ]
