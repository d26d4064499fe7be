# SPDX-License-Identifier: Apache-2.0
"""What is kept on request, such as lesions and sinuses, and what that leaves of the face."""

from collections.abc import Iterable
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage, spatial

from facebids.core import headers, images
from facebids.core.arrays import AnyArray, BoolArray, FloatArray
from facebids.errors import KeepMaskError

# Tissue that is kept less than this under the skin may have the shape of the skin, as eyelids have
# that of the eyeballs (lids are 2 mm thick, cheeks 10 to 20).
RELIEF_MM = 5.0
TEMPLATE_SPACES = (3, 4)  # NIfTI codes of Talairach and MNI coordinates


def read_keep_masks(paths: Iterable[str | Path], image_path: str | Path) -> BoolArray:
    """Return the voxels of an image that masks ask to keep: the union of the masks.

    A mask may lie on another grid in the same world space. Each voxel of the image takes the
    nearest voxel of the mask.

    Parameters
    ----------
    paths
        NIfTI files of two values, 0 and another.
    image_path
        The image.

    Returns
    -------
    ndarray of bool, shape (X, Y, Z)

    Raises
    ------
    KeepMaskError
        If a mask holds other than two values, lies in the space of a template, or keeps no voxel
        of the image.
    UnreadableImageError
        If a file cannot be read.
    """
    image = headers.open_nifti(image_path)
    shape = image.shape[:3]
    kept = np.zeros(shape, bool)
    for path in paths:
        mask = headers.open_nifti(path)
        if _in_template(mask) and not _in_template(image):
            raise KeepMaskError(
                f'{path}: this keep mask lies in the space of a template (MNI or Talairach), not '
                'in that of its image. Resample it to the image, with nearest neighbours.'
            )
        there = _on_grid(_two_values(path, mask), mask.affine, shape, image.affine)
        if not there.any():
            raise KeepMaskError(
                f'{path}: this keep mask does not overlap its image. Draw it on the image, or '
                'correct the affine in its header.'
            )
        kept |= there
    return kept


def leaves_relief(skin: BoolArray, kept: BoolArray, zooms: FloatArray) -> BoolArray:
    """Return the skin whose relief is left because tissue is kept there or closely under it.

    Parameters
    ----------
    skin : shape (X, Y, Z)
        Skin of the face.
    kept : shape (X, Y, Z)
        Tissue that is kept.
    zooms : shape (3,)
        Voxel sizes, mm.

    Returns
    -------
    ndarray of bool, shape (X, Y, Z)
        The skin nearer than `RELIEF_MM` to what is kept.
    """
    left = skin & kept
    places, tissue = np.argwhere(skin & ~kept), np.argwhere(kept)
    if len(places) and len(tissue):
        tree = spatial.KDTree(tissue * zooms)
        distances, _ = tree.query(places * zooms, distance_upper_bound=RELIEF_MM)
        left[tuple(places[np.isfinite(distances)].T)] = True
    return left


def _in_template(image: nib.Nifti1Image) -> bool:
    header = image.header
    code = int(header['sform_code']) or int(header['qform_code'])
    return code in TEMPLATE_SPACES


def _two_values(path: str | Path, mask: nib.Nifti1Image) -> AnyArray:
    """Return a mask as bytes of 0 and 1, shape (X, Y, Z)."""
    remedy = 'Give one volume with 0 outside and 1 inside; threshold probabilities.'
    shape = mask.shape[:3]
    if len(shape) < 3 or mask.shape[3:].count(1) != len(mask.shape) - 3:
        raise KeepMaskError(f'{path}: this keep mask is not a single volume. {remedy}')
    if mask.get_data_dtype().names or mask.get_data_dtype().kind == 'c':
        raise KeepMaskError(f'{path}: this keep mask holds colours or complex numbers. {remedy}')
    data = images.read_values(path).reshape(shape)
    low, top = data.min(), data.max()
    if low != 0 or not top > 0 or not ((data == 0) | (data == top)).all():
        raise KeepMaskError(
            f'{path}: this keep mask does not hold two values, 0 and another. {remedy} Remove a '
            'mask that is empty.'
        )
    return (data > 0).astype(np.uint8)


def _on_grid(
    mask: AnyArray, mask_affine: FloatArray, shape: tuple[int, ...], affine: FloatArray
) -> BoolArray:
    to_index = np.linalg.inv(mask_affine) @ affine
    if mask.shape == tuple(shape) and np.allclose(to_index, np.eye(4), atol=1e-3):
        return mask > 0
    nearest: AnyArray = ndimage.affine_transform(
        mask, to_index[:3, :3], to_index[:3, 3], output_shape=shape, order=0, mode='grid-constant'
    )
    return nearest > 0
