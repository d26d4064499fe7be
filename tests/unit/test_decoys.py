# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from facebids.core.atlas import generic_atlas
from facebids.core.attack import decoys, engines, strength, surface
from facebids.core.attack.decoys import Panel
from facebids.core.attack.head import view_head
from facebids.core.attack.surface import Level
from facebids.core.grids import carry_over
from facebids.core.images import Volume
from facebids.core.thresholds import FACE_LIKE, SEEN, limit


@pytest.fixture(scope='module')
def volume(phantom_scan):
    return Volume(phantom_scan.data.astype(np.float32), phantom_scan.affine)


@pytest.fixture(scope='module')
def head(volume, phantom_scan):
    return view_head(volume, phantom_scan.transform, seed=0)


@pytest.fixture(scope='module')
def panel(head, volume, phantom_scan):
    return decoys.panel(
        volume, phantom_scan.transform, 0, head.pose, head.recognition.boxes, count=6
    )


@pytest.fixture(scope='module')
def level(volume, phantom_scan):
    whole = surface.head_level(volume.data, volume.affine)
    return decoys.face_of(whole, phantom_scan.transform)


@pytest.fixture
def enrolled(head, volume):
    """Return a function that enrols a level as decoys are."""
    sight = decoys.sight_of(volume, 0, head.pose, head.recognition.boxes)
    return lambda level: engines.enrol(decoys.look(level, sight))


def removed(level, transform, shell=11.0):
    """Return the level without the face region."""
    atlas = generic_atlas(2.0)
    region = carry_over(
        atlas.face_region(shell), atlas, level.values.shape, level.affine, transform
    )
    return Level(np.where(region < 0, 0, level.values).astype(np.float32), level.affine)


def test_the_head_itself_is_recognised_among_decoys(panel):
    found = strength.measure(panel, panel.rescan)
    assert found.log10_lr > SEEN
    assert found.p == pytest.approx(1 / 7)
    assert set(found.scores) == {'dlib', 'geometry'}
    assert strength.likeness(panel) > FACE_LIKE


def test_a_face_that_is_left_in_part_fails_and_one_that_is_gone_passes(
    panel, level, enrolled, phantom_scan
):
    fail, review = (limit('person_recognised_after', kind) for kind in ('fail', 'review'))
    gone = strength.measure(panel, enrolled(removed(level, phantom_scan.transform)))
    assert fail.met_by(gone.log10_lr)
    assert review.met_by(gone.high)
    part = removed(level, phantom_scan.transform).values
    middle = part.shape[0] // 2
    part[:middle] = level.values[:middle]
    half = strength.measure(panel, enrolled(Level(part, level.affine)))
    assert not fail.met_by(half.log10_lr)


def test_decoys_differ_inside_the_face_region_alone(level, head, phantom_scan):
    place = decoys.Place.of(
        level, phantom_scan.transform, head.mesh.vertices, np.linalg.inv(head.pose)
    )
    first, second = (place.paint(level, skin).values for skin in decoys._faces(2))
    assert np.array_equal(first[~place.region], level.values[~place.region])
    changed = (first != second)[place.region]
    assert changed.mean() > 0.02
    assert ((first >= 0) & (first <= 1)).all()


def test_the_same_decoys_are_drawn_for_every_image():
    assert all(map(np.array_equal, decoys._faces(2), decoys._faces(3)))


def test_a_rescan_has_other_voxels_and_the_same_head(level):
    again = decoys.rescan(level, 5)
    assert not np.allclose(again.affine, level.affine)
    volumes = [each.values.sum() * np.prod(each.zooms) for each in (level, again)]
    assert volumes[1] == pytest.approx(volumes[0], rel=0.1)
    assert np.array_equal(again.values, decoys.rescan(level, 5).values)


def test_the_roughness_of_a_surface():
    rng = np.random.default_rng(0)
    plane = np.full((40, 40), 90.0)
    assert decoys.roughness(plane) == pytest.approx(0, abs=1e-9)
    rough = [decoys.roughness(plane + rng.normal(0, sd, plane.shape)) for sd in (0.2, 1.0)]
    assert rough[1] > 3 * rough[0]
    assert decoys.roughness(np.full((4, 4), np.nan)) == 0


def test_without_a_head_there_is_no_panel(head, volume, phantom_scan):
    air = Volume(np.zeros_like(volume.data), volume.affine)
    assert decoys.enrol([air], phantom_scan.transform, 0, head) is None


def test_a_panel_survives_a_file(panel, tmp_path):
    np.savez_compressed(tmp_path / 'decoys.npz', **panel.to_arrays())
    with np.load(tmp_path / 'decoys.npz') as arrays:
        restored = Panel.from_arrays(dict(arrays))
    assert strength.measure(restored, panel.rescan) == strength.measure(panel, panel.rescan)
