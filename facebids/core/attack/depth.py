# SPDX-License-Identifier: Apache-2.0
"""The face as a depth map: distance of the skin from a vertical axis through the head.

A map is an array of radii (mm), a row a height and a column an angle, NaN where the scan does
not tell. It stands in the face frame: RAS mm, the head turned and moved, never scaled, until its
face lies best on the generic one. Unlike a frontal depth map it shows cheeks and temples without
foreshortening (cylindrical face maps: Blanz & Vetter, 1999, SIGGRAPH, section 3).
"""

from functools import cache

import numpy as np
from nibabel.affines import apply_affine
from scipy import ndimage

from facebids.core.attack.rays import Scene

ANGLES = np.deg2rad(np.arange(-76, 76.1, 2.0))  # from straight ahead, positive to the right
HEIGHTS = np.arange(-125, 35.1, 2.5)  # mm: throat to hairline
AXIS_Y = 0.0  # mm: where the axis stands
OUTSIDE_MM = 170.0  # radius from which rays start
DEEPEST_MM = 25.0  # nothing nearer to the axis is a face
AIR_MM, RIM_MM = 4.0, 2.0  # air that must be in view before the skin, and how far from the rim
GENERIC_SIZE = 0.88  # an average head's size over the atlas's
GRAZING = 0.3  # least cosine between ray and normal at which a depth can be trusted
PIVOT = np.array([0.0, 50.0, -50.0])  # what small rotations turn about, mm
INLIERS = 0.8  # share of the map that has to fit: a mouth may have opened, a tooth be of metal

SHAPE = (len(HEIGHTS), len(ANGLES))
RAYS = np.stack(
    np.broadcast_arrays(np.sin(ANGLES), np.cos(ANGLES), np.zeros((len(HEIGHTS), 1))), -1
)  # outwards, shape (H, A, 3)
AXIS = np.stack(
    np.broadcast_arrays(np.zeros(len(ANGLES)), AXIS_Y, HEIGHTS[:, None]), -1
)  # where they start, shape (H, A, 3)


def points(depth):
    """Points of a map, shape (H, A, 3), mm."""
    return AXIS + depth[..., None] * RAYS


def normals(depth):
    """Outward unit normals of a map without NaN, shape (H, A, 3)."""
    surface = points(depth)
    normal = np.cross(np.gradient(surface, axis=0), np.gradient(surface, axis=1))
    normal *= np.sign((normal * RAYS).sum(-1, keepdims=True))
    return normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)


def measure(scene, in_view, to_face=None):
    """Measure a map.

    Parameters
    ----------
    scene : Scene
        The skin.
    in_view : callable
        Whether points, shape (..., 3) in the scene's frame, lie in the field of view.
    to_face : ndarray, shape (4, 4), optional
        Rigid, scene to face frame; they are the same unless given.

    Returns
    -------
    ndarray, shape (H, A)
        NaN where there is no skin, or none that can be told from the rim of the field of view.
    """
    back = np.eye(4) if to_face is None else np.linalg.inv(to_face)
    origins = apply_affine(back, AXIS + OUTSIDE_MM * RAYS)
    inwards = -RAYS @ back[:3, :3].T
    hits = scene.cast(origins.reshape(-1, 3), inwards.reshape(-1, 3))
    distance = hits.distance.reshape(SHAPE)
    depth = OUTSIDE_MM - distance
    known = in_view(origins + (distance - AIR_MM)[..., None] * inwards)
    return np.where((depth > DEEPEST_MM) & known, depth, np.nan)


def field_of_view(affine, shape):
    """Return the test that `measure` asks for: whether a point lies well inside an image.

    Parameters
    ----------
    affine : ndarray, shape (4, 4)
        Voxel indices to the points' frame, mm.
    shape : tuple of 3 ints
    """
    to_index = np.linalg.inv(affine)
    margin = RIM_MM / np.linalg.norm(affine[:3, :3], axis=0)

    def in_view(where):
        index = apply_affine(to_index, where)
        return ((index > margin) & (index < np.array(shape) - 1 - margin)).all(-1)

    return in_view


@cache
def generic():
    """Return the map of the generic face at an average head's size, and its normals.

    Returns
    -------
    depth : ndarray, shape (H, A)
        Without NaN: under the chin, where there is none, the nearest skin above goes on.
    normal : ndarray, shape (H, A, 3)
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


def align(depth, rounds=8):
    """Turn and move a face until it lies on the generic one.

    Point-to-plane iterative closest points (Chen & Medioni, 1992, Image Vis. Comput. 10:145)
    with the nearest 80 % of the points (Chetverikov et al., 2005, Image Vis. Comput. 23:299);
    along a ray instead of to the closest point, which a map gives without a search.

    Parameters
    ----------
    depth : ndarray, shape (H, A)
        Map of the face in a frame near the face frame.
    rounds : int

    Returns
    -------
    ndarray, shape (4, 4)
        Rigid, the map's frame to the face frame; the identity where too little can be seen, or
        where the points leave the map.
    """
    target, normal = generic()
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


def _step(cloud, target, normal):
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


def _rotation(vector):
    from scipy.spatial.transform import Rotation

    return Rotation.from_rotvec(vector).as_matrix()
