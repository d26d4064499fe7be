# SPDX-License-Identifier: Apache-2.0
"""Read head images, and replace voxels in them without touching anything else.

Voxels are replaced in the stored numbers: no scaling is applied and undone, so data type, slope,
intercept, orientation, units and all other voxels stay the same, bit for bit. Free text in the
header and header extensions, which may name a person, are removed.

Series are read volume by volume, because their scaled intensities may not fit into memory.
"""

import math
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any, cast

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError, HeaderTypeError
from numpy.typing import ArrayLike

from facebids.core.arrays import AnyArray, BoolArray, FloatArray
from facebids.errors import EmptyImageError, UnreadableImageError

# Header fields that can hold text in NIfTI-1, and unused ones; NIfTI-2 has some of them.
FREE_TEXT = ('descrip', 'aux_file', 'db_name', 'intent_name', 'data_type')
UNUSED = ('extents', 'session_error')
GEOMETRY = (
    *('qform_code', 'sform_code', 'quatern_b', 'quatern_c', 'quatern_d'),
    *('qoffset_x', 'qoffset_y', 'qoffset_z', 'srow_x', 'srow_y', 'srow_z'),
)
SMALLEST = 16  # voxels along each axis; fewer cannot show a head
MOST_AXES = 7  # of a NIfTI image
DEFLATED = 1032  # largest ratio of data to compressed data in a gzip file
DAMAGED = (
    OSError,
    EOFError,
    zlib.error,
    ImageFileError,
    HeaderDataError,
    HeaderTypeError,
    ValueError,
    OverflowError,
    MemoryError,
)


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
        Whether intensities are Hounsfield units. The contrast of the image decides it; it is
        never guessed from the intensities.
    """

    data: FloatArray
    affine: FloatArray
    hounsfield: bool = False

    @property
    def zooms(self) -> FloatArray:
        """Voxel sizes, mm."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)


@contextmanager
def _readable(path: str | Path) -> Iterator[None]:
    """Turn the errors that damaged files cause into one that names the file."""
    try:
        yield
    except DAMAGED as error:
        raise UnreadableImageError(
            f'{path}: the file cannot be read as NIfTI ({type(error).__name__}). '
            'It may be truncated or damaged: copy it again from its source.'
        ) from error


def open_nifti(path: str | Path) -> nib.Nifti1Pair:
    """Open a NIfTI image and check its header. Voxels are not read.

    Raises
    ------
    UnreadableImageError
        If the file is missing or damaged, is not NIfTI, or is too small for its header.
    """
    with _readable(path):
        image = nib.load(path)
    if not isinstance(image, nib.Nifti1Pair):
        raise UnreadableImageError(
            f'{path}: this is a {type(image).__name__}, not NIfTI. Convert it to NIfTI.'
        )
    shape, dtype = image.shape, image.get_data_dtype()
    if not 1 <= len(shape) <= MOST_AXES or min(shape) < 1 or not dtype.itemsize:
        raise UnreadableImageError(
            f'{path}: the header describes {" x ".join(map(str, shape)) or "no"} voxels of type '
            f'{dtype}. It is damaged: copy the file again from its source.'
        )
    if not np.isfinite(image.affine).all() or np.linalg.matrix_rank(image.affine[:3, :3]) < 3:
        raise UnreadableImageError(
            f'{path}: the affine of the header is singular or not finite, so positions of voxels '
            'are unknown. Correct the sform or the qform.'
        )
    _check_size(path, image)
    return image


def _check_size(path: str | Path, image: nib.Nifti1Pair) -> None:
    """Raise `UnreadableImageError` if a file is too small for what its header describes."""
    file = Path(image.file_map['image'].filename or path)
    with _readable(path):
        size = file.stat().st_size
    offset = _proxy(image).offset
    expected = offset + _volume_bytes(image) * math.prod(image.shape[3:])
    available = size * DEFLATED if file.suffix == '.gz' else size
    compressed = file.suffix in ('.bz2', '.zst')
    if offset < 0 or (expected > available and not compressed):
        raise UnreadableImageError(
            f'{path}: the header describes {expected} bytes from an offset of {offset}, which a '
            f'file of {size} bytes cannot hold. It is truncated or damaged: copy it again from '
            'its source.'
        )


def read_volume(path: str | Path, which: int | None = None, *, hounsfield: bool = False) -> Volume:
    """Read a head image.

    Parameters
    ----------
    path : str or Path
    which : int, optional
        Index of the volume to read from a series. By default, the mean of all volumes is read.
    hounsfield : bool
        Whether intensities are Hounsfield units.

    Returns
    -------
    Volume
        Complex numbers are read as their magnitude.

    Raises
    ------
    UnreadableImageError
        If the file cannot be read, or holds colours.
    EmptyImageError
        If it holds no signal, or too few voxels for a head.
    """
    image = open_nifti(path)
    if len(image.shape) < 3 or min(image.shape[:3]) < SMALLEST:
        raise EmptyImageError(
            f'{path}: the grid of {" x ".join(map(str, image.shape))} voxels is too small '
            f'to hold a head (at least {SMALLEST} along each axis).'
        )
    if image.get_data_dtype().names:
        raise UnreadableImageError(
            f'{path}: voxels of type {image.get_data_dtype()} have no single intensity. '
            'Supply a magnitude image.'
        )
    total: FloatArray = np.zeros(image.shape[:3])
    for number, data in enumerate(_intensities(path, image)):
        if which in (None, number):
            total += data
    data = (total / _count(image) if which is None else total).astype(np.float32)
    if np.ptp(data) == 0:
        raise EmptyImageError(
            f'{path}: the volume is empty: all voxels are equal or none is finite. '
            'Restore the image, or leave it out with --bids-filter-file.'
        )
    return Volume(data, image.affine, hounsfield)


def read_volumes(path: str | Path, *, hounsfield: bool = False) -> Iterator[Volume]:
    """Read the volumes of an image one by one.

    Parameters
    ----------
    path : str or Path
    hounsfield : bool
        Whether intensities are Hounsfield units.

    Yields
    ------
    Volume
        Empty volumes are yielded too: a series may have some.
    """
    image = open_nifti(path)
    for data in _intensities(path, image):
        yield Volume(data.astype(np.float32), image.affine, hounsfield)


def volume_count(path: str | Path) -> int:
    """Count the volumes of a file."""
    return _count(open_nifti(path))


def strongest_volume(path: str | Path) -> int:
    """Return the index of the volume with the highest mean intensity."""
    return int(np.argmax([data.mean() for data in _intensities(path, open_nifti(path))]))


def is_complex(path: str | Path) -> bool:
    """Whether the voxels of an image are complex numbers."""
    return open_nifti(path).get_data_dtype().kind == 'c'


def same_grid(path: str | Path, other: str | Path) -> bool:
    """Whether two images have the same voxel grid, to a hundredth of a voxel.

    Parameters
    ----------
    path, other : str or Path
    """
    one, two = open_nifti(path), open_nifti(other)
    if one.shape[:3] != two.shape[:3]:
        return False
    shift = np.abs(one.affine - two.affine) @ [*one.shape[:3], 1]
    return bool(shift.max() < 0.01 * np.linalg.norm(one.affine[:3, :3], axis=0).min())


def _stored_volumes(path: str | Path, image: nib.Nifti1Pair) -> Iterator[AnyArray]:
    """Read the stored numbers of each volume, shape (X, Y, Z), one after the other."""
    size, shape = _volume_bytes(image), image.shape[:3]
    with _readable(path), image.file_map['image'].get_prepare_fileobj('rb') as file:
        file.seek(_proxy(image).offset)
        for _ in range(_count(image)):
            content = file.read(size)
            if len(content) < size:
                raise EOFError
            yield np.frombuffer(content, image.get_data_dtype()).reshape(shape, order='F')


def _intensities(path: str | Path, image: nib.Nifti1Pair) -> Iterator[FloatArray]:
    """Scale the intensities of each volume, shape (X, Y, Z); what is not finite becomes zero."""
    slope, inter = _scaling(image)
    for data in _stored_volumes(path, image):
        scaled = data * np.float64(slope) + inter
        yield np.nan_to_num(
            np.abs(scaled) if data.dtype.kind == 'c' else scaled, posinf=0, neginf=0
        )


def replace_voxels(
    path: str | Path,
    mask: BoolArray,
    out_path: str | Path,
    values: Iterable[AnyArray] | None = None,
) -> int:
    """Write a copy of an image in which the voxels of a mask are replaced.

    One copy of the stored numbers is in memory, and a few single volumes.

    Parameters
    ----------
    path : str or Path
        The original. In a series, the mask is applied to each volume.
    mask : ndarray of bool, shape (X, Y, Z)
    out_path : str or Path
        Where to write, ``.nii`` or ``.nii.gz``.
    values : iterable of ndarray, shape (N,), optional
        For each volume, the intensities of the N voxels of the mask in C order. By default,
        zero.

    Returns
    -------
    int
        Number of voxels outside the mask that differ from the original, read back from the new
        file: 0 unless the disk or a library failed.
    """
    image = open_nifti(path)
    header = image.header.copy()
    for fields, empty in ((FREE_TEXT, b''), (UNUSED, 0)):
        for field in set(fields) & set(header.keys()):
            header[field] = empty
    header.extensions.clear()
    defaced = type(image)(_replaced(path, image, mask, values), None, header)
    # Set on the image: nibabel resets the scaling of a header that it is given.
    defaced.header.set_slope_inter(*_scaling(image))
    nib.save(defaced, out_path)
    del defaced
    return _count_changed(path, out_path, mask)


def _replaced(
    path: str | Path,
    image: nib.Nifti1Pair,
    mask: BoolArray,
    values: Iterable[AnyArray] | None,
) -> AnyArray:
    """Return the stored numbers of an image with the voxels of a mask replaced."""
    dtype, scaling = image.get_data_dtype(), _scaling(image)
    with _readable(path):
        changed = np.empty(image.shape, dtype, order='F')
    volumes = changed.reshape(*mask.shape, -1, order='F')
    zeros = repeat(_stored_zero(dtype, *scaling), _count(image))
    new = zeros if values is None else (_stored(given, dtype, *scaling) for given in values)
    for number, (data, inside) in enumerate(zip(_stored_volumes(path, image), new, strict=True)):
        volumes[..., number] = data
        volumes[mask, number] = inside
    return changed


def _count_changed(path: str | Path, out_path: str | Path, mask: BoolArray) -> int:
    """Count the voxels outside a mask that differ between two files in any volume."""
    image, saved = open_nifti(path), open_nifti(out_path)
    same = image.shape == saved.shape and image.get_data_dtype() == saved.get_data_dtype()
    if not same or _scaling(saved) != _scaling(image):
        return math.prod(image.shape)
    differs = np.zeros(mask.shape, bool)
    for before, after in zip(
        _stored_volumes(path, image), _stored_volumes(out_path, saved), strict=True
    ):
        differs |= (_bits(before) != _bits(after)).any(-1)
    return int((differs & ~mask).sum())


def _stored_zero(dtype: np.dtype[Any], slope: float, inter: float) -> AnyArray:
    """Return the stored number nearest to a scaled zero."""
    if dtype.names:
        return np.zeros((), dtype)
    return _stored(np.zeros(()), dtype, slope, inter)


def _stored(values: ArrayLike, dtype: np.dtype[Any], slope: float, inter: float) -> AnyArray:
    """Return the stored numbers nearest to intensities."""
    stored = (np.asarray(values, np.float64) - inter) / slope + 0.0  # never minus zero
    if dtype.kind in 'fc':
        return stored.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(stored), limits.min, limits.max).astype(dtype)


def _proxy(image: nib.Nifti1Pair) -> ArrayProxy:
    return cast(ArrayProxy, image.dataobj)


def _scaling(image: nib.Nifti1Pair) -> tuple[float, float]:
    """Slope and intercept."""
    return _proxy(image).slope, _proxy(image).inter


def _count(image: nib.Nifti1Pair) -> int:
    return math.prod(image.shape[3:])


def _volume_bytes(image: nib.Nifti1Pair) -> int:
    return math.prod(image.shape[:3]) * image.get_data_dtype().itemsize


def _bits(array: AnyArray) -> AnyArray:
    """Return the bytes of each element, shape (..., itemsize), so that NaN equals itself."""
    contiguous = np.ascontiguousarray(array)
    return contiguous.view(np.uint8).reshape(*array.shape, array.dtype.itemsize)


def write_mask(mask: BoolArray, like: str | Path, out_path: str | Path) -> None:
    """Write a mask on the grid of another image.

    Parameters
    ----------
    mask : ndarray of bool, shape (X, Y, Z)
    like : str or Path
        The image whose grid, orientation codes and units the mask gets.
    out_path : str or Path
    """
    source = open_nifti(like).header
    image = nib.Nifti1Image(mask.astype(np.uint8), None)
    image.header['pixdim'][:4] = source['pixdim'][:4]
    for field in (*GEOMETRY, 'xyzt_units'):
        image.header[field] = source[field]
    nib.save(
        nib.Nifti1Image(image.dataobj, image.header.get_best_affine(), image.header), out_path
    )


def read_mask(path: str | Path) -> BoolArray:
    """Read a mask as a boolean array, shape (X, Y, Z).

    Raises
    ------
    UnreadableImageError
        If the file cannot be read.
    """
    image = open_nifti(path)
    with _readable(path):
        return np.asanyarray(image.dataobj) > 0
