# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from facebids.core.attack import strength
from facebids.core.attack.decoys import Panel
from facebids.core.attack.engines import geometry
from facebids.core.thresholds import SEEN, limit

CELLS = int(geometry.cells().sum())
NAMES = np.array(['random01', 'random02'])
RNG = np.random.default_rng(0)


def face(shape, look):
    """Return the face templates of a head of this relief, and of these embeddings."""
    embeddings = np.tile(look, (2, 1))
    return {
        'geometry': {'relief': shape.astype(np.float32)},
        'dlib': {'embeddings': embeddings, 'found': np.ones(2, bool), 'names': NAMES},
    }


def someone(size=1.0):
    return RNG.normal(0, 1.5 * size, CELLS), RNG.normal(0, 0.04 * size, 128)


def rescanned(person, noise=0.2):
    shape, look = person
    return shape + RNG.normal(0, noise, CELLS), look + RNG.normal(0, 0.01, 128)


PERSON = someone()
DECOYS = tuple(face(*someone()) for _ in range(10))
PANEL = Panel(face(*PERSON), face(*rescanned(PERSON)), DECOYS)
FAIL = limit('person_recognised_after', 'fail')


def test_another_scan_of_the_person_fails_and_a_stranger_does_not():
    mate = strength.measure(PANEL, face(*rescanned(PERSON)))
    strangers = [strength.measure(PANEL, face(*someone())) for _ in range(30)]
    assert not FAIL.met_by(mate.log10_lr)
    assert mate.p == pytest.approx(1 / 11)
    assert mate.low <= mate.log10_lr <= mate.high
    assert np.mean([FAIL.met_by(each.log10_lr) for each in strangers]) > 0.9
    assert np.median([each.log10_lr for each in strangers]) < 0


def test_what_the_attack_can_see_is_seen():
    assert strength.measure(PANEL, PANEL.rescan).log10_lr > SEEN


def test_a_common_style_is_no_evidence():
    """All heads share what a scan adds; the distances shrink and the evidence does not rise."""
    stylish = [someone(0.2) for _ in range(11)]
    panel = Panel(face(*stylish[0]), face(*stylish[0]), tuple(face(*s) for s in stylish[1:]))
    values = [strength.measure(panel, face(*someone(0.2))).log10_lr for _ in range(20)]
    assert np.median(values) < 0.5


def test_a_half_that_is_left_is_evidence():
    shape, look = someone()
    half = np.where(np.arange(CELLS) < CELLS // 2, PERSON[0], 30.0)
    assert (
        strength.measure(PANEL, face(half, look)).log10_lr
        > strength.measure(PANEL, face(shape, look)).log10_lr + 0.5
    )


def test_evidence_rises_with_the_likeness():
    shares = np.linspace(0, 1, 5)
    other = someone()
    values = []
    for share in shares:
        mixed = [share * own + (1 - share) * its for own, its in zip(PERSON, other, strict=True)]
        values.append(strength.measure(PANEL, face(*mixed)).log10_lr)
    assert (np.diff(values) >= -0.2).all()
    assert values[-1] > values[0] + 1


def test_the_p_value_of_strangers_is_uniform():
    """The original is one more face for a head that shows none of them."""
    values = []
    for _ in range(60):
        people = [face(*someone()) for _ in range(11)]
        panel = Panel(people[0], people[0], tuple(people[1:]))
        values.append(strength.measure(panel, face(*someone())).p)
    assert 0.35 < np.mean(values) < 0.75
    assert min(values) >= 1 / 11


def test_an_engine_that_sees_nothing_adds_nothing():
    shape, _ = rescanned(PERSON)
    blind = strength.measure(PANEL, face(shape, np.full(128, np.nan)))
    assert set(blind.scores) == {'geometry'}
    assert blind.log10_lr is not None
    nothing = strength.measure(PANEL, face(np.full(CELLS, np.nan), np.full(128, np.nan)))
    assert (nothing.log10_lr, nothing.p, dict(nothing.scores)) == (None, None, {})


def test_the_fewer_decoys_the_wider_the_interval():
    head = face(*someone())
    few = strength.measure(Panel(PANEL.original, PANEL.rescan, DECOYS[:6]), head)
    many = strength.measure(PANEL, head)
    assert strength.variance(1.0, 6) > strength.variance(1.0, 10)
    assert few.low <= few.log10_lr <= few.high
    assert many.low <= many.log10_lr <= many.high


def test_faces_are_like_faces():
    other = (RNG.normal(0, 20, CELLS), PERSON[1])
    assert strength.likeness(PANEL) == pytest.approx(1, abs=0.3)
    strange = Panel(face(*other), face(*other), DECOYS)
    assert strength.likeness(strange) < 0.6


def test_a_panel_is_restored_from_its_arrays():
    restored = Panel.from_arrays(PANEL.to_arrays())
    head = face(*someone())
    assert strength.measure(restored, head) == strength.measure(PANEL, head)
    assert len(restored.decoys) == 10
    assert Panel.from_arrays({}) is None
