# SPDX-License-Identifier: Apache-2.0
"""Where the iris lies in the visible eye, from the pixels: landmarks follow it only in part.

Each eye is sampled in the frame of its corners. The iris is found by a matched filter: a dark disc
with a darker pupil between lighter sclera to its left and right, in red light, in which every iris
is dark (after Daugman 2004, doi 10.1109/TCSVT.2003.818350). The ends of the eye are those of the
sclera, which is less saturated than skin.
"""

from functools import lru_cache

import numpy as np
from scipy.ndimage import label, map_coordinates
from scipy.signal import fftconvolve

from facebids.core.arrays import AnyArray, BoolArray, FloatArray

# Landmarks of the left eye and of the right eye of the person.
CORNERS = ((263, 362), (33, 133))  # outer and inner corner
LOWER = (374, 145)  # lower lid at the middle
IRIS = ((473, 474, 476), (468, 469, 471))  # centre, and the ends of its horizontal diameter

WIDE = 40  # samples between the corners
HALF = (20, 32)  # samples above and below, and beside, the middle
ROWS, COLUMNS = np.mgrid[-HALF[0] : HALF[0], -HALF[1] : HALF[1]] + 0.5

# Of the filter, in radii of the iris: beyond and within its edge, of the pupil and around that.
OUTSIDE, INSIDE, PUPIL, AROUND = (1.05, 1.4), (0.6, 0.95), (-1.0, 0.33), (0.45, 0.75)
BESIDE_DEG = 50.0  # parts of the edge further above or below are under the lids
PUPIL_WEIGHT = 0.6
SIZES = (0.9, 1.0, 1.1)  # of the iris, relative to that of the landmarks
REACH, PULL = 9.0, 0.04  # samples from the landmark at most; loss of the score a square sample
WHITE = 220  # light of the sclera, of 255: reflexes are not brighter
SCLERA = 0.45  # saturation, between that of the sclera (0) and of skin (1)
BLACK = 60  # of 255: saturation of darker samples is noise
TALL = 1.5  # radii of the iris above and below its centre between which sclera is looked for

# What is measured of an eye: samples to the left of the person and up from its middle, and the
# number of samples of sclera beside the iris.
FOUND = ('iris_x', 'iris_y', 'end_inner', 'end_outer', 'lower', 'white')


def patches(picture: AnyArray, points: FloatArray) -> AnyArray:
    """Return both eyes in the frame of their corners.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width, 3)
    points : ndarray, shape (478, 3)
        Landmarks of `facebids.mask.landmarks.Landmarker.find`.

    Returns
    -------
    ndarray of uint8, shape (2, 2 * HALF[0], 2 * HALF[1], 3)
        The left eye and the right eye of the person.
    """
    found = []
    for side in (0, 1):
        middle, step = _frame(points, side)
        x = middle[0] + COLUMNS * step[0] - ROWS * step[1] - 0.5
        y = middle[1] + COLUMNS * step[1] + ROWS * step[0] - 0.5
        channels = [
            map_coordinates(picture[..., i], [y, x], order=1, mode='nearest') for i in range(3)
        ]
        found.append(np.stack(channels, -1))
    return np.array(found)


def eyes(both: AnyArray, points: FloatArray) -> FloatArray:
    """Measure the eyes.

    Parameters
    ----------
    both : ndarray of uint8
        Of `patches`.
    points : ndarray, shape (478, 3)
        The same landmarks.

    Returns
    -------
    ndarray, shape (2, len(FOUND))
        For the left and the right eye. What is not seen is that of the landmarks.
    """
    guesses = [_local(points, side, IRIS[side]) for side in (0, 1)]
    radius = float(np.mean([np.linalg.norm(a - b) / 2 for _, a, b in guesses]))
    found = []
    for side, (centre, _, _) in enumerate(guesses):
        patch = both[side].astype(np.float32)
        x, y = iris_centre(patch[..., 0], centre, radius)
        lower = _local(points, side, (LOWER[side],))[0][1]
        seen = sclera(patch, (x, y), radius)
        left, right, low, white = seen or (-WIDE / 2, WIDE / 2, lower, 0.0)
        inner, outer = (left, right) if side == 0 else (right, left)
        found.append([x, -y, inner, outer, -low, white])
    return np.array(found)


def _frame(points: FloatArray, side: int) -> tuple[FloatArray, FloatArray]:
    """Return the middle of an eye, and from a sample to the one on its right; pixels, y down."""
    outer, inner = points[list(CORNERS[side]), :2] * (1, -1)
    along = outer - inner if side == 0 else inner - outer
    return (outer + inner) / 2, along / WIDE


def _local(points: FloatArray, side: int, which: tuple[int, ...]) -> FloatArray:
    """Return landmarks in the frame of an eye: samples, y down."""
    middle, step = _frame(points, side)
    axes = np.array([[step[0], -step[1]], [step[1], step[0]]])
    # an eye of no width is no eye: the confidence says so
    solved: FloatArray = (points[list(which), :2] * (1, -1) - middle) @ np.linalg.pinv(axes).T
    return solved


def iris_centre(red: FloatArray, guess: FloatArray, radius: float) -> tuple[float, float]:
    """Return the centre of the iris: samples from the middle of the patch, y down.

    Parameters
    ----------
    red : ndarray, shape (2 * HALF[0], 2 * HALF[1])
        Red light.
    guess : ndarray, shape (2,)
        About where the iris is.
    radius : float
        About the radius of the iris, in samples.
    """
    away = np.hypot(COLUMNS - guess[0], ROWS - guess[1])
    best, place = -np.inf, (float(guess[0]), float(guess[1]))
    for size in SIZES:
        kernel = _template(round(10 * float(np.clip(size * radius, 2, 12))))
        score = fftconvolve(np.minimum(red, WHITE), kernel, mode='same') - PULL * away**2
        score[away > REACH] = -np.inf
        i, j = np.unravel_index(int(score.argmax()), score.shape)
        if score[i, j] > best:
            best = float(score[i, j])
            x, y = _peak(score[i, j - 1 : j + 2]), _peak(score[i - 1 : i + 2, j])
            place = float(COLUMNS[i, j] + x), float(ROWS[i, j] + y)
    return place


@lru_cache(maxsize=256)
def _template(tenths: int) -> FloatArray:
    """Return the filter of an iris, whose radius is given in tenths of a sample; symmetric."""
    radius = tenths / 10
    half = int(np.ceil(OUTSIDE[1] * radius))
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    away = np.hypot(x, y) / radius
    beside = np.abs(y) <= np.abs(x) * np.tan(np.radians(BESIDE_DEG))

    def mean(limits: tuple[float, float]) -> FloatArray:
        low, high = limits
        ring = np.clip((away - low) * radius + 0.5, 0, 1)
        ring *= np.clip((high - away) * radius + 0.5, 0, 1)
        if limits in (OUTSIDE, INSIDE):
            ring *= beside
        weights: FloatArray = ring / ring.sum()
        return weights

    edge = mean(OUTSIDE) - mean(INSIDE)
    return edge + PUPIL_WEIGHT * (mean(AROUND) - mean(PUPIL))


def _peak(three: FloatArray) -> float:
    """Return where the parabola through three values is highest, from the middle one."""
    if len(three) < 3 or not np.isfinite(three).all():
        return 0.0
    a, b, c = (float(value) for value in three)
    bend = a - 2 * b + c
    return 0.0 if bend > -1e-6 else float(np.clip((a - c) / (2 * bend), -0.5, 0.5))


def sclera(
    patch: FloatArray, iris: tuple[float, float], radius: float
) -> tuple[float, float, float, float] | None:
    """Return the left, right and lower end of the visible eye, and the size of its sclera.

    Parameters
    ----------
    patch : ndarray, shape (2 * HALF[0], 2 * HALF[1], 3)
        RGB.
    iris : tuple of 2 floats
        Its centre: samples from the middle of the patch, y down.
    radius : float
        Of the iris, in samples.

    Returns
    -------
    tuple of 4 floats, or None
        Samples from the middle of the patch, y down, and the number of samples of sclera beside
        the iris; None if no sclera is seen.
    """
    high, low = patch.max(-1), patch.min(-1)
    saturation = (high - low) / (high + 10)
    skin = float(np.median(saturation[[0, 1, 2, -3, -2, -1]]))
    above, away = np.abs(ROWS - iris[1]), np.hypot(COLUMNS - iris[0], ROWS - iris[1]) / radius
    ring = (away > 1.15) & (away < 1.9) & (above < 0.5 * radius)
    if not ring.any():
        return None
    white = float(np.quantile(saturation[ring], 0.3))
    pale: BoolArray = (saturation < white + SCLERA * (skin - white)) & (high > BLACK)
    eye = pale & (above < TALL * radius) | (away < 1.05)
    regions, _ = label(eye)
    middle = np.unravel_index(int(away.argmin()), away.shape)
    eye &= regions == regions[middle]
    columns = np.flatnonzero(eye.any(0))
    rows = ROWS[eye & pale & (away > 1.05) & (np.abs(COLUMNS - iris[0]) < 2.2 * radius)]
    if np.ptp(columns) < WIDE / 4 or len(rows) < 6:
        return None
    left, right = COLUMNS[0, columns[0]] - 0.5, COLUMNS[0, columns[-1]] + 0.5
    return float(left), float(right), float(np.quantile(rows, 0.97)), float(len(rows))
