# SPDX-License-Identifier: Apache-2.0
"""How well a registered image agrees with the atlas, whatever its contrast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from nibabel.affines import apply_affine
from scipy import ndimage

from facebids.core.arrays import BoolArray, FloatArray
from facebids.core.contrasts import HOUNSFIELD
from facebids.core.foreground import tissue_threshold
from facebids.core.grids import grid_points, sample

if TYPE_CHECKING:
    from facebids.core.alignment.space_template import Target

MIN_POINTS = 1000  # of the atlas in view, about 27 mL; fewer say nothing
BRAIN_MARGIN_MM = 4.0  # of the mask around the brain; others scale the brain worse
SHADING_MM = 18.0  # Gaussian of the local mean within the brain


@dataclass(frozen=True)
class Quality:
    """Agreement of a registered image with the atlas.

    Parameters
    ----------
    brain : float
        Correlation ratio between the intensities of the atlas and of the image, over the brain
        and the fluid around it.
    tissue : float or None
        The same inside the brain alone. None for CT, in which noise hides the tissues.
    head : float
        Dice overlap of the two heads within the field of view.
    brain_in_view : float
        Share of the atlas's brain inside the field of view.
    score : float
        Geometric mean of `brain` and `head`.
    """

    brain: float
    tissue: float | None
    head: float
    brain_in_view: float
    score: float


def quality(
    data: FloatArray, affine: FloatArray, transform: FloatArray, atlas: Target, modality: str
) -> Quality:
    """Measure the agreement of a registered image with the atlas.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
        Intensities, evened out (`registration.even_out`).
    affine : ndarray, shape (4, 4)
        Voxel indices to subject RAS mm.
    transform : ndarray, shape (4, 4)
        Atlas RAS mm to subject RAS mm.
    atlas : HeadAtlas or SpaceTemplate
    modality : str
        Contrast of the atlas.

    Returns
    -------
    Quality
    """
    everywhere = grid_points(atlas, np.ones(atlas.brain.shape, bool))
    values = sample(data, affine, apply_affine(transform, everywhere)).reshape(atlas.brain.shape)
    in_view = np.isfinite(values)
    found = values[in_view] > tissue_threshold(data)
    expected = atlas.skin[in_view] < 0
    head = dice(found, expected)
    even = values if modality in HOUNSFIELD else _without_shading(values, in_view, atlas)
    signal = atlas.contrast(modality)
    reference = np.where(atlas.brain < 0, signal, signal.min())
    brain, tissue = (
        correlation_ratio(reference[where], even[where]) if where.sum() > MIN_POINTS else 0.0
        for where in (in_view & (atlas.brain < BRAIN_MARGIN_MM), in_view & _deep(atlas))
    )
    return Quality(
        brain=brain,
        tissue=None if modality in HOUNSFIELD else tissue,
        head=head,
        brain_in_view=float(in_view[atlas.brain < 0].mean()),
        score=float(np.sqrt(max(brain, 0) * head)),
    )


def dice(one: BoolArray, other: BoolArray) -> float:
    """Return the Dice overlap of two masks of one shape; 0 if both are empty."""
    return float(2 * (one & other).sum() / max(one.sum() + other.sum(), 1))


def _deep(atlas: Target) -> BoolArray:
    return atlas.brain < -BRAIN_MARGIN_MM


def _without_shading(values: FloatArray, in_view: BoolArray, atlas: Target) -> FloatArray:
    """Divide by the local mean within the brain: strong coil shading hides the tissues."""
    sigma = SHADING_MM / float(atlas.affine[0, 0])
    inside = in_view & _deep(atlas)
    if not inside.any():
        return values
    filled = np.where(inside, values, 0)
    weight = ndimage.gaussian_filter(inside.astype(np.float32), sigma)
    mean = ndimage.gaussian_filter(filled, sigma) / np.maximum(weight, 1e-3)
    floor = 0.1 * np.median(mean[inside])
    return np.clip(values / np.maximum(mean, max(floor, 1e-6)), 0, 3)


def correlation_ratio(reference: FloatArray, values: FloatArray, bins: int = 24) -> float:
    """Return the share of the variance of `values` that bins of `reference` explain.

    Roche et al. (1998), MICCAI, doi 10.1007/BFb0056301. It assumes that one contrast is a
    function of the other, and nothing about that function.

    Parameters
    ----------
    reference, values : ndarray, shape (N,)
    bins : int
    """
    edges = np.quantile(reference, np.linspace(0, 1, bins + 1)[1:-1])
    labels = np.digitize(reference, edges)
    count = np.bincount(labels, minlength=bins)
    mean = np.bincount(labels, values, minlength=bins) / np.maximum(count, 1)
    variance = values.var()
    return float((count * (mean - values.mean()) ** 2).sum() / (values.size * variance + 1e-12))
