# SPDX-License-Identifier: Apache-2.0
"""``facebids-phantom``: write a BIDS dataset of phantom heads."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from facebids import __version__
from facebids.cli.arguments import Parser, millimetres, whole_number
from facebids.cli.command import run_command
from facebids.config import PHANTOM_MODALITIES, PhantomSettings
from facebids.words import counted


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the ``facebids-phantom`` command."""
    parser = Parser(
        prog='facebids-phantom',
        description='Write a BIDS dataset of phantom heads with faces. Each participant is a '
        'different person; anatomy varies between sessions, and head pose between scans.',
    )
    parser.add_argument('output', type=Path, help='folder to write the dataset to')
    parser.add_argument(
        '--participants', type=whole_number(1), default=2, metavar='N',
        help='number of participants (default: 2)',
    )  # fmt: skip
    parser.add_argument(
        '--sessions', type=whole_number(1), default=1, metavar='N',
        help='number of sessions of each participant (default: 1)',
    )  # fmt: skip
    parser.add_argument(
        '--modalities', nargs='+', choices=PHANTOM_MODALITIES, default=['T1w'],
        help='scans of each session (default: T1w)',
    )  # fmt: skip
    parser.add_argument(
        '--photographs', type=whole_number(0), default=0, metavar='N',
        help='number of photographs of each participant, written to sourcedata/photographs for '
        '--photos (default: 0)',
    )  # fmt: skip
    parser.add_argument(
        '--seed', type=whole_number(0), default=0, metavar='N',
        help='random seed; the same seed gives the same dataset (default: 0)',
    )  # fmt: skip
    parser.add_argument(
        '--resolution', type=millimetres(0.5, 5), default=2.0, metavar='MM',
        help='voxel size (mm, default: 2)',
    )  # fmt: skip
    parser.add_argument('--version', action='version', version=f'%(prog)s {__version__}')
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Write the dataset; return the exit code."""
    settings = parse(argv)
    return run_command(
        'facebids-phantom',
        lambda: _write(settings),
        f'{settings.output_dir} is incomplete: delete it, and run the same command again.',
    )


def _write(settings: PhantomSettings) -> int:
    from facebids.stages.phantoms import write_dataset

    write_dataset(settings, lambda line: print(line, flush=True))
    print(f'{counted(settings.participants, "participant")} written to {settings.output_dir}')
    return 0


def parse(argv: Sequence[str] | None = None) -> PhantomSettings:
    """Return the settings of a command line; exit if it is invalid."""
    options = make_parser().parse_args(argv)
    return PhantomSettings(
        output_dir=options.output,
        participants=options.participants,
        sessions=options.sessions,
        modalities=tuple(options.modalities),
        photographs=options.photographs,
        seed=options.seed,
        resolution=options.resolution,
    )


if __name__ == '__main__':
    raise SystemExit(main())
