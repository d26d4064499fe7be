# SPDX-License-Identifier: Apache-2.0
"""The brain of the atlas: the ICBM152 volumes that nilearn ships.

ICBM152 2009a nonlinear symmetric (Fonov et al., 2011, NeuroImage 54:313), 1 mm, skull-stripped,
values 0-255. They are read from the files of the package: nothing is downloaded, and nilearn,
which is slow to import, is not imported.
"""

from functools import cache

import nibabel as nib
import numpy as np
from scipy import ndimage

from facebids.core import grids
from facebids.core.arrays import FloatArray
from facebids.core.packages import package_file

FILE = 'datasets/data/mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz'


@cache
def _volume(name: str) -> tuple[FloatArray, FloatArray]:
    image = nib.nifti1.load(package_file('nilearn', FILE.format(name)))
    return np.asanyarray(image.dataobj).astype(np.float32) / 255, image.affine


def sample_brain(name: str, axes: tuple[FloatArray, ...]) -> FloatArray:
    """Sample one of the brain volumes on a grid along the axes of its space.

    Parameters
    ----------
    name : {'t1', 'gm', 'wm'}
        T1-weighted intensity, or probability of grey or white matter.
    axes : tuple of 3 ndarrays
        Evenly spaced coordinates along x, y and z, mm (RAS, MNI152NLin2009aSym).

    Returns
    -------
    ndarray of float32, shape (X, Y, Z)
        Values in [0, 1], anti-aliased for spacings above 1 mm; 0 outside of the volume.
    """
    volume, affine = _volume(name)
    spacing = float(axes[0][1] - axes[0][0])
    # A Gaussian of half the spacing removes most frequencies that the grid cannot represent.
    sigma = max(spacing / 2 - 0.5, 0)
    if sigma:
        volume = ndimage.gaussian_filter(volume, sigma)
    offset = [axis[0] - origin for axis, origin in zip(axes, affine[:3, 3], strict=True)]
    shape = tuple(axis.size for axis in axes)
    return ndimage.affine_transform(
        volume, np.diag([spacing] * 3), offset, output_shape=shape, order=1, cval=0
    )


def brain_distance(axes: tuple[FloatArray, ...]) -> FloatArray:
    """Return the signed distance (mm, negative inside) to the surface of the brain.

    Spaces of CSF are filled. The surface is smooth, so the distance is computed at 2 mm and
    interpolated.
    """
    coarse = tuple(np.arange(axis[0] - 2, axis[-1] + 4, 2.0) for axis in axes)
    mask = ndimage.binary_fill_holes(
        ndimage.binary_closing(sample_brain('t1', coarse) > 0.1, iterations=2)
    )
    outside, inside = grids.distance(~mask, 2.0), grids.distance(mask, 2.0)
    distance = ndimage.gaussian_filter(outside - inside, 1)
    spacing = float(axes[0][1] - axes[0][0])
    offset = [(axis[0] - c[0]) / 2 for axis, c in zip(axes, coarse, strict=True)]
    return ndimage.affine_transform(
        distance,
        np.diag([spacing / 2] * 3),
        offset,
        output_shape=tuple(axis.size for axis in axes),
        order=1,
        mode='nearest',
    )
