# SPDX-License-Identifier: Apache-2.0
"""List the files of a dataset that belong to its release.

Symbolic links are followed, because DataLad datasets consist of them. A file is missing if its
content was not downloaded: a broken link of git-annex, or a pointer file of git-annex
(https://git-annex.branchable.com/internals/pointer_file/) or Git LFS.
"""

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from facebids.errors import DatasetError
from facebids.filesystem import LFS_POINTER, POINTER

# top-level folders that are not part of the raw data
FOLDERS = ('sourcedata', 'derivatives', 'figures')
# temporary files of editors, downloads and desktops
LEFTOVERS = re.compile(r'.*~|#.*#|.*\.(tmp|swp|part)|Thumbs\.db|desktop\.ini|__MACOSX')
# hidden files of Zarr arrays, version 2
ZARR = ('.zarray', '.zattrs', '.zgroup', '.zmetadata')

POINTER_SIZE = 32 * 1024  # bytes, the largest pointer file of git-annex
LISTED = 10  # files in a message


@dataclass(frozen=True)
class Source:
    """A file of a dataset.

    Attributes
    ----------
    relative
        POSIX path relative to the dataset, which identifies the file.
    path
        The file to read, with links resolved; for a missing file its path in the dataset.
    size
        Size (bytes), or 0 for a missing file.
    missing
        Whether its content is missing: a broken link, a pointer of git-annex or Git LFS, or a
        subdataset that is not installed.
    """

    relative: str
    path: Path
    size: int = 0
    missing: bool = False


def walk(bids_dir: str | Path) -> list[Source]:
    """Return the files of a dataset that belong to its release.

    These are all files except hidden ones (but ``.bidsignore``), ``sourcedata``, ``derivatives``,
    folders of figures, and temporary files of other programs. Links are followed, even out of the
    dataset, but not to a folder that contains them.

    Parameters
    ----------
    bids_dir
        Folder of the dataset.

    Returns
    -------
    list
        The files, including missing ones, in the order of their relative paths.

    Raises
    ------
    DatasetError
        If a folder cannot be read, or something is neither a file nor a folder, or a name is not
        UTF-8.
    """
    return sorted(_walk(os.path.realpath(bids_dir), '', ()), key=lambda source: source.relative)


def check_present(sources: Iterable[Source]) -> None:
    """Check that no file is missing.

    Raises
    ------
    DatasetError
        If files are missing. The message names the first `LISTED`.
    """
    missing = [source.relative for source in sources if source.missing]
    if missing:
        listed = ', '.join(missing[:LISTED]) + (', ...' if len(missing) > LISTED else '')
        raise DatasetError(
            f'The content of {len(missing)} file{"s" if len(missing) > 1 else ""} or subdatasets '
            f'is missing: {listed}. Run `datalad get .` in the dataset (`datalad get -r .` if it '
            'has subdatasets, `git lfs pull` for Git LFS), or repair or remove broken links.'
        )


# --- folders ------------------------------------------------------------------------------------


def _walk(folder: str, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[Source]:
    """Yield the files of a folder; ``above`` are the device and inode of the folders above it."""
    entries, identity = _list(folder)
    if identity in above:
        return
    for entry in entries:
        relative = prefix + entry.name
        if not _belongs(relative):
            continue
        _check_name(relative)
        status = _status(entry)
        link = entry.is_symlink()
        path = os.path.realpath(entry.path) if link and status else entry.path
        if status is None:
            yield Source(relative, Path(entry.path), missing=True)
        elif stat.S_ISDIR(status.st_mode):
            yield from _walk(path, f'{relative}/', (*above, identity))
        elif stat.S_ISREG(status.st_mode):
            yield _file(relative, path, status.st_size)
        else:
            raise DatasetError(f'{entry.path} is neither a file nor a folder. Remove it.')
    if any(entry.name == '.gitmodules' for entry in entries):
        yield from _not_installed(folder, prefix)


def _list(folder: str) -> tuple[list[os.DirEntry[str]], tuple[int, int]]:
    try:
        with os.scandir(folder) as entries:
            listed = list(entries)
        status = os.stat(folder)
    except OSError as error:
        raise _unreadable(folder, error) from error
    return listed, (status.st_dev, status.st_ino)


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Return the status of the target of an entry, or None for a broken link."""
    try:
        return entry.stat()
    except OSError as error:
        if entry.is_symlink() and error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise _unreadable(entry.path, error) from error


def _belongs(relative: str) -> bool:
    """Return whether a file or folder is part of a release."""
    folder, _, name = relative.rpartition('/')
    if not folder and name in FOLDERS:
        return False
    if name == 'figures' and folder.startswith('sub-'):
        return False
    if name.startswith('.'):
        return relative == '.bidsignore' or (name in ZARR and '.zarr/' in f'{folder}/')
    return not LEFTOVERS.fullmatch(name)


def _check_name(relative: str) -> None:
    try:
        relative.encode()
    except UnicodeEncodeError as error:
        raise DatasetError(f'{relative!r}: the name is not UTF-8. Rename it.') from error


def _not_installed(folder: str, prefix: str) -> Iterator[Source]:
    """Yield the subdatasets of a folder that are not installed, which are empty or missing."""
    text = _text(Path(folder, '.gitmodules'))
    for name in re.findall(r'^\s*path\s*=\s*"?(.+?)"?\s*$', text, re.MULTILINE):
        path = Path(folder, name)
        steps = [*Path(prefix, name).parents][:-1]
        ours = all(_belongs(step.as_posix()) for step in [*steps, Path(prefix, name)])
        if ours and not (os.path.isdir(path) and _list(str(path))[0]):
            yield Source(f'{prefix}{name}', path, missing=True)


# --- files --------------------------------------------------------------------------------------


def _file(relative: str, path: str, size: int) -> Source:
    """Return a file, which is missing if it is a pointer to its content."""
    head = _head(path) if size <= POINTER_SIZE else b''
    if POINTER.match(head) or head.startswith(LFS_POINTER):
        return Source(relative, Path(path), missing=True)
    return Source(relative, Path(path), size)


def _head(path: str) -> bytes:
    try:
        with open(path, 'rb') as stream:
            return stream.read(1024)
    except OSError as error:
        raise _unreadable(path, error) from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8', errors='surrogateescape')
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str | Path, error: OSError) -> DatasetError:
    return DatasetError(
        f'{path} cannot be read ({error.strerror}). Check that it exists, and its permissions.'
    )
