# SPDX-License-Identifier: Apache-2.0
import json

import nibabel as nib
import numpy as np

from facebids.bids import acquisitions
from facebids.bids.acquisitions import Acquisition
from facebids.bids.names import HeadImage

PATHS = {
    label: f'sub-{label}/ses-1/anat/sub-{label}_ses-1_T1w.nii.gz' for label in ('01', '02', '03')
}


def _dataset(root, zooms=(1.0, 1.04, 0.96)):
    for path in PATHS.values():
        (root / path).parent.mkdir(parents=True)
        nib.Nifti1Image(np.zeros((2, 2, 2), np.int16), np.diag([*zooms, 1])).to_filename(
            root / path
        )
    return [HeadImage.from_relative_path(path, str(root)) for path in PATHS.values()]


def _write(path, **fields):
    path.write_text(json.dumps(fields))


def test_the_nearest_sidecar_counts(tmp_path):
    images = _dataset(tmp_path)
    _write(tmp_path / 'T1w.json', Manufacturer='Maker', MagneticFieldStrength=3)
    _write(tmp_path / 'task-rest_T1w.json', Manufacturer='Of another image')
    _write(tmp_path / 'FLAIR.json', Manufacturer='Of another contrast')
    own = tmp_path / PATHS['02'].replace('.nii.gz', '.json')
    _write(own, MagneticFieldStrength=1.5)
    found = acquisitions.read(tmp_path, images)
    common = Acquisition(manufacturer='maker', field_strength='3', voxel_mm=(1.0, 1.0, 1.0))
    assert found[PATHS['01']] == found[PATHS['03']] == common
    assert found[PATHS['02']].field_strength == '1.5'
    assert found[PATHS['02']].manufacturer == 'maker'


def test_sites_are_those_of_the_participants(tmp_path):
    images = _dataset(tmp_path)
    (tmp_path / 'participants.tsv').write_text(
        'participant_id\tsite\nsub-01\tNorth\nsub-02\t north \nsub-03\tn/a\n'
    )
    found = acquisitions.read(tmp_path, images)
    assert found[PATHS['01']] == found[PATHS['02']]
    assert found[PATHS['03']].site is None


def test_voxels_tell_acquisitions_apart_whatever_their_orientation(tmp_path):
    images = _dataset(tmp_path)
    for label, zooms in (('02', (5, 1, 1)), ('03', (1, 1, 5))):
        image = nib.Nifti1Image(np.zeros((2, 2, 2), np.int16), np.diag([*zooms, 1]))
        image.to_filename(tmp_path / PATHS[label])
    one, two, three = acquisitions.read(tmp_path, images).values()
    assert one != two == three


def test_what_cannot_be_read_is_unknown(tmp_path):
    images = _dataset(tmp_path)
    (tmp_path / 'T1w.json').write_text('{')
    (tmp_path / 'participants.tsv').write_bytes(b'\xff\xfe\x00')
    (tmp_path / PATHS['01']).unlink()
    (tmp_path / PATHS['02']).write_bytes(b'no image')
    one, two, three = acquisitions.read(tmp_path, images).values()
    assert one == two == Acquisition()
    assert three == Acquisition(voxel_mm=(1.0, 1.0, 1.0))
