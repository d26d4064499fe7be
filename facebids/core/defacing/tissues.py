# SPDX-License-Identifier: Apache-2.0
"""Grey matter, white matter and fluid of a head image.

Three classes of intensity by ANTs Atropos (Avants et al., 2011, Neuroinformatics 9:381),
initialised by k-means, with a Markov random field over neighbours. It is simple and the same for
every image, so that two images can be compared.
"""

import tempfile

import numpy as np
from scipy import ndimage

from facebids.core.alignment.registration import flatten_bias, to_ants
from facebids.core.arrays import BoolArray, FloatArray
from facebids.core.contrasts import BY_SUFFIX

SPACING = 2.0  # mm
# Distance (mm) from the brain of the atlas: where classes are fitted, about as far as the guard of
# the face mask reaches; and where the shading is measured and the rest is assigned to the nearest
# class. Scalp in the fit halves the grey matter of FLAIR, and a shading measured on what is cut
# off changes it by 7 %.
REGION_MM, REACH_MM = 6.0, 9.0
ITERATIONS = 3  # of Atropos; a fifth iteration moves volumes by less than 0.02 %
FEWEST = 1000  # voxels of tissue (8 mL), or there is no brain in view

Tissues = dict[str, FloatArray]


def segment(
    data: FloatArray, affine: FloatArray, distance: FloatArray, suffix: str
) -> Tissues | None:
    """Segment the tissues in and around the brain.

    Parameters
    ----------
    data : shape (X, Y, Z)
        Intensities, voxels of about `SPACING` mm.
    affine : shape (4, 4)
        Voxel indices to RAS mm.
    distance : shape (X, Y, Z)
        Signed distance (mm, negative inside) to the brain of the atlas.
    suffix
        Suffix of the image, whose contrast has to show tissues.

    Returns
    -------
    dict of ndarray of float32, shape (X, Y, Z), or None
        Probability of each tissue up to `REACH_MM`, zero where nothing was segmented. None if
        there is too little signal, or too few intensities, to distinguish tissues.
    """
    contrast = BY_SUFFIX[suffix]
    region = distance < REACH_MM
    if not region.any():
        return None
    box = ndimage.find_objects(region.astype(np.uint8))[0]
    near = np.where(region, np.maximum(data, 0), 0)[box]
    inner = distance[box] < 0
    if np.count_nonzero(near[inner]) < FEWEST:
        return None
    even = flatten_bias(np.minimum(near, np.quantile(near[near > 0], 0.999)), SPACING)
    bright = even > contrast.least_signal * np.median(even[inner])
    fitted = bright & (distance[box] < REGION_MM)
    if fitted.sum() < FEWEST or np.ptp(even[fitted]) == 0:
        return None
    probabilities = _atropos(even, affine, fitted)
    if probabilities is None:
        return None
    brightness = (probabilities * even).sum((1, 2, 3)) / probabilities.sum((1, 2, 3))
    rest = bright & ~fitted
    nearest = np.abs(even[rest] - brightness[:, None]).argmin(0)
    probabilities[:, rest] = np.eye(3)[:, nearest]
    tissues: Tissues = {}
    for name, number in zip(contrast.tissues or (), np.argsort(brightness), strict=True):
        tissues[name] = np.zeros(data.shape, np.float32)
        tissues[name][box] = probabilities[number]
    return tissues


def _atropos(data: FloatArray, affine: FloatArray, region: BoolArray) -> FloatArray | None:
    """Probabilities of three classes, shape (3, X, Y, Z); None if there are fewer classes.

    `ants.atropos` would leave its files, pictures of the brain, in the temporary folder.
    """
    import ants
    from ants.internal import get_lib_fn, process_arguments

    image, where = (to_ants(array, affine) for array in (data, region))
    with tempfile.TemporaryDirectory() as folder:
        options = {
            'd': 3,
            'a': image,
            'x': where.clone('unsigned int'),
            'i': 'KMeans[3]',
            'm': '[0.1,1x1x1]',
            'c': f'[{ITERATIONS},0]',
            'r': 0,  # a fixed random seed
            'o': f'[{folder}/labels.nii.gz,{folder}/class%d.nii.gz]',
        }
        if get_lib_fn('Atropos')(process_arguments(options)):
            return None
        return np.stack([ants.image_read(f'{folder}/class{n}.nii.gz').numpy() for n in (1, 2, 3)])
