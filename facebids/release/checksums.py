# SPDX-License-Identifier: Apache-2.0
"""Hash the files of a release, and find damaged ones while they are read.

A compressed file ends with a checksum of its data (RFC 1952), which only a reader who decompresses
it to the end can compare. Most programs stop before that, and read other voxel values.
"""

import gzip
import hashlib
import io
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from facebids.errors import DatasetError
from facebids.filesystem import sha256

CHUNK = 2**20  # bytes


@dataclass(frozen=True)
class Checked:
    """Files that were read to their end.

    Attributes
    ----------
    hashes
        SHA-256 of each file, by POSIX path relative to the dataset, in order.
    damaged
        Paths of compressed files whose data do not match their checksum, or that are truncated or
        followed by other bytes.
    """

    hashes: dict[str, str]
    damaged: tuple[str, ...] = ()


class _Hashed(io.RawIOBase):
    """A file that is hashed while it is read."""

    def __init__(self, raw: IO[bytes]) -> None:
        self.raw, self.hash = raw, hashlib.sha256()

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read into a buffer, and return how many bytes were read."""
        content = self.raw.read(len(buffer))
        self.hash.update(content)
        buffer[: len(content)] = content
        return len(content)


def hash_files(root: Path) -> dict[str, str]:
    """Return the SHA-256 hash of each file of a dataset, by relative path, in order.

    Symbolic links to files count as files. Links to folders, broken links and special files have
    an empty hash.
    """
    return {name: sha256(path) if path.is_file() else '' for name, path in _files(root).items()}


def check_files(root: Path, nprocs: int = 1) -> Checked:
    """Hash each file of a dataset as `hash_files` does, and check those that are compressed.

    Parameters
    ----------
    root
        Folder of the dataset.
    nprocs
        Number of files to read at once.

    Raises
    ------
    DatasetError
        If a file cannot be read.
    """
    files = _files(root)
    with ThreadPoolExecutor(nprocs) as pool:
        try:
            results = list(pool.map(_read, files.values()))
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise
    damaged = [path for path, (_, whole) in zip(files, results, strict=True) if not whole]
    hashes = {path: found for path, (found, _) in zip(files, results, strict=True)}
    return Checked(hashes, tuple(damaged))


def _files(root: Path) -> dict[str, Path]:
    paths = sorted(path for path in root.rglob('*') if path.is_symlink() or not path.is_dir())
    return {path.relative_to(root).as_posix(): path for path in paths}


def _read(path: Path) -> tuple[str, bool]:
    """Return the hash of a file, and whether it is whole as far as its checksum tells."""
    if not path.is_file():
        return '', True
    if path.suffix.lower() != '.gz':
        return sha256(path), True
    try:
        with path.open('rb', buffering=0) as raw:
            hashed = _Hashed(raw)
            whole = _is_whole(hashed)
            while hashed.read(CHUNK):  # what follows the damage
                continue
            return hashed.hash.hexdigest(), whole
    except OSError as error:
        raise DatasetError(
            f'{path} cannot be read ({error.strerror}). Check that it exists, and its permissions.'
        ) from error


def _is_whole(compressed: io.RawIOBase) -> bool:
    try:
        with gzip.GzipFile(fileobj=compressed) as file:
            while file.read(CHUNK):
                continue
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return False
    return True
