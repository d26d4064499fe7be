# SPDX-License-Identifier: Apache-2.0
"""Decoys: the faces of people who do not exist, in the very scan that is attacked.

A score says little by itself: two scans of one style look alike whoever they show. Decoys have the
style of the scan. Each is the head with its whole face replaced by that of a phantom, bent to meet
the head beside it, on the same voxels, posed and enrolled as the head itself. What is outside of
the face is the same in all. So a defaced head that shows the person is nearer to the original than
to the decoys, and one that does not is not.

This is score normalisation by a cohort (Auckenthaler, Carey & Lloyd-Thomas, 2000, Digit. Signal
Process. 10:42), with a cohort made for each scan.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from nibabel.affines import apply_affine
from scipy import ndimage

from facebids.core import grids
from facebids.core.arrays import AnyArray, BoolArray, FloatArray, IntArray
from facebids.core.atlas import SHELL_STEPS_MM, build_skin, draw_identity, generic_atlas
from facebids.core.attack import completion, depth, engines, recognition, render, surface
from facebids.core.attack.attacker import AttackResult
from facebids.core.attack.engines import FaceTemplate
from facebids.core.attack.head import Head, moved
from facebids.core.attack.recognition import NO_BOX, Recognition
from facebids.core.attack.surface import Level, Mesh
from facebids.core.grids import carry_over, rescale
from facebids.core.images import Volume
from facebids.errors import NotAHeadError

COUNT = 10  # decoys
SEED = 2000  # of their faces, the same for every image
VIEWS = 3  # random views with a face that decoys are rendered in
RESOLUTION = 2.0  # mm, of the faces
REACH_MM, FADE_MM = 12.0, 25.0  # as a new face is bent in `defacing.paint`
NEAR_MM = 8.0  # from the phantom's skin: what is farther away does not bend it
COARSE_MM = 4.0  # grid of the bending
FRONT_Y, FACE_TOP = -60.0, 80.0  # atlas mm: what is farther back or up is not rendered
ROUGH_MM = 2.0  # Gaussian of the roughness of skin in a scan
# A simulated rescan: turned voxels, and skin displaced smoothly as on another day.
TURN_DEG, SHIFT_MM, SMOOTH_MM = 7.0, 0.5, 8.0


@dataclass(frozen=True)
class Panel:
    """Face templates of a head and of its decoys, all made in the same way.

    Attributes
    ----------
    original
        By the name of the engine.
    rescan
        Of the same head, as another scan would show it.
    decoys
        Of the decoys.
    """

    original: dict[str, FaceTemplate]
    rescan: dict[str, FaceTemplate]
    decoys: tuple[dict[str, FaceTemplate], ...]

    def to_arrays(self) -> dict[str, AnyArray]:
        """Return the arrays by name, to be saved."""
        members = (self.original, self.rescan, *self.decoys)
        return {
            f'{number:02d}/{name}': array
            for number, member in enumerate(members)
            for name, array in engines.pack(member).items()
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> 'Panel | None':
        """Restore from the arrays of `to_arrays`; None from no arrays."""
        members: dict[str, dict[str, AnyArray]] = {}
        for key, array in arrays.items():
            number, _, name = key.partition('/')
            members.setdefault(number, {})[name] = array
        if not members:
            return None
        original, rescan, *decoys = (engines.unpack(members[number]) for number in sorted(members))
        return cls(original, rescan, tuple(decoys))


class Sight(NamedTuple):
    """How a head is looked at: pose, field of view, views, and boxes of the face in them."""

    pose: FloatArray
    in_view: depth.InView
    views: tuple[render.View, ...]
    boxes: IntArray


def panel(
    volume: Volume,
    affine: FloatArray,
    seed: int,
    pose: FloatArray,
    boxes: IntArray,
    count: int = COUNT,
) -> Panel:
    """Enrol a head, a simulated rescan of it, and decoys.

    Parameters
    ----------
    volume : Volume
        The image before defacing.
    affine : ndarray, shape (4, 4)
        Atlas RAS mm to scanner RAS mm.
    seed : int
        Random seed of the views, as of the attack.
    pose : ndarray, shape (4, 4)
        Scanner RAS mm to face frame, as of the attack.
    boxes : ndarray of int, shape (V, 4)
        Of the faces in the views of the attack.
    count : int
        Number of decoys.

    Raises
    ------
    NotAHeadError
        If the foreground does not have the size of a head.
    """
    level = surface.head_level(volume.data, volume.affine, hounsfield=volume.hounsfield)
    level = face_of(level, affine)
    sight = sight_of(volume, seed, pose, boxes)
    original = look(level, sight)
    place = Place.of(level, affine, original.mesh.vertices, np.linalg.inv(pose))
    painted = _decoys(level, place, sight, roughness(original.depth), count)
    return Panel(
        engines.enrol(original),
        engines.enrol(look(rescan(level, seed), sight)),
        tuple(engines.enrol(decoy) for decoy in painted),
    )


def enrol(
    volumes: Sequence[Volume], affine: FloatArray, seed: int, original: AttackResult
) -> Panel | None:
    """Enrol the panel of an image that was attacked, None where no head is found in it.

    Parameters
    ----------
    volumes : sequence of Volume
        Of the image before defacing, as they were attacked.
    affine : ndarray, shape (4, 4)
        Atlas RAS mm to scanner RAS mm.
    seed : int
        Random seed of the attack.
    original : AttackResult
        The attack on the image.
    """
    for volume in volumes:
        try:
            return panel(volume, affine, seed, original.pose, original.recognition.boxes)
        except NotAHeadError:
            continue
    return None


def _decoys(
    level: Level, place: 'Place', sight: 'Sight', rough: float, count: int
) -> Iterator[Head]:
    """Yield the decoys, as rough as the head."""
    faces = _faces(count)
    smooth = roughness(_shape(place.paint(level, faces[0]), sight)[1])
    added = float(np.sqrt(max(rough**2 - smooth**2, 0)))
    for number, skin in enumerate(faces):
        rng = np.random.default_rng([SEED, number])
        yield look(place.paint(level, skin, added, rng), sight)


def face_of(level: Level, affine: FloatArray) -> Level:
    """Return the part of a head around its face, which is all that is rendered."""
    atlas = generic_atlas(RESOLUTION)
    corners = np.array([[axis[0], axis[-1]] for axis in atlas.axes])
    corners[1, 0] = FRONT_Y
    corners[2, 1] = FACE_TOP
    points = np.stack(np.meshgrid(*corners, indexing='ij'), -1).reshape(-1, 3)
    index = apply_affine(np.linalg.inv(level.affine) @ affine, points)
    low = np.maximum(np.floor(index.min(0)).astype(int), 0)
    high = np.minimum(np.ceil(index.max(0)).astype(int) + 1, level.values.shape)
    if (high - low < 2).any():
        return level
    shift = np.eye(4)
    shift[:3, 3] = low
    part = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    return Level(level.values[part], level.affine @ shift, level.thick)


def roughness(shape: FloatArray) -> float:
    """Return how rough the skin of a depth map is (mm): its differences from its own blur."""
    known = ~np.isnan(shape)
    if not known.any():
        return 0.0
    filled = np.where(known, shape, 0)
    blurred, weight = (ndimage.gaussian_filter(part, 1.0) for part in (filled, known * 1.0))
    difference = np.abs(shape - blurred / np.maximum(weight, 1e-6))[known]
    return float(np.median(difference) / 0.6745)


def sight_of(volume: Volume, seed: int, pose: FloatArray, boxes: IntArray) -> Sight:
    """Return how the decoys of an image are looked at; parameters as of `panel`."""
    views = render.random_views(seed)
    known = [i for i, box in enumerate(boxes[: len(views)]) if tuple(box) != NO_BOX][:VIEWS]
    return Sight(
        pose,
        depth.field_of_view(pose @ volume.affine, volume.data.shape),
        tuple(views[i] for i in known),
        boxes[known],
    )


def look(level: Level, sight: Sight) -> Head:
    """Pose and render a head, and embed the known boxes."""
    mesh, shape = _shape(level, sight)
    size = (len(sight.views), render.PIXELS, render.PIXELS, 3)
    pictures = np.full(size, render.BACKGROUND, np.uint8)
    if len(mesh.faces):
        pictures = render.render(completion.complete(mesh, shape), np.eye(4), sight.views)
    embeddings = recognition.embed_at(pictures, sight.boxes)
    return Head(mesh, shape, sight.pose, pictures, _not_searched(sight, embeddings), embeddings)


def _shape(level: Level, sight: Sight) -> tuple[Mesh, FloatArray]:
    """Return the skin in the face frame and its depth map, all NaN where there is no skin."""
    mesh = moved(surface.mesh(level), sight.pose)
    if not len(mesh.faces):
        return mesh, np.full(depth.SHAPE, np.nan)
    return mesh, depth.measure(mesh.scene, sight.in_view)


def _not_searched(sight: Sight, embeddings: FloatArray) -> Recognition:
    count = len(sight.views)
    return Recognition(
        names=np.array([view.name for view in sight.views], str),
        found=np.zeros(count, bool),
        detector=np.full(count, ''),
        score=np.full(count, np.nan),
        boxes=sight.boxes,
        embeddings=embeddings,
    )


@cache
def _faces(count: int) -> tuple[FloatArray, ...]:
    """Return the skins of the decoys on the grid of the atlas: signed distances, atlas mm."""
    rng = np.random.default_rng(SEED)
    return tuple(build_skin(RESOLUTION, draw_identity(rng)) for _ in range(count))


class Place(NamedTuple):
    """Where a face is painted into a head."""

    affine: FloatArray  # atlas to scanner, mm
    region: BoolArray  # voxels of the level
    stride: int  # voxels of the level to one of the coarse grid
    inside: FloatArray  # depth inside the region on the coarse grid, mm
    vertices: FloatArray  # skin beside the region, scanner mm

    @classmethod
    def of(
        cls, level: Level, affine: FloatArray, vertices: FloatArray, to_scanner: FloatArray
    ) -> 'Place':
        """Find the face region of a head whose skin has these vertices, in the face frame."""
        atlas, shape = generic_atlas(RESOLUTION), level.values.shape
        field = atlas.face_region(SHELL_STEPS_MM[-1])
        region = carry_over(field, atlas, shape, level.affine, affine) < 0
        stride = max(int(COARSE_MM / level.zooms.min()), 1)
        coarse = region[::stride, ::stride, ::stride]
        inside = grids.distance(coarse, level.zooms * stride)
        points = apply_affine(to_scanner, vertices)
        index = np.rint(apply_affine(np.linalg.inv(level.affine), points)).astype(int)
        index = np.clip(index, 0, np.array(shape) - 1)
        return cls(affine, region, stride, inside, points[~region[tuple(index.T)]])

    def paint(
        self,
        level: Level,
        skin: FloatArray,
        rough: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> Level:
        """Return the level of the head with another face, roughened by `rough` mm."""
        if not self.region.any():
            return level
        atlas, size = generic_atlas(RESOLUTION), float(np.cbrt(np.linalg.det(self.affine[:3, :3])))
        box = _box(self.region)
        corner = np.eye(4)
        corner[:3, 3] = [part.start for part in box]
        shape = self.region[box].shape
        distance = carry_over(skin, atlas, shape, level.affine @ corner, self.affine) * size
        distance += self._bend(level, skin, size)[box]
        if rng is not None:
            noise = ndimage.gaussian_filter(rng.normal(size=shape), ROUGH_MM / level.zooms)
            distance += rough * noise / noise.std()
        share = np.clip(0.5 - distance / float(level.zooms.min()), 0, 1)
        values = level.values.copy()
        values[box] = np.where(self.region[box], share, values[box])
        return Level(values, level.affine, level.thick)

    def _bend(self, level: Level, skin: FloatArray, size: float) -> FloatArray:
        """Return the shift (mm) by which the new skin meets the skin beside the region."""
        atlas = generic_atlas(RESOLUTION)
        where = apply_affine(np.linalg.inv(self.affine @ atlas.affine), self.vertices)
        gap = -size * ndimage.map_coordinates(skin, where.T, order=1, mode='nearest')
        near = np.abs(gap) < NEAR_MM
        shape = self.inside.shape
        index = apply_affine(np.linalg.inv(level.affine), self.vertices[near]) / self.stride
        flat = np.ravel_multi_index(np.rint(index).astype(int).T, shape, mode='clip')
        sigma = REACH_MM / (level.zooms * self.stride)

        def spread(weights: FloatArray | None) -> FloatArray:
            field = np.bincount(flat, weights, int(np.prod(shape))).reshape(shape).astype(float)
            return ndimage.gaussian_filter(field, sigma, truncate=3)

        bend = spread(gap[near]) / np.maximum(spread(None), 1e-4)
        bend *= np.exp(-((self.inside / FADE_MM) ** 2))
        return rescale(bend, 1 / self.stride, 0, level.values.shape)


def _box(where: BoolArray) -> tuple[slice, ...]:
    return ndimage.find_objects(where.astype(np.uint8))[0]


def rescan(level: Level, seed: int) -> Level:
    """Return the level of a head as another scan of the person would show it."""
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng([seed, SEED])
    angles = rng.uniform(-TURN_DEG, TURN_DEG, 3)
    middle = apply_affine(level.affine, np.array(level.values.shape) / 2)
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler('xyz', angles, degrees=True).as_matrix()
    turn[:3, 3] = middle - turn[:3, :3] @ middle
    affine = turn @ level.affine
    to_index = np.linalg.inv(level.affine) @ affine
    grid = np.indices(level.values.shape, np.float32).reshape(3, -1)
    index = to_index[:3, :3].astype(np.float32) @ grid + to_index[:3, 3:].astype(np.float32)
    index += _displacement(rng, level).reshape(3, -1)
    values = ndimage.map_coordinates(level.values, index, order=1, mode='constant')
    return Level(values.reshape(level.values.shape).astype(np.float32), affine, level.thick)


def _displacement(rng: np.random.Generator, level: Level) -> FloatArray:
    """Draw a smooth random displacement, in voxels, shape (3, X, Y, Z)."""
    stride = np.maximum(np.rint(SMOOTH_MM / level.zooms), 1)
    coarse = np.ceil(np.array(level.values.shape) / stride).astype(int) + 1
    return np.stack(
        [
            rescale(rng.normal(0, SHIFT_MM / zoom, coarse), 1 / stride, 0, level.values.shape)
            for zoom in level.zooms
        ]
    )


__all__ = ['COUNT', 'Panel', 'panel', 'rescan']
