# SPDX-License-Identifier: Apache-2.0
"""Where the head was cut: what a face mask takes of the generic head, carried to an image."""

from functools import cache
from typing import Any

import numpy as np
from nibabel.affines import apply_affine

from facebids.core.arrays import BoolArray, FloatArray
from facebids.core.atlas import SHELL_STEPS_MM, generic_atlas
from facebids.core.atlas.anatomy import EYES, SKULL_MM, Tissue, both
from facebids.core.atlas.geometry import Ellipsoid
from facebids.core.grids import grid_points

# Points on the skin of the generic head, atlas mm: the deepest one between brow and nose, and
# those in front of the ears.
NASION = np.array((0.0, 85.0, -44.0))
PREAURICULAR = np.array(((78.0, -5.0, -52.0), (-78.0, -5.0, -52.0)))
PARTS = {
    'eyes': EYES,
    'nose': (Ellipsoid((0, 88, -78), (20, 22, 32)),),
    'mouth': (Ellipsoid((0, 72, -121), (26, 22, 12)),),
    'chin': (Ellipsoid((0, 57, -152), (21, 19, 15)),),
    'ears': both(Ellipsoid((85, -27, -52), (6, 19, 31), roll=12)),
}
MIDPLANE_MM = 10.0  # from the plane, atlas mm
SPACING_MM = 2.0  # of the points, atlas mm


def measure_cut(mask: BoolArray, image_affine: FloatArray, affine: FloatArray) -> dict[str, Any]:
    """Measure which parts of the generic head a mask takes, and how far it reaches.

    The generic head stands in for that of the subject, as it does for the mask.

    Parameters
    ----------
    mask : shape (X, Y, Z)
        Voxels that are replaced.
    image_affine : shape (4, 4)
        Voxel indices to subject RAS mm.
    affine : shape (4, 4)
        Atlas RAS mm to subject RAS mm.

    Returns
    -------
    dict
        The fields of `record.Coverage` that begin with ``cut_``: shares, and lengths in mm of the
        subject along the axes of the atlas. Empty if the mask takes nothing of the head.
    """
    points, parts = _generic_head()
    seen, taken = _lookup(points, mask, image_affine, affine)
    if not taken.any():
        return {}
    size = np.linalg.norm(affine[:3, :3], axis=0)
    cut = (points[taken] - NASION) * size
    landmarks = np.concatenate([NASION[None], PREAURICULAR])
    middle = np.abs(points[taken][:, 0]) < MIDPLANE_MM
    return {
        **{f'cut_{name}': _share(taken, seen & part) for name, part in parts.items()},
        'cut_above_mm': float(cut[:, 2].max()),
        'cut_below_mm': float(-cut[:, 2].min()),
        'cut_behind_mm': float(-cut[:, 1].min()),
        'cut_midplane_mm': float(-cut[middle, 1].min()) if middle.any() else None,
        'cut_landmarks': int(_lookup(landmarks, mask, image_affine, affine)[1].sum()),
    }


@cache
def _generic_head() -> tuple[FloatArray, dict[str, BoolArray]]:
    """Return the points of the generic head, shape (N, 3), and which of them make its parts.

    Of the inside of the head, those of the deepest face region and of the skull suffice.
    """
    atlas = generic_atlas(SPACING_MM)
    skull = np.isin(atlas.labels, (Tissue.BONE, Tissue.MARROW)) & (atlas.brain < SKULL_MM)
    where = (atlas.skin < 0) & ((atlas.face_region(SHELL_STEPS_MM[-1]) < 0) | skull)
    points = grid_points(atlas, where)
    x, y, z = points.T
    parts = {
        name: np.any([shape.distance(x, y, z) < 0 for shape in shapes], axis=0)
        for name, shapes in PARTS.items()
    }
    return points, {**parts, 'skull': skull[where]}


def _lookup(
    points: FloatArray, mask: BoolArray, image_affine: FloatArray, affine: FloatArray
) -> tuple[BoolArray, BoolArray]:
    """Return which points of the atlas lie in the field of view, and which in the mask."""
    index = np.rint(apply_affine(np.linalg.inv(image_affine) @ affine, points)).astype(int)
    seen = ((index >= 0) & (index < mask.shape)).all(axis=1)
    taken = seen.copy()
    taken[seen] = mask[tuple(index[seen].T)]
    return seen, taken


def _share(taken: BoolArray, part: BoolArray) -> float | None:
    return float(taken[part].mean()) if part.any() else None
