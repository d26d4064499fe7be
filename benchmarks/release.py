# SPDX-License-Identifier: Apache-2.0
"""Compare the run time of a release of many participants with that of copying the same files.

Run: python benchmarks/release.py [--participants 300] [--link auto]

The images have few voxels, so that the measured time does not depend on their size. The results of
the participant level are simulated. The attack on the cohort is not run here (see
`benchmarks/gallery.py`). The BIDS validator is run if it is installed.
"""

import argparse
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np

from facebids import filesystem
from facebids.bids import names, records
from facebids.bids.names import HeadImage
from facebids.config import ReleaseSettings, Settings
from facebids.core.record import Provenance
from facebids.stages import release
from facebids.studies.results import Results

DESCRIPTION = '{"Name": "Many", "BIDSVersion": "1.10.0", "DatasetType": "raw"}'


def write_image(path, seed, shape=(4, 5, 6)):
    """Write a noise image."""
    data = np.random.default_rng(seed).integers(0, 99, shape).astype(np.int16)
    image = nib.Nifti1Image(data, np.diag([3, 3, 3, 1.0]))
    image.header.set_xyzt_units('mm', 'sec')
    if len(shape) > 3:
        image.header['pixdim'][4] = 2
    with filesystem.atomic_path(path) as temporary:
        nib.save(image, temporary)


def make_participant(settings, number):
    """Write a T1w, a series with events, and the participant-level results of the T1w."""
    label = f'sub-{number:04d}'
    image = HeadImage.from_relative_path(f'{label}/anat/{label}_T1w.nii.gz')
    series = settings.bids_dir / label / 'func' / f'{label}_task-rest_bold.nii.gz'
    files = {
        'source': settings.bids_dir / image.relative_path,
        'defaced': settings.output_dir / names.defaced(image),
        'mask': settings.output_dir / names.mask(image),
    }
    for part, path in enumerate(files.values()):
        write_image(path, [number, part])
    write_image(series, number, (4, 5, 6, 3))
    events = series.with_name(f'{label}_task-rest_events.tsv')
    filesystem.write_text_atomic(events, 'onset\tduration\n1\t2\n')
    sidecar = settings.bids_dir / names.sidecar(image.relative_path)
    filesystem.write_json_atomic(sidecar, {'EchoTime': 0.003, 'MagneticFieldStrength': 3})
    hashes = {f'{key}_sha256': filesystem.sha256(path) for key, path in files.items()}
    record = replace(
        records.failed(image, 'none', 'none'),
        verdict='pass',
        reasons=(),
        mode='remove',
        provenance=Provenance(version='simulated', **hashes),
    )
    records.merge(settings.output_dir, names.metrics(image), [record])
    templates = settings.private_dir / names.private_templates(image, 'after')
    filesystem.write_text_atomic(templates, '')


def make_dataset(root, participants, link):
    """Write the dataset and return the settings of its release."""
    settings = Settings(
        bids_dir=root / 'raw', output_dir=root / 'out', analysis_level='group',
        work_dir=root / 'work', private_dir=root / 'private',
        release=ReleaseSettings(root / 'upload' / 'dataset', link=link),
    )  # fmt: skip
    filesystem.write_text_atomic(settings.bids_dir / 'dataset_description.json', DESCRIPTION)
    filesystem.write_text_atomic(settings.bids_dir / 'README', 'Many participants.\n')
    sidecar = {'TaskName': 'rest', 'RepetitionTime': 2}
    filesystem.write_json_atomic(settings.bids_dir / 'task-rest_bold.json', sidecar)
    for number in range(participants):
        make_participant(settings, number)
    filesystem.write_text_atomic(settings.output_dir / names.COMPARISONS_TABLE, 'study\n')
    return settings


def main(arguments=None):
    """Run the benchmark and print the run times."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--participants', type=int, default=300)
    parser.add_argument('--link', choices=('auto', 'hard', 'copy'), default='copy')
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        settings = make_dataset(Path(folder), options.participants, options.link)
        found = records.read_all(settings.output_dir)
        start = time.perf_counter()
        shutil.copytree(settings.bids_dir, Path(folder) / 'copy')
        copied = time.perf_counter() - start
        for what in ('release', 'again'):
            start = time.perf_counter()
            release.run_release(settings, settings.release, found, lambda images: Results())
            seconds = time.perf_counter() - start
            print(f'{what}: {seconds:.1f} s, {seconds / copied:.0f} times a plain copy')


if __name__ == '__main__':
    main()
