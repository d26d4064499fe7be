# SPDX-License-Identifier: Apache-2.0
"""The ``facebids`` command: from arguments to an exit code."""

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from facebids.cli.parser import parse
from facebids.config import Settings
from facebids.errors import FacebidsError

INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def main(argv: Sequence[str] | None = None) -> int:
    """Run FaceBIDS.

    Parameters
    ----------
    argv
        Arguments without the program name; None means those of the process.

    Returns
    -------
    int
        The exit code, as :mod:`facebids.errors` lists them.
    """
    settings = parse(argv)
    set_environment(settings.work_dir / 'cache', settings.omp_nthreads)
    before = signal.signal(signal.SIGTERM, _interrupt)  # a cluster's walltime, `docker stop`
    try:
        return run(settings)
    except FacebidsError as error:
        _say(str(error), error)
        return error.exit_code
    except KeyboardInterrupt:
        _say('interrupted. Run the same command again to go on.')
        return INTERRUPTED
    except Exception as error:
        _say(f'internal error ({type(error).__name__}: {error}). Please report it.', error)
        if settings.verbose or not getattr(error, '__notes__', None):  # a note names the log
            traceback.print_exc()
        return FacebidsError.exit_code
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(*_) -> None:
    raise KeyboardInterrupt


def set_environment(cache: Path, nthreads: int) -> None:
    """Set what libraries read when imported: threads, caches, and that nobody calls home.

    ITK reads its number of threads before it is first used, so this comes before every import.

    Parameters
    ----------
    cache
        Folder for what libraries keep.
    nthreads
        Threads of a single step.
    """
    threads = str(nthreads)
    os.environ.update(
        ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=threads,
        OMP_NUM_THREADS=threads,
        OPENBLAS_NUM_THREADS=threads,
        MKL_NUM_THREADS=threads,
        NO_ET='1',
        NIPYPE_NO_ET='1',
        NIPYPE_CONFIG_DIR=str(cache / 'nipype'),  # else ~/.nipype, and HOME may be read-only
        MPLBACKEND='Agg',
        MPLCONFIGDIR=str(cache / 'matplotlib'),
    )
    # A container's unknown user, or cron, has none; pybids asks for it when it is imported.
    os.environ.setdefault('HOME', str(cache))


def run(settings: Settings) -> int:
    """Check the folders, run the stage that was asked for, and return the exit code."""
    from facebids.stages.folders import check_places
    from facebids.stages.group import run_group
    from facebids.stages.participant import run_participants

    check_places(settings)
    stage = {'participant': run_participants, 'group': run_group}[settings.analysis_level]
    return stage(settings)


def _say(sentence: str, error: Exception | None = None) -> None:
    sys.stderr.write('\n'.join([f'facebids: {sentence}', *getattr(error, '__notes__', [])]) + '\n')
