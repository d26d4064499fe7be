# SPDX-License-Identifier: Apache-2.0
"""Run steps in parallel and survive a process that is killed.

Nipype's own plugin waits forever for the result of a worker that the kernel killed for its memory.
"""

from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from nipype.pipeline.plugins.multiproc import MultiProcPlugin


class SurvivingMultiProcPlugin(MultiProcPlugin):
    """Nipype's MultiProc, in which a killed worker fails its step instead of stopping time."""

    def _async_callback(self, args: Future) -> None:
        if args.exception() is None:
            super()._async_callback(args)

    def _get_result(self, taskid: int) -> dict[str, Any] | None:
        future = self._task_obj[taskid]
        if future.done() and future.exception():
            raise future.exception()
        return super()._get_result(taskid)

    def _submit_job(self, node: Any, updatehash: bool = False) -> int:
        try:
            return super()._submit_job(node, updatehash)
        except BrokenProcessPool:  # it stays broken, and the other images need one
            fresh = MultiProcPlugin(self.plugin_args)
            self.pool = fresh.pool
            return super()._submit_job(node, updatehash)
