# SPDX-License-Identifier: Apache-2.0
"""Headers that are wrong, and damage to the bytes of a file."""

import gzip
import os

import nibabel as nib
import numpy as np
import pytest

import facebids
from facebids.core import headers, images
from facebids.errors import EmptyImageError, NotAHeadError, UnreadableImageError

SHAPE = (20, 18, 16)
MASK = np.zeros(SHAPE, bool)
MASK[5:9, 2:7, 3:12] = True
AFFINE = np.array([[0, 0, 2, -9], [-2, 0, 0, 30], [0, 2, 0, 4], [0, 0, 0, 1.0]])
READERS = {
    'volume': images.read_volume,
    'volumes': lambda path: list(images.read_volumes(path)),
    'mask': images.read_mask,
    'strongest': images.strongest_volume,
    'replace': lambda path: images.replace_voxels(path, MASK, path.with_name('out.nii')),
}
each_reader = pytest.mark.parametrize('read', READERS.values(), ids=READERS)


def make(path, dtype='i2', kind=nib.Nifti1Image, **fields):
    """Write an image whose header has some fields of other values than its contents."""
    data = np.random.default_rng(0).integers(0, 100, SHAPE).astype(dtype)
    image = kind(data, AFFINE)
    image.set_qform(AFFINE, 1)
    image.set_sform(AFFINE, 1)
    header = image.header
    for field, value in fields.items():
        header[field] = value
    header['vox_offset'] = fields.get('vox_offset', header.single_vox_offset)
    header['magic'] = fields.get('magic', header.single_magic)
    content = header.binaryblock + bytes(4) + data.tobytes(order='F')
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == '.gz' else content)
    return path


# --- damage to the bytes ------------------------------------------------------------------------


@each_reader
def test_a_flipped_bit_is_refused_or_changes_nothing(tmp_path, read):
    path = make(tmp_path / 'in.nii.gz')
    content = path.read_bytes()
    expected = images.read_values(path)
    flips = np.random.default_rng(1).integers(0, 8 * len(content), 60)
    unseen = 0
    for bit in [*flips, *range(8 * (len(content) - 8), 8 * len(content))]:
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            read(path)
        except UnreadableImageError as error:
            assert 'in.nii.gz' in str(error)
            continue
        unseen += 1
        np.testing.assert_array_equal(gzip.decompress(damaged), gzip.decompress(content))
        np.testing.assert_array_equal(images.read_values(path), expected)
    assert unseen <= 3  # time and operating system in the header of gzip


@each_reader
@pytest.mark.parametrize('part', ['checksum', 'length'])
def test_the_checksum_at_the_end_is_compared(tmp_path, read, part):
    path = make(tmp_path / 'in.nii.gz')
    content = bytearray(path.read_bytes())
    content[-8 if part == 'checksum' else -4] ^= 1
    path.write_bytes(content)
    with pytest.raises(UnreadableImageError, match=r'in\.nii\.gz: its checksum is wrong.*copy'):
        read(path)


def test_bytes_after_the_compressed_data_are_refused_but_padding_is_not(tmp_path):
    path = make(tmp_path / 'in.nii.gz')
    content = path.read_bytes()
    expected = images.read_volume(path).data
    path.write_bytes(content + bytes(512))
    np.testing.assert_array_equal(images.read_volume(path).data, expected)
    path.write_bytes(content + b'Jane Doe')
    with pytest.raises(UnreadableImageError, match='other bytes follow'):
        images.read_volume(path)


def test_bytes_after_the_voxels_are_checked_but_not_written(tmp_path):
    path = make(tmp_path / 'in.nii.gz')
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(content + b'Jane Doe' * 99999))
    assert images.replace_voxels(path, MASK, tmp_path / 'out.nii') == 0
    assert b'Jane' not in (tmp_path / 'out.nii').read_bytes()
    damaged = bytearray(path.read_bytes())
    damaged[-8] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(UnreadableImageError, match='checksum'):
        images.replace_voxels(path, MASK, tmp_path / 'out.nii')


@each_reader
@pytest.mark.parametrize('ending', ['.nii', '.nii.gz'])
@pytest.mark.parametrize('left', [0, 1, 100, 348, 0.5, 0.99])
def test_truncated_files_are_refused(tmp_path, read, ending, left):
    path = make(tmp_path / f'in{ending}')
    content = path.read_bytes()
    size = left if isinstance(left, int) else int(left * len(content))
    path.write_bytes(content[:size])
    with pytest.raises(UnreadableImageError, match=r'in\.nii.*(copy|Copy)'):
        read(path)


# --- what is said of files that are not what they seem ------------------------------------------


def test_compression_against_the_name_is_told(tmp_path):
    plain = make(tmp_path / 'in.nii').rename(tmp_path / 'plain.nii.gz')
    with pytest.raises(
        UnreadableImageError, match=r'not compressed, although.*rename it to \.nii'
    ):
        images.read_volume(plain)
    packed = make(tmp_path / 'in.nii.gz').rename(tmp_path / 'packed.nii')
    with pytest.raises(
        UnreadableImageError, match=r'compressed, although.*Rename it to \.nii\.gz'
    ):
        images.read_volume(packed)


@pytest.mark.parametrize(
    ('name', 'content', 'words'),
    [
        ('in.nii', b'', 'is empty'),
        ('in.nii.gz', b'', 'is empty'),
        ('in.nii.gz', gzip.compress(b'', mtime=0), 'does not have the header'),
        ('in.nii', b'\0' * 999, 'does not have the header'),
        ('in.nii.gz', gzip.compress(b'words ' * 999, mtime=0), 'does not have the header'),
        ('in.mgz', b'\x1f\x8b', 'Convert it to NIfTI'),
        ('in.nii.bz2', b'BZh9', 'Convert it to NIfTI'),
    ],
)
def test_files_that_are_not_nifti_are_told_so(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableImageError, match=words):
        images.read_volume(tmp_path / name)


def test_folders_and_unreadable_files_are_named(tmp_path):
    (tmp_path / 'in.nii').mkdir()
    with pytest.raises(UnreadableImageError, match=r'in\.nii.*this is a folder, not a file'):
        images.read_volume(tmp_path / 'in.nii')
    path = make(tmp_path / 'mine.nii')
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip('this user may read everything')
    with pytest.raises(UnreadableImageError, match=r'mine\.nii.*Permission denied'):
        images.read_volume(path)


@pytest.mark.parametrize(
    ('fields', 'words'),
    [
        ({'magic': b'ni1'}, r'pair of files'),
        ({'magic': b'abc'}, r'does not have the header of NIfTI'),
        ({'datatype': 1, 'bitpix': 1}, r'data code 1 not supported'),
        ({'datatype': 777}, r'data code 777 not recognized'),
        ({'scl_slope': 1, 'scl_inter': np.nan}, r'intercept nan.*scl_inter'),
        ({'scl_slope': 2, 'scl_inter': np.inf}, r'intercept inf.*scl_inter'),
        ({'dim': [4, *SHAPE, 0, 0, 0, 0]}, r'20 x 18 x 16 x 0 voxels'),
        ({'dim': [8, *SHAPE, 1, 1, 1, 1]}, r'the header describes'),
        ({'dim': [3, 2000, 2000, 2000, 1, 1, 1, 1]}, r'cannot hold'),
        ({'vox_offset': np.nan}, r'from byte nan'),
        ({'vox_offset': 0}, r'from byte 0'),
        ({'vox_offset': 353.5}, r'from byte 353\.5'),
    ],
)
def test_headers_that_cannot_be_used_are_told_why(tmp_path, fields, words):
    for ending in ('.nii', '.nii.gz'):
        path = make(tmp_path / f'in{ending}', **fields)
        with pytest.raises(UnreadableImageError, match=rf'in\.nii.*{words}'):
            images.read_volume(path)


# --- forms --------------------------------------------------------------------------------------

NO_SFORM = {'srow_x': 0, 'srow_y': 0, 'srow_z': 0}
NAN_SFORM = dict.fromkeys(NO_SFORM, np.nan)
HUGE_SFORM = dict.fromkeys(NO_SFORM, 3e38)
FLAT_SFORM = {'srow_x': [2, 0, 0, 0], 'srow_y': [0, 2, 2, 0], 'srow_z': [0, 2, 2.001, 0]}
FAR_SFORM = {'srow_x': [0, 0, 2, 1e30]}


@pytest.mark.parametrize('fields', [NO_SFORM, NAN_SFORM, HUGE_SFORM, FLAT_SFORM, FAR_SFORM])
@pytest.mark.parametrize('kind', [nib.Nifti1Image, nib.Nifti2Image])
def test_the_qform_stands_in_for_an_sform_that_cannot_be_used(tmp_path, fields, kind):
    path = make(tmp_path / 'in.nii.gz', kind=kind, **fields)
    volume = images.read_volume(path)
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-5)
    assert volume.forms == headers.Forms(None, 'sform')
    images.replace_voxels(path, MASK, tmp_path / 'out.nii.gz')
    images.write_mask(MASK, path, tmp_path / 'mask.nii.gz')
    for name in ('out', 'mask'):
        written = nib.load(tmp_path / f'{name}.nii.gz')
        np.testing.assert_allclose(written.affine, AFFINE, atol=1e-5)
        assert (written.header['sform_code'], written.header['qform_code']) == (0, 1)


@pytest.mark.parametrize(
    'fields', [{'quatern_b': np.nan}, {'quatern_b': 7}, {'qoffset_x': np.inf}, {'quatern_c': 3e38}]
)
def test_the_sform_stands_alone_without_a_qform_that_can_be_used(tmp_path, fields):
    path = make(tmp_path / 'in.nii.gz', **fields)
    volume = images.read_volume(path)
    np.testing.assert_allclose(volume.affine, AFFINE)
    assert volume.forms == headers.Forms(None, 'qform')
    images.replace_voxels(path, MASK, tmp_path / 'out.nii.gz')
    assert nib.load(tmp_path / 'out.nii.gz').header['qform_code'] == 0


@pytest.mark.parametrize(
    'fields',
    [
        {**NO_SFORM, 'qform_code': 0},
        {**NAN_SFORM, 'quatern_b': np.nan},
        {**NO_SFORM, 'pixdim': [1, 2, 0, 2, 1, 1, 1, 1]},
        {'sform_code': 0, 'qform_code': 0, 'pixdim': [1, 2, np.nan, 2, 1, 1, 1, 1]},
        {'sform_code': 0, 'quatern_d': 1.1},
    ],
)
def test_images_without_any_usable_form_are_refused(tmp_path, fields):
    path = make(tmp_path / 'in.nii.gz', **fields)
    with pytest.raises(UnreadableImageError, match=r'in\.nii\.gz.*sform or the qform'):
        images.read_volume(path)


@pytest.mark.parametrize('kind', [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize('excess', [4e-7, 1e-4])
def test_quaternions_that_are_too_long_by_rounding_are_read(tmp_path, kind, excess):
    path = make(
        tmp_path / 'in.nii.gz', kind=kind, sform_code=0, quatern_b=0, quatern_c=0,
        quatern_d=1 + excess, pixdim=[1, 2, 2, 2, 1, 1, 1, 1],
    )  # fmt: skip
    with pytest.raises(ValueError, match='w2 should be positive'):
        nib.load(path)
    volume = images.read_volume(path)
    turned = np.diag([-1, -1, 1]) @ np.diag([2, 2, 2])
    np.testing.assert_allclose(volume.affine[:3, :3], turned, atol=1e-3)
    assert volume.forms == headers.NO_FORMS
    images.replace_voxels(path, MASK, tmp_path / 'out.nii.gz')
    np.testing.assert_array_equal(nib.load(tmp_path / 'out.nii.gz').affine, volume.affine)


@pytest.mark.parametrize('size', [0, np.nan, np.inf])
def test_voxel_sizes_are_taken_from_the_sform_if_they_are_wrong(tmp_path, size):
    path = make(tmp_path / 'in.nii.gz', pixdim=[-1, 2, size, 2, 1, 1, 1, 1])
    volume = images.read_volume(path)
    np.testing.assert_allclose(volume.affine, AFFINE)
    assert volume.forms.apart_mm == pytest.approx(0, abs=1e-4)
    images.replace_voxels(path, MASK, tmp_path / 'out.nii.gz')
    np.testing.assert_allclose(nib.load(tmp_path / 'out.nii.gz').header.get_zooms(), 2)


def test_distance_between_the_forms_is_measured(tmp_path):
    path = make(tmp_path / 'in.nii.gz')
    assert images.read_volume(path).forms.apart_mm == pytest.approx(0, abs=1e-5)
    make(path, qoffset_x=-9 + 60)
    assert images.read_volume(path).forms.apart_mm == pytest.approx(60)
    mirrored = AFFINE @ [[-1, 0, 0, 19], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    make(path, srow_x=mirrored[0], srow_y=mirrored[1], srow_z=mirrored[2])
    assert images.read_volume(path).forms.apart_mm == pytest.approx(38)
    make(path, qoffset_x=99, sform_code=4)  # the sform leads to a template, and may differ
    assert images.read_volume(path).forms.apart_mm is None
    make(path, sform_code=0, qform_code=0)
    assert images.read_volume(path).forms == headers.NO_FORMS


def test_headers_without_faults_are_not_changed(tmp_path):
    path = make(tmp_path / 'in.nii.gz')
    header = headers.open_nifti(path).header
    header.set_data_offset(352)  # nibabel sets it when it writes
    assert header.binaryblock == gzip.decompress(path.read_bytes())[:348]


# --- voxels -------------------------------------------------------------------------------------


@pytest.mark.parametrize('size', [7.0, 10.0, 100.0])
def test_voxels_too_large_for_a_face_are_refused_at_once(tmp_path, size):
    data = np.random.default_rng(0).integers(0, 100, SHAPE).astype('i2')
    nib.save(nib.Nifti1Image(data, np.diag([size, size, size, 1])), tmp_path / 'in.nii.gz')
    with pytest.raises(EmptyImageError, match=r'in\.nii\.gz: voxels of .* mm are too large'):
        images.read_volume(tmp_path / 'in.nii.gz')


def test_thick_slices_are_not_too_large(tmp_path):
    data = np.random.default_rng(0).integers(0, 100, SHAPE).astype('i2')
    nib.save(nib.Nifti1Image(data, np.diag([1, 1, 9, 1])), tmp_path / 'in.nii.gz')
    assert images.read_volume(tmp_path / 'in.nii.gz').zooms[2] == 9


@pytest.mark.parametrize(
    ('dtype', 'peak', 'fields'),
    [
        ('f4', 3e38, {}),
        ('f8', 1e307, {}),
        ('f8', -1e307, {}),
        ('f4', 1e20, {}),
        ('f8', 1e-30, {}),
        ('f8', 1e300, {'scl_slope': 1e30, 'scl_inter': 0}),
        ('i2', 1, {'scl_slope': 1e-30, 'scl_inter': 0}),
        ('i2', 1, {'scl_slope': 1e30, 'scl_inter': 0}),
        ('i2', 1, {'scl_slope': 1, 'scl_inter': 1e30}),
    ],
)
@pytest.mark.parametrize('where', ['everywhere', 'one voxel'])
def test_intensities_that_cannot_be_computed_with_are_refused(
    tmp_path, dtype, peak, fields, where
):
    path = make(tmp_path / 'in.nii', dtype, **fields)
    content = bytearray(path.read_bytes())
    data = np.frombuffer(content, dtype, offset=352)
    if where == 'everywhere' or peak < 1:
        data[:] = peak * (data / 100).astype(dtype)
    else:
        data[77] = peak
    data[0] = peak
    path.write_bytes(content)
    with pytest.raises((UnreadableImageError, EmptyImageError), match=r'in\.nii: the '):
        images.read_volume(path)


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_count_as_zero(tmp_path, value):
    path = make(tmp_path / 'in.nii', 'f4')
    content = bytearray(path.read_bytes())
    data = np.frombuffer(content, 'f4', offset=352)
    data[:99] = value
    path.write_bytes(content)
    assert not images.read_volume(path).data.ravel(order='F')[:99].any()
    data[:] = value
    path.write_bytes(content)
    with pytest.raises(EmptyImageError, match='none is finite'):
        images.read_volume(path)


@pytest.mark.parametrize('slope', [0, np.nan, np.inf, 1, -1, 1e-4])
def test_slopes(tmp_path, slope):
    path = make(tmp_path / 'in.nii.gz', scl_slope=slope, scl_inter=0)
    expected = slope if slope in (-1, 1e-4) else 1
    stored = nib.load(make(tmp_path / 'same.nii.gz')).dataobj.get_unscaled()
    np.testing.assert_allclose(images.read_volume(path).data, stored * np.float32(expected))
    assert images.replace_voxels(path, MASK, tmp_path / 'out.nii.gz') == 0
    after = nib.load(tmp_path / 'out.nii.gz')
    np.testing.assert_array_equal(after.dataobj.get_unscaled()[~MASK], stored[~MASK])
    assert after.dataobj.slope == pytest.approx(expected)


@pytest.mark.parametrize('shape', [SHAPE[:1], SHAPE[:2], (*SHAPE[:2], 1), (20, 18, 3, 16)])
def test_images_of_one_slice_or_two_dimensions_are_refused(tmp_path, shape):
    data = np.ones(shape, 'i2')
    nib.save(nib.Nifti1Image(data, np.eye(4)), tmp_path / 'in.nii.gz')
    with pytest.raises(EmptyImageError, match='too small'):
        images.read_volume(tmp_path / 'in.nii.gz')


def test_five_dimensions_are_a_series(tmp_path):
    data = np.random.default_rng(0).integers(0, 100, (*SHAPE, 2, 3)).astype('i2')
    nib.save(nib.Nifti1Image(data, np.eye(4)), tmp_path / 'in.nii.gz')
    mean = images.read_volume(tmp_path / 'in.nii.gz').data
    np.testing.assert_allclose(mean, data.mean((3, 4)), rtol=1e-6)
    assert images.replace_voxels(tmp_path / 'in.nii.gz', MASK, tmp_path / 'out.nii.gz') == 0
    assert not nib.load(tmp_path / 'out.nii.gz').dataobj.get_unscaled()[MASK].any()


@pytest.mark.parametrize('offset', [1000, 1024, 8192])
def test_ct_with_an_offset_is_told_so(tmp_path, offset):
    data = np.full((40, 40, 40), -1000, 'i2')
    data[10:30, 10:30, 10:30] = 40
    nib.save(nib.Nifti1Image(data, np.eye(4)), tmp_path / 'ct.nii.gz')
    images.read_volume(tmp_path / 'ct.nii.gz', hounsfield=True)
    moved = nib.Nifti1Image(data + np.int16(offset), np.eye(4))
    nib.save(moved, tmp_path / 'ct.nii.gz')
    with pytest.raises(UnreadableImageError, match=r'ct\.nii\.gz.*not Hounsfield.*scl_inter'):
        images.read_volume(tmp_path / 'ct.nii.gz', hounsfield=True)
    moved.header.set_slope_inter(1, -offset)
    nib.save(moved, tmp_path / 'ct.nii.gz')
    images.read_volume(tmp_path / 'ct.nii.gz', hounsfield=True)


def test_sheared_images_are_read(tmp_path):
    sheared = AFFINE.copy()
    sheared[:3, 1] += 0.4 * AFFINE[:3, 0]
    rows = dict(zip(('srow_x', 'srow_y', 'srow_z'), sheared, strict=False))
    volume = images.read_volume(make(tmp_path / 'in.nii.gz', **rows))
    np.testing.assert_allclose(volume.affine, sheared, rtol=1e-6)
    assert volume.forms.apart_mm == pytest.approx(0.8 * 17)


@pytest.mark.parametrize('deface', [facebids.deface, facebids.attack])
def test_the_python_interface_names_the_file(tmp_path, deface):
    path = make(tmp_path / 'in.nii.gz')
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UnreadableImageError, match=r'in\.nii\.gz.*truncated'):
        deface(path)
    with pytest.raises(NotAHeadError, match=r'the field of view measures 46\.1 mL'):
        deface(make(path))
    assert UnreadableImageError.exit_code == NotAHeadError.exit_code == 1
