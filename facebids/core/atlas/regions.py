# SPDX-License-Identifier: Apache-2.0
"""The face region of the atlas, which is removed from images, and the brain guard.

Smooth surfaces of the atlas bound the face region. It has no outer bound: everything in front of
the face belongs to it, so the mask reveals nothing about the skin of the person. It reaches so
far under the skin of the generic head that a head displaced by a few millimetres is still cut
under its skin.
"""

from collections.abc import Collection

import numpy as np

from facebids.core.arrays import FloatArray
from facebids.core.atlas.anatomy import both
from facebids.core.atlas.geometry import Ellipsoid, smooth_union

# Depth under the generic skin (mm) at which forehead, temples, cheeks and ears are cut. The skin
# of affinely registered adults varies along the profile by 4 to 5 mm (standard deviation); the
# skull begins at about 8 mm, and over the temples the brain guard at 12 mm. The next step is for
# faces that lie deeper.
SHELL_STEPS_MM = (11.0, 14.0, 17.0)
# Brain guard, mm from the brain of the atlas. In affinely registered heads, fluid in front of a
# frontal pole reaches 5 to 6 mm. Below the brain the skin is far, so the guard may be wider:
# temporal poles lie up to 8 mm outside of the atlas's.
GUARD_MM, BASE_GUARD_MM = 6.0, 9.0
BASE_Z = -12.0  # below, the first passes into the second over 12 mm
# Air behind the head, where wrap-around shows the tip of a nose that the field of view cuts.
# Registered heads end up to 10 mm behind that of the atlas.
BEHIND_MM, BEHIND_Y, BEHIND_Z = 15.0, -60.0, -150.0
# Can be kept on request: the pinna, and the globe with the orbit behind it.
KEEP_OPTIONS = {
    'ears': both(Ellipsoid((84, -27, -52), (24, 32, 46))),
    'eyes': both(Ellipsoid((33, 50, -43), (18, 25, 16))),
}


def _sector(x: FloatArray, y: FloatArray, z: FloatArray, margin: float) -> FloatArray:
    """Return a signed field (mm) from forehead to chin and ear to ear, widened by a margin."""
    hairline = (z - 52) * 0.8 - y * 0.25
    ears = -(y + 46) + np.maximum(z + 12, 0) * 1.1  # behind the ears, then up to the temples
    collar = -(z + 174) + 0.4 * (60 - y)  # the throat stays
    return np.maximum(np.maximum(hairline, ears), collar) - margin


def face_region(
    x: FloatArray,
    y: FloatArray,
    z: FloatArray,
    skin: FloatArray,
    shell: float = SHELL_STEPS_MM[0],
    keep: Collection[str] = (),
) -> FloatArray:
    """Return the signed field of the face region (mm, negative inside).

    It is the union of three parts: the *midface*, a block in front of a curved wall behind the
    eyes, below the orbital roof; a *shell* over forehead, temples, cheeks and ears; and the air
    behind the head.

    Parameters
    ----------
    x, y, z : ndarray
        Coordinates (broadcastable), atlas mm.
    skin : ndarray, shape (X, Y, Z)
        Signed distance (mm) to the surface of the generic head, exact inside the head too.
    shell : float
        Depth (mm) of the shell.
    keep : sequence of str
        Keys of `KEEP_OPTIONS` that are not removed.

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


def face_skin_sector(
    x: FloatArray, y: FloatArray, z: FloatArray, keep: Collection[str] = ()
) -> FloatArray:
    """Return the signed field (mm, negative inside) of the sector whose skin identifies a person.

    It is a little smaller than `face_region`, so that voxels at the rim of the region do not
    count as skin that was left.
    """
    return _without(_sector(x, y, z, margin=0), keep, x, y, z, 3)


def _without(
    field: FloatArray,
    keep: Collection[str],
    x: FloatArray,
    y: FloatArray,
    z: FloatArray,
    margin: float,
) -> FloatArray:
    """Subtract the parts to keep, with a margin (mm), from a field."""
    for name in keep:
        for shape in KEEP_OPTIONS[name]:
            field = np.maximum(field, margin - shape.distance(x, y, z))
    return field


def brain_guard(z: FloatArray, brain: FloatArray) -> FloatArray:
    """Return the signed field (mm, negative inside) of the voxels that must not be changed.

    Parameters
    ----------
    z : ndarray
        Coordinate (broadcastable), atlas mm.
    brain : ndarray, shape (X, Y, Z)
        Signed distance (mm) to the surface of the brain.
    """
    below = np.clip((BASE_Z - z) / 12, 0, 1)
    return brain - (GUARD_MM + (BASE_GUARD_MM - GUARD_MM) * below)
