# SPDX-License-Identifier: Apache-2.0
"""Run the Nipype workflow of all images, with the messages of Nipype sent to a log file."""

import logging
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from facebids.bids.plan import ParticipantPlan
from facebids.config import Settings
from facebids.filesystem import is_full
from facebids.processes import no_shared_memory
from facebids.stages.reporter import Progress

LOGGER = logging.getLogger('facebids')
CLUSTERS = ('SLURM', 'SLURMGraph')


@contextmanager
def logged(path: Path) -> Iterator[None]:
    """Write all log messages, warnings and the traceback of an exception to a file.

    The exception is raised again, with a note that names the file.

    Parameters
    ----------
    path
        The log file. Its folder is created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = _LogFile(path, encoding='utf-8', delay=True)
    handler.setFormatter(logging.Formatter('%(asctime)s %(name)s %(levelname)s: %(message)s'))
    root = logging.getLogger()
    previous = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    try:
        yield
    except Exception as error:
        LOGGER.exception('The run ended with an error')
        error.add_note(f'See the log for details: {path}')
        raise
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)
        root.setLevel(previous)
        with suppress(OSError):
            handler.close()


class _LogFile(logging.FileHandler):
    """A log that is silent about a full disk, which the end of the run tells in one sentence."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is given
        """Print the error that stopped a message, unless the disk is full."""
        if not is_full(sys.exc_info()[1]):
            super().handleError(record)


def run_graph(
    settings: Settings,
    plans: tuple[ParticipantPlan, ...],
    progress: Progress,
    crash_dir: Path,
    log_dir: Path,
    template: Path | None = None,
) -> bool:
    """Build the workflow of all plans and run it to its end, even if steps fail.

    Crash files and missing records show which steps failed.

    Parameters
    ----------
    settings, plans
        The settings of the run, and the plan of each participant.
    progress
        Status callback for the steps.
    crash_dir
        Folder in which Nipype writes a crash file for each failed step.
    log_dir
        Folder for the drawing of the graph.
    template
        The prepared template, if one was requested.

    Returns
    -------
    bool
        False if the user interrupted the run.
    """
    if not plans:
        return True
    from facebids.workflows.base import init_facebids_wf

    workflow = init_facebids_wf(settings=settings, plans=plans, template=template)
    if settings.resource_monitor:
        from facebids.stages.measured import measure

        measure(workflow)
    progress.expect(_steps(workflow))
    _silence_nipype()
    workflow.base_dir = str(settings.work_dir / 'nipype')
    workflow.config.setdefault('execution', {}).update(
        crashdump_dir=str(crash_dir),
        crashfile_format='txt',
        stop_on_first_crash=str(settings.stop_on_first_crash).lower(),
        # with the default of 2 s, ten trivial steps take 22 s, but a cluster is asked by a command
        poll_sleep_duration='2' if settings.plugin in CLUSTERS else '0.05',
        job_finished_timeout='30',  # s until results of another machine are seen
        create_report='false',
    )
    if settings.write_graph:
        _write_graph(workflow, log_dir)
    try:
        workflow.run(plugin=_make_plugin(settings, progress))
    except KeyboardInterrupt:
        return False
    except Exception as error:
        # the graph itself failed, not a step; and on a full disk every step would
        if is_full(error) or not any(crash_dir.glob('crash-*')):
            raise
        LOGGER.exception('Some steps failed')
    return True


def _steps(workflow: Any) -> list[str]:
    """Return the full names of all steps, without the places that only hand values on."""
    from nipype import IdentityInterface

    return [
        name
        for name in workflow.list_node_names()
        if not isinstance(workflow.get_node(name).interface, IdentityInterface)
    ]


def _make_plugin(settings: Settings, progress: Progress) -> Any:
    arguments = {**settings.plugin_args, 'status_callback': progress}
    if settings.plugin in CLUSTERS:
        from facebids.stages.slurm import AllAtOncePlugin, StepByStepPlugin

        kind = StepByStepPlugin if settings.plugin == 'SLURM' else AllAtOncePlugin
        return kind(plugin_args=arguments)
    from facebids.stages.pool import OneByOnePlugin, SurvivingMultiProcPlugin

    alone = settings.plugin == 'Linear' or settings.nprocs == 1
    why = None if alone else no_shared_memory()
    if why:
        LOGGER.warning('Steps run one by one, as there is no shared memory (%s)', why)
    if alone or why:
        return OneByOnePlugin(arguments)
    arguments |= {'n_procs': settings.nprocs, 'raise_insufficient': False}
    return SurvivingMultiProcPlugin(arguments)


def _silence_nipype() -> None:
    """Remove the log handlers of Nipype; its messages still reach the log file."""
    import nipype  # noqa: F401  (adds the handlers)

    logging.getLogger('nipype').handlers.clear()


def _write_graph(workflow: Any, log_dir: Path) -> None:
    ending = 'svg' if shutil.which('dot') else 'dot'
    path = str(log_dir / 'graph.dot')
    workflow.write_graph(dotfilename=path, graph2use='colored', format=ending)
