# SPDX-License-Identifier: Apache-2.0
"""The engine for scans: it aligns the depth maps of two faces and compares them.

Scans have true scale, so shape alone identifies people. A face template is the difference between
the depth map of a face and that of the generic face, measured along the normals of the generic
face. Two face templates are compared where both scans show skin, after a small rigid motion
estimated for each pair. The score is the share of the face in which they agree. A local difference
(an open mouth, a metal tooth, a defaced half) therefore reduces it by its own area and no more.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from scipy import sparse

from facebids.core.arrays import BoolArray, FloatArray, IntArray
from facebids.core.attack.depth import ANGLES, GRAZING, HEIGHTS, PIVOT, RAYS, generic_face, points
from facebids.core.attack.engines._protocol import FaceTemplate, FaceTemplates
from facebids.core.attack.head import Head
from facebids.core.thresholds import LEAST_SHAPE

NAME = 'geometry'
# 52 adults of public scans: T1w with T1w, and FLAIR with T1w.
IMPOSTOR_SCORES = (0.30, 0.07)
WEIGHT = 0.75

REGION = (HEIGHTS[:, None] > -95) & (HEIGHTS[:, None] < 30) & (np.abs(ANGLES) < np.deg2rad(74))
BLOCK = 2  # cells of the depth map averaged along each side: 4 degrees, 5 mm
SCALES_MM = (4.0, 2.5, 1.5, 0.7, 0.7, 0.7)  # scales of the residuals, decreasing over iterations
PRIOR = 0.01  # keeps motions that a small overlap does not determine near zero
MIDDLE = (HEIGHTS[:, None] > -60) & (HEIGHTS[:, None] < 25) & (np.abs(ANGLES) < np.deg2rad(60))
SHORT_LIST = 20
BLOCK_PAIRS = 4_000_000  # distances in memory at a time in `search`


def enrol(head: Head) -> FaceTemplate:
    """Enrol the shape of a face.

    Returns
    -------
    dict
        ``relief``: ndarray of float32, shape (C,), height of the face above the generic face along
        the normals of the latter, mm; NaN where the scan does not show the skin.
    """
    base, _ = generic_face()
    layout = _layout()
    relief = np.where(layout.region, (head.depth - base) * layout.cosine, np.nan)
    return {'relief': _blocks(relief)[layout.cells].astype(np.float32)}


def score(probes: FaceTemplates, gallery: FaceTemplates) -> FloatArray:
    """Return the share of the jointly visible face that agrees, in [0, 1].

    Mean of exp(-r^2 / 2 s^2) over the residuals r after alignment, s = 0.7 mm. This is Welsch's
    M-estimator, computed by iteratively reweighted least squares from wide to narrow scales
    (Holland & Welsch, 1977, Commun. Stat. A 6:813; graduated as in Blake & Zisserman, 1987).

    Parameters
    ----------
    probes, gallery : sequence of FaceTemplate

    Returns
    -------
    ndarray, shape (P, G)
        NaN where less than a quarter of the face is visible in both.
    """
    entries = _stack(gallery)
    return np.array([_agree(probe, entries) for probe in _stack(probes)])


def share_in_view(template: FaceTemplate) -> float:
    """Return the share of the compared face that a scan shows, in [0, 1]."""
    return float((~np.isnan(template['relief'])).mean())


def cells() -> BoolArray:
    """Return which blocks of the depth map are compared, shape (H // 2, A // 2)."""
    return _layout().cells


def search(
    probes: FaceTemplates, gallery: FaceTemplates, count: int = SHORT_LIST
) -> tuple[IntArray, FloatArray]:
    """Search each probe in a large gallery.

    Descriptors, which are aligned once and not for each pair, select a short list. Its entries are
    compared by `score`.

    Parameters
    ----------
    probes, gallery : sequence of FaceTemplate
    count : int
        Length of the short list.

    Returns
    -------
    index : ndarray of int, shape (P, count)
        Gallery entries, best first.
    scores : ndarray, shape (P, count)
        As of `score`.
    """
    searched, entries = _stack(probes), _stack(gallery)
    count = min(count, len(entries))
    lists = _short_lists(_describe(searched), _describe(entries), count)
    scores = np.array(
        [_agree(probe, entries[listed]) for probe, listed in zip(searched, lists, strict=True)]
    )
    order = np.argsort(np.where(np.isnan(scores), np.inf, -scores), axis=1, kind='stable')
    return np.take_along_axis(lists, order, 1), np.take_along_axis(scores, order, 1)


def _agree(probe: FloatArray, gallery: FloatArray) -> FloatArray:
    """Return the scores of one probe, shape (C,), with a gallery, shape (G, C)."""
    motions = _layout().motions
    difference = probe - gallery
    known = ~np.isnan(difference)
    difference = np.where(known, difference, 0)
    overlap = known.mean(1)
    move = np.zeros((len(gallery), motions.shape[1]), np.float32)
    for scale in SCALES_MM:
        weight = _welsch(difference - move @ motions.T, scale) * known
        move = _solve(weight, difference, motions)
    agreement = _welsch(difference - move @ motions.T, SCALES_MM[-1]) * known
    with np.errstate(invalid='ignore'):
        share = agreement.mean(1) / overlap
    return np.where(overlap < LEAST_SHAPE, np.nan, share)


def _solve(weight: FloatArray, relief: FloatArray, motions: FloatArray) -> FloatArray:
    """Return the weighted least-squares motion of each relief, shape (N, 6)."""
    products = (motions[:, :, None] * motions[:, None, :]).reshape(len(motions), -1)
    normal = (weight @ products).reshape(-1, motions.shape[1], motions.shape[1])
    normal += PRIOR * np.eye(motions.shape[1], dtype=np.float32)
    return np.linalg.solve(normal, ((weight * relief) @ motions)[..., None])[..., 0]


def _welsch(residual: FloatArray, scale: float) -> FloatArray:
    return np.exp(residual**2 * np.float32(-0.5 / scale**2))


def _stack(templates: FaceTemplates) -> FloatArray:
    return np.stack([template['relief'] for template in templates]).astype(np.float32)


class _Layout(NamedTuple):
    """How the depth map is divided into the cells that are compared."""

    region: BoolArray  # part of the depth map that is compared, shape (H, A)
    cosine: FloatArray  # between ray and generic normal, shape (H, A)
    cells: BoolArray  # blocks of the map that are compared, shape (H // 2, A // 2)
    middle: BoolArray  # which of these lie in the middle of the face, shape (C,)
    motions: FloatArray  # change of relief by each small rigid motion, shape (C, 6)
    pool: sparse.csr_array  # means of neighbouring cells, shape (K, C)


@cache
def _layout() -> _Layout:
    base, normal = generic_face()
    cosine = (normal * RAYS).sum(-1)
    region = REGION & (cosine > GRAZING)
    arm = points(base) - PIVOT
    # Rotations are in units of 1/50 rad, so that rotations and translations weigh alike.
    motions = np.concatenate([normal, np.cross(arm, normal) / 50], -1)
    blocks = _blocks(np.where(region[..., None], motions, np.nan))
    cells = ~np.isnan(blocks[..., 0])
    middle = _blocks(np.where(MIDDLE, 1.0, np.nan))[cells] == 1
    return _Layout(region, cosine, cells, middle, blocks[cells].astype('f4'), _pool(cells))


def _pool(cells: BoolArray) -> sparse.csr_array:
    row, column = np.nonzero(cells)
    _, part, size = np.unique(
        (row // 2) * cells.shape[1] + column // 2, return_inverse=True, return_counts=True
    )
    weights = (1 / size[part]).astype(np.float32)
    return sparse.csr_array((weights, (part, np.arange(len(row)))))


def _blocks(values: FloatArray) -> FloatArray:
    """Return means of blocks of cells; NaN where more than one cell of four is NaN."""
    rows, columns = (size // BLOCK for size in values.shape[:2])
    values = values[: rows * BLOCK, : columns * BLOCK]
    parts = values.reshape(rows, BLOCK, columns, BLOCK, *values.shape[2:])
    known = ~np.isnan(parts)
    count = known.sum((1, 3))
    mean = np.where(known, parts, 0).sum((1, 3)) / np.maximum(count, 1)
    return np.where(count >= BLOCK**2 - 1, mean, np.nan)


# --- short lists --------------------------------------------------------------------------------


def _describe(reliefs: FloatArray, limit: float = 8.0) -> FloatArray:
    """Return the reliefs aligned once, as means of four cells, shape (N, K).

    They are aligned by the middle of the face alone, which is complete in nearly every scan.
    """
    middle, motions, pool = _layout().middle, _layout().motions, _layout().pool
    described = np.empty((len(reliefs), pool.shape[0]), np.float32)
    for start in range(0, len(reliefs), 10_000):
        known, part = _split(reliefs[start : start + 10_000])
        inner = part[:, middle]
        use = known[:, middle] * (np.abs(inner) < 2 * limit)
        part -= _solve(use, inner, motions[middle]) @ motions.T
        part = np.clip(part, -limit, limit, out=part) * known
        share = (pool @ known.T).T
        mean = (pool @ part.T).T / np.maximum(share, 1e-6)
        described[start : start + len(part)] = np.where(share > 0.5, mean, np.nan)
    return described


def _short_lists(probes: FloatArray, gallery: FloatArray, count: int) -> IntArray:
    """Return the nearest gallery entries by mean squared difference, shape (P, count).

    With weights of 0 and 1 for hidden and visible cells, the sum of w v (a - b)^2 over cells is
    three matrix products.
    """
    lists = np.empty((len(probes), count), int)
    seen, values = _split(gallery)
    step = max(BLOCK_PAIRS // len(gallery), 1)
    for start in range(0, len(probes), step):
        part, mine = _split(probes[start : start + step])
        overlap = part @ seen.T
        square = (mine**2) @ seen.T + part @ (values**2).T - 2 * mine @ values.T
        distance = square / np.maximum(overlap, 1)
        distance[overlap < LEAST_SHAPE * part.shape[1]] = np.inf
        lists[start : start + step] = np.argpartition(distance, count - 1, axis=1)[:, :count]
    return lists


def _split(reliefs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return which cells are visible, as 0 and 1, and the reliefs with 0 for hidden cells."""
    known = ~np.isnan(reliefs)
    return known.astype(np.float32), np.where(known, reliefs, 0).astype(np.float32)
