# SPDX-License-Identifier: Apache-2.0
"""Perturbed images (benchmarks/perturbations.py) match their true transforms."""

import nibabel as nib
import numpy as np
import perturbations
import pytest
from perturbations import CASES

from facebids.core import foreground, images

CUT = {'top slab', 'middle slab', 'front cut off', '0.5 mm voxels'}
LOOKS_LIKE = {'child size', 'origin off', 'no codes', 'axes permuted', 'AP flipped', 'IS flipped'}


def zooms_of(affine):
    return np.linalg.norm(affine[:3, :3], axis=0)


@pytest.fixture(scope='module')
def scan(phantom_scan):
    """Return the phantom in an oblique grid of 4 mm that is stored back to front."""
    data = phantom_scan.data[::2, ::2, ::2][:, ::-1].astype(np.float32)
    index = np.diag([2.0, -2.0, 2.0, 1.0])
    index[1, 3] = 2 * data.shape[1] - 2
    turn = np.eye(4)
    turn[:3, :3] = perturbations.rotation(np.array([0.6, 0, 0.8]), 0.1)
    return data, turn @ phantom_scan.affine @ index


@pytest.fixture(scope='module')
def head(scan):
    return foreground.head_mask(scan[0], zooms_of(scan[1]))


def perturb(name, scan):
    return CASES[name](*scan, np.random.default_rng(1))


@pytest.mark.parametrize('name', [name for name in CASES if name != '0.5 mm voxels'])
def test_the_head_is_where_the_truth_says(name, scan, head):
    perturbed = perturb(name, scan)
    assert perturbed.data.dtype == np.float32
    expected = perturbations.carry(head, scan[1], perturbed)
    bright = perturbed.data > foreground.tissue_threshold(perturbed.data)
    if name == 'shoulders':  # which the original has not
        bright &= perturbations.carry(np.ones(head.shape, bool), scan[1], perturbed)
    assert bright[expected].mean() > 0.75
    assert bright[~expected].mean() < 0.05


@pytest.mark.parametrize('name', [n for n in CASES if n not in CUT and not n.endswith('in grid')])
def test_nothing_of_the_head_is_lost(name, scan, head):
    perturbed = perturb(name, scan)
    expected = perturbations.carry(head, scan[1], perturbed)
    scale = abs(np.linalg.det(perturbed.transform[:3, :3]))
    before = head.sum() * zooms_of(scan[1]).prod()
    after = expected.sum() * zooms_of(perturbed.affine).prod()
    assert after == pytest.approx(before * scale, rel=0.02)


def test_rotation_turns_about_the_axis_it_names(scan):
    turned = perturb('pitch 35', scan).transform[:3, :3]
    assert turned @ [1, 0, 0] == pytest.approx([1, 0, 0])  # left and right stay
    assert np.degrees(np.arccos(turned[2, 2])) == pytest.approx(35)
    kept = perturb('pitch 35 in grid', scan)
    assert kept.data.shape == scan[0].shape
    assert kept.transform[:3, :3] == pytest.approx(turned)


@pytest.mark.parametrize('name', ['AP flipped', 'IS flipped'])
def test_a_flip_is_a_reflection(name, scan):
    assert np.linalg.det(perturb(name, scan).transform[:3, :3]) == pytest.approx(-1)


@pytest.mark.parametrize('name', ['no codes', 'axes permuted'])
def test_files_without_codes_are_read_as_the_truth_expects(name, scan, tmp_path):
    perturbed = perturb(name, scan)
    perturbations.write(perturbed, tmp_path / 'image.nii.gz')
    header = nib.load(tmp_path / 'image.nii.gz').header
    assert int(header['sform_code']) == int(header['qform_code']) == 0
    read = images.read_volume(tmp_path / 'image.nii.gz')
    assert read.affine == pytest.approx(perturbed.affine)
    assert np.array_equal(read.data, perturbed.data)


def test_without_codes_the_head_still_stands_upright(scan):
    up = perturb('no codes', scan).transform[:3, :3] @ [0, 0, 1]
    assert up[2] > 0.95
    assert abs((perturb('axes permuted', scan).transform[:3, :3] @ [0, 0, 1])[2]) < 0.2


def test_cuts_keep_what_they_say(scan, head):
    slab = perturb('top slab', scan)
    top = perturbations.crop(*scan, 2, 0, 60).data
    height = zooms_of(slab.affine)[2]
    above = perturbations.canonical(*scan)[0].shape[2] - 1
    above -= np.nonzero(perturbations.canonical(head, scan[1])[0].any((0, 1)))[0][-1]
    assert (top.shape[2] - above) * height == pytest.approx(60, abs=height)
    assert 40 - height <= (slab.data.shape[2] - above) * height <= 80 + height
    front = perturbations.carry(head, scan[1], perturb('front cut off', scan))
    assert 0.85 < front.sum() / head.sum() < 0.99


def test_thick_slices_and_fine_voxels_have_their_sizes(scan, monkeypatch):
    monkeypatch.setattr(perturbations, 'FINE_HEIGHT_MM', 20.0)  # quick
    assert zooms_of(perturb('5 mm slices', scan).affine) == pytest.approx([4, 4, 5])
    fine = perturb('0.5 mm voxels', scan)
    assert zooms_of(fine.affine) == pytest.approx([0.5, 0.5, 0.5])


@pytest.mark.parametrize('name', sorted(LOOKS_LIKE))
def test_what_only_the_header_says_leaves_the_voxels_alone(name, scan):
    assert np.array_equal(np.sort(perturb(name, scan).data.ravel()), np.sort(scan[0].ravel()))


def test_a_rescan_is_another_image_of_the_same_head(scan, head):
    rng = np.random.default_rng(3)
    first, second = (perturbations.rescan(*scan, rng) for _ in range(2))
    angle = np.degrees(np.arccos((np.trace(first.transform[:3, :3]) - 1) / 2))
    assert 5 <= angle <= 15
    assert not np.allclose(first.transform, second.transform)
    assert 0.9 * 4 <= zooms_of(first.affine)[0] <= 1.15 * 4
    found = foreground.head_mask(first.data, zooms_of(first.affine))
    expected = perturbations.carry(head, scan[1], first)
    assert 2 * (found & expected).sum() / (found.sum() + expected.sum()) > 0.95


def test_random_perturbations_repeat_with_the_seed(scan):
    for name in ('noise', 'strong bias', 'lesion', 'top slab'):
        assert np.array_equal(perturb(name, scan).data, perturb(name, scan).data)
