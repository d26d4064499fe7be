# SPDX-License-Identifier: Apache-2.0
"""Human-readable certificate of a release."""

from facebids.release.certificate_types import Certificate
from facebids.reports import render


def certificate_markdown(certificate: Certificate) -> str:
    """Return a certificate as Markdown."""
    return render('certificate.md.j2', certificate=certificate)
