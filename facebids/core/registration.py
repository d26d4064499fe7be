# SPDX-License-Identifier: Apache-2.0
"""Affine registration of a head image to the head atlas. The only importer of ANTsPy.

An affine maps atlas RAS mm to subject RAS mm. It is found in two steps at 3 mm: the whole head
first (it captures cropped and full heads alike), then the real brain alone inside its dilated
mask (it sets the scale). Quality is measured, not assumed; when it falls short, further starts
are tried.
"""

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from facebids.core.surface import tissue_threshold

RESOLUTION = 3.0  # mm
MIN_POINTS = 1000  # of the atlas in view, about 27 mL: fewer tell nothing
BRAIN_MARGIN_MM = 4.0  # of the second step's mask; narrower or wider scales the brain worse
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
MEAN_SCALE = 0.88  # adult heads over the atlas, which is about a tenth too large
# Correlation ratio over the brain at which no further start is tried. Measured on 54 T1w and 8
# FLAIR: registered 0.20-0.68 and 0.16-0.45; transforms 12-40 degrees off 0.02-0.20 and 0-0.05.
GOOD_ENOUGH = {'T1w': 0.3, 'FLAIR': 0.15}
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


def configure_threads(count):
    """Set ITK's number of threads; to be called before ANTsPy is first imported."""
    os.environ['ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS'] = str(count)


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
    u, _, vt = np.linalg.svd(affine[:3, :3])
    rigid = np.eye(4)
    rigid[:3, :3] = (u @ vt).T
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


def _to_ants(data, affine):
    import ants

    lps = RAS_LPS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    return ants.from_numpy(
        np.ascontiguousarray(data, np.float32),
        origin=[float(v) for v in lps[:3, 3]],
        spacing=[float(v) for v in spacing],
        direction=lps[:3, :3] / spacing,
    )


def _from_itk(transform):
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


def sample(data, affine, points, outside=np.nan):
    """Values of a volume at points given in its RAS mm, linear; `outside` off the grid.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
    affine : ndarray, shape (4, 4)
    points : ndarray, shape (N, 3)

    Returns
    -------
    ndarray, shape (N,)
    """
    inverse = np.linalg.inv(affine)
    indices = points @ inverse[:3, :3].T + inverse[:3, 3]
    return ndimage.map_coordinates(data, indices.T, order=1, cval=outside)


def grid_points(atlas, where):
    """Atlas RAS mm of the voxels selected by a boolean array, shape (N, 3)."""
    indices = np.argwhere(where)
    return np.stack([atlas.axes[i][indices[:, i]] for i in range(3)], axis=1)


def correlation_ratio(reference, values, bins=24):
    """Share of the variance of `values` that is explained by the bins of `reference`.

    Roche et al. (1998), MICCAI, doi 10.1007/BFb0056301; it needs no relation between the two
    contrasts but that one is a function of the other.
    """
    edges = np.quantile(reference, np.linspace(0, 1, bins + 1)[1:-1])
    labels = np.digitize(reference, edges)
    count = np.bincount(labels, minlength=bins)
    mean = np.bincount(labels, values, minlength=bins) / np.maximum(count, 1)
    variance = values.var()
    return float((count * (mean - values.mean()) ** 2).sum() / (values.size * variance + 1e-12))


def quality(data, affine, transform, atlas, modality):
    """How well a registered image agrees with the atlas, whatever its contrast.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
    affine : ndarray, shape (4, 4)
        Voxel indices to subject RAS mm.
    transform : ndarray, shape (4, 4)
        Atlas RAS mm to subject RAS mm.
    atlas : HeadAtlas
    modality : str

    Returns
    -------
    dict
        `brain`: correlation ratio between the atlas's and the image's intensities over the brain
        and its fluid; `head`: Dice overlap of the two heads' voxels within the field of view;
        `tissue`: correlation ratio inside the brain alone, which a bottle of water lacks;
        `brain_in_view`: share of the atlas's brain inside the field of view; `score`: geometric
        mean of `brain` and `head`.
    """
    near_brain = atlas.brain < BRAIN_MARGIN_MM
    values = sample(data, affine, _apply(transform, grid_points(atlas, near_brain)))
    seen = np.isfinite(values)
    reference = np.where(atlas.brain < 0, atlas.contrast(modality), 0)[near_brain]
    in_view = float(seen[atlas.brain[near_brain] < 0].mean())
    inside = seen & (atlas.brain[near_brain] < -BRAIN_MARGIN_MM)
    brain, tissue = (
        correlation_ratio(reference[where], values[where]) if where.sum() > MIN_POINTS else 0.0
        for where in (seen, inside)
    )

    everywhere = grid_points(atlas, np.ones(atlas.brain.shape, bool))
    values = sample(data, affine, _apply(transform, everywhere))
    seen = np.isfinite(values)
    found = values[seen] > tissue_threshold(data)
    expected = (atlas.skin.ravel() < 0)[seen]
    head = float(2 * (found & expected).sum() / max(found.sum() + expected.sum(), 1))
    return {
        'brain': brain,
        'tissue': tissue,
        'head': head,
        'brain_in_view': in_view,
        'score': float(np.sqrt(max(brain, 0) * head)),
    }


def _apply(affine, points):
    return points @ affine[:3, :3].T + affine[:3, 3]


def search_starts(data, affine, atlas, modality, count=3):
    """Coarse search for starting affines, for heads that are tilted, cropped or off centre.

    Pitches in 15 degree steps, centres on a 20 mm grid around the image's, a mean adult scale;
    each is scored by the correlation ratio over the whole head at 9 mm, times the square
    root of the share of the head inside the field of view.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
    affine : ndarray, shape (4, 4)
        Voxel indices to subject RAS mm.
    atlas : HeadAtlas
    modality : str
    count : int
        How many of the best to return; neighbours of a better one are passed over.

    Returns
    -------
    list of ndarray, shape (4, 4)
        Atlas RAS mm to subject RAS mm, best first.
    """
    smooth = ndimage.gaussian_filter(data, 1.5)
    coarse = np.zeros(atlas.skin.shape, bool)
    coarse[::3, ::3, ::3] = True
    coarse &= atlas.skin < 15
    points = grid_points(atlas, coarse)
    reference = ndimage.gaussian_filter(atlas.contrast(modality), 1.5)[coarse]
    centre = affine[:3, :3] @ ((np.array(data.shape) - 1) / 2) + affine[:3, 3]
    scored = []
    for pitch in np.deg2rad(np.arange(-30, 31, 15)):
        c, s = np.cos(pitch), np.sin(pitch)
        linear = MEAN_SCALE * np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
        for y in range(-60, 61, 20):
            for z in range(-80, 81, 20):
                start = np.eye(4)
                start[:3, :3] = linear
                start[:3, 3] = centre + np.array([0, y, z])
                values = sample(smooth, affine, _apply(start, points))
                seen = np.isfinite(values)
                if seen.mean() > 0.15:
                    ratio = correlation_ratio(reference[seen], values[seen])
                    scored.append((ratio * np.sqrt(seen.mean()), pitch, y, z, start))
    scored.sort(key=lambda item: -item[0])
    chosen = []
    for candidate in scored:
        if all(abs(candidate[2] - c[2]) + abs(candidate[3] - c[3]) > 20 for c in chosen):
            chosen.append(candidate)
    return [candidate[-1] for candidate in chosen[:count]]


def _fit(atlas, modality, moving, start, seed, folder):
    """Affines of the two steps, from one start (None: centres of mass, else an ITK file)."""
    import ants

    contrast = atlas.contrast(modality)
    head = _to_ants(ndimage.gaussian_filter(contrast, 0.6), atlas.affine)
    brain_only = np.where(atlas.brain < 0, contrast, 0)
    brain = _to_ants(ndimage.gaussian_filter(brain_only, 0.4), atlas.affine)
    near_brain = _to_ants((atlas.brain < BRAIN_MARGIN_MM).astype(np.float32), atlas.affine)
    steps = (
        ('pose', 'Similarity', head, None),
        ('head', 'Affine', head, None),
        ('brain', 'Affine', brain, near_brain),
    )
    affines = []
    for name, kind, fixed, mask in steps:
        result = ants.registration(
            fixed,
            moving,
            kind,
            initial_transform=start,
            mask=mask,
            outprefix=str(Path(folder) / f'{name}_'),
            random_seed=seed + 1,  # ITK takes 0 for "from the clock"
            **SCHEDULES[name],
        )
        start = result['fwdtransforms'][0]
        affines.append(_from_itk(ants.read_transform(start)))
    return affines[1:]


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
        Seed of ITK's sampling; with one thread the result is repeatable.

    Returns
    -------
    Registration
        The best of the attempts by `quality`; the caller judges whether it is good enough.
    """
    image, grid = resample_isotropic(data, affine)
    image = flatten_bias(np.clip(image, 0, np.quantile(image, 0.999)), RESOLUTION)
    image = np.clip(image, None, np.quantile(image, 0.999))
    moving = _to_ants(image, grid)
    best, attempts = None, {}
    with tempfile.TemporaryDirectory() as folder:
        for name, start in _starts(image, grid, atlas, modality, folder):
            for step, found in zip(
                ('head', 'brain'), _fit(atlas, modality, moving, start, seed, folder), strict=True
            ):
                fit = quality(image, grid, found, atlas, modality)
                attempts[f'{name}, {step}'] = fit['score']
                if best is None or fit['score'] > best.quality['score']:
                    best = Registration(found, fit, f'{name}, {step}', attempts)
            if best.quality['brain'] >= GOOD_ENOUGH[modality]:
                break
    return best


def _starts(image, grid, atlas, modality, folder):
    yield 'centre of mass', None
    for number, start in enumerate(search_starts(image, grid, atlas, modality)):
        path = Path(folder) / f'start{number}.txt'
        path.write_text(itk_text(start))
        yield f'search {number + 1}', str(path)
