# SPDX-License-Identifier: Apache-2.0
"""Schedule the steps of a graph: one image after the other, and past any failure.

Nipype's own plugins do the first step of all images, then the second of all: nothing is done
before everything is, and an interrupt leaves nothing. Its MultiProc also waits forever for the
result of a worker that the kernel killed for its memory.
"""

from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from traceback import format_exception
from typing import Any

from nipype.pipeline.plugins.base import PluginBase
from nipype.pipeline.plugins.multiproc import MultiProcPlugin
from nipype.pipeline.plugins.tools import report_crash


def _place(node: Any) -> str:
    """Return where a step stands: those of one image have this in common."""
    return node._hierarchy


class OneByOnePlugin(PluginBase):
    """Run the steps in this process, image by image."""

    def run(self, graph: Any, config: dict[str, Any], updatehash: bool = False) -> None:
        """Run all steps but those that a failed one feeds, then raise the first error."""
        from networkx import descendants, lexicographical_topological_sort

        tell = self.plugin_args['status_callback']
        stop = config['execution']['stop_on_first_crash'] == 'true'
        errors: list[Exception] = []
        blocked: set[Any] = set()
        for node in lexicographical_topological_sort(graph, key=_place):
            if node in blocked:
                continue
            tell(node, 'start')
            try:
                node.run(updatehash=updatehash)
            except Exception as error:
                if str(error).rstrip().endswith('KeyboardInterrupt'):
                    raise KeyboardInterrupt from error  # which Nipype takes for a crash
                report_crash(node)
                tell(node, 'exception')
                errors.append(error)
                blocked |= descendants(graph, node)
                if stop:
                    break
            else:
                tell(node, 'end')
        if errors:
            raise errors[0]


class SurvivingMultiProcPlugin(MultiProcPlugin):
    """Run the steps in several processes; when one is killed, only what runs just then fails."""

    def run(self, graph: Any, config: dict[str, Any], updatehash: bool = False) -> None:
        """Run the steps, and leave no process behind: an interrupt kills those at work."""
        try:
            super().run(graph, config, updatehash)
        except KeyboardInterrupt:
            # before Python 3.14 nothing public ends them; at exit they would be waited for
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
        except BrokenProcessPool:  # it stays broken, and the other images need one
            self.pool = MultiProcPlugin(self.plugin_args).pool
            return super()._submit_job(node, updatehash)
