# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import make
import nibabel as nib
import numpy as np
import pytest

from facebids.core import images
from facebids.core.alignment import motion
from facebids.core.alignment.coregistration import Coregistration
from facebids.core.attack import attacker
from facebids.core.verdict import judge
from facebids.interfaces.files import RegistrationFile
from facebids.interfaces.masks import FaceMask

SHIFT = 2  # voxels of 4 mm


@pytest.fixture(scope='module')
def series(phantom_scan, tmp_path_factory):
    """Write a series of five volumes, with a lower position of the head in the last one."""
    path = tmp_path_factory.mktemp('series') / 'in.nii.gz'
    still = phantom_scan.data[::2, ::2, ::2]
    moved = np.roll(still, -SHIFT, axis=2)
    rng = np.random.default_rng(0)
    volumes = np.stack([still] * 4 + [moved], axis=-1)
    volumes = volumes + rng.rayleigh(8, volumes.shape)
    affine = phantom_scan.affine @ np.diag([2, 2, 2, 1])
    nib.save(nib.Nifti1Image(volumes.astype(np.int16), affine), path)
    return path


def test_motion_is_found_in_the_volume_that_moved_alone(series, phantom_scan):
    found = motion.follow(series, phantom_scan.transform)
    (moved,) = found.moves
    assert (moved.volume, found.lost) == (4, ())
    shift = moved.rigid[:3, 3]
    # A fifth of the mean is the moved head.
    np.testing.assert_allclose(shift, [0, 0, -4 * SHIFT], atol=2)
    assert found.largest_mm == pytest.approx(4 * SHIFT, abs=2.5)


def test_the_mask_of_a_series_covers_the_face_of_every_volume(series, phantom_scan, tmp_path):
    moved = motion.follow(series, phantom_scan.transform)
    placed = replace(make.alignment(phantom_scan.transform), motion=moved)
    screening = make.written(tmp_path, 'screening.json', make.SCREENING)
    single = nib.load(series).slicer[..., 0]
    nib.save(single, tmp_path / 'single.nii.gz')
    masks = []
    still = make.alignment(phantom_scan.transform)
    for source, known in ((series, placed), (tmp_path / 'single.nii.gz', still)):
        path = make.written(tmp_path, 'registration.json', RegistrationFile(known))
        folder = tmp_path / source.name.partition('.')[0]
        folder.mkdir(exist_ok=True)
        result = FaceMask(in_file=str(source), registration=path, screening=screening).run(
            cwd=str(folder)
        )
        masks.append(images.read_mask(result.outputs.mask_file))
    whole, one = masks
    assert (whole & ~one).sum() > 0.005 * one.sum()
    assert not (one & ~whole).sum() > 0.005 * one.sum()


def test_a_nearly_empty_volume_is_left_out(series, phantom_scan, tmp_path):
    image = nib.load(series)
    data = np.asarray(image.dataobj).copy()
    data[..., -1] = 0
    data[0, 0, 0, -1] = 1
    nib.save(nib.Nifti1Image(data, image.affine), tmp_path / 'in.nii')
    found = motion.follow(tmp_path / 'in.nii', phantom_scan.transform)
    assert (found.moves, found.lost) == ((), ())


def test_the_volumes_least_like_the_mean_of_a_long_series_are_followed(phantom_scan, tmp_path):
    still = phantom_scan.data[::3, ::3, ::3].astype(np.float32)
    volumes = np.stack([still] * 40, axis=-1)
    volumes[..., 7] = np.roll(still, 2, axis=1)
    volumes[..., 29] = np.roll(still, -3, axis=2)
    affine = phantom_scan.affine @ np.diag([3, 3, 3, 1])
    nib.save(nib.Nifti1Image(volumes, affine), tmp_path / 'in.nii')
    chosen = motion._chosen(tmp_path / 'in.nii', images.read_volume(tmp_path / 'in.nii'), 40)
    assert {0, 7, 20, 29, 39} <= chosen
    assert len(chosen) <= motion.FOLLOWED


def test_a_volume_whose_position_is_not_found_is_lost(series, phantom_scan, monkeypatch):
    """It counts as still only if its head lies where that of the mean does."""
    nowhere = Coregistration(np.eye(4), 0.1, 'header', {})
    monkeypatch.setattr(motion, 'coregister', lambda *_, **__: nowhere)
    first = images.read_volume(series, 0)
    monkeypatch.setattr(motion.images, 'read_volume', lambda *_, **__: first)  # as the mean
    monkeypatch.setattr(motion, 'SAME_HEAD', 0.97)  # 8 mm of a head; a turned one is below 0.9
    found = motion.follow(series, phantom_scan.transform)
    assert (found.moves, found.lost) == ((), (4,))
    record = make.image_record('sub-01/anat/sub-01_T1w.nii.gz')
    numbers = replace(record.mask, motion_mm=0.0, volumes_lost=len(found.lost))
    judged = judge(replace(record, mask=numbers))
    assert judged.codes == ('volumes_not_followed',)
    assert judged.verdict == 'review'


def test_volumes_are_attacked_where_the_head_lies_in_the_mean(series, phantom_scan):
    moved = motion.follow(series, phantom_scan.transform)
    volumes = attacker.read_volumes(series, moved, hounsfield=False)
    (last,) = [v for v in volumes if not np.allclose(v.affine, volumes[0].affine)]
    shift = last.affine[:3, 3] - volumes[0].affine[:3, 3]
    np.testing.assert_allclose(shift, -moved.moves[0].rigid[:3, 3], atol=1)
