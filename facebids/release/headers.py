# SPDX-License-Identifier: Apache-2.0
"""Find and remove identifying metadata of NIfTI files.

These are free text in the header, header extensions, unused bytes, and the gzip header. All free
text is removed, as in defaced images, but only text that may identify is reported: anything other
than names of programs and scan parameters. Names of people cannot be recognised as such, so
unknown words are reported.

nibabel defines the layout of the header, but does not keep unused bytes, which may hold data too.
The layout of extensions follows ``nifti1.h``, that of gzip RFC 1952.
"""

import gzip
import math
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, cast

import numpy as np
from nibabel.nifti1 import header_dtype as nifti1
from nibabel.nifti2 import header_dtype as nifti2

from facebids.errors import DatasetError, UnreadableImageError
from facebids.filesystem import atomic_path
from facebids.release.metadata import scrub_json
from facebids.release.rules import Finding
from facebids.release.texts import identifies, is_nothing

ByteOrder = Literal['<', '>']
ORDERS: tuple[ByteOrder, ...] = ('<', '>')
TEXTS = ('descrip', 'aux_file', 'db_name', 'data_type', 'intent_name', 'unused_str')
UNUSED = ('extents', 'session_error')
LAYOUTS = {348: (nifti1, b'n+1'), 540: (nifti2, b'n+2')}  # by size of the header
MRS = 44  # code of the required extension of NIfTI-MRS: JSON with DICOM keys
LARGEST_OFFSET = 2**28  # bytes; the header is damaged if voxels start later
CHUNK = 2**20
LEVEL = 6  # of gzip, the default of most programs

# Contents of `descrip` and similar fields that were not typed by a person.
_PROGRAM = re.compile(
    r'freesurfer(?: [a-z]{3} +\d{1,2} \d{4})?|(?:mrtrix )?version:? ?\d[\w.+-]*'
    r'|fsl ?[\d.]*|unaliased mb\S*|single-band reference'
    r'|(?<!\d)\d{1,3}\.\d{1,3}(?:\.\d+)*(?::[0-9a-f]{6,10})?',
    re.IGNORECASE,
)
_PARAMETER = re.compile(
    r'\??\b(?:te|tr|ti|fa|mb|dur|phase|bval|flip|pe|slices?|echo)\s*[=:]\s*[-+]?[\d.]+(?:e-?\d+)?'
    r'\s*(?:ms|s|deg)?\b',
    re.IGNORECASE,
)
_KNOWN = frozenset(
    """
    spm fsl afni ants itk nipy nibabel nifti analyze freesurfer mrtrix dcm mricron facebids mosaic
    realigned resliced coregistered normalised normalized smoothed warped unwarped masked conv
    reslice rotated cropped averaged merged converted compressed space mean image volume brain
    mask magnitude phase real imaginary float int uint short contrast none default render mgh
    cortical subcortical random rainbow greyscale grayscale binary defaced sense ref single file
    format and the from
    """.split()  # noqa: SIM905 - more readable than a list
)
# standard intents (nifti1.h), and those of other formats based on NIfTI
_INTENT = re.compile(
    r'mrs_v\d+_\d+|Conn\w+|none|(?:t|f|z|chi-?squared|beta|correlation) ?(?:test|score|statistic)?'
    r'|estimate|label|neuronames|matrix|displacement vector|vector|quaternion|dimensionless'
    r'|time series|rgb(?:a) vector|(?:log )?p value|phase|real|imaginary',
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Header:
    """The part of a NIfTI file before the voxels.

    Attributes
    ----------
    fields
        The header, a structured scalar.
    order
        Byte order.
    rest
        All bytes between header and voxels.
    voxels
        Size of all voxels (bytes).
    """

    fields: np.void
    order: ByteOrder
    rest: bytes
    voxels: int

    @property
    def size(self) -> int:
        return self.fields.dtype.itemsize + len(self.rest)

    def texts(self) -> dict[str, str]:
        """Return the text fields, including bytes after the end of the string."""
        raw = {name: bytes(self.fields[name]) for name in TEXTS if self._has(name)}
        texts = {name: value.replace(b'\0', b' ').decode('latin-1') for name, value in raw.items()}
        return {name: ' '.join(text.split()) for name, text in texts.items()}

    def extensions(self) -> tuple[list[tuple[int, bytes]], bytes]:
        """Return code and content of each extension, and all bytes outside of extensions."""
        flag, rest = self.rest[:4], self.rest[4:]
        found = []
        while flag[:1] != b'\0' and len(rest) >= 8:
            size, code = struct.unpack(f'{self.order}ii', rest[:8])
            if not 8 <= size <= len(rest):
                break
            found.append((code, rest[8:size]))
            rest = rest[size:]
        return found, flag[1:] + rest

    def cleaned(self, path: str) -> bytes:
        """Return header and extensions without identifying metadata."""
        fields, texts = self.fields.copy(), self.texts()
        for name in (*TEXTS, *UNUSED):
            if self._has(name) and not (name == 'intent_name' and _is_intent(texts[name])):
                fields[name] = np.zeros((), fields.dtype[name])
        kept = b''.join(
            self._extension(code, _without(content, path)[0])
            for code, content in self.extensions()[0]
            if code == MRS
        )
        fields['vox_offset'] = fields.dtype.itemsize + 4 + len(kept)
        return fields.tobytes() + bytes([bool(kept), 0, 0, 0]) + kept

    def _extension(self, code: int, content: bytes) -> bytes:
        size = 16 * math.ceil((8 + len(content)) / 16)
        return struct.pack(f'{self.order}ii', size, code) + content.ljust(size - 8, b'\0')

    def _has(self, name: str) -> bool:
        return name in (self.fields.dtype.names or ())


def find(path: Path, relative: str) -> tuple[Finding, ...]:
    """Find identifying metadata of a NIfTI file.

    The voxels are read only if the file size indicates further bytes after them.

    Parameters
    ----------
    path
        The file, ``.nii`` or ``.nii.gz``.
    relative
        POSIX path relative to the dataset, for the findings.

    Raises
    ------
    UnreadableImageError
        If the file is damaged or not NIfTI.
    """
    path = Path(path)
    with _opened(path) as (file, compressed):
        header = _read(file, path)
        found = [*_of_gzip(compressed, path), *_of_header(header, relative)]
        after = _count_after(path, header, file)
    if after:
        found.append(('bytes after the voxels', 'hidden bytes', f'{after} bytes'))
    return tuple(Finding(relative, *each) for each in found)


def scrub(path: Path, out_path: Path, relative: str | None = None) -> tuple[Finding, ...]:
    """Write a NIfTI file without identifying metadata, and with the same bytes of the voxels.

    All free text is removed, whether it is a finding or not. The file is streamed, and never
    entirely in memory.

    Parameters
    ----------
    path
        The file, ``.nii`` or ``.nii.gz``.
    out_path
        The file to write, compressed if its name ends with ``.gz``. It may be ``path``.
    relative
        Path for the findings, as in :func:`find`; the file name by default.

    Returns
    -------
    tuple
        The findings of :func:`find`.

    Raises
    ------
    UnreadableImageError
        If the file is damaged or not NIfTI.
    """
    path, out_path = Path(path), Path(out_path)
    findings = find(path, relative or path.name)
    with _opened(path) as (file, _), atomic_path(out_path) as temporary:
        header = _read(file, path)
        with temporary.open('wb') as raw, _written(raw, out_path) as out:
            out.write(header.cleaned(path.name))
            left = header.voxels
            while left:
                chunk = file.read(min(CHUNK, left))
                if not chunk:
                    raise _damaged(path, 'it ends before its last voxel')
                out.write(chunk)
                left -= len(chunk)
            while file.read(CHUNK):  # up to the checksum at the end of a compressed file
                continue
    return findings


# --- reading ------------------------------------------------------------------------------------


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], bytes]]:
    """Open a file; yield its decompressed content, and the start of a compressed file."""
    try:
        raw = path.open('rb')
    except OSError as error:
        raise _damaged(path, type(error).__name__) from error
    with raw:
        start = raw.read(2**16)
        raw.seek(0)
        if not _is_gzip(path):
            yield raw, b''
        elif not start.startswith(b'\x1f\x8b'):
            raise _damaged(path, 'its name ends with .gz, but it is not compressed')
        else:
            try:
                with gzip.open(raw) as file:
                    yield cast(IO[bytes], file), start
            except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                raise _damaged(path, type(error).__name__) from error


@contextmanager
def _written(raw: IO[bytes], path: Path) -> Iterator[IO[bytes]]:
    if _is_gzip(path):
        with gzip.GzipFile('', 'wb', LEVEL, raw, mtime=0) as out:
            yield cast(IO[bytes], out)
    else:
        yield raw


def _is_gzip(path: Path) -> bool:
    return path.name.lower().endswith('.gz')


def _read(file: IO[bytes], path: Path) -> _Header:
    start = file.read(4)
    sizes = {order: struct.unpack(f'{order}i', start)[0] for order in ORDERS if len(start) == 4}
    order = next((order for order, size in sizes.items() if size in LAYOUTS), None)
    if order is None:
        raise _damaged(path, 'it does not start with the size of a header')
    dtype, magic = LAYOUTS[sizes[order]]
    content = start + file.read(dtype.itemsize - 4)
    if len(content) < dtype.itemsize:
        raise _damaged(path, 'it ends inside its header')
    fields = np.frombuffer(content, dtype.newbyteorder(order))[0].copy()
    if bytes(fields['magic']) != magic:
        raise _damaged(path, 'header and voxels are not in one file')
    offset = float(fields['vox_offset'])
    if not dtype.itemsize + 4 <= offset <= LARGEST_OFFSET or offset % 1:
        raise _damaged(path, f'its voxels cannot start at byte {offset:g}')
    rest = file.read(int(offset) - dtype.itemsize)
    if len(rest) < int(offset) - dtype.itemsize:
        raise _damaged(path, 'it ends before its first voxel')
    return _Header(fields, order, rest, _size_of_voxels(fields, path))


def _size_of_voxels(fields: np.void, path: Path) -> int:
    dim, bits = [int(size) for size in fields['dim']], int(fields['bitpix'])
    if not 1 <= dim[0] <= 7 or min(dim[1 : dim[0] + 1]) < 1 or bits < 1:
        raise _damaged(path, f'it cannot have {dim} voxels of {bits} bits')
    return math.ceil(math.prod(dim[1 : dim[0] + 1]) * bits / 8)


def _count_after(path: Path, header: _Header, file: IO[bytes]) -> int:
    """Return the number of bytes after the voxels.

    A compressed file ends with its decompressed size modulo 2 ** 32 (RFC 1952: ISIZE). If that
    differs from the expected size, the file is read to its end, as it may have several parts.
    """
    expected = header.size + header.voxels
    size: int | None = path.stat().st_size
    if _is_gzip(path):
        with path.open('rb') as raw:
            raw.seek(-4, 2)
            size = expected if struct.unpack('<I', raw.read())[0] == expected % 2**32 else None
    if size is None:
        size = header.size
        while chunk := file.read(CHUNK):
            size += len(chunk)
    if size < expected:
        raise _damaged(path, 'it ends before its last voxel')
    return size - expected


def _damaged(path: Path, why: str) -> UnreadableImageError:
    return UnreadableImageError(
        f'{path}: the file cannot be read as NIfTI ({why}). It may be truncated or damaged; copy '
        'it again from its source.'
    )


# --- findings -----------------------------------------------------------------------------------


def _of_header(header: _Header, relative: str) -> Iterator[tuple[str, str, str]]:
    """Yield place, rule and value of identifying metadata in a header."""
    for name, text in header.texts().items():
        if _may_identify(text) and not (name == 'intent_name' and _is_intent(text)):
            yield name, 'header text', text
    extensions, hidden = header.extensions()
    for code, content in extensions:
        place = f'header extension {code}'
        if code != MRS:
            yield place, 'header extension', f'{len(content)} bytes'
            continue
        for finding in _without(content, relative)[1]:
            yield f'{place}: {finding.where}', finding.rule, finding.value
    if any(hidden):
        yield 'bytes before the voxels', 'hidden bytes', f'{len(hidden)} bytes'


def _without(content: bytes, path: str) -> tuple[bytes, tuple[Finding, ...]]:
    """Return the extension of NIfTI-MRS without identifying keys, and the findings."""
    try:
        text, findings = scrub_json(content.rstrip(b'\0 \n').decode(), path)
    except (UnicodeDecodeError, DatasetError) as error:
        raise _damaged(Path(path), 'its NIfTI-MRS extension is not JSON') from error
    return text.encode(), findings


def _of_gzip(start: bytes, path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield place, rule and value of identifying metadata in a gzip header."""
    if not start:
        return
    flags, time = start[3], struct.unpack('<I', start[4:8])[0]
    at, rule = 10, 'gzip header'
    if time:
        yield 'gzip time stamp', rule, str(time)
    if flags & 4:
        size = struct.unpack('<H', start[at : at + 2])[0]
        yield 'gzip extra field', rule, f'{size} bytes'
        at += 2 + size
    for flag, place in ((8, 'gzip file name'), (16, 'gzip comment')):
        if flags & flag:
            text, _, _ = start[at:].partition(b'\0')
            at += len(text) + 1
            own = flag == 8 and text.decode('latin-1') in (path.name, path.name[:-3])
            if text and not own:
                yield place, rule, text.decode('latin-1')


def _is_intent(text: str) -> bool:
    return bool(_INTENT.fullmatch(text))


def _may_identify(text: str) -> bool:
    """Return whether a text has more than names of programs and scan parameters."""
    left = _PROGRAM.sub(' ', _PARAMETER.sub(' ', text))
    words = re.findall(r'[^\W\d_]{3,}', left.lower())
    unknown = [word for word in words if word not in _KNOWN]
    if is_nothing(text):
        return False
    return bool(unknown or identifies(left, free=True) or '^' in left)
