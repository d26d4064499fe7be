# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from PIL import Image

from facebids.core.attack import engines
from facebids.studies.photographs.enrol import enrol

FACE = {'face': {'embeddings': np.ones((1, 4))}}


@pytest.fixture(autouse=True)
def bright_pictures_show_a_face(monkeypatch):
    monkeypatch.setattr(
        engines, 'enrol_photograph', lambda picture: FACE if picture.mean() > 100 else {}
    )


def _save(path, colour=200, size=(60, 80), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new('RGB', size, (colour,) * 3).save(path, **options)


def test_everything_that_is_left_out_is_named_and_counted(tmp_path):
    for name in ('sub-01/a.jpg', 'sub-01/B.PNG', 'sub-01/c.JPEG', 'sub-09/secret.jpg'):
        _save(tmp_path / name)
    _save(tmp_path / 'sub-02/dark.jpg', 3)
    (tmp_path / 'sub-02/broken.jpg').write_bytes(b'no picture')
    (tmp_path / 'sub-02/notes.txt').write_text('not a picture')
    (tmp_path / 'sub-01/.DS_Store').write_text('')
    found = enrol(tmp_path, ['01', '02', '03'])
    assert {label: len(faces) for label, faces in found.templates.items()} == {
        '01': 3,
        '02': 0,
        '03': 0,
    }
    assert {problem.path.name: problem.code for problem in found.problems} == {
        'sub-09': 'photograph_without_participant',
        'broken.jpg': 'unreadable',
        'dark.jpg': 'no_face',
        'notes.txt': 'not_a_photograph',
        'sub-03': 'participant_without_photograph',
    }
    assert all(str(problem.path) in problem.message for problem in found.problems)
    notes = ' '.join(found.notes)
    assert 'photographs in which no face was found (1)' in notes
    assert 'secret' not in notes
    assert str(tmp_path) not in notes


def test_a_whole_album_has_nothing_to_note(tmp_path):
    _save(tmp_path / 'sub-01/a.jpg')
    assert enrol(tmp_path, ['01']).notes == []
