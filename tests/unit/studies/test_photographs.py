# SPDX-License-Identifier: Apache-2.0
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facebids.core.attack import recognition
from facebids.errors import PhotographError
from facebids.studies.photographs.find import PROBLEMS, find
from facebids.studies.photographs.read import SMALLEST, read


@pytest.fixture(scope='module')
def portrait(phantom_pictures):
    """Return a render in the place of a photograph."""
    return Image.fromarray(phantom_pictures[0][0])


def _write(path, content=b'any'):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize('mode', ['RGB', 'L', 'CMYK'])
def test_a_face_is_found_in_a_jpeg_of_any_colours(portrait, tmp_path, mode):
    portrait.convert(mode).save(tmp_path / 'a.jpg')
    picture = read(tmp_path / 'a.jpg')
    assert picture.dtype == np.uint8
    assert recognition.detect(picture) is not None
    np.testing.assert_allclose(picture.mean(), np.asarray(portrait).mean(), atol=12)


@pytest.mark.parametrize('mode', ['RGBA', 'LA', 'P', 'I;16', '1'])
def test_a_face_is_found_in_a_png_of_any_depth(portrait, tmp_path, mode):
    if mode == 'I;16':
        grey = np.asarray(portrait.convert('L')).astype(np.uint16) * 257
        Image.fromarray(grey).save(tmp_path / 'a.png')
    else:
        portrait.convert(mode).save(tmp_path / 'a.png')
    assert recognition.detect(read(tmp_path / 'a.png')) is not None


def test_what_is_transparent_is_white(tmp_path):
    Image.new('RGBA', (50, 50), (0, 0, 0, 0)).save(tmp_path / 'a.png')
    assert (read(tmp_path / 'a.png') == 255).all()


@pytest.mark.parametrize('suffix', ['jpg', 'png'])
def test_photographs_are_turned_upright_and_made_small(tmp_path, suffix):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    picture = np.zeros((1800, 3600, 3), np.uint8)
    picture[:, :1800] = 255
    Image.fromarray(picture).save(tmp_path / f'a.{suffix}', exif=exif)
    upright = read(tmp_path / f'a.{suffix}')
    assert upright.shape == (1600, 800, 3)
    assert upright[:700].min() > 200
    assert upright[900:].max() < 50


def test_a_broken_description_of_the_camera_does_no_harm(portrait, tmp_path):
    portrait.save(tmp_path / 'a.jpg', exif=b'Exif\x00\x00garbage')
    assert read(tmp_path / 'a.jpg').shape == (400, 400, 3)


def _bomb():
    """Return the beginning of a PNG that claims to have 30000 x 30000 pixels."""
    header = b'IHDR' + struct.pack('>IIBBBBB', 30000, 30000, 8, 2, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + struct.pack('>I', 13) + header + zlib.crc32(header).to_bytes(4)


@pytest.mark.parametrize('content', [b'', b'no picture', _bomb()], ids=['empty', 'text', 'bomb'])
def test_what_is_no_picture_is_refused_by_name(tmp_path, content):
    _write(tmp_path / 'a.png', content)
    with pytest.raises(PhotographError, match=r'a\.png'):
        read(tmp_path / 'a.png')


@pytest.mark.parametrize('suffix', ['jpg', 'png'])
def test_a_truncated_photograph_is_refused(portrait, tmp_path, suffix):
    path = tmp_path / f'a.{suffix}'
    portrait.save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(PhotographError, match='cannot be read'):
        read(path)


def test_another_kind_of_picture_is_refused_whatever_its_name(portrait, tmp_path):
    portrait.save(tmp_path / 'a.jpg', format='GIF')
    with pytest.raises(PhotographError, match='cannot be read'):
        read(tmp_path / 'a.jpg')


@pytest.mark.parametrize('size', [(1, 1), (39, 500), (5000, 60)])
def test_a_picture_too_small_for_a_face_is_refused(tmp_path, size):
    Image.new('RGB', size).save(tmp_path / 'a.png')
    with pytest.raises(PhotographError, match='40 pixels'):
        read(tmp_path / 'a.png')


def test_the_smallest_photograph_can_be_searched_for_faces(tmp_path):
    Image.new('RGB', (SMALLEST, 1600)).save(tmp_path / 'a.png')
    assert recognition.detect(read(tmp_path / 'a.png')) is None


def test_a_folder_or_a_dead_link_is_refused(tmp_path):
    (tmp_path / 'a.jpg').mkdir()
    (tmp_path / 'b.jpg').symlink_to(tmp_path / 'gone.jpg')
    for name in ('a.jpg', 'b.jpg'):
        with pytest.raises(PhotographError, match=name):
            read(tmp_path / name)


def test_photographs_are_found_by_participant(tmp_path):
    for name in ('sub-01/b.JPG', 'sub-01/a.jpeg', 'sub-02/c.Png', 'sub-01/.hidden.jpg'):
        _write(tmp_path / name)
    found, problems = find(tmp_path, ['02', '01'])
    assert found == {
        '01': (tmp_path / 'sub-01/a.jpeg', tmp_path / 'sub-01/b.JPG'),
        '02': (tmp_path / 'sub-02/c.Png',),
    }
    assert problems == ()


def test_everything_that_is_left_out_is_named(tmp_path):
    for name in (
        'sub-09/a.jpg', '01/a.jpg', 'SUB-02/a.jpg', 'loose.jpg', 'README', '.DS_Store',
        'sub-01/notes.txt', 'sub-01/ses-1/a.jpg', 'sub-01/folder.jpg/a.jpg', 'sub-01/good.jpg',
    ):  # fmt: skip
        _write(tmp_path / name)
    (tmp_path / 'sub-03').mkdir()
    found, problems = find(tmp_path, ['01', '02', '03'])
    assert found == {'01': (tmp_path / 'sub-01/good.jpg',), '02': (), '03': ()}
    assert {(str(item.path.relative_to(tmp_path)), item.code) for item in problems} == {
        ('sub-09', 'photograph_without_participant'),
        ('01', 'photograph_without_participant'),
        ('SUB-02', 'photograph_without_participant'),
        ('loose.jpg', 'photograph_without_participant'),
        ('sub-01/notes.txt', 'not_a_photograph'),
        ('sub-01/ses-1', 'not_a_photograph'),
        ('sub-01/folder.jpg', 'not_a_photograph'),
        ('sub-02', 'participant_without_photograph'),
        ('sub-03', 'participant_without_photograph'),
    }
    assert all(item.code in PROBLEMS for item in problems)
    assert all(str(item.path) in item.message for item in problems)


def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    _write(tmp_path / 'sub-01/a.jpg')
    _write(tmp_path / 'sub-02/a.jpg')
    allowed = Path.iterdir

    def iterdir(folder):
        if folder.name == 'sub-01':  # modes would not stop root
            raise PermissionError(13, 'Permission denied', str(folder))
        return allowed(folder)

    monkeypatch.setattr(Path, 'iterdir', iterdir)
    found, problems = find(tmp_path, ['01', '02'])
    assert found == {'01': (), '02': (tmp_path / 'sub-02/a.jpg',)}
    assert [item.code for item in problems] == ['unreadable']
    assert 'Permission denied' in problems[0].message
