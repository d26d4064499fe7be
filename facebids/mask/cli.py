# SPDX-License-Identifier: Apache-2.0
"""``facebids-mask``: photographs and videos of a face, without the person."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from facebids import __version__
from facebids.cli.arguments import Parser, whole_number
from facebids.cli.command import Extra, run_command
from facebids.errors import FacebidsError, OutputError, UsageError

DESCRIPTION = """\
Show the motion of faces on photographs and videos on a generic face: pose, expression of each
side, lids, gaze and blinks are kept, the person is not.
"""
EPILOG = """\
facebids-mask render PARAMETERS.tsv OUTPUT.mp4 renders the table of such a run again.
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser that masks files."""
    parser = Parser(
        prog='facebids-mask',
        usage='%(prog)s INPUT [INPUT ...] OUTPUT_DIR [options]\n'
        '       %(prog)s render PARAMETERS.tsv OUTPUT.mp4 [options]',
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--version', action='version', version=f'%(prog)s {__version__}')
    parser.add_argument(
        'inputs', type=Path, nargs='+', metavar='INPUT',
        help='photographs, videos, folders of these, or BIDS datasets',
    )  # fmt: skip
    parser.add_argument('output_dir', type=Path, metavar='OUTPUT_DIR', help='folder to write to')
    parser.add_argument(
        '--face', choices=('largest', 'all', 'refuse'), default='largest',
        help='if there are several faces: mask the largest, mask all, or refuse the file '
        '(default: largest)',
    )  # fmt: skip
    parser.add_argument(
        '--private-dir', type=Path, metavar='DIR',
        help='write the original beside the mask there; it shows the person',
    )  # fmt: skip
    _add_common(parser)
    return parser


def make_render_parser() -> argparse.ArgumentParser:
    """Return the parser of ``facebids-mask render``."""
    parser = Parser(
        prog='facebids-mask render',
        description='Render a table of parameters again. The same table gives the same pictures.',
    )
    parser.add_argument(
        'table', type=Path, metavar='PARAMETERS.tsv', help='*_desc-mask_timeseries.tsv'
    )
    parser.add_argument(
        'output',
        type=Path,
        metavar='OUTPUT.mp4',
        help='video to write, or *.png: its first picture',
    )
    _add_common(parser)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '-w', '--work-dir', type=Path, default=Path('work'), metavar='DIR',
        help='folder for what an interrupted run needs to go on; private (default: work)',
    )  # fmt: skip
    parser.add_argument(
        '--nprocs', type=whole_number(1), default=2, metavar='N',
        help='number of processes that render (default: 2)',
    )  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Mask files, or render a table; return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    rendering = arguments[:1] == ['render']
    options = (
        make_render_parser().parse_args(arguments[1:])
        if rendering
        else make_parser().parse_args(arguments)
    )
    command = _render if rendering else _mask
    return run_command(
        'facebids-mask',
        lambda: _on_disk(command, options),
        'The same command goes on where it stopped.',
        extra=Extra('video', 'for video'),
    )


def _on_disk(command: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    try:
        return command(options)
    except OSError as error:
        where = f'{error.filename}: ' if error.filename else ''
        raise OutputError(f'{where}{error.strerror}. Check the space and permissions.') from error


def _mask(options: argparse.Namespace) -> int:
    import av
    import mediapipe  # the packages that may be missing, before any work  # noqa: F401

    from facebids.mask import files, report, run

    av.logging.set_level(None)
    sources = files.find(options.inputs)
    _check_places(options)
    request = run.Request(
        output_dir=options.output_dir,
        work_dir=options.work_dir,
        private_dir=options.private_dir,
        faces=options.face,
        nprocs=options.nprocs,
    )
    failed: list[FacebidsError] = []

    def report_done(source: files.Source, error: FacebidsError | None) -> None:
        if error is None:
            progress.console.print(f'{source.path.name}: {source.output("timeseries.tsv")}')
        else:
            failed.append(error)
            progress.console.print(f'{source.path.name}: failed. {error}')

    with _Bar() as progress:
        run.run(sources, request, report_done, progress)
    print(report.LINKED)
    if options.private_dir:
        print(f'PRIVATE: {options.private_dir} shows the people; do not share it.')
    return failed[0].exit_code if failed else 0


def _check_places(options: argparse.Namespace) -> None:
    """Refuse folders in which private files would be shared with the others."""
    output = options.output_dir.resolve()
    if output.exists() and not output.is_dir():
        raise OutputError(f'{options.output_dir} is a file. Name a folder for the output.')
    for folder in options.inputs:
        if folder.is_dir() and output.is_relative_to(folder.resolve()):
            raise UsageError(
                f'The output folder is inside the input {folder}. Choose one that is not.'
            )
    for name, folder in (('--private-dir', options.private_dir), ('--work-dir', options.work_dir)):
        if folder and folder.resolve().is_relative_to(output):
            raise UsageError(
                f'{name} {folder} is inside the output folder, which may be shared. '
                'Choose another.'
            )


def _render(options: argparse.Namespace) -> int:
    import av

    from facebids.mask import run

    av.logging.set_level(None)
    if options.output.suffix.lower() not in ('.mp4', '.png'):
        raise UsageError(f'{options.output}: the name must end with .mp4 or .png.')
    with _Bar() as progress:
        run.render(
            options.table, options.output,
            work_dir=options.work_dir, nprocs=options.nprocs, progress=progress,
        )  # fmt: skip
    print(f'Written to {options.output}.')
    return 0


class _Bar:
    """Shows in a terminal how far a file is, as `facebids.mask.run.Progress`."""

    def __init__(self) -> None:
        from rich.progress import Progress

        from facebids.cli.console import make_console

        self.console = make_console()
        self._bar: Any = Progress(console=self.console, transient=True)
        self._task: Any = None

    def __enter__(self) -> '_Bar':
        """Show the bar in a terminal."""
        if self.console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the bar."""
        self._bar.stop()

    def begin(self, task: str, total: float) -> None:
        """Begin a part of the work; elsewhere than in a terminal, a line says so."""
        if not self.console.is_terminal:
            self.console.print(f'{task} ...', soft_wrap=True)
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(task, total=total or None)

    def advance(self, done: float) -> None:
        """Show how much of it is done."""
        self._bar.update(self._task, completed=done)


if __name__ == '__main__':
    raise SystemExit(main())
