# SPDX-License-Identifier: Apache-2.0
"""What the steps of a run used: time and memory, and the table of them."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from facebids.bids import records


@dataclass(frozen=True)
class Usage:
    """What one step of an image used.

    Attributes
    ----------
    image
        Path of the image in its dataset.
    step
        Name of the step.
    started
        Date and time (ISO 8601).
    wall_s, cpu_s
        Wall time, and CPU time of all cores, s.
    memory_mib
        Largest resident memory of the process during the step, MiB; None if it is not known.
    """

    image: str
    step: str
    started: str
    wall_s: float
    cpu_s: float
    memory_mib: float | None


COLUMNS: dict[str, dict[str, Any]] = {
    'image': {'Description': 'Path of the image in the input dataset.'},
    'step': {'Description': 'Step of the workflow.'},
    'started': {
        'Description': 'When the step started, in UTC: before this run, if its result was '
        'taken from an earlier run.'
    },
    'wall_s': {'Description': 'Wall time: what passed.', 'Units': 's'},
    'cpu_s': {
        'Description': 'CPU time: that of all cores, in threads and child processes.',
        'Units': 's',
    },
    'memory_mib': {
        'Description': 'Largest resident memory of the process that ran the step, while it did. '
        'Libraries that earlier steps loaded are included, child processes are not. '
        'n/a if the system does not tell.',
        'Units': 'MiB',
    },
}


def table(used: Iterable[Usage]) -> str:
    """Return a table (TSV) with a row for each step, in the order in which they started."""
    rows = sorted(map(asdict, used), key=lambda row: row['started'])
    return records.tsv(list(COLUMNS), rows)
