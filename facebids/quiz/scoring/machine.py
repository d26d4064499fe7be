# SPDX-License-Identifier: Apache-2.0
"""A recognition engine answers the questions of the observers.

It chooses the photograph most similar to the render. Where "none of the above" is a choice, it
chooses that if even the most similar photograph scores below a threshold. The threshold of a scan
is the one with the most right answers about the other scans of the same arm: that of an attacker
who has tried the engine on other people. With the open questions of one scan only, it is the mean
plus `FALLBACK` standard deviations of the engine's scores of different people.

A render in which the engine finds no face has no answer. It counts as wrong, in all questions.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan

import numpy as np

from facebids.core.arrays import BoolArray, FloatArray, Picture
from facebids.core.attack import engines
from facebids.core.attack.engines import PhotographEngine
from facebids.errors import UsageError
from facebids.quiz.answers import NO_ANSWER, Answer

DEFAULT = ('dlib',)
FALLBACK = 1.64  # standard deviations: exceeded by one in twenty scores of different people


@dataclass(frozen=True)
class Search:
    """The search of a render in all photographs of the study, as no person could do it.

    Attributes
    ----------
    scan, arm
        Whose render.
    face
        Whether the engine finds a face in the render.
    first
        Whether a photograph of the right person is the most similar of all.
    """

    scan: str
    arm: str
    face: bool
    first: bool


@dataclass(frozen=True)
class Machine:
    """The answers of an engine.

    Attributes
    ----------
    name
        Its name.
    answers
        Its answer to each question that was answered.
    thresholds
        By arm, the median over scans of the score below which it answers "none of the above".
    searches
        Its search of each render in all photographs.
    photographs
        Number of photographs, in which a face was found.
    """

    name: str
    answers: tuple[Answer, ...]
    thresholds: dict[str, float]
    searches: tuple[Search, ...]
    photographs: int


Scores = Mapping[tuple[str, str], Mapping[str, float] | None]


def usable(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of engines, each once.

    Raises
    ------
    UsageError
        If there is no such engine, or it compares no photographs.
    """
    known = [
        name for name, engine in engines.engines().items() if isinstance(engine, PhotographEngine)
    ]
    for name in names:
        if name not in known:
            raise UsageError(
                f'--engines {name}: there is no such engine that compares photographs. '
                f'Choose from {", ".join(known)}.'
            )
    return tuple(dict.fromkeys(names))


def compare(
    engine: str,
    renders: Mapping[tuple[str, str], Picture],
    photographs: Mapping[str, Picture],
) -> dict[tuple[str, str], dict[str, float] | None]:
    """Return the similarity of every render to every photograph.

    Parameters
    ----------
    engine
        Name of an engine, as of `usable`.
    renders
        RGB pictures by scan and arm.
    photographs
        RGB pictures by identifier.

    Returns
    -------
    dict
        None for a render without a face; photographs without a face are left out.
    """
    enrol: Callable[[Picture], engines.FaceTemplate | None]
    enrol = engines.engines()[engine].enrol_photograph  # type: ignore[attr-defined]
    probes = [enrol(picture) for picture in renders.values()]
    gallery = [enrol(picture) for picture in photographs.values()]
    scores = engines.score(engine, probes, gallery)
    return {
        key: None
        if probe is None
        else {
            name: float(value)
            for name, value in zip(photographs, row, strict=True)
            if not np.isnan(value)
        }
        for key, probe, row in zip(renders, probes, scores, strict=True)
    }


def answer(
    engine: str,
    answers: Sequence[Answer],
    scores: Scores,
    own: Mapping[str, Collection[str]],
) -> Machine:
    """Answer the questions that people answered.

    Parameters
    ----------
    engine
        Name of the engine.
    answers
        Answers of people, from which the questions are taken.
    scores
        As of `compare`.
    own
        All photographs of the person in each scan.
    """
    mean, deviation = engines.engines()[engine].IMPOSTOR_SCORES
    limits = _thresholds(answers, scores, mean + FALLBACK * deviation)
    given = tuple(
        replace(
            item,
            chosen=_choice(item, scores[item.scan, item.arm], limits[item.scan, item.arm]),
            seconds=nan,
        )
        for item in answers
    )
    arms = sorted({arm for _, arm in limits})
    thresholds = {
        arm: float(np.median([limit for (_, of), limit in limits.items() if of == arm]))
        for arm in arms
    }
    searches = tuple(
        Search(scan, arm, bool(found), max(found, key=found.__getitem__, default='') in own[scan])
        for scan, arm in sorted(limits)
        for found in [scores[scan, arm] or {}]
    )
    photographs = max((len(found) for found in scores.values() if found), default=0)
    return Machine(engine, given, thresholds, searches, photographs)


def threshold(best: FloatArray, is_right: BoolArray, absent: BoolArray) -> float:
    """Return the threshold with the most right answers to open questions.

    Parameters
    ----------
    best : ndarray, shape (N,)
        Score of the most similar photograph of each question, at least one.
    is_right : ndarray of bool, shape (N,)
        Whether that is the right photograph.
    absent : ndarray of bool, shape (N,)
        Whether the right photograph is absent.

    Returns
    -------
    float
        A photograph is chosen at or above it. Midway between two scores, or the lowest score, or
        just above the highest, where the best answer to all is "none of the above".
    """
    order = np.argsort(-best, kind='stable')
    scores = best[order]
    # right answers if the first 0, 1, ... N photographs are chosen
    chosen = np.concatenate([[0], np.cumsum(is_right[order])])
    refused = absent.sum() - np.concatenate([[0], np.cumsum(absent[order])])
    middles = (scores[:-1] + scores[1:]) / 2
    edges = np.concatenate([[np.nextafter(scores[0], np.inf)], middles, scores[-1:]])
    possible = np.concatenate([[True], scores[:-1] > scores[1:], [True]])
    return float(edges[np.argmax(np.where(possible, chosen + refused, -1))])


def _choice(item: Answer, scores: Mapping[str, float] | None, limit: float) -> str | None:
    best = _best(item, scores)
    if best is None:
        return NO_ANSWER
    name, score = best
    return None if item.kind == 'open' and score < limit else name


def _best(item: Answer, scores: Mapping[str, float] | None) -> tuple[str, float] | None:
    """Return the most similar photograph of a question, and its score."""
    known = [(name, scores[name]) for name in item.choices if name in scores] if scores else []
    return max(known, key=lambda pair: pair[1], default=None)


def _thresholds(
    answers: Sequence[Answer], scores: Scores, fallback: float
) -> dict[tuple[str, str], float]:
    """Return the threshold of each scan and arm, from the open questions about other scans."""
    best = [_best(item, scores[item.scan, item.arm]) for item in answers]
    questions = [
        (item, found)
        for item, found in zip(answers, best, strict=True)
        if item.kind == 'open' and found is not None
    ]
    keys = np.array([f'{item.scan}\t{item.arm}' for item, _ in questions], str)
    arms = np.array([item.arm for item, _ in questions], str)
    values = np.array([score for _, (_, score) in questions], float)
    is_right = np.array([name == item.right for item, (name, _) in questions], bool)
    absent = np.array([not item.present for item, _ in questions], bool)
    limits = {}
    for scan, arm in {(item.scan, item.arm) for item in answers}:
        others = (arms == arm) & (keys != f'{scan}\t{arm}')
        limits[scan, arm] = (
            threshold(values[others], is_right[others], absent[others])
            if others.any()
            else fallback
        )
    return limits
