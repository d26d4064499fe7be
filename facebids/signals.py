# SPDX-License-Identifier: Apache-2.0
"""Handle signals for a while. Standard library only."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

Handler = Callable[[int, FrameType | None], object]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM.

    `python -m` dies of SIGINT instead of returning an exit code if a plain `KeyboardInterrupt` has
    passed through `exec`, for example where a dataclass is made (CPython, `run_eval_code_obj`).
    """


def interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Raise `Interrupted`: a handler of SIGINT and SIGTERM."""
    raise Interrupted


def is_ignored(number: signal.Signals) -> bool:
    """Return whether a signal is ignored, as Ctrl-C is by what a shell runs in the background."""
    return signal.getsignal(number) is signal.SIG_IGN


@contextmanager
def handled(handler: Handler, *numbers: signal.Signals) -> Iterator[None]:
    """Let a function handle signals, and then whatever handled them before.

    Parameters
    ----------
    handler
        For example `interrupt`.
    *numbers
        The signals. Only the main thread may handle them.
    """
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
