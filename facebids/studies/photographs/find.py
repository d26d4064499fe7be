# SPDX-License-Identifier: Apache-2.0
"""Find photographs: a folder ``sub-<label>`` for each participant.

BIDS does not specify photographs of faces: the folder is outside the dataset or in its
sourcedata. Files that cannot be used are reported with the reason; only hidden files are ignored.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = ('.jpg', '.jpeg', '.png')
PROBLEMS = {
    'participant_without_photograph': 'participants of the dataset without a photograph',
    'photograph_without_participant': 'folders and photographs of no participant of the dataset',
    'not_a_photograph': 'files that are neither JPEG nor PNG',
    'unreadable': 'photographs that cannot be read',
    'no_face': 'photographs in which no face was found',
}


@dataclass(frozen=True)
class Problem:
    """A file or folder that was left out.

    Parameters
    ----------
    path
        The file or folder.
    code
        A key of `PROBLEMS`.
    reason
        A sentence that names the path; empty where the code says it all.
    """

    path: Path
    code: str
    reason: str = ''

    @property
    def message(self) -> str:
        """A line for the terminal, not for the page: it names the file."""
        return self.reason or f'{self.path}: {self.code.replace("_", " ")}'


def find(
    folder: Path, participants: Iterable[str]
) -> tuple[dict[str, tuple[Path, ...]], tuple[Problem, ...]]:
    """Find the photographs of every participant, without opening them.

    Parameters
    ----------
    folder
        Has a folder ``sub-<label>`` for each participant, with any number of photographs.
    participants
        Labels in the dataset.

    Returns
    -------
    found
        Files by label; every participant has an entry.
    problems
        Files and folders that were left out, and participants without a photograph.
    """
    labels = sorted(participants)
    found: dict[str, tuple[Path, ...]] = {}
    entries, problems = _inside(folder)
    known = {f'sub-{label}' for label in labels}
    problems += [
        Problem(path, 'photograph_without_participant')
        for path in entries
        if (path.is_dir() and path.name not in known)
        or (not path.is_dir() and _is_photograph(path))
    ]
    for label in labels:
        home = folder / f'sub-{label}'
        files, unusable = _inside(home) if home.is_dir() else ([], [])
        unusable += [Problem(path, 'not_a_photograph') for path in files if not _usable(path)]
        found[label] = tuple(path for path in files if _usable(path))
        if not found[label] and not unusable:
            unusable = [Problem(home, 'participant_without_photograph')]
        problems += unusable
    return found, tuple(problems)


def _inside(folder: Path) -> tuple[list[Path], list[Problem]]:
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith('.'))
    except OSError as error:
        return [], [Problem(folder, 'unreadable', str(error))]
    return paths, []


def _is_photograph(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _usable(path: Path) -> bool:
    return _is_photograph(path) and not path.is_dir()
