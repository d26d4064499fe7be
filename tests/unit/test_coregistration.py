# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from facebids.core.alignment import coregistration, registration
from facebids.core.atlas import generic_atlas
from facebids.core.grids import grid_points
from facebids.core.images import Volume
from facebids.core.phantoms import phantom
from facebids.core.thresholds import limit

FAILS, DOUBTFUL = (limit(f'coregistration_{what}').least for what in ('failed', 'doubtful'))


def rigid(degrees, axis, shift):
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_rotvec(np.deg2rad(degrees) * np.eye(3)[axis]).as_matrix()
    affine[:3, 3] = shift
    return affine


def slab(volume, low, high):
    affine = volume.affine.copy()
    affine[:3, 3] += affine[:3, 2] * low
    return Volume(volume.data[:, :, low:high], affine)


def thick(volume):
    """Slices three times as thick."""
    count = volume.data.shape[2] // 3
    data = volume.data[:, :, : 3 * count].reshape(*volume.data.shape[:2], count, 3).mean(-1)
    affine = volume.affine @ np.diag([1, 1, 3, 1])
    affine[:3, 3] += volume.affine[:3, 2]
    return Volume(data, affine)


@pytest.fixture(scope='module')
def reference(phantom_scan):
    return Volume(phantom_scan.data.astype(np.float32), phantom_scan.affine)


@pytest.fixture(scope='module')
def truth():
    """Return the true transform, reference to image."""
    return rigid(8, 0, (6, -10, 14))


@pytest.fixture(scope='module')
def other(phantom_person, phantom_scan, truth):
    """Return a T2w of the same head, which moved between the scans."""
    _, head = phantom_person
    rng = np.random.default_rng(9)
    scan = phantom.scan(head, truth @ phantom_scan.transform, 'T2w', rng, 3.0)
    return Volume(scan.data.astype(np.float32), scan.affine)


def off(found, truth, transform):
    """Mean distance (mm) between where two transforms put the brain."""
    atlas = generic_atlas(registration.RESOLUTION)
    points = grid_points(atlas, atlas.brain < 0)[::100]
    points = points @ transform[:3, :3].T + transform[:3, 3]
    moved = [points @ a[:3, :3].T + a[:3, 3] for a in (found, truth)]
    return np.linalg.norm(moved[0] - moved[1], axis=1).mean()


@pytest.mark.parametrize(
    ('change', 'tolerance'),
    [(lambda v: v, 1), (thick, 1.5), (lambda v: slab(v, 55, 70), 2)],
    ids=['whole', 'thick', 'slab'],
)
def test_another_contrast_of_the_head_is_registered(
    reference, other, truth, phantom_scan, change, tolerance
):
    atlas = generic_atlas(registration.RESOLUTION)
    found = coregistration.coregister(change(other), reference, phantom_scan.transform, atlas)
    assert off(found.affine, truth, phantom_scan.transform) < tolerance
    assert found.quality > DOUBTFUL
    np.testing.assert_allclose(found.affine[:3, :3] @ found.affine[:3, :3].T, np.eye(3), atol=1e-5)


def test_a_header_that_is_far_off_does_not_matter(reference, other, truth, phantom_scan):
    atlas = generic_atlas(registration.RESOLUTION)
    wrong = rigid(10, 1, (120, -90, 60))
    moved = Volume(other.data, wrong @ other.affine)
    found = coregistration.coregister(moved, reference, phantom_scan.transform, atlas)
    assert off(found.affine, wrong @ truth, phantom_scan.transform) < 1
    assert len(found.attempts) > 1
    assert found.quality == max(found.attempts.values())
    assert found.attempts[found.start] == found.quality


@pytest.mark.parametrize('wrong', [rigid(20, 0, (0, 30, 0)), rigid(20, 2, (30, 0, 0))])
def test_agreement_separates_correct_from_wrong(reference, other, truth, phantom_scan, wrong):
    atlas = generic_atlas(registration.RESOLUTION)
    pair = coregistration._prepared(other), coregistration._prepared(reference)
    points = coregistration._brain(atlas, phantom_scan.transform)
    right, bad = (
        coregistration.agreement(*pair, affine, points) for affine in (truth, wrong @ truth)
    )
    assert right > DOUBTFUL > FAILS > bad


def test_too_little_in_common_agrees_in_nothing(reference, phantom_scan):
    atlas = generic_atlas(registration.RESOLUTION)
    prepared = coregistration._prepared(reference)
    points = coregistration._brain(atlas, phantom_scan.transform)
    far = rigid(0, 0, (500, 0, 0))
    assert coregistration.agreement(prepared, prepared, far, points) == 0
