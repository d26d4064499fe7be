# SPDX-License-Identifier: Apache-2.0
"""Affine registration of a head image to the head atlas.

An affine maps atlas RAS mm to subject RAS mm. It is estimated in two steps at 3 mm: first from
the whole head, which works for cropped and full heads alike, then from the brain alone inside its
dilated mask, which sets the scale. A coarse search (`starts`) gives the initial pose. The quality
of the result is measured; if it is too low, poses of any orientation are tried.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import nibabel as nib
import numpy as np
from scipy import linalg, ndimage

from facebids.core.alignment import starts
from facebids.core.alignment.quality import BRAIN_MARGIN_MM, Quality, quality
from facebids.core.alignment.starts import Pose, Search
from facebids.core.arrays import AnyArray, FloatArray
from facebids.core.contrasts import CONTRASTS, HOUNSFIELD
from facebids.core.foreground import AIR_HU, TISSUE_HU, tissue_threshold
from facebids.core.grids import rescale

if TYPE_CHECKING:
    from facebids.core.alignment.space_template import Target

RESOLUTION = 3.0  # mm
Schedule = dict[str, dict[str, Any]]
# ANTs options of each step: iterations and downsampling per level, share of voxels sampled. Most
# heads are registered as well by the quick schedule, in a third of the time.
QUICK: Schedule = {
    'head': {
        'aff_iterations': (60,),
        'aff_shrink_factors': (2,),
        'aff_smoothing_sigmas': (1,),
        'aff_random_sampling_rate': 0.15,
    },
    'brain': {
        'aff_iterations': (60, 30),
        'aff_shrink_factors': (2, 1),
        'aff_smoothing_sigmas': (1, 0),
        'aff_random_sampling_rate': 0.25,
    },
}
THOROUGH: Schedule = {
    'pose': {
        'aff_iterations': (100, 50),
        'aff_shrink_factors': (4, 2),
        'aff_smoothing_sigmas': (2, 1),
        'aff_random_sampling_rate': 0.25,
    },
    'head': {
        'aff_iterations': (60, 20),
        'aff_shrink_factors': (2, 1),
        'aff_smoothing_sigmas': (1, 0),
        'aff_random_sampling_rate': 0.15,
    },
    'brain': QUICK['brain'] | {'aff_random_sampling_rate': 0.5},
}
# Correlation ratio inside the brain at which no further start is tried; over the brain, that is
# `Contrast.good_enough`. In public scans: registered correctly, T1w 0.28-0.70 over the brain and
# 0.14-0.45 inside, FLAIR 0.19-0.45 and 0.09-0.28; rotated by 90 or 180 degrees, at the best such
# position, up to 0.25 and 0.08.
GOOD_TISSUE = 0.1
# Added to that limit for the first starts, before any orientation is tried. Below the sum, shading
# may have shifted the result by a few mm, and a head rotated by 180 degrees has reached the limit.
BEYOND_DOUBT, FIRST = 0.1, ('quick', 'upright', 'strong shading')
EQUAL = 0.98  # of the highest score: the contrast inside the brain decides between these
WORTH_TRYING = 0.85  # of the coarse score of the best start
# Gaussian that removes strong coil shading. It also removes contrast of the brain, so it is used
# only if the usual one (`flatten_bias`) does not suffice.
STRONG_SHADING_MM = 10.0
RAS_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # ITK's axes are LPS


@dataclass(frozen=True)
class Registration:
    """A registration and its quality.

    Parameters
    ----------
    affine : ndarray, shape (4, 4)
        Atlas RAS mm to subject RAS mm.
    quality : Quality
        Agreement with the atlas.
    start : str
        Name of the start that led to it, and of the step.
    attempts : dict of float
        Score reached from each start that was tried.
    """

    affine: FloatArray
    quality: Quality
    start: str
    attempts: dict[str, float] = field(default_factory=dict)


def set_seed(seed: int) -> None:
    """Set the random seed of all following registrations by ANTsPy.

    ANTsPy 0.6.2 and later keep one seed for the whole process and ignore the `random_seed` of
    `ants.registration`; without a seed, ITK uses the clock. With one thread
    (`ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS`, read before ITK is first used), registrations are
    then reproducible bit for bit on the same machine. Sums of several threads depend on timing.

    Parameters
    ----------
    seed : int
    """
    import ants

    # For ITK, 0 means the clock; seeds are signed 32-bit integers.
    ants.config.set_ants_deterministic(on=False, seed_value=seed % (2**31 - 1) + 1)


def nearest_rotation(affine: FloatArray) -> FloatArray:
    """Return the rotation nearest to the linear part of an affine (polar decomposition).

    Parameters
    ----------
    affine : ndarray, shape (4, 4)

    Returns
    -------
    ndarray, shape (3, 3)
    """
    rotation, _ = linalg.polar(affine[:3, :3])
    return rotation


def pose(affine: FloatArray) -> FloatArray:
    """Return the rigid transform that puts a head into the pose of the atlas, unscaled.

    It applies the inverse of `nearest_rotation`. The origin of the atlas is mapped to itself.

    Parameters
    ----------
    affine : ndarray, shape (4, 4)
        Atlas RAS mm to subject RAS mm.

    Returns
    -------
    ndarray, shape (4, 4)
        Subject RAS mm to posed RAS mm.
    """
    rigid = np.eye(4)
    rigid[:3, :3] = nearest_rotation(affine).T
    rigid[:3, 3] = -rigid[:3, :3] @ affine[:3, 3]
    return rigid


def resample_isotropic(
    data: AnyArray, affine: FloatArray, spacing: float = RESOLUTION
) -> tuple[FloatArray, FloatArray]:
    """Resample a volume to isotropic voxels along its closest canonical axes, anti-aliased.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
    affine : ndarray, shape (4, 4)
        Voxel indices to RAS mm.
    spacing : float
        New voxel size, mm.

    Returns
    -------
    data : ndarray of float32, shape (I, J, K)
    affine : ndarray, shape (4, 4)
    """
    image = nib.as_closest_canonical(nib.Nifti1Image(np.asarray(data, np.float32), affine))
    volume, zooms = image.get_fdata(dtype=np.float32), np.array(image.header.get_zooms())
    step = spacing / zooms
    shape = np.maximum(np.ceil(np.array(volume.shape) / step), 1).astype(int)
    first = (step - 1) / 2
    volume = rescale(volume, step, first, tuple(shape), np.where(step > 1, step * 0.4, 0))
    affine = image.affine @ np.diag([*step, 1.0])
    affine[:3, 3] = image.affine[:3, :3] @ first + image.affine[:3, 3]
    return volume, affine


def flatten_bias(data: FloatArray, spacing: float, width: float = 30.0) -> FloatArray:
    """Divide a volume by its local mean, so that coil shading is not taken for anatomy.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
        Intensities, not negative.
    spacing : float
        Voxel size, mm.
    width : float
        Standard deviation (mm) of the Gaussian of the mean over tissue.

    Returns
    -------
    ndarray, shape (X, Y, Z)

    Raises
    ------
    NotAHeadError
        See `tissue_threshold`.
    """
    tissue = (data > tissue_threshold(data)).astype(np.float32)
    share = ndimage.gaussian_filter(tissue, width / spacing)
    mean = ndimage.gaussian_filter(data * tissue, width / spacing) / np.maximum(share, 0.02)
    floor = 0.2 * float(np.median(mean[tissue > 0]))
    return data / np.maximum(mean, floor)


def to_ants(data: AnyArray, affine: FloatArray) -> Any:
    """Convert a volume and its affine (voxel indices to RAS mm) to an ANTs image."""
    import ants

    lps = RAS_LPS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    return ants.from_numpy(
        np.ascontiguousarray(data, np.float32),
        origin=[float(v) for v in lps[:3, 3]],
        spacing=[float(v) for v in spacing],
        direction=lps[:3, :3] / spacing,
    )


def from_itk(transform: Any) -> FloatArray:
    """Convert an ITK affine to a RAS matrix, shape (4, 4)."""
    parameters = np.array(transform.parameters)
    centre = np.array(transform.fixed_parameters)
    linear = parameters[:9].reshape(3, 3)
    affine = np.eye(4)
    affine[:3, :3] = linear
    affine[:3, 3] = parameters[9:] + centre - linear @ centre
    return RAS_LPS @ affine @ RAS_LPS


def itk_text(affine: FloatArray) -> str:
    """Format an affine (RAS mm) as the text of an ITK transform file.

    Parameters
    ----------
    affine : ndarray, shape (4, 4)

    Returns
    -------
    str
    """
    lps = RAS_LPS @ affine @ RAS_LPS
    numbers = ' '.join(f'{v:.9g}' for v in [*lps[:3, :3].ravel(), *lps[:3, 3]])
    return (
        '#Insight Transform File V1.0\n#Transform 0\n'
        'Transform: AffineTransform_double_3_3\n'
        f'Parameters: {numbers}\nFixedParameters: 0 0 0\n'
    )


def _fit(
    atlas: Target, modality: str, moving: Any, start: FloatArray, seed: int, schedule: Schedule
) -> list[tuple[str, FloatArray]]:
    """Return names and affines of the steps, beginning with the affine `start`."""
    import ants

    set_seed(seed)
    contrast = atlas.contrast(modality)
    head = to_ants(ndimage.gaussian_filter(contrast, 0.6), atlas.affine)
    brain_only = np.where(atlas.brain < 0, contrast, 0)
    brain = to_ants(ndimage.gaussian_filter(brain_only, 0.4), atlas.affine)
    near_brain = to_ants((atlas.brain < BRAIN_MARGIN_MM).astype(np.float32), atlas.affine)
    affines = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'start.txt'
        path.write_text(itk_text(start))
        for name, options in schedule.items():
            fixed, mask = (brain, near_brain) if name == 'brain' else (head, None)
            result = ants.registration(
                fixed,
                moving,
                'Similarity' if name == 'pose' else 'Affine',
                initial_transform=str(path),
                mask=mask,
                outprefix=str(Path(folder) / f'{name}_'),
                **options,
            )
            path = result['fwdtransforms'][0]
            affines.append((name, from_itk(ants.read_transform(path))))
    return [step for step in affines if step[0] != 'pose']


def register(
    data: AnyArray, affine: FloatArray, atlas: Target, modality: str, seed: int = 0
) -> Registration:
    """Register a head image to the atlas.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
        Intensities.
    affine : ndarray, shape (4, 4)
        Voxel indices to subject RAS mm.
    atlas : HeadAtlas or SpaceTemplate
        At `RESOLUTION`.
    modality : str
        Contrast of the atlas to register to.
    seed : int
        Random seed. With one thread the result is reproducible: see `set_seed`.

    Returns
    -------
    Registration
        The best attempt. The caller judges whether it is good enough.

    Raises
    ------
    NotAHeadError
        If the image is nearly empty.
    """
    image, grid = resample_isotropic(data, affine)
    image = even_out(image, modality)
    found: list[Registration] = []
    attempts: dict[str, float] = {}
    for start in _starts(Search(image, grid, atlas, modality, seed), modality):
        width = start.shading_mm
        evened = image if width is None else flatten_bias(image, RESOLUTION, width)
        steps = _fit(
            atlas, modality, to_ants(evened, grid), start.pose.affine, seed, start.schedule
        )
        for step, transform in steps:
            fit = quality(image, grid, transform, atlas, modality)
            name = f'{start.name}, {step}'
            attempts[name] = fit.score
            found.append(Registration(transform, fit, name, attempts))
        if _good(_best(found).quality, modality, BEYOND_DOUBT if start.name in FIRST else 0.0):
            break
    return _best(found)


def _best(found: list[Registration]) -> Registration:
    """Return the registration with the highest score; of equally good ones, that of the tissue."""
    least = EQUAL * max(each.quality.score for each in found)
    equal = [each for each in found if each.quality.score >= least]
    return max(equal, key=lambda each: (each.quality.tissue or 0.0, each.quality.score))


def even_out(image: FloatArray, modality: str) -> FloatArray:
    """Remove shading and outliers from intensities; of CT, shift air to zero.

    Parameters
    ----------
    image : ndarray, shape (X, Y, Z)
        At `RESOLUTION`.
    modality : str

    Returns
    -------
    ndarray, shape (X, Y, Z)
    """
    if modality in HOUNSFIELD:
        return np.clip(image, AIR_HU, TISSUE_HU) - AIR_HU
    image = flatten_bias(np.clip(image, 0, np.quantile(image, 0.999)), RESOLUTION)
    return np.clip(image, None, np.quantile(image, 0.999))


def _good(fit: Quality, modality: str, margin: float) -> bool:
    tissue = fit.tissue is None or fit.tissue >= GOOD_TISSUE
    return fit.brain >= CONTRASTS[modality].good_enough + margin and tissue


class _Start(NamedTuple):
    """Where a registration begins, and how it goes on."""

    name: str
    pose: Pose
    shading_mm: float | None = None  # width of the Gaussian that removes strong shading
    schedule: Schedule = THOROUGH


def _starts(search: Search, modality: str) -> Iterator[_Start]:
    """Yield starts in order.

    The best upright pose comes first, quickly and thoroughly, then the same with strong shading
    removed, then poses of any orientation and size.
    """
    first, *others = search.best(starts.upright())
    yield _Start('quick', first, schedule=QUICK)
    yield _Start('upright', first)
    if modality not in HOUNSFIELD:
        yield _Start('strong shading', first, STRONG_SHADING_MM)
    sizes = starts.ADULTS + starts.CHILDREN
    everywhere = search.best(starts.any_orientation(), scales=sizes)
    named = [(f'any orientation {number + 1}', start) for number, start in enumerate(everywhere)]
    named += [(f'upright {number + 2}', start) for number, start in enumerate(others)]
    tried = [first]
    for name, start in named:
        worth = start.score > WORTH_TRYING * max(pose.score for pose in tried)
        if worth and all(starts.apart(start.affine, t.affine, search.middle) for t in tried):
            tried.append(start)
            yield _Start(name, start)
