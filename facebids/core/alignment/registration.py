# SPDX-License-Identifier: Apache-2.0
"""Affine registration of a head image to the head atlas.

An affine maps atlas RAS mm to subject RAS mm. It is found in two steps at 3 mm: the whole head
first (it captures cropped and full heads alike), then the real brain alone inside its dilated
mask (it sets the scale). They start from a coarse search (`starts`). Quality is measured, not
assumed; when it falls short, heads that lie in any other orientation are searched for.
"""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import linalg, ndimage

from facebids.core.alignment import starts
from facebids.core.alignment.quality import BRAIN_MARGIN_MM, quality
from facebids.core.alignment.starts import Search
from facebids.core.atlas import COMPUTED
from facebids.core.foreground import AIR_HU, TISSUE_HU, tissue_threshold

RESOLUTION = 3.0  # mm
# ANTs options of each step: iterations and downsampling per level, share of voxels sampled.
SCHEDULES = {
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
    'brain': {
        'aff_iterations': (60, 30),
        'aff_shrink_factors': (2, 1),
        'aff_smoothing_sigmas': (1, 0),
        'aff_random_sampling_rate': 0.5,
    },
}
# Correlation ratio over the brain, and inside it, at which no further start is tried. Measured on
# public scans: registered T1w 0.28-0.70 and 0.14-0.45, FLAIR 0.19-0.45 and 0.09-0.28; turned by
# 90 or 180 degrees, at the best such place, up to 0.25 and 0.08.
GOOD_ENOUGH = {'T1w': 0.3, 'FLAIR': 0.2, 'T2w': 0.11, 'PDw': 0.25, 'CT': 0.45}
GOOD_TISSUE = 0.1
# Above that limit, before heads of any orientation are searched for. Below, shading may have led
# a few mm astray, and a head that is turned by 180 degrees has come up to the limit.
BEYOND_DOUBT, FIRST = 0.1, ('upright', 'strong shading')
WORTH_TRYING = 0.85  # of the best start's coarse score
# Gaussian in which a strong coil shading is taken out. It takes contrast of the brain with it, so
# it is tried only where the usual one (`flatten_bias`) does not suffice.
STRONG_SHADING_MM = 10.0
RAS_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # ITK's axes are LPS


@dataclass(frozen=True)
class Registration:
    """A registration and how well it fits.

    Parameters
    ----------
    affine : ndarray, shape (4, 4)
        Atlas RAS mm to subject RAS mm.
    quality : dict
        `brain`, `head` (see `quality`) and the `score` they make.
    start : str
        Name of the start it came from.
    attempts : dict
        Score of each start that was tried.
    """

    affine: np.ndarray
    quality: dict
    start: str
    attempts: dict = field(default_factory=dict)


def set_seed(seed):
    """Set the seed of the sampling in every registration by ANTsPy that follows.

    ANTsPy 0.6.2 and later keep it for the whole process: what `ants.registration` is given as
    `random_seed` it ignores, and without a seed ITK takes the clock. With one thread
    (`ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS`, read before ITK is first used) registrations then
    repeat bit for bit on the same machine; sums of several threads depend on their timing.

    Parameters
    ----------
    seed : int
    """
    import ants

    # ITK takes 0 for "from the clock", and nothing beyond a signed 32-bit integer
    ants.config.set_ants_deterministic(on=False, seed_value=seed % (2**31 - 1) + 1)


def pose(affine):
    """Rigid transform that turns a head upright, as the atlas stands, without scaling it.

    The rotation is the orthogonal factor nearest to the inverse of the affine's linear part
    (polar decomposition); the atlas's origin maps to itself.

    Parameters
    ----------
    affine : ndarray, shape (4, 4)
        Atlas RAS mm to subject RAS mm.

    Returns
    -------
    ndarray, shape (4, 4)
        Subject RAS mm to posed RAS mm.
    """
    rotation, _ = linalg.polar(affine[:3, :3])
    rigid = np.eye(4)
    rigid[:3, :3] = rotation.T
    rigid[:3, 3] = -rigid[:3, :3] @ affine[:3, 3]
    return rigid


def resample_isotropic(data, affine, spacing=RESOLUTION):
    """Resample a volume, anti-aliased, to isotropic voxels near its closest canonical axes.

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
    volume = ndimage.gaussian_filter(volume, np.where(step > 1, step * 0.4, 0))
    shape = np.maximum(np.ceil(np.array(volume.shape) / step), 1).astype(int)
    first = (step - 1) / 2
    volume = ndimage.affine_transform(
        volume, np.diag(step), first, output_shape=tuple(shape), order=1, mode='nearest'
    )
    affine = image.affine @ np.diag([*step, 1.0])
    affine[:3, 3] = image.affine[:3, :3] @ first + image.affine[:3, 3]
    return volume, affine


def flatten_bias(data, spacing, width=30.0):
    """Divide a volume by its own local mean, so that coil shading does not look like anatomy.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
        Intensities, not negative.
    spacing : float
        Voxel size, mm.
    width : float
        Standard deviation (mm) of the Gaussian in which the mean over tissue is taken.

    Returns
    -------
    ndarray, shape (X, Y, Z)
    """
    tissue = (data > tissue_threshold(data)).astype(np.float32)
    share = ndimage.gaussian_filter(tissue, width / spacing)
    mean = ndimage.gaussian_filter(data * tissue, width / spacing) / np.maximum(share, 0.02)
    floor = 0.2 * float(np.median(mean[tissue > 0]))
    return data / np.maximum(mean, floor)


def to_ants(data, affine):
    """Return a volume as an ANTs image; `affine` takes voxel indices to RAS mm."""
    import ants

    lps = RAS_LPS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    return ants.from_numpy(
        np.ascontiguousarray(data, np.float32),
        origin=[float(v) for v in lps[:3, 3]],
        spacing=[float(v) for v in spacing],
        direction=lps[:3, :3] / spacing,
    )


def from_itk(transform):
    """RAS matrix of an ITK affine, shape (4, 4)."""
    parameters = np.array(transform.parameters)
    centre = np.array(transform.fixed_parameters)
    linear = parameters[:9].reshape(3, 3)
    affine = np.eye(4)
    affine[:3, :3] = linear
    affine[:3, 3] = parameters[9:] + centre - linear @ centre
    return RAS_LPS @ affine @ RAS_LPS


def itk_text(affine):
    """Write an affine (RAS mm) as the text of an ITK transform file.

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


def _fit(atlas, modality, moving, start, seed):
    """Names and affines of the two steps, from the affine to start with."""
    import ants

    set_seed(seed)
    contrast = atlas.contrast(modality)
    head = to_ants(ndimage.gaussian_filter(contrast, 0.6), atlas.affine)
    brain_only = np.where(atlas.brain < 0, contrast, 0)
    brain = to_ants(ndimage.gaussian_filter(brain_only, 0.4), atlas.affine)
    near_brain = to_ants((atlas.brain < BRAIN_MARGIN_MM).astype(np.float32), atlas.affine)
    steps = (
        ('pose', 'Similarity', head, None),
        ('head', 'Affine', head, None),
        ('brain', 'Affine', brain, near_brain),
    )
    affines = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'start.txt'
        path.write_text(itk_text(start))
        for name, kind, fixed, mask in steps:
            result = ants.registration(
                fixed,
                moving,
                kind,
                initial_transform=str(path),
                mask=mask,
                outprefix=str(Path(folder) / f'{name}_'),
                **SCHEDULES[name],
            )
            path = result['fwdtransforms'][0]
            affines[name] = from_itk(ants.read_transform(path))
    return [(name, affines[name]) for name in ('head', 'brain')]


def register(data, affine, atlas, modality, seed=0):
    """Register a head image to the atlas.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
        Intensities.
    affine : ndarray, shape (4, 4)
        Voxel indices to subject RAS mm.
    atlas : HeadAtlas
        At `RESOLUTION`.
    modality : str
        Contrast of the atlas to register to.
    seed : int
        Of the sampling; with one thread the result is repeatable: see `set_seed`.

    Returns
    -------
    Registration
        The best of the attempts by `quality`; the caller judges whether it is good enough.
    """
    image, grid = resample_isotropic(data, affine)
    image = even_out(image, modality)
    best, attempts = None, {}
    for name, start, width in _starts(Search(image, grid, atlas, modality, seed), modality):
        evened = image if width is None else flatten_bias(image, RESOLUTION, width)
        for step, found in _fit(atlas, modality, to_ants(evened, grid), start.affine, seed):
            fit = quality(image, grid, found, atlas, modality)
            attempts[f'{name}, {step}'] = fit['score']
            if best is None or fit['score'] > best.quality['score']:
                best = Registration(found, fit, f'{name}, {step}', attempts)
        if _good(best.quality, modality, BEYOND_DOUBT if name in FIRST else 0.0):
            break
    return best


def even_out(image, modality):
    """Take shading and outliers out of intensities; of CT, put air at zero.

    Parameters
    ----------
    image : ndarray, shape (X, Y, Z)
        At `RESOLUTION`.
    modality : str

    Returns
    -------
    ndarray, shape (X, Y, Z)
    """
    if modality in COMPUTED:
        return np.clip(image, AIR_HU, TISSUE_HU) - AIR_HU
    image = flatten_bias(np.clip(image, 0, np.quantile(image, 0.999)), RESOLUTION)
    return np.clip(image, None, np.quantile(image, 0.999))


def _good(found, modality, better=0.0):
    tissue = found['tissue'] is None or found['tissue'] >= GOOD_TISSUE
    return found['brain'] >= GOOD_ENOUGH[modality] + better and tissue


def _starts(search, modality):
    """Yield the ladder of starts: name, pose, and how narrowly shading is taken out once more.

    First the best upright one, then the same under strong shading, then heads of any orientation
    and size.
    """
    first, *others = search.best(starts.upright())
    yield 'upright', first, None
    if modality not in COMPUTED:
        yield 'strong shading', first, STRONG_SHADING_MM
    sizes = starts.ADULTS + starts.CHILDREN
    everywhere = search.best(starts.anyhow(), scales=sizes)
    named = [(f'any orientation {number + 1}', start) for number, start in enumerate(everywhere)]
    named += [(f'upright {number + 2}', start) for number, start in enumerate(others)]
    tried = [first]
    for name, start in named:
        worth = start.score > WORTH_TRYING * max(pose.score for pose in tried)
        if worth and all(starts.apart(start.affine, t.affine, search.middle) for t in tried):
            tried.append(start)
            yield name, start, None
