# SPDX-License-Identifier: Apache-2.0
"""Write files atomically, and only if their content changes.

Files are written under a temporary name and then renamed. Files that would not change are not
written, so that the jobs of an array may write the same file.
"""

import errno
import hashlib
import json
import math
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from facebids.errors import DatasetError

TEMPORARY = '.facebids-'  # start of the names of unfinished files
DAY = 24 * 60 * 60  # s

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
    return f'the file cannot be read ({error.strerror}). Check its permissions.'


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
    # process numbers are not unique across containers and the nodes of a cluster
    ending = '.nii.gz' if path.name.endswith('.nii.gz') else path.suffix
    temporary = path.with_name(f'{TEMPORARY}{uuid4().hex[:12]}{ending}')
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def sweep(root: str | Path, participants: Iterable[str]) -> None:
    """Delete temporary files of killed runs, which were not written to for a day.

    Parameters
    ----------
    root
        Folder of the derivative dataset.
    participants
        Labels without ``sub-`` of the participants whose folders are searched.
    """
    # not the folders of all participants, as there may be thousands of jobs
    folders = [Path(root, f'sub-{label}') for label in participants]
    left = [path for folder in folders for path in folder.rglob(f'{TEMPORARY}*')]
    for path in [*Path(root).glob(f'{TEMPORARY}*'), *left]:
        with suppress(FileNotFoundError):  # another job may have deleted it
            if time.time() - path.stat().st_mtime > DAY:
                path.unlink()


def write_text_atomic(path: str | Path, text: str) -> None:
    """Write text to a file atomically, unless the file already holds it."""
    path = Path(path)
    if path.is_file() and path.read_bytes() == text.encode():
        return
    with atomic_path(path) as temporary:
        temporary.write_bytes(text.encode())


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
