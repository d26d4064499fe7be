# SPDX-License-Identifier: Apache-2.0
"""How interfaces read and write the small files between them, in their node's folder."""

import json
from pathlib import Path

import numpy as np


def write_json(folder, name, value):
    """Write a JSON file into a node's folder and return its path."""
    path = Path(folder) / name
    path.write_text(json.dumps(value, indent=1))
    return str(path)


def read_json(path):
    """Read a JSON file."""
    return json.loads(Path(path).read_text())


def write_arrays(folder, name, **arrays):
    """Write arrays into a node's folder and return the path."""
    path = Path(folder) / name
    np.savez_compressed(path, **arrays)
    return str(path)


def read_arrays(path):
    """Read all arrays of a file as a dict."""
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def read_mask(path):
    """Read a mask as a boolean array."""
    import nibabel as nib

    return np.asanyarray(nib.load(path).dataobj) > 0
