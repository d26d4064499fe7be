# SPDX-License-Identifier: Apache-2.0
"""Reading head images, and replacing voxels in them without touching anything else.

Voxels are replaced in the numbers as they stand on disk: no scaling is applied and undone, so
data type, slope, intercept, orientation, units and every kept voxel stay what they were, bit for
bit. Free text in the header and header extensions, which may name a person, do not.
"""

import zlib
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError

from facebids.errors import EmptyImageError, UnreadableImageError

# what can hold text in NIfTI-1, and what of it there is in NIfTI-2
FREE_TEXT = ('descrip', 'aux_file', 'db_name', 'intent_name', 'data_type')
UNUSED = ('extents', 'session_error')
SMALLEST = 16  # voxels along any axis: fewer hold no head


@dataclass(frozen=True)
class Volume:
    """A head volume to compute with.

    Parameters
    ----------
    data : ndarray of float32, shape (X, Y, Z)
        Scaled intensities, finite.
    affine : ndarray, shape (4, 4)
        Voxel indices to RAS mm.
    hounsfield : bool
        Whether intensities are Hounsfield units. The contrast of the image decides it, and it is
        never guessed from the intensities.
    """

    data: np.ndarray
    affine: np.ndarray
    hounsfield: bool = False

    @property
    def zooms(self):
        """Voxel sizes, mm."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)


def read_nifti(path):
    """Open a NIfTI image.

    Raises
    ------
    UnreadableImageError
        If the file is missing, truncated or no NIfTI image.
    """
    try:
        image = nib.load(path)
        if not isinstance(image, nib.Nifti1Pair):
            raise UnreadableImageError(
                f'{path}: this is a {type(image).__name__}, not NIfTI. Convert it to NIfTI.'
            )
        image.dataobj.get_unscaled()  # a truncated file shows only when it is read
        return image
    except (OSError, EOFError, zlib.error, ImageFileError, ValueError) as error:
        raise UnreadableImageError(
            f'{path}: the file cannot be read as NIfTI ({type(error).__name__}). '
            'It may be truncated or damaged: copy it again from its source.'
        ) from error


def read_volume(path, which=None, *, hounsfield=False):
    """Read a head image.

    Parameters
    ----------
    path : str or Path
    which : int, optional
        One of several volumes; their mean unless given.
    hounsfield : bool
        Whether intensities are Hounsfield units.

    Returns
    -------
    Volume
        The magnitude of complex numbers.

    Raises
    ------
    UnreadableImageError
        If the file cannot be read, or holds colours.
    EmptyImageError
        If it holds no signal, or too few voxels for a head.
    """
    image = read_nifti(path)
    if len(image.shape) < 3 or min(image.shape[:3]) < SMALLEST:
        raise EmptyImageError(
            f'{path}: its grid of {" x ".join(map(str, image.shape))} voxels is too small '
            f'to hold a head (at least {SMALLEST} along each axis).'
        )
    if image.get_data_dtype().names:
        raise UnreadableImageError(
            f'{path}: voxels of type {image.get_data_dtype()} have no single intensity. '
            'Supply a magnitude image.'
        )
    count = volume_count(path)
    total = np.zeros(image.shape[:3])
    for number, data in enumerate(_intensities(image)):
        if which in (None, number):
            total += data
    data = (total / count if which is None else total).astype(np.float32)
    if np.ptp(data) == 0:
        raise EmptyImageError(
            f'{path}: the volume is empty: every voxel has the same value or none at all. '
            'Restore the image, or leave it out with --bids-filter-file.'
        )
    return Volume(data, image.affine, hounsfield)


def read_volumes(path, *, hounsfield=False):
    """Read the volumes of an image one by one.

    Parameters
    ----------
    path : str or Path
    hounsfield : bool
        Whether intensities are Hounsfield units.

    Yields
    ------
    Volume
        Empty ones are not refused: a series may have some.
    """
    image = read_nifti(path)
    for data in _intensities(image):
        yield Volume(data.astype(np.float32), image.affine, hounsfield)


def volume_count(path):
    """How many volumes a file holds."""
    return int(np.prod(nib.load(path).shape[3:]))


def strongest_volume(path):
    """Index of the volume with the highest mean intensity."""
    return int(np.argmax([data.mean() for data in _intensities(read_nifti(path))]))


def is_complex(path):
    """Whether the voxels of an image are complex numbers."""
    return nib.load(path).get_data_dtype().kind == 'c'


def _intensities(image):
    """Scaled intensities of each volume, finite, shape (X, Y, Z), one after the other."""
    raw = image.dataobj.get_unscaled()  # read once: going back in a compressed file is slow
    slope, inter = _scaling(image)
    for data in np.moveaxis(raw.reshape(*raw.shape[:3], -1), -1, 0):
        scaled = data * np.float64(slope) + inter
        yield np.nan_to_num(
            np.abs(scaled) if data.dtype.kind == 'c' else scaled, posinf=0, neginf=0
        )


def same_grid(path, other):
    """Whether the voxels of two images lie at the same places, to a hundredth of a voxel.

    Parameters
    ----------
    path, other : str or Path
    """
    one, two = read_nifti(path), read_nifti(other)
    if one.shape[:3] != two.shape[:3]:
        return False
    shift = np.abs(one.affine - two.affine) @ [*one.shape[:3], 1]
    return bool(shift.max() < 0.01 * np.linalg.norm(one.affine[:3, :3], axis=0).min())


def replace_voxels(path, mask, out_path, values=None):
    """Write a copy of an image in which the voxels of a mask are others.

    Parameters
    ----------
    path : str or Path
        The original; series have the mask applied to each volume.
    mask : ndarray of bool, shape (X, Y, Z)
    out_path : str or Path
        Where to write, ``.nii`` or ``.nii.gz``.
    values : ndarray, shape (N,) or (N, V), optional
        Intensities of the N voxels of the mask in C order, the same for all V volumes or for each;
        zero unless given.

    Returns
    -------
    int
        How many voxels outside the mask differ from the original, read back from the new file:
        0 unless the disk or a library failed.
    """
    image = read_nifti(path)
    raw = image.dataobj.get_unscaled()
    changed = np.array(raw)
    scaling = _scaling(image)
    if values is None:
        changed[mask] = _stored_zero(raw.dtype, *scaling)
    else:
        stored = _stored(values, raw.dtype, *scaling)
        changed.reshape(*mask.shape, -1)[mask] = stored.reshape(len(stored), -1)
    header = image.header.copy()
    for fields, empty in ((FREE_TEXT, b''), (UNUSED, 0)):
        for field in set(fields) & set(header.keys()):
            header[field] = empty
    header.extensions.clear()
    defaced = type(image)(changed, None, header)
    # On the image, not before: nibabel forgets the scaling of a header that it is given.
    defaced.header.set_slope_inter(image.dataobj.slope, image.dataobj.inter)
    nib.save(defaced, out_path)
    saved = read_nifti(out_path)
    kept = saved.dataobj.get_unscaled()
    if kept.dtype != raw.dtype or kept.shape != raw.shape or _scaling(saved) != _scaling(image):
        return int(raw.size)
    return int(((_bits(kept) != _bits(raw)).reshape(*mask.shape, -1).any(-1) & ~mask).sum())


def _stored_zero(dtype, slope, inter):
    """Return the stored number nearest to a scaled zero."""
    if dtype.names:
        return np.zeros((), dtype)[()]
    return _stored(np.zeros(()), dtype, slope, inter)[()]


def _stored(values, dtype, slope, inter):
    """Return the stored numbers nearest to intensities."""
    stored = (np.asarray(values, np.float64) - inter) / slope + 0.0  # never minus zero
    if dtype.kind in 'fc':
        return stored.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(stored), limits.min, limits.max).astype(dtype)


def _scaling(image):
    return (image.dataobj.slope, image.dataobj.inter)


def _bits(array):
    """Return the bytes of each element, shape (..., itemsize), so that NaN equals itself."""
    contiguous = np.ascontiguousarray(array)
    return contiguous.view(np.uint8).reshape(*array.shape, array.dtype.itemsize)


def write_mask(mask, like, out_path):
    """Write a mask on the grid of another image.

    Parameters
    ----------
    mask : ndarray of bool, shape (X, Y, Z)
    like : str or Path
        The image whose grid, orientation codes and units it takes.
    out_path : str or Path
    """
    source = read_nifti(like).header
    image = nib.Nifti1Image(mask.astype(np.uint8), None)
    image.header['pixdim'][:4] = source['pixdim'][:4]
    for field in (
        'qform_code',
        'sform_code',
        'quatern_b',
        'quatern_c',
        'quatern_d',
        'qoffset_x',
        'qoffset_y',
        'qoffset_z',
        'srow_x',
        'srow_y',
        'srow_z',
    ):
        image.header[field] = source[field]
    image.header['xyzt_units'] = source['xyzt_units']
    nib.save(
        nib.Nifti1Image(image.dataobj, image.header.get_best_affine(), image.header), out_path
    )
