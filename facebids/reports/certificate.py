# SPDX-License-Identifier: Apache-2.0
"""The certificate of a release, to read."""

from collections.abc import Mapping
from typing import Any

from facebids.reports import render


def certificate_markdown(certificate: Mapping[str, Any]) -> str:
    """Return a certificate as Markdown.

    Parameters
    ----------
    certificate
        As it stands in ``CERTIFICATE.json``.
    """
    return render('certificate.md.j2', certificate=certificate)
