# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from PIL import Image

from facebids.cli.phantom import main
from facebids.core.attack import recognition
from facebids.core.phantoms import phantom, portrait


@pytest.fixture(scope='module')
def people():
    return [phantom.draw_person(np.random.default_rng([4, number])) for number in range(3)]


def embeddings(people, seed):
    pictures = [
        portrait.portraits(person, 2, np.random.default_rng([seed, number]))
        for number, person in enumerate(people)
    ]
    found = [recognition.recognise(own, ['a', 'b']) for own in pictures]
    assert all(result.found.all() for result in found)
    return np.array([result.embeddings.mean(0) for result in found])


def test_photographs_of_one_person_are_nearer_than_those_of_two(people):
    first, second = embeddings(people, 1), embeddings(people, 2)
    distance = np.linalg.norm(first[:, None] - second, axis=2)
    np.testing.assert_array_equal(distance.argmin(1), np.arange(3))


def test_skin_is_that_of_the_head_and_faces_outwards(people):
    mesh = portrait.head_mesh(people[0])
    away = mesh.vertices - mesh.vertices.mean(0)
    assert (np.sign((mesh.normals * away).sum(1)) > 0).mean() > 0.9
    assert 140 < np.ptp(mesh.vertices[:, 0]) < 230


def test_photographs_are_written_on_request(tmp_path):
    arguments = [str(tmp_path / 'a'), '--participants', '1', '--resolution', '5']
    assert main([*arguments, '--photographs', '2']) == 0
    folder = tmp_path / 'a' / 'sourcedata' / 'photographs' / 'sub-01'
    assert sorted(path.name for path in folder.iterdir()) == ['1.png', '2.png']
    assert np.asarray(Image.open(folder / '1.png')).shape == (400, 400, 3)
