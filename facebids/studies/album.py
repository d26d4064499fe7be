# SPDX-License-Identifier: Apache-2.0
"""Photographs of the participants as the engines see them. Pictures are read and forgotten."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facebids.core.attack import engines, recognition
from facebids.errors import PhotographError
from facebids.studies import hair, photo_pixels
from facebids.studies.enrolment import BARE, Template
from facebids.studies.photo_files import PROBLEMS, Problem, collect


@dataclass(frozen=True)
class Album:
    """Templates of each participant's photographs that show a face, and what was left out."""

    templates: dict[str, list[Template]]
    problems: tuple[Problem, ...]

    @property
    def notes(self) -> list[str]:
        """Counts of what was left out, without names: everybody may read them."""
        counts = Counter(problem.code for problem in self.problems)
        return [
            f'Left out: {what} ({counts[code]}).'
            for code, what in PROBLEMS.items()
            if counts[code]
        ]


def read(folder: Path, participants: Iterable[str]) -> Album:
    """Let the engines look at every photograph in a folder.

    Parameters
    ----------
    folder
        With a folder ``sub-<label>`` for each participant, any number of photographs in each.
    participants
        Labels in the dataset.
    """
    found, unusable = collect(folder, participants)
    templates: dict[str, list[Template]] = {label: [] for label in found}
    problems = [*unusable]
    for label, paths in found.items():
        for path in paths:
            seen = _look(path)
            if isinstance(seen, Problem):
                problems.append(seen)
            else:
                templates[label].append(seen)
    return Album(templates, tuple(problems))


def _look(path: Path) -> Template | Problem:
    """Return what the engines see in a photograph, or why they see nothing."""
    try:
        picture = photo_pixels.read(path)
    except PhotographError as error:
        return Problem(path, 'unreadable', str(error))
    seen = engines.enrol_photograph(picture)
    return seen | {BARE: _without_hair(picture)} if seen else Problem(path, 'no_face')


def _without_hair(picture: np.ndarray) -> Template:
    """Return what the engines see when the hair is hidden; nothing where it cannot be."""
    face = recognition.detect(picture)
    bare = face and hair.without_hair(picture, recognition.landmarks(picture, face.box))
    return {} if bare is None else engines.enrol_photograph(bare)
