# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from facebids.core import figures


def test_mask_outline_is_drawn_where_the_mask_is(phantom_scan):
    mask = np.zeros(phantom_scan.data.shape, bool)
    mask[:, 70:] = True
    drawn = figures.slice_mosaic(
        phantom_scan.data, mask, phantom_scan.affine, phantom_scan.transform
    )
    none = figures.slice_mosaic(
        phantom_scan.data, mask & False, phantom_scan.affine, phantom_scan.transform
    )
    outline = (drawn == figures.MASK_COLOUR).all(axis=-1)
    assert 200 < outline.sum() < 0.05 * outline.size
    assert not (none == figures.MASK_COLOUR).all(axis=-1).any()
    np.testing.assert_array_equal(drawn[~outline], none[~outline])


@pytest.mark.parametrize('value', [0, -5])
def test_an_image_without_positive_values_is_drawn_black(value):
    data = np.full((20, 20, 20), value)
    data[:10] -= 3
    drawn = figures.slice_mosaic(data, np.zeros(data.shape, bool), np.eye(4), np.eye(4))
    assert not drawn.any()


def test_contact_sheet_frames_the_faces_found():
    pictures = np.zeros((3, 40, 40, 3), np.uint8)
    boxes = np.array([[-1] * 4, [8, 8, 30, 30], [-20, -20, 90, 90]])
    sheet = figures.contact_sheet(pictures, boxes, columns=2)
    assert sheet.shape == (40, 40, 3)
    framed = (sheet == figures.FACE_COLOUR).all(axis=-1)
    assert not framed[:20, :20].any()
    assert framed[:20, 20:].any()
    assert framed[20:, :20].any()
