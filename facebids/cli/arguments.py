# SPDX-License-Identifier: Apache-2.0
"""A parser and types of arguments with clear error messages. Standard library only."""

import argparse
import math
import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import NoReturn

from facebids.errors import UsageError

# how argparse begins its messages, and what a sentence says instead
WORDS = (
    (r'the following arguments are required: ', 'missing arguments: '),
    (r'argument (\S+): invalid choice: (.*) \(choose from (.*)\)', r'\1 \2: choose from \3'),
    (r'argument (\S+): expected ', r'\1 needs '),
    (r'unrecognized arguments: ', 'unknown arguments: '),
    (r'argument ', ''),
)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence, without the usage of all options."""

    def error(self, message: str) -> NoReturn:
        """Exit with a sentence that says what is wrong and where all options are explained."""
        for found, said in WORDS:
            message, count = re.subn(f'^{found}', said, message)
            if count:
                break
        sentence = f'{message.rstrip(".")}.{self._meant(message)}'
        self.exit(
            UsageError.exit_code,
            f'{self.prog}: {sentence} See {self.prog} --help.\n',
        )

    def _meant(self, message: str) -> str:
        """Return which option an unknown one may have meant, in a sentence."""
        unknown = re.match(r'unknown arguments: (--[^\s=]+)', message)
        close = (
            get_close_matches(unknown[1], self._option_string_actions, 1, 0.8) if unknown else []
        )
        return f' Did you mean {close[0]}?' if close else ''


def whole_number(least: int) -> Callable[[str], int]:
    """Return the type of a whole number that is not below ``least``."""

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f'{text!r} is not a whole number of at least {least}')
        return value

    return convert


def millimetres(least: float, most: float) -> Callable[[str], float]:
    """Return the type of a length from ``least`` to ``most`` (mm)."""

    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(
                f'{text!r} is not a length from {least:g} to {most:g} mm'
            )
        return value

    return convert
