# SPDX-License-Identifier: Apache-2.0
"""Read and write the small files that are passed between steps."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facebids import errors
from facebids.core import metrics_file
from facebids.core.alignment.result import Alignment


@dataclass(frozen=True)
class RegistrationFile:
    """Output of `Register`: the alignment, or the error that stopped the registration."""

    alignment: Alignment | None = None
    error: str = ''
    message: str = ''


def write_numbers(folder, name, value):
    """Write a dataclass of numbers as JSON to the folder of a node and return the path."""
    path = Path(folder) / name
    path.write_text(metrics_file.dumps(value))
    return str(path)


def read_numbers(kind, path):
    """Read a dataclass of numbers written by `write_numbers`."""
    return metrics_file.loads(kind, Path(path).read_bytes())


def read_alignment(path):
    """Read the alignment written by `Register`.

    Raises
    ------
    ImageError
        The error that stopped the registration.
    """
    found = read_numbers(RegistrationFile, path)
    if found.alignment is None:
        raise getattr(errors, found.error)(found.message)
    return found.alignment


def write_arrays(folder, name, **arrays):
    """Write arrays to the folder of a node and return the path."""
    path = Path(folder) / name
    np.savez_compressed(path, **arrays)
    return str(path)


def read_arrays(path):
    """Read all arrays of a file as a dict."""
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)
