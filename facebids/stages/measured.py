# SPDX-License-Identifier: Apache-2.0
"""Measure what each step of a workflow uses, wherever it runs.

The resource monitor of Nipype looks at memory once a second and does not count processor time. The
system knows both exactly: ``getrusage(2)`` through `os.times`, and the peak of the resident memory
since it was last reset (``/proc/PID/clear_refs``, proc(5)).
"""

import json
import os
import re
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nipype.pipeline.engine import Node

from facebids.bids.usage import Usage

FILE = 'usage.json'  # in the folder of a step
RESET_PEAK = '5'


class MeasuredNode(Node):
    """A step that writes beside its results what it used."""

    def run(self, updatehash: bool = False) -> Any:
        """Run the step, unless its result is cached."""
        before, is_new = self._written(), True
        started, wall, cpu = datetime.now(UTC), time.perf_counter(), _cpu()
        is_reset = _reset_peak_memory()
        try:
            result = super().run(updatehash)
            is_new = self._written() != before
            return result
        finally:
            if is_new:
                used = {
                    'started': started.isoformat(timespec='milliseconds'),
                    'wall_s': round(time.perf_counter() - wall, 3),
                    'cpu_s': round(_cpu() - cpu, 3),
                    'memory_mib': _peak_memory() if is_reset else None,
                }
                with suppress(OSError):  # the step may have failed before it had a folder
                    Path(self.output_dir(), FILE).write_text(json.dumps(used))

    def _written(self) -> int | None:
        """Return when the result was written (ns), or None if there is none."""
        try:
            return Path(self.output_dir(), f'result_{self.name}.pklz').stat().st_mtime_ns
        except OSError:
            return None


def measure(workflow: Any) -> None:
    """Let all steps of a workflow measure what they use."""
    for name in workflow.list_node_names():
        # the steps are made in many places, and all of them are of this class
        workflow.get_node(name).__class__ = MeasuredNode


def read(node: Any, image: str) -> Usage | None:
    """Return what a step of an image used when it ran last, or None if that was not measured."""
    try:
        found = json.loads(Path(node.output_dir(), FILE).read_text())
    except (OSError, ValueError):
        return None
    return Usage(image=image, step=node.name, **found)


def _cpu() -> float:
    """Return the processor time of this process and of its children that have ended, s."""
    return sum(os.times()[:4])


def _reset_peak_memory() -> bool:
    try:
        Path('/proc/self/clear_refs').write_text(RESET_PEAK)
    except OSError:
        return False
    return True


def _peak_memory() -> float | None:
    """Return the largest resident memory of this process since it was reset, MiB."""
    found = re.search(r'^VmHWM:\s*(\d+) kB', Path('/proc/self/status').read_text(), re.M)
    return round(int(found[1]) / 1024, 1) if found else None
