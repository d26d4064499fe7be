# SPDX-License-Identifier: Apache-2.0
"""How well a registered image agrees with the atlas, whatever its contrast."""

import numpy as np
from nibabel.affines import apply_affine
from scipy import ndimage

from facebids.core.atlas import COMPUTED
from facebids.core.foreground import tissue_threshold
from facebids.core.grids import grid_points, sample

MIN_POINTS = 1000  # of the atlas in view, about 27 mL: fewer tell nothing
BRAIN_MARGIN_MM = 4.0  # of the mask around the brain; narrower or wider scales the brain worse
SHADING_MM = 18.0  # Gaussian in which the brain's own mean is taken


def quality(data, affine, transform, atlas, modality):
    """Measure the agreement of a registered image with the atlas.

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
        and its fluid; `tissue`: the same inside the brain alone, None for CT, whose noise hides
        it; `head`: Dice overlap of the two heads' voxels within the field of view;
        `brain_in_view`: share of the atlas's brain inside the field of view; `score`: geometric
        mean of `brain` and `head`.
    """
    everywhere = grid_points(atlas, np.ones(atlas.brain.shape, bool))
    values = sample(data, affine, apply_affine(transform, everywhere)).reshape(atlas.brain.shape)
    seen = np.isfinite(values)
    found = values[seen] > tissue_threshold(data)
    expected = atlas.skin[seen] < 0
    head = float(2 * (found & expected).sum() / max(found.sum() + expected.sum(), 1))
    even = values if modality in COMPUTED else _without_shading(values, seen, atlas)
    reference = np.where(atlas.brain < 0, atlas.contrast(modality), atlas.contrast(modality).min())
    brain, tissue = (
        correlation_ratio(reference[where], even[where]) if where.sum() > MIN_POINTS else 0.0
        for where in (seen & (atlas.brain < BRAIN_MARGIN_MM), seen & _deep(atlas))
    )
    return {
        'brain': brain,
        'tissue': None if modality in COMPUTED else tissue,
        'head': head,
        'brain_in_view': float(seen[atlas.brain < 0].mean()),
        'score': float(np.sqrt(max(brain, 0) * head)),
    }


def _deep(atlas):
    return atlas.brain < -BRAIN_MARGIN_MM


def _without_shading(values, seen, atlas):
    """Divide by the local mean where the brain should be: a strong coil shading hides tissue."""
    sigma = SHADING_MM / float(atlas.affine[0, 0])
    inside = seen & _deep(atlas)
    if not inside.any():
        return values
    filled = np.where(inside, values, 0)
    weight = ndimage.gaussian_filter(inside.astype(np.float32), sigma)
    mean = ndimage.gaussian_filter(filled, sigma) / np.maximum(weight, 1e-3)
    floor = 0.1 * np.median(mean[inside])
    return np.clip(values / np.maximum(mean, max(floor, 1e-6)), 0, 3)


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
