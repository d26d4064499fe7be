# SPDX-License-Identifier: Apache-2.0
"""The version of FaceBIDS, which comes from git."""

from importlib.metadata import PackageNotFoundError, version

# An editable installation keeps the version of the day when it was installed:
# `facebids.provenance` tells two states of the code apart.
try:
    __version__ = version('facebids')
except PackageNotFoundError:  # an uninstalled checkout
    __version__ = '0+unknown'
