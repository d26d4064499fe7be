# SPDX-License-Identifier: Apache-2.0
"""How a number of a record is declared."""

from dataclasses import MISSING, field
from typing import Any, Literal, TypeAlias

Safer: TypeAlias = Literal['lower', 'higher']


def metric(
    label: str,
    meaning: str,
    *,
    unit: str | None = None,
    safer: Safer | None = None,
    share: bool = False,
    default: Any = MISSING,
) -> Any:
    """Declare a number of a section.

    Parameters
    ----------
    label
        Name of the number on pages.
    meaning
        What was measured, in sentences.
    unit
        Unit as BIDS writes it; None for a pure number, count or share.
    safer
        Direction in which the number is safer, None if neither is.
    share
        Whether it is a share, which pages show as a percentage.
    default
        Value of records that were written before the number was measured.
    """
    how = {'unit': unit, 'safer': safer, 'share': share}
    return field(default=default, metadata={'label': label, 'meaning': meaning, **how})
