# SPDX-License-Identifier: Apache-2.0
"""``facebids-verify``: compare a release with its certificate."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from facebids import __version__
from facebids.cli.arguments import Parser
from facebids.cli.command import run_command
from facebids.cli.console import make_console
from facebids.cli.run import set_environment
from facebids.filesystem import write_json_atomic
from facebids.provenance import source_digest
from facebids.words import counted, said_once

if TYPE_CHECKING:
    from facebids.stages.verify import Comparison

DESCRIPTION = """\
Check that a release holds exactly the files of its certificate, unchanged.
With --attack, also search the released images for faces, without the originals.
With --summary, scan any dataset, with or without a certificate, for faces and metadata.
"""
EPILOG = (
    'Exit codes: 0 the release is as certified, or no findings; 1 it is not, or a curator has to '
    'review it, or the scan is incomplete; 2 invalid options; 65 unreadable certificate; '
    '130 interrupted.'
)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the ``facebids-verify`` command."""
    parser = Parser(
        prog='facebids-verify',
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'certificate', type=Path, nargs='?', help='CERTIFICATE.json; may be omitted with --summary'
    )
    parser.add_argument('release', type=Path, help='folder of the release, or of any dataset')
    parser.add_argument(
        '--attack', action='store_true',
        help='search each image for faces, also those that were not examined (a minute for each)',
    )  # fmt: skip
    parser.add_argument(
        '--public-key', type=Path, metavar='FILE',
        help='also check that the owner of this Ed25519 key (PEM) signed the certificate',
    )  # fmt: skip
    parser.add_argument(
        '--summary', action='store_true',
        help='scan all images and metadata, and tell one of three states with the reasons: no '
        'findings, curator review required, incomplete scan',
    )  # fmt: skip
    parser.add_argument(
        '--json', type=Path, metavar='FILE', help='also write the summary as JSON to this file'
    )
    parser.add_argument('--version', action='version', version=f'%(prog)s {__version__}')
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Verify a release; return the exit code."""
    parser = make_parser()
    options = parser.parse_intermixed_args(argv)  # both paths are known by their order alone
    if options.certificate is None and not options.summary:
        parser.error('give CERTIFICATE.json and the folder of its release, or --summary.')
    if options.summary and (options.attack or options.public_key):
        parser.error('--summary searches every image, and checks no signature: omit the others.')
    if options.json and not options.summary:
        parser.error('--json: only --summary is written as JSON.')
    return run_command('facebids-verify', lambda: _run(options), 'Run the same command again.')


def _run(options: argparse.Namespace) -> int:
    if options.summary:
        return summarise(options.release, options.certificate, options.json)
    return verify(options.certificate, options.release, options.public_key, attack=options.attack)


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

    console = make_console()
    compared = compare(path, root, public_key, console.print)
    for difference in said_once(compared.differences):
        console.print(difference, style='red', soft_wrap=True)
    certificate, count = compared.certificate, len(compared.differences)
    state = f'{counted(count, "difference")} from' if count else 'all as in'
    console.print(
        f'{counted(len(certificate.files), "file")}, {state} the certificate of {certificate.date}'
    )
    failures = _attack(root, compared) if attack else 0
    return int(bool(count) or bool(failures))


def summarise(root: Path, certificate: Path | None = None, target: Path | None = None) -> int:
    """Scan a dataset, and print its state with the reasons.

    Parameters
    ----------
    root
        Folder of the dataset.
    certificate
        Its certificate, or None.
    target
        File to write the summary to as JSON, or None.

    Returns
    -------
    int
        0 without findings if everything was scanned, else 1.
    """
    from facebids.stages.verify import scan_dataset

    console = make_console()
    with TemporaryDirectory(prefix='facebids-') as cache:
        set_environment(Path(cache), 1)
        found = scan_dataset(
            root, certificate, lambda path: console.print(f'searching {path}', soft_wrap=True)
        )
    summary = found.to_json()
    console.print(f'{summary["State"]}: {summary["Meaning"]}', soft_wrap=True)
    searched = counted(found.images, 'image')
    if found.masks:
        searched += f' and {counted(found.masks, "mask")}'
    console.print(f'{counted(found.files, "file")} read, {searched} searched for a face')
    for title, issues in (('findings', found.findings), ('not scanned', found.not_scanned)):
        if issues:
            console.print(f'{title} ({len(issues):,}):')
        for line in said_once(f'{item.path}: {item.reason}' for item in issues):
            console.print(f'  {line}', soft_wrap=True)
    if target:
        software = {'Name': 'FaceBIDS', 'Version': __version__, 'SHA256': source_digest()}
        write_json_atomic(target, {**summary, 'Software': software})
    return int(bool(found.findings or found.not_scanned or not found.files))


def _attack(root: Path, compared: 'Comparison') -> int:
    """Attack each image of a release, print the results, and return how many images failed."""
    from facebids.stages.verify import attack_release

    console = make_console()
    console.print('searching each image for faces, up to a minute each')
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
    console.print(f'{counted(len(failed), "image")} attacked, {sum(failed)} failed')
    console.print(
        'The original images are not available, so the heads are registered and rendered '
        'differently than at the participant level, and the counts differ from those of the '
        'certificate. A refaced head is expected to show a face.',
        soft_wrap=True,
    )
    return sum(failed)


if __name__ == '__main__':
    raise SystemExit(main())
