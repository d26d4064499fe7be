# SPDX-License-Identifier: Apache-2.0
"""Argument types with clear error messages. Standard library only."""

import argparse
import math
from collections.abc import Callable


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
