# SPDX-License-Identifier: Apache-2.0
"""The defacing modes: a row each.

Another mode is another row and a module in :mod:`facebids.core.defacing.modes`. The standard
library suffices: the command line reads the table.
"""

from dataclasses import dataclass


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
