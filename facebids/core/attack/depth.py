# SPDX-License-Identifier: Apache-2.0
"""The face as a depth map: distance of the skin from a vertical axis through the head.

A depth map holds radii (mm). Its rows are heights and its columns angles; NaN marks cells where
the scan does not show the skin. Maps are measured in the face frame: RAS mm, with the head rotated
and translated, never scaled, so that its face is aligned with the generic face. Unlike a frontal
depth map, a cylindrical one shows cheeks and temples without foreshortening (Blanz & Vetter, 1999,
SIGGRAPH, section 3).
"""

from collections.abc import Callable
from functools import cache
from typing import TypeAlias

import numpy as np
from nibabel.affines import apply_affine
from scipy import ndimage

from facebids.core.arrays import BoolArray, FloatArray
from facebids.core.attack.rays import Scene

ANGLES = np.deg2rad(np.arange(-76, 76.1, 2.0))  # from straight ahead, positive to the right
HEIGHTS = np.arange(-125, 35.1, 2.5)  # mm: throat to hairline
AXIS_Y = 0.0  # mm: position of the axis
OUTSIDE_MM = 170.0  # radius at which rays start
DEEPEST_MM = 25.0  # a face lies farther from the axis
AIR_MM, RIM_MM = 4.0, 2.0  # air that must be in view before the skin, and distance from the rim
GENERIC_SIZE = 0.88  # size of an average head relative to the atlas
GRAZING = 0.3  # least cosine between ray and normal at which a depth is reliable
PIVOT = np.array([0.0, 50.0, -50.0])  # centre of small rotations, mm
INLIERS = 0.8  # share of the map that has to fit: a mouth may be open, a tooth may be of metal

SHAPE = (len(HEIGHTS), len(ANGLES))
RAYS = np.stack(
    np.broadcast_arrays(np.sin(ANGLES), np.cos(ANGLES), np.zeros((len(HEIGHTS), 1))), -1
)  # outward directions, shape (H, A, 3)
AXIS = np.stack(
    np.broadcast_arrays(np.zeros(len(ANGLES)), AXIS_Y, HEIGHTS[:, None]), -1
)  # their points on the axis, shape (H, A, 3)

InView: TypeAlias = Callable[[FloatArray], BoolArray]  # points (..., 3) to shape (...)


def points(depth: FloatArray) -> FloatArray:
    """Return the points of a map, face frame, mm, shape (H, A, 3)."""
    return AXIS + depth[..., None] * RAYS


def normals(depth: FloatArray) -> FloatArray:
    """Return the outward unit normals of a map without NaN, shape (H, A, 3)."""
    surface = points(depth)
    normal = np.cross(np.gradient(surface, axis=0), np.gradient(surface, axis=1))
    normal *= np.sign((normal * RAYS).sum(-1, keepdims=True))
    return normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)


def measure(scene: Scene, in_view: InView, to_face: FloatArray | None = None) -> FloatArray:
    """Measure the depth map of a face.

    Parameters
    ----------
    scene : Scene
        The skin, mm.
    in_view : callable
        Whether points, shape (..., 3) in the frame of the scene, lie in the field of view.
    to_face : ndarray, shape (4, 4), optional
        Rigid, frame of the scene to face frame; by default the two are the same.

    Returns
    -------
    ndarray, shape (H, A)
        Radii, mm. NaN where no ray meets skin, or where the skin is too close to the rim of the
        field of view.
    """
    back = np.eye(4) if to_face is None else np.linalg.inv(to_face)
    origins = apply_affine(back, AXIS + OUTSIDE_MM * RAYS)
    inwards = -RAYS @ back[:3, :3].T
    hits = scene.cast(origins.reshape(-1, 3), inwards.reshape(-1, 3))
    distance = hits.distance.reshape(SHAPE)
    depth = OUTSIDE_MM - distance
    known = in_view(origins + (distance - AIR_MM)[..., None] * inwards)
    return np.where((depth > DEEPEST_MM) & known, depth, np.nan)


def field_of_view(affine: FloatArray, shape: tuple[int, ...]) -> InView:
    """Return a function that tells which points lie well inside an image, for `measure`.

    Parameters
    ----------
    affine : ndarray, shape (4, 4)
        Voxel indices to the frame of the points, mm.
    shape : tuple of 3 ints
        Of the image, voxels.
    """
    to_index = np.linalg.inv(affine)
    margin = RIM_MM / np.linalg.norm(affine[:3, :3], axis=0)

    def in_view(where: FloatArray) -> BoolArray:
        index = apply_affine(to_index, where)
        inside: BoolArray = ((index > margin) & (index < np.array(shape) - 1 - margin)).all(-1)
        return inside

    return in_view


@cache
def generic_face() -> tuple[FloatArray, FloatArray]:
    """Return the depth map of the generic face at the size of an average head, and its normals.

    Returns
    -------
    depth : ndarray, shape (H, A)
        Radii, mm, without NaN: under the chin, the map repeats the nearest skin above.
    normal : ndarray, shape (H, A, 3)
        Outward unit normals.
    """
    from skimage.measure import marching_cubes

    from facebids.core.atlas import generic_atlas

    atlas = generic_atlas(2.0)
    corners, faces, _, _ = marching_cubes(atlas.skin, 0)
    corners = apply_affine(atlas.affine, corners) * GENERIC_SIZE
    depth = measure(Scene(corners, faces), lambda where: np.ones(where.shape[:-1], bool))
    nearest = ndimage.distance_transform_edt(
        np.isnan(depth), return_distances=False, return_indices=True
    )
    depth = depth[tuple(nearest)]
    return depth, normals(depth)


def align(depth: FloatArray, rounds: int = 8) -> FloatArray:
    """Align a face with the generic face by a rigid motion.

    Point-to-plane iterative closest points (Chen & Medioni, 1992, Image Vis. Comput. 10:145),
    trimmed to the nearest 80 % of the points (Chetverikov et al., 2005, Image Vis. Comput.
    23:299). Corresponding points lie on the same ray, so that no search for the closest point is
    needed.

    Parameters
    ----------
    depth : ndarray, shape (H, A)
        Depth map of the face in a frame near the face frame, mm.
    rounds : int
        Iterations at most.

    Returns
    -------
    ndarray, shape (4, 4)
        Rigid, frame of the map to face frame. The identity if less than a quarter of the map is
        known, or if the points leave the map.
    """
    target, normal = generic_face()
    known = ~np.isnan(depth)
    rigid = np.eye(4)
    if known.mean() < 0.25:
        return rigid
    cloud = points(depth)[known]
    for _ in range(rounds):
        step = _step(apply_affine(rigid, cloud), target, normal)
        if step is None:
            return np.eye(4)
        rigid = step @ rigid
        if np.abs(step[:3, 3]).max() < 0.02:
            break
    return rigid


def _step(cloud: FloatArray, target: FloatArray, normal: FloatArray) -> FloatArray | None:
    """One linearised least-squares step of the alignment, None without a point to compare."""
    angle = np.arctan2(cloud[:, 0], cloud[:, 1] - AXIS_Y)
    radius = np.hypot(cloud[:, 0], cloud[:, 1] - AXIS_Y)
    index = [
        (cloud[:, 2] - HEIGHTS[0]) / (HEIGHTS[1] - HEIGHTS[0]),
        (angle - ANGLES[0]) / (ANGLES[1] - ANGLES[0]),
    ]
    there = ndimage.map_coordinates(target, index, order=1, cval=np.nan)
    row, column = (
        np.clip(np.rint(i).astype(int), 0, size - 1)
        for i, size in zip(index, target.shape, strict=True)
    )
    facing = normal[row, column]
    cosine = facing[:, 0] * np.sin(angle) + facing[:, 1] * np.cos(angle)
    gap = (radius - there) * cosine
    use = ~np.isnan(gap) & (cosine > GRAZING)
    if not use.any():
        return None
    use &= np.abs(gap) <= max(np.quantile(np.abs(gap[use]), INLIERS), 1.0)
    facing, arm = facing[use], cloud[use] - PIVOT
    system = np.concatenate([facing, np.cross(arm, facing)], axis=1)
    move = np.linalg.lstsq(system, -gap[use], rcond=None)[0]
    step = np.eye(4)
    step[:3, :3] = _rotation(move[3:])
    step[:3, 3] = move[:3] + PIVOT - step[:3, :3] @ PIVOT
    return step


def _rotation(vector: FloatArray) -> FloatArray:
    from scipy.spatial.transform import Rotation

    matrix: FloatArray = Rotation.from_rotvec(vector).as_matrix()
    return matrix
