# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from scipy import ndimage

from facebids.core import foreground
from facebids.core.attack import surface
from facebids.errors import NotAHeadError


def ball(radius, zooms, noise=5.0, shading=False):
    shape = tuple(np.ceil(200 / np.array(zooms)).astype(int))
    grid = np.meshgrid(
        *[np.arange(n) * z - 100 for n, z in zip(shape, zooms, strict=True)], indexing='ij'
    )
    distance = np.sqrt(sum(g**2 for g in grid)) - radius
    data = 200 * np.clip(0.5 - distance / np.mean(zooms), 0, 1)
    if shading:
        data = data * np.exp(grid[1] / 80)
    rng = np.random.default_rng(0)
    affine = np.diag([*zooms, 1.0])
    affine[:3, 3] = -100
    return np.abs(data + noise * rng.normal(size=shape)), affine


@pytest.mark.parametrize('zooms', [(2, 2, 2), (1.5, 2, 5)])
def test_the_surface_of_a_ball_has_its_radius(zooms):
    mesh = surface.skin_surface(*ball(70, zooms))
    radii = np.linalg.norm(mesh.vertices, axis=1)
    assert radii.mean() == pytest.approx(70, abs=0.6)
    assert radii.std() < 0.5 * max(zooms) / 2
    outward = (mesh.normals * mesh.vertices / radii[:, None]).sum(axis=1)
    assert outward.mean() > 0.98


def test_oblique_and_flipped_axes_give_the_same_surface():
    data, affine = ball(60, (2, 2, 2))
    data[:, 120 // 2 :, 60:70] *= 0  # asymmetric
    flipped = affine @ np.diag([-1, 1, 1, 1])
    flipped[:3, 3] += affine[:3, 0] * (data.shape[0] - 1)
    one, other = surface.skin_surface(data, affine), surface.skin_surface(data[::-1], flipped)
    np.testing.assert_allclose(one.vertices.mean(0), other.vertices.mean(0), atol=0.5)
    assert (other.normals * other.vertices).sum(axis=1).mean() > 0


def test_the_head_is_found_despite_shading_and_noise():
    data, _ = ball(70, (2, 2, 2), noise=8, shading=True)
    truth = np.linalg.norm(np.stack(np.indices(data.shape)) * 2 - 100, axis=0) < 70
    found = foreground.head_mask(data, np.full(3, 2.0))
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.97


def test_cavities_are_filled_and_specks_are_excluded():
    data, _ = ball(70, (2, 2, 2))
    data[45:55, 45:55, 45:55] = 0  # inside
    data[2:4, 2:4, 2:4] = 300  # in the air
    found = foreground.head_mask(data, np.full(3, 2.0))
    assert found[45:55, 45:55, 45:55].all()
    assert not found[2:4, 2:4, 2:4].any()


def test_the_skin_of_a_phantom_is_found_within_a_voxel(phantom_scan, phantom_person):
    from facebids.core.grids import sample

    mesh = surface.skin_surface(phantom_scan.data, phantom_scan.affine)
    inverse = np.linalg.inv(phantom_scan.transform)
    points = mesh.vertices @ inverse[:3, :3].T + inverse[:3, 3]
    front = (points[:, 1] > 30) & (points[:, 2] > -150) & (points[:, 2] < 80)
    distance = sample(phantom_person[1].skin, phantom_person[1].affine, points[front])
    assert np.median(np.abs(distance)) < 1.0
    assert np.quantile(np.abs(distance), 0.95) < 3.0


@pytest.mark.parametrize('radius', [0, 25])
def test_no_head(radius):
    with pytest.raises(NotAHeadError, match='head'):
        foreground.head_mask(ball(radius, (2, 2, 2))[0], np.full(3, 2.0))


def test_the_surface_of_a_cut_face_is_closed(phantom_scan):
    data = phantom_scan.data.copy()
    data[:, 80:] = 0
    mesh = surface.skin_surface(data, phantom_scan.affine)
    edges = np.sort(
        np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]]),
        axis=1,
    )
    _, count = np.unique(edges, axis=0, return_counts=True)
    assert (count == 2).mean() > 0.999
    assert ndimage.label(np.isfinite(mesh.vertices).all(axis=1))[1] == 1


@pytest.mark.parametrize('axis', [0, 1, 2])
def test_thick_slices_are_interpolated_by_shape(phantom_person, axis):
    """Slices 5 mm apart give a smooth face close to the true one."""
    from facebids.core.grids import sample
    from facebids.core.phantoms import phantom

    spacing = np.full(3, 1.5)
    spacing[axis] = 5.0
    transform = np.diag([0.88, 0.88, 0.88, 1.0])
    rng = np.random.default_rng(3)
    scan = phantom.scan(phantom_person[1], transform, 'T1w', rng, spacing, shading=0.0)
    mesh = surface.skin_surface(scan.data, scan.affine)
    points = mesh.vertices / 0.88
    face = (points[:, 1] > 40) & (points[:, 2] > -110) & (points[:, 2] < 60)
    distance = 0.88 * sample(phantom_person[1].skin, phantom_person[1].affine, points[face])
    assert np.mean(np.abs(distance)) < 0.8
    assert np.quantile(np.abs(distance), 0.95) < 2.0


def test_the_head_rest_of_a_ct_is_excluded():
    """Hounsfield units, padding outside the field of view, a thin shell behind the head."""
    data, affine = ball(70, (2, 2, 2), noise=0)
    data = data / 200 * 1040 - 1000 + 15 * np.random.default_rng(1).normal(size=data.shape)
    data[:, 4:6, :] = 100  # shell of the head rest, 2 voxels thick, 22 mm behind the head
    data[:, :2] = -3024
    mesh = surface.skin_surface(data, affine, hounsfield=True)
    radii = np.linalg.norm(mesh.vertices, axis=1)
    assert radii.mean() == pytest.approx(70, abs=0.6)
    assert radii.max() < 74


def test_a_signed_phase_image_is_not_taken_for_ct():
    """Half of the air of a phase image lies below -300, as nearly all of the air of a CT does."""
    phase = np.random.default_rng(2).uniform(-4096, 4095, (64, 64, 64))
    phase[16:48, 16:48, 16:48] = 500  # tissue has a smooth phase
    with pytest.raises(NotAHeadError):
        foreground.head_mask(phase, np.full(3, 4.0))
    assert foreground.tissue_threshold(phase) > 0
    assert foreground.tissue_threshold(phase, hounsfield=True) == foreground.SKIN_HU


@pytest.mark.parametrize('value', [0.0, 7.0, -7.0])
@pytest.mark.parametrize('bright', [0, 50])
def test_nearly_empty_images_have_no_head(value, bright):
    """Zeros with a few bright voxels, constants, and negative intensities alone."""
    data = np.full((40, 40, 40), value)
    data.flat[:bright] = max(value, 0)
    with pytest.raises(NotAHeadError, match='equal, or fewer than one in 1000 is positive'):
        foreground.head_mask(data, np.full(3, 4.0))


def test_fine_voxels_give_the_same_surface_as_coarse_ones():
    fine = surface.skin_surface(*ball(60, (0.8, 0.8, 0.8)))
    coarse = surface.skin_surface(*ball(60, (1.5, 1.5, 1.5)))
    means = [np.linalg.norm(mesh.vertices, axis=1).mean() for mesh in (fine, coarse)]
    assert means[0] == pytest.approx(60, abs=0.4)
    assert means[1] == pytest.approx(means[0], abs=0.4)
    assert len(fine.vertices) < 1.3 * len(coarse.vertices)
