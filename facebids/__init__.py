# SPDX-License-Identifier: Apache-2.0
"""FaceBIDS: deface head images of a BIDS dataset and prove it by attacking the result."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

__all__ = ['__version__', 'attack', 'deface', 'phantom']

# An editable installation keeps the version of the day when it was installed:
# `facebids.provenance` tells two states of the code apart.
try:
    __version__ = version('facebids')
except PackageNotFoundError:  # an uninstalled checkout
    __version__ = '0+unknown'


def __getattr__(name: str) -> Any:
    """Import the Python interface on first use: `facebids --help` has no need of it."""
    if name in ('attack', 'deface', 'phantom'):
        from facebids import api

        return getattr(api, name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
