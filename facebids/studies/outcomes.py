# SPDX-License-Identifier: Apache-2.0
"""From the scores to the outcome of a comparison."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypedDict

import numpy as np

from facebids.core.arrays import FloatArray, StrArray
from facebids.core.attack import engines
from facebids.core.identifiability.evaluation import evaluate, finite
from facebids.core.identifiability.searches import Gathered
from facebids.studies.comparisons import KINDS, PHOTOGRAPH, Comparison, Condition, person
from facebids.studies.results import Outcome, Search

DEVIATIONS = (3.0, 4.0)
FALSE_POSITIVES = (0.0, 0.1)  # rates before defacing; that of S1 was 0
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
TITLES = {kind: KINDS[kind].title for kind in KINDS} | {
    'S1': 'Renders in a gallery of photographs (S1)',
    'S2': 'Photographs in a gallery of scans (S2)',
    'S3': 'Single views in a gallery of photographs (S3)',
    'S4': 'Pairs of renders (S4)',
}


class Names(TypedDict):
    """The fields of an `Outcome` that say what was compared."""

    study: str
    key: str
    title: str
    condition: str
    probe: str
    gallery: str


def describe(comparison: Comparison, condition: Condition) -> Names:
    """Return the descriptive fields of the outcome of a comparison in a condition."""
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
    gathered: Gathered,
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
    gathered
        From the similarities of every probe with every entry of the gallery.
    seed
        Random seed of the statistics.
    thresholds
        Scores at which open-set identification is evaluated.
    detection
        Share of the renders in which a face was found.
    """
    summary = evaluate(gathered, seed, thresholds)
    images = [None if isinstance(item, str) else item.image for item in comparison.probes]
    probe = 'photographs' if comparison.probe_suffix == PHOTOGRAPH else 'scan'
    return Outcome(
        **describe(comparison, condition),
        engine=engine,
        summary=replace(summary, detection=detection, left_out=comparison.left_out),
        searches=tuple(
            Search(person(item), image, probe, finite(rank), finite(score))
            for item, image, rank, score in zip(
                comparison.probes,
                images,
                gathered.searches.ranks,
                gathered.searches.mates,
                strict=True,
            )
        ),
        spread=spread(*gathered.pairs.split),
    )


def people(comparison: Comparison) -> tuple[StrArray, StrArray]:
    """Return the people of the probes (P,) and of the gallery (G,)."""
    probes = np.array([person(item) for item in comparison.probes], str)
    gallery = np.array([person(item) for item in comparison.gallery], str)
    return probes, gallery


def fixed_thresholds(engine: str) -> tuple[float, ...]:
    """Return scores that lie `DEVIATIONS` standard deviations above the mean impostor score.

    Mean and standard deviation were measured on other people (``IMPOSTOR_SCORES`` of each
    engine); for the fused score they are 0 and about 1.
    """
    known = engines.engines().get(engine)
    mean, deviation = known.IMPOSTOR_SCORES if known else (0.0, 1.0)
    return tuple(mean + deviations * deviation for deviations in DEVIATIONS)


def thresholds(wrong: FloatArray) -> tuple[float, ...]:
    """Return the thresholds with the false-positive rates `FALSE_POSITIVES`.

    They are for photographs, for which no impostor scores of other people are known. They are
    fixed on the data before defacing, where the false-positive rates are therefore no result,
    and are applied unchanged after it.

    Parameters
    ----------
    wrong : ndarray, shape (P,)
        Highest score of each probe with anybody else.
    """
    wrong = wrong[np.isfinite(wrong)]
    if not wrong.size:
        return ()
    levels = np.quantile(wrong, [1 - share for share in FALSE_POSITIVES], method='higher')
    return tuple(map(float, np.nextafter(levels, np.inf)))


def spread(genuine: FloatArray, impostor: FloatArray) -> dict[str, tuple[float, ...] | None]:
    """Return percentiles of the scores of genuine and of impostor pairs."""
    return {'same': _quantiles(genuine), 'other': _quantiles(impostor)}


def _quantiles(values: FloatArray) -> tuple[float, ...] | None:
    finite = values[np.isfinite(values)]
    return tuple(map(float, np.quantile(finite, QUANTILES))) if finite.size else None


def _defaced(condition: Condition) -> str:
    """Return the state of the side that are scans; photographs have none."""
    return condition.gallery if condition.probe == PHOTOGRAPH else condition.probe
