# SPDX-License-Identifier: Apache-2.0
"""How files are written: all of it or nothing, and never one that does not change.

Everything is written under a temporary name and then moved into place, and a file whose content
would not change is left alone, so that jobs of an array may write the same file.
"""

import hashlib
import json
import math
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from facebids.errors import DatasetError

TEMPORARY = '.facebids-'  # how the name of every unfinished file begins
DAY = 24 * 60 * 60  # s


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal digits.

    Raises
    ------
    DatasetError
        If it cannot be read.
    """
    try:
        with open(path, 'rb') as stream:
            return hashlib.file_digest(stream, 'sha256').hexdigest()
    except OSError as error:
        raise DatasetError(
            f'{path} cannot be read ({error.strerror}). Change its permissions, or start again.'
        ) from error


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that takes its place when the block ends well.

    The temporary name is hidden and keeps the extension, which nibabel looks at. When the block
    raises, nothing is left of it. Missing folders are made.

    Parameters
    ----------
    path
        The file to write.

    Yields
    ------
    Path
        Where to write.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # process numbers repeat in containers and across the machines of a cluster
    temporary = path.with_name(f'{TEMPORARY}{uuid4().hex[:12]}-{path.name}')
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def sweep(root: str | Path, participants: Iterable[str]) -> None:
    """Delete what killed runs left unfinished: temporary files that nobody wrote to for a day.

    Parameters
    ----------
    root
        Folder of the derivative dataset.
    participants
        Labels without ``sub-`` of those whose folders are swept, beside the root itself.
    """
    # the folders of other participants are for other jobs: each of a thousand comes by here
    folders = [Path(root, f'sub-{label}') for label in participants]
    left = [path for folder in folders for path in folder.rglob(f'{TEMPORARY}*')]
    for path in [*Path(root).glob(f'{TEMPORARY}*'), *left]:
        with suppress(FileNotFoundError):  # a job beside this one was faster
            if time.time() - path.stat().st_mtime > DAY:
                path.unlink()


def write_text_atomic(path: str | Path, text: str) -> None:
    """Write ``text`` to ``path`` in one step; leave the file alone when it holds it already."""
    path = Path(path)
    if path.is_file() and path.read_bytes() == text.encode():
        return
    with atomic_path(path) as temporary:
        temporary.write_bytes(text.encode())


def write_json_atomic(path: str | Path, value: Any) -> None:
    """Write ``value`` as JSON in one step; NaN and infinity become null, as JSON has neither."""
    text = json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False)
    write_text_atomic(path, text + '\n')


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, 'tolist'):  # a NumPy scalar or array
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
