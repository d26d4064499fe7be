# SPDX-License-Identifier: Apache-2.0
"""The parametric head around the brain: skin and tissues.

All numbers are mm in atlas space (RAS, MNI152NLin2009aSym), in which a brain is on average about
a tenth longer than in life. The skin follows the mean profile of affinely registered adult
T1-weighted heads (nasion, nose, brow, cheeks, jaw). What such scans crop or blur (nostrils, lips,
ears, chin) follows the proportions of published head meshes.
"""

from enum import IntEnum

import numpy as np

from facebids.core.arrays import FloatArray, IntArray
from facebids.core.atlas.geometry import Canvas, Capsule, Ellipsoid, Shape, mirrored


class Tissue(IntEnum):
    """Labels of the atlas. Probability maps split the brain into grey and white matter."""

    AIR = 0
    SKIN = 1
    FAT = 2
    MUSCLE = 3
    BONE = 4
    MARROW = 5
    FLUID = 6
    BRAIN = 7
    VITREOUS = 8
    CORD = 9
    MUCOSA = 10


def both(*shapes: Shape) -> tuple[Shape, ...]:
    """Return each shape and its mirror image."""
    return tuple(s for shape in shapes for s in (shape, mirrored(shape)))


# Skin, as (shape, blend in mm), in the order of construction.
BUILD: tuple[tuple[Shape, float], ...] = (
    (Ellipsoid((0, -15, 0), (87, 107, 103)), 6),  # vault
    *((s, 20) for s in both(Ellipsoid((44, 36, -78), (29, 31, 42)))),  # cheeks
    (Ellipsoid((0, 2, -66), (79, 68, 62)), 14),  # midface
    (Ellipsoid((0, 48, -10), (60, 44, 36)), 14),  # frontal bone
    *((s, 10) for s in both(Capsule((9, 82, -25), (46, 68, -24), 10, 9))),  # brow
    *((s, 12) for s in both(Ellipsoid((55, 42, -58), (18, 20, 14)))),  # cheek bones
    (Ellipsoid((0, 42, -112), (47, 40, 33)), 12),  # maxilla and mouth
    *((s, 16) for s in both(Capsule((60, 0, -112), (19, 46, -150), 18, 15))),  # mandible
    (Ellipsoid((0, 57, -152), (21, 19, 15)), 12),  # chin
    (Ellipsoid((0, -44, -140), (66, 77, 190)), 14),  # neck
)
ORBITS = both(Ellipsoid((33, 84, -46), (19, 14, 11)))
FEATURES: tuple[tuple[Shape, float], ...] = (
    *((s, 2) for s in both(Ellipsoid((33, 62.5, -45), (13.5, 13.5, 12.5)))),  # eyeball with lids
    (Ellipsoid((0, 66, -79), (22, 32, 27)), 9),  # body of the nose
    (Capsule((0, 76, -46), (0, 95, -86), 7.5, 8.5), 9),  # its bridge
    (Ellipsoid((0, 98, -90), (10, 10.5, 9)), 5),  # tip of the nose
    *((s, 4) for s in both(Ellipsoid((13, 87, -92), (7, 10, 7.5)))),  # alae
    (Capsule((0, 97, -96), (0, 81, -103), 4), 4),  # columella
    *((s, 4) for s in both(Capsule((1, 80, -115), (18, 73, -119.5), 5, 2.5))),  # upper lip
    *((s, 4) for s in both(Capsule((1, 79, -127.5), (17, 72.5, -123), 5.5, 2.5))),  # lower lip
    *((s, 5) for s in both(Ellipsoid((85, -27, -52), (6, 19, 31), roll=12))),  # ears
)
CREASES: tuple[tuple[Shape, float], ...] = (
    (Ellipsoid((0, 86, -121.5), (22, 9, 1.4)), 1.5),  # mouth
    *((s, 2) for s in both(Ellipsoid((5.5, 96, -100), (3.4, 6, 3.5)))),  # nostrils
    *((s, 1.5) for s in both(Ellipsoid((33, 78, -47), (13, 4, 1.2)))),  # between the lids
    *((s, 2) for s in both(Ellipsoid((92, -22, -52), (5, 8, 13)))),  # concha
)

# Under the skin, painted in this order over muscle.
DEEP: tuple[tuple[Shape, Tissue], ...] = (
    (Ellipsoid((0, -52, -105), (22, 24, 70)), Tissue.MARROW),  # vertebrae
    *((s, Tissue.BONE) for s in both(Ellipsoid((48, -28, -47), (30, 20, 16)))),  # petrous
    (Ellipsoid((0, 62, -118), (32, 18, 16)), Tissue.BONE),  # teeth and maxilla
    *((s, Tissue.BONE) for s in both(Capsule((56, 4, -110), (14, 48, -150), 8, 7))),  # mandible
    (Ellipsoid((0, 36, -120), (25, 34, 24)), Tissue.MUSCLE),  # tongue
    *((s, Tissue.FAT) for s in both(Ellipsoid((33, 48, -43), (18, 26, 17)))),  # orbits
    *((s, Tissue.AIR) for s in both(Ellipsoid((34, 42, -72), (14, 18, 18)))),  # maxillary sinus
    (Ellipsoid((0, 40, -58), (13, 34, 24)), Tissue.MUCOSA),  # nasal cavity
    (Ellipsoid((0, 28, -40), (12, 34, 12)), Tissue.AIR),  # ethmoid and sphenoid sinus
    (Ellipsoid((0, 76, -16), (16, 8, 14)), Tissue.AIR),  # frontal sinus
    (Capsule((0, -6, -68), (0, -8, -150), 8), Tissue.AIR),  # pharynx
)
CANAL = (
    (Capsule((0, -44, -76), (0, -72, -190), 10), Tissue.FLUID),
    (Capsule((0, -43, -74), (0, -72, -190), 6), Tissue.CORD),
)
EYES = both(Ellipsoid((33, 61, -44), (12.5, 12.5, 12)))

CRANIUM_CENTRE = (0, -15, 5)
CSF_MM, SKULL_MM = 3, 10  # outer limits of fluid and skull, from the surface of the brain
SKIN_MM, FAT_MM = 2.5, 7  # depths under the skin


def skin_distance(canvas: Canvas, brain: FloatArray) -> FloatArray:
    """Return the signed distance (mm, negative inside) to the outer surface of the head.

    Parameters
    ----------
    canvas : Canvas
        Grid, shape (X, Y, Z), possibly with warped coordinates (another face).
    brain : ndarray, shape (X, Y, Z)
        Signed distance to the surface of the brain, mm.
    """
    x, y, z = (c - o for c, o in zip(canvas.coordinates, CRANIUM_CENTRE, strict=True))
    radius = np.maximum(np.sqrt(x * x + y * y + z * z), 1)
    # Soft tissue and bone are thickest over forehead and vertex.
    thickness = 14 + 5 * np.maximum(y / radius, 0) ** 2 + 5 * np.maximum(z / radius, 0) ** 2
    head = brain - thickness
    for shape, blend in BUILD:
        canvas.add(head, shape, blend)
    for shape in ORBITS:
        canvas.carve(head, shape, 8)
    for shape, blend in FEATURES:
        canvas.add(head, shape, blend)
    for shape, blend in CREASES:
        canvas.carve(head, shape, blend)
    return head


def tissue_labels(canvas: Canvas, brain: FloatArray, skin: FloatArray) -> IntArray:
    """Label the tissue of each voxel by its distance from the brain and from the skin.

    Parameters
    ----------
    canvas : Canvas
    brain, skin : ndarray, shape (X, Y, Z)
        Signed distances (mm) to the surface of the brain and of the head.

    Returns
    -------
    ndarray of uint8, shape (X, Y, Z)
        Values of `Tissue`.
    """
    labels = np.full(skin.shape, Tissue.MUSCLE, np.uint8)
    labels[skin > -FAT_MM] = Tissue.FAT
    labels[brain < SKULL_MM + 4] = Tissue.FAT
    for shape, tissue in DEEP:
        canvas.paint(labels, shape, tissue)
    labels[brain < SKULL_MM] = Tissue.BONE
    labels[(brain < SKULL_MM - 2.5) & (brain > CSF_MM + 2)] = Tissue.MARROW
    labels[brain < CSF_MM] = Tissue.FLUID
    for shape, tissue in CANAL:
        canvas.paint(labels, shape, tissue)
    for shape in EYES:
        canvas.paint(labels, shape, Tissue.VITREOUS)
    labels[brain <= 0] = Tissue.BRAIN
    labels[skin > -SKIN_MM] = Tissue.SKIN
    labels[skin > 0] = Tissue.AIR
    return labels
