# SPDX-License-Identifier: Apache-2.0
"""Verification stage: compare a release with its certificate, and attack the released images."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from facebids.errors import UsageError
from facebids.release.attack import Attacked, attack, to_attack
from facebids.release.certificate import differences
from facebids.release.certificate_types import Certificate, read_certificate


@dataclass(frozen=True)
class Comparison:
    """A release compared with its certificate.

    Attributes
    ----------
    certificate
        The certificate.
    differences
        What differs in the release, one sentence for each file.
    """

    certificate: Certificate
    differences: tuple[str, ...]


def compare(path: Path, root: Path) -> Comparison:
    """Compare a release with its certificate.

    Parameters
    ----------
    path
        The certificate.
    root
        Folder of the release.

    Raises
    ------
    UsageError
        If the folder of the release does not exist.
    DatasetError
        If the certificate cannot be read.
    """
    certificate = read_certificate(path)
    if not root.is_dir():
        raise UsageError(f'{root}: no such folder.')
    return Comparison(certificate, tuple(differences(certificate, root)))


def attack_release(root: Path, certificate: Certificate) -> Iterator[Attacked]:
    """Search each head image of a release for faces, and yield its result when it is known.

    Parameters
    ----------
    root
        Folder of the release.
    certificate
        Its certificate.
    """
    for target in to_attack(root, certificate):
        yield attack(root / target.image, target)
