# SPDX-License-Identifier: Apache-2.0
"""Photographs of the participants as the engines see them. Pictures are read and forgotten."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facebids.core import engines
from facebids.studies.enrolment import Template

SUFFIXES = ('.jpg', '.jpeg', '.png')
LARGEST = 1600  # pixels of the longer side: more shows a face no better and takes longer
PROBLEMS = {
    'participant_without_photograph': 'participants of the dataset without a photograph',
    'photograph_without_participant': 'folders of people who are not in the dataset',
    'not_a_photograph': 'files that are neither JPEG nor PNG',
    'unreadable': 'photographs that cannot be read',
    'no_face': 'photographs in which no face was found',
}


@dataclass(frozen=True)
class Problem:
    """Something of the photo folder that was left out: what, why (a key of `PROBLEMS`)."""

    path: Path
    code: str

    @property
    def message(self) -> str:
        """A line for the user alone: it names the file."""
        return f'{self.path}: {self.code.replace("_", " ")}'


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
    labels = sorted(participants)
    strangers = [
        Problem(path, 'photograph_without_participant')
        for path in _inside(folder)
        if path.is_dir() and path.name.removeprefix('sub-') not in labels
    ]
    templates: dict[str, list[Template]] = {}
    problems = [*strangers]
    for label in labels:
        templates[label], unusable = _enrol(_inside(folder / f'sub-{label}'))
        problems += unusable
        if not templates[label] and not unusable:
            problems.append(Problem(folder / f'sub-{label}', 'participant_without_photograph'))
    return Album(templates, tuple(problems))


def _inside(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (path for path in sorted(folder.iterdir()) if not path.name.startswith('.'))


def _enrol(paths: Iterable[Path]) -> tuple[list[Template], list[Problem]]:
    templates, problems = [], []
    for path in paths:
        template = _look(path)
        if isinstance(template, str):
            problems.append(Problem(path, template))
        else:
            templates.append(template)
    return templates, problems


def _look(path: Path) -> Template | str:
    """Return what the engines see in a photograph, or the code of why they see nothing."""
    if path.suffix.lower() not in SUFFIXES:
        return 'not_a_photograph'
    picture = read_picture(path)
    if picture is None:
        return 'unreadable'
    return engines.enrol_photograph(picture) or 'no_face'


def read_picture(path: Path) -> np.ndarray | None:
    """Return a photograph the right way up, shape (H, W, 3); None: it cannot be read."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as file:
            upright = ImageOps.exif_transpose(file)
            upright.thumbnail((LARGEST, LARGEST))
            whole = upright.convert('RGBA')
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    flat = Image.new('RGBA', whole.size, 'white')
    flat.alpha_composite(whole)
    return np.asarray(flat.convert('RGB'))
