# SPDX-License-Identifier: Apache-2.0
"""Rigid registration of two images of the same person.

Two images of one head agree far better than a head and the atlas, whatever their contrasts. An
image without a full head (a slab, a functional series) is therefore aligned with the atlas
through a better image of the same person. The quality is measured, and the caller judges it.
"""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
from nibabel.affines import apply_affine
from scipy import ndimage

from facebids.core.alignment import registration
from facebids.core.alignment.quality import MIN_POINTS, correlation_ratio
from facebids.core.alignment.registration import RESOLUTION
from facebids.core.arrays import FloatArray
from facebids.core.atlas import HeadAtlas
from facebids.core.foreground import AIR_HU, TISSUE_HU
from facebids.core.grids import Shape, carry_over, grid_points, sample
from facebids.core.images import Volume

Sampled: TypeAlias = tuple[FloatArray, FloatArray]  # intensities, voxel indices to RAS mm

GOOD_ENOUGH = 0.6  # quality at which no further start is tried
LOST = 0.35  # quality below which the search does not start from the best attempt
HEAD_MARGIN_MM = 10.0  # around the head, of the region that images are registered in
BRAIN_MARGIN_MM = 4.0  # around the brain, of the region that quality is measured in
STARTS = ('header', 'centre of mass', 'search')
SEARCH = ((12.0, 20.0), (6.0, 8.0), (3.0, 4.0))  # standard deviation along axes: degrees, mm
TRIES = 250  # random moves of each
SEARCH_STEP = 17  # every 17th point is compared in the search
REFINE_STEP = 4  # and every fourth in the refinement
UNITS = np.repeat([np.deg2rad(3.0), 3.0], 3)
POWELL = {'xtol': 0.02, 'ftol': 1e-4, 'maxfev': 600}
SCHEDULE = {
    'aff_iterations': (100, 50, 20),
    'aff_shrink_factors': (4, 2, 1),
    'aff_smoothing_sigmas': (2, 1, 0),
    'aff_random_sampling_rate': 0.25,
}


@dataclass(frozen=True)
class Coregistration:
    """A rigid registration of two images of a person, and its quality.

    Parameters
    ----------
    affine : ndarray, shape (4, 4)
        Rigid, reference RAS mm to image RAS mm.
    quality : float
        See `agreement`.
    start : str
        Name of the start that led to it.
    attempts : dict of float
        Quality reached from each start that was tried.
    """

    affine: FloatArray
    quality: float
    start: str
    attempts: dict[str, float] = field(default_factory=dict)


def coregister(
    image: Volume,
    reference: Volume,
    transform: FloatArray,
    atlas: HeadAtlas,
    seed: int = 0,
    good_enough: float = GOOD_ENOUGH,
) -> Coregistration:
    """Register an image rigidly to another image of the same person.

    Parameters
    ----------
    image, reference : images.Volume
        The image to register, and the one to register it to. Contrasts, slices and fields of
        view may differ.
    transform : ndarray, shape (4, 4)
        Atlas RAS mm to reference RAS mm, which locates head and brain in the reference.
    atlas : HeadAtlas
        At `registration.RESOLUTION`.
    seed : int
        Random seed. With one thread the result is reproducible: see `registration.set_seed`.
    good_enough : float
        Quality at which no further start is tried. With 0, the alignment of the headers is the
        only start, and the result is not refined.

    Returns
    -------
    Coregistration
        The best attempt. The affine from the atlas to the image is ``affine @ transform``.

    Raises
    ------
    NotAHeadError
        If one of the images is nearly empty.
    """
    import ants

    registration.set_seed(seed)
    moving, grid = _prepared(image)
    fixed, fixed_grid = _prepared(reference)
    head = _near(atlas.skin, HEAD_MARGIN_MM, atlas, fixed.shape, fixed_grid, transform)
    options = {
        'fixed': registration.to_ants(fixed, fixed_grid),
        'moving': registration.to_ants(moving, grid),
        'type_of_transform': 'Rigid',
        'mask': registration.to_ants(head, fixed_grid),
    }
    best: Coregistration | None = None
    attempts: dict[str, float] = {}
    points = _brain(atlas, transform)
    with tempfile.TemporaryDirectory() as folder:
        pair = (moving, grid), (fixed, fixed_grid)
        for name in STARTS:
            around = np.eye(4) if best is None or best.quality < LOST else best.affine
            start = _start(name, pair, around, points, seed, folder)
            outprefix = str(Path(folder) / f'{name.replace(" ", "_")}_')
            result = ants.registration(
                **options, **SCHEDULE, initial_transform=start, outprefix=outprefix
            )
            found = registration.from_itk(ants.read_transform(result['fwdtransforms'][0]))
            fit = agreement(*pair, found, points)
            attempts[name] = fit
            if best is None or fit > best.quality:
                best = Coregistration(found, fit, name, attempts)
            if fit >= good_enough:
                break
    assert best is not None  # there are starts
    if not good_enough:
        return best
    refined = _refine(pair, best.affine, points)
    attempts['refined'] = fit = agreement(*pair, refined, points)
    return best if fit < best.quality else Coregistration(refined, fit, 'refined', attempts)


def agreement(
    image: Sampled,
    reference: Sampled,
    affine: FloatArray,
    points: FloatArray,
    least: float = MIN_POINTS,
) -> float:
    """Measure how well two images of a person agree over the brain, whatever their contrasts.

    Parameters
    ----------
    image, reference : tuple of (ndarray, ndarray)
        Intensities, and the affine from voxel indices to RAS mm.
    affine : ndarray, shape (4, 4)
        Reference RAS mm to image RAS mm.
    points : ndarray, shape (N, 3)
        Points of comparison, reference RAS mm: one in every 27 mm3 of the brain and
        `BRAIN_MARGIN_MM` around it.
    least : float
        Least number of points in view of both images.

    Returns
    -------
    float
        The larger of the two correlation ratios between the images over the points in view of
        both, or 0 with fewer than `least` of them.
    """
    one, other = sample(*image, apply_affine(affine, points)), sample(*reference, points)
    in_view = np.isfinite(one) & np.isfinite(other)
    if in_view.sum() < least:
        return 0.0
    one, other = one[in_view], other[in_view]
    return max(correlation_ratio(other, one), correlation_ratio(one, other))


def _prepared(volume: Volume) -> Sampled:
    """Return intensities at `RESOLUTION`, not negative and without shading, and the affine."""
    data = volume.data
    if volume.hounsfield:
        return registration.resample_isotropic(
            np.clip(data, AIR_HU, TISSUE_HU) - AIR_HU, volume.affine
        )
    data, grid = registration.resample_isotropic(data, volume.affine)
    low, high = np.quantile(data, (0.001, 0.999))
    data = np.clip(data, low, high) - min(low, 0)
    return registration.flatten_bias(data, RESOLUTION), grid


def _near(
    distance: FloatArray,
    margin: float,
    atlas: HeadAtlas,
    shape: Shape,
    grid: FloatArray,
    transform: FloatArray,
) -> FloatArray:
    """Return the voxels of a grid within a margin (mm) of a surface of the atlas, as 0 and 1."""
    return (carry_over(distance, atlas, shape, grid, transform) < margin).astype(np.float32)


def _brain(atlas: HeadAtlas, transform: FloatArray) -> FloatArray:
    """Return points of the brain in reference RAS mm, shape (N, 3)."""
    return apply_affine(transform, grid_points(atlas, atlas.brain < BRAIN_MARGIN_MM))


def _start(
    name: str,
    pair: tuple[Sampled, Sampled],
    around: FloatArray,
    points: FloatArray,
    seed: int,
    folder: str,
) -> str | None:
    """Return the initial transform for ANTs: a file, or None for centres of mass."""
    if name == 'centre of mass':
        return None
    path = Path(folder) / f'{name}.txt'
    affine = np.eye(4) if name == 'header' else _search(pair, around, points, seed)
    path.write_text(registration.itk_text(affine))
    return str(path)


def _search(
    pair: tuple[Sampled, Sampled], around: FloatArray, points: FloatArray, seed: int
) -> FloatArray:
    """Return the best of random rigid moves around an alignment, smaller in each round."""
    rng = np.random.default_rng([seed, 6])
    smooth = [(ndimage.gaussian_filter(data, 1), grid) for data, grid in pair]
    points = points[::SEARCH_STEP]
    centre = points.mean(axis=0)
    in_view = np.isfinite(sample(*pair[0], apply_affine(around, points))).sum()
    least = max(MIN_POINTS // SEARCH_STEP, in_view * 2 // 3)  # a small overlap may agree by chance
    one, other = smooth
    best, highest = around, agreement(one, other, around, points, least)
    for degrees, millimetres in SEARCH:
        middle = best
        for _ in range(TRIES):
            turn = rng.normal(size=3) * np.deg2rad(degrees)
            move = _move(turn, rng.normal(size=3) * millimetres, centre)
            fit = agreement(one, other, middle @ move, points, least)
            if fit > highest:
                best, highest = middle @ move, fit
    return best


def _refine(pair: tuple[Sampled, Sampled], affine: FloatArray, points: FloatArray) -> FloatArray:
    """Climb to the best agreement nearby: edges of slabs mislead mutual information."""
    from scipy.optimize import minimize

    points = points[::REFINE_STEP]
    centre = points.mean(axis=0)
    in_view = np.isfinite(sample(*pair[0], apply_affine(affine, points))).sum()

    def disagreement(numbers: FloatArray) -> float:
        least = max(MIN_POINTS // REFINE_STEP, in_view * 2 // 3)
        turn, shift = np.split(numbers, 2)
        return -agreement(*pair, affine @ _move(turn, shift, centre), points, least)

    # A unit is 3 degrees or 3 mm, the first step of Powell's method.
    found = minimize(
        lambda x: disagreement(x * UNITS), np.zeros(6), method='Powell', options=POWELL
    )
    turn, shift = np.split(found.x * UNITS, 2)
    return affine @ _move(turn, shift, centre)


def _move(vector: FloatArray, shift: FloatArray, centre: FloatArray) -> FloatArray:
    """Return a rigid move, shape (4, 4): a rotation vector (rad) about a centre, and a shift."""
    from scipy.spatial.transform import Rotation

    move = np.eye(4)
    move[:3, :3] = Rotation.from_rotvec(vector).as_matrix()
    move[:3, 3] = shift + centre - move[:3, :3] @ centre
    return move
