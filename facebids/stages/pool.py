# SPDX-License-Identifier: Apache-2.0
"""Schedule the steps of a workflow image by image, and continue after failures.

The plugins of Nipype run the first step of all images, then the second step of all images, and so
on. No image would be finished before nearly all are, and an interrupt would lose all of them. Its
MultiProc plugin also waits forever for the result of a worker that was killed for lack of memory.
"""

from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from traceback import format_exception
from typing import Any

from nipype.pipeline.plugins.base import PluginBase
from nipype.pipeline.plugins.multiproc import MultiProcPlugin
from nipype.pipeline.plugins.tools import report_crash


def _place(node: Any) -> str:
    """Return the hierarchy of a step, which all steps of one image have in common."""
    return node._hierarchy


class OneByOnePlugin(PluginBase):
    """Run the steps in this process, image by image."""

    def run(self, graph: Any, config: dict[str, Any], updatehash: bool = False) -> None:
        """Run all steps except those that depend on a failed step, then raise the first error."""
        from networkx import descendants, lexicographical_topological_sort

        callback = self.plugin_args['status_callback']
        stop = config['execution']['stop_on_first_crash'] == 'true'
        errors: list[Exception] = []
        blocked: set[Any] = set()
        for node in lexicographical_topological_sort(graph, key=_place):
            if node in blocked:
                continue
            callback(node, 'start')
            try:
                node.run(updatehash=updatehash)
            except Exception as error:
                if str(error).rstrip().endswith('KeyboardInterrupt'):
                    raise KeyboardInterrupt from error  # Nipype treats it as a crash
                report_crash(node)
                callback(node, 'exception')
                errors.append(error)
                blocked |= descendants(graph, node)
                if stop:
                    break
            else:
                callback(node, 'end')
        if errors:
            raise errors[0]


class SurvivingMultiProcPlugin(MultiProcPlugin):
    """Run the steps in several processes; if one is killed, only the running steps fail."""

    def run(self, graph: Any, config: dict[str, Any], updatehash: bool = False) -> None:
        """Run the steps; an interrupt kills all worker processes."""
        try:
            super().run(graph, config, updatehash)
        except KeyboardInterrupt:
            # No public method kills them before Python 3.14, and exit would wait for them.
            for process in (self.pool._processes or {}).values():
                process.kill()
            raise
        finally:
            self.pool.shutdown(cancel_futures=True)

    def _sort_jobs(self, jobids: Any, scheduler: str = 'tsort') -> list[int]:
        return sorted(jobids, key=lambda job: _place(self.procs[job]))

    def _async_callback(self, args: Future) -> None:
        if args.exception() is None:
            super()._async_callback(args)

    def _get_result(self, taskid: int) -> dict[str, Any] | None:
        future = self._task_obj[taskid]
        if future.done() and (error := future.exception()):
            return {'taskid': taskid, 'result': None, 'traceback': format_exception(error)}
        return super()._get_result(taskid)

    def _submit_job(self, node: Any, updatehash: bool = False) -> int:
        try:
            return super()._submit_job(node, updatehash)
        except BrokenProcessPool:  # the other images need a new pool
            self.pool = MultiProcPlugin(self.plugin_args).pool
            return super()._submit_job(node, updatehash)
