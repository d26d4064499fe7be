# SPDX-License-Identifier: Apache-2.0
"""The defacing modes: a module for each row of :mod:`facebids.core.modes`.

A module has ``fill(context)``, which computes the new voxels from a
:class:`facebids.core.defacing.fill.FillContext`.
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from facebids.core.modes import MODES

if TYPE_CHECKING:
    from facebids.core.arrays import FloatArray
    from facebids.core.defacing.fill import FillContext


def load(mode: str) -> 'Callable[[FillContext], FloatArray]':
    """Return the function of a mode that computes new voxels, shape (N,).

    Raises
    ------
    KeyError
        If there is no such mode.
    """
    fill: Callable[[FillContext], FloatArray]
    fill = import_module(f'{__name__}.{MODES[mode].name}').fill
    return fill
