# SPDX-License-Identifier: Apache-2.0
"""The picture of a moving head: a function of the parameters of a frame alone.

Rays find the place on the generic face that each pixel shows; colours are functions of the place.
Where the lids are open, the pixel shows the eye behind them.
"""

from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.spatial.transform import Rotation

from facebids.core.arrays import BoolArray, FloatArray, IntArray
from facebids.core.attack.rays import Scene
from facebids.core.attack.render import direction
from facebids.mask import paint
from facebids.mask.basis import (
    EYE,
    EYE_RADIUS,
    FISSURE_HALF,
    JAW_OPEN_MM,
    MOVES,
    SCALE,
    Head,
    generic_head,
    lids,
)
from facebids.mask.paint import Look
from facebids.mask.parameters import SIZE, Frame

DISTANCE = 1200.0  # mm from the camera to the face
HEIGHT = 290.0  # mm of the picture's height at the face
SAME_MM = 6.0  # neighbouring rays that meet places closer than this met the same surface
LIP_MM = 40.0  # by which the lips count as apart for that
FRONT_DEG = 30.0  # of yaw and pitch: in a head turned less, nothing still hides what moves
OUTLINE_STEP, MARGIN = 7, 4  # every so many vertices, and pixels around them
LID_FOLLOWS = 0.5  # share of the vertical movement of the iris that the lids follow
SKIN_SHINE, EYE_SHINE = 0.06, 0.25
SIDES = ('left', 'right')


def render(frame: Frame, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """Return the picture of the mask for a frame.

    Parameters
    ----------
    frame : Frame
        If it is not confident, the stage is empty.
    size : tuple of 2 ints
        Width and height, pixels.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        RGB. The same for the same parameters, always.
    """
    return _generic_painter(size).picture(frame)


@lru_cache(maxsize=2)
def _generic_painter(size: tuple[int, int]) -> 'Painter':
    return Painter(generic_head(), size=size)


class Painter:
    """Draws one head in one look.

    Parameters
    ----------
    head : Head
    look : Look
    size : tuple of 2 ints
        Width and height of the picture, pixels.
    """

    def __init__(self, head: Head, look: Look | None = None, size: tuple[int, int] = SIZE) -> None:
        self.head, self.look, self.size = head, look or Look(), size
        self._moving = head.faces[head.moving]
        self._still = head.faces[~head.moving]
        self._still_scene = Scene(head.vertices, self._still)
        self._used, local = np.unique(self._moving, return_inverse=True)
        self._local = local.reshape(-1, 3).astype(np.int32)
        self._moves = head.moves[self._used].reshape(-1, len(MOVES))
        still = _around(self._still, len(head.vertices)) @ _areas(head.vertices, self._still)
        self._around = _around(self._local, len(self._used))
        self._still_share = still[self._used]
        moving = np.zeros_like(still)
        moving[self._used] = self._around @ _areas(head.vertices[self._used], self._local)
        self._normals = _unit(still + moving)
        self._outline = head.vertices[::OUTLINE_STEP]
        self._attributes = np.column_stack([head.places, head.lower_lip])

    def picture(
        self, frame: Frame, shift: tuple[float, float, float] = (0, 0, 0)
    ) -> NDArray[np.uint8]:
        """Return the picture of a frame.

        Parameters
        ----------
        frame : Frame
            If it is not confident, the stage is empty.
        shift : tuple of 3 floats
            Movement of the head before the camera, mm along the camera's axes.

        Returns
        -------
        ndarray of uint8, shape (height, width, 3)
            RGB.
        """
        width, height = self.size
        picture = np.empty((height, width, 3), np.uint8)
        picture[...] = self.look.wall
        if not frame.confident:
            return picture
        rotation = rotation_of(frame)
        camera = (rotation.T @ (np.array([0, DISTANCE, 0]) - np.array(shift))).astype(np.float32)
        seen, rays, found = self._surface(frame, rotation, camera)
        places, below, normals = found[:, :3], found[:, 3], _unit(found[:, 4:])
        colours = paint.skin_colours(places, self.look)
        inside, mouth = paint.mouth_colours(places, below, _gaps_mm(frame))
        colours[inside] = mouth
        shine = np.full(len(places), SKIN_SHINE, np.float32)
        for side in SIDES:
            self._paint_eye(frame, side, places, colours, normals, shine, camera, rays)
        light = (rotation.T @ direction(self.look.light)).astype(np.float32)
        lit = paint.shade(
            colours, shine, normals, -rays, light, rotation[1],
            self.look.contrast,
        )  # fmt: skip
        picture[seen] = lit.clip(0, 255)
        return picture

    def _surface(
        self, frame: Frame, rotation: FloatArray, camera: FloatArray
    ) -> tuple[BoolArray, FloatArray, FloatArray]:
        """Return which pixels show the head, their rays, and place, lip and normal of each.

        Every fourth pixel is looked up by rays, and those between neighbours that met the same
        surface are interpolated.
        """
        weights = np.array([getattr(frame, name) for name in MOVES], np.float32)
        vertices = self.head.vertices[self._used] + (self._moves @ weights).reshape(-1, 3)
        normals = self._normals.copy()
        normals[self._used] = _unit(
            self._still_share + self._around @ _areas(vertices, self._local)
        )
        scene = Scene(vertices, self._local)
        attributes = np.column_stack([self._attributes, normals])
        left, top, right, bottom = self._box(vertices, rotation, camera)
        grid = np.stack(
            np.meshgrid(np.arange(left, right + 1, 2), np.arange(top, bottom + 1, 2)), -1
        )
        front = max(abs(frame.yaw_deg), abs(frame.pitch_deg)) < FRONT_DEG
        cast = partial(self._cast, scene, attributes, camera, front)
        coarse = cast(_rays(grid, self.size) @ rotation)
        values, same = _between(coarse.reshape(*grid.shape[:2], -1))
        unsure = np.flatnonzero(~same)
        pixels = np.column_stack([left + unsure % (right - left), top + unsure // (right - left)])
        values.reshape(-1, values.shape[2])[unsure] = cast(_rays(pixels, self.size) @ rotation)
        width, height = self.size
        values = values[: height - top, : width - left]
        found = ~np.isnan(values[..., 0])
        y, x = np.nonzero(found)
        seen = np.zeros((height, width), bool)
        seen[top:bottom, left:right] = found
        pixels = np.column_stack([x + left, y + top])
        return seen, _rays(pixels, self.size) @ rotation, values[found]

    def _box(
        self, moved: FloatArray, rotation: FloatArray, camera: FloatArray
    ) -> tuple[int, int, int, int]:
        """Return left, top, right and bottom of the head: even pixels, within the picture."""
        sample = np.concatenate([self._outline, moved[::OUTLINE_STEP]])
        pixels = _project((sample - camera) @ rotation.T, self.size)
        limits = np.array(self.size) + 1
        low = np.clip(pixels.min(0) - MARGIN, 0, limits - 3).astype(int) // 2 * 2
        high = np.clip(pixels.max(0) + MARGIN, low + 2, limits).astype(int) // 2 * 2
        return int(low[0]), int(low[1]), int(high[0]), int(high[1])

    def _cast(
        self,
        moving: Scene,
        attributes: FloatArray,
        camera: FloatArray,
        front: bool,
        rays: FloatArray,
    ) -> FloatArray:
        """Return place, lip and normal where rays meet the head, NaN elsewhere."""
        rays = rays.reshape(-1, 3)
        near = moving.cast(np.broadcast_to(camera, rays.shape), rays)
        rest = np.flatnonzero(~near.found) if front else np.arange(len(rays))
        far = self._still_scene.cast(np.broadcast_to(camera, (len(rest), 3)), rays[rest])
        values = np.full((len(rays), attributes.shape[1]), np.nan, np.float32)
        farther = ~near.found[rest] | (far.distance < near.distance[rest])
        behind = far.found & farther
        nearer = near.found.copy()
        nearer[rest[behind]] = False
        for hits, faces, chosen, rows in (
            (near, self._moving, nearer, np.flatnonzero(nearer)),
            (far, self._still, behind, rest[behind]),
        ):
            corners = faces[hits.triangle[chosen]]
            u, v = hits.u[chosen, None], hits.v[chosen, None]
            values[rows] = (1 - u - v) * attributes[corners[:, 0]] + (
                u * attributes[corners[:, 1]] + v * attributes[corners[:, 2]]
            )
        return values

    def _paint_eye(
        self,
        frame: Frame,
        side: str,
        places: FloatArray,
        colours: FloatArray,
        normals: FloatArray,
        shine: FloatArray,
        camera: FloatArray,
        rays: FloatArray,
    ) -> None:
        """Paint an eye and the edges of its lids; change colours, normals and shine in place."""
        x, y, z = places.T
        outwards = x if side == 'right' else -x
        near = np.flatnonzero(
            (np.abs(outwards - EYE[0]) < FISSURE_HALF + 4) & (np.abs(z - EYE[2]) < 14) & (y > 40)
        )
        gaze = gaze_vector(
            getattr(frame, f'gaze_{side}_horizontal_deg'),
            getattr(frame, f'gaze_{side}_vertical_deg'),
        )
        t, upper, lower = lids(
            outwards[near],
            getattr(frame, f'lid_{side}'),
            LID_FOLLOWS * EYE_RADIUS * float(gaze[2]),
        )
        z = z[near]
        lashes = colours[near]
        paint.darken(lashes, paint.lashes(t, z - upper, lower - z))
        colours[near] = lashes
        open_ = (np.abs(t) < 1) & (z < upper) & (z > lower)
        eye = near[open_]
        radius = EYE_RADIUS * SCALE
        outward = _sphere(self.head.eyes[SIDES.index(side)], radius, camera, rays[eye])
        off = paint.iris_distance(outward, gaze, radius)
        colours[eye] = paint.eye_colours(t[open_], (upper - z)[open_], off, self.look)
        normals[eye] = _unit(outward + normals[eye])  # as wet skin, it has no dark edges
        shine[eye] = EYE_SHINE


def rotation_of(frame: Frame) -> FloatArray:
    """Return the rotation from head axes to camera axes: first yaw, then pitch, then roll."""
    matrix: FloatArray = Rotation.from_euler(
        'zxy', (frame.yaw_deg, frame.pitch_deg, -frame.roll_deg), degrees=True
    ).as_matrix()
    return matrix.astype(np.float32)


def gaze_vector(horizontal_deg: float, vertical_deg: float) -> FloatArray:
    """Return the direction of gaze in head axes: degrees to the left of the person, and up."""
    h, v = np.deg2rad((horizontal_deg, vertical_deg))
    return np.array([-np.sin(h) * np.cos(v), np.cos(h) * np.cos(v), np.sin(v)], np.float32)


def _gaps_mm(frame: Frame) -> tuple[float, float]:
    """Return the distances between the left and between the right halves of the lips, roughly."""
    left = frame.lip_up_left + frame.lip_down_left
    right = frame.lip_up_right + frame.lip_down_right
    return JAW_OPEN_MM * frame.jaw_open + 6 * left, JAW_OPEN_MM * frame.jaw_open + 6 * right


def _rays(pixels: IntArray, size: tuple[int, int]) -> FloatArray:
    """Return the directions of pixels (column, row) in camera axes."""
    width, height = size
    step = np.float32(HEIGHT / height)
    rays = np.empty((*pixels.shape[:-1], 3), np.float32)
    # The right side of the head appears on the left of the picture.
    rays[..., 0] = (width / 2 - 0.5 - pixels[..., 0]) * step
    rays[..., 1] = -DISTANCE
    rays[..., 2] = (height / 2 - 0.5 - pixels[..., 1]) * step
    directions: FloatArray = rays / np.sqrt(np.einsum('...i,...i', rays, rays))[..., None]
    return directions


def _project(points: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Return the pixels (column, row) of points given from the camera, in its axes."""
    width, height = size
    scale = DISTANCE / (HEIGHT / height) / points[:, 1]
    pixels: FloatArray = np.column_stack(
        [width / 2 - 0.5 + points[:, 0] * scale, height / 2 - 0.5 + points[:, 2] * scale]
    )
    return pixels


def _between(coarse: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Interpolate a grid to twice its density, and tell where its neighbours agree."""
    rows, columns, channels = coarse.shape
    values = np.empty((2 * rows - 2, 2 * columns - 2, channels), np.float32)
    a, b, c, d = coarse[:-1, :-1], coarse[:-1, 1:], coarse[1:, :-1], coarse[1:, 1:]
    values[::2, ::2] = a
    values[::2, 1::2] = (a + b) / 2
    values[1::2, ::2] = (a + c) / 2
    values[1::2, 1::2] = (a + b + c + d) / 4
    key = coarse[..., :4] * np.array([1, 1, 1, LIP_MM], np.float32)
    # comparisons with NaN are false
    across = np.all(np.abs(key[:, :-1] - key[:, 1:]) < SAME_MM, axis=-1)
    down = np.all(np.abs(key[:-1] - key[1:]) < SAME_MM, axis=-1)
    same = across[:-1] & across[1:] & down[:, :-1] & down[:, 1:]
    empty = np.isnan(coarse[..., 0])
    same |= empty[:-1, :-1] & empty[:-1, 1:] & empty[1:, :-1] & empty[1:, 1:]
    return values, same.repeat(2, 0).repeat(2, 1)


def _sphere(centre: FloatArray, radius: float, camera: FloatArray, rays: FloatArray) -> FloatArray:
    """Return the unit vector from the centre of a sphere to where rays meet or pass it."""
    towards = centre - camera
    along = rays @ towards
    behind = np.sqrt(np.maximum(radius**2 - (towards @ towards - along**2), 0))
    return _unit(camera + rays * (along - behind)[:, None] - centre)


def _areas(vertices: FloatArray, faces: IntArray) -> FloatArray:
    """Return the normal of each triangle, as long as twice its area."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    e, f = b - a, c - a
    areas: FloatArray = np.stack(
        [
            e[:, 1] * f[:, 2] - e[:, 2] * f[:, 1],
            e[:, 2] * f[:, 0] - e[:, 0] * f[:, 2],
            e[:, 0] * f[:, 1] - e[:, 1] * f[:, 0],
        ],
        1,
    )
    return areas


def _around(faces: IntArray, count: int) -> csr_matrix:
    """Return the matrix that sums over the triangles around each vertex."""
    rows = faces.ravel()
    columns = np.repeat(np.arange(len(faces)), 3)
    ones = np.ones(len(rows), np.float32)
    return csr_matrix((ones, (rows, columns)), shape=(count, len(faces)))


def _unit(vectors: FloatArray) -> FloatArray:
    units: FloatArray = vectors / np.sqrt(np.einsum('ij,ij->i', vectors, vectors) + 1e-12)[:, None]
    return units
