# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from facebids.core.attack.evidence import compare_views
from facebids.core.attack.recognition import Recognition
from facebids.core.record import FaceSeen

NAMES = np.array(['random01', 'random02', 'frontal'])
RANDOM = np.array([True, True, False])


def recognition(*rows):
    """One value per view, the first coordinate of its embedding; None where no face was found."""
    embeddings = np.full((len(rows), 128), np.nan)
    for view, value in enumerate(rows):
        if value is not None:
            embeddings[view] = 0
            embeddings[view, 0] = value
    found = np.array([row is not None for row in rows])
    empty = np.zeros(len(rows))
    return Recognition(NAMES, found, empty, empty, empty, embeddings)


def compare(before, after, at_known_place):
    further = {'agreement': None, 'shape_in_view': 1.0, 'seed': 0, 'volumes': 1}
    return compare_views(before, after, at_known_place, RANDOM, **further)


def test_distances_and_counts():
    before, after = recognition(0.0, 0.3, 0.1), recognition(None, 1.0, None)
    at_place = recognition(0.5, 1.3, 0.0).embeddings
    numbers = compare(before, after, at_place)
    assert (numbers.views, numbers.faces_before, numbers.faces_after) == (2, 2, 1)
    assert numbers.distance_within_before == pytest.approx(0.3)
    assert numbers.distance_before_after == pytest.approx((1.0 + 0.7 + 0.9) / 3)
    assert numbers.distance_before_after_min == pytest.approx(0.7)
    assert numbers.distance_at_known_place == pytest.approx((0.5 + 1.0) / 2)
    assert numbers.named == {'frontal': FaceSeen(before=True, after=False)}


def test_what_is_undefined_is_none():
    numbers = compare(
        recognition(None, None, None),
        recognition(None, None, None),
        np.full((3, 128), np.nan),
    )
    assert numbers.distance_before_after is None
    assert numbers.distance_within_before is None
    assert numbers.faces_after == 0


def test_certain_faces_are_counted_apart():
    seen = recognition(0.0, 0.1, 0.2)
    before = Recognition(*[seen.to_arrays()[name] for name in ('names', 'found', 'detector')],
                         np.array([1.2, 0.3, 2.0]), seen.boxes, seen.embeddings)  # fmt: skip
    nobody = recognition(None, None, None)
    numbers = compare(before, nobody, nobody.embeddings)
    assert numbers.faces_before == 2
    assert numbers.faces_certain_before == 1  # the named view is another matter
    assert numbers.faces_certain_after == 0
