# SPDX-License-Identifier: Apache-2.0
"""Run the commands of optional parts of FaceBIDS, whose packages may be missing."""

import sys
from collections.abc import Callable

from facebids.errors import FacebidsError, UsageError


def reported(program: str, extra: str, what: str, command: Callable[[], int]) -> int:
    """Run a command; print its error, or which extra it needs, and return the exit code.

    Parameters
    ----------
    program
        Name of the command.
    extra
        Extra of the package that has what the command imports.
    what
        What that is, for the message.
    command
        Returns the exit code.
    """
    try:
        return command()
    except FacebidsError as error:
        sys.stderr.write(f'{program}: {error}\n')
        return error.exit_code
    except ModuleNotFoundError as error:
        if (error.name or 'facebids').startswith('facebids'):
            raise
        sys.stderr.write(
            f'{program}: This needs the packages {what} ({error.name} is missing): '
            f'pip install "facebids[{extra}]".\n'
        )
        return UsageError.exit_code
