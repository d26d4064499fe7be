# SPDX-License-Identifier: Apache-2.0
"""S3: single pictures of a head searched for among all photographs of everybody.

Four orientations; the frontal one also in black and white, and under six generic hairstyles in
both; as positive control each photograph among the others. A search is a hit when the right
person is within the first five. The study's searches under the person's own hair are not
repeated: whoever has it has a photograph.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import comb
from typing import Any

import numpy as np

from facebids.core.attack import engines, recognition
from facebids.core.identifiability import ranking, resampling
from facebids.studies import enrolment, hair
from facebids.studies.comparisons import Comparison, Scan, person
from facebids.studies.enrolment import BARE, Enrolment, Template
from facebids.studies.outcomes import TITLES, describe
from facebids.studies.results import NotPossible, Outcome, Search

ORIENTATIONS = ('frontal', 'side', 'halfside', 'top')  # in the order of the study
FIRST = 5
NO_SECOND = 'Nobody has two photographs that show a face, of which one could be searched for.'
Face = dict[str, Any] | None


@dataclass(frozen=True)
class Pictures:
    """Pictures to search for: what they are, whose, of which image, and how one engine sees them.

    A face is None where none was found.
    """

    what: str
    people: tuple[str, ...]
    images: tuple[str | None, ...]
    faces: tuple[Face, ...]


@dataclass(frozen=True)
class Gallery:
    """Photographs to search among: as one engine sees them, and whose they are."""

    engine: str
    entries: tuple[dict[str, Any], ...]
    people: np.ndarray


def compare_pictures(
    enrolled: Enrolment, photographs: dict[str, list[Template]], comparison: Comparison, seed: int
) -> list[Outcome]:
    """Search single pictures of every scan of a comparison among photographs.

    Parameters
    ----------
    enrolled
        The heads.
    photographs
        Templates of each person's photographs.
    comparison
        The scans, and the people with photographs.
    seed
        Start of the random numbers of the statistics.
    """
    outcomes = []
    for gallery in _galleries(photographs, comparison.gallery):
        for condition in comparison.conditions:
            named = describe(comparison, condition)
            for pictures in _of_scans(
                enrolled, comparison.probes, condition.probe, gallery.engine
            ):
                names = named | {'probe': f'{named["probe"]}, {pictures.what}'}
                scores = _scores(pictures, gallery)
                mates = _mates(pictures, gallery)
                outcomes.append(_outcome(pictures, gallery, scores, mates, names, seed))
    return outcomes


def compare_controls(
    photographs: dict[str, list[Template]], seed: int
) -> tuple[list[Outcome], list[NotPossible]]:
    """Search each photograph among the others: how well an engine knows these people at all.

    The same once more with its hair hidden, which a scan has none of.

    Parameters
    ----------
    photographs
        Templates of each person's photographs.
    seed
        Start of the random numbers of the statistics.
    """
    names = {
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
        bare = tuple(item.get(BARE, {}).get(gallery.engine) for item in own)
        itself = np.eye(len(gallery.people), dtype=bool)
        for what, faces in (('photograph', gallery.entries), (f'photograph {BARE}', bare)):
            control = Pictures(what, tuple(gallery.people), none, faces)
            scores = np.where(itself, np.nan, _scores(control, gallery))
            mates = _mates(control, gallery) & ~itself
            if mates.any() and len(people) > 1 and any(map(_shows_face, faces)):
                named = names | {'probe': what.replace('photograph', 'photographs')}
                outcomes.append(_outcome(control, gallery, scores, mates, named, seed))
    reasons = [] if outcomes else [NotPossible('S3', names['key'], 'Positive control', NO_SECOND)]
    return outcomes, reasons


def placements(
    scores: np.ndarray, mates: np.ndarray
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return place and score of every entry of the right person within the first five.

    Parameters
    ----------
    scores : ndarray, shape (G,)
        Of one search; NaN is no match.
    mates : ndarray of bool, shape (G,)
        Which entries are of the right person.
    """
    own = np.sort(scores[mates & np.isfinite(scores)])[::-1]
    above = [(scores > value).sum() + ((scores == value).sum() - 1) / 2 for value in own]
    kept = [(float(a + 1), float(value)) for a, value in zip(above, own, strict=True) if a < FIRST]
    return tuple(place for place, _ in kept), tuple(value for _, value in kept)


def chance_of_a_hit(mates: np.ndarray) -> float | None:
    """Return the share of hits that guessing gives: one of a person's among five drawn blindly.

    Parameters
    ----------
    mates : ndarray of bool, shape (P, G)
        Which entries are of the right person; rows without any are left out.
    """
    size = mates.shape[1]
    misses = [comb(size - own, FIRST) / comb(size, FIRST) for own in mates.sum(axis=1) if own]
    return 1 - float(np.mean(misses)) if misses and size > FIRST else None


def _galleries(photographs: dict[str, list[Template]], people: Sequence[str]) -> Iterator[Gallery]:
    owners = np.array([name for name in people for _ in photographs[name]], str)
    templates = [template for name in people for template in photographs[name]]
    for engine in engines.engines():
        if templates and all(engine in item for item in templates):
            yield Gallery(engine, tuple(item[engine] for item in templates), owners)


def _of_scans(
    enrolled: Enrolment, scans: Sequence[Scan], state: str, engine: str
) -> Iterator[Pictures]:
    """Return every kind of picture of some scans in one state."""
    whose = tuple(map(person, scans)), tuple(scan.image for scan in scans)
    for name in ORIENTATIONS:
        templates = [item.get(engine) for item in enrolled.of(scans, state)]
        faces = [enrolment.view(item, name) if item else None for item in templates]
        yield Pictures(name, *whose, tuple(faces))
    frontal = [enrolled.frontal(scan, state) for scan in scans]
    for what, dress in _dresses().items():
        pictures = [dress(*item) if item else None for item in frontal]
        templates = [
            {} if picture is None else engines.enrol_photograph(picture) for picture in pictures
        ]
        yield Pictures(what, *whose, tuple(item.get(engine) for item in templates))


def _dresses() -> dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]:
    """Return what is done to a frontal render and the box of its face, by name."""

    def fade(picture: np.ndarray, _: np.ndarray) -> np.ndarray:
        return hair.black_and_white(picture)

    dresses: dict[str, Callable] = {'frontal, black and white': fade}
    for style in hair.STYLES:
        dresses[f'{style}, colour'] = partial(_comb, style=style)
        dresses[f'{style}, black and white'] = partial(_comb, style=style, colourless=True)
    return dresses


def _comb(
    picture: np.ndarray, box: np.ndarray, style: str, colourless: bool = False
) -> np.ndarray:
    dressed = hair.overlay(picture, recognition.landmarks(picture, box), style)
    return hair.black_and_white(dressed) if colourless else dressed


def _scores(pictures: Pictures, gallery: Gallery) -> np.ndarray:
    """Return scores (P, G), NaN in the rows of pictures without a face."""
    return engines.score(gallery.engine, list(pictures.faces), list(gallery.entries))


def _shows_face(face: Face) -> bool:
    return face is not None and bool(enrolment.faces(face).any())


def _mates(pictures: Pictures, gallery: Gallery) -> np.ndarray:
    return np.array(pictures.people, str)[:, None] == gallery.people[None]


def _outcome(
    pictures: Pictures,
    gallery: Gallery,
    scores: np.ndarray,
    mates: np.ndarray,
    names: dict[str, str],
    seed: int,
) -> Outcome:
    places = ranking.mate_ranks(scores, mates)
    people = np.array(pictures.people, str)
    rates, low, high = resampling.rate(ranking.hits(places, [1, FIRST]), people, seed)
    searches = []
    for index, (label, image) in enumerate(zip(pictures.people, pictures.images, strict=True)):
        own = placements(scores[index], mates[index])
        place = float(places[index]) if np.isfinite(places[index]) else None
        score = np.nanmax(np.where(mates[index], scores[index], np.nan), initial=-np.inf)
        best = float(score) if np.isfinite(score) else None
        searches.append(Search(str(label), image, pictures.what, place, best, *own))
    numbers = {
        'rank1': rates[0], 'rank1_low': low[0], 'rank1_high': high[0],
        'rank5': rates[1], 'rank5_low': low[1], 'rank5_high': high[1],
        'detection': np.mean([_shows_face(face) for face in pictures.faces]),
    }  # fmt: skip
    return Outcome(
        **names,
        engine=gallery.engine,
        gallery_size=len(gallery.entries),
        left_out=0,
        summary={
            'people': len(set(pictures.people)),
            'probes': len(pictures.people),
            'missing': int(np.isnan(scores).sum()),
            'chance_of_a_hit': chance_of_a_hit(mates),
            **{
                name: float(value) if np.isfinite(value) else None
                for name, value in numbers.items()
            },
        },
        searches=tuple(searches),
    )
