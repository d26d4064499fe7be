# SPDX-License-Identifier: Apache-2.0
"""Time what the group level does with many participants: read, compare, lay out, write.

Run: PYTHONPATH=tests/support OMP_NUM_THREADS=1 python benchmarks/cohort.py [participants ...]

The records are those of an image that passes, and the face templates are those that
``benchmarks/gallery.py`` simulates; each is a small file of its own. For each number of
participants (default: 1000 10000) the script prints the time of each step, the processor time of
all processes, in total and for each participant, and the peak memory of this process so far.
--sessions gives everyone a second session, which is compared before and after defacing, too.
--keep FOLDER writes the files there, or uses those that are there. --profile prints where the
comparisons spend their time.
"""

import argparse
import cProfile
import pstats
import resource
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import gallery
import make
import numpy as np

from facebids.bids import names, records
from facebids.bids.names import HeadImage
from facebids.config import Settings
from facebids.core import metrics_file
from facebids.core.attack import engines
from facebids.filesystem import write_json_atomic
from facebids.stages.group import write
from facebids.studies import dataset, enrolment

SESSIONS = (('', ''), ('ses-B/', 'ses-B_'))
PART = 1000  # participants whose templates are made at a time


def make_images(count: int, sessions: bool) -> list[HeadImage]:
    """Return an image of each participant and session."""
    return [
        HeadImage.from_relative_path(f'{label}/{folder}anat/{label}_{entity}T1w.nii.gz')
        for label in (f'sub-{number:06}' for number in range(count))
        for folder, entity in (SESSIONS if sessions else SESSIONS[:1])
    ]


def write_records(folder: Path, images: list[HeadImage]) -> None:
    """Write the metrics of images."""
    rng = np.random.default_rng(0)
    for image in images:
        ratio = round(float(rng.normal(-1, 0.3)), 3)
        item = make.image_record(image.relative_path, identifiability={'log10_lr': ratio})
        write_json_atomic(folder / names.metrics(image), metrics_file.to_json([item]))


def write_templates(folder: Path, images: list[HeadImage]) -> None:
    """Write the face templates of images; those after defacing are of other people."""
    rng = np.random.default_rng(0)
    for start in range(0, len(images), PART):
        part = images[start : start + PART]
        for state in names.STATES:
            pictures = gallery.make_pictures(len(part), 0, rng)[1]
            reliefs = gallery.make_reliefs(len(part), rng)
            for image, picture, relief in zip(part, pictures, reliefs, strict=True):
                path = folder / names.private_templates(image, state)
                path.parent.mkdir(parents=True, exist_ok=True)
                np.savez_compressed(
                    path, **engines.pack({'dlib': picture, 'geometry': {'relief': relief}})
                )


def processor_seconds() -> float:
    """Return the processor time of this process and of those that it started and that ended."""
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(item.ru_utime + item.ru_stime for item in used)


def timed(what: str, count: int, work: Callable[[], Any]) -> Any:
    """Print how long a step takes, and return its result."""
    wall, start = time.perf_counter(), processor_seconds()
    result = work()
    spent, wall = processor_seconds() - start, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f'{count:7} {what:10} {wall:8.2f} s, processor {spent:8.2f} s, '
        f'{1e3 * spent / count:6.3f} ms each  {peak:6.0f} MiB',
        flush=True,
    )
    return result


def measure(count: int, options: argparse.Namespace) -> None:
    """Time all steps for a number of participants."""
    images = make_images(count, options.sessions)
    place = nullcontext(options.keep) if options.keep else tempfile.TemporaryDirectory()
    with place as name, cProfile.Profile() as profiler:
        profiler.disable()
        folder = Path(name)
        if not (folder / names.metrics(images[-1])).is_file():
            timed('templates', count, lambda: write_templates(folder, images))
            timed('records', count, lambda: write_records(folder, images))
        found = timed('read', count, lambda: records.read_all(folder))
        enrolled = timed(
            'enrol', count, lambda: enrolment.read(folder, images, nprocs=options.nprocs)
        )
        if options.profile:
            profiler.enable()
        results = timed(
            'compare', count, lambda: dataset.compare(enrolled, None, 0, (), options.nprocs)
        )
        profiler.disable()
        settings = Settings(folder, folder, 'group', folder, folder)
        timed('write', count, lambda: write(settings, found, results))
        print(f'{count:7} page size  {(folder / names.GROUP_PAGE).stat().st_size / 1e6:8.2f} MB')
    if options.profile:
        pstats.Stats(profiler).sort_stats('cumulative').print_stats(40)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('participants', type=int, nargs='*', default=[1000, 10000])
    parser.add_argument('--sessions', action='store_true')
    parser.add_argument('--keep', type=Path)
    parser.add_argument('--nprocs', type=int, default=2)
    parser.add_argument('--profile', action='store_true')
    chosen = parser.parse_args()
    for number in chosen.participants:
        measure(number, chosen)
