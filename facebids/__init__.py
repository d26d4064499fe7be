# SPDX-License-Identifier: Apache-2.0
"""FaceBIDS: deface head images of a BIDS dataset and prove it by attacking the result."""

from typing import TYPE_CHECKING, Any

from facebids.version import __version__

if TYPE_CHECKING:
    from facebids.api import attack, deface, phantom

__all__ = ['__version__', 'attack', 'deface', 'phantom']


def __getattr__(name: str) -> Any:
    """Import the Python interface on first use: `facebids --help` has no need of it."""
    if name in ('attack', 'deface', 'phantom'):
        from facebids import api

        return getattr(api, name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
