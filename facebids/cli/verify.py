# SPDX-License-Identifier: Apache-2.0
"""``facebids-verify``: hold a release against its certificate."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from facebids import __version__
from facebids.cli.console import make_console
from facebids.cli.run import set_environment
from facebids.errors import FacebidsError, UsageError

DESCRIPTION = """\
Hold a release against its certificate: is every file there, unchanged, and no other?
With --attack, also look for faces in the released images, without the originals.
"""
EPILOG = 'Exit codes: 0 all is as certified; 1 something is not; 2 wrong options; 65 unreadable.'


def make_parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    parser = argparse.ArgumentParser(
        prog='facebids-verify',
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('certificate', type=Path, help='CERTIFICATE.json')
    parser.add_argument('release', type=Path, help='folder of the released dataset')
    parser.add_argument(
        '--attack', action='store_true',
        help='render every defaced image anew and look for a face in it (minutes an image)',
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
    """Hold a release against its certificate, and say what is found.

    Parameters
    ----------
    path
        The certificate.
    root
        Folder of the release.
    attack
        Also look for faces in its images.

    Returns
    -------
    int
        0, or 1 where something is not as certified.

    Raises
    ------
    UsageError
        If there is no such release.
    DatasetError
        If the certificate cannot be read.
    """
    from facebids.release import certificate

    made = certificate.read(path)
    if not root.is_dir():
        raise UsageError(f'{root}: there is no such folder.')
    console = make_console()
    differences = certificate.differences(made, root)
    for difference in differences:
        console.print(difference, style='red', soft_wrap=True)
    state = f'{len(differences)} differ from' if differences else 'all as in'
    console.print(f'{len(made["Files"])} files, {state} the certificate of {made["Date"]}')
    objections = _attack(root, made) if attack else 0
    return int(bool(differences) or bool(objections))


def _attack(root: Path, made: dict) -> int:
    """Attack every image; return how many there is something to object to."""
    with TemporaryDirectory(prefix='facebids-') as cache:
        set_environment(Path(cache), 1)
        return _attack_each(root, made)


def _attack_each(root: Path, made: dict) -> int:
    from facebids.release.attack import attack, to_attack

    console = make_console()
    there = to_attack(root, made)
    objections = 0
    for image in there:
        seen = attack(root, image)
        wrong = seen.problem or seen.objection
        objections += bool(wrong)
        console.print(
            f'{seen.image}: a face in {seen.faces} of {seen.views} views, with certainty in '
            f'{seen.certain}' + (f': {wrong}' if wrong else ''),
            style='red' if wrong else None, soft_wrap=True,
        )  # fmt: skip
    console.print(f'{len(there)} images attacked, objections to {objections}')
    console.print(
        'Without the original, heads are turned otherwise and seen from elsewhere than in the '
        'certificate, so counts differ. In a head that was refaced a face is to be found.',
        soft_wrap=True,
    )
    return objections


if __name__ == '__main__':
    raise SystemExit(main())
