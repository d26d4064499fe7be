# SPDX-License-Identifier: Apache-2.0
"""Data files of installed packages, found without importing the package.

`face_recognition_models` needs `pkg_resources`, which new environments lack, and nilearn takes
seconds to import. Only data files of both are used.
"""

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
