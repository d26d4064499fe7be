# SPDX-License-Identifier: Apache-2.0
"""From an image to its alignment: registered by itself, borrowed, or shared."""

import math
from dataclasses import dataclass, replace

import numpy as np

from facebids.core import verdict
from facebids.core.alignment import coregistration, motion, registration, space_template
from facebids.core.alignment.quality import Quality, dice
from facebids.core.alignment.result import Alignment, TemplateAlignment, as_matrix
from facebids.core.arrays import FloatArray
from facebids.core.atlas import generic_atlas
from facebids.core.foreground import HEAD_ML, head_mask
from facebids.core.grids import resample
from facebids.core.images import Volume
from facebids.core.record import Registration
from facebids.errors import NotAHeadError

TOGETHER_MM = 3.0  # displacement up to which two images of one acquisition lie together
BETTER = 0.01  # gain of overlap that tells a displacement from an error of the coregistration


@dataclass(frozen=True)
class PreparedTemplate:
    """A space template to which the head atlas was registered, and what it was made of.

    Attributes
    ----------
    target
        What images are registered to.
    name, files, fit
        As of :class:`facebids.core.alignment.result.TemplateAlignment`.
    """

    target: space_template.SpaceTemplate
    name: str
    files: dict[str, str]
    fit: Quality


def align(
    volume: Volume, contrast: str, seed: int = 0, template: PreparedTemplate | None = None
) -> Alignment:
    """Register an image to the head atlas by itself.

    Parameters
    ----------
    volume
        The image.
    contrast
        Contrast of the atlas to register to.
    seed
        Random seed of the sampling.
    template
        Space template through which it is registered.

    Raises
    ------
    ImageError
        If no head is found in the image.
    """
    _check_view(volume)
    image = volume.data, volume.affine
    through = None
    if template:
        found, from_template = space_template.register(*image, template.target, contrast, seed)
        through = TemplateAlignment(
            name=template.name,
            files=template.files,
            fit=template.fit,
            from_atlas=as_matrix(template.target.from_atlas),
            affine=as_matrix(from_template),
        )
    else:
        atlas = generic_atlas(registration.RESOLUTION)
        found = registration.register(*image, atlas, contrast, seed)
    fit = found.quality
    numbers = Registration(
        quality=_finite(fit.score),
        brain=_finite(fit.brain),
        tissue=_finite(fit.tissue),
        head=fit.head,
        brain_in_view=fit.brain_in_view,
        scale=_scale(found.affine),
        start=found.start,
        origin='own',
        source=None,
        contrast=contrast,
        coregistration=None,
        template=through.name if through else None,
    )
    return Alignment(as_matrix(found.affine), numbers, found.attempts, through)


def borrow(
    volume: Volume, source: Volume, alignment: Alignment, name: str, seed: int = 0
) -> Alignment | None:
    """Co-register an image to another one of the participant and borrow its alignment.

    Parameters
    ----------
    volume
        The image.
    source, alignment, name
        The other image, its alignment, and its path relative to the dataset.
    seed
        Random seed of the sampling.

    Returns
    -------
    Alignment or None
        None if the result, or the alignment of the source, is not good enough.
    """
    if verdict.fails(alignment.numbers):
        return None
    atlas = generic_atlas(registration.RESOLUTION)
    found = coregistration.coregister(volume, source, alignment.affine, atlas, seed)
    borrowed = _moved(alignment, found, name)
    return None if verdict.fails(borrowed.numbers) else borrowed


def share(
    shown: Volume | None, source: Volume, alignment: Alignment, name: str, seed: int = 0
) -> Alignment:
    """Return the alignment of an image acquired together with another one, on the same grid.

    Parameters
    ----------
    shown
        The image, with its head standing out from the air; None if no head shows in it, so that
        there is nothing to compare.
    source, alignment, name, seed
        As of `borrow`.

    Returns
    -------
    Alignment
        That of the other image if the heads overlap as well as they can, or else borrowed from it
        by coregistration.
    """
    shared = replace(alignment, numbers=replace(alignment.numbers, origin='shared', source=name))
    if shown is None:
        return shared
    atlas = generic_atlas(registration.RESOLUTION)
    found = coregistration.coregister(shown, source, alignment.affine, atlas, seed, good_enough=0)
    if motion.displacement(found.affine, alignment.affine) <= TOGETHER_MM:
        return shared
    if _overlap_gained(shown, source, found.affine) <= BETTER:
        return shared
    return _moved(alignment, found, name)


def _moved(alignment: Alignment, found: coregistration.Coregistration, name: str) -> Alignment:
    """Return the alignment of an image that was coregistered to the image `name`."""
    moved = alignment.moved(
        found.affine,
        origin='borrowed',
        source=name,
        coregistration=_finite(found.quality),
        scale=_scale(found.affine @ alignment.affine),
        start=found.start,
    )
    return replace(moved, attempts=found.attempts)


def _overlap_gained(image: Volume, other: Volume, rigid: FloatArray) -> float:
    """Return how much larger the overlap of two heads is (Dice) after a motion than before.

    Parameters
    ----------
    image, other
        The images, both of which show a head.
    rigid : shape (4, 4)
        RAS mm of the other one to RAS mm of the image.
    """
    one, two = (
        head_mask(volume.data, volume.zooms, hounsfield=volume.hounsfield)
        for volume in (image, other)
    )

    def overlap(motion: FloatArray) -> float:
        to_index = np.linalg.inv(image.affine) @ motion @ other.affine
        return dice(resample(one, to_index, two.shape, 'constant') > 0.5, two)

    return overlap(rigid) - overlap(np.eye(4))


def _check_view(volume: Volume) -> None:
    """Raise `NotAHeadError` if the field of view is smaller than a head."""
    view = float(np.prod(volume.zooms) * volume.data.size / 1000)
    if view < HEAD_ML[0]:
        raise NotAHeadError(
            f'No head was found: the field of view measures {view:.3g} mL, but a head at least '
            f'{HEAD_ML[0]} mL. Correct the voxel sizes in the header, or leave the image out with '
            '--bids-filter-file.'
        )


def _finite(number: float | None) -> float | None:
    """Return a number, or None if it could not be measured: intensities may be too large."""
    return number if number is not None and math.isfinite(number) else None


def _scale(affine: FloatArray) -> float:
    return float(np.cbrt(np.linalg.det(affine[:3, :3])))
