# SPDX-License-Identifier: Apache-2.0
import gzip
import os
import tracemalloc
from functools import partial

import nibabel as nib
import numpy as np
import pytest

from facebids.core import images
from facebids.errors import EmptyImageError, UnreadableImageError

SHAPE = (20, 18, 16)
MASK = np.zeros(SHAPE, bool)
MASK[5:9, 2:7, 3:12] = True
DTYPES = ['u1', 'i1', 'i2', 'u2', 'i4', 'f4', 'f8', 'c8', 'rgb']


def make(path, dtype='i2', shape=SHAPE, slope=None, inter=0.0, endian='<'):
    rng = np.random.default_rng(0)
    if dtype == 'rgb':
        data = rng.integers(0, 255, (*shape, 3), np.uint8)
        data = data.view([('R', 'u1'), ('G', 'u1'), ('B', 'u1')]).reshape(shape)
    elif dtype == 'c8':
        data = (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype('c8')
    elif dtype.startswith('f'):
        data = rng.normal(size=shape).astype(dtype)
        data[0, 0, 0] = np.nan
    else:
        limits = np.iinfo(dtype)
        data = rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    affine = np.array([[0, 0, 2, -9], [-2, 0.1, 0, 30], [0, 2.1, 0, 4], [0, 0, 0, 1.0]])
    header = nib.Nifti1Header(endianness=endian)
    header.set_data_dtype(data.dtype)
    image = nib.Nifti1Image(data, affine, header)
    image.set_qform(affine, 2, strip_shears=True)
    image.set_sform(affine, 4)
    image.header.set_xyzt_units('mm', 'sec')
    image.header['descrip'] = b'Jane Doe'
    image.header.extensions.append(nib.nifti1.Nifti1Extension('comment', b'born 1970'))
    if slope is not None:
        image.header.set_slope_inter(slope, inter)
    nib.save(image, path)
    return path


def stored(path):
    return nib.load(path).dataobj.get_unscaled()


@pytest.mark.parametrize('ending', ['.nii', '.nii.gz'])
@pytest.mark.parametrize('dtype', DTYPES)
def test_kept_voxels_are_equal_bit_for_bit(tmp_path, dtype, ending):
    source = make(tmp_path / f'in{ending}', dtype)
    assert images.replace_voxels(source, MASK, tmp_path / f'out{ending}') == 0
    before, after = stored(source), stored(tmp_path / f'out{ending}')
    assert before.dtype == after.dtype
    assert before[~MASK].tobytes() == after[~MASK].tobytes()
    assert not after[MASK].view('u1').any()


@pytest.mark.parametrize('endian', '<>')
def test_scaling_geometry_and_byte_order_are_kept(tmp_path, endian):
    source = make(tmp_path / 'in.nii.gz', 'i2', slope=0.02311, inter=3.0, endian=endian)
    images.replace_voxels(source, MASK, tmp_path / 'out.nii.gz')
    before, after = nib.load(source).header, nib.load(tmp_path / 'out.nii.gz').header
    changed = {'descrip', 'vox_offset'}
    for field in set(before.keys()) - changed:
        np.testing.assert_array_equal(before[field], after[field], err_msg=field)
    assert nib.load(tmp_path / 'out.nii.gz').dataobj.slope == nib.load(source).dataobj.slope
    values = nib.load(tmp_path / 'out.nii.gz').get_fdata()[MASK]
    np.testing.assert_allclose(values, 0, atol=0.02311 / 2)


def test_every_volume_of_a_series_is_defaced(tmp_path):
    source = make(tmp_path / 'in.nii.gz', shape=(*SHAPE, 3))
    assert images.replace_voxels(source, MASK, tmp_path / 'out.nii.gz') == 0
    assert not stored(tmp_path / 'out.nii.gz')[MASK].any()
    assert stored(tmp_path / 'out.nii.gz')[~MASK].any()


def test_free_text_and_extensions_are_removed(tmp_path):
    images.replace_voxels(make(tmp_path / 'in.nii.gz'), MASK, tmp_path / 'out.nii.gz')
    content = gzip.decompress((tmp_path / 'out.nii.gz').read_bytes())
    assert b'Jane' not in content
    assert b'1970' not in content


def test_mask_takes_the_grid_of_its_image(tmp_path):
    source = make(tmp_path / 'in.nii.gz')
    images.write_mask(MASK, source, tmp_path / 'mask.nii.gz')
    mask, image = nib.load(tmp_path / 'mask.nii.gz'), nib.load(source)
    np.testing.assert_array_equal(mask.affine, image.affine)
    for field in ('qform_code', 'sform_code', 'xyzt_units'):
        assert mask.header[field] == image.header[field]
    np.testing.assert_array_equal(np.asanyarray(mask.dataobj) > 0, MASK)


def test_truncated_file(tmp_path):
    path = make(tmp_path / 'in.nii.gz')
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(UnreadableImageError, match=r'in\.nii\.gz.*truncated'):
        images.read_volume(path)


@pytest.mark.parametrize('content', [b'', b'not an image at all' * 100])
def test_not_nifti(tmp_path, content):
    (tmp_path / 'in.nii.gz').write_bytes(content)
    with pytest.raises(UnreadableImageError):
        images.read_volume(tmp_path / 'in.nii.gz')


@pytest.mark.parametrize('value', [0.0, 7.0, np.nan])
def test_empty_volume(tmp_path, value):
    image = nib.Nifti1Image(np.full(SHAPE, value, np.float32), np.eye(4))
    nib.save(image, tmp_path / 'in.nii.gz')
    with pytest.raises(EmptyImageError, match='empty'):
        images.read_volume(tmp_path / 'in.nii.gz')


def test_too_small_to_hold_a_head(tmp_path):
    nib.save(nib.Nifti1Image(np.ones((40, 40, 3), 'i2'), np.eye(4)), tmp_path / 'in.nii.gz')
    with pytest.raises(EmptyImageError, match='40 x 40 x 3'):
        images.read_volume(tmp_path / 'in.nii.gz')


def test_volume_is_finite_and_scaled(tmp_path):
    volume = images.read_volume(make(tmp_path / 'in.nii.gz', 'f4', shape=(*SHAPE, 1)))
    assert volume.data.shape == SHAPE
    assert np.isfinite(volume.data).all()
    np.testing.assert_allclose(volume.zooms, np.linalg.norm(volume.affine[:3, :3], axis=0))


def test_a_series_is_read_as_its_mean_or_one_by_one(tmp_path):
    path = make(tmp_path / 'in.nii.gz', 'i2', shape=(*SHAPE, 3), slope=0.5, inter=2.0)
    expected = np.moveaxis(stored(path) * 0.5 + 2.0, -1, 0)
    np.testing.assert_allclose(
        images.read_volume(path).data, expected.mean(0), rtol=1e-4, atol=0.1
    )
    single = [volume.data for volume in images.read_volumes(path)]
    np.testing.assert_allclose(single, expected, rtol=1e-5)
    np.testing.assert_allclose(images.read_volume(path, 1).data, expected[1], rtol=1e-5)
    assert images.volume_count(path) == 3
    assert images.strongest_volume(path) == expected.mean((1, 2, 3)).argmax()


def test_complex_numbers_are_read_as_their_magnitude(tmp_path):
    path = make(tmp_path / 'in.nii.gz', 'c8')
    np.testing.assert_allclose(images.read_volume(path).data, np.abs(stored(path)), rtol=1e-5)
    assert images.is_complex(path)
    assert not images.is_complex(make(tmp_path / 'real.nii.gz'))


def test_colours_are_refused(tmp_path):
    with pytest.raises(UnreadableImageError, match='no single intensity'):
        images.read_volume(make(tmp_path / 'in.nii.gz', 'rgb'))


def test_each_volume_gets_its_own_values(tmp_path):
    source = make(tmp_path / 'in.nii.gz', shape=(*SHAPE, 2))
    count = int(MASK.sum())
    values = [np.arange(count), -np.arange(count)]
    assert images.replace_voxels(source, MASK, tmp_path / 'out.nii.gz', iter(values)) == 0
    np.testing.assert_array_equal(stored(tmp_path / 'out.nii.gz')[MASK].T, values)


def test_values_are_required_for_every_volume(tmp_path):
    source = make(tmp_path / 'in.nii.gz', shape=(*SHAPE, 2))
    with pytest.raises(ValueError, match='shorter'):
        images.replace_voxels(source, MASK, tmp_path / 'out.nii.gz', [np.zeros(MASK.sum())])


def test_long_series_are_never_scaled_as_a_whole(tmp_path):
    """Memory holds one copy of the stored numbers and a few volumes of scaled floats."""
    count = 200
    source = make(tmp_path / 'in.nii.gz', shape=(*SHAPE, count))
    single = 8 * int(np.prod(SHAPE))  # bytes of a scaled volume

    def peak_of(work):
        tracemalloc.start()
        work()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    def mirrored():
        return (-volume.data[MASK] for volume in images.read_volumes(source))

    out_path = tmp_path / 'out.nii'
    stored_once = 2 * int(np.prod(SHAPE)) * count
    few = 20 * single + 2**20  # buffers of files, too
    assert peak_of(lambda: images.read_volume(source)) < few
    assert peak_of(lambda: images.strongest_volume(source)) < few
    replace = partial(images.replace_voxels, source, MASK, out_path)
    assert peak_of(lambda: replace(mirrored())) < stored_once + few
    expected = np.clip(-stored(source)[MASK].astype(float), -32768, 32767)
    np.testing.assert_array_equal(stored(out_path)[MASK], expected)


def damage(path, field, value, index=None):
    """Overwrite a field of a NIfTI-1 header in a file."""
    opener = gzip.open if path.suffix == '.gz' else open
    with opener(path, 'rb') as file:
        content = bytearray(file.read())
    header = np.frombuffer(content, nib.nifti1.header_dtype, 1)
    if index is None:
        header[field] = value
    else:
        header[field][0, index] = value
    with opener(path, 'wb') as file:
        file.write(bytes(content))


@pytest.mark.parametrize('ending', ['.nii', '.nii.gz'])
@pytest.mark.parametrize(
    ('field', 'value', 'index'),
    [
        ('datatype', 999, None),
        ('datatype', 0, None),
        ('vox_offset', 1e9, None),
        ('vox_offset', 3e38, None),
        ('vox_offset', -352, None),
        ('vox_offset', np.nan, None),
        ('dim', -20, 2),
        ('dim', 0, 1),
        ('dim', 0, 0),
        ('dim', 8, 0),
        ('dim', [3, 32767, 32767, 32767, 1, 1, 1, 1], None),
        ('dim', [7] + [32767] * 7, None),
    ],
)
@pytest.mark.parametrize(
    'read',
    [
        images.read_volume,
        images.volume_count,
        images.is_complex,
        images.strongest_volume,
        lambda path: images.same_grid(path, path),
        lambda path: list(images.read_volumes(path)),
        lambda path: images.replace_voxels(path, MASK, path.with_name('out.nii')),
        lambda path: images.write_mask(MASK, path, path.with_name('mask.nii')),
    ],
)
def test_damaged_headers_are_named(tmp_path, ending, field, value, index, read):
    path = make(tmp_path / f'in{ending}')
    damage(path, field, value, index)
    with pytest.raises(UnreadableImageError, match=r'in\.nii.*(copy|affine)'):
        read(path)


@pytest.mark.parametrize('ending', ['.nii', '.nii.gz'])
def test_files_that_are_missing_are_named(tmp_path, ending):
    for read in (images.volume_count, images.is_complex, images.strongest_volume):
        with pytest.raises(UnreadableImageError, match='No such file or directory'):
            read(tmp_path / f'in{ending}')


def test_pipes_are_never_opened(tmp_path):
    os.mkfifo(tmp_path / 'in.nii.gz')
    with pytest.raises(UnreadableImageError, match=r'in\.nii\.gz: this is a pipe'):
        images.read_volume(tmp_path / 'in.nii.gz')


def test_equal_grids_are_recognised(tmp_path):
    source = make(tmp_path / 'in.nii.gz')
    assert images.same_grid(source, make(tmp_path / 'series.nii.gz', 'f4', (*SHAPE, 2)))
    assert not images.same_grid(source, make(tmp_path / 'larger.nii.gz', shape=(20, 18, 17)))
    moved = nib.load(source)
    affine = moved.affine + np.array([[0, 0, 0, 0.5]] + [[0] * 4] * 3)
    nib.save(nib.Nifti1Image(moved.dataobj.get_unscaled(), affine), tmp_path / 'moved.nii.gz')
    assert not images.same_grid(source, tmp_path / 'moved.nii.gz')


def test_nifti_2_is_defaced_and_masked(tmp_path):
    source = nib.load(make(tmp_path / 'one.nii.gz'))
    path = tmp_path / 'two.nii.gz'
    nib.save(nib.Nifti2Image(source.dataobj.get_unscaled(), source.affine), path)
    assert images.replace_voxels(path, MASK, tmp_path / 'out.nii.gz') == 0
    assert isinstance(nib.load(tmp_path / 'out.nii.gz'), nib.Nifti2Image)
    assert not stored(tmp_path / 'out.nii.gz')[MASK].any()
    images.write_mask(MASK, path, tmp_path / 'mask.nii.gz')


def test_no_field_of_the_header_keeps_text(tmp_path):
    image = nib.load(make(tmp_path / 'in.nii.gz'))
    header = image.header
    header['data_type'], header['session_error'], header['extents'] = b'Jane Doe', 1925, 19840229
    named = nib.Nifti1Image(image.dataobj.get_unscaled(), None, header)
    nib.save(named, tmp_path / 'named.nii.gz')
    images.replace_voxels(tmp_path / 'named.nii.gz', MASK, tmp_path / 'out.nii.gz')
    raw = gzip.decompress((tmp_path / 'out.nii.gz').read_bytes())[:348]
    assert b'Jane' not in raw
    assert not any(raw[4:38])


def test_unknown_units_are_kept(tmp_path):
    image = nib.load(make(tmp_path / 'in.nii.gz'))
    image.header['xyzt_units'] = 77
    nib.save(nib.Nifti1Image(image.dataobj.get_unscaled(), None, image.header), tmp_path / 'u.nii')
    images.write_mask(MASK, tmp_path / 'u.nii', tmp_path / 'mask.nii.gz')
    assert nib.load(tmp_path / 'mask.nii.gz').header['xyzt_units'] == 77
