# SPDX-License-Identifier: Apache-2.0
"""Verification stage: compare a release with its certificate, and attack the released images."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from facebids.errors import UsageError
from facebids.release import signature
from facebids.release.attack import Attacked, attack, to_attack
from facebids.release.certificate import JSON, differences
from facebids.release.certificate_types import Certificate, read_certificate
from facebids.release.scan import Scan, scan
from facebids.words import counted


@dataclass(frozen=True)
class Comparison:
    """A release compared with its certificate.

    Attributes
    ----------
    certificate
        The certificate.
    differences
        What differs in the release, one sentence for each file, and what is wrong with the
        signature of the certificate.
    """

    certificate: Certificate
    differences: tuple[str, ...]


def compare(
    path: Path, root: Path, public_key: Path | None, tell: Callable[[str], None]
) -> Comparison:
    """Compare a release with its certificate.

    Parameters
    ----------
    path
        The certificate.
    root
        Folder of the release.
    public_key
        Key that must have signed the certificate, or None if nobody asks.
    tell
        Receives how many files are compared, before that.

    Raises
    ------
    UsageError
        If a path is not that of a certificate or of its release, or the key cannot be used.
    DatasetError
        If the certificate cannot be read.
    """
    certificate = _certificate(path, root)
    tell(f'comparing {counted(len(certificate.files), "file")} with the certificate')
    found = differences(certificate, root)
    if public_key:
        beside = path.with_name(f'{path.name}.sig')
        found += filter(None, [signature.problem(path.read_bytes(), beside, public_key)])
    return Comparison(certificate, tuple(found))


def _certificate(path: Path, root: Path) -> Certificate:
    if path.is_dir():
        raise UsageError(f'{path} is a folder. Give the file {JSON}, which lies beside a release.')
    certificate = read_certificate(path)
    _check_root(root, certificate)
    return certificate


def _check_root(root: Path, certificate: Certificate) -> None:
    """Refuse a folder that is another one than that of the release, instead of listing it all."""
    if not root.is_dir():
        raise UsageError(f'{root}: no such folder.')
    # every dataset has a description
    listed = [name for name in certificate.files if name.startswith('sub-')]
    if not listed or any((root / name).exists() for name in listed):
        return
    inner = root / certificate.release
    remedy = f'Give {inner}.' if inner.is_dir() else 'Give the folder that it certifies.'
    raise UsageError(
        f'{root}: none of the {len(listed):,} certified files of participants is in this folder, '
        f'so it is not the release "{certificate.release}". {remedy}'
    )


def scan_dataset(root: Path, path: Path | None, tell: Callable[[str], None]) -> Scan:
    """Scan any dataset, compared with its certificate if there is one.

    Parameters
    ----------
    root
        Folder of the dataset.
    path
        Its certificate, or None.
    tell
        Receives the path of each image before it is searched.

    Raises
    ------
    UsageError
        If a path is not that of a certificate or of its dataset.
    DatasetError
        If the certificate cannot be read.
    """
    if path is None and not root.is_dir():
        raise UsageError(f'{root}: no such folder.')
    return scan(root, _certificate(path, root) if path else None, tell)


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
