# SPDX-License-Identifier: Apache-2.0
"""Open NIfTI files: check what their header says, and mend it where that is safe.

A header may have two forms of the affine: sform and qform. As in other programs, the sform counts
if there are both. A form with numbers that cannot be used is dropped if the other one can be used,
and quaternions that are too long by rounding are normalised (as by niftilib). What is mended here
is mended in the files that are written, too, as other programs would refuse them.

A compressed file is read through Python's `gzip`, which compares the data with the checksum at
their end once they are read to the end. Zeros after that are padding. Other bytes after it are not
part of the image and may be anything, so such a file is refused.
"""

import gzip
import logging
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, cast

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.spatialimages import HeaderDataError, HeaderTypeError

from facebids.core.arrays import FloatArray
from facebids.errors import UnreadableImageError
from facebids.filesystem import why_unreadable

GZIP = b'\x1f\x8b'  # start of a compressed file
KINDS = (nib.Nifti2Image, nib.Nifti1Image)
MOST_AXES = 7  # of a NIfTI image
DEFLATED = 1032  # largest ratio of data to compressed data in a gzip file
ROUNDED = 1e-3  # how much longer than 1 a quaternion may be by rounding
FLATTEST = 0.1  # volume of a voxel over the product of its edges; 1 for right angles
SIZES_MM = (1e-3, 1e3)  # of voxels
FARTHEST_MM = 1e5  # position of the first voxel, along each axis
TEMPLATES = (3, 4)  # codes of sforms in Talairach and MNI coordinates
SFORM = ('srow_x', 'srow_y', 'srow_z')
QUATERNION = ('quatern_b', 'quatern_c', 'quatern_d')
OFFSET = ('qoffset_x', 'qoffset_y', 'qoffset_z')
COPY = 'It is damaged: copy the file again from its source.'
DAMAGED = (
    EOFError,
    zlib.error,
    gzip.BadGzipFile,
    HeaderDataError,
    HeaderTypeError,
    ValueError,
    OverflowError,
    struct.error,
)

QUIET = logging.Logger('nifti', logging.CRITICAL)  # errors say all that nibabel would log
Form = Literal['sform', 'qform']


@dataclass(frozen=True)
class Forms:
    """What the two forms of a header say about the positions of voxels.

    Attributes
    ----------
    apart_mm
        Largest distance between the positions that sform and qform give to a corner of the image;
        None if only one can be used, or if the sform is that of a template.
    unusable
        The form that was dropped because its numbers are zero, not finite or singular.
    """

    apart_mm: float | None = None
    unusable: Form | None = None


NO_FORMS = Forms()


@contextmanager
def readable(path: str | Path) -> Iterator[None]:
    """Turn the errors that files cause while they are read into one that names the file."""
    try:
        yield
    except gzip.BadGzipFile as error:
        after = 'Not a gzipped' in str(error)
        what = 'other bytes follow its compressed data' if after else 'its checksum is wrong'
        raise UnreadableImageError(f'{path}: {what}. {COPY}') from error
    except DAMAGED as error:
        raise UnreadableImageError(
            f'{path}: the file cannot be read as NIfTI ({_words(error)}). It may be truncated or '
            'damaged: copy it again from its source.'
        ) from error
    except MemoryError as error:
        raise UnreadableImageError(
            f'{path}: the image takes more memory than there is. Crop or downsample it, or use a '
            'machine with more memory.'
        ) from error
    except OSError as error:
        raise UnreadableImageError(
            f'{path}: the file cannot be read ({_words(error)}). Check its path and permissions.'
        ) from error


def _words(error: Exception) -> str:
    text = getattr(error, 'strerror', None) or str(error)
    return f'{type(error).__name__}: {text}' if text else type(error).__name__


@contextmanager
def opened(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a file to read its content, decompressed. Errors are those of `readable`."""
    with readable(path):
        compressed = str(path).lower().endswith('.gz')
        with gzip.open(path) if compressed else open(path, 'rb') as file:
            yield cast(IO[bytes], file)


def open_nifti(path: str | Path) -> nib.Nifti1Image:
    """Open a NIfTI image and check its header. Voxels are not read.

    Parameters
    ----------
    path
        A file ``.nii`` or ``.nii.gz``.

    Returns
    -------
    Nifti1Image or Nifti2Image
        With a mended header, without its extensions. ``extra['forms']`` has its `Forms`.

    Raises
    ------
    UnreadableImageError
        If the file is missing or damaged, is not NIfTI, is too small for its header, or does not
        say where its voxels lie.
    """
    _check_compression(path)
    kind = max(KINDS, key=lambda each: each.header_class.sizeof_hdr)
    with opened(path) as file:
        start = file.read(kind.header_class.sizeof_hdr)
    kind = _kind(path, start)
    with readable(path), np.errstate(all='ignore'):
        header = _header(kind.header_class, start)
        sized = _mend_sizes(header)
        header.check_fix(logger=QUIET)
        _check_voxels(path, header)
        _check_size(path, header)
        affine, forms = _affine(path, header, sized=sized)
        voxels = ArrayProxy(str(path), header.copy())
        header.set_data_offset(0)  # extensions are left out
        return kind(voxels, affine, header, extra={'forms': forms})


def _check_compression(path: str | Path) -> None:
    """Raise `UnreadableImageError` if a file is not what its name says."""
    name = str(path).lower()
    if not name.endswith(('.nii', '.nii.gz')):
        raise UnreadableImageError(
            f'{path}: only .nii and .nii.gz files are read. Convert it to NIfTI.'
        )
    if reason := why_unreadable(path, str(path)):
        raise UnreadableImageError(f'{path}: {reason}')
    with readable(path), open(path, 'rb') as file:
        start = file.read(2)
    if not start:
        raise UnreadableImageError(f'{path}: the file is empty. Copy it again from its source.')
    if name.endswith('.gz') and start != GZIP:
        raise UnreadableImageError(
            f'{path}: the file is not compressed, although its name ends with .gz. Compress it '
            'with gzip or rename it to .nii; if it is not NIfTI, copy it again from its source.'
        )
    if not name.endswith('.gz') and start == GZIP:
        raise UnreadableImageError(
            f'{path}: the file is compressed, although its name does not end with .gz. Rename it '
            'to .nii.gz, or decompress it with gunzip.'
        )


def _kind(path: str | Path, start: bytes) -> type[nib.Nifti1Image]:
    """Return the class of an image by the magic bytes of its header."""
    for kind in KINDS:
        layout = kind.header_class
        if len(start) < layout.sizeof_hdr:
            continue
        magic = bytes(np.frombuffer(start[: layout.sizeof_hdr], layout.template_dtype)[0]['magic'])
        if magic.startswith(layout.single_magic):
            return kind
        if magic.startswith(layout.pair_magic):
            raise UnreadableImageError(
                f'{path}: this is the header of a pair of files (.hdr and .img). Convert the pair '
                'to one NIfTI file (.nii.gz).'
            )
    raise UnreadableImageError(
        f'{path}: the file does not have the header of NIfTI. Convert it to NIfTI; if it was '
        'NIfTI, it is damaged: copy it again from its source.'
    )


def _header(layout: type[nib.Nifti1Header], start: bytes) -> nib.Nifti1Header:
    start = start[: layout.sizeof_hdr]
    sizes = {order: struct.unpack(f'{order}i', start[:4])[0] for order in '<>'}
    # None: nibabel guesses it from the number of axes.
    order = next((order for order, size in sizes.items() if size == layout.sizeof_hdr), None)
    return layout(start, order, check=False)


def _check_voxels(path: str | Path, header: nib.Nifti1Header) -> None:
    """Raise `UnreadableImageError` if a header describes voxels that cannot be."""
    shape, dtype = header.get_data_shape(), header.get_data_dtype()
    if not 1 <= int(header['dim'][0]) <= MOST_AXES or min(shape) < 1 or not dtype.itemsize:
        raise UnreadableImageError(
            f'{path}: the header describes {" x ".join(map(str, shape)) or "no"} voxels of type '
            f'{dtype}. {COPY}'
        )
    slope, inter = float(header['scl_slope']), float(header['scl_inter'])
    if slope and math.isfinite(slope) and not math.isfinite(inter):
        raise UnreadableImageError(
            f'{path}: the header has the slope {slope:g} but the intercept {inter:g}, so '
            'intensities are unknown. Set scl_inter, to 0 if the intensities have no intercept '
            '(nifti_tool -mod_hdr -mod_field scl_inter 0), or copy the file again.'
        )


def _check_size(path: str | Path, header: nib.Nifti1Header) -> None:
    """Raise `UnreadableImageError` if a file is too small for what its header describes."""
    size = Path(path).stat().st_size
    start = float(header['vox_offset'])
    needed = math.prod(header.get_data_shape()) * header.get_data_dtype().itemsize
    available = size * DEFLATED if str(path).lower().endswith('.gz') else size
    if not header.single_vox_offset <= start <= available - needed or start % 1:
        raise UnreadableImageError(
            f'{path}: the header describes {needed} bytes of voxels from byte {start:g} on, which '
            f'a file of {size} bytes cannot hold. It is truncated or damaged: copy it again from '
            'its source.'
        )


# --- positions ----------------------------------------------------------------------------------


def _affine(
    path: str | Path, header: nib.Nifti1Header, *, sized: bool
) -> tuple[FloatArray, Forms]:
    """Return the affine of a header (voxel indices to RAS mm), and mend the header.

    Parameters
    ----------
    path
        The file, for messages.
    header
        It is changed in place where it is mended.
    sized
        Whether its voxel sizes are known.
    """
    has_sform, has_qform = int(header['sform_code']) > 0, int(header['qform_code']) > 0
    if not (has_sform or has_qform) and sized and _usable(header.get_base_affine()):
        return header.get_base_affine(), NO_FORMS
    sform = _sform(header)
    qform = _qform(header) if has_qform and sized else None
    if sform is None and qform is None:
        raise UnreadableImageError(
            f'{path}: neither sform nor qform of the header is a usable affine (zero, not finite, '
            'singular or without voxel sizes), so positions of voxels are unknown. Correct the '
            'sform or the qform, for example with fslorient, or convert the image again.'
        )
    unusable: Form | None = None
    if has_sform and sform is None:
        unusable = 'sform'
        _clear(header, 'sform_code', *SFORM)
    elif has_qform and qform is None:
        unusable = 'qform'
        _clear(header, 'qform_code', *QUATERNION, *OFFSET)
    return header.get_best_affine(), Forms(_apart(header, sform, qform), unusable)


def _clear(header: nib.Nifti1Header, *fields: str) -> None:
    for field in fields:
        header[field] = 0


def _mend_sizes(header: nib.Nifti1Header) -> bool:
    """Take voxel sizes that are zero or not finite from the sform; return whether all are known.

    Axes that the image does not have count as 1 mm.
    """
    sform, sizes = _sform(header), header['pixdim'][1:4]
    wrong = ~(np.isfinite(sizes) & (sizes != 0))
    there = np.arange(3) < int(header['dim'][0])
    given = np.ones(3) if sform is None else np.linalg.norm(sform[:3, :3], axis=0)
    sizes[wrong] = given[wrong]
    return sform is not None or not (wrong & there).any()


def _sform(header: nib.Nifti1Header) -> FloatArray | None:
    """Return the sform, None if there is none that can be used."""
    affine = cast(FloatArray, header.get_sform())
    return affine if int(header['sform_code']) > 0 and _usable(affine) else None


def _qform(header: nib.Nifti1Header) -> FloatArray | None:
    """Return the qform, None if it cannot be used; normalise a quaternion that is too long."""
    try:
        header.get_qform_quaternion()
    except ValueError:
        quaternion = np.array([float(header[field]) for field in QUATERNION])
        length = float(np.linalg.norm(quaternion))
        if length > 1 + ROUNDED:
            return None
        shorter = (1 - float(np.finfo(header[QUATERNION[0]].dtype).eps)) / length
        for field, value in zip(QUATERNION, quaternion, strict=True):
            header[field] = value * shorter
    affine = cast(FloatArray, header.get_qform())
    return affine if _usable(affine) else None


def _usable(affine: FloatArray) -> bool:
    """Return whether an affine, shape (4, 4), can be that of an image."""
    if not np.isfinite(affine).all() or np.abs(affine[:3, 3]).max() > FARTHEST_MM:
        return False
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    if not ((sizes >= SIZES_MM[0]) & (sizes <= SIZES_MM[1])).all():
        return False
    return bool(abs(np.linalg.det(affine[:3, :3] / sizes)) >= FLATTEST)


def _apart(
    header: nib.Nifti1Header, sform: FloatArray | None, qform: FloatArray | None
) -> float | None:
    """Return the largest distance between positions of a corner of the image, mm."""
    if sform is None or qform is None or int(header['sform_code']) in TEMPLATES:
        return None
    shape = (*header.get_data_shape(), 1, 1)[:3]
    corners = np.array([[*index, 1] for index in np.ndindex(2, 2, 2)]) * [
        *np.subtract(shape, 1),
        1,
    ]
    return float(np.linalg.norm((corners @ (sform - qform).T)[:, :3], axis=1).max())
