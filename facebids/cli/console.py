# SPDX-License-Identifier: Apache-2.0
"""Terminal output: one line per image, and a table of results at the end."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from facebids.bids import names
from facebids.bids.names import HeadImage
from facebids.core.record import Record
from facebids.studies.results import Results, of_enough_people, strongest, too_few

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

    An image has ended when its record exists or when one of its steps has crashed.

    Parameters
    ----------
    images
        Every planned image.
    read_record
        Returns the record of an image, or None if it does not exist yet.
    verbose
        Whether to print one line per step, too.
    """

    def __init__(
        self,
        images: Sequence[HeadImage],
        read_record: Callable[[HeadImage], Record | None],
        *,
        verbose: bool = False,
    ) -> None:
        self.console = make_console()
        self.images = {names.workflow_name(image): image for image in images}
        self.read_record = read_record
        self.verbose = verbose
        self.started: dict[str, float] = {}
        self.seconds = dict.fromkeys(self.images, 0.0)
        self.ended: set[str] = set()
        self.begun = self.drawn = time.monotonic()
        self.bar = self._make_bar() if self.console.is_terminal else None

    def __enter__(self) -> 'ImageProgress':
        """Show the progress bar in a terminal."""
        if self.bar:
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the progress bar."""
        if self.bar:
            self.bar.stop()

    def __call__(self, node: Any, status: str) -> None:
        """Handle a message of Nipype: ``'start'``, ``'end'`` or ``'exception'`` of a node."""
        key = next((part for part in node.fullname.split('.') if part in self.images), None)
        if self.verbose:
            self.console.print(f'  {node.fullname}: {status}')
        if key is None or key in self.ended:
            return
        if status == 'start':
            self.started[node.fullname] = time.monotonic()
            return
        now = time.monotonic()
        self.seconds[key] += now - self.started.pop(node.fullname, now)  # cached ones never start
        record = self.read_record(self.images[key]) if status == 'end' else None
        if record or status == 'exception':
            self._end(key, record.verdict if record else 'error')
        if now > self.drawn + REFRESH or key in self.ended:
            self._draw(now)

    def seconds_of(self, image: HeadImage) -> float:
        """Return the total run time (s) of the steps of an image."""
        return self.seconds.get(names.workflow_name(image), 0.0)

    def _end(self, key: str, outcome: str) -> None:
        self.ended.add(key)
        count = f'[{len(self.ended)}/{len(self.images)}]'
        line = f'{count} {self.images[key].relative_path}: {outcome}, {self.seconds[key]:.0f} s'
        self.console.print(line, style=STYLES.get(outcome, 'red'))
        LOGGER.info('%s', line)

    def _draw(self, now: float) -> None:
        self.drawn = now
        if self.bar:
            ended = [spent for key, spent in self.seconds.items() if key in self.ended]
            others = [spent for key, spent in self.seconds.items() if key not in self.ended]
            left = time_left(ended, others, now - self.begun)
            words = '' if left is None else f'about {_duration(left)} left'
            task = self.bar.task_ids[0]
            self.bar.update(task, completed=len(ended), left=words, refresh=True)

    def _make_bar(self) -> Any:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )

        # No refresh thread: Nipype forks, and a child could inherit a lock held by the thread.
        bar = Progress(
            'images', BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn('{task.fields[left]}'),
            console=self.console, auto_refresh=False, transient=True,
        )  # fmt: skip
        bar.add_task('images', total=len(self.images), left='')
        return bar


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
        self, images: Sequence[HeadImage], read_record: Callable[[HeadImage], Record | None]
    ) -> ImageProgress:
        """Print a line for each image when it ends, and a progress bar on terminals."""
        return ImageProgress(images, read_record, verbose=self.verbose)

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
        for title in ('image', *(['time'] if seconds else []), 'faces before', 'after'):
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
        """Print the rank-1 identification rates of each comparison before and after defacing.

        Of few people there is a sentence instead.
        """
        if few := too_few(results):
            self.say()
            self.out.print(few, style='yellow', soft_wrap=True)
            for note in results.notes:
                self.say(note)
            return
        from rich.table import Table

        results = of_enough_people(results)
        table = Table(pad_edge=False, show_edge=False)
        table.add_column('rank-1 identification rate', overflow='fold')
        states = ('before', 'after', 'after_both')
        for title in ('before', 'after', 'both defaced', 'chance'):
            table.add_column(title, justify='right')
        shown = [item for item in results.outcomes if item.study in ('scans', 'S1', 'S2')]
        for key in dict.fromkeys(item.key for item in shown):
            outcomes = [item for item in shown if item.key == key]
            engine = strongest(outcomes)
            mine = {item.condition: item for item in outcomes if item.engine == engine}
            cells = [
                _share(mine[state].summary.rank1.value) if state in mine else '-'
                for state in states
            ]
            table.add_row(f'{key}, {engine}', *cells, _share(outcomes[0].summary.chance))
        if table.row_count:
            self.say()
            self.out.print(table)
            self.say('All rates are lower bounds of the risk.')
        for note in results.notes:
            self.say(note)

    def show_paths(self, paths: Mapping[str, Path]) -> None:
        """Print paths, one per line."""
        for what, path in paths.items():
            self.say(f'{what}: {path}')


def _share(value: float | None) -> str:
    return '-' if value is None else f'{value:.0%}'
