# SPDX-License-Identifier: Apache-2.0
"""``facebids-review``: look at all images of an output folder, and decide."""

import argparse
import getpass
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facebids import __version__
from facebids.cli.arguments import Parser, whole_number
from facebids.cli.command import Extra, run_command
from facebids.errors import UsageError
from facebids.signals import handled, interrupt

if TYPE_CHECKING:
    from facebids.review.items import Item

EPILOG = (
    'Keys: a accept, r reject, c comment, u undo, arrows next and previous. Exit codes: 0 stopped '
    'or written; 2 invalid options; 65 unreadable metrics; 66 no image; 73 the address or the '
    'table cannot be used; 130 interrupted.'
)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the ``facebids-review`` command."""
    parser = Parser(
        prog='facebids-review',
        description='Look at every defaced image of an output folder in a browser, those with '
        'doubts first, and write the table that --accept reads. Only this machine is served, and '
        'nothing is fetched from elsewhere.',
        epilog=EPILOG,
    )
    parser.add_argument('output_dir', type=Path, help='OUTPUT_DIR of the participant level')
    parser.add_argument(
        '--table', type=Path, default=Path('accepted.tsv'), metavar='FILE',
        help='table of accepted images; beside it the journal of all decisions, by which a review '
        'is continued (default: accepted.tsv in the current folder)',
    )  # fmt: skip
    parser.add_argument(
        '--by', metavar='NAME', help='who decides, for the table (default: the name of this user)'
    )
    parser.add_argument(
        '--port', type=whole_number(0), default=8002, metavar='N',
        help='port on 127.0.0.1; 0: any that is free (default: 8002)',
    )  # fmt: skip
    parser.add_argument(
        '--page', action='store_true',
        help='write review.html into OUTPUT_DIR, which shows the same but saves nothing, and end',
    )  # fmt: skip
    parser.add_argument('--version', action='version', version=f'%(prog)s {__version__}')
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Review images; return the exit code."""
    options = make_parser().parse_args(argv)
    return run_command(
        'facebids-review',
        lambda: _run(options),
        'Run the same command again to resume.',
        extra=Extra('quiz', 'starlette and uvicorn'),
    )


def _run(options: argparse.Namespace) -> int:
    from facebids.review import decisions, items, page

    output_dir = Path(os.path.abspath(options.output_dir))
    found = items.collect(output_dir)
    if options.page:
        print(f'Written: {page.write_page(output_dir, found)}. It saves no decision.')
        return 0
    by = decisions.line(options.by or _user())
    if not by:
        raise UsageError('Give the name of who decides with --by.')
    table = Path(os.path.abspath(options.table))
    _serve(output_dir, table, by, found, options.port)
    held = decisions.standing(found, decisions.read(table))
    chosen = [decision.choice for decision in held.values()]
    print(
        f'Stopped. Accepted {chosen.count("accept")}, rejected {chosen.count("reject")}, not '
        f'decided {len(found) - len(chosen)} of {len(found)}.'
    )
    if table.exists():
        print(f'For the release: --accept {shlex.quote(str(table))}')
    if rejected := [image for image, decision in held.items() if decision.choice == 'reject']:
        print(f'Leave out: --exclude-failed {shlex.join(rejected)}')
    return 0


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number without a name
        return ''


def _serve(output_dir: Path, table: Path, by: str, found: 'tuple[Item, ...]', port: int) -> None:
    from facebids.review.server import Review, serve
    from facebids.stages.folders import make_writable
    from facebids.stages.locks import hold

    make_writable(table.parent, 'table')
    try:
        with (
            handled(interrupt, signal.SIGINT, signal.SIGTERM),
            hold([table.parent], 'the review'),
        ):
            review = Review(output_dir, table, by, found)
            serve(review, port, lambda line: print(line, flush=True))
    except KeyboardInterrupt:
        sys.stdout.write('\n')


if __name__ == '__main__':
    raise SystemExit(main())
