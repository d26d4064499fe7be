# SPDX-License-Identifier: Apache-2.0
"""Find photographs and videos, and name what is made from them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

from facebids.errors import DatasetError, UsageError

Kind: TypeAlias = Literal['photo', 'video']

SUFFIXES: dict[Kind, tuple[str, ...]] = {
    'photo': ('.jpeg', '.jpg', '.png'),
    'video': (
        '.3gp', '.avi', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.mts', '.webm', '.wmv',
    ),
}  # fmt: skip
DESCRIPTION = 'dataset_description.json'
BIDS_SUFFIXES = ('photo', 'video', 'audiovideo')


@dataclass(frozen=True)
class Source:
    """A photograph or video.

    Parameters
    ----------
    path
        The file.
    kind
        What it is, by the end of its name.
    stem
        POSIX path of the output relative to its folder, up to ``_desc-mask``.
    bids
        Path relative to the BIDS dataset that it is in; None for a loose file.
    """

    path: Path
    kind: Kind
    stem: str
    bids: str | None = None

    def output(self, ending: str, number: int = 0, desc: str = 'mask') -> str:
        """Return the relative path of an output.

        Parameters
        ----------
        ending
            Suffix and extension: ``'video.mp4'``.
        number
            0 for the face, or the only one; others are counted on.
        desc
            What is shown.
        """
        return f'{self.stem}_desc-{desc}{number + 1 if number else ""}_{ending}'


def find(inputs: Iterable[Path]) -> tuple[Source, ...]:
    """Find the photographs and videos of files, folders and BIDS datasets.

    Raises
    ------
    DatasetError
        If a path does not exist, or none is a photograph or video.
    UsageError
        If two of them would have the same output.
    """
    found = [source for path in inputs for source in _of(path)]
    stems: dict[str, Path] = {}
    for source in found:
        other = stems.setdefault(f'{source.stem} {source.kind}', source.path)
        if other != source.path:
            raise UsageError(
                f'{source.path} and {other} would have the same output. Mask them into two '
                'folders, or rename one.'
            )
    return tuple(found)


def _of(path: Path) -> list[Source]:
    if path.is_dir():
        dataset = (path / DESCRIPTION).is_file()
        files = sorted(item for item in path.rglob('*') if item.is_file() and _kind(item))
        found = [_in_dataset(item, path) if dataset else _loose(item, path) for item in files]
        sources = [source for source in found if source]
        if not sources:
            raise DatasetError(
                f'{path} has no photograph and no video'
                + (' named *_photo, *_video or in beh.' if dataset else '.')
            )
        return sources
    if not path.exists():
        raise DatasetError(f'{path} does not exist.')
    if _kind(path) is None:
        known = ', '.join(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
        raise DatasetError(f'{path} is no photograph or video: the name must end with {known}.')
    return [_loose(path, path.parent)]


def _kind(path: Path) -> Kind | None:
    if path.name.startswith('.'):
        return None
    return next((kind for kind in SUFFIXES if path.suffix.lower() in SUFFIXES[kind]), None)


def _loose(path: Path, folder: Path) -> Source:
    kind = _kind(path)
    assert kind
    return Source(path, kind, path.relative_to(folder).with_suffix('').as_posix())


def _in_dataset(path: Path, dataset: Path) -> Source | None:
    """Return a source of a BIDS dataset; None for what is not raw, or not of a face."""
    kind, relative = _kind(path), PurePosixPath(path.relative_to(dataset).as_posix())
    *entities, suffix = relative.stem.split('_')
    if kind is None or not relative.parts[0].startswith('sub-') or not entities:
        return None
    if suffix not in BIDS_SUFFIXES and relative.parent.name != 'beh':
        return None
    if '-' in suffix:
        entities.append(suffix)
    return Source(path, kind, str(relative.parent / '_'.join(entities)), str(relative))
