# SPDX-License-Identifier: Apache-2.0
"""The study of a quiz: its scans, photographs and design, as ``study.json`` holds them.

All paths are relative to the folder of the quiz, so that it can be moved.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from facebids import filesystem
from facebids.errors import DatasetError

NAME = 'study.json'
CONSENT = 'consent.md'
PICTURES = 'pictures'
SECRET = 'secret'  # the key of personal links and forms
BEFORE, AFTER = 'before', 'after'
ARMS = (BEFORE, AFTER)
QUESTIONS = 58  # of the study that the quiz repeats (Chen & Siegel): 29 scans, twice
CHOICES = 6


@dataclass(frozen=True)
class Scan:
    """A scan whose renders are shown.

    Attributes
    ----------
    id
        Opaque token.
    participant
        Label without ``sub-``.
    sex, age, ethnicity
        As in ``participants.tsv``, age in years; None where it does not say.
    renders
        Picture file by arm.
    """

    id: str
    participant: str
    sex: str | None
    age: float | None
    ethnicity: str | None
    renders: dict[str, str]


@dataclass(frozen=True)
class Photograph:
    """A photograph to choose.

    Attributes
    ----------
    id
        Opaque token.
    participant
        Label without ``sub-``; None: a distractor, who is no participant. Each distractor has one
        photograph.
    sex, age, ethnicity
        See `Scan`.
    file
        Picture file.
    """

    id: str
    participant: str | None
    sex: str | None
    age: float | None
    ethnicity: str | None
    file: str


@dataclass(frozen=True)
class Study:
    """A study, from which the questions of every observer are drawn.

    Attributes
    ----------
    seed
        Random seed of all draws.
    choices
        Number of photographs of a question.
    questions
        Number of questions of an observer, even: half with a certain match, half open.
    arms
        Renders before or after defacing; an observer sees those of one arm.
    scans, photographs
        Their order is part of the draws.
    source
        Version of FaceBIDS that made the study.
    """

    seed: int
    choices: int
    questions: int
    arms: tuple[str, ...]
    scans: tuple[Scan, ...]
    photographs: tuple[Photograph, ...]
    source: str


def read(quiz_dir: str | Path) -> Study:
    """Read the study of a quiz.

    Raises
    ------
    DatasetError
        If the folder is not that of a quiz, or the study is damaged or names files outside it.
    """
    path = Path(quiz_dir) / NAME
    try:
        study = _from_json(json.loads(path.read_bytes()))
    except FileNotFoundError as error:
        raise DatasetError(
            f'{quiz_dir} is not the folder of a quiz: it has no {NAME}. '
            'Make one with facebids-quiz build.'
        ) from error
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise DatasetError(
            f'{path} cannot be read ({error!r}). Build the quiz again in a new folder.'
        ) from error
    return study


def write(quiz_dir: str | Path, study: Study) -> None:
    """Write the study of a quiz atomically."""
    filesystem.write_json_atomic(Path(quiz_dir) / NAME, asdict(study))


def files(study: Study) -> list[str]:
    """Return the picture files of a study."""
    renders = [scan.renders[arm] for scan in study.scans for arm in study.arms]
    return renders + [item.file for item in study.photographs]


def _from_json(values: dict[str, Any]) -> Study:
    study = Study(
        **{
            **values,
            'arms': tuple(values['arms']),
            'scans': tuple(Scan(**item) for item in values['scans']),
            'photographs': tuple(Photograph(**item) for item in values['photographs']),
        }
    )
    if not study.arms or not set(study.arms) <= set(ARMS):
        raise ValueError(f'arms {study.arms}')
    if study.questions % 2 or not 0 < study.questions <= 2 * len(study.scans):
        raise ValueError(f'{study.questions} questions on {len(study.scans)} scans')
    for file in files(study):
        if PurePosixPath(file).parent != PurePosixPath(PICTURES):
            raise ValueError(f'{file!r} is outside {PICTURES}/')
    return study
