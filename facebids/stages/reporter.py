# SPDX-License-Identifier: Apache-2.0
"""What a stage tells the user while it runs; the command line shows it on the terminal."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from facebids.bids.names import HeadImage
from facebids.core.record import Record
from facebids.studies.results import Results


class Progress(Protocol):
    """Status callback of a Nipype run."""

    def __call__(self, node: Any, status: str) -> None:
        """Receive the status of a node: ``'start'``, ``'end'`` or ``'exception'``."""

    def expect(self, steps: Iterable[str]) -> None:
        """Receive the full names of all steps that are going to run."""

    def tick(self) -> None:
        """Let time pass: called now and then while other processes run the steps."""

    def end(self, image: HeadImage, record: Record) -> None:
        """Report an image that has ended, unless it was reported before."""

    def seconds_of(self, image: HeadImage) -> float:
        """Return the wall time from the first step of an image to its last, s."""


class Reporter(Protocol):
    """Where a stage reports to."""

    def say(self, text: str = '') -> None:
        """Report a result in words."""

    def warn(self, sentence: str) -> None:
        """Report something that the user should know, but that stops nothing."""

    def follow(
        self,
        images: Sequence[HeadImage],
        read_record: Callable[[HeadImage], Record | None],
        explain: Callable[[HeadImage], Record],
    ) -> AbstractContextManager[Progress]:
        """Follow a run, and report each image when it ends.

        Parameters
        ----------
        images
            Every planned image.
        read_record
            Returns the record of an image, or None if it does not exist yet.
        explain
            Returns the record of an image one of whose steps has crashed.
        """

    def show_results(self, records: Iterable[Record], seconds: Mapping[str, float]) -> None:
        """Report the verdicts on all images.

        Parameters
        ----------
        records
            Records of the images.
        seconds
            Wall time of each image (s) by its path; empty if unknown.
        """

    def show_findings(self, results: Results) -> None:
        """Report the identification rates before and after defacing."""

    def show_paths(self, paths: Mapping[str, Path]) -> None:
        """Report where the results are, by what they are."""
