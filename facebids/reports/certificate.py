# SPDX-License-Identifier: Apache-2.0
"""Human-readable certificate of a release."""

from collections.abc import Mapping
from typing import Any

from facebids.reports import render


def certificate_markdown(certificate: Mapping[str, Any]) -> str:
    """Return a certificate as Markdown.

    Parameters
    ----------
    certificate
        Contents of ``CERTIFICATE.json``.
    """
    return render('certificate.md.j2', certificate=certificate)
