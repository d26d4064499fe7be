# SPDX-License-Identifier: Apache-2.0
"""Kill a run on two phantoms at random moments, run it again, and look at what it leaves.

Run: python benchmarks/kills.py --work-dir FOLDER [--stage participant|release] [--kills 20]
[--seed 0] [--resolution 3]

A run that nobody disturbs is the reference. Then the same run is started again and again in the
same folders, and killed after a random time: by SIGKILL, SIGTERM or SIGINT, or by SIGKILL of one
of its workers. Whenever it reaches its end, its output must be that of the reference, byte by
byte. After the participant level the folders are emptied for the next run. The release begins
with finished participants, and replaces the release that is there: with and without one of the
images in turns, so that there are two references. After each kill these are counted:

workers
    Processes that outlive the run by more than a second.
unjudged
    Defaced images without a record that releases them.
lost
    Records that release an image that is not there.
mismatched
    Images that are not those that their records are on.
half
    Releases of which a certificate says that they are whole, but which are no reference.
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
from facebids.release import certificate
from facebids.release.certificate_types import read_certificate

WAYS = ('SIGKILL', 'SIGTERM', 'SIGINT', 'worker')
COMPARED = ('*.nii.gz', '*.json', '*.tsv', '*.txt', '*.png', '*.md', 'CHANGES')
IMAGE = 'sub-02/anat/sub-02_T1w.nii.gz'
# of the two releases that replace each other
OPTIONS = (['--exclude-failed'], ['--exclude-failed', IMAGE])


def main(argv=None):
    """Print what each kill left, and their sum; return 1 if anything was wrong."""
    options = parse(argv)
    draw = random.Random(options.seed)
    root = options.work_dir
    phantoms = ['--participants', '2', '--seed', '5', '--resolution', str(options.resolution)]
    make_phantoms([str(root / 'raw'), *phantoms])
    seconds, expected = references(root, options.stage)
    print(f'undisturbed: {seconds:.0f} s')
    wrong, kills, ends = Counter(), 0, 0
    if options.stage == 'release':
        shutil.copytree(root / 'reference', root / 'killed', symlinks=True)
    while kills < options.kills or not ends:
        way = draw.choice(WAYS) if kills < options.kills else None
        which = draw.randrange(len(expected))
        after = draw.uniform(0, seconds) if way else None
        code, outlived = disturbed(root, options.stage, which, way, after, draw)
        kills += code is None or code != 0
        found = inspect(root / 'killed')
        found['workers'] = outlived
        found['half'] = half(root / 'killed', expected)
        if code == 0:
            ends += 1
            found['different'] = contents(root / 'killed') != expected[which]
            found['temporary'] = len(list((root / 'killed').rglob(f'{TEMPORARY}*')))
            found['temporary'] += len(list((root / 'killed' / 'tmp').iterdir()))
            if options.stage == 'participant':
                shutil.rmtree(root / 'killed')
        wrong.update(found)
        print(kills, way, f'exit {code}', {key: value for key, value in found.items() if value})
    print(f'{kills} kills, {ends} complete runs: {dict(wrong)}')
    return int(any(wrong.values()))


def parse(argv=None):
    """Return the options of a command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--work-dir', type=Path, required=True)
    parser.add_argument('--stage', choices=('participant', 'release'), default='participant')
    parser.add_argument('--kills', type=int, default=20)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--resolution', type=float, default=3.0, help='voxel size, mm')
    return parser.parse_args(argv)


def references(root, stage):
    """Return the time (s) that a run takes, and the contents that it leaves."""
    folder = root / 'reference'
    started = time.monotonic()
    finish(start(root, folder, 'participant'))
    if stage == 'participant':
        return time.monotonic() - started, [contents(folder)]
    copy_unexamined(root)
    expected = []
    for which in range(len(OPTIONS)):
        started = time.monotonic()
        finish(start(root, folder, stage, which))
        expected.append(contents(folder))
    return time.monotonic() - started, expected


def copy_unexamined(root):
    """Put images into the raw dataset that a release looks at, in two processes, and copies."""
    for label in ('01', '02'):
        image = HeadImage.from_relative_path(IMAGE.replace('02', label))
        target = root / 'raw' / f'sub-{label}/func/sub-{label}_task-rest_sbref.nii.gz'
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(root / 'reference/out' / names.defaced(image), target)
    text = '{"TaskName": "rest", "RepetitionTime": 2}'
    (root / 'raw/task-rest_sbref.json').write_text(text)


def start(root, folder, stage, which=0):
    """Start a run in a session of its own, by which its processes are found."""
    places = [str(root / 'raw'), str(folder / 'out')]
    arguments = [*places, 'participant']
    if stage == 'release':
        upload = str(folder / 'upload' / 'dataset')
        arguments = [*places, 'group', '--release-dir', upload, *OPTIONS[which]]
    (folder / 'tmp').mkdir(parents=True, exist_ok=True)
    with open(folder / 'printed.txt', 'a') as stream:
        return subprocess.Popen(
            [sys.executable, '-m', 'facebids', *arguments, '-w', str(folder / 'work'),
             '--nprocs', '2'],
            env=os.environ | {'TMPDIR': str(folder / 'tmp')},
            stdout=stream, stderr=stream, start_new_session=True,
        )  # fmt: skip


def finish(process):
    """Wait until a run ends, which must be without an error."""
    if code := process.wait():
        raise SystemExit(f'the undisturbed run ended with {code}; see printed.txt')


def disturbed(root, stage, which, way, seconds, draw):
    """Start a run and kill it in some way after some time.

    Returns its exit code, None if it did not end by itself, and how many processes outlive it.
    """
    process = start(root, root / 'killed', stage, which)
    code = None
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        workers = [pid for pid in members(process.pid) if pid != process.pid]
        if way == 'worker' and workers:
            with suppress(ProcessLookupError):
                os.kill(draw.choice(workers), signal.SIGKILL)
            code = process.wait()
        else:
            process.send_signal(signal.SIGKILL if way == 'worker' else signal.Signals[way])
            process.wait()
    time.sleep(1)
    return code, len(members(process.pid))


def members(session):
    """Return the processes of a session that run."""
    found = []
    for path in Path('/proc').glob('[0-9]*/stat'):
        with suppress(OSError):
            state, _, _, own, *_ = path.read_text().rpartition(')')[2].split()
            if int(own) == session and state != 'Z':
                found.append(int(path.parent.name))
    return found


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


def half(root, expected):
    """Return whether a certificate belongs to a release that is none of the references."""
    path, folder = root / 'upload' / certificate.JSON, root / 'upload' / 'dataset'
    if not path.is_file() or not folder.is_dir():
        return False
    if certificate.differences(read_certificate(path), folder):
        return False
    there = {
        name: each
        for name, each in contents(root).items()
        if name.startswith('upload/') and TEMPORARY not in name  # what is half made is aside
    }
    return not any(there.items() <= each.items() for each in expected)


def contents(root):
    """Return the hash of each file of an output and of a release."""
    return {
        path.relative_to(root).as_posix(): sha256(path)
        for folder in (root / 'out', root / 'upload')
        for pattern in COMPARED
        for path in folder.rglob(pattern)
    }


if __name__ == '__main__':
    raise SystemExit(main())
