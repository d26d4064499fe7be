# SPDX-License-Identifier: Apache-2.0
"""Which code made a result: the version, and a digest of the package's own source.

A version alone does not tell two states of a checkout apart, so caches, records and certificates
carry the digest too.
"""

import hashlib
from functools import cache
from pathlib import Path

from facebids.version import __version__

PACKAGE = Path(__file__).parent
SUFFIXES = {'.css', '.j2', '.js', '.md', '.onnx', '.py', '.tsv'}


@cache
def source_digest(package: Path = PACKAGE) -> str:
    """Return the SHA-256 of the code, templates and network of the package, as hexadecimal digits.

    Names and contents count; the place, modification times and compiled files do not. A wheel and
    the checkout that it was built from have the same digest.

    Parameters
    ----------
    package
        Folder of the package. Its workflows are inside it in an installed package, and beside it
        in a checkout.

    Returns
    -------
    str
    """
    workflows = package / 'workflows'
    if not workflows.is_dir():
        workflows = package.parent / 'workflows'
    files = _sources(package, '') | _sources(workflows, 'workflows/')
    lines = (f'{name}\0{_sha256(files[name])}\n' for name in sorted(files))
    return hashlib.sha256(''.join(lines).encode()).hexdigest()


def identity() -> str:
    """Return the version and the first 12 digits of the source digest, joined by a hyphen."""
    return f'{__version__}-{source_digest()[:12]}'


def _sources(folder: Path, prefix: str) -> dict[str, Path]:
    return {
        f'{prefix}{path.relative_to(folder).as_posix()}': path
        for path in folder.rglob('*')
        if path.suffix in SUFFIXES and path.is_file()
    }


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
