# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from facebids.core import figures
from facebids.core.alignment import registration
from facebids.core.atlas import generic_atlas


@pytest.fixture(scope='module')
def atlas():
    return generic_atlas(registration.RESOLUTION)


def _is(picture, colour):
    return (picture == colour).all(axis=-1)


def test_the_mask_is_outlined_and_its_tissue_tinted(phantom_scan, atlas):
    mask = np.zeros(phantom_scan.data.shape, bool)
    mask[:, 70:] = True
    drawn, none = (
        figures.slice_mosaic(
            phantom_scan.data, each, phantom_scan.affine, phantom_scan.transform, atlas
        )
        for each in (mask, mask & False)
    )
    outline = _is(drawn, figures.MASK_COLOUR)
    assert 200 < outline.sum() < 0.05 * outline.size
    assert not _is(none, figures.MASK_COLOUR).any()
    changed = (drawn != none).any(axis=-1) & ~outline
    assert changed.sum() > outline.sum()  # an area, not a line
    assert none[changed].mean(axis=-1).min() > 0  # air is not tinted
    red, _, blue = drawn[changed].astype(int).T
    assert (red > blue).all()
    dark = none.max(axis=-1) < 5
    np.testing.assert_array_equal(drawn[dark & ~outline], none[dark & ~outline])


def test_brain_and_skin_of_the_atlas_are_outlined_where_they_are(phantom_scan, atlas):
    drawn = figures.slice_mosaic(
        phantom_scan.data,
        np.zeros(phantom_scan.data.shape, bool),
        phantom_scan.affine,
        phantom_scan.transform,
        atlas,
    )
    skin, brain = (_is(drawn, c) for c in (figures.HEAD_COLOUR, figures.BRAIN_COLOUR))
    assert brain.sum() > 1000
    rows = np.flatnonzero(skin.any(axis=1))
    assert rows.min() > 0.6 * drawn.shape[0]  # in the row of the alignment alone
    assert len(figures.POSITIONS) == 3
    assert {len(positions) for positions in figures.POSITIONS} == {7}


def test_finer_images_are_drawn_finer_up_to_a_limit(atlas):
    data, mask = np.ones((20, 20, 20)), np.zeros((20, 20, 20), bool)
    sizes = [
        figures.slice_mosaic(data, mask, np.diag([mm, mm, mm, 1]), np.eye(4), atlas).shape[0]
        for mm in (0.1, 0.8, 1.0, 1.2, 5.0)
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == sizes[1] > sizes[2] > sizes[3] == sizes[4]


@pytest.mark.parametrize('value', [0, -5])
def test_an_image_without_positive_values_is_drawn_black(value, atlas):
    data = np.full((20, 20, 20), value)
    data[:10] -= 3
    mask = np.zeros(data.shape, bool)
    drawn = figures.slice_mosaic(data, mask, np.eye(4), np.eye(4), atlas)
    blank = figures.slice_mosaic(data * 0, mask, np.eye(4), np.eye(4), atlas)
    np.testing.assert_array_equal(drawn, blank)


def test_named_views_are_large_and_faces_are_framed_in_a_neutral_colour():
    pictures = np.zeros((3, 80, 80, 3), np.uint8)
    boxes = np.array([[-1] * 4, [8, 8, 50, 50], [-20, -20, 190, 190]])
    names, random = ['frontal', 'random_0', 'random_1'], np.array([False, True, True])
    sheet = figures.contact_sheet(pictures, boxes, names, random)
    edge = (80 + figures.GAP) // 2 - figures.GAP
    assert sheet.shape[0] == 80 + edge + 2 * figures.STRIP + 3 * figures.GAP
    framed = np.argwhere(_is(sheet, figures.FACE_COLOUR))
    small = sheet[-edge - figures.GAP :]
    assert not len(framed[framed[:, 0] < 80])
    halves = small[:, : small.shape[1] // 2], small[:, small.shape[1] // 2 :]
    assert all(half.any() for half in halves)
    red, green, blue = figures.FACE_COLOUR
    assert max(red, green, blue) - min(red, green, blue) < 30


def test_a_box_has_a_label_where_it_can_be_read():
    picture = np.zeros((200, 200, 3), np.uint8)
    box = np.array([60, 60, 150, 150])
    named, random = (
        figures._framed(picture, box, labelled=labelled) for labelled in (True, False)
    )
    assert _is(named, figures.FACE_COLOUR)[152:180].any()
    assert not _is(random, figures.FACE_COLOUR)[152:180].any()


def test_a_sheet_without_named_views():
    pictures = np.full((2, 80, 80, 3), 9, np.uint8)
    sheet = figures.contact_sheet(pictures, np.full((2, 4), -1), ['a', 'b'], np.array([True] * 2))
    assert sheet.ndim == 3
    assert sheet.dtype == np.uint8
