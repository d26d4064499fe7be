# SPDX-License-Identifier: Apache-2.0
"""Write files atomically, and only if their content changes.

Files are written under a temporary name and then renamed. Files that would not change are not
written, so that the jobs of an array may write the same file.
"""

import errno
import fcntl
import filecmp
import hashlib
import json
import math
import os
import re
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from facebids.errors import DatasetError

TEMPORARY = '.facebids-'  # start of the names of unfinished files
LOCK = '.lock'  # end of the names of those by which runs reserve folders
DAY = 24 * 60 * 60  # s
FULL = (errno.ENOSPC, errno.EDQUOT)
FULL_TEXTS = (*map(os.strerror, FULL), 'database or disk is full')  # of Nipype and of SQLite

# what git-annex and Git LFS put in the place of content that was not downloaded
# (https://git-annex.branchable.com/internals/pointer_file/)
POINTER = re.compile(rb'(?:(?:\.\.?/)*\.git)?/annex/objects/')
LFS_POINTER = b'version https://git-lfs.github.com/spec/'


def sha256(path: str | Path) -> str:
    """Return the SHA-256 hash of a file, in hexadecimal digits.

    Raises
    ------
    DatasetError
        If the file cannot be read.
    """
    try:
        with open(path, 'rb') as stream:
            return hashlib.file_digest(stream, 'sha256').hexdigest()
    except OSError as error:
        raise DatasetError(
            f'{path} cannot be read ({error.strerror}). Check that it exists, and its permissions.'
        ) from error


def is_full(error: BaseException | None) -> bool:
    """Return whether an error, or one that caused it, is that of a full disk or quota."""
    if error is None:
        return False
    full = isinstance(error, OSError) and error.errno in FULL
    return (
        full
        or any(text in str(error) for text in FULL_TEXTS)
        or is_full(error.__cause__ or error.__context__)
    )


def why_unreadable(path: str | Path, name: str) -> str | None:
    """Return why a file has no content that can be read, and what to do; None if it has.

    Pipes are never opened, because that would wait for a writer.

    Parameters
    ----------
    path
        The file.
    name
        Its path in messages, relative to the dataset.
    """
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            return 'this is a folder, not a file. Rename or remove it.'
        if not stat.S_ISREG(mode):
            return 'this is a pipe or a device, not a file. Remove it.'
        with open(path, 'rb') as stream:
            head = stream.read(1024)
    except OSError as error:
        return _why_not_opened(path, name, error)
    if head.startswith(LFS_POINTER):
        return f'its content was not downloaded. Run `git lfs pull --include "{name}"`.'
    if POINTER.match(head):
        return f'its content was not downloaded. Run `datalad get "{name}"` in the dataset.'
    return None


def _why_not_opened(path: str | Path, name: str, error: OSError) -> str:
    link = os.readlink(path) if os.path.islink(path) else ''
    if link and error.errno == errno.ELOOP:
        return 'this is a link that leads back to itself. Repair or remove it.'
    if link and error.errno in (errno.ENOENT, errno.ENOTDIR):
        if '/annex/objects/' in link:
            return f'its content was not downloaded. Run `datalad get "{name}"` in the dataset.'
        return 'this is a link to a file that does not exist. Repair or remove it.'
    return f'the file cannot be read ({error.strerror}). Check its path and permissions.'


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path that is renamed to ``path`` when the block succeeds.

    The temporary file is hidden, is in the same folder, and has the same extension, which nibabel
    relies on. Its name is short, as that of the file may be as long as the file system allows. It
    is deleted when the block raises. Missing folders are created.

    Parameters
    ----------
    path
        The file to write.

    Yields
    ------
    Path
        The temporary path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    ending = '.nii.gz' if path.name.endswith('.nii.gz') else path.suffix
    temporary = path.with_name(f'{temporary_name()}{ending}')
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def one_at_a_time(folder: str | Path) -> Iterator[None]:
    """Admit one process at a time to a folder; the lock leaves no file behind."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems lock no folders
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def own_temporary_folder() -> Iterator[None]:
    """Let libraries make their temporary files in a folder of their own, which is then deleted.

    If the process is killed, `sweep` finds the folder by its name. It is not in the work folder,
    because the path of that may have characters in which ANTs finds no file.
    """
    before, setting = os.environ.get('TMPDIR'), tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix=temporary_name()) as own:
        os.environ['TMPDIR'] = tempfile.tempdir = own
        try:
            yield
        finally:
            tempfile.tempdir = setting
            os.environ.pop('TMPDIR')
            if before is not None:
                os.environ['TMPDIR'] = before


def temporary_name() -> str:
    """Return a new name that begins with `TEMPORARY` and tells which process it belongs to."""
    return f'{TEMPORARY}{_machine()}-{os.getpid()}-{uuid4().hex[:8]}'


@cache
def _machine() -> str:
    """Return eight digits of the machine in which process numbers are unique.

    These are not unique across the nodes of a cluster, containers, and restarts.
    """
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(os.readlink('/proc/self/ns/pid'))
    with suppress(OSError):
        parts.append(Path('/proc/sys/kernel/random/boot_id').read_text())
    return hashlib.sha256('\n'.join(parts).encode()).hexdigest()[:8]


def sweep(paths: Iterable[Path], *, owned: bool = False) -> None:
    """Delete temporary files and folders that killed processes left.

    Parameters
    ----------
    paths
        Candidates; those whose names do not begin with `TEMPORARY` are kept, and those that
        reserve a folder, since a run may last longer than the file would be kept.
    owned
        Whether no other process may have made them. Otherwise, those of running processes are
        kept, and for a day those of processes elsewhere.
    """
    named = [path for path in paths if path.name.startswith(TEMPORARY)]
    for path in [path for path in named if not path.name.endswith(LOCK)]:
        if owned or _is_dead(path):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):  # another job may have deleted it
                    path.unlink()


def _is_dead(path: Path) -> bool:
    parts = re.match(rf'{re.escape(TEMPORARY)}([0-9a-f]{{8}})-(\d+)-', path.name)
    if not parts:  # the unfinished release of that name
        return False
    if parts[1] == _machine():
        return not is_running(int(parts[2]))
    try:
        return time.time() - path.lstat().st_mtime > DAY
    except OSError:
        return False


def is_running(pid: int) -> bool:
    """Return whether a process of this machine runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def write_text_atomic(path: str | Path, text: str) -> None:
    """Write text to a file atomically, unless the file already holds it.

    What UTF-8 cannot encode is written as an escape, which JSON reads back.
    """
    path, content = Path(path), text.encode(errors='backslashreplace')
    if path.is_file() and path.read_bytes() == content:
        return
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_lines_atomic(path: str | Path, lines: Iterable[str]) -> None:
    """Write lines, with their ends, as `write_text_atomic`, but never all of them in memory."""
    path = Path(path)
    with atomic_path(path) as temporary:
        with temporary.open(
            'w', encoding='utf-8', errors='backslashreplace', newline=''
        ) as stream:
            stream.writelines(lines)
        if path.is_file() and filecmp.cmp(path, temporary, shallow=False):
            shutil.copystat(path, temporary)  # as if it had not been written


def write_json_atomic(path: str | Path, value: Any) -> None:
    """Write a value as JSON atomically. NaN and infinity become null, as JSON has neither."""
    text = json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False)
    write_text_atomic(path, text + '\n')


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, 'tolist'):  # NumPy scalars and arrays
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
