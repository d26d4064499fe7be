# SPDX-License-Identifier: Apache-2.0
"""dlib's networks return what dlib itself returns."""

import dlib
import dlib_graphs
import numpy as np
import pytest
from PIL import Image

from facebids.core.attack import dlib_networks, recognition
from facebids.core.packages import package_file
from facebids.filesystem import sha256


def _model(name):
    return str(dlib_networks.model_file(name))


def _corners(box):
    return box.left(), box.top(), box.right(), box.bottom()


@pytest.mark.parametrize('factor', [1.0, 1.54, 3.0])
def test_the_detector_finds_what_dlib_finds(phantom_pictures, factor):
    theirs = dlib.cnn_face_detection_model_v1(_model(dlib_networks.DETECTOR))
    for picture in phantom_pictures[0]:
        size = (round(picture.shape[1] / factor), round(picture.shape[0] / factor * 0.9))
        picture = np.asarray(Image.fromarray(picture).resize(size))
        faces = theirs(picture, 0)
        found = dlib_networks.detect(picture)
        assert (found is None) == (not faces)
        if found:
            best = max(faces, key=lambda face: face.confidence)
            assert found[0] == _corners(best.rect)
            assert found[1] == pytest.approx(best.confidence, abs=1e-3)


def test_nothing_is_found_where_dlib_finds_nothing():
    noise = np.random.default_rng(0).integers(0, 255, (150, 400, 3), np.uint8)
    theirs = dlib.cnn_face_detection_model_v1(_model(dlib_networks.DETECTOR))
    assert not theirs(noise, 0)
    assert dlib_networks.detect(noise) is None


def test_the_embedding_is_that_of_dlib(phantom_pictures):
    theirs = dlib.face_recognition_model_v1(_model(dlib_networks.EMBEDDING))
    landmarks = recognition.models()['landmarks']
    for picture in phantom_pictures[0]:
        box = (60, 60, picture.shape[1] - 60, picture.shape[0] - 60)
        expected = theirs.compute_face_descriptor(
            picture, landmarks(picture, dlib.rectangle(*box))
        )
        np.testing.assert_allclose(recognition.embed(picture, box), expected, atol=1e-5)


@pytest.mark.parametrize(
    'shape', [(10, 10), (10, 700), (700, 10), (259, 259), (64, 333), (1000, 700)]
)
def test_the_pictures_of_a_pyramid_do_not_touch(shape):
    tiles, whole = dlib_networks.tile(*shape)
    covered = np.zeros(whole, int)
    for left, top, width, height in tiles:
        edges = slice(top - 1, top + height + 1), slice(left - 1, left + width + 1)
        assert not covered[edges].any()
        covered[top : top + height, left : left + width] = 1
    assert tiles[0][2:] == shape[::-1]
    assert not covered[:10].any()
    assert not covered[:, -10:].any()


def test_a_pyramid_keeps_brightness():
    image = np.full((90, 120, 3), 200, np.uint8)
    tiles, shape = dlib_networks.tile(90, 120)
    whole = dlib_networks.pyramid(image, tiles, shape)
    values = (200 - np.array(dlib_networks.MEAN)) / dlib_networks.SCALE
    for left, top, width, height in tiles:
        part = whole[0, :, top : top + height, left : left + width]
        np.testing.assert_allclose(part, np.broadcast_to(values[:, None, None], part.shape), 1e-5)


def test_the_graphs_are_those_that_the_program_writes():
    for name, content in dlib_graphs.graphs():
        graph = package_file('facebids', f'core/attack/{name}')
        assert graph.read_bytes() == content
        assert sha256(graph) == dlib_networks.GRAPHS[graph.stem]
