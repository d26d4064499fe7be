# SPDX-License-Identifier: Apache-2.0
"""Entry point of the ``facebids`` command."""

import os
from collections.abc import Sequence
from pathlib import Path

from facebids.cli.command import run_command
from facebids.cli.parser import parse
from facebids.config import Settings
from facebids.filesystem import is_full


def main(argv: Sequence[str] | None = None) -> int:
    """Run FaceBIDS.

    Parameters
    ----------
    argv
        Arguments without the program name; None uses those of the process.

    Returns
    -------
    int
        The exit code. :mod:`facebids.errors` lists all of them.
    """
    settings = parse(argv)
    set_environment(settings.work_dir / 'cache', settings.omp_nthreads)
    return run_command(
        'facebids',
        lambda: run(settings),
        'Run the same command again to resume.',
        verbose=settings.verbose > 0,
    )


def set_environment(cache: Path, nthreads: int) -> None:
    """Set the environment that libraries read on import: threads, caches and no telemetry.

    Call this before any import, because ITK reads its number of threads before its first use.

    Parameters
    ----------
    cache
        Folder for the caches of libraries.
    nthreads
        Threads per step.
    """
    threads = str(nthreads)
    os.environ.update(
        ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=threads,
        OMP_NUM_THREADS=threads,
        OPENBLAS_NUM_THREADS=threads,
        MKL_NUM_THREADS=threads,
        NO_ET='1',
        NIPYPE_NO_ET='1',
        ORT_DISABLE_TELEMETRY='1',
        NIPYPE_CONFIG_DIR=str(cache / 'nipype'),  # default ~/.nipype, but HOME may be read-only
        MPLBACKEND='Agg',
        MPLCONFIGDIR=str(cache / 'matplotlib'),
    )
    # HOME is unset for an unknown user in a container and in cron; pybids needs it on import.
    os.environ.setdefault('HOME', str(cache))


def run(settings: Settings) -> int:
    """Check the folders, run the requested stage, and return the exit code."""
    from facebids.cli.console import Terminal
    from facebids.stages.folders import check_folders, full
    from facebids.stages.group import run_group
    from facebids.stages.participant import run_participants

    check_folders(settings)
    stage = {'participant': run_participants, 'group': run_group}[settings.analysis_level]
    try:
        return stage(settings, Terminal(verbose=settings.verbose > 0))
    except Exception as error:
        if is_full(error):
            raise full(settings) from error
        raise
