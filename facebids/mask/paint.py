# SPDX-License-Identifier: Apache-2.0
"""Colours of skin and eyes, as functions of the place on the generic face (atlas mm)."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from facebids.core.arrays import BoolArray, FloatArray
from facebids.mask.basis import (
    IRIS_RADIUS,
    MOUTH_HALF,
    MOUTH_Z,
    SCALE,
    half,
    step,
)

Colour: TypeAlias = tuple[int, int, int]

# Of the matt light of the surroundings, and of directed and frontal light together; see render.py.
AMBIENT, LIGHT = 0.22, 0.9
WRAP, SHININESS = 0.25, 18.0


@dataclass(frozen=True)
class Look:
    """Colours of a head and its surroundings, and the light.

    Parameters
    ----------
    skin, lips, brow, iris, hair, wall : tuple of 3 ints
        RGB.
    hairline : float or None
        Height of the hairline at the middle of the forehead, atlas mm. Without, there is no hair.
    brow_thickness : float
        Atlas mm.
    light : tuple of 2 floats
        Direction of the light, degrees from the camera: to the right of the picture, upwards.
    contrast : float
        Strength of the directed light, 0 to 0.9.
    """

    skin: Colour = (205, 170, 150)
    lips: Colour = (176, 108, 104)
    brow: Colour = (92, 74, 64)
    iris: Colour = (96, 86, 72)
    hair: Colour = (92, 74, 64)
    wall: Colour = (46, 48, 52)
    hairline: float | None = None
    brow_thickness: float = 7.0
    light: tuple[float, float] = (0.0, 25.0)
    contrast: float = 0.5


def skin_colours(places: FloatArray, look: Look) -> FloatArray:
    """Return the colour of the skin with brows, lips and hair.

    Parameters
    ----------
    places : ndarray of float32, shape (N, 3)
    look : Look

    Returns
    -------
    ndarray of float32, shape (N, 3)
        RGB, up to 255.
    """
    base = np.empty((len(places), 3), np.float32)
    base[...] = look.skin
    x, y, z = places.T
    face = np.flatnonzero((y > 40) & (np.abs(x) < 60) & (z > -140) & (z < -10))
    base[face] = _face_colours(places[face], base[face], look)
    if look.hairline is not None:
        edge = look.hairline - 0.012 * x**2 - 0.55 * np.maximum(40 - y, 0)
        ear = (np.abs(x) > 78) & (z < -22) & (y > -46)
        _mix(base, look.hair, step((z - edge) / 4) * ~ear)
    return base


def _face_colours(places: FloatArray, base: FloatArray, look: Look) -> FloatArray:
    x, y, z = places.T
    beside = np.abs(x)
    _mix(base, look.lips, 0.12 * _spot(beside - 46, z + 84, 16, 14))  # cheeks
    along = np.clip((beside - 11) / 43, 0, 1)
    arch = -30 + 8 * np.sin(np.pi * (0.12 + 0.62 * along)) - 1.5 * along
    thick = look.brow_thickness * (0.62 - 0.42 * along**2)
    ends = step((beside - 9) / 5) * step((56 - beside) / 6)
    _mix(base, look.brow, 0.9 * ends * step((thick - np.abs(z - arch)) / 2.5))
    t = np.clip(beside / (MOUTH_HALF + 2), 0, 1)
    bow = 1 - 0.18 * np.exp(-((x / 3.5) ** 2))
    upper = MOUTH_Z + 9.0 * (1 - t**1.6) * bow
    lower = MOUTH_Z - 9.5 * np.sqrt(1 - t**2)
    front = (y > 50) * (t < 1)
    _mix(base, look.lips, 0.9 * step((upper - z) / 1.5) * step((z - lower) / 2) * front)
    line = np.exp(-(((z - MOUTH_Z) / 0.9) ** 2)) * step((MOUTH_HALF + 2 - beside) / 3)
    _mix(base, (72, 30, 30), 0.7 * line * (y > 50))
    _mix(base, (50, 28, 24), 0.7 * _spot(beside - 6.5, z + 100, 3.6, 2.2) * (y > 80))  # nostrils
    return base


def mouth_colours(
    places: FloatArray, below: FloatArray, gaps_mm: tuple[float, float]
) -> tuple[BoolArray, FloatArray]:
    """Return which pixels lie between the lips, and the colours of these, with teeth.

    Parameters
    ----------
    places : ndarray, shape (N, 3)
    below : ndarray, shape (N,)
        0 at the upper lip and 1 at the lower lip.
    gaps_mm : tuple of 2 floats
        Between the lips on the left and on the right.
    """
    x, y, _ = places.T
    inside = (np.abs(x) < MOUTH_HALF) & (y > 50) & (below > 0.08) & (below < 0.92)
    colours = np.empty((np.count_nonzero(inside), 3), np.float32)
    colours[...] = (66, 26, 26)
    if max(gaps_mm) > 3:
        gap = gaps_mm[0] + (gaps_mm[1] - gaps_mm[0]) * half(x[inside])
        depth = below[inside] * gap
        teeth = (
            step((gap - 2) / 2)
            * step((8 - depth) / 2)
            * step(depth - 0.5)
            * step((15 - np.abs(x[inside])) / 4)
        )
        _mix(colours, (205, 196, 180), 0.8 * teeth)
    return inside, colours


def lashes(t: FloatArray, above: FloatArray, below: FloatArray) -> FloatArray:
    """Return the opacity of the lashes, at heights above the upper and below the lower lid, mm."""
    upper = np.exp(-(((above - 0.5) / 0.8) ** 2)) * (np.abs(t) < 1.03)
    lower = 0.35 * np.exp(-(((below - 0.4) / 0.6) ** 2)) * (np.abs(t) < 1)
    darker: FloatArray = np.maximum(upper, lower)
    return darker


def darken(base: FloatArray, weight: FloatArray) -> None:
    """Paint lashes into colours, in place."""
    _mix(base, (38, 28, 26), 0.85 * weight)


def eye_colours(t: FloatArray, below_lid: FloatArray, off: FloatArray, look: Look) -> FloatArray:
    """Return the colour of an eye.

    Parameters
    ----------
    t : ndarray, shape (N,)
        Position between the corners, -1 to 1.
    below_lid : ndarray, shape (N,)
        Distance from the upper lid, atlas mm.
    off : ndarray, shape (N,)
        Distance from the centre of the iris, in its radius.
    look : Look
    """
    colours = np.empty((len(t), 3), np.float32)
    colours[...] = (206, 199, 193)
    _mix(colours, (200, 140, 128), 0.8 * step((-t - 0.72) / 0.14))  # caruncle
    _mix(colours, (190, 130, 120), 0.4 * step((t - 0.82) / 0.18))
    ring = (0.75 + 0.35 * step((0.9 - off) / 0.5))[:, None]
    iris = step((1.06 - off) / 0.12)[:, None]
    colours += iris * (ring * np.array(look.iris, np.float32) - colours)
    pupil = 0.9 * step((0.42 - off) / 0.1)
    shadow = 0.35 * np.exp(-below_lid / 1.6)
    darkened: FloatArray = colours * ((1 - pupil) * (1 - shadow))[:, None]
    return darkened


def shade(
    colours: FloatArray,
    shine: FloatArray,
    normals: FloatArray,
    to_camera: FloatArray,
    light: FloatArray,
    front: FloatArray,
    contrast: float,
) -> FloatArray:
    """Return lit colours: wrapped diffuse light, a light at the camera, a highlight (Blinn 1977).

    Parameters
    ----------
    colours, normals, to_camera : ndarray, shape (N, 3)
    shine : ndarray, shape (N,)
        Strength of the highlight.
    light, front : ndarray, shape (3,)
        Unit vectors towards the light and the camera.
    contrast : float
        Strength of the directed light.
    """
    wrapped = np.maximum((normals @ light + WRAP) / (1 + WRAP), 0)
    matt = AMBIENT + contrast * wrapped + (LIGHT - contrast) * np.maximum(normals @ front, 0)
    halfway = to_camera + light
    cosine = np.einsum('ij,ij->i', normals, halfway) / np.sqrt(
        np.einsum('ij,ij->i', halfway, halfway)
    )
    highlight = 255 * shine * np.maximum(cosine, 0) ** SHININESS
    lit: FloatArray = colours * matt[:, None] + highlight[:, None]
    return lit


def iris_distance(outward: FloatArray, gaze: FloatArray, radius: float) -> FloatArray:
    """Return the distance of directions from the gaze, in radii of the iris; eyeball radius mm."""
    cosine = outward @ gaze
    off = radius * np.sqrt(np.maximum(1 - cosine**2, 0)) / (IRIS_RADIUS * SCALE)
    return np.where(cosine > 0, off, np.inf)


def _spot(dx: FloatArray, dz: FloatArray, width: float, height: float) -> FloatArray:
    spot: FloatArray = np.exp(-((dx / width) ** 2 + (dz / height) ** 2))
    return spot


def _mix(base: FloatArray, colour: Colour, weight: FloatArray) -> None:
    """Blend a colour into colours, in place."""
    base += weight[:, None] * (np.array(colour, np.float32) - base)
