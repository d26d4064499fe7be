# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from facebids.core.attack import dlib_networks, recognition
from facebids.core.brain import boundary
from facebids.core.packages import package_file
from facebids.errors import FacebidsError


@pytest.fixture(scope='module')
def found(phantom_pictures):
    return recognition.recognise(*phantom_pictures)


def test_the_face_of_a_phantom_is_detected(found):
    assert found.found.all()
    assert set(found.detector) <= {'hog', 'cnn'}
    np.testing.assert_array_equal(np.isfinite(found.embeddings).all(axis=1), found.found)


@pytest.mark.parametrize(
    ('size', 'value'), [((200, 200), 0), ((200, 200), 255), ((9, 9), 0), ((1, 3000), 0)]
)
def test_no_face_in_a_blank_picture(size, value):
    result = recognition.recognise([np.full((*size, 3), value, np.uint8)], ['blank'])
    assert not result.found[0]
    assert np.isnan(result.embeddings).all()
    assert (result.boxes == -1).all()


def test_only_faces_of_random_views_are_counted():
    found = np.array([True, True, False, True])
    result = recognition.Recognition(
        names=np.array(['random_0', 'random_1', 'random_2', 'frontal']),
        found=found,
        detector=np.where(found, 'hog', ''),
        score=np.array([recognition.CERTAIN, 0.1, np.nan, 1.0]),
        boxes=np.full((4, 4), -1),
        embeddings=np.full((4, 128), np.nan),
    )
    assert result.faces == 2
    assert result.certain_faces == 1


def test_the_embedding_at_a_known_box_is_the_same(found, phantom_pictures):
    again = recognition.embed_at(phantom_pictures[0], found.boxes)
    np.testing.assert_array_equal(again, found.embeddings)


def test_a_recognition_is_restored_from_its_file(found, tmp_path):
    np.savez(tmp_path / 'faces.npz', other=np.arange(3), **found.to_arrays())
    with np.load(tmp_path / 'faces.npz') as arrays:
        back = recognition.Recognition.from_arrays(dict(arrays))
    for name, array in found.to_arrays().items():
        np.testing.assert_array_equal(array, getattr(back, name), err_msg=name)


def test_model_files_are_found_without_importing_their_package():
    import sys

    assert package_file('face_recognition_models', 'models/mmod_human_face_detector.dat').is_file()
    assert 'face_recognition_models' not in sys.modules


@pytest.mark.parametrize('package', ['no_such_package', 'numpy'])
def test_the_error_names_a_missing_model(package):
    with pytest.raises(FacebidsError, match=rf'nothing\.dat.*{package}'):
        package_file(package, 'nothing.dat')


def test_a_model_file_with_other_content_is_refused():
    name = 'models/mmod_human_face_detector.dat'
    digest = dlib_networks.MODELS[dlib_networks.DETECTOR]
    assert package_file('face_recognition_models', name, digest).is_file()
    with pytest.raises(FacebidsError, match='not the file that FaceBIDS was tested with'):
        package_file('face_recognition_models', name, digest[::-1])
    with pytest.raises(FacebidsError, match=r'boundary\.onnx'):
        package_file('facebids', boundary.WEIGHTS, boundary.WEIGHTS_SHA256[::-1])


def test_landmarks_are_eyes_above_a_nose(found, phantom_pictures):
    points = recognition.landmarks(phantom_pictures[0][0], found.boxes[0])
    assert points.shape == (5, 2)
    outer_right, inner_right, outer_left, inner_left, nose = points
    assert outer_left[0] < inner_left[0] < nose[0] < inner_right[0] < outer_right[0]
    assert points[:4, 1].max() < nose[1]
