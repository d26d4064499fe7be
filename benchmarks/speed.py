# SPDX-License-Identifier: Apache-2.0
"""Time FaceBIDS as a user runs it, beside niimath, and print ratios of CPU time.

    python benchmarks/speed.py DATASET --templates FOLDER [--participants LABEL ...]
    python benchmarks/speed.py DATASET --templates FOLDER --together

Each T1w image is a dataset of its own, processed from file to file by `niimath -deface`, by
`facebids --deface-only` and by `facebids` with the attack, each in one process and one thread,
one after the other: a cold start with a single scan. `--together` processes all images in one run
of each kind, which loads libraries and the atlas once: the time of an image at steady state.

CPU time depends less on other work on the machine than wall-clock time, and is that of all
processes of a command. Memory is the peak of the largest process. Without a dataset, phantoms of
`--resolution` mm are used.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import defacers
import nibabel as nib
import numpy as np

PEER, ALONE, FULL = 'niimath -deface', 'facebids --deface-only', 'facebids'
HEADER = ('images', 'mm', 'n', 'command', 'wall s', 'CPU s', 'x niimath', 'peak MB')


@dataclass(frozen=True)
class Cost:
    """What a command cost.

    Attributes
    ----------
    wall, cpu
        Seconds; of the CPU, of all processes.
    peak_mb
        Memory of the largest process, MB.
    """

    wall: float
    cpu: float
    peak_mb: float


def measure(command):
    """Run a command in one thread and return what it cost.

    Raises
    ------
    SystemExit
        If the command fails.
    """
    start = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [str(part) for part in command], stdout=output, stderr=subprocess.STDOUT,
            env=os.environ | defacers.ONE_THREAD,
        )  # fmt: skip
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 1):  # 1: an image was withheld
            output.seek(0)
            raise SystemExit(f'{command[0]} failed:\n{output.read().decode()[-2000:]}')
    wall = time.monotonic() - start
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000)


def deface_peer(program, templates, paths, folder):
    """Deface images with niimath, one after the other, and return the sum of what it cost."""
    option, *files = defacers.NIIMATH[PEER]
    costs = [
        measure([program, path, option, *(templates / name for name in files),
                 folder / f'niimath{number}.nii.gz', '-odt', 'input'])
        for number, path in enumerate(paths)
    ]  # fmt: skip
    return Cost(
        sum(cost.wall for cost in costs),
        sum(cost.cpu for cost in costs),
        max(cost.peak_mb for cost in costs),
    )


def deface_ours(paths, folder, *options):
    """Deface images with a run of FaceBIDS."""
    bids = folder / 'bids'
    for path in paths:
        place = bids / f'sub-{defacers.participant(path)}' / 'anat' / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    return measure([
        sys.executable, '-m', 'facebids', bids, folder / 'out', 'participant',
        '--work-dir', folder / 'work', '--nprocs', 1, '--skip-bids-validation', *options,
    ])  # fmt: skip


def compare(paths, program, templates):
    """Return the cost of each command for images that are processed together.

    Parameters
    ----------
    paths : sequence of Path
    program : str
        niimath.
    templates : Path
        Folder of its template files.

    Returns
    -------
    dict of Cost
        By command.
    """
    found = {}
    for name, options in {ALONE: ['--deface-only'], FULL: []}.items():
        with tempfile.TemporaryDirectory() as folder:
            found[name] = deface_ours(paths, Path(folder), *options)
    with tempfile.TemporaryDirectory() as folder:
        return {PEER: deface_peer(program, templates, paths, Path(folder)), **found}


def rows(label, spacing, number, runs):
    """Return the rows of a table: median and range over runs of the same commands."""
    for name in (PEER, ALONE, FULL):
        costs = [run[name] for run in runs]
        ratios = [run[name].cpu / run[PEER].cpu for run in runs]
        low, middle, high = np.quantile(ratios, [0, 0.5, 1])
        yield (
            label, spacing, number, name,
            f'{np.median([cost.wall for cost in costs]) / number:.1f}',
            f'{np.median([cost.cpu for cost in costs]) / number:.1f}',
            f'{middle:.2f} ({low:.2f} to {high:.2f})',
            f'{max(cost.peak_mb for cost in costs):.0f}',
        )  # fmt: skip


def spacing_of(path):
    """Return the smallest voxel size of an image, mm, rounded."""
    return f'{min(nib.load(path).header.get_zooms()[:3]):.1f}'


def parse(arguments=None):
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('dataset', type=Path, nargs='?', help='BIDS dataset (default: phantoms)')
    parser.add_argument('--templates', type=Path, required=True, help="niimath's templates")
    parser.add_argument('--participants', nargs='+', default=())
    parser.add_argument('--limit', type=int, metavar='N', help='maximum number of images')
    parser.add_argument('--together', action='store_true', help='all images in one run')
    parser.add_argument('--repeats', type=int, default=3, metavar='N')
    parser.add_argument('--resolution', type=float, default=2.0, metavar='MM')
    return parser.parse_args(arguments)


def main(arguments=None):
    """Run the benchmark and print the table."""
    options = parse(arguments)
    program = shutil.which('niimath')
    if not program:
        raise SystemExit('niimath is not installed (pip install niimath).')
    with tempfile.TemporaryDirectory() as folder:
        dataset = options.dataset or Path(folder)
        if not options.dataset:
            phantoms = str(options.limit or 1), '--resolution', str(options.resolution)
            command = [sys.executable, '-m', 'facebids.cli.phantom', str(dataset)]
            subprocess.run([*command, '--participants', *phantoms], check=True)
        paths = defacers.list_images(dataset, 'T1w', options.participants, options.limit)
        if not paths:
            raise SystemExit(f'{dataset} has no T1w image.')
        groups = [paths] if options.together else [[path] for path in paths]
        table = []
        for group in groups:
            done = [compare(group, program, options.templates) for _ in range(options.repeats)]
            label = group[0].name.split('_')[0] if len(group) == 1 else 'together'
            table += rows(label, spacing_of(group[0]), len(group), done)
    print(defacers.table(HEADER, table))


if __name__ == '__main__':
    main()
