# SPDX-License-Identifier: Apache-2.0
"""Read head images, and replace voxels in them without touching anything else.

Voxels are replaced in the stored numbers: no scaling is applied and undone, so data type, slope,
intercept, orientation, units and all other voxels stay the same, bit for bit. Free text in the
header and header extensions, which may name a person, are removed.

Files are read in slabs of slices and series volume by volume, because scaled intensities take up
to eight times the memory of stored numbers. Whoever reads all volumes reads the file to its end,
so that the checksum of a compressed file is compared (:mod:`facebids.core.headers`).
"""

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Any, NamedTuple, cast

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from numpy.typing import ArrayLike

from facebids.core.arrays import AnyArray, BoolArray, FloatArray
from facebids.core.foreground import SKIN_HU
from facebids.core.headers import NO_FORMS, Forms, open_nifti, opened, readable
from facebids.errors import EmptyImageError, UnreadableImageError

# Header fields that can hold text in NIfTI-1, and unused ones; NIfTI-2 has some of them.
FREE_TEXT = ('descrip', 'aux_file', 'db_name', 'intent_name', 'data_type')
UNUSED = ('extents', 'session_error')
GEOMETRY = (
    *('qform_code', 'sform_code', 'quatern_b', 'quatern_c', 'quatern_d'),
    *('qoffset_x', 'qoffset_y', 'qoffset_z', 'srow_x', 'srow_y', 'srow_z'),
)
SMALLEST = 16  # voxels along each axis; fewer cannot show a head
COARSEST_MM = 6.0  # median of the voxel sizes; a face has a few voxels then
# Largest intensity. Beyond, squares overflow in single precision, or vanish next to constants.
PEAK = (1e-5, 1e15)
LEAST_AIR = 1e-3  # share of the voxels of a CT image: a head has air in it, if not around it
SLAB = 2**24  # bytes of stored numbers that are read at once


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
    forms : Forms
        What the header says about the affine.
    """

    data: FloatArray
    affine: FloatArray
    hounsfield: bool = False
    forms: Forms = NO_FORMS

    @property
    def zooms(self) -> FloatArray:
        """Voxel sizes, mm."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)


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
        If the file cannot be read, holds colours, or has intensities that cannot be computed with.
    EmptyImageError
        If it holds no signal, or too few or too large voxels for a head.
    """
    image = open_nifti(path)
    _check_grid(path, image)
    with readable(path):
        data = _mean(path, image) if which is None else _single(path, image, which)
    _check_intensities(path, data)
    if hounsfield:
        _check_air(path, data)
    return Volume(data, image.affine, hounsfield, image.extra['forms'])


def _check_grid(path: str | Path, image: nib.Nifti1Image) -> None:
    """Raise an error if the voxels of an image cannot show a head."""
    if len(image.shape) < 3 or min(image.shape[:3]) < SMALLEST:
        raise EmptyImageError(
            f'{path}: the grid of {" x ".join(map(str, image.shape))} voxels is too small '
            f'to hold a head (at least {SMALLEST} along each axis).'
        )
    zooms = np.linalg.norm(image.affine[:3, :3], axis=0)
    if np.median(zooms) > COARSEST_MM:
        raise EmptyImageError(
            f'{path}: voxels of {" x ".join(f"{size:.3g}" for size in zooms)} mm are too large to '
            f'show a face (at most {COARSEST_MM:g} mm). Correct the voxel sizes in the header, or '
            'leave the image out with --bids-filter-file.'
        )
    _check_type(path, image)


def _check_type(path: str | Path, image: nib.Nifti1Image) -> None:
    if image.get_data_dtype().names:
        raise UnreadableImageError(
            f'{path}: voxels of type {image.get_data_dtype()} have no single intensity. '
            'Supply a magnitude image.'
        )


def _check_intensities(path: str | Path, data: FloatArray) -> None:
    """Raise an error if intensities are all equal, or cannot be computed with."""
    low, high = float(data.min()), float(data.max())
    if low == high:
        raise EmptyImageError(
            f'{path}: the volume is empty: all voxels are equal or none is finite. '
            'Restore the image, or leave it out with --bids-filter-file.'
        )
    peak = max(high, -low)
    if not PEAK[0] <= peak <= PEAK[1]:
        raise UnreadableImageError(
            f'{path}: the largest intensity is {peak:.3g}, but only values between {PEAK[0]:g} '
            f'and {PEAK[1]:g} can be computed with. Correct scl_slope, or convert the image '
            'again, as its data type or byte order may be wrong.'
        )


def _check_air(path: str | Path, data: FloatArray) -> None:
    """Raise an error if a CT image shows no air, because its intensities have an offset.

    It is not corrected by a guess: offsets of 1000, 1024 and 8192 are in use, and whoever gets the
    defaced image would still have wrong numbers.
    """
    if np.count_nonzero(data < SKIN_HU) < LEAST_AIR * data.size:
        raise UnreadableImageError(
            f'{path}: the intensities of this CT image are not Hounsfield units, as hardly any is '
            f'below {SKIN_HU:g} and air has -1000. If they have an offset, set scl_slope to 1 and '
            'scl_inter to minus that offset (often -1024), with nifti_tool, or convert the '
            'DICOM files again.'
        )


def _mean(path: str | Path, image: nib.Nifti1Image) -> FloatArray:
    """Return the mean intensity over all volumes, float32, shape (X, Y, Z)."""
    count = _count(image)
    if count == 1:
        return _single(path, image, 0)
    total: FloatArray = np.zeros(image.shape[:3])
    with np.errstate(over='ignore', invalid='ignore'):
        for slab in _slabs(path, image):
            total[..., slab.planes] += _scaled(slab.stored, image)
        total /= count
        return total.astype(np.float32)


def _single(path: str | Path, image: nib.Nifti1Image, which: int) -> FloatArray:
    """Return the intensities of one volume, float32, shape (X, Y, Z). The whole file is read."""
    data = np.empty(image.shape[:3], np.float32)
    with np.errstate(over='ignore'):
        for slab in _slabs(path, image):
            if slab.volume == which:
                data[..., slab.planes] = _scaled(slab.stored, image)
    return data


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
    _check_grid(path, image)
    for slab in _slabs(path, image):
        if slab.planes.start == 0:
            data = np.empty(image.shape[:3], np.float32, order='F')
        with np.errstate(over='ignore'):
            data[..., slab.planes] = _scaled(slab.stored, image)
        if slab.planes.stop == data.shape[2]:
            yield Volume(data, image.affine, hounsfield, image.extra['forms'])


def read_chosen(
    path: str | Path, chosen: Collection[int], *, hounsfield: bool = False
) -> dict[int, Volume]:
    """Read some volumes of an image, in one pass over the file.

    Parameters
    ----------
    path : str or Path
    chosen : collection of int
        Indices of the volumes.
    hounsfield : bool
        Whether intensities are Hounsfield units.

    Returns
    -------
    dict of Volume
        By index.
    """
    if not chosen:
        return {}
    volumes = enumerate(read_volumes(path, hounsfield=hounsfield))
    return {number: volume for number, volume in volumes if number in chosen}


def volume_count(path: str | Path) -> int:
    """Count the volumes of a file."""
    return _count(open_nifti(path))


def strongest_volume(path: str | Path) -> int:
    """Return the index of the volume with the highest mean intensity."""
    image = open_nifti(path)
    _check_type(path, image)
    total = np.zeros(_count(image))
    for slab in _slabs(path, image):
        with np.errstate(over='ignore', invalid='ignore'):
            total[slab.volume] += _scaled(slab.stored, image).sum()
    return int(np.argmax(total))


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
    shift = np.abs(one.affine - two.affine) @ [*(*one.shape, 1, 1)[:3], 1]
    return bool(shift.max() < 0.01 * np.linalg.norm(one.affine[:3, :3], axis=0).min())


class _Slab(NamedTuple):
    """Some slices of a volume.

    Parameters
    ----------
    volume : int
        Index of the volume.
    planes : slice
        Indices along its third axis, K of them.
    stored : ndarray, shape (X, Y, K)
        Stored numbers.
    """

    volume: int
    planes: slice
    stored: AnyArray


def _slabs(path: str | Path, image: nib.Nifti1Image) -> Iterator[_Slab]:
    """Read the stored numbers of an image, and after the last ones the file to its end."""
    dtype = image.get_data_dtype()
    width, height, depth = (*image.shape, 1, 1)[:3]
    step = max(SLAB // (width * height * dtype.itemsize), 1)
    with opened(path) as file:
        file.seek(_proxy(image).offset)
        for volume in range(_count(image)):
            for first in range(0, depth, step):
                planes = slice(first, min(first + step, depth))
                shape = width, height, planes.stop - first
                content = file.read(math.prod(shape) * dtype.itemsize)
                if len(content) < math.prod(shape) * dtype.itemsize:
                    raise EOFError('it ends before its last voxel')
                yield _Slab(
                    volume, planes, np.frombuffer(content, dtype).reshape(shape, order='F')
                )
        while file.read(2**16):  # the checksum is compared at the end of a compressed file
            continue


def _scaled(stored: AnyArray, image: nib.Nifti1Image) -> FloatArray:
    """Return the intensities of stored numbers; what is not finite becomes zero."""
    slope, inter = _scaling(image)
    with np.errstate(over='ignore', invalid='ignore'):
        scaled = stored * np.float64(slope) + inter
        scaled = np.abs(scaled) if stored.dtype.kind == 'c' else scaled
    return np.nan_to_num(scaled, copy=False, posinf=0, neginf=0)


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
    defaced = type(image)(_replaced(path, image, mask, values), None, header)
    # Set on the image: nibabel resets the scaling of a header that it is given.
    defaced.header.set_slope_inter(*_scaling(image))
    nib.save(defaced, out_path)
    del defaced
    return _count_changed(path, out_path, mask)


def _replaced(
    path: str | Path,
    image: nib.Nifti1Image,
    mask: BoolArray,
    values: Iterable[AnyArray] | None,
) -> AnyArray:
    """Return the stored numbers of an image with the voxels of a mask replaced."""
    dtype, scaling = image.get_data_dtype(), _scaling(image)
    zeros = repeat(_stored_zero(dtype, *scaling), _count(image))
    new = iter(zeros if values is None else (_stored(each, dtype, *scaling) for each in values))
    first = next(new)  # before the image is in memory: finding values takes most of it
    changed = _stored_numbers(path, image)
    volumes = changed.reshape(*mask.shape, -1, order='F')
    for number, inside in zip(range(_count(image)), chain([first], new), strict=True):
        volumes[..., number][mask] = inside  # an index beside the mask would be 24 bytes a voxel
    return changed


def _stored_numbers(path: str | Path, image: nib.Nifti1Image) -> AnyArray:
    """Read all stored numbers, with the shape of the file."""
    with readable(path):
        stored = np.empty(image.shape, image.get_data_dtype(), order='F')
    volumes = stored.reshape(*(*image.shape, 1, 1)[:3], -1, order='F')
    for slab in _slabs(path, image):
        volumes[..., slab.planes, slab.volume] = slab.stored
    return stored


def _count_changed(path: str | Path, out_path: str | Path, mask: BoolArray) -> int:
    """Count the voxels outside a mask that differ between two files in any volume."""
    image, saved = open_nifti(path), open_nifti(out_path)
    same = image.shape == saved.shape and image.get_data_dtype() == saved.get_data_dtype()
    if not same or _scaling(saved) != _scaling(image):
        return math.prod(image.shape)
    differs = np.zeros(mask.shape, bool)
    for before, after in zip(_slabs(path, image), _slabs(out_path, saved), strict=True):
        changed = (_bits(before.stored) != _bits(after.stored)).any(-1)
        differs[..., before.planes] |= changed
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


def _proxy(image: nib.Nifti1Image) -> ArrayProxy:
    return cast(ArrayProxy, image.dataobj)


def _scaling(image: nib.Nifti1Image) -> tuple[float, float]:
    """Slope and intercept."""
    return _proxy(image).slope, _proxy(image).inter


def _count(image: nib.Nifti1Image) -> int:
    return math.prod(image.shape[3:])


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
    """Read a mask as a boolean array, with the shape of the file.

    Raises
    ------
    UnreadableImageError
        If the file cannot be read.
    """
    values = read_values(path)
    with np.errstate(invalid='ignore'):  # NaN
        return values > 0


def read_values(path: str | Path) -> AnyArray:
    """Read the scaled numbers of all volumes as they are, NaN included, shape as in the file.

    Integers without scaling stay integers.

    Raises
    ------
    UnreadableImageError
        If the file cannot be read.
    """
    image = open_nifti(path)
    _check_type(path, image)
    slope, inter = _scaling(image)
    values = _stored_numbers(path, image)
    with np.errstate(over='ignore', invalid='ignore'):
        return values if (slope, inter) == (1, 0) else values * slope + inter
