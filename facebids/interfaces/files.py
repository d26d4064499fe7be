# SPDX-License-Identifier: Apache-2.0
"""How interfaces read and write the small files between them, in their node's folder."""

import json
from pathlib import Path

import numpy as np

from facebids import errors


def write_json(folder, name, value):
    """Write a JSON file into a node's folder and return its path."""
    path = Path(folder) / name
    path.write_text(json.dumps(value, indent=1))
    return str(path)


def read_json(path):
    """Read a JSON file."""
    return json.loads(Path(path).read_text())


def read_registration(path):
    """Read what `Register` wrote.

    Raises
    ------
    ImageError
        The one that stopped the registration.
    """
    found = read_json(path)
    if 'error' in found:
        name, message = found['error']
        raise getattr(errors, name)(message)
    return found


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
