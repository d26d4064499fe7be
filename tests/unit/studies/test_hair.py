# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from facebids.core.attack import recognition
from facebids.core.attack.render import BACKGROUND
from facebids.studies import hair

each_style = pytest.mark.parametrize('style', hair.STYLES)


@pytest.fixture(scope='module')
def frontal(phantom_scan):
    """Return the frontal render of a phantom and the landmarks of its face."""
    from facebids.core.alignment import registration
    from facebids.core.attack import render, surface

    mesh = surface.skin_surface(phantom_scan.data, phantom_scan.affine)
    pose = registration.pose(phantom_scan.transform)
    picture = render.render(mesh, pose, render.named_views()[:1])[0]
    return picture, recognition.landmarks(picture, recognition.detect(picture).box)


def _changed(before, after):
    return np.abs(before.astype(int) - after).sum(axis=2) > 30


def _embedding(picture):
    return recognition.embed(picture, recognition.detect(picture).box)


def test_there_are_six_styles():
    assert len(hair.STYLES) == 6


@each_style
def test_a_face_is_found_under_hair(frontal, style):
    covered = hair.overlay(*frontal, style)
    assert covered.shape == frontal[0].shape
    assert covered.dtype == np.uint8
    assert recognition.detect(covered) is not None


@each_style
def test_hair_covers_the_head_but_not_the_face(frontal, style):
    picture, points = frontal
    changed = _changed(picture, hair.overlay(picture, points, style, 'black'))
    eyes, nose = points[:4].mean(axis=0), points[4]
    column, row = eyes.round().astype(int)
    away = int(2 * np.linalg.norm(nose - eyes))
    solid = (picture != BACKGROUND).any(axis=2)
    assert changed[: row - away][solid[: row - away]].mean() > 0.9
    left, right = points[2:, 0].min().astype(int), points[:2, 0].max().astype(int)
    to_mouth = int(nose[1] + 0.6 * np.linalg.norm(nose - eyes))
    assert not changed[row - 8 : to_mouth, left:right].any()
    assert changed[:row, :column].any()
    assert changed[:row, column:].any()


def test_styles_differ_and_the_seed_repeats_them(frontal):
    pictures = [hair.overlay(*frontal, style, seed=3) for style in hair.STYLES]
    for number, one in enumerate(pictures):
        assert all(_changed(one, other).mean() > 0.01 for other in pictures[:number])
    np.testing.assert_array_equal(pictures[0], hair.overlay(*frontal, 'crew', seed=3))
    assert (pictures[0] != hair.overlay(*frontal, 'crew', seed=4)).any()


def test_long_hair_hangs_behind_the_neck(frontal):
    picture, points = frontal
    changed = _changed(picture, hair.overlay(picture, points, 'long', 'blond'))
    eyes, nose = points[:4].mean(axis=0), points[4]
    column, below = int(nose[0]), int(nose[1] + 2 * np.linalg.norm(nose - eyes))
    assert changed[below].sum() > 40
    neck = (picture != BACKGROUND).any(axis=2)[:, column]
    neck[:below] = False
    assert not changed[neck, column].any()


def test_hair_has_its_colour(frontal):
    red, grey = (hair.overlay(*frontal, 'long', colour) for colour in ('red', 'grey'))
    where = _changed(frontal[0], red) & _changed(frontal[0], grey)
    assert np.ptp(grey[where].mean(axis=0)) < 12
    tone = red[where].mean(axis=0)
    assert tone[0] > 1.4 * tone[1] > 1.4 * tone[2]


def test_hair_follows_a_head_that_is_elsewhere(frontal):
    picture, points = frontal
    moved = np.roll(picture, (40, 25), axis=(0, 1))
    assert (picture[-40:] == BACKGROUND).all()
    there = hair.overlay(moved, points + np.array([25, 40]), 'short')[40:, 25:]
    here = hair.overlay(picture, points, 'short')[:-40, :-25]
    assert np.abs(there.astype(int) - here).mean() < 1


@each_style
def test_without_hair_a_picture_is_nearer_to_the_bald_head(frontal, style):
    bald = _embedding(frontal[0])
    covered = hair.overlay(*frontal, style, 'black')
    control = hair.without_hair(covered, frontal[1])
    assert np.linalg.norm(_embedding(control) - bald) < 0.4
    if style in ('long', 'curly', 'bob'):
        distance = np.linalg.norm(_embedding(covered) - bald)
        assert np.linalg.norm(_embedding(control) - bald) < distance


def test_without_hair_the_face_stays_as_it_was(frontal):
    picture, points = frontal
    control = hair.without_hair(hair.overlay(picture, points, 'long'), points)
    left, top = points[:, 0].min().astype(int), points[:4, 1].min().astype(int)
    right, bottom = points[:, 0].max().astype(int), points[4, 1].astype(int)
    face = np.s_[top:bottom, left:right]
    assert not _changed(picture[face], control[face]).any()
    assert (control[:10, :10] == BACKGROUND).all()


def test_without_cheeks_there_is_no_control(frontal):
    picture, points = frontal
    assert hair.without_hair(picture, points + 2000) is None


def test_black_and_white(frontal):
    grey = hair.black_and_white(frontal[0])
    assert (grey == grey[..., :1]).all()
    assert grey.dtype == np.uint8
    white = np.full((2, 2, 3), 255, np.uint8)
    np.testing.assert_array_equal(hair.black_and_white(white), white)
    assert recognition.detect(grey) is not None
