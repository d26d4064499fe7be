# SPDX-License-Identifier: Apache-2.0
"""Rigid registration of one image of a person to another image of the same person.

Two images of one head agree far better than any head and the atlas do, whatever their contrasts,
so that an image without a full head (a slab, a functional series) finds the atlas by way of a
better one. Quality is measured, not assumed: the caller judges whether it is good enough.
"""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from nibabel.affines import apply_affine
from scipy import ndimage

from facebids.core.alignment import registration
from facebids.core.alignment.quality import MIN_POINTS, correlation_ratio
from facebids.core.alignment.registration import RESOLUTION
from facebids.core.foreground import AIR_HU, TISSUE_HU
from facebids.core.grids import grid_points, sample

GOOD_ENOUGH = 0.6  # quality at which no further start is tried
LOST = 0.35  # quality under which an attempt is no place to search around
HEAD_MARGIN_MM = 10.0  # around the head that images are compared in
BRAIN_MARGIN_MM = 4.0  # around the brain that quality is measured in
STARTS = ('header', 'centre of mass', 'search')
SEARCH = ((12.0, 20.0), (6.0, 8.0), (3.0, 4.0))  # degrees and mm, standard deviation along axes
TRIES = 250  # of each
SEARCHED = 17  # one point of so many is compared in the search
REFINED = 4  # and in the refinement
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
    """A rigid registration of two images of a person, and how well they agree.

    Parameters
    ----------
    affine : ndarray, shape (4, 4)
        Rigid, reference RAS mm to image RAS mm.
    quality : float
        See `agreement`.
    start : str
        Name of the start it came from.
    attempts : dict
        Quality of each start that was tried.
    """

    affine: np.ndarray
    quality: float
    start: str
    attempts: dict = field(default_factory=dict)


def coregister(image, reference, transform, atlas, seed=0, good_enough=GOOD_ENOUGH):
    """Register an image rigidly to another image of the same person.

    Parameters
    ----------
    image, reference : images.Volume
        What is registered, and to what. Contrasts, slices and fields of view may differ.
    transform : ndarray, shape (4, 4)
        Atlas RAS mm to reference RAS mm: where in the reference head and brain are.
    atlas : HeadAtlas
        At `registration.RESOLUTION`.
    seed : int
        Of the sampling; with one thread the result is repeatable: see `registration.set_seed`.
    good_enough : float
        Quality at which no further start is tried; with 0 the header's alignment is the only one,
        and is not refined.

    Returns
    -------
    Coregistration
        The best of the attempts. The way from the atlas to the image is its `affine` after
        `transform`: ``affine @ transform``.
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
    best, attempts = None, {}
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
    if not good_enough:
        return best
    refined = _refine(pair, best.affine, points)
    attempts['refined'] = fit = agreement(*pair, refined, points)
    return best if fit < best.quality else Coregistration(refined, fit, 'refined', attempts)


def agreement(image, reference, affine, points, least=MIN_POINTS):
    """How well two images of a person agree over the brain, whatever their contrasts.

    Parameters
    ----------
    image, reference : tuple of (ndarray, ndarray)
        Intensities and voxel indices to RAS mm.
    affine : ndarray, shape (4, 4)
        Reference RAS mm to image RAS mm.
    points : ndarray, shape (N, 3)
        Where they are compared, reference RAS mm: of every 27 mm3 of the brain and
        `BRAIN_MARGIN_MM` around it.
    least : int
        How many of them have to be in view of both.

    Returns
    -------
    float
        The larger of the two correlation ratios between the images, where both are in view; 0
        where too little is.
    """
    ours, theirs = sample(*image, apply_affine(affine, points)), sample(*reference, points)
    seen = np.isfinite(ours) & np.isfinite(theirs)
    if seen.sum() < least:
        return 0.0
    ours, theirs = ours[seen], theirs[seen]
    return max(correlation_ratio(theirs, ours), correlation_ratio(ours, theirs))


def _prepared(volume):
    """Intensities at `RESOLUTION`, not negative, without shading, and their grid."""
    data = volume.data
    if volume.hounsfield:
        return registration.resample_isotropic(
            np.clip(data, AIR_HU, TISSUE_HU) - AIR_HU, volume.affine
        )
    data, grid = registration.resample_isotropic(data, volume.affine)
    low, high = np.quantile(data, (0.001, 0.999))
    data = np.clip(data, low, high) - min(low, 0)
    return registration.flatten_bias(data, RESOLUTION), grid


def _near(distance, margin, atlas, shape, grid, transform):
    """Voxels of a grid within a margin (mm) of a surface of the atlas, as 0.0 and 1.0."""
    from facebids.core.grids import carry_over

    return (carry_over(distance, atlas, shape, grid, transform) < margin).astype(np.float32)


def _brain(atlas, transform):
    """Points of the brain in reference RAS mm, shape (N, 3)."""
    return apply_affine(transform, grid_points(atlas, atlas.brain < BRAIN_MARGIN_MM))


def _start(name, pair, around, points, seed, folder):
    """Return what ANTs takes for a start: a file, or None for centres of mass."""
    if name == 'centre of mass':
        return None
    path = Path(folder) / f'{name}.txt'
    affine = np.eye(4) if name == 'header' else _search(pair, around, points, seed)
    path.write_text(registration.itk_text(affine))
    return str(path)


def _search(pair, around, points, seed):
    """Best of random rigid moves around an alignment, ever smaller, shape (4, 4)."""
    rng = np.random.default_rng([seed, 6])
    smooth = [(ndimage.gaussian_filter(data, 1), grid) for data, grid in pair]
    points = points[::SEARCHED]
    centre = points.mean(axis=0)
    in_view = np.isfinite(sample(*pair[0], apply_affine(around, points))).sum()
    least = max(MIN_POINTS // SEARCHED, in_view * 2 // 3)  # a small overlap agrees by chance
    best, highest = around, agreement(*smooth, around, points, least)
    for degrees, millimetres in SEARCH:
        middle = best
        for _ in range(TRIES):
            turn = rng.normal(size=3) * np.deg2rad(degrees)
            move = _move(turn, rng.normal(size=3) * millimetres, centre)
            fit = agreement(*smooth, middle @ move, points, least)
            if fit > highest:
                best, highest = middle @ move, fit
    return best


def _refine(pair, affine, points):
    """Climb to the best agreement nearby: in slabs mutual information is led astray by edges."""
    from scipy.optimize import minimize

    points = points[::REFINED]
    centre = points.mean(axis=0)
    in_view = np.isfinite(sample(*pair[0], apply_affine(affine, points))).sum()

    def worse(numbers):
        least = max(MIN_POINTS // REFINED, in_view * 2 // 3)
        return -agreement(*pair, affine @ _move(*np.split(numbers, 2), centre), points, least)

    # a unit is 3 degrees or 3 mm, which is the first step that Powell's method takes
    found = minimize(lambda x: worse(x * UNITS), np.zeros(6), method='Powell', options=POWELL)
    return affine @ _move(*np.split(found.x * UNITS, 2), centre)


def _move(vector, shift, centre):
    """Rigid move, shape (4, 4): a rotation vector (rad) about a centre, and a shift, mm."""
    from scipy.spatial.transform import Rotation

    move = np.eye(4)
    move[:3, :3] = Rotation.from_rotvec(vector).as_matrix()
    move[:3, 3] = shift + centre - move[:3, :3] @ centre
    return move
