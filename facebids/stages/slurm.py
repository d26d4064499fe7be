# SPDX-License-Identifier: Apache-2.0
"""Run each step of a workflow as a job of Slurm, with the plugins of Nipype.

Both end their jobs when the run is interrupted, which those of Nipype leave behind. Interrupts
are handled here, as a shell lets commands in the background ignore them.
"""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

from nipype.pipeline.plugins.slurm import SLURMPlugin
from nipype.pipeline.plugins.slurmgraph import SLURMGraphPlugin

from facebids.signals import handled, interrupt

POLL = 2.0  # s; more often would burden the scheduler of the cluster


class StepByStepPlugin(SLURMPlugin):
    """Submit each step when those before it have ended."""

    def __init__(self, plugin_args: dict[str, Any]) -> None:
        os.environ.setdefault('LOGNAME', 'facebids')  # Nipype names the jobs by it
        super().__init__(plugin_args=plugin_args)

    def run(self, graph: Any, config: dict[str, Any], updatehash: bool = False) -> None:
        """Run the steps; an interrupt, or an error that stops the run, ends all jobs."""
        try:
            with handled(interrupt, signal.SIGINT, signal.SIGTERM):
                super().run(graph, config, updatehash)
        finally:
            if self._pending:
                subprocess.run(['scancel', *map(str, self._pending)], check=False)


class AllAtOncePlugin(SLURMGraphPlugin):
    """Submit all steps at once, as jobs that depend on each other, and wait for their end."""

    def __init__(self, plugin_args: dict[str, Any]) -> None:
        self.callback = plugin_args.pop('status_callback')
        self.mark = f'facebids-{uuid4().hex}'
        given = plugin_args.get('sbatch_args', '')
        # a job whose predecessor failed would wait forever
        options = f'{given} --comment={self.mark} --kill-on-invalid-dep=yes'
        super().__init__(plugin_args={**plugin_args, 'sbatch_args': options})

    def run(self, graph: Any, config: dict[str, Any], updatehash: bool = False) -> None:
        """Run the steps; an interrupt ends all jobs."""
        try:
            with handled(interrupt, signal.SIGINT, signal.SIGTERM):
                super().run(graph, config, updatehash)
                while self._queued():
                    time.sleep(POLL)
        except BaseException:
            if jobs := self._queued():
                subprocess.run(['scancel', *jobs], check=False)
            raise
        for node in graph.nodes:
            done = Path(node.output_dir(), f'result_{node.name}.pklz').exists()
            self.callback(node, 'end' if done else 'exception')

    def _queued(self) -> list[str]:
        """Return the numbers of the jobs that have not ended."""
        command = ['squeue', '--noheader', '--format=%i %k']
        while (done := subprocess.run(command, capture_output=True, text=True)).returncode:
            time.sleep(POLL)  # the scheduler is busy or restarts
        lines = [line.partition(' ') for line in done.stdout.splitlines()]
        return [job for job, _, comment in lines if comment == self.mark]
