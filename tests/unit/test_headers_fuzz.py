# SPDX-License-Identifier: Apache-2.0
"""Headers of any content: an image is read, or refused with an error that names it."""

import gzip

import nibabel as nib
import numpy as np
from fuzz import fuzzed
from hypothesis import given
from hypothesis import strategies as st

from facebids.core import images
from facebids.errors import ImageError

SHAPE = (18, 17, 16)
MASK = np.zeros(SHAPE, bool)
MASK[4:9, 4:9, 4:9] = True
LAYOUTS = (nib.Nifti1Header, nib.Nifti2Header)
ODD = (0, 1, -1, 2**15, 2**31 - 1, -(2**31), np.nan, np.inf, -np.inf, 3e38, 1e-30, 0.5, 352, 544)


@st.composite
def headers(draw):
    """Return the bytes of a header: a valid one with a few odd fields, or a few other bytes."""
    layout = draw(st.sampled_from(LAYOUTS))
    header = layout(endianness=draw(st.sampled_from('<>')))
    header.set_data_dtype(draw(st.sampled_from(['u1', 'i2', 'f4', 'f8', 'c8', 'i8'])))
    header.set_data_shape(draw(st.sampled_from([SHAPE, (*SHAPE, 2), (*SHAPE, 1, 2), SHAPE[:2]])))
    header.set_sform(np.diag([2, 2, 2, 1]), 1)
    header.set_qform(np.diag([2, 2, 2, 1]), 1)
    header['vox_offset'] = layout.single_vox_offset
    content = bytearray(header.binaryblock)
    fields = layout.template_dtype.fields
    for name in draw(st.lists(st.sampled_from(sorted(fields)), max_size=4)):
        dtype, start = fields[name][:2]
        base = dtype.base
        if base.kind in 'iuf':
            with np.errstate(all='ignore'):
                odd = np.array(draw(st.sampled_from(ODD)), 'f8').astype(base)
            place = start + base.itemsize * draw(
                st.integers(0, dtype.itemsize // base.itemsize - 1)
            )
            value = odd.astype(base.newbyteorder(header.endianness)).tobytes()
        else:
            place, value = start, draw(st.binary(max_size=dtype.itemsize))
        content[place : place + len(value)] = value
    for place in draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[place] = draw(st.integers(0, 255))
    return bytes(content)


@fuzzed
@given(header=headers(), compressed=st.booleans(), cut=st.integers(0, 10))
def test_images_are_read_or_refused_by_name(tmp_path_factory, header, compressed, cut):
    folder = tmp_path_factory.getbasetemp()
    path = folder / ('fuzz.nii.gz' if compressed else 'fuzz.nii')
    content = header + bytes(4) + np.random.default_rng(0).bytes(8 * int(np.prod(SHAPE)) * 2)
    content = content[: len(content) // cut] if cut > 5 else content
    path.write_bytes(gzip.compress(content, 1) if compressed else content)
    for read in (
        images.read_volume,
        images.volume_count,
        images.is_complex,
        images.strongest_volume,
        images.read_mask,
        lambda path: images.read_volume(path, hounsfield=True),
        lambda path: images.same_grid(path, path),
        lambda path: list(images.read_volumes(path)),
        _replace,
    ):
        try:
            read(path)
        except ImageError as error:
            assert path.name in str(error)


def _replace(path):
    """Deface the image where the mask fits, and read what was written."""
    volume = images.read_volume(path)
    if volume.data.shape == SHAPE:
        out_path = path.with_name('out.nii.gz')
        assert images.replace_voxels(path, MASK, out_path) == 0
        images.write_mask(MASK, path, path.with_name('mask.nii.gz'))
        for written in (out_path, path.with_name('mask.nii.gz')):
            np.testing.assert_allclose(nib.load(written).affine, volume.affine, atol=1e-3)
