# SPDX-License-Identifier: Apache-2.0
"""What defacing costs the analysis of a scan: brain voxels, tissue volumes, alignment.

Head volume that was removed, and voxels outside the mask that differ, are measured where the
mask is made and applied (`masks.coverage`, `images.replace_voxels`).
"""

import numpy as np
from nibabel.affines import apply_affine
from scipy import ndimage

from facebids.core.alignment.registration import resample_isotropic
from facebids.core.defacing import tissues
from facebids.core.grids import carry_over, grid_points

TISSUES = ('gm', 'wm', 'csf')
OPENING_MM = 2.0  # half the width under which a connection is no brain
CORE_MM = 3.0  # inside the atlas's brain, where the subject's must be
MARGIN_MM = 2.0  # under the estimated brain's surface that is left out: a voxel of it
FLUID_MM = 4.0  # around the estimated brain: gyri the opening took, and the fluid over them
SURFACE_MM = 1.5  # half the thickness of the atlas's brain surface


def measure(before, after, atlas, transform, modality):
    """Compare the brain of an image with that of its defaced copy.

    Parameters
    ----------
    before, after : Volume
        The image and its defaced copy, on one grid.
    atlas : HeadAtlas
    transform : ndarray, shape (4, 4)
        Atlas RAS mm to subject RAS mm.
    modality : str

    Returns
    -------
    dict
        `brain_change` and `volume_change`; every number is None where the contrast has no
        tissues (`tissues.ORDER`) or there is no brain in view.
    """
    brain, found = None, {}
    if modality in tissues.ORDER:
        coarse, grid = resample_isotropic(before.data, before.affine, tissues.SPACING)
        distance = carry_over(atlas.brain, atlas, coarse.shape, grid, transform)
        found['before'] = tissues.segment(coarse, grid, distance, modality)
        if found['before']:
            brain = own_brain(found['before'], distance)
    if brain is None:
        return brain_change(before, after, None) | volume_change(None, None, None)
    coarse, _ = resample_isotropic(after.data, after.affine, tissues.SPACING)
    found['after'] = tissues.segment(coarse, grid, distance, modality)
    depth = signed_distance(brain)
    return brain_change(before, after, _on_grid(depth, grid, before)) | volume_change(
        found['before'], found['after'], depth < FLUID_MM
    )


def own_brain(found, distance):
    """Find the brain of the subject by its tissues, whatever the face mask and its guard are.

    It is what was segmented as grey or white matter within `tissues.REACH_MM` of the atlas's
    brain and hangs together with the middle of it over more than thin bridges. The guard is the
    atlas's brain with a margin and voxels of like signal; no number of it enters here.

    It is no brain extraction: the thinnest gyri are opened away, fluid is not in it, and the
    affine registration that carries the atlas over is the mask's own. A wrong registration shows
    in its own numbers, not in this one.

    Parameters
    ----------
    found : dict of ndarray, shape (X, Y, Z)
        From `tissues.segment`, voxels of `tissues.SPACING` mm.
    distance : ndarray, shape (X, Y, Z)
        Signed distance (mm, negative inside) to the atlas's brain.

    Returns
    -------
    ndarray of bool, shape (X, Y, Z), or None
        None if there is no such tissue.
    """
    tissue = found['gm'] + found['wm'] > 0.5
    opened = ndimage.distance_transform_edt(tissue, sampling=tissues.SPACING) > OPENING_MM
    labels, _ = ndimage.label(opened)
    sizes = np.bincount(labels[opened & (distance < -CORE_MM)])
    if not sizes.size:
        return None
    largest = labels == sizes.argmax()
    near = ndimage.distance_transform_edt(~largest, sampling=tissues.SPACING) <= OPENING_MM
    return tissue & near


def signed_distance(brain):
    """Distance (mm, negative inside) to the surface between the voxels of a mask and others."""
    outside, inside = (
        ndimage.distance_transform_edt(where, sampling=tissues.SPACING)
        for where in (~brain, brain)
    )
    half = tissues.SPACING / 2
    return np.where(brain, half - inside, outside - half).astype(np.float32)


def _on_grid(field, grid, volume):
    """Sample a field of the affine `grid` at the voxels of a volume."""
    index = np.linalg.inv(grid) @ volume.affine
    shape = volume.data.shape
    return ndimage.affine_transform(
        field, index[:3, :3], index[:3, 3], output_shape=shape, order=1, mode='nearest'
    )


def brain_change(before, after, depth):
    """Count the voxels of the brain that defacing changed.

    Parameters
    ----------
    before, after : Volume
        The image and its defaced copy, on one grid.
    depth : ndarray, shape (X, Y, Z), or None
        `signed_distance` to the brain's surface on that grid.

    Returns
    -------
    dict
        `brain_ml`: volume of the brain; `brain_voxels_changed` and `brain_changed_ml`: of it,
        what was changed more than `MARGIN_MM` under its surface.
    """
    if depth is None:
        return dict.fromkeys(('brain_ml', 'brain_voxels_changed', 'brain_changed_ml'))
    voxel_ml = float(np.prod(before.zooms)) / 1000
    # a voxel whose centre lies at the margin is half outside it
    changed = int(((before.data != after.data) & (depth < -MARGIN_MM - 1e-3)).sum())
    return {
        'brain_ml': float((depth < 0).sum() * voxel_ml),
        'brain_voxels_changed': changed,
        'brain_changed_ml': changed * voxel_ml,
    }


def volume_change(before, after, region):
    """Compare the volumes of the tissues inside one region.

    Parameters
    ----------
    before, after : dict of ndarray, shape (X, Y, Z), or None
        From `tissues.segment`, of the image and of its defaced copy.
    region : ndarray of bool, shape (X, Y, Z)

    Returns
    -------
    dict
        For `gm`, `wm` and `csf`: `_before_ml`, `_after_ml` and `_change`, their difference as a
        share of the one before.
    """
    numbers = {}
    for name in TISSUES:
        old, new = (_ml(found[name], region) if found else None for found in (before, after))
        numbers |= {
            f'{name}_before_ml': old,
            f'{name}_after_ml': new,
            f'{name}_change': new / old - 1 if old and new is not None else None,
        }
    return numbers


def _ml(probability, region):
    return float(probability[region].sum() * tissues.SPACING**3 / 1000)


def alignment_shift(before, after, atlas):
    """Distance between where two registrations put the surface of the atlas's brain.

    Parameters
    ----------
    before, after : ndarray, shape (4, 4), or None
        Atlas RAS mm to subject RAS mm, of the image and of its defaced copy.
    atlas : HeadAtlas

    Returns
    -------
    dict
        `registration_shift_mean_mm` and `registration_shift_max_mm`.
    """
    if after is None:
        return dict.fromkeys(('registration_shift_mean_mm', 'registration_shift_max_mm'))
    points = grid_points(atlas, np.abs(atlas.brain) < SURFACE_MM)
    shift = np.linalg.norm(apply_affine(after - before, points), axis=1)
    return {
        'registration_shift_mean_mm': float(shift.mean()),
        'registration_shift_max_mm': float(shift.max()),
    }
