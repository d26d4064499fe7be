# SPDX-License-Identifier: Apache-2.0
"""Put files into a dataset, as hard links or copies, and take out what does not belong there.

A link costs neither time nor room, but it is the very file of the source: who edits one edits
both. What lies in the object store of git-annex may never change, so it is copied unless links
were asked for. Everything takes its place in one step, and what is there already is left alone,
so that a run that was interrupted goes on where it stopped.
"""

import errno
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import Literal

from facebids.errors import DatasetError, OutputError
from facebids.filesystem import atomic_path

WAYS = ('auto', 'hard', 'copy')

# why there is no hard link, by what the system says
NO_LINK = {
    errno.EXDEV: 'they lie on different file systems',
    errno.EPERM: 'the file system has no hard links, or the file belongs to somebody else',
    errno.EOPNOTSUPP: 'the file system has no hard links',
    errno.EMLINK: 'the file has too many of them already',
}


def place(source: Path, target: Path, how: Literal['auto', 'hard', 'copy'] = 'auto') -> None:
    """Put a file into a dataset, unless it is there already.

    Parameters
    ----------
    source
        The file; a link stands for what it leads to.
    target
        Where it goes; what is there is replaced, missing folders are made.
    how
        ``'hard'`` for a hard link; ``'copy'`` for a copy with the time of the source and the
        permissions of a new file; ``'auto'`` for a link where that is possible and safe, and a
        copy elsewhere.

    Raises
    ------
    DatasetError
        If the source is no file that can be read.
    OutputError
        If the target cannot be written, or a link was asked for and cannot be made.
    """
    if how not in WAYS:
        raise ValueError(f'{how!r} is not one of {WAYS}')
    source = Path(os.path.realpath(source))
    if not os.path.isfile(source):
        raise DatasetError(f'{source} is no file, or was removed. Start again.')
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
    """Delete what does not belong into a dataset: other files, symbolic links, empty folders.

    A symbolic link goes even where a wanted file should be: nothing made by :func:`place` is one.
    Called before a dataset is built, this makes sure that nothing is written through a link.

    Parameters
    ----------
    root
        Folder of the dataset; it stays, and need not be there.
    wanted
        Paths of files relative to it.

    Returns
    -------
    list
        Relative paths of the files and links that were deleted.

    Raises
    ------
    OutputError
        If something cannot be deleted, or the dataset is a git repository, whose history would go.
    """
    root = Path(root)
    if os.path.lexists(root / '.git'):
        raise OutputError(
            f'{root} is a git repository: FaceBIDS would delete its history. Choose a new folder.'
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
        and there.st_nlink == 1  # else it may be the link to another file that was placed before
        and (there.st_size, there.st_mtime_ns) == (ours.st_size, ours.st_mtime_ns)
    )


def _status(target: Path) -> os.stat_result | None:
    with suppress(OSError):  # what is really wrong shows when it is written
        return target.lstat()
    return None


def _link(source: Path, target: Path) -> None:
    try:
        with atomic_path(target) as temporary:
            os.link(source, temporary)
    except OSError as error:
        raise OutputError(
            f'{target} cannot be made a hard link to {source}: '
            f'{NO_LINK.get(error.errno, error.strerror)}. Choose a folder on the file system of '
            'the dataset, or have the files copied.'
        ) from error


def _copy(source: Path, target: Path) -> None:
    try:
        with atomic_path(target) as temporary:
            status = source.stat()
            shutil.copyfile(source, temporary)
            os.utime(temporary, ns=(status.st_atime_ns, status.st_mtime_ns))
    except OSError as error:
        raise OutputError(
            f'{source} cannot be copied to {target} ({error.strerror}). Check permissions and the '
            'room that is left, then start again.'
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
