# SPDX-License-Identifier: Apache-2.0
import tempfile

import make
import nibabel as nib
import numpy as np
import pytest
from make import NO_UTILITY

from facebids.core import foreground, grids
from facebids.core.atlas import generic_atlas
from facebids.core.defacing import cost, masks, tissues
from facebids.core.images import Volume
from facebids.core.phantoms import phantom
from facebids.core.record import TISSUES, Utility
from facebids.interfaces import files
from facebids.interfaces.files import RegistrationFile
from facebids.interfaces.utility import Utility as Measure


def volume(scan, where=None):
    """Return a scan, with the voxels of a mask removed."""
    data = scan.data if where is None else np.where(where, 0, scan.data)
    return Volume(data.astype(np.float32), scan.affine)


def coordinate(scan, axis):
    """Atlas mm along an axis at every voxel of a scan, shape (X, Y, Z)."""
    to_atlas = np.linalg.inv(scan.transform) @ scan.affine
    voxels = np.indices(scan.data.shape).transpose(1, 2, 3, 0)
    return voxels @ to_atlas[axis, :3] + to_atlas[axis, 3]


def true_brain(scan, head):
    return grids.carry_over(head.brain, head, scan.data.shape, scan.affine, scan.transform) < 0


def face(scan):
    head = foreground.head_mask(scan.data.astype(np.float32), np.full(3, 2.0))
    return masks.face_mask(generic_atlas(2.0), volume(scan), scan.transform, head).mask


def measured(scan, where, modality='T1w'):
    found = volume(scan), volume(scan, where)
    return cost.measure(*found, scan.transform, modality)


@pytest.fixture(scope='module')
def tissue(phantom_scan):
    """Distance to the atlas's brain, and the tissues of the phantom."""
    atlas = generic_atlas(2.0)
    place = (atlas, phantom_scan.data.shape, phantom_scan.affine, phantom_scan.transform)
    distance = grids.carry_over(atlas.brain, *place)
    data = phantom_scan.data.astype(np.float32)
    return distance, tissues.segment(data, phantom_scan.affine, distance, 'T1w')


def test_the_brain_is_found_without_the_mask_or_its_guard(phantom_scan, phantom_person, tissue):
    distance, found = tissue
    brain = cost.own_brain(found, distance, distance < 10)
    truth = true_brain(phantom_scan, phantom_person[1])
    assert (brain & truth).sum() / brain.sum() > 0.98
    matter = truth & (found['gm'] + found['wm'] > 0.5)
    assert (brain & matter).sum() / matter.sum() > 0.9


def test_defacing_costs_no_brain_and_little_of_the_volumes(phantom_scan):
    found = measured(phantom_scan, face(phantom_scan))
    assert found.brain_voxels_changed == found.brain_changed_ml == 0
    assert found.brain_ml > 600
    for name in TISSUES:
        assert abs(getattr(found, f'{name}_change')) < 0.02
        assert getattr(found, f'{name}_before_ml') > 50


def test_a_piece_cut_out_of_the_brain_is_noticed(phantom_scan, phantom_person):
    pole = true_brain(phantom_scan, phantom_person[1]) & (coordinate(phantom_scan, 1) > 45)
    found = measured(phantom_scan, pole)
    assert 0.5 * pole.sum() < found.brain_voxels_changed < pole.sum()
    assert found.brain_changed_ml == pytest.approx(found.brain_voxels_changed * 0.008)
    assert found.gm_change < -0.02
    assert found.wm_change < -0.02


def test_a_single_voxel_deep_in_the_brain_is_noticed_and_one_beside_it_is_not(
    phantom_scan, tissue
):
    distance, found = tissue
    brain = cost.own_brain(found, distance, distance < 10)
    depth = grids.signed_distance(brain, tissues.SPACING)
    for where, expected in ((depth.argmin(), 1), ((depth > 1).argmax(), 0)):
        data = phantom_scan.data.astype(np.float32)
        data.flat[where] += 1
        changed = Volume(data, phantom_scan.affine)
        numbers = cost.brain_change(volume(phantom_scan), changed, depth)
        assert numbers.voxels == expected
    assert numbers.brain_ml == pytest.approx(brain.sum() * 0.008)


def test_the_surface_of_a_mask_lies_between_its_voxels_and_others():
    brain = np.zeros((9, 9, 9), bool)
    brain[3:6] = True
    distance = grids.signed_distance(brain, tissues.SPACING)
    assert distance[:, 4, 4].tolist() == [5, 3, 1, -1, -3, -1, 1, 3, 5]


@pytest.mark.parametrize('modality', ['FLAIR', 'T2w'])
def test_tissues_keep_their_names_in_other_contrasts(phantom_person, modality):
    """Most of what the truth calls a tissue is found as that tissue."""
    person, head = phantom_person
    rng = np.random.default_rng(3)
    scan = phantom.scan(head, phantom.draw_pose(rng, person), modality, rng)
    atlas = generic_atlas(2.0)
    place = (scan.data.shape, scan.affine, scan.transform)
    distance = grids.carry_over(atlas.brain, atlas, *place)
    found = tissues.segment(scan.data.astype(np.float32), scan.affine, distance, modality)
    inside = distance < -4
    for name, truth in (('gm', head.grey), ('wm', head.white)):
        there = inside & (grids.carry_over(truth, head, *place) > 0.9)
        assert found[name][there].mean() > 0.6, name
    fluid = inside & (grids.carry_over(head.grey + head.white, head, *place) < 0.1)
    assert found['csf'][fluid].mean() > 0.75


@pytest.mark.parametrize('modality', ['PDw', 'ct', 'angio'])
def test_contrasts_without_tissues_have_no_numbers(phantom_scan, modality):
    found = measured(phantom_scan, None, modality)
    assert found == NO_UTILITY


def test_an_image_without_a_brain_has_no_numbers(phantom_scan, phantom_person):
    near = true_brain(phantom_scan, phantom_person[1])
    empty = Volume(np.where(near, 0, phantom_scan.data).astype(np.float32), phantom_scan.affine)
    found = cost.measure(empty, empty, phantom_scan.transform, 'T1w')
    assert found.brain_voxels_changed is None
    beside = phantom_scan.transform.copy()
    beside[0, 3] += 900
    found = cost.measure(volume(phantom_scan), empty, beside, 'T1w')
    assert found == NO_UTILITY


def test_a_brain_that_is_gone_is_a_change_that_cannot_be_measured(phantom_scan, phantom_person):
    found = measured(phantom_scan, true_brain(phantom_scan, phantom_person[1]))
    assert found.brain_voxels_changed > 0.5 * found.brain_ml / 0.008
    assert found.gm_after_ml is None
    assert found.gm_change is None


@pytest.mark.parametrize('inside', [7, 500])
def test_few_intensities_are_no_tissues(inside):
    centred = np.indices((50, 50, 50)) - 25
    distance = 2.0 * np.linalg.norm(centred, axis=0) - 40
    data = np.where(distance < -10, inside, 7).astype(np.float32)
    assert tissues.segment(data, np.diag([2.0, 2, 2, 1]), distance, 'T1w') is None


def test_a_volume_that_vanishes_has_changed_by_all_of_itself():
    region = np.ones((4, 4, 4), bool)
    full, empty = ({n: np.full(region.shape, v) for n in TISSUES} for v in (0.5, 0.0))
    found = cost.volume_change(full, empty, region)
    assert found['gm'][0] == pytest.approx(64 * 0.5 * 0.008)
    assert found['gm'][2] == -1
    assert cost.volume_change(empty, full, region)['gm'][2] is None


def test_segmenting_is_repeatable_and_leaves_no_picture_of_the_brain_behind(
    phantom_scan, tissue, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    data = phantom_scan.data.astype(np.float32)
    again = tissues.segment(data, phantom_scan.affine, tissue[0], 'T1w')
    assert not list(tmp_path.iterdir())
    unchanged = cost.volume_change(tissue[1], again, tissue[0] < cost.FLUID_MM)
    assert [unchanged[name][2] for name in TISSUES] == [0, 0, 0]


def test_shift_of_the_alignment_is_measured_on_the_brain():
    atlas = generic_atlas(3.0)
    moved = np.eye(4)
    moved[:3, 3] = 0, 3, 4
    found = cost.registration_shift(np.eye(4), moved, atlas)
    assert found.mean_mm == pytest.approx(5)
    assert found.max_mm == pytest.approx(5)
    larger = cost.registration_shift(np.eye(4), np.diag([1.1, 1, 1, 1]), atlas)
    assert larger.max_mm == pytest.approx(8, abs=1)  # half a brain's width
    assert larger.mean_mm < larger.max_mm
    assert cost.registration_shift(np.eye(4), None, atlas) == cost.Shift(None, None)


@pytest.fixture
def steps(phantom_scan, tmp_path):
    """Return the files that the interface needs: an image, a copy of it, two registrations."""
    image = nib.Nifti1Image(phantom_scan.data, phantom_scan.affine)
    moved = phantom_scan.transform.copy()
    moved[2, 3] += 2
    registrations = (phantom_scan.transform, moved)
    for name in ('in_file', 'defaced'):
        nib.save(image, tmp_path / f'{name}.nii.gz')
    return {
        'in_file': str(tmp_path / 'in_file.nii.gz'),
        'defaced': str(tmp_path / 'defaced.nii.gz'),
        **{
            name: make.written(tmp_path, f'{name}.json', RegistrationFile(make.alignment(affine)))
            for name, affine in zip(
                ('registration', 'registration_after'), registrations, strict=True
            )
        },
    }


def test_the_interface_writes_every_number_that_is_described(steps, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = files.read_numbers(Utility, Measure(suffix='PDw', **steps).run().outputs.out_file)
    assert found.registration_shift_mean_mm == pytest.approx(2)
    steps.pop('registration_after')
    found = files.read_numbers(Utility, Measure(suffix='PDw', **steps).run().outputs.out_file)
    assert found.registration_shift_mean_mm is None
