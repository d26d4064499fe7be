# SPDX-License-Identifier: Apache-2.0
"""What defacing costs the analysis of an image: brain voxels, tissue volumes, registration.

Removed volume of the head, and voxels outside the mask that differ, are measured where the mask is
made and applied (:mod:`facebids.core.defacing.masks`, :mod:`facebids.core.images`).
"""

from dataclasses import dataclass

import numpy as np
from nibabel.affines import apply_affine
from scipy import ndimage

from facebids.core import grids
from facebids.core.alignment.registration import resample_isotropic
from facebids.core.arrays import BoolArray, FloatArray
from facebids.core.atlas import HeadAtlas, generic_atlas
from facebids.core.brain import growth
from facebids.core.contrasts import BY_SUFFIX
from facebids.core.defacing import tissues
from facebids.core.defacing.masks import RESOLUTION
from facebids.core.defacing.tissues import Tissues
from facebids.core.grids import carry_over, grid_points, resample
from facebids.core.images import Volume
from facebids.core.record import TISSUES, Utility

OPENING_MM = 2.0  # half the width under which a connection is no brain
CORE_MM = 3.0  # inside the brain of the atlas, where the brain of the subject has to be
MARGIN_MM = 2.0  # under the surface of the estimated brain that does not count: a voxel of it
FLUID_MM = 4.0  # around the estimated brain: gyri lost by the opening, and the fluid over them
SURFACE_MM = 1.5  # half the thickness of the surface of the atlas brain


@dataclass(frozen=True)
class BrainChange:
    """Volume of the brain (mL), and what of it changed, in voxels and mL."""

    brain_ml: float
    voxels: int
    changed_ml: float


@dataclass(frozen=True)
class Shift:
    """Distance between two registrations over the surface of the atlas brain, mm."""

    mean_mm: float | None = None
    max_mm: float | None = None


# For each tissue: mL before, mL after, relative change.
Volumes = dict[str, tuple[float | None, float | None, float | None]]
NO_VOLUMES: Volumes = dict.fromkeys(TISSUES, (None, None, None))


def measure(
    before: Volume,
    after: Volume,
    affine: FloatArray,
    suffix: str,
    affine_after: FloatArray | None = None,
) -> Utility:
    """Compare the brain of an image with that of its defaced copy.

    Parameters
    ----------
    before, after
        The image and its defaced copy, on one grid.
    affine : shape (4, 4)
        Atlas RAS mm to subject RAS mm.
    suffix
        Suffix of the image: some contrasts do not show tissues.
    affine_after : shape (4, 4)
        The same as `affine`, of the defaced image registered by itself.

    Returns
    -------
    Utility
        Numbers are None if the contrast shows no tissues, or no brain is in view.
    """
    atlas = generic_atlas(RESOLUTION)
    shift = registration_shift(affine, affine_after, atlas)
    if suffix not in BY_SUFFIX or BY_SUFFIX[suffix].tissues is None:
        return _utility(None, NO_VOLUMES, shift)
    coarse, grid = resample_isotropic(before.data, before.affine, tissues.SPACING)
    distance, skin = (
        carry_over(field, atlas, coarse.shape, grid, affine)
        for field in (atlas.brain, atlas.depth)
    )
    found = tissues.segment(coarse, grid, distance, suffix)
    grown = growth.grow(coarse, distance, skin, np.full(3, tissues.SPACING))
    brain = own_brain(found, distance, grown) if found else None
    if found is None or brain is None:
        return _utility(None, NO_VOLUMES, shift)
    coarse, _ = resample_isotropic(after.data, after.affine, tissues.SPACING)
    depth = grids.signed_distance(brain, tissues.SPACING)
    volumes = volume_change(
        found, tissues.segment(coarse, grid, distance, suffix), depth < FLUID_MM
    )
    return _utility(brain_change(before, after, _on_grid(depth, grid, before)), volumes, shift)


def _utility(brain: BrainChange | None, volumes: Volumes, shift: Shift) -> Utility:
    gm, wm, csf = (volumes[name] for name in ('gm', 'wm', 'csf'))
    return Utility(
        brain_ml=brain.brain_ml if brain else None,
        brain_voxels_changed=brain.voxels if brain else None,
        brain_changed_ml=brain.changed_ml if brain else None,
        gm_before_ml=gm[0],
        gm_after_ml=gm[1],
        gm_change=gm[2],
        wm_before_ml=wm[0],
        wm_after_ml=wm[1],
        wm_change=wm[2],
        csf_before_ml=csf[0],
        csf_after_ml=csf[1],
        csf_change=csf[2],
        registration_shift_mean_mm=shift.mean_mm,
        registration_shift_max_mm=shift.max_mm,
    )


def own_brain(found: Tissues, distance: FloatArray, grown: BoolArray) -> BoolArray | None:
    """Find the brain of the subject by its tissues, independently of the face mask and its guard.

    It is what two simple methods both take for brain: it was segmented as grey or white matter,
    which chewing muscle is at times too, and it has grown from the brain of the atlas, which
    reaches the scalp at times. It is connected to the centre by more than thin bridges. The guard
    comes from neither.

    This is not a brain extraction: the thinnest gyri are opened away, fluid is left out, and the
    affine that carries the atlas over is the one of the mask. A wrong registration shows in its
    own numbers, not in this one.

    Parameters
    ----------
    found : shapes (X, Y, Z)
        From `tissues.segment`, voxels of `tissues.SPACING` mm.
    distance : shape (X, Y, Z)
        Signed distance (mm, negative inside) to the brain of the atlas.
    grown : shape (X, Y, Z)
        From `growth.grow`.

    Returns
    -------
    ndarray of bool, shape (X, Y, Z), or None
        None if there is no such tissue.
    """
    tissue = (found['gm'] + found['wm'] > 0.5) & grown
    opened = grids.distance(tissue, tissues.SPACING) > OPENING_MM
    labels, _ = ndimage.label(opened)
    sizes = np.bincount(labels[opened & (distance < -CORE_MM)])
    if not sizes.size:
        return None
    largest = labels == sizes.argmax()
    near = grids.distance(~largest, tissues.SPACING) <= OPENING_MM
    return np.asarray(tissue & near)


def _on_grid(field: FloatArray, grid: FloatArray, volume: Volume) -> FloatArray:
    """Sample a field of the affine `grid` at the voxels of a volume."""
    return resample(field, np.linalg.inv(grid) @ volume.affine, volume.data.shape)


def brain_change(before: Volume, after: Volume, depth: FloatArray) -> BrainChange:
    """Count the voxels of the brain that defacing changed.

    Parameters
    ----------
    before, after
        The image and its defaced copy, on one grid.
    depth : shape (X, Y, Z)
        `grids.signed_distance` to the surface of the brain on that grid. What changed counts if it
        lies more than `MARGIN_MM` under the surface, or half a voxel of the estimate and half a
        slice.
    """
    margin = max(MARGIN_MM, (tissues.SPACING + float(before.zooms.max())) / 2)
    voxel_ml = float(np.prod(before.zooms)) / 1000
    # a voxel whose centre lies at the margin is half outside it
    changed = int(((before.data != after.data) & (depth < -margin - 1e-3)).sum())
    return BrainChange(float((depth < 0).sum() * voxel_ml), changed, changed * voxel_ml)


def volume_change(before: Tissues, after: Tissues | None, region: BoolArray) -> Volumes:
    """Compare the volumes of the tissues inside one region.

    Parameters
    ----------
    before, after : shapes (X, Y, Z)
        From `tissues.segment`, of the image and of its defaced copy.
    region : shape (X, Y, Z)

    Returns
    -------
    dict
        For each tissue the volume before and after (mL), and the difference as a share of the
        volume before.
    """
    volumes: Volumes = {}
    for name in TISSUES:
        old, new = _ml(before[name], region), _ml(after[name], region) if after else None
        volumes[name] = old, new, new / old - 1 if old and new is not None else None
    return volumes


def _ml(probability: FloatArray, region: BoolArray) -> float:
    return float(probability[region].sum() * tissues.SPACING**3 / 1000)


def registration_shift(before: FloatArray, after: FloatArray | None, atlas: HeadAtlas) -> Shift:
    """Measure the distance between two registrations over the surface of the atlas brain.

    Parameters
    ----------
    before, after : shape (4, 4)
        Atlas RAS mm to subject RAS mm, of the image and of its defaced copy.
    atlas
        The head atlas.
    """
    if after is None:
        return Shift()
    points = grid_points(atlas, np.abs(atlas.brain) < SURFACE_MM)
    shift = np.linalg.norm(apply_affine(after - before, points), axis=1)
    return Shift(float(shift.mean()), float(shift.max()))
