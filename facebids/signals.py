# SPDX-License-Identifier: Apache-2.0
"""Handle signals for a while. Standard library only."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], object]


@contextmanager
def handled(handler: Handler, *numbers: signal.Signals) -> Iterator[None]:
    """Let a function handle signals, and then whatever handled them before.

    Parameters
    ----------
    handler
        `signal.default_int_handler` raises `KeyboardInterrupt`, as Ctrl-C does.
    *numbers
        The signals. Only the main thread may handle them.
    """
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
