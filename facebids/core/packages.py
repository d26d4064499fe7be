# SPDX-License-Identifier: Apache-2.0
"""Data files of installed packages, found without importing the package.

`face_recognition_models` needs `pkg_resources`, which new environments lack, and nilearn takes
seconds to import. Only data files of both are used.
"""

from importlib.util import find_spec
from pathlib import Path

from facebids.errors import FacebidsError


def package_file(package: str, relative: str) -> Path:
    """Return the path of a file inside an installed package.

    Parameters
    ----------
    package : str
        Name of a top-level package.
    relative : str
        POSIX path inside the package.

    Raises
    ------
    FacebidsError
        If the package is not installed or lacks the file.
    """
    spec = find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / relative
        if path.is_file():
            return path
    raise FacebidsError(
        f'{relative} of the Python package {package} is missing. Install facebids again with '
        'its dependencies (pip install --force-reinstall facebids).'
    )
