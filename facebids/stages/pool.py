# SPDX-License-Identifier: Apache-2.0
"""Schedule the steps of a workflow image by image, and continue after failures.

The plugins of Nipype run the first step of all images, then the second step of all images, and so
on. No image would be finished before nearly all are, and an interrupt would lose all of them. Its
MultiProc plugin also waits forever for the result of a worker that was killed for lack of memory.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from threading import current_thread, main_thread
from traceback import format_exception
from typing import Any

from nipype.pipeline.plugins.base import PluginBase
from nipype.pipeline.plugins.multiproc import MultiProcPlugin, process_initializer
from nipype.pipeline.plugins.tools import report_crash

from facebids.filesystem import is_full
from facebids.processes import end_with_parent, kill
from facebids.signals import handled

ENDS = (signal.SIGINT, signal.SIGTERM)
GRACE = 0.5  # s; a cluster ends all processes of a job, and a worker may be the first to end


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
                with suppress(OSError):  # the disk may be full
                    report_crash(node)
                callback(node, 'exception')
                errors.append(error)
                blocked |= descendants(graph, node)
                if stop or is_full(error):
                    break
            else:
                callback(node, 'end')
        if errors:
            raise errors[0]


class SurvivingMultiProcPlugin(MultiProcPlugin):
    """Run the steps in several processes; if one is killed, only its own step fails.

    Each process is a pool of its own, because a pool gives up all its steps when one of its
    processes is killed.
    """

    pool: ProcessPoolExecutor

    def __init__(self, plugin_args: dict[str, Any]) -> None:
        super().__init__(plugin_args)
        self.pool.shutdown()  # no process was started yet
        self.workers = [self._start() for _ in range(self.processors)]
        self.running: dict[int, Future] = {}  # by index of the worker
        self.interrupted = False

    def run(self, graph: Any, config: dict[str, Any], updatehash: bool = False) -> None:
        """Run the steps; an interrupt kills all worker processes."""
        try:
            with self._noting_signals():
                super().run(graph, config, updatehash)
        except KeyboardInterrupt:
            for worker in self.workers:  # exit would wait for them
                kill(worker)
            raise
        finally:
            for worker in self.workers:
                worker.shutdown(cancel_futures=True)

    @contextmanager
    def _noting_signals(self) -> Iterator[None]:
        """Let the scheduler see that a signal came.

        Python drops an exception that a signal raises while garbage is collected, which the
        scheduler does all the time.
        """
        if current_thread() is not main_thread():  # where signals arrive
            yield
            return
        with handled(self._note, *ENDS):
            yield
        self._end_if_interrupted()  # by a signal that came after the last poll

    def _note(self, *_: Any) -> None:
        self.interrupted = True

    def _end_if_interrupted(self) -> None:
        if self.interrupted:
            raise KeyboardInterrupt

    def _send_procs_to_workers(self, updatehash: bool = False, graph: Any = None) -> None:
        self._end_if_interrupted()  # called several times a second
        self.plugin_args['status_callback'].tick()
        super()._send_procs_to_workers(updatehash, graph)

    def _start(self) -> ProcessPoolExecutor:
        # workers must be children of this process, which those of a fork server are not
        context = get_context('fork' if sys.platform == 'linux' else 'spawn')
        arguments = os.getpid(), self._cwd
        return ProcessPoolExecutor(1, context, _prepare, arguments)

    def _sort_jobs(self, jobids: Any, scheduler: str = 'tsort') -> list[int]:
        return sorted(jobids, key=lambda job: _place(self.procs[job]))

    def _async_callback(self, args: Future) -> None:
        if args.exception() is None:
            super()._async_callback(args)

    def _get_result(self, taskid: int) -> dict[str, Any] | None:
        future = self._task_obj[taskid]
        if future.done() and (error := future.exception()):
            time.sleep(GRACE)
            self._end_if_interrupted()
            return {'taskid': taskid, 'result': None, 'traceback': format_exception(error)}
        return super()._get_result(taskid)

    def _submit_job(self, node: Any, updatehash: bool = False) -> int:
        # the scheduler submits no more steps than there are processors
        index = next(
            index
            for index in range(self.processors)
            if index not in self.running or self.running[index].done()
        )
        try:
            return self._submit_to(index, node, updatehash)
        except BrokenProcessPool:
            self.workers[index] = self._start()
            return self._submit_to(index, node, updatehash)

    def _submit_to(self, index: int, node: Any, updatehash: bool) -> int:
        self.pool = self.workers[index]
        taskid = super()._submit_job(node, updatehash)
        self.running[index] = self._task_obj[taskid]
        return taskid


def _prepare(parent: int, folder: str) -> None:
    end_with_parent(parent)
    process_initializer(folder)
