# SPDX-License-Identifier: Apache-2.0
"""Data files of installed packages, found without importing the package.

`face_recognition_models` needs `pkg_resources`, which new environments lack, and nilearn takes
seconds to import. Only data files of both are used.
"""

import hashlib
from importlib.util import find_spec
from pathlib import Path

from facebids.errors import FacebidsError
from facebids.filesystem import sha256

AGAIN = 'Install facebids again with its dependencies (pip install --force-reinstall facebids).'


def package_file(package: str, relative: str, digest: str | None = None) -> Path:
    """Return the path of a file inside an installed package.

    Parameters
    ----------
    package : str
        Name of a top-level package.
    relative : str
        POSIX path inside the package.
    digest : str, optional
        SHA-256 that the file must have, hexadecimal.

    Raises
    ------
    FacebidsError
        If the package is not installed, lacks the file, or has another one.
    """
    spec = find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / relative
        if path.is_file():
            if digest and sha256(path) != digest:
                raise FacebidsError(f'{path}: not the file that FaceBIDS was tested with. {AGAIN}')
            return path
    raise FacebidsError(f'{relative} of the Python package {package} is missing. {AGAIN}')


def checked(content: bytes, digest: str, name: str) -> bytes:
    """Return the content of a data file of FaceBIDS if it has a SHA-256.

    Raises
    ------
    FacebidsError
        If it has another one.
    """
    if hashlib.sha256(content).hexdigest() != digest:
        raise FacebidsError(f'{name} is not the file that belongs to this version. {AGAIN}')
    return content
