# SPDX-License-Identifier: Apache-2.0
"""Enrol the photographs of the participants with the engines."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from facebids.core.arrays import AnyArray
from facebids.core.attack import engines, recognition
from facebids.errors import PhotographError
from facebids.studies import hair
from facebids.studies.enrolment import EngineTemplates, Photograph, Photographs
from facebids.studies.photographs.find import PROBLEMS, Problem, find
from facebids.studies.photographs.read import read


@dataclass(frozen=True)
class Enrolled:
    """Templates of each participant's photographs that show a face, and what was left out."""

    templates: Photographs
    problems: tuple[Problem, ...]

    @property
    def notes(self) -> list[str]:
        """Sentences that count what was left out, without names of files."""
        counts = Counter(problem.code for problem in self.problems)
        return [
            f'Left out: {description} ({counts[code]}).'
            for code, description in PROBLEMS.items()
            if counts[code]
        ]


def enrol(folder: Path, participants: Iterable[str]) -> Enrolled:
    """Enrol every photograph in a folder.

    Parameters
    ----------
    folder
        Has a folder ``sub-<label>`` for each participant, with any number of photographs.
    participants
        Labels in the dataset.
    """
    found, unusable = find(folder, participants)
    templates: Photographs = {label: [] for label in found}
    problems = [*unusable]
    for label, paths in found.items():
        for path in paths:
            enrolled = _enrol(path)
            if isinstance(enrolled, Problem):
                problems.append(enrolled)
            else:
                templates[label].append(enrolled)
    return Enrolled(templates, tuple(problems))


def _enrol(path: Path) -> Photograph | Problem:
    """Return the templates of a photograph, or why there are none."""
    try:
        picture = read(path)
    except PhotographError as error:
        return Problem(path, 'unreadable', str(error))
    templates = engines.enrol_photograph(picture)
    if not templates:
        return Problem(path, 'no_face')
    return Photograph(templates, _without_hair(picture))


def _without_hair(picture: AnyArray) -> EngineTemplates:
    """Return the templates of a photograph with its hair hidden, empty where it cannot be."""
    face = recognition.detect(picture)
    if face is None:
        return {}
    bare = hair.without_hair(picture, recognition.landmarks(picture, face.box))
    return {} if bare is None else engines.enrol_photograph(bare)
