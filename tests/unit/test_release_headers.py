# SPDX-License-Identifier: Apache-2.0
import gzip
import json
import struct
import tracemalloc

import nibabel as nib
import numpy as np
import pytest

from facebids.errors import UnreadableImageError
from facebids.release import headers

NAME = 'sub-03/anat/sub-03_T1w.nii.gz'
VERSIONS = {1: nib.Nifti1Image, 2: nib.Nifti2Image}


def _image(version=1, order='<', extensions=(), **fields) -> bytes:
    """Return an uncompressed image of 3 x 4 x 5 voxels."""
    data = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    image = VERSIONS[version](data, np.diag([1, 2, 3, 1]))
    header = image.header.as_byteswapped(order)
    image = VERSIONS[version](data.astype(f'{order}i2'), image.affine, header)
    for name, value in fields.items():
        image.header[name] = value
    for code, content in extensions:
        image.header.extensions.append(nib.nifti1.Nifti1Extension(code, content))
    content = image.to_bytes()
    assert struct.unpack(f'{order}i', content[:4])[0] in (348, 540)
    return content


def _write(tmp_path, content: bytes, name='sub-03_T1w.nii.gz', member: bytes | None = None):
    path = tmp_path / name
    if name.lower().endswith('.gz'):
        content = member or gzip.compress(content, mtime=0)
    path.write_bytes(content)
    return path


def _voxels(path) -> bytes:
    content = path.read_bytes()
    content = gzip.decompress(content) if content.startswith(b'\x1f\x8b') else content
    image = nib.Nifti1Image if content[:4] in (b'\x5c\1\0\0', b'\0\0\1\x5c') else nib.Nifti2Image
    offset = image.from_bytes(content).dataobj.offset
    return content[offset:]


def _places(findings) -> list[str]:
    return [finding.where for finding in findings]


each_kind = pytest.mark.parametrize('name', ['a.nii', 'a.nii.gz', 'a.NII.GZ', 'a.NII'])
each_version = pytest.mark.parametrize('version', [1, 2])
each_order = pytest.mark.parametrize('order', ['<', '>'])


@each_kind
@each_version
@each_order
def test_only_identifying_metadata_are_removed(tmp_path, name, version, order):
    texts = {'descrip': b'Time=101112.3', 'aux_file': b'moved', 'intent_name': b'Doe'}
    texts |= {'db_name': b'JaneDoe'} if version == 1 else {}
    extensions = [(2, b'PatientName Doe'), (6, b'a comment')]
    others = {'scl_slope': 2.5, 'scl_inter': 1, 'cal_max': 7}
    content = _image(version, order, extensions, **texts, **others)
    path, out = _write(tmp_path, content, name), tmp_path / f'out-{name}'
    found = headers.find(path, NAME)
    assert all(finding.path == NAME for finding in found)
    assert headers.scrub(path, out, NAME) == found
    places = {*texts, 'header extension 2', 'header extension 6'}
    assert set(_places(found)) == places and len(found) == len(places)
    assert headers.find(out, NAME) == ()
    assert _voxels(out) == content[-120:] == _voxels(path)
    before, after = _header(path), _header(out)
    assert after['vox_offset'] == {1: 352, 2: 544}[version]
    changed = {key for key in before.dtype.names if before[key].tobytes() != after[key].tobytes()}
    assert changed == {*texts, 'vox_offset'}
    assert not any(after[key] for key in texts)


def _header(path) -> np.ndarray:
    content = path.read_bytes()
    content = gzip.decompress(content) if content.startswith(b'\x1f\x8b') else content
    kind = {348: nib.nifti1.header_dtype, 540: nib.nifti2.header_dtype}
    for order in '<>':
        size = struct.unpack(f'{order}i', content[:4])[0]
        if size in kind:
            return np.frombuffer(content[:size], kind[size].newbyteorder(order))[0]
    raise AssertionError('no NIfTI')


@each_version
def test_nibabel_reads_what_was_written(tmp_path, version):
    path = _write(tmp_path, _image(version, '>', [(2, b'x' * 5000)]))
    headers.scrub(path, tmp_path / 'out.nii.gz')
    before, after = nib.load(path), nib.load(tmp_path / 'out.nii.gz')
    assert np.array_equal(before.dataobj, after.dataobj)
    assert np.array_equal(before.affine, after.affine)
    assert not after.header.extensions and after.get_data_dtype() == before.get_data_dtype()


@pytest.mark.parametrize(
    'text',
    [
        b'FSL5.0',
        b'6.0.4:ddd0a010',
        b'SPM - realigned',
        b'spm - 3D normalized',
        b'TE=2.3;phase=1',
        b'TE=30;mb=8;dur=0.8',
        b'?TR:2000.000 TE:30',
        b'FreeSurfer Nov 20 2018',
        b'MRtrix version: 3.0.2-12-gabcdef',
        b'nipy',
        b'none',
        b'anonymized',
        b'Unaliased MB8/PE3',
        b'',
    ],
)
def test_names_of_programs_are_removed_but_not_reported(tmp_path, text):
    path, out = _write(tmp_path, _image(descrip=text)), tmp_path / 'out.nii.gz'
    assert headers.find(path, NAME) == ()
    assert headers.scrub(path, out) == ()
    assert not _header(out)['descrip']


@pytest.mark.parametrize(
    'text',
    [
        b'TE=2.3;Time=101112.3;phase=1',
        b'3T 3D GR TR=2300ms/TE=2.98ms 04-Mar-2019 10:11:12.5 Mosaic',
        b'20190304',
        b'1234567',
        b'Jane Doe',
        b'DOE^J',
        b'Do^Al',
        b'J\xe4ger',
        b'FSL5.0\0Jane Doe',
        b'SPM Jane',
    ],
)
def test_other_text_is_reported(tmp_path, text):
    for name in ('descrip', 'aux_file') if len(text) <= 24 else ('descrip',):
        content = _image(**{name: text})
        found = headers.find(_write(tmp_path, content), NAME)
        assert [(finding.where, finding.rule) for finding in found] == [(name, 'header text')]


def test_standard_intents_are_kept(tmp_path):
    for text in (b'mrs_v0_5', b'ConnDense', b'Label'):
        path, out = _write(tmp_path, _image(intent_name=text)), tmp_path / 'out.nii.gz'
        assert headers.scrub(path, out) == ()
        assert _header(out)['intent_name'] == text


def test_the_extension_of_spectroscopy_loses_identifying_keys_only(tmp_path):
    extension = {'SpectrometerFrequency': [123.2], 'PatientName': 'Doe', 'ResonantNucleus': ['1H']}
    content = _image(2, '>', [(44, json.dumps(extension).encode())], intent_name=b'mrs_v0_5')
    path, out = _write(tmp_path, content), tmp_path / 'out.nii.gz'
    assert _places(headers.scrub(path, out)) == ['header extension 44: PatientName']
    image = nib.load(out)
    kept = json.loads(image.header.extensions[0].get_content())
    assert kept == {'SpectrometerFrequency': [123.2], 'ResonantNucleus': ['1H']}
    assert np.array_equal(image.dataobj, nib.load(path).dataobj)
    assert headers.find(out, NAME) == ()
    headers.scrub(out, tmp_path / 'again.nii.gz')
    assert (tmp_path / 'again.nii.gz').read_bytes() == out.read_bytes()


@each_order
def test_unused_bytes_are_removed(tmp_path, order):
    content = bytearray(_image(order=order))
    content[108:112] = struct.pack(f'{order}f', 384)
    content[352:352] = b'Jane Doe'.ljust(32, b'\0')
    path, out = _write(tmp_path, bytes(content) + b'and her address'), tmp_path / 'out.nii.gz'
    assert _places(headers.find(path, NAME)) == [
        'bytes before the voxels',
        'bytes after the voxels',
    ]
    headers.scrub(path, out)
    assert headers.find(out, NAME) == ()
    assert _voxels(out) == _image(order=order)[352:]
    zeros = bytearray(content)
    zeros[352:360] = bytes(8)
    assert headers.find(_write(tmp_path, bytes(zeros)), NAME) == ()


def test_damaged_extensions_are_hidden_bytes(tmp_path):
    content = bytearray(_image(extensions=[(2, b'x' * 20)]))
    content[352:356] = struct.pack('<i', 2**30)
    assert _places(headers.find(_write(tmp_path, bytes(content)), NAME)) == [
        'bytes before the voxels'
    ]


def _member(content: bytes, flags=0, time=0, extra=b'') -> bytes:
    """Return a gzip member with a header of one's own."""
    start = b'\x1f\x8b\x08' + bytes([flags]) + struct.pack('<I', time) + b'\0\3' + extra
    return start + gzip.compress(content, mtime=0)[10:]


@pytest.mark.parametrize(
    ('flags', 'time', 'extra', 'expected'),
    [
        (8, 1551690672, b'DOE_JANE_T1.nii\0', ['gzip time stamp', 'gzip file name']),
        (8, 0, b'sub-03_T1w.nii\0', []),  # its own
        (16, 0, b'Jane Doe\0', ['gzip comment']),
        (4, 0, b'\3\0abc', ['gzip extra field']),
        (28, 0, b'\3\0abcDOE.nii\0Jane\0',
         ['gzip extra field', 'gzip file name', 'gzip comment']),
    ],
)  # fmt: skip
def test_the_gzip_header_is_replaced(tmp_path, flags, time, extra, expected):
    content = _image()
    path = _write(tmp_path, content, member=_member(content, flags, time, extra))
    out = tmp_path / 'out.nii.gz'
    assert _places(headers.scrub(path, out)) == expected
    assert out.read_bytes()[3:8] == bytes(5)
    assert headers.find(out, NAME) == ()
    assert gzip.decompress(out.read_bytes()) == content


def test_a_file_of_several_members_is_read_to_its_end(tmp_path):
    content = _image()
    member = gzip.compress(content[:400], mtime=0) + gzip.compress(content[400:], mtime=0)
    path = _write(tmp_path, content, member=member)
    assert headers.find(path, NAME) == ()
    more = _write(tmp_path, content, 'b.nii.gz', member + gzip.compress(b'Jane Doe', mtime=0))
    assert _places(headers.find(more, NAME)) == ['bytes after the voxels']


def _with(at: int, value: bytes) -> bytes:
    content = bytearray(_image())
    content[at : at + len(value)] = value
    return bytes(content)


@pytest.mark.parametrize(
    'content',
    [
        b'',
        b'abc',
        b'no image at all' * 50,
        _image()[:300],
        _image()[:350],
        _image()[:-1],
        _with(344, b'ni1\0'),
        _with(108, struct.pack('<f', 0)),
        _with(108, struct.pack('<f', float('nan'))),
        _with(108, struct.pack('<f', 1e20)),
        _with(40, struct.pack('<h', 9)),
        _with(42, struct.pack('<h', -3)),
    ],
)
@pytest.mark.parametrize('name', ['a.nii', 'a.nii.gz'])
def test_a_file_that_is_not_nifti_is_an_error(tmp_path, content, name):
    path, out = _write(tmp_path, content, name), tmp_path / 'out' / name
    with pytest.raises(UnreadableImageError, match=name):
        headers.find(path, NAME)
    with pytest.raises(UnreadableImageError, match=name):
        headers.scrub(path, out)
    assert not list(tmp_path.glob('out/*'))


def test_damaged_compression_is_an_error(tmp_path):
    content = gzip.compress(_image(), mtime=0)
    broken = [
        content[:60],
        content[:-9],
        content + b'trailing',
        b'\x1f\x8b\x08',
        b'plain text here',
    ]
    wrong_checksum = bytearray(content)
    wrong_checksum[-8] ^= 1
    for member in [*broken, bytes(wrong_checksum)]:
        path = _write(tmp_path, b'', member=member)
        with pytest.raises(UnreadableImageError):
            headers.scrub(path, tmp_path / 'out.nii.gz')
    with pytest.raises(UnreadableImageError):
        headers.find(tmp_path / 'missing.nii.gz', NAME)


def test_a_file_may_be_scrubbed_in_place(tmp_path):
    path = _write(tmp_path, _image(descrip=b'Jane Doe'))
    assert headers.scrub(path, path)
    assert headers.find(path, NAME) == ()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_long_series_is_streamed(tmp_path):
    image = nib.Nifti1Image(np.zeros((64, 64, 64, 256), np.int16), np.eye(4))  # 128 MiB
    image.header['descrip'] = b'Jane Doe'
    path = tmp_path / 'a.nii.gz'
    nib.save(image, path)
    del image
    tracemalloc.start()
    headers.scrub(path, tmp_path / 'out.nii.gz')
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2**25
    assert nib.load(tmp_path / 'out.nii.gz').shape == (64, 64, 64, 256)
