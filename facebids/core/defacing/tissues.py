# SPDX-License-Identifier: Apache-2.0
"""Grey matter, white matter and fluid of a head image.

Three classes of intensity by ANTs Atropos (Avants et al., 2011, Neuroinformatics 9:381), started
by k-means, with a Markov random field over neighbours: simple, and the same for every image, so
that two of them can be compared.
"""

import tempfile

import numpy as np
from scipy import ndimage

from facebids.core.alignment.registration import flatten_bias, to_ants

SPACING = 2.0  # mm
# Tissues from dark to bright. In other contrasts three classes of intensity are no tissues:
# fluid is as bright as grey matter in PDw, CT hardly tells them apart, angiography shows vessels.
ORDER = {
    'T1w': ('csf', 'gm', 'wm'),
    'FLAIR': ('csf', 'wm', 'gm'),
    'T2w': ('wm', 'gm', 'csf'),
}
# mm from the atlas's brain: where classes are fitted, about as far as the face mask's guard goes,
# and where the shading is measured and the rest is given to the nearest class. Scalp in the fit
# halves the grey matter of FLAIR, and a shading taken from what is cut off changes it by 7 %.
REGION_MM, REACH_MM = 6.0, 9.0
# Share of the median inside the brain; what is darker is bone, air, or was removed. Where no
# tissue is dark, bone must not make a class of its own.
SIGNAL = {'T1w': 0.1, 'FLAIR': 0.1, 'T2w': 0.5}
ITERATIONS = 3  # of Atropos; a fifth iteration moves volumes by less than 0.02 %
FEWEST = 1000  # voxels of tissue (8 mL), or there is no brain in view


def segment(data, affine, distance, modality):
    """Segment the tissues in and around the brain.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
        Intensities, voxels of about `SPACING` mm.
    affine : ndarray, shape (4, 4)
        Voxel indices to RAS mm.
    distance : ndarray, shape (X, Y, Z)
        Signed distance (mm, negative inside) to the atlas's brain.
    modality : str
        A key of `ORDER`.

    Returns
    -------
    dict of ndarray of float32, shape (X, Y, Z), or None
        Probability of each tissue up to `REACH_MM`, zero where nothing was segmented; None where
        there is too little signal, or too few intensities, to tell tissues apart.
    """
    region = distance < REACH_MM
    if not region.any():
        return None
    box = ndimage.find_objects(region.astype(np.uint8))[0]
    near = np.where(region, np.maximum(data, 0), 0)[box]
    inner = distance[box] < 0
    if np.count_nonzero(near[inner]) < FEWEST:
        return None
    even = flatten_bias(np.minimum(near, np.quantile(near[near > 0], 0.999)), SPACING)
    bright = even > SIGNAL[modality] * np.median(even[inner])
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
    tissues = {}
    for name, number in zip(ORDER[modality], np.argsort(brightness), strict=True):
        tissues[name] = np.zeros(data.shape, np.float32)
        tissues[name][box] = probabilities[number]
    return tissues


def _atropos(data, affine, region):
    """Probabilities of three classes, shape (3, X, Y, Z); None where there are not as many.

    `ants.atropos` leaves its files in the temporary folder for good: pictures of the brain.
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
            'r': 0,  # a seed that does not change
            'o': f'[{folder}/labels.nii.gz,{folder}/class%d.nii.gz]',
        }
        if get_lib_fn('Atropos')(process_arguments(options)):
            return None
        return np.stack([ants.image_read(f'{folder}/class{n}.nii.gz').numpy() for n in (1, 2, 3)])
