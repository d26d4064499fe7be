# SPDX-License-Identifier: Apache-2.0
"""The engine of another network, and how the benchmark of peers adds it (benchmarks/)."""

import json

import laboratory
import numpy as np
import peers
import pytest
from scipy.signal import correlate

from facebids.core.attack import engines, render

RNG = np.random.default_rng(0)
PICTURES = RNG.normal(size=(2, 6, 6, 3)).astype(np.float32)


def attributes(stride=1, padding=laboratory.VALID):
    strides = {'list': {'i': ['1', str(stride), str(stride), '1']}}
    return {'padding': {'s': padding}, 'strides': strides}


def expected(picture, kernel):
    return correlate(picture, kernel, 'valid')[..., 0]


def test_convolutions_are_those_of_scipy():
    kernel = RNG.normal(size=(3, 3, 3, 4)).astype(np.float32)
    found = laboratory.OPERATIONS['Conv2D'](attributes(), PICTURES, kernel)
    assert found.shape == (2, 4, 4, 4)
    assert found[1, ..., 2] == pytest.approx(expected(PICTURES[1], kernel[..., 2]), abs=1e-5)
    each = laboratory.OPERATIONS['DepthwiseConv2dNative'](attributes(), PICTURES, kernel[..., :1])
    one = expected(PICTURES[0, ..., 1:2], kernel[:, :, 1:2, 0])
    assert each[0, ..., 1] == pytest.approx(one, abs=1e-5)


def test_strides_skip_pixels_and_padding_is_refused():
    kernel = np.ones((3, 3, 3, 1), np.float32)
    found = laboratory.OPERATIONS['Conv2D'](attributes(2), PICTURES, kernel)
    assert found.shape == (2, 2, 2, 1)
    assert found[0, 1, 1, 0] == pytest.approx(PICTURES[0, 2:5, 2:5].sum(), abs=1e-4)
    with pytest.raises(NotImplementedError, match='pads'):
        laboratory.OPERATIONS['Conv2D'](attributes(padding='SAME'), PICTURES, kernel)


@pytest.fixture
def network(tmp_path):
    """Write a network of one matrix that takes pictures of 8 pixels a side; return its path."""
    size, shape = {'dim': [{'size': s} for s in ('-1', '8', '8', '3')]}, [-1, 192]
    matrix = RNG.normal(size=(192, 5)).astype(np.float32)
    nodes = [
        {'name': 'shape', 'op': 'Const'},
        {'name': 'matrix', 'op': 'Const'},
        {'name': 'pictures', 'op': 'Placeholder', 'attr': {'shape': {'shape': size}}},
        {'name': 'flat', 'op': 'Reshape', 'input': ['pictures', 'shape']},
        {'name': 'batchnorm0/add_1', 'op': 'MatMul', 'input': ['flat:0', 'matrix']},
    ]
    weights = [
        {'name': 'shape', 'shape': [2], 'dtype': 'int32'},
        {'name': 'matrix', 'shape': [192, 5], 'dtype': 'float32'},
    ]
    manifest = [{'paths': ['mobileface.bin'], 'weights': weights}]
    model = {'modelTopology': {'node': nodes}, 'weightsManifest': manifest}
    (tmp_path / 'mobileface.json').write_text(json.dumps(model))
    content = np.int32(shape).tobytes() + matrix.tobytes()
    (tmp_path / 'mobileface.bin').write_bytes(content)
    return tmp_path / 'mobileface.json', matrix


def test_a_network_is_read_from_its_file(network):
    path, matrix = network
    read = laboratory.read_network(path)
    assert read.side == 8
    pictures = RNG.normal(size=(4, 8, 8, 3)).astype(np.float32)
    found = read.run(pictures, 'batchnorm0/add_1')
    assert found == pytest.approx(pictures.reshape(4, -1) @ matrix, abs=1e-4)
    with pytest.raises(KeyError, match='no node other'):
        read.run(pictures, 'other')
    embedded = laboratory.embed(np.zeros((3, 64, 64, 3), np.uint8) + np.uint8(9), path)
    assert np.linalg.norm(embedded, axis=1) == pytest.approx(1)


def test_the_eyes_come_to_their_place_in_a_crop():
    picture = np.zeros((400, 400, 3), np.uint8)
    pixel = len(picture) / render.FIELD
    row = round(len(picture) / 2 - (laboratory.EYES_MM - render.CENTRE[2]) * pixel)
    picture[row - 2 : row + 2] = 255
    found = laboratory.crop(picture, 112)
    assert found[..., 0].sum(1).argmax() == pytest.approx(laboratory.EYES * 112, abs=1)


def template(embedding):
    return {'laboratory': {'embeddings': np.array([embedding], float)}}


def test_what_a_group_shares_is_subtracted():
    embeddings = [(10, 0), (10, 1), (10, 2), (10, 3), (0, 5)]
    found = laboratory.centre([template(e)['laboratory'] for e in embeddings], [*'aaaab'])
    moved = [item['embeddings'][0].tolist() for item in found]
    assert moved == [[0, -1.5], [0, -0.5], [0, 0.5], [0, 1.5], [0, 0]]
    together = laboratory.centre([template(e)['laboratory'] for e in embeddings], [*'abcde'])
    assert np.sum([item['embeddings'] for item in together], 0) == pytest.approx(0)


def test_an_engine_from_outside_is_searched_beside_those_of_the_package(monkeypatch):
    monkeypatch.setattr(engines, 'engines', dict(engines.engines()).copy)
    known = engines.engines()
    monkeypatch.setattr(engines, 'engines', lambda: known)
    added = peers.add_engines([peers.Path(laboratory.__file__)])
    assert added == ['laboratory']
    people = [f'site{number}' for number in range(8)]
    gallery = [template((5, *row)) for row in RNG.normal(size=(8, 6))]
    style = [template(g['laboratory']['embeddings'][0] + np.eye(7)[1] * 9)
             for g in gallery]  # fmt: skip
    found = peers.identify(style, people, gallery, people, added)
    assert found['laboratory']['rank_1'] == 1  # the style of the probes is subtracted
    assert found['fused']['rank_1'] == 0  # to which the added engine does not contribute


def test_a_file_that_is_no_engine_is_refused(tmp_path):
    (tmp_path / 'nothing.py').write_text('NAME = "nothing"\n')
    with pytest.raises(TypeError, match=r'nothing\.py does not define'):
        peers.add_engines([tmp_path / 'nothing.py'])
