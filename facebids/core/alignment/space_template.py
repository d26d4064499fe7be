# SPDX-License-Identifier: Apache-2.0
"""Registration through a template of a space, such as those of TemplateFlow.

The head atlas is registered to the template once. Images are registered to the template, whose
intensities and size are those of real heads, and the affine from the atlas to the template is
applied before theirs. All later steps use the atlas and the image alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias

import numpy as np

from facebids.core import grids
from facebids.core.alignment import registration
from facebids.core.alignment.quality import Quality, quality
from facebids.core.arrays import AnyArray, FloatArray
from facebids.core.atlas import HeadAtlas, HeadModel, generic_atlas
from facebids.core.images import Volume
from facebids.core.thresholds import THRESHOLDS

CONTRAST = 'T1w'  # of all templates


@dataclass(frozen=True)
class SpaceTemplate(HeadModel):
    """A template as the target of registration, in RAS mm of its space.

    Parameters
    ----------
    picture : ndarray, shape (X, Y, Z)
        Intensities.
    from_atlas : ndarray, shape (4, 4)
        Atlas RAS mm to template RAS mm.
    """

    picture: FloatArray
    from_atlas: FloatArray

    def contrast(self, modality: str) -> FloatArray:
        """Return the intensities for every modality: mutual information compares any two."""
        return self.picture

    def to_arrays(self) -> dict[str, Any]:
        """Return named arrays to save."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return named | dict(zip('xyz', named.pop('axes'), strict=True))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> SpaceTemplate:
        """Rebuild a template from the arrays of `to_arrays`; others are ignored."""
        named = {field.name: arrays[field.name] for field in fields(cls) if field.name != 'axes'}
        return cls(axes=tuple(arrays[axis] for axis in 'xyz'), **named)


Target: TypeAlias = HeadAtlas | SpaceTemplate  # of a registration


def prepare(
    volume: Volume, brain: Volume | None = None, seed: int = 0
) -> tuple[SpaceTemplate, Quality]:
    """Register the head atlas to a template.

    Parameters
    ----------
    volume : images.Volume
        The template, a T1w head.
    brain : images.Volume, optional
        Its brain mask, above 0.5 inside. By default, the brain is that of the atlas.
    seed : int
        Random seed of the registration.

    Returns
    -------
    target : SpaceTemplate
        At `registration.RESOLUTION`.
    fit : Quality
        Agreement of the atlas with the template.
    """
    atlas = generic_atlas(registration.RESOLUTION)
    found = registration.register(volume.data, volume.affine, atlas, CONTRAST, seed)
    data, grid = registration.resample_isotropic(np.clip(volume.data, 0, None), volume.affine)
    axes = _axes(data.shape, grid)
    shape = tuple(axis.size for axis in axes)
    affine = np.diag([registration.RESOLUTION] * 3 + [1.0])
    affine[:3, 3] = [axis[0] for axis in axes]
    # Distances are those in the atlas, whose head may have another size.
    size = float(np.cbrt(np.linalg.det(found.affine[:3, :3])))
    skin, own = (
        size * grids.carry_over(field, atlas, shape, affine, found.affine)
        for field in (atlas.skin, atlas.brain)
    )
    if brain is not None:
        inside, mask_grid = registration.resample_isotropic(brain.data > 0.5, brain.affine)
        own = grids.signed_distance(
            _resample(inside, mask_grid, affine, shape) > 0.5, registration.RESOLUTION
        )
    picture = _resample(data, grid, affine, shape)
    return SpaceTemplate(axes, own, skin, picture, found.affine), found.quality


def objections(fit: Quality) -> list[str]:
    """List the numbers that speak against the registration of the atlas to a template.

    The limits are those of `thresholds` for images of the template's contrast, without those on
    size and field of view: a template may be small, and end at the nose.

    Parameters
    ----------
    fit : Quality
        From `prepare`.

    Returns
    -------
    list of str
        Fields of `fit` that miss their limit.
    """
    limits = [
        limit
        for limit in THRESHOLDS
        if limit.metric.section == 'registration' and limit.contrast in (None, CONTRAST)
    ]
    strict = {t.metric.key: t for t in sorted(limits, key=lambda t: t.severity == 'fail')}
    return [
        name for name in ('brain', 'tissue', 'head') if not strict[name].met_by(getattr(fit, name))
    ]


def register(
    data: FloatArray, affine: FloatArray, target: SpaceTemplate, modality: str, seed: int = 0
) -> tuple[registration.Registration, FloatArray]:
    """Register a head image to the head atlas through a template.

    Quality is measured against the atlas, as without a template, because the limits are those of
    the atlas. Smooth averages of real heads agree better with any image, registered correctly or
    not (correlation ratio over the brain of ten scans: a fifth higher).

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
        Intensities.
    affine : ndarray, shape (4, 4)
        Voxel indices to subject RAS mm.
    target : SpaceTemplate
    modality : str
        Contrast of the image.
    seed : int
        Random seed of the registration.

    Returns
    -------
    found : registration.Registration
        From the atlas to the subject.
    from_template : ndarray, shape (4, 4)
        Template RAS mm to subject RAS mm.
    """
    found = registration.register(data, affine, target, modality, seed)
    composed = found.affine @ target.from_atlas
    image, grid = registration.resample_isotropic(data, affine)
    image = registration.even_out(image, modality)
    atlas = generic_atlas(registration.RESOLUTION)
    fit = quality(image, grid, composed, atlas, modality)
    return replace(found, affine=composed, quality=fit), found.affine


def _axes(shape: tuple[int, ...], grid: FloatArray) -> tuple[FloatArray, ...]:
    """Return coordinates along x, y, z (RAS mm) of a grid that contains another one."""
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape])).reshape(3, -1)
    corners = grid[:3, :3] @ corners + grid[:3, 3:]
    step = registration.RESOLUTION
    low, high = corners.min(axis=1), corners.max(axis=1)
    return tuple(
        np.arange(start, stop + step / 2, step) for start, stop in zip(low, high, strict=True)
    )


def _resample(
    data: AnyArray, grid: FloatArray, affine: FloatArray, shape: tuple[int, ...]
) -> FloatArray:
    """Sample data of the affine `grid` on another grid; zero outside."""
    return grids.resample(data, np.linalg.inv(grid) @ affine, shape, mode='constant')
