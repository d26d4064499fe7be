# SPDX-License-Identifier: Apache-2.0
"""Kill a run on two phantoms at random moments, run it again, and look at what it leaves.

Run: python benchmarks/kills.py --work-dir FOLDER [--kills 20] [--seed 0] [--resolution 3]

A run that nobody disturbs is the reference. Then the same run is started again and again in the
same folders, and killed after a random time: by SIGKILL, SIGTERM or SIGINT, or by SIGKILL of one
of its workers. Whenever it reaches its end, its output must be that of the reference, byte by
byte, and the folders are emptied for the next. After each kill these are counted:

workers
    Processes that outlive the run by more than a second.
unjudged
    Defaced images without a record that releases them.
lost
    Records that release an image that is not there.
mismatched
    Images that are not those that their records are on.
different
    Complete runs whose output is not that of the reference.
temporary
    Temporary files after the next run reached its end.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from facebids.bids import names, records
from facebids.bids.names import HeadImage
from facebids.cli.phantom import main as make_phantoms
from facebids.filesystem import TEMPORARY, sha256

WAYS = ('SIGKILL', 'SIGTERM', 'SIGINT', 'worker')
LONGEST = 60.0  # s until a run is killed
COMPARED = ('*.nii.gz', '*.json', '*.tsv', '*.txt', '*.png')


def main(argv=None):
    """Print what each kill left, and their sum; return 1 if anything was wrong."""
    options = parse(argv)
    draw = random.Random(options.seed)
    root = options.work_dir
    phantoms = ['--participants', '2', '--seed', '5', '--resolution', str(options.resolution)]
    make_phantoms([str(root / 'raw'), *phantoms])
    started = time.monotonic()
    start(root / 'raw', root / 'reference').wait()
    print(f'undisturbed: {time.monotonic() - started:.0f} s')
    expected = contents(root / 'reference' / 'out')
    wrong, kills, ends = Counter(), 0, 0
    while kills < options.kills or not ends:
        way = draw.choice(WAYS) if kills < options.kills else None
        code = disturbed(root, way, draw.uniform(0, LONGEST), draw)
        kills += code is None or code != 0
        found = inspect(root / 'killed')
        found['workers'] = running(str(root / 'killed'))
        if code == 0:
            ends += 1
            found['different'] = contents(root / 'killed' / 'out') != expected
            found['temporary'] = len(list((root / 'killed').rglob(f'{TEMPORARY}*')))
            shutil.rmtree(root / 'killed')
        wrong.update(found)
        print(kills, way, f'exit {code}', {key: value for key, value in found.items() if value})
    print(f'{kills} kills, {ends} complete runs: {dict(wrong)}')
    return int(any(wrong.values()))


def parse(argv=None):
    """Return the options of a command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--work-dir', type=Path, required=True)
    parser.add_argument('--kills', type=int, default=20)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--resolution', type=float, default=3.0, help='voxel size, mm')
    return parser.parse_args(argv)


def start(raw, root):
    """Start a run."""
    folders = [str(raw), str(root / 'out'), 'participant', '-w', str(root / 'work')]
    root.mkdir(parents=True, exist_ok=True)
    with open(root / 'printed.txt', 'a') as stream:
        return subprocess.Popen(
            [sys.executable, '-m', 'facebids', *folders, '--nprocs', '2'],
            stdout=stream, stderr=stream,
        )  # fmt: skip


def disturbed(root, way, seconds, draw):
    """Start a run, kill it in some way after some time, and return its exit code.

    None if the run did not end by itself.
    """
    process = start(root / 'raw', root / 'killed')
    with suppress(subprocess.TimeoutExpired):
        return process.wait(seconds if way else None)
    workers = children(process.pid)
    if way == 'worker' and workers:
        os.kill(draw.choice(workers), signal.SIGKILL)
        return process.wait()
    process.send_signal(signal.SIGKILL if way == 'worker' else signal.Signals[way])
    process.wait()
    return None


def children(pid):
    """Return the processes that a process started."""
    with suppress(OSError):
        return [int(item) for item in Path(f'/proc/{pid}/task/{pid}/children').read_text().split()]
    return []


def running(argument):
    """Count the processes with an argument that still run after a second."""
    time.sleep(1)
    count = 0
    for path in Path('/proc').glob('[0-9]*/cmdline'):
        with suppress(OSError):
            count += f'{argument}/out' in path.read_text(errors='replace')
    return count


def inspect(root):
    """Count what contradicts itself in an output."""
    found = Counter()
    released = set()
    for record in records.read_all(root / 'out'):
        if record.verdict != 'fail':
            name = names.defaced(HeadImage.from_relative_path(record.image))
            released.add(name)
            path = root / 'out' / name
            found['lost'] += not path.is_file()
            if path.is_file():
                found['mismatched'] += sha256(path) != record.provenance.defaced_sha256
    there = (root / 'out').rglob('*_desc-defaced_*.nii.gz')
    images = {path.relative_to(root / 'out').as_posix() for path in there}
    found['unjudged'] = len({name for name in images if TEMPORARY not in name} - released)
    return found


def contents(folder):
    """Return the hash of each file of an output."""
    return {
        path.relative_to(folder).as_posix(): sha256(path)
        for pattern in COMPARED
        for path in folder.rglob(pattern)
    }


if __name__ == '__main__':
    raise SystemExit(main())
