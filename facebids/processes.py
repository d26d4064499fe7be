# SPDX-License-Identifier: Apache-2.0
"""Worker processes that end with the process that started them."""

import ctypes
import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import get_context

PR_SET_PDEATHSIG = 1


def no_shared_memory() -> str | None:
    """Return why processes cannot be synchronised, or None; some containers do not allow it."""
    try:
        multiprocessing.Semaphore()
    except (OSError, ImportError) as error:
        return str(error)
    return None


@contextmanager
def workers(count: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of processes, which are killed when this one is interrupted or killed.

    Parameters
    ----------
    count
        Number of processes.
    """
    context = get_context('spawn')
    with ProcessPoolExecutor(count, context, end_with_parent, (os.getpid(),)) as pool:
        try:
            yield pool
        except KeyboardInterrupt:
            kill(pool)  # leaving the block would wait for all of their work
            raise


def kill(pool: ProcessPoolExecutor) -> None:
    """Kill the processes of a pool, for which it has no public method before Python 3.14."""
    for process in (pool._processes or {}).values():
        process.kill()


def end_with_parent(parent: int) -> None:
    """Prepare a worker, which the system kills as soon as its parent is killed.

    Workers would otherwise wait for work forever. An interrupt of the terminal reaches all
    processes; the parent then kills the workers.

    Parameters
    ----------
    parent
        Process number of the parent.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with suppress(AttributeError):  # Linux alone has it
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
