# SPDX-License-Identifier: Apache-2.0
"""Variation of faces: numbers only.

Numbers are atlas mm along the axes of the atlas (RAS). The right side (x > 0) of a pair stands
for both, and +x points outwards. They were chosen so that phantoms differ from each other as much
as people do, by face recognition embeddings and by depth maps, and still look like people. The
reference were 30 public T1-weighted heads whose skin is free of artefacts. The modes were designed
by hand, and their names say what they resemble.
"""

from collections.abc import Mapping
from typing import NamedTuple

from facebids.core.atlas.geometry import Vector


class Landmark(NamedTuple):
    """A point of the generic face, and its variation between people.

    Parameters
    ----------
    centre : tuple of 3 floats
        Atlas mm. With x > 0, it stands for a pair.
    width : float
        Standard deviation (mm) of the Gaussian around its displacement.
    spread : tuple of 3 floats
        Standard deviation (mm) of its displacement between people, along x, y and z.
    """

    centre: Vector
    width: float
    spread: Vector


class Fold(NamedTuple):
    """A line along which the skin is raised or lowered.

    Parameters
    ----------
    start, end : tuple of 3 floats
        Atlas mm. If one of them has x > 0, the fold stands for a pair.
    width : float
        Standard deviation (mm) of the Gaussian profile across the line.
    spread : float
        Standard deviation (mm) of its height between people.
    typical : float
        Mean height (mm) over people.
    """

    start: Vector
    end: Vector
    width: float
    spread: float
    typical: float = 0.0


LANDMARKS = {
    'forehead': Landmark((0, 90, 15), 34, (0, 1.7, 2.8)),
    'forehead side': Landmark((40, 76, 8), 22, (1.9, 1.8, 1.9)),
    'temple': Landmark((70, 45, -8), 26, (2.8, 1.9, 1.9)),
    'glabella': Landmark((0, 92, -28), 13, (0, 1.9, 2.7)),
    'brow': Landmark((34, 82, -24), 14, (1.9, 2.4, 4)),
    'eye': Landmark((33, 68, -45), 16, (2.4, 1.7, 2.8)),
    'inner eye': Landmark((17, 73, -47), 9, (2.7, 1.4, 1.7)),
    'outer eye': Landmark((48, 62, -46), 10, (1.9, 1.4, 1.9)),
    'upper lid': Landmark((33, 76, -39), 8, (0.9, 1.4, 2.7)),
    'lower lid': Landmark((33, 73, -54), 8, (0.9, 1.4, 2.1)),
    'nasion': Landmark((0, 84, -48), 12, (0, 2.8, 3.6)),
    'nose bridge': Landmark((0, 94, -68), 12, (0.9, 2.8, 1.9)),
    'nose side': Landmark((11, 86, -72), 8, (2.8, 1.4, 1.4)),
    'nose tip': Landmark((0, 104, -90), 12, (0.9, 2.8, 4.3)),
    'ala': Landmark((14, 86, -93), 9, (3.3, 1.9, 2.8)),
    'subnasale': Landmark((0, 84, -104), 9, (0, 1.9, 1.9)),
    'upper lip': Landmark((0, 82, -115), 9, (0, 1.9, 2.5)),
    'lower lip': Landmark((0, 81, -128), 9, (0, 1.9, 2.7)),
    'mouth': Landmark((0, 78, -121), 22, (0, 1.1, 3.6)),
    'mouth corner': Landmark((20, 72, -121), 11, (3, 1.4, 2.4)),
    'cheek bone': Landmark((56, 50, -60), 18, (2.8, 1.4, 2.8)),
    'under eye': Landmark((32, 68, -64), 12, (1.4, 1.1, 1.9)),
    'nasolabial': Landmark((30, 68, -104), 12, (1.9, 1.7, 1.9)),
    'cheek': Landmark((48, 58, -95), 20, (2.1, 1.4, 1.9)),
    'jowl': Landmark((42, 40, -135), 16, (2.3, 2.3, 2.8)),
    'chin': Landmark((0, 70, -153), 18, (0.5, 3.3, 3.8)),
    'chin side': Landmark((20, 64, -150), 12, (2.8, 1.9, 1.9)),
    'jaw': Landmark((60, 10, -118), 26, (3.8, 2.8, 3.8)),
    'ear': Landmark((88, -27, -52), 20, (2.8, 2.8, 2.8)),
}

# Mean difference between people and the generic face (mm), which is a blurred average for
# registration and refacing: nose tips less low, mouths wider, jaws less square.
TYPICAL: Mapping[str, Vector] = {
    'nose tip': (0, -1, 3),
    'subnasale': (0, 0, 2.5),
    'ala': (2, 0, 3),
    'mouth corner': (6, 0, 0),
    'lower lip': (0, -2.5, 1),
    'upper lip': (0, -1.5, 0),
    'jaw': (-3, 0, 0),
    'chin side': (2, 0, 0),
    'outer eye': (3, 0, 0),
    'inner eye': (-2, 0, 0),
    'brow': (0, 0, 0.5),
    'chin': (0, -2, 0),
    'mouth': (0, 0, 3),
    'nasion': (0, 0, -1),
    'nose bridge': (0, -1, 0),
}

# Joint displacements, mm for one standard deviation. `sex` is drawn around -1 or 1.
MODES: Mapping[str, Mapping[str, Vector]] = {
    'length': {
        'nose tip': (0, 0, -1.3),
        'subnasale': (0, 0, -1.6),
        'mouth': (0, 0, -3.2),
        'chin': (0, 0, -3.9),
        'jaw': (0, 0, -2.6),
        'jowl': (0, 0, -2.6),
        'forehead': (0, 0, 2),
    },
    'width': {
        'temple': (1.8, 0, 0),
        'cheek bone': (2, 0, 0),
        'cheek': (1.8, 0, 0),
        'jaw': (2.3, 0, 0),
        'jowl': (1.2, 0, 0),
        'eye': (0.9, 0, 0),
        'mouth corner': (0.6, 0, 0),
        'forehead side': (1.2, 0, 0),
    },
    'weight': {
        'cheek': (1.5, 1.1, -0.4),
        'jowl': (1.8, 1.1, -1.1),
        'jaw': (1.5, 0.7, -0.4),
        'chin': (0, 0.4, -0.7),
        'under eye': (0, 0.4, 0),
        'nasolabial': (0.4, 0.7, 0),
        'temple': (0.4, 0, 0),
    },
    'sex': {
        'brow': (0, 1.6, -0.5),
        'glabella': (0, 1.8, 0),
        'nasion': (0, 0.5, 0),
        'nose bridge': (0, 1.3, 0),
        'nose tip': (0, 1, -0.5),
        'chin': (0, 1.6, -1.6),
        'chin side': (1.6, 0.5, 0),
        'jaw': (2.1, 0, -1),
        'mouth': (0, -0.5, -0.5),
        'lower lip': (0, -0.5, 0),
        'forehead': (0, -1, 0),
        'eye': (0, -0.8, 0),
        'upper lid': (0, 0, -0.5),
    },
    'age': {
        'nose tip': (0, 0, -1.1),
        'jowl': (0.6, 0, -1.7),
        'upper lip': (0, -0.8, -0.6),
        'lower lip': (0, -0.8, 0.6),
        'upper lid': (0, -0.3, -0.8),
        'under eye': (0, -0.8, -0.6),
        'cheek': (-1.1, -1.1, -1.1),
        'ear': (1.1, 0, -1.1),
    },
    'nose size': {
        'nose bridge': (0, 2.9, -1.2),
        'nose tip': (0, 4.7, -2.3),
        'ala': (1.8, 1.8, -1.8),
        'subnasale': (0, 1.2, -1.2),
    },
    'nose width': {
        'nose side': (2.7, 0, 0),
        'ala': (4, 0, 0),
        'nose tip': (0, -2, 0),
        'nasion': (0, -2.7, 0),
    },
    'profile': {
        'mouth': (0, 1.7, 0),
        'chin': (0, -1.2, 0),
        'nasolabial': (0, 0.8, 0),
        'nasion': (0, -0.8, 0),
    },
    'midface': {
        'nose tip': (0, 0, 4),
        'ala': (0, 0, 4),
        'subnasale': (0, 0, 4),
        'mouth': (0, 0, 3.4),
        'nose bridge': (0, 0, 1.4),
    },
    'eye height': {
        'eye': (0, 0, 2.9),
        'brow': (0, 0, 2.9),
        'nasion': (0, 0, 2.3),
        'glabella': (0, 0, 1.8),
    },
    'nose and lips': {
        'nose side': (1, -0.7, 0),
        'ala': (2, 0, 0),
        'nasion': (0, -1.6, 0),
        'nose bridge': (0, -2, 0),
        'nose tip': (0, -1, 0),
        'upper lip': (0, 1.6, 0),
        'lower lip': (0, 1.6, -0.7),
        'mouth corner': (1.3, 0, 0),
        'cheek bone': (1, 1.3, 0),
        'under eye': (0, 1, 0),
        'eye': (0, 1, 0),
    },
    'eye spacing': {
        'eye': (3.1, 0, 0),
        'brow': (2.5, 0, 0),
        'inner eye': (1.9, 0, 0),
    },
    'eye slant': {
        'outer eye': (0, 0, 2.9),
        'inner eye': (0, 0, -1.8),
        'brow': (0, 0, 2.3),
    },
}
# The folds of the modes, mm.
FOLDS_OF_MODES: Mapping[str, Mapping[str, float]] = {
    'sex': {
        'brow ridge': 1.2,
        'upper lip': -0.6,
        'lower lip': -0.6,
        'chin boss': 0.8,
        'cheek hollow': -0.6,
        'frown': 0.4,
    },
    'age': {
        'nasolabial': -1.3,
        'eye bag': 1,
        'tear trough': -1,
        'marionette': -0.6,
        'cheek hollow': -1.2,
        'temple': -1.2,
        'upper lip': -0.6,
        'frown': -0.5,
    },
    'nose and lips': {
        'upper lip': 0.8,
        'lower lip': 0.8,
        'tip': 0.8,
        'hump': -1,
        'root': -0.8,
    },
    'weight': {
        'masseter': 1.2,
        'cheek hollow': 1.2,
        'paranasal': 0.8,
        'nasolabial': -0.5,
        'jaw angle': 1.2,
    },
}

FOLDS = {
    'nasolabial': Fold((19, 82, -96), (33, 68, -122), 3.5, 2.6, -0.5),
    'lid crease': Fold((20, 75, -36), (46, 68, -37), 2.5, 2.1),
    'eye bag': Fold((22, 73, -56), (44, 66, -57), 4.5, 2.1, -1.5),
    'tear trough': Fold((17, 79, -56), (30, 71, -65), 3.5, 1.8, -1),
    'brow ridge': Fold((12, 89, -30), (48, 73, -28), 5, 3.1),
    'frown': Fold((6, 91, -22), (7, 91, -33), 2.5, 1.8, -0.5),
    'philtrum': Fold((0, 86, -106), (0, 84, -113), 3, 1.8, -0.5),
    'upper lip': Fold((1, 83, -115), (18, 75, -119.5), 3.2, 2.6),
    'lower lip': Fold((1, 82, -127), (17, 74, -123), 3.5, 2.5, -2),
    'mentolabial': Fold((0, 77, -137), (14, 71, -136), 5.5, 1.8),
    'chin cleft': Fold((0, 80, -145), (0, 76, -158), 4, 0.9),
    'chin boss': Fold((12, 74, -150), (13, 73, -152), 7, 3.1),
    'tip': Fold((4, 106, -89), (5, 105, -91), 4.5, 2.7, 0.8),
    'alar groove': Fold((15, 90, -86), (20, 85, -97), 2.8, 2.1),
    'hump': Fold((0, 97, -62), (0, 101, -74), 5, 3.1, -1.5),
    'cheek hollow': Fold((46, 52, -88), (40, 58, -110), 9, 2.2),
    'zygoma': Fold((48, 60, -66), (54, 52, -64), 8, 2.8),
    'corner': Fold((22, 73, -121), (25, 70, -122), 4, 2.7),
    'marionette': Fold((25, 67, -125), (22, 62, -140), 5, 1.1),
    'paranasal': Fold((31, 70, -60), (27, 74, -84), 9, 2.5, 0.5),
    'lid': Fold((20, 77, -33), (50, 66, -36), 5.5, 2.1, 3),
    'mouth side': Fold((23, 76, -112), (29, 71, -124), 8, 2.1, -3),
    'masseter': Fold((68, 22, -84), (58, 42, -108), 13, 3.5, 5.5),
    'jaw angle': Fold((70, 4, -112), (66, 14, -120), 9, 2.6, -5),
    'preauricular': Fold((76, 0, -72), (74, 8, -90), 12, 1.8, 3),
    'temporal fossa': Fold((70, 40, -44), (66, 48, -36), 10, 2.6, 4.5),
    'root': Fold((0, 86, -44), (0, 87, -54), 6, 2.7, 2.5),
    'temple': Fold((62, 56, -16), (62, 56, -12), 12, 2.8),
    'inner corner': Fold((16, 77, -44), (18, 75, -53), 5, 2.1),
    'outer corner': Fold((50, 61, -43), (52, 58, -50), 6, 2.1, 1),
    'buccal': Fold((46, 48, -112), (38, 58, -126), 11, 2.6, 4),
}

# The same person on another day: standard deviation (mm) of a landmark along each axis, clipped at
# two of them, and of the mode `weight`, in standard deviations of the mode.
DAY = {
    'mouth corner': (0.4, 0.3, 0.4),
    'upper lip': (0, 0.3, 0.3),
    'lower lip': (0, 0.3, 0.5),
    'chin': (0.1, 0.3, 0.5),
    'upper lid': (0, 0.2, 0.4),
    'brow': (0, 0.1, 0.3),
}
PAD = 0.05
