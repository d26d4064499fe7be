# SPDX-License-Identifier: Apache-2.0
"""Write a dataset, so that it is there as a whole or not at all.

It is built in a folder beside its place, and moved there when it is complete and valid. A run that
was killed at any moment is repeated: what lies in the building folder already is kept.
"""

import gzip
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from facebids.bids.metadata import atomic_path, write_text_atomic
from facebids.errors import OutputError
from facebids.release import headers, place
from facebids.release.contents import DECOMPRESS, SCRUB, Content

NEW, OLD = 'new', 'old'


def workshop(release_dir: Path) -> Path:
    """Return the folder beside a release in which it is built."""
    return release_dir.with_name(f'.facebids-{release_dir.name}')


def build(files: Mapping[str, Content], root: Path, how: str) -> None:
    """Write the files of a dataset, and remove all others.

    Parameters
    ----------
    files
        What each file is made of, by its path relative to the dataset.
    root
        Folder of the dataset; what is there already is left alone.
    how
        How files that do not change get there: one of `facebids.release.place.WAYS`.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    place.remove_others(root, set(files))
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
        with atomic_path(target) as temporary:
            headers.scrub(content.source, temporary)
    else:
        place.place(content.source, target, how)


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
