# SPDX-License-Identifier: Apache-2.0
"""FaceBIDS on images that borrow the registration of an excluded T1w, or share one."""

import json

import nibabel as nib
import numpy as np
import pytest

from facebids.bids import records
from facebids.cli.run import main
from facebids.core.phantoms import phantom

T1W = 'sub-01/anat/sub-01_T1w.nii.gz'
MAGNITUDE = 'sub-01/anat/sub-01_part-mag_T2starw.nii.gz'
PHASE = 'sub-01/anat/sub-01_part-phase_T2starw.nii.gz'
TOP = 'sub-01/anat/sub-01_acq-top_T2starw.nii.gz'
BOLD = 'sub-01/func/sub-01_task-rest_bold.nii.gz'

pytestmark = pytest.mark.slow


def save(path, data, affine):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(data.astype(np.int16), affine)
    image.set_qform(affine, 1)
    image.header.set_xyzt_units('mm', 'sec')
    nib.save(image, path)


def make_dataset(root):
    rng = np.random.default_rng(3)
    person = phantom.draw_person(rng)
    head = phantom.build_person(person, 2.0)
    pose = phantom.draw_pose(rng, person)
    scan = phantom.scan(head, pose, 'T1w', rng)
    save(root / T1W, scan.data, scan.affine)
    pose[:3, 3] += 3, -4, 2
    scan = phantom.scan(head, pose, 'PDw', rng, 3.0)
    series = np.stack([1.3 * scan.data, scan.data], axis=-1)
    phase = np.where(scan.data > 100, 500, rng.integers(-3141, 3141, scan.data.shape))
    save(root / MAGNITUDE, series, scan.affine)
    save(root / PHASE, np.stack([phase, phase // 2], axis=-1), scan.affine)
    affine = scan.affine.copy()
    affine[:3, 3] += affine[:3, 2] * (scan.data.shape[2] - 17)
    save(root / TOP, scan.data[:, :, -17:], affine)
    save(root / BOLD, series, scan.affine)
    description = {'Name': 'Series', 'BIDSVersion': '1.10.0'}
    (root / 'dataset_description.json').write_text(json.dumps(description))


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """Return the folder of a run that excludes the T1w and the bold."""
    root = tmp_path_factory.mktemp('series')
    make_dataset(root / 'raw')
    (root / 'filter.json').write_text('{"t1w": {"run": 1}}')
    argv = [str(root / 'raw'), str(root / 'out'), 'participant', '-w', str(root / 'work')]
    assert main([*argv, '--nprocs', '1', '--bids-filter-file', str(root / 'filter.json')]) == 0
    return root


def found_records(root):
    return {record.image: record for record in records.read_all(root / 'out')}


def voxels(root, image, kind='desc-defaced'):
    source = np.asanyarray(nib.load(root / 'raw' / image).dataobj)
    stem, _, suffix = image.rpartition('_')
    defaced = np.asanyarray(nib.load(root / 'out' / f'{stem}_desc-defaced_{suffix}').dataobj)
    mask = nib.load(root / 'out' / f'{stem}_space-T2starw_desc-face_mask.nii.gz')
    return source, defaced, np.asanyarray(mask.dataobj) > 0


def test_images_are_defaced_with_the_registration_of_an_excluded_image(run):
    found = found_records(run)
    assert set(found) == {MAGNITUDE, PHASE, TOP}
    assert all(record.verdict in ('pass', 'review') for record in found.values())
    sources = {image: record.registration.source for image, record in found.items()}
    assert sources == {MAGNITUDE: T1W, TOP: T1W, PHASE: MAGNITUDE}
    assert not list((run / 'out').rglob('*T1w*'))
    assert not list((run / 'out').rglob('*bold*'))


def test_only_the_face_is_removed_from_every_volume(run):
    source, defaced, mask = voxels(run, MAGNITUDE)
    np.testing.assert_array_equal(source[~mask], defaced[~mask])
    for volume in np.moveaxis(defaced, -1, 0):
        assert np.quantile(volume[mask], 0.99) < 0.2 * np.quantile(source, 0.98)
    record = found_records(run)[MAGNITUDE]
    assert record.mask.skin_removed_share > 0.95
    assert record.identifiability.volumes == 2
    assert record.identifiability.faces_before > record.identifiability.faces_after


def test_a_phase_image_is_zero_in_the_mask_of_its_magnitude(run):
    source, defaced, mask = voxels(run, PHASE)
    np.testing.assert_array_equal(mask, voxels(run, MAGNITUDE)[2])
    np.testing.assert_array_equal(source[~mask], defaced[~mask])
    assert not defaced[mask].any()
    assert source[mask].any()


def test_an_image_without_a_face_is_unchanged(run):
    source, defaced, mask = voxels(run, TOP)
    np.testing.assert_array_equal(source, defaced)
    assert not mask.any()
    record = found_records(run)[TOP]
    assert record.verdict == 'pass'
    assert record.codes == ('no_face_in_view',)
