# SPDX-License-Identifier: Apache-2.0
"""Write a released dataset completely or not at all.

The dataset is built in a staging folder beside the release, and moved when it is complete and
valid. A run that was killed can be repeated, and keeps the files in the staging folder.
"""

import gzip
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from facebids.config import LinkMode
from facebids.errors import OutputError
from facebids.filesystem import atomic_path, write_text_atomic
from facebids.release import fif, headers, links
from facebids.release.contents import Content, Transfer

NEW, OLD = 'new', 'old'


def staging_dir(release_dir: Path) -> Path:
    """Return the folder in which a release is built."""
    return release_dir.with_name(f'.facebids-{release_dir.name}')


@contextmanager
def prepared(release_dir: Path) -> Iterator[None]:
    """Make the staging folder of a release, and delete it at the end if it is empty.

    The folder above must be reserved. An older release that a killed run moved away is restored.

    Raises
    ------
    OutputError
        If the folder cannot be made.
    """
    folder = staging_dir(release_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _restore(release_dir)
    except OSError as error:
        raise OutputError(
            f'{folder.parent}: the release cannot be built here ({error.strerror}). Choose '
            'another --release-dir, or change the permissions of this folder.'
        ) from error
    try:
        yield
    finally:
        with suppress(OSError):  # unfinished work stays
            folder.rmdir()


def _restore(release_dir: Path) -> None:
    """Move an older release back if a killed run moved it away and did not replace it."""
    old = staging_dir(release_dir) / OLD
    if old.is_dir() and not os.path.lexists(release_dir):
        os.replace(old, release_dir)


def clear(release_dir: Path) -> None:
    """Empty the staging folder of a release. The folder itself stays."""
    for path in staging_dir(release_dir).iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def build(files: Mapping[str, Content], root: Path, link: LinkMode) -> None:
    """Write the files of a dataset, and delete all others.

    Parameters
    ----------
    files
        Content of each file, by its path relative to the dataset.
    root
        Folder of the dataset. Files that are already there are kept.
    link
        How unchanged files are added; see :func:`facebids.release.links.link_or_copy`.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    links.remove_others(root, set(files))
    for path, content in files.items():
        _write(root / path, content, link)


def _write(target: Path, content: Content, link: LinkMode) -> None:
    if content.source is None:
        write_text_atomic(target, content.text)
    elif content.transfer is Transfer.DECOMPRESS:
        with (
            atomic_path(target) as temporary,
            gzip.open(content.source) as source,
            temporary.open('wb') as stream,
        ):
            shutil.copyfileobj(source, stream)
    elif content.transfer is Transfer.SCRUB:
        headers.scrub(content.source, target)
    elif content.transfer is Transfer.TRIM:
        fif.without_head_points(content.source, target)
    else:
        links.link_or_copy(content.source, target, link)


def install(new: Path, release_dir: Path) -> None:
    """Move a finished dataset to its final folder, and delete an older one there.

    Parameters
    ----------
    new
        Folder of the dataset, on the same file system as its final folder.
    release_dir
        The final folder.

    Raises
    ------
    OutputError
        If the dataset cannot be moved.
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
            f'{release_dir}: the release cannot be moved here ({error.strerror}). The folder '
            'above must be writable, and this folder must not be a mount point. In a container, '
            'mount the folder above.'
        ) from error
