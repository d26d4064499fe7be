# SPDX-License-Identifier: Apache-2.0
"""By how much faces vary: numbers only.

Atlas mm, atlas axes (RAS); of a pair, the right side (x > 0) stands for both, +x is outwards.
Chosen so that phantoms are as far from each other as people are: face recognition embeddings and
depth maps of 51 public T1-weighted heads beside those of phantoms. Orders of magnitude and
what moves with what: the identity modes of ICT-FaceKit (Li et al., 2020, CVPR, arXiv 2004.00210).
"""

from typing import NamedTuple

Vector = tuple[float, float, float]


class Landmark(NamedTuple):
    """A point of the generic face, and how far it lies elsewhere in other people.

    Parameters
    ----------
    centre : tuple of 3 floats
        Atlas mm; with x > 0 it stands for a pair.
    width : float
        Standard deviation (mm) of the Gaussian in which its displacement fades.
    spread : tuple of 3 floats
        Standard deviation (mm) of its own displacement between people, along x, y and z.
    """

    centre: Vector
    width: float
    spread: Vector


class Fold(NamedTuple):
    """A line along which the skin is raised or lowered.

    Parameters
    ----------
    start, end : tuple of 3 floats
        Atlas mm; a pair if one of them has x > 0.
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
    'forehead': Landmark((0, 90, 15), 34, (0, 1.71, 2.85)),
    'forehead side': Landmark((40, 76, 8), 22, (1.9, 1.78, 1.9)),
    'temple': Landmark((70, 45, -8), 26, (2.85, 1.9, 1.9)),
    'glabella': Landmark((0, 92, -28), 13, (0, 1.9, 2.66)),
    'brow': Landmark((34, 82, -24), 14, (1.9, 2.38, 3.99)),
    'eye': Landmark((33, 68, -45), 16, (2.38, 1.66, 2.85)),
    'inner eye': Landmark((17, 73, -47), 9, (2.66, 1.42, 1.71)),
    'outer eye': Landmark((48, 62, -46), 10, (1.9, 1.42, 1.9)),
    'upper lid': Landmark((33, 76, -39), 8, (0.95, 1.42, 2.66)),
    'lower lid': Landmark((33, 73, -54), 8, (0.95, 1.42, 2.14)),
    'nasion': Landmark((0, 84, -48), 12, (0, 2.85, 3.56)),
    'nose bridge': Landmark((0, 94, -68), 12, (0.95, 2.85, 1.9)),
    'nose side': Landmark((11, 86, -72), 8, (2.85, 1.42, 1.42)),
    'nose tip': Landmark((0, 104, -90), 12, (0.95, 2.85, 4.27)),
    'ala': Landmark((14, 86, -93), 9, (3.32, 1.9, 2.85)),
    'subnasale': Landmark((0, 84, -104), 9, (0, 1.9, 1.9)),
    'upper lip': Landmark((0, 82, -115), 9, (0, 1.9, 2.47)),
    'lower lip': Landmark((0, 81, -128), 9, (0, 1.9, 2.66)),
    'mouth': Landmark((0, 78, -121), 22, (0, 1.14, 3.56)),
    'mouth corner': Landmark((20, 72, -121), 11, (3.04, 1.42, 2.38)),
    'cheek bone': Landmark((56, 50, -60), 18, (2.85, 1.37, 2.85)),
    'under eye': Landmark((32, 68, -64), 12, (1.42, 1.14, 1.9)),
    'nasolabial': Landmark((30, 68, -104), 12, (1.9, 1.66, 1.9)),
    'cheek': Landmark((48, 58, -95), 20, (2.13, 1.37, 1.9)),
    'jowl': Landmark((42, 40, -135), 16, (2.28, 2.28, 2.85)),
    'chin': Landmark((0, 70, -153), 18, (0.47, 3.32, 3.8)),
    'chin side': Landmark((20, 64, -150), 12, (2.85, 1.9, 1.9)),
    'jaw': Landmark((60, 10, -118), 26, (3.8, 2.85, 3.8)),
    'ear': Landmark((88, -27, -52), 20, (2.85, 2.85, 2.85)),
}

# The generic face is a blurred average that serves registration and refacing; people differ from
# it in the mean too (mm): nose tips less low, mouths wider, jaws less square.
TYPICAL = {
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

# What moves together, mm for one standard deviation. `sex` is drawn as one of two, about -1 and 1.
MODES = {
    'length': {
        'nose tip': (0, 0, -1.3),
        'subnasale': (0, 0, -1.62),
        'mouth': (0, 0, -3.25),
        'chin': (0, 0, -3.9),
        'jaw': (0, 0, -2.6),
        'jowl': (0, 0, -2.6),
        'forehead': (0, 0, 1.95),
    },
    'width': {
        'temple': (1.76, 0, 0),
        'cheek bone': (2.05, 0, 0),
        'cheek': (1.76, 0, 0),
        'jaw': (2.34, 0, 0),
        'jowl': (1.17, 0, 0),
        'eye': (0.88, 0, 0),
        'mouth corner': (0.59, 0, 0),
        'forehead side': (1.17, 0, 0),
    },
    'weight': {
        'cheek': (1.46, 1.09, -0.36),
        'jowl': (1.82, 1.09, -1.09),
        'jaw': (1.46, 0.73, -0.36),
        'chin': (0, 0.36, -0.73),
        'under eye': (0, 0.36, 0),
        'nasolabial': (0.36, 0.73, 0),
        'temple': (0.36, 0, 0),
    },
    'sex': {
        'brow': (0, 1.56, -0.52),
        'glabella': (0, 1.82, 0),
        'nasion': (0, 0.52, 0),
        'nose bridge': (0, 1.3, 0),
        'nose tip': (0, 1.04, -0.52),
        'chin': (0, 1.56, -1.56),
        'chin side': (1.56, 0.52, 0),
        'jaw': (2.08, 0, -1.04),
        'mouth': (0, -0.52, -0.52),
        'lower lip': (0, -0.52, 0),
        'forehead': (0, -1.04, 0),
        'eye': (0, -0.78, 0),
        'upper lid': (0, 0, -0.52),
    },
    'age': {
        'nose tip': (0, 0, -1.1),
        'jowl': (0.55, 0, -1.66),
        'upper lip': (0, -0.83, -0.55),
        'lower lip': (0, -0.83, 0.55),
        'upper lid': (0, -0.28, -0.83),
        'under eye': (0, -0.83, -0.55),
        'cheek': (-1.1, -1.1, -1.1),
        'ear': (1.1, 0, -1.1),
    },
    'nose size': {
        'nose bridge': (0, 2.93, -1.17),
        'nose tip': (0, 4.68, -2.34),
        'ala': (1.75, 1.75, -1.75),
        'subnasale': (0, 1.17, -1.17),
    },
    'nose width': {
        'nose side': (2.7, 0, 0),
        'ala': (4.05, 0, 0),
        'nose tip': (0, -2.02, 0),
        'nasion': (0, -2.7, 0),
    },
    'profile': {
        'mouth': (0, 1.66, 0),
        'chin': (0, -1.25, 0),
        'nasolabial': (0, 0.83, 0),
        'nasion': (0, -0.83, 0),
    },
    'midface': {
        'nose tip': (0, 0, 4.05),
        'ala': (0, 0, 4.05),
        'subnasale': (0, 0, 4.05),
        'mouth': (0, 0, 3.38),
        'nose bridge': (0, 0, 1.35),
    },
    'eye height': {
        'eye': (0, 0, 2.93),
        'brow': (0, 0, 2.93),
        'nasion': (0, 0, 2.34),
        'glabella': (0, 0, 1.75),
    },
    'nose and lips': {
        'nose side': (0.98, -0.65, 0),
        'ala': (1.95, 0, 0),
        'nasion': (0, -1.62, 0),
        'nose bridge': (0, -1.95, 0),
        'nose tip': (0, -0.98, 0),
        'upper lip': (0, 1.62, 0),
        'lower lip': (0, 1.62, -0.65),
        'mouth corner': (1.3, 0, 0),
        'cheek bone': (0.98, 1.3, 0),
        'under eye': (0, 0.98, 0),
        'eye': (0, 0.98, 0),
    },
    'eye spacing': {
        'eye': (3.15, 0, 0),
        'brow': (2.52, 0, 0),
        'inner eye': (1.89, 0, 0),
    },
    'eye slant': {
        'outer eye': (0, 0, 2.93),
        'inner eye': (0, 0, -1.75),
        'brow': (0, 0, 2.34),
    },
}
# And the folds that go with it, mm.
FOLDS_OF_MODES = {
    'sex': {
        'brow ridge': 1.2,
        'upper lip': -0.64,
        'lower lip': -0.64,
        'chin boss': 0.8,
        'cheek hollow': -0.64,
        'frown': 0.4,
    },
    'age': {
        'nasolabial': -1.28,
        'eye bag': 0.96,
        'tear trough': -0.96,
        'marionette': -0.64,
        'cheek hollow': -1.2,
        'temple': -1.2,
        'upper lip': -0.64,
        'frown': -0.48,
    },
    'nose and lips': {
        'upper lip': 0.8,
        'lower lip': 0.8,
        'tip': 0.8,
        'hump': -0.96,
        'root': -0.8,
    },
    'weight': {
        'masseter': 1.2,
        'cheek hollow': 1.2,
        'paranasal': 0.8,
        'nasolabial': -0.48,
        'jaw angle': 1.2,
    },
}

FOLDS = {
    'nasolabial': Fold((19, 82, -96), (33, 68, -122), 3.5, 2.62, -0.5),
    'lid crease': Fold((20, 75, -36), (46, 68, -37), 2.5, 2.1),
    'eye bag': Fold((22, 73, -56), (44, 66, -57), 4.5, 2.1, -1.5),
    'tear trough': Fold((17, 79, -56), (30, 71, -65), 3.5, 1.75, -1),
    'brow ridge': Fold((12, 89, -30), (48, 73, -28), 5, 3.15),
    'frown': Fold((6, 91, -22), (7, 91, -33), 2.5, 1.85, -0.5),
    'philtrum': Fold((0, 86, -106), (0, 84, -113), 3, 1.75, -0.5),
    'upper lip': Fold((1, 83, -115), (18, 75, -119.5), 3.2, 2.6),
    'lower lip': Fold((1, 82, -127), (17, 74, -123), 3.5, 2.45, -2),
    'mentolabial': Fold((0, 77, -137), (14, 71, -136), 5.5, 1.75),
    'chin cleft': Fold((0, 80, -145), (0, 76, -158), 4, 0.88),
    'chin boss': Fold((12, 74, -150), (13, 73, -152), 7, 3.15),
    'tip': Fold((4, 106, -89), (5, 105, -91), 4.5, 2.73, 0.8),
    'alar groove': Fold((15, 90, -86), (20, 85, -97), 2.8, 2.1),
    'hump': Fold((0, 97, -62), (0, 101, -74), 5, 3.15, -1.5),
    'cheek hollow': Fold((46, 52, -88), (40, 58, -110), 9, 2.21),
    'zygoma': Fold((48, 60, -66), (54, 52, -64), 8, 2.8),
    'corner': Fold((22, 73, -121), (25, 70, -122), 4, 2.7),
    'marionette': Fold((25, 67, -125), (22, 62, -140), 5, 1.05),
    'paranasal': Fold((31, 70, -60), (27, 74, -84), 9, 2.52, 0.5),
    'lid': Fold((20, 77, -33), (50, 66, -36), 5.5, 2.1, 3),
    'mouth side': Fold((23, 76, -112), (29, 71, -124), 8, 2.1, -3),
    'masseter': Fold((68, 22, -84), (58, 42, -108), 13, 3.5, 5.5),
    'jaw angle': Fold((70, 4, -112), (66, 14, -120), 9, 2.62, -5),
    'preauricular': Fold((76, 0, -72), (74, 8, -90), 12, 1.75, 3),
    'temporal fossa': Fold((70, 40, -44), (66, 48, -36), 10, 2.62, 4.5),
    'root': Fold((0, 86, -44), (0, 87, -54), 6, 2.73, 2.5),
    'temple': Fold((62, 56, -16), (62, 56, -12), 12, 2.8),
    'inner corner': Fold((16, 77, -44), (18, 75, -53), 5, 2.1),
    'outer corner': Fold((50, 61, -43), (52, 58, -50), 6, 2.1, 1),
    'buccal': Fold((46, 48, -112), (38, 58, -126), 11, 2.62, 4),
}

# The same person on another day: standard deviation (mm) of a landmark along each axis, nobody
# beyond two of them; and of the mode `weight`, in its own standard deviations.
DAY = {
    'mouth corner': (0.4, 0.3, 0.4),
    'upper lip': (0, 0.3, 0.3),
    'lower lip': (0, 0.3, 0.5),
    'chin': (0.1, 0.3, 0.5),
    'upper lid': (0, 0.2, 0.4),
    'brow': (0, 0.1, 0.3),
}
PAD = 0.05
