# SPDX-License-Identifier: Apache-2.0
"""Time what the group level does with many participants: read, compare, lay out, write.

Run: PYTHONPATH=tests/support python benchmarks/cohort.py [participants ...]

The records are those of an image that passes, and the face templates are those that
``benchmarks/gallery.py`` simulates. For each number of participants (default: 1000 10000) the
script prints the processor time of each step, in total and for each participant, and the peak
memory so far. With --profile it prints where the comparisons spend their time.
"""

import cProfile
import pstats
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gallery
import make
import numpy as np

from facebids.bids import names, records
from facebids.bids.names import HeadImage
from facebids.core import metrics_file
from facebids.core.attack import engines
from facebids.filesystem import write_json_atomic, write_text_atomic
from facebids.reports.group import write_page
from facebids.studies import enrolment, scans
from facebids.studies.results import Results


def make_images(count: int) -> list[HeadImage]:
    """Return an image of each participant."""
    labels = [f'sub-{number:06}' for number in range(count)]
    return [HeadImage.from_relative_path(f'{label}/anat/{label}_T1w.nii.gz') for label in labels]


def write_records(folder: Path, images: list[HeadImage]) -> None:
    """Write the metrics of images."""
    rng = np.random.default_rng(0)
    for image in images:
        ratio = round(float(rng.normal(-1, 0.3)), 3)
        item = make.image_record(image.relative_path, identifiability={'log10_lr': ratio})
        write_json_atomic(folder / names.metrics(image), metrics_file.to_json([item]))


def write_templates(folder: Path, images: list[HeadImage]) -> None:
    """Write the face templates of images; those after defacing are of other people."""
    rng, count = np.random.default_rng(0), len(images)
    for state in names.STATES:
        pictures, shapes = (
            gallery.make_pictures(count, 0, rng)[1],
            gallery.make_reliefs(count, rng),
        )
        for image, picture, relief in zip(images, pictures, shapes, strict=True):
            path = folder / names.private_templates(image, state)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(
                path, **engines.pack({'dlib': picture, 'geometry': {'relief': relief}})
            )


def timed(what: str, count: int, work: Callable[[], Any]) -> Any:
    """Print how long a step takes, and return its result."""
    start = time.process_time()
    result = work()
    spent = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f'{count:7} {what:10} {spent:8.2f} s  {1e3 * spent / count:6.3f} ms each  {peak:6.0f} MiB'
    )
    return result


def measure(count: int, *, profile: bool) -> None:
    """Time all steps for a number of participants; the times are those of the processor."""
    images = make_images(count)
    with tempfile.TemporaryDirectory() as name, cProfile.Profile() as profiler:
        profiler.disable()
        folder = Path(name)
        write_templates(folder, images)
        timed('write', count, lambda: write_records(folder, images))
        found = timed('read', count, lambda: records.read_all(folder))
        text = timed('table', count, lambda: records.table(found))
        write_text_atomic(folder / names.GROUP_TABLE, text)
        enrolled = timed('enrol', count, lambda: enrolment.read(folder, images))
        if profile:
            profiler.enable()
        outcomes, _ = timed('compare', count, lambda: scans.compare(enrolled, 0))
        profiler.disable()
        results = Results(outcomes=tuple(outcomes), people=enrolled.people)
        timed('page', count, lambda: write_page(folder, found, results))
        print(f'{count:7} page size  {(folder / names.GROUP_PAGE).stat().st_size / 1e6:8.2f} MB')
    if profile:
        pstats.Stats(profiler).sort_stats('cumulative').print_stats(30)


if __name__ == '__main__':
    arguments = [item for item in sys.argv[1:] if item != '--profile']
    for argument in arguments or ['1000', '10000']:
        measure(int(argument), profile='--profile' in sys.argv)
