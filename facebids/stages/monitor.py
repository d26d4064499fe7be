# SPDX-License-Identifier: Apache-2.0
"""Collect what the steps of a run used."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from facebids.bids import names, usage
from facebids.bids.names import HeadImage
from facebids.bids.plan import ParticipantPlan
from facebids.bids.usage import Usage
from facebids.core.record import Record
from facebids.filesystem import write_json_atomic, write_text_atomic
from facebids.stages.reporter import Progress

TABLE, DICTIONARY = 'resources.tsv', 'resources.json'


class Monitor:
    """Status callback of a Nipype run that also collects what each step used.

    Parameters
    ----------
    progress
        The status callback that is called, too.
    plans
        The plan of each participant.
    """

    def __init__(self, progress: Progress, plans: Sequence[ParticipantPlan]) -> None:
        self.progress = progress
        self.images: dict[str, str] = {}
        for image in (item.image for plan in plans for item in (*plan.images, *plan.registered)):
            name = names.workflow_name(image)
            self.images |= dict.fromkeys([name, f'register_{name}'], image.relative_path)
        self.used: dict[str, Usage] = {}  # by full name of the step

    def __call__(self, node: Any, status: str) -> None:
        """Receive the status of a node."""
        from facebids.stages import measured

        self.progress(node, status)
        if status == 'start':
            return
        image = next(filter(None, map(self.images.get, node.fullname.split('.'))), None)
        if image and (used := measured.read(node, image)):
            self.used[node.fullname] = used

    def expect(self, steps: Iterable[str]) -> None:
        """Receive the full names of all steps that are going to run."""
        self.progress.expect(steps)

    def tick(self) -> None:
        """Let time pass."""
        self.progress.tick()

    def end(self, image: HeadImage, record: Record) -> None:
        """Report an image that has ended."""
        self.progress.end(image, record)

    def seconds_of(self, image: HeadImage) -> float:
        """Return the wall time from the first step of an image to its last, s."""
        return self.progress.seconds_of(image)

    def write(self, folder: Path) -> None:
        """Write the table of all steps and its data dictionary."""
        write_text_atomic(folder / TABLE, usage.table(self.used.values()))
        write_json_atomic(folder / DICTIONARY, usage.COLUMNS)
