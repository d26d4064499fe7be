# SPDX-License-Identifier: Apache-2.0
"""What is taken out of a head: the face region, in the atlas's own shape.

The region is cut by smooth surfaces of the atlas and ends, outwards, nowhere: everything in
front of the face belongs to it. So the mask tells nothing about the skin of the one it
is put on. Inwards it reaches under the skin of the generic head far enough that a head a few
millimetres off is still cut under its skin.
"""

import numpy as np

from facebids.core.atlas.anatomy import both
from facebids.core.atlas.geometry import Ellipsoid, smooth_union

# Depth under the generic skin (mm) at which forehead, temples, cheeks and ears are cut: adults'
# skin, registered affinely, varies along the profile by 4 to 5 mm (standard deviation); the skull
# begins at about 8 mm, and over the temples the brain's guard at 12 mm.
# A face that lies deeper takes the next step.
SHELL_STEPS_MM = (11.0, 14.0, 17.0)
# The brain guard, mm from the atlas's brain: affinely registered, fluid before a frontal pole
# reaches 5 to 6 mm. Under the brain it may be wide, for the skin is far; temporal poles lie up
# to 8 mm off.
GUARD_MM, BASE_GUARD_MM = 6.0, 9.0
BASE_Z = -12.0  # where the one turns into the other over 12 mm
# Air behind the head: where a field of view that ends at the nose puts its tip (wrap-around).
# Registered heads end up to 10 mm behind the atlas's.
BEHIND_MM, BEHIND_Y, BEHIND_Z = 15.0, -60.0, -150.0
# What may be left on request: the pinna, and the globe with what lies behind it in the orbit.
KEEPABLE = {
    'ears': both(Ellipsoid((84, -27, -52), (24, 32, 46))),
    'eyes': both(Ellipsoid((33, 50, -43), (18, 25, 16))),
}


def _sector(x, y, z, margin):
    """Forehead to chin and ear to ear: signed field (mm, negative inside), widened by margin."""
    hairline = (z - 52) * 0.8 - y * 0.25
    ears = -(y + 46) + np.maximum(z + 12, 0) * 1.1  # behind the ears, then up to the temples
    collar = -(z + 174) + 0.4 * (60 - y)  # the throat stays
    return np.maximum(np.maximum(hairline, ears), collar) - margin


def face_region(x, y, z, skin, shell=SHELL_STEPS_MM[0], keep=()):
    """Signed field of the face region (mm, negative inside).

    The union of three parts: the *midface*, a block in front of a curved wall behind the eyes,
    under the orbital roof; a *shell* over forehead, temples, cheeks and ears; and the air behind
    the head.

    Parameters
    ----------
    x, y, z : ndarray
        Coordinates (broadcastable), atlas mm.
    skin : ndarray, shape (X, Y, Z)
        Signed distance (mm) to the generic head's surface, true inside the head too.
    shell : float
        Depth (mm) of the shell.
    keep : sequence of str
        Keys of `KEEPABLE` that are left.

    Returns
    -------
    ndarray, shape (X, Y, Z)
    """
    wall = 100 - np.hypot(x * 0.75, y + 74)  # a vertical cylinder behind eyes, sinuses and teeth
    midface = np.maximum(wall, z + 24)
    within = _sector(x, y, z, margin=6)
    face = np.maximum(smooth_union(midface, -(skin + shell), 6), within)
    behind = np.maximum(np.maximum(BEHIND_MM - skin, y - BEHIND_Y), BEHIND_Z - z)
    return np.minimum(_without(face, keep, x, y, z, 0), behind)


def face_skin_sector(x, y, z, keep=()):
    """Where skin identifies: signed field (mm, negative inside).

    A little smaller than `face_region`, so that a voxel at its rim does not count as a face left.
    """
    return _without(_sector(x, y, z, margin=0), keep, x, y, z, 3)


def _without(field, keep, x, y, z, margin):
    """Take what is kept, and a margin (mm) around it, out of a field."""
    for name in keep:
        for shape in KEEPABLE[name]:
            field = np.maximum(field, margin - shape.distance(x, y, z))
    return field


def brain_guard(z, brain):
    """Signed field (mm, negative inside) of the volume that must not be touched.

    Parameters
    ----------
    z : ndarray
        Coordinate (broadcastable), atlas mm.
    brain : ndarray, shape (X, Y, Z)
        Signed distance (mm) to the brain's surface.
    """
    below = np.clip((BASE_Z - z) / 12, 0, 1)
    return brain - (GUARD_MM + (BASE_GUARD_MM - GUARD_MM) * below)
