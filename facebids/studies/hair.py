# SPDX-License-Identifier: Apache-2.0
"""Six generic hairstyles, drawn over the frontal render of a head.

A scan shows no hair and a photograph does: Steeg et al. (2024, eClinicalMedicine 78:102930) added
generic hair to their renders. Here a style is a set of parameters: strands grow from the scalp of
an egg-shaped head that is fitted to the picture, are combed, fall, curl, and are lit as cylinders.
Nothing is copied from a photograph.

Head axes: the origin is between the eyes, x points to the right of the picture, y up along the
face, z to the viewer; the unit is half the width of the head.
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from facebids.core.arrays import AnyArray, BoolArray, FloatArray, IntArray
from facebids.core.attack.render import BACKGROUND

COLOURS = {
    'black': (38, 32, 30),
    'dark brown': (66, 46, 34),
    'brown': (106, 74, 48),
    'red': (140, 72, 38),
    'blond': (204, 166, 112),
    'grey': (158, 154, 150),
}
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601

EGG_CENTRE = np.array([0.0, 0.38, -0.55])
EGG_RADII = np.array([1.0, 1.22, 1.3])
WIDTH_OF_HEAD = 1.65  # ratio to the distance between the outer corners of the eyes
# pairs of distance from the midline and height
HAIRLINE = np.array(
    [(0, 0.98), (0.3, 1.0), (0.55, 0.94), (0.7, 0.72), (0.8, 0.42), (0.9, 0.1), (1.0, -0.35)]
)
NAPE = np.array([(0, -0.7), (0.6, -0.5), (0.8, -0.2), (1, 0.0)])
# pairs of height and of the distance from the midline that long hair keeps in front of the face
CURTAIN = np.array(
    [(-4, 0.55), (-1.3, 0.66), (0, 0.76), (0.3, 0.7), (0.5, 0.55), (0.75, 0.2), (1.2, -0.5)]
)
# corners of the area without hair: brows to chin, the right half
FACE = np.array([(0.62, 0.3), (0.68, -0.1), (0.6, -0.6), (0.45, -1.15)])
HANG = -0.3  # height relative to the centre of the egg below which hair hangs
NECK_Z = -0.62  # strands behind are hidden by ears and neck
LIGHT = np.array([0.3, 0.55, 0.78])  # that of the frontal render
SUPERSAMPLE, KNOTS = 2, 40
GATHER = 0.6  # how far the end of a strand is moved to the middle of its lock


@dataclass(frozen=True)
class Style:
    """Parameters of a hairstyle. Lengths in half widths of the head.

    Parameters
    ----------
    strands : int
    top, sides : float
        Lengths of the strands on top and on the sides.
    volume : float
        Height of the outermost strands above the scalp.
    weight : float
        0 stands, 1 falls.
    forward, outward, across : float
        Strength of combing to the forehead, away from the parting, and to one side.
    parting : float or None
        Its x coordinate; None for no parting.
    turn_in : float
        Strength with which the ends bend towards the neck.
    curl, turns : float
        Radius of the curls, and their number per unit of length.
    locks : int
        Number of bundles of strands.
    disorder : float
        Standard deviation of directions between locks, relative.
    """

    strands: int
    top: float
    sides: float
    volume: float
    weight: float
    forward: float = 0.0
    outward: float = 0.0
    across: float = 0.0
    parting: float | None = None
    turn_in: float = 0.0
    curl: float = 0.0
    turns: float = 0.0
    locks: int = 300
    disorder: float = 0.12


STYLES = {
    'crew': Style(16000, 0.17, 0.08, 0.09, 0.1, forward=0.5, locks=2500, disorder=0.3),
    'short': Style(11000, 0.5, 0.22, 0.16, 0.4, forward=1.0, across=0.3, locks=350, disorder=0.3),
    'side parting': Style(
        9000, 1.0, 0.25, 0.2, 0.4, forward=-0.3, outward=1.0, parting=0.42, locks=250
    ),
    'bob': Style(
        7000, 2.2, 1.25, 0.2, 1.0, forward=-0.25, outward=0.9, parting=0.2, turn_in=0.6, locks=250
    ),
    'long': Style(
        7000, 4.0, 3.2, 0.22, 1.0, forward=-0.25, outward=0.9, parting=0.0, curl=0.05, turns=0.6,
        locks=160,
    ),
    'curly': Style(
        9000, 1.0, 0.8, 0.4, 0.5, forward=0.1, outward=0.6, parting=0.1, curl=0.07, turns=2.5,
        locks=420, disorder=0.35,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class _Head:
    """Position of the head in a picture: pixels are ``origin + axes @ (x, y) * unit``."""

    origin: FloatArray
    axes: FloatArray
    unit: float | np.floating[Any]
    solid: BoolArray  # bool, shape (H, W): head or neck, not background

    def pixels(self, points: FloatArray) -> FloatArray:
        """Return the columns and rows (..., 2) of points in head axes (..., 2 or 3)."""
        return self.origin + self.unit * points[..., :2] @ self.axes.T

    def coordinates(self) -> FloatArray:
        """Return x and y of every pixel in head axes, shape (H, W, 2)."""
        rows, columns = np.indices(self.solid.shape)
        return (np.stack([columns, rows], -1) - self.origin) @ self.axes / self.unit


def overlay(
    picture: AnyArray, points: FloatArray, style: str, colour: str = 'brown', seed: int = 0
) -> AnyArray:
    """Draw hair on the frontal render of a head.

    Parameters
    ----------
    picture : ndarray of uint8, shape (H, W, 3)
        RGB, with a plain background.
    points : ndarray, shape (5, 2)
        Landmarks, from `recognition.landmarks`.
    style : str
        One of `STYLES`.
    colour : str
        One of `COLOURS`.
    seed : int
        Random seed of the strands.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
    """
    head = _fit(picture, points)
    strands, brightness = _grow(STYLES[style], seed)
    shades = _light(strands, brightness, COLOURS[colour])
    front, back = _draw(head, strands, shades)
    base = _scalp(head) * 0.9
    skin = picture * (1 - 0.4 * _shadow(np.maximum(front[..., 3], base), head))[..., None]
    dark = np.array(COLOURS[colour]) * 0.4
    result = _blend(skin, back[..., :3], back[..., 3] * ~head.solid)
    result = _blend(result, dark, base)
    result = _blend(result, front[..., :3], front[..., 3] * (1 - _face(head)))
    return result.clip(0, 255).round().astype(np.uint8)


def without_hair(picture: AnyArray, points: FloatArray) -> AnyArray | None:
    """Hide the hair of a photograph taken from the front.

    This is a rough control: above an ellipse through the temples and the middle of the forehead
    a bald head of average shape is drawn in the colour of the cheeks, on the background of the
    renders. Hair below the ellipse stays: a long fringe, hair on the cheeks and the neck, beards.

    Parameters
    ----------
    picture : ndarray of uint8, shape (H, W, 3)
        RGB.
    points : ndarray, shape (5, 2)
        Landmarks, from `recognition.landmarks`.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3), or None
        None where the cheeks are outside the picture.
    """
    head = _place(points, np.zeros(picture.shape[:2], bool))
    x, y = np.moveaxis(head.coordinates(), -1, 0)
    cheeks = (np.abs(np.abs(x) - 0.45) < 0.15) & (np.abs(y + 0.4) < 0.15)
    if not cheeks.any():
        return None
    skin = np.median(picture[cheeks], axis=0)
    ends = np.hypot(x, (y - EGG_CENTRE[1]) / EGG_RADII[1])
    bald = skin * (0.6 + 0.4 * np.sqrt(np.clip(1 - ends**2, 0, 1)))[..., None]
    forehead = 1 - np.hypot(x / 0.82, (y - 0.2) / 0.52)
    kept = np.where(y < 0.2, 1.04 - np.abs(x), forehead)
    result = _blend(np.broadcast_to(BACKGROUND, picture.shape), bald, _soft(1 - ends))
    return _blend(result, picture, _soft(kept)).clip(0, 255).round().astype(np.uint8)


def black_and_white(picture: AnyArray) -> AnyArray:
    """Return a picture in shades of grey.

    Parameters
    ----------
    picture : ndarray of uint8, shape (H, W, 3)
        RGB.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
        Three equal channels.
    """
    grey = (picture @ LUMA).round().astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _blend(below: AnyArray, above: AnyArray, alpha: AnyArray) -> FloatArray:
    return below + alpha[..., None] * (above - below)


def _place(points: FloatArray, solid: BoolArray) -> _Head:
    """Return the axes of a head of average width, given the distance of its eyes."""
    right, left = (points[0] + points[1]) / 2, (points[2] + points[3]) / 2
    along = (right - left) / np.linalg.norm(right - left)
    axes = np.column_stack([along, [along[1], -along[0]]])
    unit = np.linalg.norm(points[0] - points[2]) / 2 * WIDTH_OF_HEAD
    return _Head((right + left) / 2, axes, unit, solid)


def _fit(picture: AnyArray, points: FloatArray) -> _Head:
    """Return the axes of a head, its width measured between the edges of the background."""
    corners = np.concatenate([picture[:5, :5], picture[:5, -5:]]).reshape(-1, 3).astype(int)
    solid = np.abs(picture.astype(int) - np.median(corners, axis=0)).sum(axis=2) > 24
    solid = ndimage.binary_fill_holes(ndimage.binary_opening(solid, iterations=2))
    head = _place(points, solid)
    x, y = np.moveaxis(head.coordinates(), -1, 0)
    forehead = solid & (y > 0.35) & (y < 0.6)  # above the ears
    edges = np.percentile(x[forehead], (1, 99)) if forehead.any() else np.array([-1, 1])
    origin = head.pixels(np.array([edges.mean().clip(-0.1, 0.1), 0]))
    width = np.clip(np.ptp(edges) / 2, 0.8, 1.25)
    return replace(head, origin=origin, unit=head.unit * width)


@cache
def _grow(style: Style, seed: int) -> tuple[AnyArray, AnyArray]:
    """Return strands (N, KNOTS, 3) in head axes and their brightness (N,).

    Strands close to the scalp are darker.
    """
    rng = np.random.default_rng(seed)
    roots = _roots(style.strands, rng)
    normal = _normal(roots)
    height = rng.uniform(size=len(roots)) ** 0.7
    top = np.clip((roots[:, 1] - 0.75) / 0.5, 0, 1)
    length = style.sides + (style.top - style.sides) * top
    step = (length * rng.uniform(0.8, 1.0, len(roots)) / (KNOTS - 1))[:, None]
    side = np.where(roots[:, 0] < (style.parting or 0.0), -1, 1)
    lock = _locks(roots, side, style.locks)
    stray = 0.8 * rng.normal(size=roots.shape)[lock] + 0.3 * rng.normal(size=roots.shape)
    comb = _comb(style, roots, normal, side, top) + style.disorder * stray
    shell = 1 + style.volume * (0.15 + 0.85 * height[:, None])
    direction = 0.6 * normal + comb
    knots = [roots]
    for knot in range(1, KNOTS):
        along = knot / (KNOTS - 1)
        fall = np.array([0, -1.0, 0]) * style.weight * min(1, 3 * along)
        bend = -style.turn_in * along**4 * side[:, None] * np.array([1.0, 0, 0])
        direction = direction * 0.9 + 0.1 * (comb + 2 * fall + 4 * bend)
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        moved = knots[-1] + step * direction
        knots.append(_held(moved, 1 + (shell - 1) * min(1, 4 * along), style.weight, side))
    strands = np.stack(knots, axis=1)
    strands += GATHER * np.linspace(0, 1, KNOTS)[:, None] * (strands[lock] - strands)
    strands += _curls(style, lock, length, rng)
    brightness = np.exp(rng.normal(0, 0.16, len(strands))) * (0.5 + 0.5 * height)
    return strands.astype(np.float32), brightness.astype(np.float32)


def _locks(roots: FloatArray, side: IntArray, count: int) -> IntArray:
    """Return for each strand the index of the middle strand of its lock (N,)."""
    apart = roots + 10 * np.stack([side, 0 * side, 0 * side], axis=1)  # at the parting
    return cKDTree(apart[:count]).query(apart)[1]


def _roots(count: int, rng: np.random.Generator) -> FloatArray:
    """Return random points of the scalp (N, 3)."""
    unit = rng.normal(size=(count * 2, 3))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    points = EGG_CENTRE + EGG_RADII * unit
    ragged = points[:, 1] + rng.normal(0, 0.02, len(points))
    in_front = points[:, 2] > EGG_CENTRE[2]
    line = np.where(in_front, _hairline(points[:, 0]), np.interp(np.abs(points[:, 0]), *NAPE.T))
    return points[ragged > line][:count]


def _hairline(x: FloatArray) -> FloatArray:
    return np.interp(np.abs(x), *HAIRLINE.T)


def _normal(points: FloatArray) -> FloatArray:
    normal = (points - EGG_CENTRE) / EGG_RADII**2
    return normal / np.linalg.norm(normal, axis=-1, keepdims=True)


def _comb(
    style: Style, roots: FloatArray, normal: FloatArray, side: IntArray, top: FloatArray
) -> FloatArray:
    """Return the direction (N, 3) along the scalp in which each strand is combed."""
    across = (style.across + style.outward * side) * top
    comb = np.column_stack([across, top - 1, style.forward * top])
    return comb - (comb * normal).sum(1, keepdims=True) * normal


def _held(points: FloatArray, shell: FloatArray, weight: float, side: IntArray) -> FloatArray:
    """Keep points outside a shell around the head, and heavy hair on it.

    Below HANG the shell is a cylinder: hair hangs. In front of the face it parts.
    """
    relative = points - EGG_CENTRE
    hangs = relative[:, 1:2] < HANG
    on_shell = np.where(hangs & [False, True, False], HANG, relative)
    ratio = shell / np.maximum(np.linalg.norm(on_shell / EGG_RADII, axis=1), 1e-6)[:, None]
    push = np.where(ratio > 1, ratio, 1 + weight * (ratio - 1))
    held = EGG_CENTRE + relative * np.where(hangs & [False, True, False], 1, push)
    aside = np.where(held[:, 2] > -0.2, np.interp(held[:, 1], *CURTAIN.T), -2)
    held[:, 0] = side * np.maximum(side * held[:, 0], aside)
    return held


def _curls(
    style: Style, lock: IntArray, length: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Return offsets (N, KNOTS, 3) of a helix around each strand, alike within a lock."""
    along = np.linspace(0, 1, KNOTS) * length[:, None]
    phase = rng.uniform(0, 2 * np.pi, len(lock))[lock] + rng.normal(0, 0.25, len(lock))
    turns = style.turns * rng.uniform(0.75, 1.25, len(lock))[lock]
    angle = 2 * np.pi * turns[:, None] * along + phase[:, None]
    radius = style.curl * np.minimum(1, 6 * along)
    return radius[..., None] * np.stack([np.cos(angle), np.sin(angle), np.sin(angle)], axis=-1)


def _light(strands: AnyArray, brightness: AnyArray, pigment: tuple[int, int, int]) -> FloatArray:
    """Return colours (N, KNOTS, 3) of cylinders (Kajiya & Kay, 1989) on a round head."""
    tangent = np.gradient(strands, axis=1)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=2, keepdims=True), 1e-9)
    halfway = LIGHT + np.array([0, 0, 1.0])  # between light and viewer
    halfway /= np.linalg.norm(halfway)
    matt = 0.35 + 0.7 * np.sqrt(np.maximum(1 - (tangent @ LIGHT) ** 2, 0))
    gloss = np.maximum(1 - (tangent @ halfway) ** 2, 0) ** 20
    lit = brightness[:, None] * (0.45 + 0.55 * np.maximum(_normal(strands) @ LIGHT, 0))
    colour = np.array(pigment, float)
    sheen = 0.3 * colour + 25  # half of the light is reflected before it reaches the pigment
    return (lit * matt)[..., None] * colour + (lit * gloss)[..., None] * sheen


def _draw(head: _Head, strands: AnyArray, shades: FloatArray) -> list[FloatArray]:
    """Draw strands from far to near; return RGBA (H, W, 4) in front of the neck and behind."""
    places = SUPERSAMPLE * (head.pixels(strands) + 0.5)
    longest = np.linalg.norm(np.diff(places, axis=1), axis=2).sum(1).max()
    at = np.linspace(0, KNOTS - 1, int(longest / 1.3) + 2, dtype=np.float32)
    places = np.concatenate([places, strands[..., 2:]], axis=2).astype(np.float32)
    columns, rows, depth = _refine(places, at).reshape(-1, 3).T
    columns, rows = np.floor(columns).astype(np.int32), np.floor(rows).astype(np.int32)
    height, width = (SUPERSAMPLE * side for side in head.solid.shape)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    layers = []
    for layer in (depth >= NECK_Z, depth < NECK_Z):
        order = np.flatnonzero(inside & layer)
        # integers sort ten times as fast
        order = order[np.argsort((1000 * depth[order]).astype(np.int16), kind='stable')]
        nearest = np.full(height * width, -1)
        nearest[rows[order] * width + columns[order]] = order  # the last of repeats remains
        seen = np.flatnonzero(nearest >= 0)
        strand, point = np.divmod(nearest[seen], len(at))
        canvas = np.zeros((height * width, 4))
        canvas[seen, :3] = shades[strand, at[point].round().astype(int)]
        canvas[seen, 3] = 1
        layers.append(_shrink(canvas.reshape(height, width, 4)))
    return layers


def _refine(knots: AnyArray, at: AnyArray) -> AnyArray:
    low = np.minimum(at.astype(int), KNOTS - 2)
    before = knots[:, low]
    return before + (at - low).astype(np.float32)[:, None] * (knots[:, low + 1] - before)


def _shrink(canvas: FloatArray) -> FloatArray:
    height, width, _ = canvas.shape
    blocks = canvas.reshape(height // SUPERSAMPLE, SUPERSAMPLE, width // SUPERSAMPLE, -1, 4)
    small = blocks.mean(axis=(1, 3))
    small[..., :3] /= np.maximum(small[..., 3:], 1e-9)
    return small


def _scalp(head: _Head) -> FloatArray:
    """Return the opacity (H, W) of the shade at the roots, which hides the skin."""
    x, y = np.moveaxis(head.coordinates(), -1, 0)
    above = np.minimum(y - _hairline(x) - 0.02, y - 0.2)
    return head.solid * np.clip(above / 0.06, 0, 1)


def _shadow(alpha: FloatArray, head: _Head) -> FloatArray:
    """Return the shadow (H, W) of the hair on the skin."""
    down = ndimage.shift(alpha, (0.04 * head.unit, 0), order=1)
    return ndimage.gaussian_filter(down, 0.06 * head.unit)


def _soft(inside: FloatArray) -> FloatArray:
    """Return 1 inside and 0 outside, with a soft edge."""
    return np.clip(inside / 0.1, 0, 1)


def _face(head: _Head) -> FloatArray:
    """Return 1 inside the face, which stays free of hair, and 0 outside, soft between (H, W)."""
    from PIL import Image, ImageDraw

    both = np.concatenate([FACE, FACE[::-1] * [-1, 1]])
    mask = Image.new('L', head.solid.shape[::-1])
    ImageDraw.Draw(mask).polygon([tuple(p) for p in head.pixels(both)], fill=255)
    return ndimage.gaussian_filter(np.asarray(mask) / 255.0, 0.03 * head.unit)
