# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import synthesis

from facebids.core import grids
from facebids.core.brain import boundary, growth
from facebids.core.images import Volume
from facebids.core.phantoms import phantom


def scanned(head, person, modality, spacing=2.0):
    """Return a phantom as an image, its transform, and the true distance to its brain (mm)."""
    rng = np.random.default_rng(5)
    scan = phantom.scan(head, phantom.draw_pose(rng, person), modality, rng, spacing)
    place = head, scan.data.shape, scan.affine, scan.transform
    size = np.cbrt(np.linalg.det(scan.transform[:3, :3]))
    volume = Volume(scan.data.astype(np.float32), scan.affine, modality == 'CT')
    return volume, scan.transform, grids.carry_over(head.brain, *place) * size


def test_the_network_writes_nothing_and_reports_nothing(tmp_path):
    """From 1.32, onnxruntime makes files with an identifier for its telemetry."""
    code = 'from facebids.core.brain import boundary; boundary._network()'
    places = dict.fromkeys(['HOME', 'TMPDIR', 'XDG_CACHE_HOME'], str(tmp_path))
    environment = {key: os.environ[key] for key in ('PATH', 'PYTHONPATH') if key in os.environ}
    subprocess.run([sys.executable, '-c', code], env=environment | places, check=True)
    assert list(tmp_path.rglob('*')) == []


@pytest.mark.parametrize('modality', ['T1w', 'FLAIR', 'T2w', 'PDw', 'CT'])
@pytest.mark.parametrize(('spacing', 'limit'), [(2.0, 2.0), ((1.0, 1.0, 5.0), 2.5)])
def test_the_brain_is_found_in_every_contrast(phantom_person, modality, spacing, limit):
    person, head = phantom_person
    volume, transform, truth = scanned(head, person, modality, spacing)
    found = boundary.find(volume, transform)
    place = volume.data.shape, volume.affine, transform
    surface, cavity = (boundary.on_grid(d, *place) for d in (found.surface, found.cavity))
    at_surface = np.abs(truth) < 1
    assert np.quantile(np.abs(surface - truth)[at_surface], 0.95) < limit
    assert (cavity <= surface + 1)[at_surface].all()
    assert (cavity[truth < 0] > 0).mean() < 0.005
    assert cavity[truth < 0].max() < 3


def test_the_brain_is_found_beside_an_inaccurate_registration(phantom_person):
    person, head = phantom_person
    volume, transform, truth = scanned(head, person, 'T1w')
    moved = np.eye(4)
    moved[:3, 3] = 3, -3, 3
    found = boundary.find(volume, moved @ transform)
    surface = boundary.on_grid(found.surface, volume.data.shape, volume.affine, moved @ transform)
    assert np.quantile(np.abs(surface - truth)[np.abs(truth) < 1], 0.95) < 2.5


def test_the_brain_does_not_depend_on_the_units_of_the_signal(phantom_person):
    person, head = phantom_person
    volume, transform, _ = scanned(head, person, 'T1w')
    brighter = replace(volume, data=volume.data * 50)
    one, other = (boundary.find(v, transform).cavity for v in (volume, brighter))
    np.testing.assert_allclose(one, other, atol=0.01)


def test_no_brain_is_found_where_there_is_none():
    nothing = Volume(np.zeros((60, 60, 60), np.float32), np.diag([3.0, 3, 3, 1]))
    found = boundary.find(nothing, np.eye(4))
    assert np.isfinite(found.cavity).all()


def test_neighbouring_voxels_become_channels_and_back():
    data = np.random.default_rng(0).normal(size=boundary.SHAPE).astype(np.float32)
    folded = boundary.fold(data)
    assert folded.shape == (1, 8, *(n // 2 for n in boundary.SHAPE))
    np.testing.assert_array_equal(boundary.unfold(folded), data)


def test_images_for_training_are_drawn_from_their_seed():
    one, same, other = (synthesis.draw(np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.image, same.image)
    assert not np.array_equal(one.image, other.image)
    assert (one.cavity <= one.brain + 1e-3).all()
    inside = one.brain < -2
    assert 1000 < (inside.sum() * boundary.SPACING**3 / 1000) < 2500
    assert one.image[inside].mean() > one.image[one.cavity > 10].mean()


def test_brain_grows_to_where_the_subject_has_it():
    """A brain larger than the atlas's is found, the scalp beyond the dark skull is not."""
    grid = np.stack(np.indices((80, 80, 80))) * 2.0 - 80
    radius = np.linalg.norm(grid, axis=0)
    data = np.where(radius < 57, 100.0, np.where(radius < 63, 10.0, np.where(radius < 70, 100, 0)))
    found = growth.grow(data, radius - 50, radius - 70, np.full(3, 2.0))
    assert found[radius < 56].all()
    assert not found[radius > 59].any()


def test_muscle_joined_to_the_brain_at_its_base_is_no_brain():
    """A shell of like signal outside the skull, from where it is joined to the brain upwards."""
    spacing = 2.0
    x, y, z = np.ogrid[-50 : 51 : int(spacing), -50 : 51 : int(spacing), -50 : 51 : int(spacing)]
    radius = np.sqrt(x**2 + y**2 + z**2)
    shell = (radius > 33) & (radius < 39) & (x > 0) & (abs(y) < 20)
    joint = (radius < 39) & (x > 0) & (abs(y) < 8) & (z < -26)
    data = np.where((radius < 30) | shell | joint, 100.0, 5.0)
    found = growth.grow(data, radius - 30, radius - 60, np.full(3, spacing))
    middle = radius.shape[0] // 2
    far, near = (
        middle + round(36 / spacing),
        (middle + round(12 / spacing), middle, 2 + round(18 / spacing)),
    )
    assert found[radius < 28].all()
    assert found[near]
    assert not found[far, middle, middle]
