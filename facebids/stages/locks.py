# SPDX-License-Identifier: Apache-2.0
"""Keep two runs from writing the results of one participant at the same time.

A run puts a file into each folder that it writes to, which names its participants, its machine and
its process, and locks it. The system unlocks it when the process ends in any way, so that a killed
run stops nobody. Array jobs of different participants share all folders.
"""

import fcntl
import json
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from facebids.errors import OutputError
from facebids.filesystem import LOCK, TEMPORARY, is_running, one_at_a_time, temporary_name


@dataclass(frozen=True)
class Owner:
    """Who works on which participants.

    Attributes
    ----------
    what
        ``'the participant level'``, ``'the group level'`` or ``'the release'``.
    participants
        Labels without ``sub-``, or None for all.
    host, pid
        Machine and process.
    """

    what: str
    participants: tuple[str, ...] | None
    host: str
    pid: int

    def shares(self, other: 'Owner') -> str | None:
        """Return a participant of both, or all in words; None if there is none."""
        if self.participants is None or other.participants is None:
            return 'all participants'
        both = sorted(set(self.participants) & set(other.participants))
        return f'sub-{both[0]}' if both else None


@contextmanager
def hold(
    folders: Sequence[Path], what: str, participants: Sequence[str] | None = None
) -> Iterator[None]:
    """Reserve participants in folders, and give them back at the end.

    Parameters
    ----------
    folders
        Existing folders.
    what
        See `Owner`.
    participants
        Labels without ``sub-``. None: all.

    Raises
    ------
    OutputError
        If another run works on one of the participants. The message names its process.
    """
    labels = None if participants is None else tuple(participants)
    owner = Owner(what, labels, socket.gethostname(), os.getpid())
    with ExitStack() as stack:
        for folder in dict.fromkeys(Path(os.path.realpath(folder)) for folder in folders):
            stack.enter_context(_hold(folder, owner))
        yield


@contextmanager
def _hold(folder: Path, owner: Owner) -> Iterator[None]:
    path = folder / f'{temporary_name()}{LOCK}'
    with one_at_a_time(folder):
        for other in sorted(folder.glob(f'{TEMPORARY}*{LOCK}')):
            _give_way(other, owner)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        os.write(descriptor, json.dumps(asdict(owner)).encode())
        _try_lock(descriptor)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _give_way(path: Path, owner: Owner) -> None:
    """Delete the file of a run that has ended, or refuse if it works on the same participants."""
    try:
        descriptor = _open(path)
    except OSError:  # it has just ended
        return
    try:
        if _has_ended(descriptor, other := _read(descriptor)):
            with suppress(OSError):
                path.unlink()
        elif other and (shared := owner.shares(other)):
            raise OutputError(
                f'{path.parent}: {other.what} of process {other.pid} on {other.host} is at work '
                f'there on {shared}. Wait until it has ended, or stop it. If it runs no longer, '
                f'delete {path.name}.'
            )
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR)  # some network file systems lock nothing else
    except PermissionError:  # of another user
        return os.open(path, os.O_RDONLY)


def _read(descriptor: int) -> Owner | None:
    try:
        values = json.loads(os.pread(descriptor, 1 << 24, 0))
        labels = values['participants']
        return Owner(**{**values, 'participants': None if labels is None else tuple(labels)})
    except (ValueError, TypeError, KeyError):  # killed while it wrote it
        return None


def _has_ended(descriptor: int, owner: Owner | None) -> bool:
    locked = _try_lock(descriptor)
    if locked is None and owner:  # no locks on this file system
        return owner.host == socket.gethostname() and not is_running(owner.pid)
    return bool(locked)


def _try_lock(descriptor: int) -> bool | None:
    """Lock a file; return whether it was free, or None if the file system has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
