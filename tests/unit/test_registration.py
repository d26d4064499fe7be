# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest

from facebids.core import foreground, grids
from facebids.core.alignment import quality, registration
from facebids.core.atlas import generic_atlas
from facebids.errors import NotAHeadError

ATLAS = 3.0


def rotation(degrees, axis):
    from scipy.spatial.transform import Rotation

    return Rotation.from_euler('xyz'[axis], degrees, degrees=True).as_matrix()


def error(found, truth, atlas):
    """Distance (mm) between where two affines put points of the brain."""
    points = grids.grid_points(atlas, atlas.brain < 0)[::40]
    moved = [points @ a[:3, :3].T + a[:3, 3] for a in (found, truth)]
    return np.linalg.norm(moved[0] - moved[1], axis=1)


def test_phantom_is_registered_within_a_voxel(phantom_scan):
    atlas = generic_atlas(ATLAS)
    found = registration.register(phantom_scan.data, phantom_scan.affine, atlas, 'T1w')
    distance = error(found.affine, phantom_scan.transform, atlas)
    assert distance.mean() < 1.5
    assert distance.max() < 3
    assert found.quality.brain > 0.6


@pytest.mark.parametrize('turns', [(0, 0, 180), (20, 90, 30)])
def test_a_rotated_head_is_registered(phantom_scan, turns):
    from scipy.spatial.transform import Rotation

    atlas = generic_atlas(ATLAS)
    lying = np.eye(4)
    lying[:3, :3] = Rotation.from_euler('xyz', turns, degrees=True).as_matrix()
    lying[:3, 3] = 300, -200, 100
    found = registration.register(phantom_scan.data, lying @ phantom_scan.affine, atlas, 'T1w')
    assert error(found.affine, lying @ phantom_scan.transform, atlas).max() < 3


def test_a_mirrored_head_is_registered_as_its_mirror_image(phantom_scan):
    atlas = generic_atlas(ATLAS)
    mirror = np.diag([1.0, -1.0, 1.0, 1.0])
    data = phantom_scan.data[:, ::-1]
    last = np.eye(4)
    last[1, 1], last[1, 3] = -1, data.shape[1] - 1
    found = registration.register(data, mirror @ phantom_scan.affine @ last, atlas, 'T1w')
    truth = mirror @ phantom_scan.transform @ np.diag([-1.0, 1.0, 1.0, 1.0])
    assert error(found.affine, truth, atlas).max() < 4


REPEAT = """
import sys
import numpy as np
from facebids.core import images
from facebids.core.alignment import coregistration, registration
from facebids.core.atlas import generic_atlas

for options in (*registration.QUICK.values(), *registration.THOROUGH.values()):
    levels = len(options['aff_iterations'])
    options['aff_iterations'] = (3, 1)[:levels]  # enough for the seed to change the result
coregistration.SCHEDULE['aff_iterations'] = 3, 1, 0
scan, truth = images.read_volume(sys.argv[1]), np.load(sys.argv[2])
moved = images.Volume(scan.data, np.diag([1.05, 1, 1, 1]) @ scan.affine)
atlas = generic_atlas(registration.RESOLUTION)
for seed in map(int, sys.argv[3:]):
    found = registration.register(scan.data, scan.affine, atlas, 'T1w', seed).affine
    other = coregistration.coregister(moved, scan, truth, atlas, seed, good_enough=0).affine
    print(found.tobytes().hex(), other.tobytes().hex())
"""


def test_a_registration_with_one_seed_and_one_thread_is_reproducible(phantom_scan, tmp_path):
    scan, truth = str(tmp_path / 'scan.nii'), str(tmp_path / 'truth.npy')
    nib.save(nib.Nifti1Image(phantom_scan.data, phantom_scan.affine), scan)
    np.save(truth, phantom_scan.transform)

    def run(*seeds):
        done = subprocess.run(
            [sys.executable, '-c', REPEAT, scan, truth, *map(str, seeds)],
            env=os.environ | {'ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS': '1'},
            capture_output=True,
            text=True,
            check=True,
        )
        return [line.split() for line in done.stdout.splitlines()]

    (one, again), (elsewhere, seeded) = run(0, 0), run(0, 2**40)
    assert one == again == elsewhere
    assert all(a != b for a, b in zip(one, seeded, strict=True))


def test_quality_separates_correct_from_wrong(phantom_scan):
    atlas = generic_atlas(ATLAS)
    wrong = phantom_scan.transform.copy()
    wrong[:3, :3] = wrong[:3, :3] @ rotation(20, 0)
    image, grid = registration.resample_isotropic(phantom_scan.data, phantom_scan.affine)
    right, bad = (
        quality.quality(image, grid, transform, atlas, 'T1w')
        for transform in (phantom_scan.transform, wrong)
    )
    assert right.brain > 0.6 > 0.3 > bad.brain
    assert right.brain_in_view == 1


def test_a_nearly_empty_image_is_not_registered():
    data = np.zeros((40, 40, 40), np.float32)
    data[20, 20, 20] = 1
    with pytest.raises(NotAHeadError, match='fewer than one in 1000 is positive'):
        registration.register(data, np.diag([5, 5, 5, 1.0]), generic_atlas(ATLAS), 'T1w')


def test_pose_is_the_rigid_part():
    turn, scale = rotation(30, 2), np.diag([0.9, 0.8, 0.85])
    affine = np.eye(4)
    affine[:3, :3] = turn @ scale
    affine[:3, 3] = 5, -3, 12
    pose = registration.pose(affine)
    np.testing.assert_allclose(pose[:3, :3], turn.T, atol=1e-12)
    np.testing.assert_allclose(pose @ affine @ [0, 0, 0, 1], [0, 0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(pose), 1)


def test_itk_text_reads_back_in_ants(tmp_path):
    import ants

    affine = np.eye(4)
    affine[:3, :3] = rotation(20, 1) * 1.1
    affine[:3, 3] = 3, 4, 5
    (tmp_path / 'affine.txt').write_text(registration.itk_text(affine))
    transform = ants.read_transform(str(tmp_path / 'affine.txt'))
    point = np.array([10.0, 20.0, 30.0])
    moved = transform.apply_to_point((point * [-1, -1, 1]).tolist())  # LPS
    np.testing.assert_allclose(
        np.array(moved) * [-1, -1, 1], affine[:3, :3] @ point + affine[:3, 3], rtol=1e-6
    )


@pytest.mark.parametrize('zooms', [(1, 1, 1), (0.8, 0.8, 5.0), (2, 3, 2)])
def test_resampling_keeps_positions(zooms):
    shape = tuple(np.ceil(np.array([60, 60, 60]) / zooms).astype(int))
    affine = np.diag([-zooms[0], zooms[1], zooms[2], 1.0])
    affine[:3, 3] = 7, -20, 3
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing='ij'), -1)
    ramp = (grid @ affine[:3, :3].T + affine[:3, 3]) @ [1.0, 2.0, 3.0]
    data, new = registration.resample_isotropic(ramp, affine)
    inner = np.stack(np.meshgrid(*map(np.arange, data.shape), indexing='ij'), -1)[5:-5, 5:-5, 5:-5]
    expected = (inner @ new[:3, :3].T + new[:3, 3]) @ [1.0, 2.0, 3.0]
    np.testing.assert_allclose(data[5:-5, 5:-5, 5:-5], expected, atol=0.5)


def test_correlation_ratio_detects_any_relation():
    rng = np.random.default_rng(0)
    reference = rng.normal(size=5000)
    assert quality.correlation_ratio(reference, np.abs(reference)) > 0.9
    assert quality.correlation_ratio(reference, rng.normal(size=5000)) < 0.05


def test_flattening_removes_shading(phantom_scan):
    image, _ = registration.resample_isotropic(phantom_scan.data, phantom_scan.affine)
    shade = np.linspace(0.3, 3, image.shape[1])[None, :, None]
    tissue = image > foreground.tissue_threshold(image)
    plain, shaded = (registration.flatten_bias(i, 3.0)[tissue] for i in (image, image * shade))
    before = np.corrcoef(image[tissue], (image * shade)[tissue])[0, 1]
    assert np.corrcoef(plain, shaded)[0, 1] > max(before, 0.9)
