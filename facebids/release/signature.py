# SPDX-License-Identifier: Apache-2.0
"""Sign certificates with an Ed25519 key (RFC 8032), and verify them.

A certificate names the key that signed it, and its signature lies beside it. Who trusts the key
knows that its owner wrote the certificate, and by its hashes every file of the release.
"""

import base64
from pathlib import Path
from typing import Any

from facebids.errors import DatasetError, UsageError


def public_key_of(path: Path) -> str:
    """Return the public key that belongs to a private key, in base64.

    Parameters
    ----------
    path
        The private key, PEM (PKCS 8) without a password.

    Raises
    ------
    UsageError
        If it is not the private key of Ed25519, or the package that signs is missing.
    """
    return _text(_private_key(path).public_key().public_bytes_raw())


def sign(content: bytes, path: Path) -> str:
    """Return the signature of a file by a private key, in base64 with the end of a line."""
    return _text(_private_key(path).sign(content)) + '\n'


def problem(content: bytes, signature: Path, path: Path) -> str | None:
    """Return why a file is not known to be signed by the owner of a key, or None.

    Parameters
    ----------
    content
        The file.
    signature
        The file with its signature.
    path
        The public key, PEM.

    Raises
    ------
    UsageError
        If it is not the public key of Ed25519, or the package that verifies is missing.
    DatasetError
        If the signature cannot be read.
    """
    serialization = _cryptography()
    from cryptography.exceptions import InvalidSignature

    key = _loaded(path, serialization.load_pem_public_key, 'public')
    try:
        signed = base64.b64decode(signature.read_bytes())
        key.verify(signed, content)
    except FileNotFoundError:
        return f'{signature.name}: missing, so the certificate is not signed'
    except OSError as error:
        raise DatasetError(f'{signature} cannot be read ({error.strerror}).') from error
    except (InvalidSignature, ValueError):
        return f'{signature.name}: not the signature of this certificate by this key'
    return None


def _private_key(path: Path) -> Any:
    serialization = _cryptography()
    return _loaded(path, lambda pem: serialization.load_pem_private_key(pem, None), 'private')


def _loaded(path: Path, load: Any, what: str) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        key = load(path.read_bytes())
    except OSError as error:
        raise UsageError(f'{path} cannot be read ({error.strerror}).') from error
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(f'{path}: this is no {what} key in PEM without a password.') from error
    if type(key).__name__.lstrip('_').lower() != f'ed25519{what}key':
        raise UsageError(
            f'{path}: this is no {what} key of Ed25519. Make one with openssl: '
            '`openssl genpkey -algorithm ed25519 -out key.pem`, and `openssl pkey -in key.pem '
            '-pubout -out public.pem`.'
        )
    return key


def _cryptography() -> Any:
    try:
        from cryptography.hazmat.primitives import serialization
    except ImportError as error:
        raise UsageError(
            "Signatures need the package cryptography: pip install 'facebids[sign]'."
        ) from error
    return serialization


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
