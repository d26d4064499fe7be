# SPDX-License-Identifier: Apache-2.0
"""From a matrix of scores to the outcome of a comparison."""

from collections.abc import Sequence

import numpy as np

from facebids.core.attack import engines
from facebids.core.identifiability import ranking
from facebids.core.identifiability.summary import summarise
from facebids.studies.comparisons import KINDS, PHOTOGRAPH, Comparison, Condition, person
from facebids.studies.results import Outcome, Search

DEVIATIONS = (3.0, 4.0)
FALSE_POSITIVES = (0.0, 0.1)  # S1 had none
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
TITLES = {kind: KINDS[kind].title for kind in KINDS} | {
    'S1': 'Renders among photographs (S1)',
    'S2': 'Photographs among scans (S2)',
    'S3': 'Single views among photographs (S3)',
    'S4': 'Pairs of renders (S4)',
}


def describe(comparison: Comparison, condition: Condition) -> dict[str, str]:
    """Return how an outcome of a comparison in a condition is named."""
    study = comparison.kind if comparison.kind in ('S1', 'S2', 'S3') else 'scans'
    return {
        'study': study,
        'key': comparison.key,
        'title': TITLES[comparison.kind],
        'condition': condition.name if study == 'scans' else _defaced(condition),
        'probe': side(comparison.probe_suffix, condition.probe),
        'gallery': side(comparison.gallery_suffix, condition.gallery),
    }


def side(suffix: str, state: str) -> str:
    """Return one side of a comparison in words."""
    return 'photographs' if suffix == PHOTOGRAPH else f'{suffix} {state} defacing'


def outcome(
    comparison: Comparison,
    condition: Condition,
    engine: str,
    scores: np.ndarray,
    *,
    seed: int,
    thresholds: Sequence[float] = (),
    detection: float | None = None,
) -> Outcome:
    """Return the outcome of one comparison in one condition.

    Parameters
    ----------
    comparison, condition, engine
        What was compared, and by which engine.
    scores : ndarray, shape (P, G)
        Similarity of every probe with every entry of the gallery.
    seed
        Start of the random numbers of the statistics.
    thresholds
        Scores at which the open set is judged.
    detection
        Share of the renders in which a face was found.
    """
    probe_people, gallery_people, mates = people(comparison)
    summary = summarise(scores, mates, probe_people, gallery_people, seed, thresholds)
    images = [None if isinstance(item, str) else item.image for item in comparison.probes]
    what = 'photographs' if comparison.probe_suffix == PHOTOGRAPH else 'scan'
    return Outcome(
        **describe(comparison, condition),
        engine=engine,
        gallery_size=len(comparison.gallery),
        left_out=comparison.left_out,
        summary=summary | {'detection': detection},
        searches=searches(scores, mates, list(probe_people), images, what),
        spread=spread(scores[mates], scores[~mates]),
    )


def people(comparison: Comparison) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return whose the probes (P,) and the gallery (G,) are, and which agree (P, G)."""
    probes = np.array([person(item) for item in comparison.probes], str)
    gallery = np.array([person(item) for item in comparison.gallery], str)
    return probes, gallery, probes[:, None] == gallery[None]


def fixed_thresholds(engine: str) -> tuple[float, ...]:
    """Return scores as far above those of two strangers as `DEVIATIONS` says.

    What strangers score was measured on other people (each engine's ``STRANGERS``); of the fused
    score it is 0 with a deviation of about 1.
    """
    known = engines.engines().get(engine)
    mean, deviation = known.STRANGERS if known else (0.0, 1.0)
    return tuple(mean + deviations * deviation for deviations in DEVIATIONS)


def thresholds(scores: np.ndarray, mates: np.ndarray) -> tuple[float, ...]:
    """Return the scores above which `FALSE_POSITIVES` of the searches name somebody wrong.

    They are fixed before defacing and hold for the comparison after it. For photographs, where no
    score of strangers is known from elsewhere; before defacing the wrong names are few by choice.
    """
    wrong = np.where(mates | np.isnan(scores), -np.inf, scores).max(axis=1, initial=-np.inf)
    wrong = wrong[np.isfinite(wrong)]
    if not wrong.size:
        return ()
    levels = np.quantile(wrong, [1 - share for share in FALSE_POSITIVES], method='higher')
    return tuple(map(float, np.nextafter(levels, np.inf)))


def searches(
    scores: np.ndarray,
    mates: np.ndarray,
    people: Sequence[str],
    images: Sequence[str | None],
    what: str,
) -> tuple[Search, ...]:
    """Return the place of the right person in each search.

    Parameters
    ----------
    scores, mates : ndarray, shape (P, G)
        Similarities, and which entries are of the probe's person.
    people, images : sequence of length P
        Whom each search is for, and the image searched for.
    what
        What was searched for, in a word.
    """
    places = ranking.mate_ranks(scores, mates)
    best = np.where(mates, np.nan_to_num(scores, nan=-np.inf), -np.inf).max(
        axis=1, initial=-np.inf
    )
    return tuple(
        Search(
            str(label),
            image,
            what,
            place=float(place) if np.isfinite(place) else None,
            score=float(top) if np.isfinite(top) else None,
        )
        for label, image, place, top in zip(people, images, places, best, strict=True)
    )


def spread(same: np.ndarray, other: np.ndarray) -> dict[str, tuple[float, ...] | None]:
    """Return percentiles of the scores of pairs of the same and of two people."""
    return {'same': _quantiles(same), 'other': _quantiles(other)}


def _quantiles(values: np.ndarray) -> tuple[float, ...] | None:
    finite = values[np.isfinite(values)]
    return tuple(map(float, np.quantile(finite, QUANTILES))) if finite.size else None


def _defaced(condition: Condition) -> str:
    """Return the state of the scans, which photographs have none of."""
    return condition.gallery if condition.probe == PHOTOGRAPH else condition.probe
