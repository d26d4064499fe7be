# SPDX-License-Identifier: Apache-2.0
"""The benchmark of predicted faces (benchmarks/reconstruction.py)."""

from argparse import Namespace

import numpy as np
import pytest
import reconstruction
from reconstruction import CONTROL, Shape

from facebids.core import foreground
from facebids.core.atlas import generic_atlas
from facebids.core.defacing import masks
from facebids.core.images import Volume

RNG = np.random.default_rng(0)
TRAITS = RNG.normal(size=(16, 3))
RELIEFS = TRAITS @ RNG.normal(size=(3, 40)) + 0.02 * RNG.normal(size=(16, 40))
TELLING = TRAITS @ RNG.normal(size=(3, 30))
SILENT = RNG.normal(size=(16, 30))
EVERYWHERE = np.ones(RELIEFS.shape, bool)


@pytest.mark.parametrize('kernel', ['linear', 'rbf'])
def test_faces_are_predicted_from_what_tells_of_them(kernel):
    predicted = reconstruction.predict(TELLING, RELIEFS, 16, kernel)
    found = reconstruction.evaluate(*reconstruction.compare(predicted, RELIEFS, EVERYWHERE), 0)
    assert found['own'] < 0.8 * found['average'] < found['strangers']
    assert found['gain'][1] > 0
    assert found['rank_1'][0] > 0.7
    assert found['auc'][0] > 0.9


def test_what_tells_nothing_predicts_nobody():
    predicted = reconstruction.predict(SILENT, RELIEFS, 16, 'linear')
    found = reconstruction.evaluate(*reconstruction.compare(predicted, RELIEFS, EVERYWHERE), 0)
    assert found['own'] > 0.95 * found['average']
    low, high = found['auc'][1:]
    assert low < 0.5 < high


def test_nothing_is_learned_from_the_two_who_are_compared():
    other = RELIEFS.copy()
    other[[2, 5]] += 3 * RNG.normal(size=(2, 40))
    before, after = (reconstruction.predict(TELLING, r, 16, 'linear') for r in (RELIEFS, other))
    assert after.means[2, 5] == pytest.approx(before.means[2, 5])
    assert after.faces[2, 5] == pytest.approx(before.faces[2, 5])
    assert np.abs(after.faces[3, 4] - before.faces[3, 4]).max() > 0.1


def test_further_heads_are_learned_from_and_not_predicted():
    predicted = reconstruction.predict(TELLING, RELIEFS, 4, 'linear')
    assert predicted.faces.shape == (4, 4, 40)
    found = reconstruction.compare(predicted, RELIEFS[:4], EVERYWHERE[:4])
    assert [part.shape for part in found] == [(4, 4), (4,), (4, 4)]


def test_only_seen_cells_that_were_changed_are_compared():
    truth = np.array([[1.0, 5.0, np.nan], [3.0, 0.0, 4.0]])
    changed = np.array([[True, False, True], [True, True, True]])
    zero = np.zeros((2, 2, 3))
    faces = zero + np.array([1.0, 2.0, 3.0])
    distances, average, scores = reconstruction.compare(
        reconstruction.Prediction(faces, zero), truth, changed
    )
    assert distances == pytest.approx(np.array([[0, 1.5], [1.5, 5 / 3]]))
    assert average == pytest.approx([1, 7 / 3])
    assert scores[0] == pytest.approx([1, 15 / (10**0.5 * 5)])


def test_unknown_values_are_those_of_the_mean_head():
    values = np.array([[1.0, np.nan], [3.0, np.nan]])
    assert reconstruction._filled(values).tolist() == [[1, 0], [3, 0]]
    assert reconstruction._scaled(np.array([[1.0, 7.0], [3.0, 7.0]])).tolist() == [[-1, 0], [1, 0]]


def test_heads_are_looked_at_before_and_after_in_one_pose(phantom_scan):
    volume = Volume(phantom_scan.data.astype(np.float32), phantom_scan.affine)
    whole, pose = reconstruction.look(volume, phantom_scan.transform)
    cut = np.where(whole_face(volume, phantom_scan.transform), 0, volume.data)
    left, same = reconstruction.look(
        Volume(cut.astype(np.float32), volume.affine), phantom_scan.transform, pose
    )
    assert same is pose
    assert whole.features.shape == left.features.shape
    assert np.nanmedian(np.abs(whole.relief)) < 5
    assert np.nanmedian(np.abs(whole.relief - left.relief)) > 5


def whole_face(volume, affine):
    return masks.face_mask(
        generic_atlas(masks.RESOLUTION), volume, affine,
        foreground.head_mask(volume.data, volume.zooms),
    ).mask  # fmt: skip


def test_the_control_is_judged_where_defacing_changed_the_face():
    people = [
        {
            CONTROL: Shape(relief, np.concatenate([relief, tell])),
            'remove': Shape(np.where(np.arange(40) < 30, 0, relief), tell),
        }
        for relief, tell in zip(RELIEFS, SILENT, strict=True)
    ]
    control, removed = (
        reconstruction.attack(people, [], mode, 'linear', 0) for mode in (CONTROL, 'remove')
    )
    assert control['auc'][0] > 0.9 > removed['auc'][0]
    assert control['strangers'] > control['own']
    table = reconstruction.show({('remove', 'linear'): removed}, 16)
    assert '| remove | linear |' in table
    assert 'by chance: 6.2 %' in table


def test_shapes_are_kept_and_an_unusable_head_has_none(tmp_path, monkeypatch):
    image = tmp_path / 'sub-01_T1w.nii.gz'
    image.write_bytes(b'scan')
    options = Namespace(cache=tmp_path, modes=['remove'])
    shape = Shape(np.ones(3), np.zeros(2))
    found = {CONTROL: shape, 'remove': shape}
    monkeypatch.setattr(reconstruction, '_deface_and_look', lambda *_: found)
    assert reconstruction.shapes_of(image, options).keys() == {CONTROL, 'remove'}
    monkeypatch.setattr(reconstruction, '_deface_and_look', lambda *_: {})
    again = reconstruction.shapes_of(image, options)
    assert again['remove'].relief.tolist() == [1, 1, 1]
    options.modes = ['remove', 'blur']  # not known yet
    assert reconstruction.shapes_of(image, options) == {}
    assert reconstruction.shapes_of(image, options) == {}
