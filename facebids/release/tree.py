# SPDX-License-Identifier: Apache-2.0
"""What is in a dataset: every file that goes into its release, and where its content really lies.

Symbolic links are followed, as DataLad datasets are made of them. Where git-annex manages a file
its content lies in the object store of the repository, under the name of a key, or it has not
been fetched. Sources: https://git-annex.branchable.com/internals/, .../internals/pointer_file/ and
.../internals/hashing/.
"""

import errno
import hashlib
import os
import re
import stat
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from facebids.errors import DatasetError

# of the dataset, and no part of its raw data
FOLDERS = ('sourcedata', 'derivatives', 'figures')
# what editors, downloads and desktops leave behind
LEFTOVERS = re.compile(r'.*~|#.*#|.*\.(tmp|swp|part)|Thumbs\.db|desktop\.ini|__MACOSX')
# the hidden files that a Zarr array of version 2 is made of
ZARR = ('.zarray', '.zattrs', '.zgroup', '.zmetadata')

POINTER_SIZE = 32 * 1024  # bytes; git-annex takes nothing longer for a pointer
POINTER = re.compile(rb'(?:(?:\.\.?/)*\.git)?/annex/objects/([^\r\n]+)')
LFS_POINTER = b'version https://git-lfs.github.com/spec/'
LETTERS = '0123456789zqjxkmvwgpfZQJXKMVWGPF'
LISTED = 10  # names in a message


@dataclass(frozen=True)
class Source:
    """One file of a dataset.

    Attributes
    ----------
    relative
        POSIX path relative to the dataset; it identifies the file.
    path
        The file to read, no link; where ``missing``, what stands in the dataset.
    size
        Of the content, in bytes; 0 where ``missing``.
    missing
        Whether its content is not there: a link to nothing, a pointer of git-annex or Git LFS to
        content that was not fetched, or a subdataset that was not installed.
    """

    relative: str
    path: Path
    size: int = 0
    missing: bool = False


def walk(bids_dir: str | Path) -> list[Source]:
    """Find the files of a dataset that belong into its release.

    These are all but what is hidden (apart from ``.bidsignore``), ``sourcedata``, ``derivatives``,
    folders of figures, and leftovers of other programs. Links are followed, also out of the
    dataset; a link to a folder that it lies in is left out.

    Parameters
    ----------
    bids_dir
        Folder of the dataset.

    Returns
    -------
    list
        Ordered by relative path; those whose content is missing are among them.

    Raises
    ------
    DatasetError
        If a folder cannot be read, or something is neither file nor folder, or has a name that is
        not UTF-8.
    """
    return sorted(_walk(os.path.realpath(bids_dir), '', ()), key=lambda source: source.relative)


def check_present(sources: Iterable[Source]) -> None:
    """Check that the content of all files is there.

    Raises
    ------
    DatasetError
        If not; it names the first `LISTED`.
    """
    missing = [source.relative for source in sources if source.missing]
    if missing:
        listed = ', '.join(missing[:LISTED]) + (', ...' if len(missing) > LISTED else '')
        raise DatasetError(
            f'The content of {len(missing)} file{"s" if len(missing) > 1 else ""} or subdatasets '
            f'is not there: {listed}. Run `datalad get .` in the dataset (`datalad get -r .` '
            'where it has subdatasets), or repair or remove the links.'
        )


# --- folders ------------------------------------------------------------------------------------


def _walk(folder: str, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[Source]:
    """Yield what is in a folder without links; ``above`` are the identities of those over it."""
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
            yield _fetched(relative, entry.path, os.path.basename(os.readlink(entry.path)))
        elif stat.S_ISDIR(status.st_mode):
            yield from _walk(path, f'{relative}/', (*above, identity))
        elif stat.S_ISREG(status.st_mode):
            yield _file(relative, path, status.st_size)
        else:
            raise DatasetError(f'{entry.path} is neither a file nor a folder. Remove it.')
    if any(entry.name == '.gitmodules' for entry in entries):
        yield from _not_installed(folder, prefix)


def _list(folder: str) -> tuple[list[os.DirEntry], tuple[int, int]]:
    try:
        with os.scandir(folder) as entries:
            listed = list(entries)
        status = os.stat(folder)
    except OSError as error:
        raise _unreadable(folder, error) from error
    return listed, (status.st_dev, status.st_ino)


def _status(entry: os.DirEntry) -> os.stat_result | None:
    """Return the status of what an entry leads to, or None where it is a link to nothing."""
    try:
        return entry.stat()
    except OSError as error:
        if entry.is_symlink() and error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise _unreadable(entry.path, error) from error


def _belongs(relative: str) -> bool:
    """Return whether what has this path, and all that is in it, is part of a release."""
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
        raise DatasetError(f'{relative!r}: this name is not UTF-8. Rename it.') from error


def _not_installed(folder: str, prefix: str) -> Iterator[Source]:
    """Yield the subdatasets of a folder that were not installed: they are empty, or not there."""
    text = _text(Path(folder, '.gitmodules'))
    for name in re.findall(r'^\s*path\s*=\s*"?(.+?)"?\s*$', text, re.MULTILINE):
        path = Path(folder, name)
        steps = [*Path(prefix, name).parents][:-1]
        ours = all(_belongs(step.as_posix()) for step in [*steps, Path(prefix, name)])
        if ours and not (os.path.isdir(path) and _list(str(path))[0]):
            yield Source(f'{prefix}{name}', path, missing=True)


# --- files --------------------------------------------------------------------------------------


def _file(relative: str, path: str, size: int) -> Source:
    """Return a file, or where it is a pointer to the content of a file, that content."""
    head = _head(path) if size <= POINTER_SIZE else b''
    if match := POINTER.match(head):
        return _fetched(relative, path, os.fsdecode(match[1]).rpartition('/')[2])
    if head.startswith(LFS_POINTER):
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
        f'{path} cannot be read ({error.strerror}). Check that it is there, and its permissions.'
    )


def _fetched(relative: str, path: str, key: str) -> Source:
    """Return the file whose content git-annex has under a key, missing if it has not."""
    store = _object_store(Path(os.path.realpath(os.path.dirname(path))))
    for folder in _hash_folders(key) if store else ():
        content = store / folder / key / key
        if os.path.isfile(content):
            return Source(relative, content, content.stat().st_size)
    return Source(relative, Path(path), missing=True)


def _object_store(folder: Path) -> Path | None:
    """Return where the repository that a folder lies in keeps the content of annexed files."""
    for parent in (folder, *folder.parents):
        git = parent / '.git'
        if git.is_dir():
            return git / 'annex' / 'objects'
        if git.is_file():  # of a submodule or a worktree: the name of the folder
            place = _text(git)
            return parent / place.removeprefix('gitdir:').strip() / 'annex' / 'objects'
    return None


def _hash_folders(file_name: str) -> tuple[str, str]:
    """Return both places of a key below the object store, ``'pX/ZJ'`` and ``'f87/4d5'``.

    The mixed one takes five bits each of the first word of the MD5 sum, in steps of six; the
    lower one its first six digits.
    """
    # a file name cannot hold the slash of a key; git-annex writes it, and what it uses for that
    # and for colons, as other characters (keyFile in Annex/Locations.hs)
    key = file_name.replace('%', '/').replace('&c', ':').replace('&s', '%').replace('&a', '&')
    digest = hashlib.md5(os.fsencode(key), usedforsecurity=False)
    (word,) = struct.unpack('<I', digest.digest()[:4])
    a, b, c, d = (LETTERS[word >> 6 * step & 31] for step in range(4))
    lower = digest.hexdigest()
    return f'{b}{a}/{d}{c}', f'{lower[:3]}/{lower[3:6]}'
