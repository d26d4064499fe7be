# SPDX-License-Identifier: Apache-2.0
"""What the face becomes: a row of the table and a module of this package for each mode.

The module has ``fill(context)``, which computes the new voxels from a
:class:`facebids.core.defacing.fill.FillContext`. Another mode is another row and another module.
The table needs the standard library alone: the command line reads it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from facebids.core.arrays import FloatArray
    from facebids.core.defacing.fill import FillContext


@dataclass(frozen=True)
class Mode:
    """One way of defacing.

    Attributes
    ----------
    name
        Value of ``--mode``, and name of the module.
    help
        What replaces the face, for ``--help``.
    method
        What happened to the face, for ``DeidentificationMethod`` of BIDS sidecars.
    face_gone
        Whether no face is to be detected afterwards. Where one was put on, or a smooth head
        remains, detectors find it.
    register_again
        Whether the defaced image is registered too, to measure how a new face shifts that.
    """

    name: str
    help: str
    method: str
    face_gone: bool
    register_again: bool = False


_ROWS = (
    Mode('remove', 'with air', 'face region replaced by air', face_gone=True),
    Mode(
        'blur', 'with a smooth head without features',
        'face region replaced by a smooth head without features', face_gone=False,
    ),
    Mode(
        'reface', "with the generic face of the atlas, in the scan's own intensities",
        'face region replaced by a generic face', face_gone=False, register_again=True,
    ),
)  # fmt: skip
MODES = {row.name: row for row in _ROWS}


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
