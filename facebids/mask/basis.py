# SPDX-License-Identifier: Apache-2.0
"""A head that moves: the skin of the head atlas with an expression basis, and two eyes.

Each point of the skin keeps its place on the generic face of the head atlas ("place", atlas mm).
Movements and colours are functions of that place, so that they fit every identity of the atlas.
The numbers are atlas mm; a millimetre of a head is `SCALE` of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import TypeAlias

import numpy as np

from facebids.core.arrays import BoolArray, FloatArray, IntArray
from facebids.core.atlas import EXTENT, Identity, build_skin, typical_identity

SCALE = 0.88  # size of an adult head, relative to the atlas
RESOLUTION = 3.5  # mm between vertices
NECK_MM = 120.0  # lengthening of the neck beyond the atlas
MOUTH_Z, MOUTH_HALF = -121.5, 19.5  # line between the lips, and its half width
EYE = (33.0, 61.5, -46.0)  # about the centre of the right eye
EYE_RADIUS = 13.2  # 11.6 mm in life
IRIS_RADIUS = 5.85 / SCALE  # 11.7 mm wide in life
FISSURE_HALF = 15.5  # half width of the opening between the lids
FISSURE_Z = -47.0  # its height at the middle between the corners of the eye
IRIS_LIFT_MM = 5.3  # of the centre of the iris above the edge of the lower lid, in life
UPPER_SHARE, LOWER_SHARE = 0.88, 0.12  # of the opening that each lid makes
OPENING_MM = 9.5  # between the lids of the neutral face, in life

Bump: TypeAlias = tuple[tuple[float, float, float], float, tuple[float, float, float]]
# Movements of the right half of the face (x > 0): bumps as (place, width, displacement), where the
# displacement is in mm of life for a coefficient of 1. +x is outwards.
SIDED: Mapping[str, tuple[Bump, ...]] = {
    'brow_up': (((34, 82, -25), 14, (0, 0, 8)), ((34, 84, -6), 16, (0, 0, 3))),
    'brow_down': (((26, 84, -25), 14, (-1.5, 0, -6)),),
    'cheek_up': (((46, 62, -74), 15, (0, 2, 6)),),
    'nose_wrinkle': (((14, 88, -90), 9, (0, 0, 4)),),
    'smile': (((21, 72, -121.5), 12, (7, -3, 7.1)), ((36, 66, -104), 15, (1, 2, 2))),
    'frown': (((21, 72, -121.5), 12, (0, 0, -8)),),
    'lip_up': (((10, 78, -114), 9, (0, 0, 6)),),
    'lip_down': (((10, 78, -129), 9, (0, 0, -6)),),
}
JAW_OPEN_MM, JAW_SIDE_MM, MOUTH_SIDE_MM, PUCKER_MM = 40.0, 10.0, 10.0, 10.0
MOVES = (
    'jaw_open',
    'jaw_side',
    'mouth_side',
    *(f'{name}_{side}' for name in SIDED for side in ('left', 'right')),
    'pucker',
)


@dataclass(frozen=True)
class Head:
    """A head that can move. Lengths in mm; the face looks along +y, z is up and +x is its right.

    Parameters
    ----------
    places : ndarray, shape (V, 3)
        Place of each vertex on the generic face, atlas mm.
    vertices : ndarray, shape (V, 3)
        Neutral skin.
    faces : ndarray, shape (F, 3)
        Triangles of the skin.
    eyes : ndarray, shape (2, 3)
        Centres of the left and of the right eye.
    """

    places: FloatArray
    vertices: FloatArray
    faces: IntArray
    eyes: FloatArray

    @cached_property
    def moves(self) -> FloatArray:
        """Displacement of each vertex for a coefficient of 1, shape (V, 3, len(MOVES))."""
        return displacements(self.places)

    @cached_property
    def lower_lip(self) -> FloatArray:
        """0 for vertices above the line between the lips and 1 below, shape (V,)."""
        return (self.places[:, 2] < MOUTH_Z).astype(np.float32)

    @cached_property
    def moving(self) -> BoolArray:
        """Which triangles any movement displaces."""
        vertices = np.abs(self.moves).max((1, 2)) > 0.05
        found: BoolArray = vertices[self.faces].any(1)
        return found

    def locate(self, places: FloatArray) -> tuple[IntArray, FloatArray]:
        """Return the triangle under places of the front of the face, and barycentric weights.

        Parameters
        ----------
        places : ndarray, shape (N, 2)
            Coordinates x and z on the generic face, atlas mm.

        Returns
        -------
        corners : ndarray, shape (N, 3)
            Indices of vertices.
        weights : ndarray, shape (N, 3)
        """
        from facebids.core.attack.rays import Scene

        origins = np.column_stack([places[:, 0], np.full(len(places), 300.0), places[:, 1]])
        hits = Scene(self.places, self.faces).cast(
            origins, np.broadcast_to([0.0, -1.0, 0.0], origins.shape)
        )
        weights = np.stack([1 - hits.u - hits.v, hits.u, hits.v], 1)
        return self.faces[hits.triangle], weights


def build_head(identity: Identity, scale: float = SCALE, resolution: float = RESOLUTION) -> Head:
    """Build the head of an identity of the atlas.

    Parameters
    ----------
    identity : Identity
    scale : float
        Size relative to the atlas.
    resolution : float
        Distance of vertices, atlas mm.
    """
    from skimage.measure import marching_cubes

    points, faces, _, _ = marching_cubes(build_skin(resolution, identity), 0)
    points = points * resolution + [low for low, _ in EXTENT]
    points, faces = _refine(points, faces, _around_mouth(points, faces), 2)
    places = identity.places(points)
    points[:, 2] -= NECK_MM * step((EXTENT[2][0] + 4 - points[:, 2]) / 3)
    centre = np.array([0.0, 40.0, -50.0])
    skin = Head(
        places.astype(np.float32),
        ((points - centre) * scale).astype(np.float32),
        np.ascontiguousarray(faces, np.int32),
        np.zeros((2, 3), np.float32),
    )
    return replace(skin, eyes=np.stack([_eye(skin, -1), _eye(skin, 1)]))


def _eye(head: Head, sign: int) -> FloatArray:
    """Return the centre of an eye: behind the lids, at the middle between their corners."""
    x, half_width = sign * EYE[0], FISSURE_HALF - 0.5
    lower = float(lids(np.array([EYE[0]]), 1.0)[2][0])
    places = [(x - half_width, FISSURE_Z), (x + half_width, FISSURE_Z), (x, lower)]
    corners, weights = head.locate(np.array(places, np.float32))
    a, b, lid = (head.vertices[corners] * weights[..., None]).sum(1)
    depth = lid[1] - EYE_RADIUS * SCALE
    return np.array([(a[0] + b[0]) / 2, depth, lid[2] + IRIS_LIFT_MM], np.float32)


@cache
def generic_head() -> Head:
    """Return the head of the mask, which is nobody's."""
    return build_head(typical_identity())


def lids(
    x: FloatArray, opening: float, lift: float = 0.0
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the edges of the lids of the right eye.

    Parameters
    ----------
    x : ndarray
        Atlas mm.
    opening : float
        1 is `OPENING_MM` at the middle of the eye.
    lift : float
        By which both edges are higher at the middle of the eye, atlas mm.

    Returns
    -------
    t : ndarray
        Position between the inner corner, -1, and the outer one, 1.
    upper, lower : ndarray
        Heights of the edges, atlas mm.
    """
    t = (x - EYE[0]) / FISSURE_HALF
    arch = np.sqrt(np.maximum(1 - np.abs(t) ** 2.2, 0))
    full = OPENING_MM / SCALE * arch
    closed = FISSURE_Z + t - 0.3 * full + lift * arch  # the outer corner is higher
    return t, closed + UPPER_SHARE * opening * full, closed - LOWER_SHARE * opening * full


def displacements(places: FloatArray) -> FloatArray:
    """Return the displacement at places of the generic face for each of `MOVES`, mm of life.

    Parameters
    ----------
    places : ndarray, shape (N, 3)
        Atlas mm.

    Returns
    -------
    ndarray of float32, shape (N, 3, len(MOVES))
    """
    x, y, z = places.T
    lower, front = _below_mouth(places), step((y - 5) / 45)
    jaw = lower * front * step((z + 180) / 20)
    found = np.zeros((len(places), 3, len(MOVES)), np.float32)
    column = {name: found[:, :, index] for index, name in enumerate(MOVES)}
    column['jaw_open'][...] = JAW_OPEN_MM * jaw[:, None] * (0, -0.3, -1)
    column['jaw_side'][:, 0] = -JAW_SIDE_MM * jaw
    mouth = _bump(places, (0, 78, MOUTH_Z), 20)
    column['mouth_side'][:, 0] = -MOUTH_SIDE_MM * mouth
    for name, bumps in SIDED.items():
        for side, sign in (('left', -1), ('right', 1)):
            target = column[f'{name}_{side}']
            for centre, width, vector in bumps:
                cx, cy, cz = centre
                weight = _bump(places, (sign * cx, cy, cz), width) * half(sign * x)
                if name in ('lip_up', 'lip_down'):
                    weight = weight * (lower if name == 'lip_down' else 1 - lower)
                target += weight[:, None] * np.multiply(vector, (sign, 1, 1))
    inwards = _bump(places, (20, 73, MOUTH_Z), 13) - _bump(places, (-20, 73, MOUTH_Z), 13)
    column['pucker'][:, 0] = -PUCKER_MM * inwards
    column['pucker'][:, 1] = 4 * mouth
    return found


def _bump(places: FloatArray, centre: tuple[float, float, float], width: float) -> FloatArray:
    square = ((places - np.array(centre, np.float32)) ** 2).sum(1) / (2 * width**2)
    return np.where(square < 6, np.exp(-square), 0)


def step(t: FloatArray) -> FloatArray:
    """Return a smooth step from 0 at t = 0 to 1 at t = 1."""
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


def half(x: FloatArray) -> FloatArray:
    """Return the weight of a half of the face, which fades within 8 mm around the midline."""
    return step((x + 4) / 8)


def _below_mouth(places: FloatArray) -> FloatArray:
    """Return how far the lower jaw carries places along: a cut between the lips, soft beside."""
    x, _, z = places.T
    arch = np.sqrt(np.maximum(1 - (x / MOUTH_HALF) ** 2, 0))
    return arch * (z < MOUTH_Z) + (1 - arch) * step((MOUTH_Z - z) / 26 + 0.5)


def _around_mouth(points: FloatArray, faces: IntArray) -> BoolArray:
    x, y, z = np.moveaxis(points[faces].mean(1), -1, 0)
    found: BoolArray = (np.abs(x) < 26) & (np.abs(z - MOUTH_Z) < 7) & (y > 40)
    return found


def _refine(
    points: FloatArray, faces: IntArray, chosen: BoolArray, times: int
) -> tuple[FloatArray, IntArray]:
    """Split chosen triangles into four, a number of times."""
    rest, fine = faces[~chosen], faces[chosen]
    for _ in range(times):
        edges = np.sort(np.concatenate([fine[:, [0, 1]], fine[:, [1, 2]], fine[:, [2, 0]]]), 1)
        unique, index = np.unique(edges, axis=0, return_inverse=True)
        a, b, c = fine.T
        ab, bc, ca = len(points) + index.reshape(3, -1)
        points = np.concatenate([points, points[unique].mean(1)])
        corners = ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
        fine = np.concatenate([np.stack(corner, 1) for corner in corners])
    return points, np.concatenate([rest, fine])
