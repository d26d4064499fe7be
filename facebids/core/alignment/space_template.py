# SPDX-License-Identifier: Apache-2.0
"""A template as the target of registration, and the head atlas carried over to it.

The atlas is registered to the template once. Images are then registered to the template, whose
intensities and size are those of real heads, and the affine from the atlas to the template is put
before theirs: everything after registration works with atlas and subject alone.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
from scipy import ndimage

from facebids.core import grids
from facebids.core.alignment import registration
from facebids.core.atlas import HeadAtlas, generic_atlas
from facebids.core.thresholds import THRESHOLDS

CONTRAST = 'T1w'  # of all templates


@dataclass(frozen=True)
class TemplateAtlas:
    """What `registration` needs of a `HeadAtlas`, made from a template; RAS mm of its space.

    Parameters
    ----------
    axes : tuple of 3 ndarrays
        Coordinates (mm) along x, y, z.
    brain, skin : ndarray, shape (X, Y, Z)
        Signed distance (mm, negative inside) to the surface of the brain and of the head.
    picture : ndarray, shape (X, Y, Z)
        Intensities.
    from_atlas : ndarray, shape (4, 4)
        Atlas RAS mm to template RAS mm.
    """

    axes: tuple
    brain: np.ndarray
    skin: np.ndarray
    picture: np.ndarray
    from_atlas: np.ndarray

    affine = HeadAtlas.affine

    def contrast(self, modality):
        """Intensities, whatever the modality: mutual information needs no other."""
        return self.picture

    def to_arrays(self):
        """Return the arrays by name, to be saved."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return named | dict(zip('xyz', named.pop('axes'), strict=True))

    @classmethod
    def from_arrays(cls, arrays):
        """Rebuild from what `to_arrays` gave, other arrays ignored."""
        named = {field.name: arrays[field.name] for field in fields(cls) if field.name != 'axes'}
        return cls(axes=tuple(arrays[axis] for axis in 'xyz'), **named)


def carry_atlas_over(volume, brain=None, seed=0):
    """Register the head atlas to a template.

    Parameters
    ----------
    volume : images.Volume
        The template, a T1w head.
    brain : images.Volume, optional
        Its brain mask, above 0.5 inside. The atlas's own brain is carried over unless given.
    seed : int
        Seed of the registration.

    Returns
    -------
    target : TemplateAtlas
        At `registration.RESOLUTION`.
    quality : dict
        How well the atlas fits the template (`registration.quality`).
    """
    atlas = generic_atlas(registration.RESOLUTION)
    found = registration.register(volume.data, volume.affine, atlas, CONTRAST, seed)
    data, grid = registration.resample_isotropic(np.clip(volume.data, 0, None), volume.affine)
    axes = _axes(data.shape, grid)
    shape = tuple(axis.size for axis in axes)
    affine = np.diag([registration.RESOLUTION] * 3 + [1.0])
    affine[:3, 3] = [axis[0] for axis in axes]
    # Distances were measured in the atlas, whose head may have another size.
    size = float(np.cbrt(np.linalg.det(found.affine[:3, :3])))
    skin, own = (
        size * grids.carry_over(field, atlas, shape, affine, found.affine)
        for field in (atlas.skin, atlas.brain)
    )
    if brain is not None:
        inside, mask_grid = registration.resample_isotropic(brain.data > 0.5, brain.affine)
        own = _signed_distance(_resample(inside, mask_grid, affine, shape) > 0.5)
    picture = _resample(data, grid, affine, shape)
    return TemplateAtlas(axes, own, skin, picture, found.affine), found.quality


def objections(quality):
    """Say what speaks against the registration of the atlas to a template.

    The limits of `verdict` for images of the template's contrast, those on size and field of view
    left out: a template may be small, and end at the nose.

    Parameters
    ----------
    quality : dict
        From `carry_atlas_over`.

    Returns
    -------
    list of str
        Names of the numbers that miss their limit.
    """
    limits = [t for t in THRESHOLDS if t.suffix in (None, CONTRAST) and t.mode is None]
    strict = {t.number: t for t in sorted(limits, key=lambda t: t.severity == 'fail')}
    measured = {f'registration.{name}': quality[name] for name in ('brain', 'tissue', 'head')}
    return [
        number.partition('.')[2]
        for number, value in measured.items()
        if not strict[number].met_by(value)
    ]


def register(data, affine, target, modality, seed=0):
    """Register a head image to the head atlas by way of a template.

    How well it fits is measured against the atlas, as without a template: the limits of `verdict`
    are those of the atlas, and to smooth averages of real heads everything fits better, right
    or wrong (correlation ratio over the brain: on ten scans a fifth higher).

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
        Intensities.
    affine : ndarray, shape (4, 4)
        Voxel indices to subject RAS mm.
    target : TemplateAtlas
    modality : str
        Contrast of the image.
    seed : int

    Returns
    -------
    found : registration.Registration
        Atlas to subject.
    from_template : ndarray, shape (4, 4)
        Template RAS mm to subject RAS mm.
    """
    found = registration.register(data, affine, target, modality, seed)
    composed = found.affine @ target.from_atlas
    image, grid = registration.resample_isotropic(data, affine)
    image = registration.even_out(image, modality)
    atlas = generic_atlas(registration.RESOLUTION)
    fit = registration.quality(image, grid, composed, atlas, modality)
    return replace(found, affine=composed, quality=fit), found.affine


def _axes(shape, grid):
    """RAS coordinates (mm) of a grid along x, y, z that holds all of another."""
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape])).reshape(3, -1)
    corners = grid[:3, :3] @ corners + grid[:3, 3:]
    step = registration.RESOLUTION
    low, high = corners.min(axis=1), corners.max(axis=1)
    return tuple(
        np.arange(start, stop + step / 2, step) for start, stop in zip(low, high, strict=True)
    )


def _resample(data, grid, affine, shape):
    index = np.linalg.inv(grid) @ affine
    return ndimage.affine_transform(
        np.asarray(data, np.float32), index[:3, :3], index[:3, 3], output_shape=shape, order=1
    )


def _signed_distance(inside):
    """Signed distance (mm, negative inside) to the surface of a mask, half-way between voxels."""
    outer, inner = (ndimage.distance_transform_edt(part) for part in (~inside, inside))
    half = np.where(inside, 0.5, -0.5)
    return ((outer - inner + half) * registration.RESOLUTION).astype(np.float32)
