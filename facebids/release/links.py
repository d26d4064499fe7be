# SPDX-License-Identifier: Apache-2.0
"""Add unchanged files to a dataset as hard links or copies, and delete others from it.

A hard link takes neither time nor space, but shares the content of the source: an edit of either
changes both. Objects of git-annex must never change, so they are copied unless links were
requested. Files are added atomically, and existing ones are kept, so that an interrupted run
continues where it stopped.
"""

import errno
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import get_args

from facebids.config import LinkMode
from facebids.errors import DatasetError, OutputError
from facebids.filesystem import atomic_path

# why a hard link cannot be made, by error number
NO_LINK: dict[int, str | None] = {
    errno.EXDEV: 'they lie on different file systems',
    errno.EPERM: 'the file system has no hard links, or the file belongs to another user',
    errno.EOPNOTSUPP: 'the file system has no hard links',
    errno.EMLINK: 'the file has too many links',
}


def link_or_copy(source: Path, target: Path, how: LinkMode = 'auto') -> None:
    """Add a file to a dataset as a hard link or a copy, unless it is already there.

    Parameters
    ----------
    source
        The file. Symbolic links are followed.
    target
        Path of the link or copy. An existing file is replaced, missing folders are created.
    how
        ``'hard'`` for a hard link; ``'copy'`` for a copy with the modification time of the source
        and the permissions of a new file; ``'auto'`` for a hard link if it is possible and safe,
        else a copy.

    Raises
    ------
    DatasetError
        If the source is not a readable file.
    OutputError
        If the target cannot be written, or a requested link cannot be made.
    """
    if how not in get_args(LinkMode):
        raise ValueError(f'{how!r} is not one of {get_args(LinkMode)}')
    source = Path(os.path.realpath(source))
    if not os.path.isfile(source):
        raise DatasetError(f'{source} is not a file, or was removed. Run the command again.')
    if how == 'hard' or (how == 'auto' and not _in_annex(source)):
        if _is_link(source, target):
            return
        if how == 'hard':
            return _link(source, target)
        with suppress(OutputError):
            return _link(source, target)
    if not _is_copy(source, target):
        _copy(source, target)


def remove_others(root: str | Path, wanted: set[str]) -> list[str]:
    """Delete unwanted files, symbolic links and empty folders from a dataset.

    All symbolic links are deleted, even those with the name of a wanted file, so that nothing is
    written through a link when the dataset is built.

    Parameters
    ----------
    root
        Folder of the dataset. It stays, and may be missing.
    wanted
        Relative paths of the files to keep.

    Returns
    -------
    list
        Relative paths of the deleted files and links.

    Raises
    ------
    OutputError
        If something cannot be deleted, or the dataset is a git repository, whose history would be
        lost.
    """
    root = Path(root)
    if os.path.lexists(root / '.git'):
        raise OutputError(
            f'{root} is a git repository, whose history would be deleted. Choose a new folder.'
        )
    try:
        return sorted(_remove(root, wanted))
    except OSError as error:
        raise OutputError(
            f'{error.filename} cannot be deleted ({error.strerror}). Delete it, or choose a new '
            'folder.'
        ) from error


def _in_annex(source: Path) -> bool:
    return '/annex/objects/' in source.as_posix()


def _is_link(source: Path, target: Path) -> bool:
    there = _status(target)
    return there is not None and os.path.samestat(there, source.stat())


def _is_copy(source: Path, target: Path) -> bool:
    there, ours = _status(target), source.stat()
    return (
        there is not None
        and not os.path.samestat(there, ours)
        and stat.S_ISREG(there.st_mode)
        and there.st_nlink == 1  # else it may be a hard link to another file
        and (there.st_size, there.st_mtime_ns) == (ours.st_size, ours.st_mtime_ns)
    )


def _status(target: Path) -> os.stat_result | None:
    with suppress(OSError):  # writing it will raise the error
        return target.lstat()
    return None


def _link(source: Path, target: Path) -> None:
    try:
        with atomic_path(target) as temporary:
            os.link(source, temporary)
    except OSError as error:
        raise OutputError(
            f'{target} cannot be made a hard link to {source}: '
            f'{NO_LINK.get(error.errno or 0, error.strerror)}. Choose a folder on the file system '
            'of the dataset, or use --link copy.'
        ) from error


def _copy(source: Path, target: Path) -> None:
    try:
        with atomic_path(target) as temporary:
            status = source.stat()
            shutil.copyfile(source, temporary)
            os.utime(temporary, ns=(status.st_atime_ns, status.st_mtime_ns))
    except OSError as error:
        raise OutputError(
            f'{source} cannot be copied to {target} ({error.strerror}). Check permissions and '
            'free space, then run the command again.'
        ) from error


def _remove(root: Path, wanted: set[str]) -> list[str]:
    removed = []
    for folder, folders, files in os.walk(root, topdown=False, onerror=_raise):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for name in (*files, *links):
            path = Path(folder, name)
            relative = path.relative_to(root).as_posix()
            if relative not in wanted or path.is_symlink():
                path.unlink(missing_ok=True)
                removed.append(relative)
        if Path(folder) != root and not os.listdir(folder):
            os.rmdir(folder)
    return removed


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
