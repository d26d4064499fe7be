# SPDX-License-Identifier: Apache-2.0
"""S3: single views of a head in a gallery of all photographs.

Four orientations; the frontal view also in black and white, and with six generic hairstyles in
colour and in black and white. The positive controls search each photograph in the gallery of the
others. A search is a hit when the right participant is within rank 5. The searches of the study
with the participant's own hair are not reproduced: they need a photograph to begin with.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.stats import hypergeom

from facebids.core.arrays import AnyArray, BoolArray, FloatArray, StrArray
from facebids.core.attack import engines, recognition
from facebids.core.attack.engines import FaceTemplate
from facebids.core.identifiability import ranking, resampling
from facebids.core.identifiability.evaluation import estimate, finite
from facebids.core.identifiability.summary import Summary
from facebids.studies import enrolment, hair
from facebids.studies.comparisons import Comparison, Scan, person, scans_of
from facebids.studies.enrolment import Enrolment, Photographs
from facebids.studies.outcomes import TITLES, Names, describe
from facebids.studies.results import HIT_RANK, NotPossible, Outcome, Search

ORIENTATIONS = ('frontal', 'side', 'halfside', 'top')  # in the order of the study
NO_SECOND = 'No participant has two photographs that show a face: a probe and a gallery entry.'
Face = FaceTemplate | None


@dataclass(frozen=True)
class Probes:
    """Pictures of one kind: their participants and images, and the templates of one engine.

    A template is None where no face was found.
    """

    kind: str
    people: tuple[str, ...]
    images: tuple[str | None, ...]
    faces: tuple[Face, ...]


@dataclass(frozen=True)
class Gallery:
    """Photographs: the templates of one engine, and their participants."""

    engine: str
    entries: tuple[FaceTemplate, ...]
    people: StrArray


def compare_views(
    enrolled: Enrolment, photographs: Photographs, comparison: Comparison, seed: int
) -> list[Outcome]:
    """Search single views of every scan of a comparison in a gallery of photographs.

    Parameters
    ----------
    enrolled
        The templates of the scans.
    photographs
        Templates of each participant's photographs.
    comparison
        The scans, and the participants with photographs.
    seed
        Random seed of the statistics.
    """
    outcomes = []
    scans = scans_of(comparison.probes)
    for gallery in _galleries(photographs, list(map(person, comparison.gallery))):
        for condition in comparison.conditions:
            named = describe(comparison, condition)
            for probes in _of_scans(enrolled, scans, condition.probe, gallery.engine):
                names: Names = {**named, 'probe': f'{named["probe"]}, {probes.kind}'}
                scores = _scores(probes, gallery)
                mates = _mates(probes, gallery)
                outcomes.append(_outcome(probes, gallery, scores, mates, names, seed))
    return outcomes


def compare_controls(
    photographs: Photographs, seed: int
) -> tuple[list[Outcome], list[NotPossible]]:
    """Search each photograph in the gallery of the others: the positive controls.

    They show how well an engine recognises these participants. A second control hides the hair of
    the probe, as a scan shows none.

    Parameters
    ----------
    photographs
        Templates of each participant's photographs.
    seed
        Random seed of the statistics.
    """
    names: Names = {
        'study': 'S3',
        'key': 'S3_photograph_in_photograph',
        'title': TITLES['S3'],
        'condition': 'control',
        'probe': 'photographs',
        'gallery': 'the other photographs',
    }
    people = sorted(name for name in photographs if photographs[name])
    outcomes = []
    for gallery in _galleries(photographs, people):
        none = (None,) * len(gallery.people)
        own = [item for name in people for item in photographs[name]]
        bare = [item.without_hair.get(gallery.engine) for item in own]
        variants: dict[str, list[Face]] = {
            'photograph': [*gallery.entries],
            'photograph without hair': bare,
        }
        for kind, faces in variants.items():
            control = Probes(kind, tuple(gallery.people), none, tuple(faces))
            scores = _without_itself(_scores(control, gallery))
            mates = _without_itself(_mates(control, gallery))
            if mates.any() and len(people) > 1 and any(map(_shows_face, faces)):
                probe = kind.replace('photograph', 'photographs')
                named: Names = {**names, 'probe': probe}
                outcomes.append(_outcome(control, gallery, scores, mates, named, seed))
    reasons = [] if outcomes else [NotPossible('S3', names['key'], 'Positive control', NO_SECOND)]
    return outcomes, reasons


def ranks_within_five(
    scores: FloatArray, mates: BoolArray
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return rank and score of every entry of the right participant within rank 5.

    Parameters
    ----------
    scores : ndarray, shape (G,)
        Of one search; NaN is left out.
    mates : ndarray of bool, shape (G,)
        Which entries are of the right participant.
    """
    own = np.sort(scores[mates & np.isfinite(scores)])[::-1]
    above = [(scores > value).sum() + ((scores == value).sum() - 1) / 2 for value in own]
    kept = [
        (float(a + 1), float(value)) for a, value in zip(above, own, strict=True) if a < HIT_RANK
    ]
    return tuple(rank for rank, _ in kept), tuple(value for _, value in kept)


def chance_within_five(mates: BoolArray) -> float | None:
    """Return the chance level of a hit: five entries drawn at random include a mate.

    None in a gallery of five or fewer entries, where every search is a hit, and without mates.

    Parameters
    ----------
    mates : ndarray of bool, shape (P, G)
        Which entries are of the right participant; rows without any are left out.
    """
    size = mates.shape[1]
    if size <= HIT_RANK or not mates.any():
        return None
    own = mates.sum(axis=1)
    return 1 - float(hypergeom.pmf(0, size, own[own > 0], HIT_RANK).mean())


def _galleries(photographs: Photographs, people: Sequence[str]) -> Iterator[Gallery]:
    owners = np.array([name for name in people for _ in photographs[name]], str)
    templates = [item.templates for name in people for item in photographs[name]]
    for engine in engines.engines():
        if templates and all(engine in item for item in templates):
            yield Gallery(engine, tuple(item[engine] for item in templates), owners)


def _of_scans(
    enrolled: Enrolment, scans: Sequence[Scan], state: str, engine: str
) -> Iterator[Probes]:
    """Yield every kind of picture of some scans in one state."""
    labels = tuple(scan.participant for scan in scans), tuple(scan.image for scan in scans)
    for name in ORIENTATIONS:
        heads = [item.get(engine) for item in enrolled.of(scans, state)]
        faces = [enrolment.view(item, name) if item else None for item in heads]
        yield Probes(name, *labels, tuple(faces))
    frontal = [enrolled.frontal(scan, state) for scan in scans]
    for kind, change in _appearance_variants().items():
        pictures = [change(*item) if item else None for item in frontal]
        templates = [
            {} if picture is None else engines.enrol_photograph(picture) for picture in pictures
        ]
        yield Probes(kind, *labels, tuple(item.get(engine) for item in templates))


def _appearance_variants() -> dict[str, Callable[[AnyArray, AnyArray], AnyArray]]:
    """Return functions of a frontal render and the box of its face, by name."""

    def fade(picture: AnyArray, _: AnyArray) -> AnyArray:
        return hair.black_and_white(picture)

    variants: dict[str, Callable[[AnyArray, AnyArray], AnyArray]] = {
        'frontal, black and white': fade
    }
    for style in hair.STYLES:
        variants[f'{style}, colour'] = partial(_with_hair, style=style)
        variants[f'{style}, black and white'] = partial(_with_hair, style=style, colourless=True)
    return variants


def _with_hair(picture: AnyArray, box: AnyArray, style: str, colourless: bool = False) -> AnyArray:
    covered = hair.overlay(picture, recognition.landmarks(picture, box), style)
    return hair.black_and_white(covered) if colourless else covered


def _scores(probes: Probes, gallery: Gallery) -> FloatArray:
    """Return scores (P, G), NaN in the rows of probes without a face."""
    return engines.score(gallery.engine, list(probes.faces), list(gallery.entries))


def _without_itself(matrix: AnyArray) -> AnyArray:
    """Return a matrix (G, G) without its diagonal, (G, G - 1)."""
    return matrix[~np.eye(len(matrix), dtype=bool)].reshape(len(matrix), -1)


def _shows_face(face: Face) -> bool:
    return face is not None and bool(enrolment.faces(face).any())


def _mates(probes: Probes, gallery: Gallery) -> BoolArray:
    return np.array(probes.people, str)[:, None] == gallery.people[None]


def _outcome(
    probes: Probes,
    gallery: Gallery,
    scores: FloatArray,
    mates: BoolArray,
    names: Names,
    seed: int,
) -> Outcome:
    ranks = ranking.mate_ranks(scores, mates)
    people = np.array(probes.people, str)
    hits = resampling.rate(ranking.hits(ranks, [1, HIT_RANK]), people, seed)
    rank1, rank5 = (estimate(*(values[index] for values in hits)) for index in (0, 1))
    return Outcome(
        **names,
        engine=gallery.engine,
        summary=Summary(
            people=len(set(probes.people)),
            probes=len(probes.people),
            gallery_size=scores.shape[1],
            chance=ranking.chance_level(mates.sum(axis=1), mates.shape[1]),
            people_with_mates=len(set(people[mates.any(axis=1)])),
            missing=int(np.isnan(scores).sum()),
            detection=finite(np.mean([_shows_face(face) for face in probes.faces])),
            chance_within_five=chance_within_five(mates),
            rank1=rank1,
            rank5=rank5,
        ),
        searches=tuple(_searches(probes, scores, mates, ranks)),
    )


def _searches(
    probes: Probes, scores: FloatArray, mates: BoolArray, ranks: FloatArray
) -> Iterator[Search]:
    for index, (label, image) in enumerate(zip(probes.people, probes.images, strict=True)):
        score = np.nanmax(np.where(mates[index], scores[index], np.nan), initial=-np.inf)
        within = ranks_within_five(scores[index], mates[index])
        yield Search(str(label), image, probes.kind, finite(ranks[index]), finite(score), *within)
