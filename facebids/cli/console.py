# SPDX-License-Identifier: Apache-2.0
"""Terminal output: what each image is at and how it ended, and a table of results at the end."""

import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from facebids.bids import names
from facebids.bids.names import HeadImage
from facebids.cli import findings
from facebids.core import remedies
from facebids.core.record import Record
from facebids.studies.results import Results, caution

LOGGER = logging.getLogger('facebids')
REFRESH = 1.0  # s between two drawings of the bar
STYLES = {'pass': 'green', 'review': 'yellow', 'fail': 'red'}


def make_console(*, error: bool = False) -> Any:
    """Return a rich console, with wide plain lines if the stream is not a terminal."""
    from rich.console import Console

    stream = sys.stderr if error else sys.stdout
    width = None if stream.isatty() else 160
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


class ImageProgress:
    """Status callback of a Nipype run that reports each image when it ends, also in the log.

    An image has ended when its record exists or when one of its steps has crashed. In a terminal,
    a bar shows how many steps have ended, and which are at work; elsewhere, and in the log, each
    image has a line when its first step starts.

    Parameters
    ----------
    images
        Every planned image.
    read_record
        Returns the record of an image, or None if it does not exist yet.
    explain
        Returns the record of an image one of whose steps has crashed.
    verbose
        Whether to print one line per step, too.
    """

    def __init__(
        self,
        images: Sequence[HeadImage],
        read_record: Callable[[HeadImage], Record | None],
        explain: Callable[[HeadImage], Record],
        *,
        verbose: bool = False,
    ) -> None:
        self.console = make_console()
        self.images = {names.workflow_name(image): image for image in images}
        self.read_record = read_record
        self.explain = explain
        self.verbose = verbose
        self.started: dict[str, float] = {}
        self.seconds = dict.fromkeys(self.images, 0.0)  # of all steps, which may overlap
        self.first: dict[str, float] = {}
        self.wall = dict.fromkeys(self.images, 0.0)
        self.steps: Counter[str] = Counter()  # of each image, and how many of them have ended
        self.done: Counter[str] = Counter()
        self.ended: set[str] = set()
        self.crashed: set[str] = set()
        self.begun = self.drawn = time.monotonic()
        self.bar: Any = None
        self.live: Any = None
        if self.console.is_terminal:
            self.bar, self.live = self._make_bar()

    def __enter__(self) -> 'ImageProgress':
        """Show the progress bar in a terminal."""
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the progress bar."""
        self._end_crashed()
        if self.live:
            self.live.stop()

    def expect(self, steps: Iterable[str]) -> None:
        """Receive the full names of all steps that are going to run."""
        self.steps.update(filter(None, map(self._image_of, steps)))

    def __call__(self, node: Any, status: str) -> None:
        """Handle a message of Nipype: ``'start'``, ``'end'`` or ``'exception'`` of a node."""
        self._end_crashed()
        key = self._image_of(node.fullname)
        if self.verbose:
            self.console.print(f'  {node.fullname}: {status}')
        if key is None or key in self.ended:
            return
        now = time.monotonic()
        if status == 'start':
            self.started[node.fullname] = now
            if key not in self.first:
                self.first[key] = now
                self._begin(key)
            self._draw(now)
            return
        self.seconds[key] += now - self.started.pop(node.fullname, now)  # cached ones never start
        self.wall[key] = now - self.first.get(key, now)
        self.done[key] += 1
        if status == 'exception':
            self.crashed.add(key)
            return  # Nipype writes the crash file after this
        if record := self.read_record(self.images[key]):
            self.end(self.images[key], record)
        self.tick()

    def tick(self) -> None:
        """Let the time pass on the bar; called now and then while steps are at work."""
        self._end_crashed()
        if (now := time.monotonic()) > self.drawn + REFRESH:
            self._draw(now)

    def end(self, image: HeadImage, record: Record) -> None:
        """Report an image, unless it was reported before."""
        key = names.workflow_name(image)
        if key not in self.images or key in self.ended:
            return
        self.ended.add(key)
        line = f'{self._line(key)}: {record.verdict}, {self.wall[key]:.0f} s wall time'
        if sentences := remedies.explain(record):
            line += f'. {sentences}'
        self.console.print(line, style=STYLES[record.verdict], soft_wrap=True)
        LOGGER.info('%s', line)
        self._draw(time.monotonic())

    def seconds_of(self, image: HeadImage) -> float:
        """Return the wall time (s) from the first step of an image to its last."""
        return self.wall.get(names.workflow_name(image), 0.0)

    def _begin(self, key: str) -> None:
        line = f'{self._line(key)}: started'
        if not self.live:
            self.console.print(line, soft_wrap=True)
        LOGGER.info('%s', line)

    def _line(self, key: str) -> str:
        """Return how a line on an image begins: how many have ended, and its path."""
        return f'[{len(self.ended)}/{len(self.images)}] {self.images[key].relative_path}'

    def _image_of(self, step: str) -> str | None:
        return next((part for part in step.split('.') if part in self.images), None)

    def _end_crashed(self) -> None:
        for key in sorted(self.crashed - self.ended):
            self.end(self.images[key], self.explain(self.images[key]))

    def _share_done(self, key: str) -> float:
        """Return how much of an image is done, of 1."""
        return 1.0 if key in self.ended else min(self.done[key] / max(self.steps[key], 1), 1.0)

    def _draw(self, now: float) -> None:
        self.drawn = now
        if self.live:
            ended = [spent for key, spent in self.seconds.items() if key in self.ended]
            others = [spent for key, spent in self.seconds.items() if key not in self.ended]
            left = time_left(ended, others, now - self.begun)
            words = '' if left is None else f'about {_duration(left)} left'
            task = self.bar.task_ids[0]
            share = sum(map(self._share_done, self.images))
            self.bar.update(task, completed=share, ended=len(ended), left=words)
            self.live.refresh()

    def _make_bar(self) -> tuple[Any, Any]:
        from rich.console import Group
        from rich.live import Live
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.text import Text

        bar = Progress(
            'images', BarColumn(), TextColumn('{task.fields[ended]}/{task.total}'),
            TimeElapsedColumn(), TextColumn('{task.fields[left]}'), auto_refresh=False,
        )  # fmt: skip
        bar.add_task('images', total=len(self.images), ended=0, left='')

        def render() -> Any:
            lines = [Text(f'  {line}', no_wrap=True, overflow='ellipsis') for line in self._now()]
            return Group(bar.get_renderable(), *lines)

        # No refresh thread: Nipype forks, and a child could inherit a lock held by the thread.
        live = Live(
            console=self.console, get_renderable=render, auto_refresh=False, transient=True
        )
        return bar, live

    def _now(self) -> Iterator[str]:
        """Yield a line for each image that is at work, with its steps."""
        at_work: dict[str, list[str]] = {}
        for name in self.started:
            if (key := self._image_of(name)) and key not in self.ended:
                at_work.setdefault(key, []).append(name.rpartition('.')[2].replace('_', ' '))
        for key, steps in at_work.items():
            image = PurePosixPath(self.images[key].relative_path).name.partition('.')[0]
            known = f' ({self.done[key]} of {self.steps[key]} steps done)' * (key in self.steps)
            yield f'{image}: {", ".join(steps)}{known}'


def time_left(ended: Sequence[float], others: Sequence[float], elapsed: float) -> float | None:
    """Estimate the time until all images have ended (s), or None before the first has.

    Each image is expected to take as long as those that have ended did on average, and as many
    steps to run at a time as until now.

    Parameters
    ----------
    ended, others
        Time of all steps (s) of each image that has ended, and of the others until now.
    elapsed
        Time since the run began (s).
    """
    work = sum(ended) + sum(others)
    if not ended or not work:
        return None
    each = sum(ended) / len(ended)
    return sum(max(each - spent, 0) for spent in others) * elapsed / work


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f'{seconds:.0f} s'
    return f'{seconds / 60:.0f} min' if seconds < 100 * 60 else f'{seconds / 3600:.0f} h'


class Terminal:
    """The reporter of the command line.

    Parameters
    ----------
    verbose
        Whether to print one line per step, too.
    """

    def __init__(self, *, verbose: bool = False) -> None:
        self.out = make_console()
        self.error = make_console(error=True)
        self.verbose = verbose

    def say(self, text: str = '') -> None:
        """Print text on the standard output."""
        self.out.print(text, soft_wrap=True)

    def warn(self, sentence: str) -> None:
        """Print a sentence on the standard error."""
        self.error.print(sentence, soft_wrap=True)

    def follow(
        self,
        images: Sequence[HeadImage],
        read_record: Callable[[HeadImage], Record | None],
        explain: Callable[[HeadImage], Record],
    ) -> ImageProgress:
        """Print a line when an image starts, unless a terminal has a bar, and when it ends."""
        return ImageProgress(images, read_record, explain, verbose=self.verbose)

    def show_results(self, records: Iterable[Record], seconds: Mapping[str, float]) -> None:
        """Print the table of all images.

        Parameters
        ----------
        records
            Records of the images.
        seconds
            Run time of each image, by ``image``. The column is omitted if this is empty.
        """
        from rich.table import Table
        from rich.text import Text

        table = Table(pad_edge=False, show_edge=False)
        for title in ('image', *(['wall time'] if seconds else []), 'faces before', 'after'):
            table.add_column(
                title, justify='left' if title == 'image' else 'right', overflow='fold'
            )
        table.add_column('verdict')
        table.add_column('reasons', overflow='fold')
        for record in records:
            time_cell = [f'{seconds[record.image]:.0f} s'] if seconds else []
            found = record.identifiability
            faces = ['-', '-']
            if found:
                faces = [f'{n}/{found.views}' for n in (found.faces_before, found.faces_after)]
            verdict = Text(record.verdict, style=STYLES[record.verdict])
            reasons = ', '.join(record.codes) or '-'
            name = PurePosixPath(record.image).name.partition('.')[0]
            table.add_row(name, *time_cell, *faces, verdict, reasons)
        self.out.print(table)

    def show_findings(self, results: Results) -> None:
        """Print who is found in each comparison before and after defacing, by each engine.

        Of few people, counts alone are shown, with a caution.
        """
        from rich.table import Table

        self.say()
        if few := caution(results):
            self.out.print(few, style='yellow', soft_wrap=True)
        table = Table(
            pad_edge=False, show_edge=False, title='Participants found: rank-1 identification',
            title_justify='left', title_style='bold',
        )  # fmt: skip
        for title in findings.HEADER:
            table.add_column(title, overflow='fold')
        for row in findings.rows(results):
            table.add_row(*row)
        if table.row_count:
            self.out.print(table)
            self.say(findings.LEGEND)
        for note in results.notes:
            self.say(note)

    def show_paths(self, paths: Mapping[str, Path]) -> None:
        """Print paths, one per line."""
        for what, path in paths.items():
            self.say(f'{what}: {path}')
