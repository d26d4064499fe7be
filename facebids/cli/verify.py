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
from facebids.errors import FacebidsError

if TYPE_CHECKING:
    from facebids.stages.verify import Comparison

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
        help='search each image for faces, also those that were not examined (a minute for each)',
    )  # fmt: skip
    parser.add_argument(
        '--public-key', type=Path, metavar='FILE',
        help='also check that the owner of this Ed25519 key (PEM) signed the certificate',
    )  # fmt: skip
    parser.add_argument('--version', action='version', version=f'%(prog)s {__version__}')
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Verify a release; return the exit code."""
    options = make_parser().parse_args(argv)
    try:
        return verify(
            options.certificate, options.release, options.public_key, attack=options.attack
        )
    except FacebidsError as error:
        sys.stderr.write(f'facebids-verify: {error}\n')
        return error.exit_code


def verify(path: Path, root: Path, public_key: Path | None = None, *, attack: bool = False) -> int:
    """Compare a release with its certificate, and print the differences.

    Parameters
    ----------
    path
        The certificate.
    root
        Folder of the release.
    public_key
        Key that must have signed the certificate, or None.
    attack
        Whether to search its images for faces too.

    Returns
    -------
    int
        0, or 1 if the release is not as certified.
    """
    from facebids.stages.verify import compare

    compared = compare(path, root, public_key)
    console = make_console()
    for difference in compared.differences:
        console.print(difference, style='red', soft_wrap=True)
    certificate, count = compared.certificate, len(compared.differences)
    state = f'{count} differences from' if count else 'all as in'
    console.print(f'{len(certificate.files)} files, {state} the certificate of {certificate.date}')
    failures = _attack(root, compared) if attack else 0
    return int(bool(count) or bool(failures))


def _attack(root: Path, compared: 'Comparison') -> int:
    """Attack each image of a release, print the results, and return how many images failed."""
    from facebids.stages.verify import attack_release

    console = make_console()
    failed = []
    with TemporaryDirectory(prefix='facebids-') as cache:
        set_environment(Path(cache), 1)
        for seen in attack_release(root, compared.certificate):
            problem = seen.problem or seen.objection
            failed.append(seen.failed)
            console.print(
                f'{seen.image}: faces in {seen.faces} of {seen.views} views, {seen.certain} with '
                'certainty' + (f': {problem}' if problem else ''),
                style='red' if seen.failed else None, soft_wrap=True,
            )  # fmt: skip
    console.print(f'{len(failed)} images attacked, {sum(failed)} failed')
    console.print(
        'The original images are not available, so the heads are registered and rendered '
        'differently than at the participant level, and the counts differ from those of the '
        'certificate. A refaced head is expected to show a face.',
        soft_wrap=True,
    )
    return sum(failed)


if __name__ == '__main__':
    raise SystemExit(main())
