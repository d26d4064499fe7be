# SPDX-License-Identifier: Apache-2.0
"""Write a dataset, so that it is there as a whole or not at all.

It is built in a folder beside its place, and moved there when it is complete and valid. A run that
was killed at any moment is repeated: what lies in the building folder already is kept.
"""

import fcntl
import gzip
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from facebids.errors import OutputError
from facebids.filesystem import atomic_path, write_text_atomic
from facebids.release import headers, links
from facebids.release.contents import DECOMPRESS, SCRUB, Content

NEW, OLD = 'new', 'old'


def workshop(release_dir: Path) -> Path:
    """Return the folder beside a release in which it is built."""
    return release_dir.with_name(f'.facebids-{release_dir.name}')


@contextmanager
def locked(release_dir: Path) -> Iterator[None]:
    """Let one run at a time build a release.

    Raises
    ------
    OutputError
        If another run does, or nothing can be written beside the release.
    """
    folder = workshop(release_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise OutputError(
            f'{folder.parent}: the release cannot be built here ({error.strerror}). Choose '
            'another --release-dir, or change the permissions of the folder that it lies in.'
        ) from error
    try:
        if not _lock(descriptor, folder):
            raise OutputError(
                f'{release_dir}: another run builds this release. Wait for it, then start again.'
            )
        try:
            _restore(release_dir)
            yield
        finally:
            with suppress(OSError):  # what was begun stays
                folder.rmdir()
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # some network file systems lock no folders
    # who had the lock before may have removed the folder that it was on
    return folder.is_dir() and os.path.samestat(os.fstat(descriptor), folder.stat())


def _restore(release_dir: Path) -> None:
    """Put an older release back that a killed run had moved away, and nothing into its place."""
    old = workshop(release_dir) / OLD
    if old.is_dir() and not os.path.lexists(release_dir):
        os.replace(old, release_dir)


def clear(release_dir: Path) -> None:
    """Delete what is left in the workshop of a release, but not the folder, which is locked."""
    for path in workshop(release_dir).iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def build(files: Mapping[str, Content], root: Path, how: str) -> None:
    """Write the files of a dataset, and remove all others.

    Parameters
    ----------
    files
        What each file is made of, by its path relative to the dataset.
    root
        Folder of the dataset; what is there already is left alone.
    how
        How files that do not change get there: one of `facebids.release.links.WAYS`.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    links.remove_others(root, set(files))
    for path, content in files.items():
        _write(root / path, content, how)


def _write(target: Path, content: Content, how: str) -> None:
    if content.source is None:
        write_text_atomic(target, content.data)
    elif content.way == DECOMPRESS:
        with (
            atomic_path(target) as temporary,
            gzip.open(content.source) as source,
            temporary.open('wb') as stream,
        ):
            shutil.copyfileobj(source, stream)
    elif content.way == SCRUB:
        headers.scrub(content.source, target)
    else:
        links.place(content.source, target, how)


def install(new: Path, release_dir: Path) -> None:
    """Put a finished dataset in the place of an older one.

    Parameters
    ----------
    new
        Its folder, on the same file system.
    release_dir
        Where it belongs.

    Raises
    ------
    OutputError
        If it cannot be moved there.
    """
    old = new.with_name(OLD)
    try:
        if old.exists():
            shutil.rmtree(old)
        if release_dir.exists():
            os.replace(release_dir, old)
        os.replace(new, release_dir)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise OutputError(
            f'{release_dir}: the release cannot be moved there ({error.strerror}). The folder '
            'above it has to be writable, and it must not be a mount point: in a container, mount '
            'the folder above it.'
        ) from error
