# SPDX-License-Identifier: Apache-2.0
"""Run a command: every way in which it ends is one sentence and an exit code."""

import signal
import sys
import traceback
from collections.abc import Callable
from typing import NamedTuple

from facebids.errors import FacebidsError, UsageError
from facebids.signals import handled, interrupt, is_ignored

INTERRUPTED = 130  # 128 + SIGINT, the convention of shells


class Extra(NamedTuple):
    """An extra of the package: its name, and in words the packages that it installs."""

    name: str
    packages: str


def run_command(
    program: str,
    command: Callable[[], int],
    interrupted: str,
    *,
    extra: Extra | None = None,
    verbose: bool = False,
) -> int:
    """Run a command, and return its exit code, or that of the error that ended it.

    Parameters
    ----------
    program
        Name of the command, which begins every sentence.
    command
        Returns the exit code.
    interrupted
        What to do after an interrupt (Ctrl-C or SIGTERM), in a sentence.
    extra
        The extra that has what the command imports.
    verbose
        Whether to show the traceback of an internal error that the log has, too.
    """
    ends = [signal.SIGTERM]  # job time limit, `docker stop`
    if not is_ignored(signal.SIGINT):
        ends.append(signal.SIGINT)
    try:
        with handled(interrupt, *ends):
            return command()
    except FacebidsError as error:
        _say(program, str(error), error)
        return error.exit_code
    except KeyboardInterrupt:
        _say(program, f'interrupted. {interrupted}')
        return INTERRUPTED
    except Exception as error:
        if extra and isinstance(error, ModuleNotFoundError) and not _is_ours(error):
            _say(
                program,
                f'This needs the packages {extra.packages} ({error.name} is missing): '
                f'pip install "facebids[{extra.name}]".',
            )
            return UsageError.exit_code
        what = f'internal error ({type(error).__name__}: {error}). Please report it.'
        _say(program, what, error)
        if verbose or not getattr(error, '__notes__', None):  # a note names the log
            traceback.print_exc()
        return FacebidsError.exit_code


def _is_ours(error: ModuleNotFoundError) -> bool:
    return (error.name or 'facebids').startswith('facebids')


def _say(program: str, sentence: str, error: Exception | None = None) -> None:
    lines = [f'{program}: {sentence}', *getattr(error, '__notes__', [])]
    sys.stderr.write('\n'.join(lines) + '\n')
