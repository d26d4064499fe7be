# SPDX-License-Identifier: Apache-2.0
"""``facebids-verify``: compare a release with its certificate."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from facebids import __version__
from facebids.cli.console import make_console
from facebids.cli.run import set_environment
from facebids.errors import FacebidsError, UsageError

if TYPE_CHECKING:
    from facebids.release.certificate_types import Certificate

DESCRIPTION = """\
Check that a release holds exactly the files of its certificate, unchanged.
With --attack, also search the released images for faces, without the originals.
"""
EPILOG = (
    'Exit codes: 0 the release is as certified; 1 it is not; 2 invalid options; '
    '65 unreadable certificate.'
)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the ``facebids-verify`` command."""
    parser = argparse.ArgumentParser(
        prog='facebids-verify',
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('certificate', type=Path, help='CERTIFICATE.json')
    parser.add_argument('release', type=Path, help='folder of the release')
    parser.add_argument(
        '--attack', action='store_true',
        help='render each defaced image and search it for faces (takes minutes for each image)',
    )  # fmt: skip
    parser.add_argument('--version', action='version', version=f'%(prog)s {__version__}')
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Verify a release; return the exit code."""
    options = make_parser().parse_args(argv)
    try:
        return verify(options.certificate, options.release, attack=options.attack)
    except FacebidsError as error:
        sys.stderr.write(f'facebids-verify: {error}\n')
        return error.exit_code


def verify(path: Path, root: Path, *, attack: bool = False) -> int:
    """Compare a release with its certificate, and print the differences.

    Parameters
    ----------
    path
        The certificate.
    root
        Folder of the release.
    attack
        Whether to search its images for faces too.

    Returns
    -------
    int
        0, or 1 if the release is not as certified.

    Raises
    ------
    UsageError
        If the folder of the release does not exist.
    DatasetError
        If the certificate cannot be read.
    """
    from facebids.release.certificate import differences
    from facebids.release.certificate_types import read_certificate

    certificate = read_certificate(path)
    if not root.is_dir():
        raise UsageError(f'{root}: no such folder.')
    console = make_console()
    found = differences(certificate, root)
    for difference in found:
        console.print(difference, style='red', soft_wrap=True)
    state = f'{len(found)} differences from' if found else 'all as in'
    console.print(f'{len(certificate.files)} files, {state} the certificate of {certificate.date}')
    failures = _attack(root, certificate) if attack else 0
    return int(bool(found) or bool(failures))


def _attack(root: Path, certificate: 'Certificate') -> int:
    """Attack every defaced image; return how many failed."""
    with TemporaryDirectory(prefix='facebids-') as cache:
        set_environment(Path(cache), 1)
        return _attack_each(root, certificate)


def _attack_each(root: Path, certificate: 'Certificate') -> int:
    from facebids.release.attack import attack, to_attack

    console = make_console()
    targets = to_attack(root, certificate)
    failures = 0
    for target in targets:
        seen = attack(root, target)
        wrong = seen.problem or seen.objection
        failures += bool(wrong)
        console.print(
            f'{seen.image}: a face in {seen.faces} of {seen.views} views, certain in '
            f'{seen.certain}' + (f': {wrong}' if wrong else ''),
            style='red' if wrong else None, soft_wrap=True,
        )  # fmt: skip
    console.print(f'{len(targets)} images attacked, {failures} failed')
    console.print(
        'Without the original images the heads are aligned and seen differently than at the '
        'participant level, so the counts differ from those of the certificate. In a refaced head '
        'a face is expected.',
        soft_wrap=True,
    )
    return failures


if __name__ == '__main__':
    raise SystemExit(main())
