# SPDX-License-Identifier: Apache-2.0
"""What the face becomes: a row of the table and a module of this package for each mode.

The module has ``fill(context)``, which computes the new voxels from a
:class:`facebids.core.defacing.fill.FillContext`. Another mode is another row and another module.
The table needs the standard library alone: the command line reads it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mode:
    """One way of defacing.

    Attributes
    ----------
    name
        Value of ``--mode``, and name of the module.
    method
        What happened to the face, for ``DeidentificationMethod`` of BIDS sidecars.
    face_gone
        Whether no face is to be detected afterwards. Where one was put on, or a smooth head
        remains, detectors find it.
    register_again
        Whether the defaced image is registered too, to measure how a new face shifts that.
    """

    name: str
    method: str
    face_gone: bool
    register_again: bool = False


_ROWS = (
    Mode('remove', 'face region replaced by air', face_gone=True),
    Mode('blur', 'face region replaced by a smooth head without features', face_gone=False),
    Mode('reface', 'face region replaced by a generic face', face_gone=False, register_again=True),
)
MODES = {row.name: row for row in _ROWS}
