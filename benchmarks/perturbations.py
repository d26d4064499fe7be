# SPDX-License-Identifier: Apache-2.0
"""Perturb head images as real data may be degraded, with known ground truth.

Every perturbation takes voxels and their affine. It returns new voxels and a new affine, and the
transform from the position of a point in the original to its position according to the new header.
It does not matter whether the head was moved or the header is wrong: `carry` maps labels of the
original to the perturbed image, and a registration of the original followed by the transform is
the ground truth for the perturbed image.
"""

from dataclasses import dataclass
from functools import partial

import nibabel as nib
import numpy as np
from scipy import ndimage

from facebids.core import foreground

ANGLES = (20, 35, 50, 90)  # degrees
TURNS = {'pitch': 0, 'roll': 1, 'yaw': 2}  # rotations about the R, A and S axes
SLAB_MM = (40.0, 80.0)  # thickness
TOP_MM, MIDDLE_MM = 0.0, 40.0  # upper ends of the slabs, below the vertex
FRONT_MM = 30.0  # distance behind the tip of the nose: includes the nose and the front of the eyes
SLICE_MM = 5.0
FINE_MM, FINE_HEIGHT_MM = 0.5, 140.0  # voxel size; extent from the vertex down to the mouth
ORIGIN_MM = 300.0
BIAS = 0.6  # standard deviation of the logarithm of the strong bias field
NOISE = 0.06  # standard deviation relative to the signal of bright tissue
CHILD = 0.75  # size of a child's head relative to an adult's
LESION_MM, LESION_DEPTH_MM, LESION_SIDE_MM = 18.0, 60.0, 30.0  # radius, depth, offset
SHOULDERS_MM = np.array([190.0, 90.0, 80.0])  # semi-axes
MOVED_MM = 4.0  # standard deviation of the translation of a rescan along each axis
WAVES_MM = 90.0  # distance between the nodes of a smooth field


@dataclass(frozen=True)
class Perturbed:
    """Perturbed image.

    Parameters
    ----------
    data : ndarray of float32, shape (X, Y, Z)
    affine : ndarray, shape (4, 4)
        Voxel indices to RAS mm, according to the header.
    transform : ndarray, shape (4, 4)
        RAS mm of the original to RAS mm of this image. It is a reflection if the header is wrong
        in this way.
    coded : bool
        Whether the header has sform and qform codes. Without them, readers fall back on the same
        default affine.
    """

    data: np.ndarray
    affine: np.ndarray
    transform: np.ndarray
    coded: bool = True


def carry(labels, affine, perturbed):
    """Map labels of the original to a perturbed image with nearest-neighbour interpolation.

    Parameters
    ----------
    labels : ndarray, shape (X, Y, Z)
    affine : ndarray, shape (4, 4)
        Affine of the original.
    perturbed : Perturbed

    Returns
    -------
    ndarray, shape of the perturbed image
        0 outside the field of view of the original.
    """
    index = np.linalg.inv(affine) @ np.linalg.inv(perturbed.transform) @ perturbed.affine
    return ndimage.affine_transform(
        labels.astype(np.uint8) if labels.dtype == bool else labels,
        index[:3, :3],
        index[:3, 3],
        output_shape=perturbed.data.shape,
        order=0,
        cval=0,
    ).astype(labels.dtype)


def write(perturbed, path):
    """Write a perturbed image as float32 NIfTI."""
    image = nib.Nifti1Image(perturbed.data, perturbed.affine)
    if not perturbed.coded:
        image.header.set_sform(None, 0)
        image.header.set_qform(None, 0)
        image = nib.Nifti1Image(perturbed.data, None, image.header)
    nib.save(image, path)


def rotate(data, affine, axis, degrees, *, enlarge=True):
    """Rotate the head about the centre of the grid, and resample it.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
    affine : ndarray, shape (4, 4)
    axis : int
        Axis in RAS.
    degrees : float
    enlarge : bool
        Use a grid that contains every voxel; otherwise keep the grid, which crops corners.
    """
    data, affine = canonical(data, affine)
    turn = _about_centre(data.shape, affine, np.eye(3)[axis], degrees)
    grid, shape = affine, data.shape
    if enlarge:
        grid, shape = _holding(turn @ affine, data.shape, affine)
    return _sampled(data, turn @ affine, grid, shape, turn)


def crop(data, affine, axis, above, below):
    """Keep the part between two distances (mm) from the end of the head along a RAS axis."""
    data, affine = canonical(data, affine)
    zoom = _zooms(affine)[axis]
    end = _extent(data, affine, axis)[1] + 1
    high = min(round(end - above / zoom), data.shape[axis]) if above else data.shape[axis]
    low = 0 if np.isinf(below) else max(round(end - below / zoom), 0)
    return _cut(data, affine, axis, low, high)


def slab(data, affine, rng, below):
    """Keep an axial slab whose upper end is `below` mm below the vertex."""
    return crop(data, affine, 2, below, below + rng.uniform(*SLAB_MM))


def without_front(data, affine):
    """Crop the image in front of the eyeballs."""
    return crop(data, affine, 1, FRONT_MM, np.inf)


def without_codes(data, affine):
    """Set both codes to 0 and order the voxels as readers then assume."""
    data, affine = canonical(data, affine)
    return _guessed(data, affine, 'LAS')


def permuted(data, affine):
    """Permute the axes without recording it in the header."""
    return _guessed(*canonical(data, affine), 'ASR')


def flipped(data, affine, axis):
    """Reverse the voxels along a RAS axis without changing the header."""
    data, affine = canonical(data, affine)
    index = np.eye(4)
    index[axis, axis], index[axis, 3] = -1, data.shape[axis] - 1
    return Perturbed(np.flip(data, axis), affine, affine @ index @ np.linalg.inv(affine))


def inverted(data, affine):
    """Invert the contrast of tissue; air stays dark."""
    data, affine = canonical(data, affine)
    head = foreground.head_mask(data, _zooms(affine))
    low, high = np.quantile(data[head], (0.02, 0.98))
    return _same(np.where(head, np.clip(low + high - data, low, high), data), affine)


def thick(data, affine):
    """Average over thick axial slices."""
    data, affine = canonical(data, affine)
    step = np.array([1, 1, SLICE_MM / _zooms(affine)[2]])
    smooth = ndimage.uniform_filter1d(data, max(round(step[2]), 1), axis=2, mode='nearest')
    return _respaced(smooth, affine, step)


def fine(data, affine):
    """Resample the upper part of the head to small voxels."""
    part = crop(data, affine, 2, 0, FINE_HEIGHT_MM)
    return _respaced(part.data, part.affine, FINE_MM / _zooms(part.affine))


def displaced(data, affine):
    """Move the origin far away from the head."""
    return _relabelled(data, affine, _shift([ORIGIN_MM, -ORIGIN_MM, ORIGIN_MM]))


def shrunk(data, affine):
    """Scale the head to the size of a child's."""
    return _relabelled(data, affine, np.diag([CHILD, CHILD, CHILD, 1.0]))


def biased(data, affine, rng, deviation=BIAS):
    """Multiply by a smooth bias field; the deviation is that of its logarithm."""
    return _same(data * np.exp(deviation * _field(rng, data.shape, _zooms(affine))), affine)


def noisy(data, affine, rng, deviation=NOISE):
    """Add Rician noise; the deviation is relative to the signal of bright tissue."""
    deviation = deviation * _bright(data)
    real, imaginary = deviation * rng.normal(size=(2, *data.shape))
    return _same(np.hypot(data + real, imaginary), affine)


def lesion(data, affine, rng):
    """Add a bright sphere to the brain, on a random side."""
    data, affine = canonical(data, affine)
    zooms = _zooms(affine)
    (left, right), (back, front), (_, top) = (_extent(data, affine, axis) for axis in range(3))
    side = rng.choice([-1, 1]) * LESION_SIDE_MM / zooms[0]
    centre = [(left + right) / 2 + side, (back + front) / 2, top - LESION_DEPTH_MM / zooms[2]]
    inside = _ellipsoid(data.shape, centre, LESION_MM / zooms)
    return _same(np.where(inside, 1.5 * np.quantile(data, 0.999), data), affine)


def with_shoulders(data, affine):
    """Add shoulders and arms of uniform signal below the neck, which must end in the image."""
    data, affine = canonical(data, affine)
    zooms = _zooms(affine)
    tissue = data > foreground.tissue_threshold(data)
    area = tissue.sum(axis=(0, 1))
    end = int(np.argmax(area > 0.9 * area[area > 0][: round(40 / zooms[2])].max()))
    neck = tissue[:, :, end]
    half = SHOULDERS_MM / zooms
    middle = np.array([*np.mean(np.nonzero(neck), axis=1), end - half[2]])
    sideways = half * [1, 1, 0]
    low = np.minimum(np.floor(middle - sideways) - 2, 0).astype(int)
    high = np.maximum(np.ceil(middle + sideways) + 3, data.shape).astype(int)
    margins = np.transpose([-low, high - data.shape])
    wide = np.pad(data, margins, constant_values=_air(data))
    body = _ellipsoid(wide.shape, middle - low, half)
    body |= np.pad(neck, margins[:2])[:, :, None]
    body[:, :, end - low[2] :] = False  # keep the original voxels
    wide[body] = np.median(data[:, :, end][neck])
    return _same(wide, affine @ _shift(low))


def rescan(data, affine, rng):
    """Simulate a rescan of the same head with another pose, voxel size, bias field and noise.

    The head is rotated by 5 to 15 degrees about a random axis and translated by a few mm. The
    voxel size is scaled by 0.9 to 1.15. The bias field has a log standard deviation of 0.25, and
    the Rician noise a standard deviation of 3 %.
    """
    data, affine = canonical(data, affine)
    direction = rng.normal(size=3)
    direction /= np.linalg.norm(direction)
    turn = _about_centre(data.shape, affine, direction, rng.uniform(5, 15))
    turn[:3, 3] += rng.normal(size=3) * MOVED_MM
    step = rng.uniform(0.9, 1.15)
    grid, shape = _holding(turn @ affine, data.shape, affine @ np.diag([step, step, step, 1]))
    moved = _sampled(data, turn @ affine, grid, shape, turn)
    shaded = biased(moved.data, grid, rng, 0.25)
    return Perturbed(noisy(shaded.data, grid, rng, 0.03).data, grid, turn)


def _cases():
    """Return all cases by name, as functions of data, affine and random generator."""

    def plain(function, **options):
        return lambda data, affine, rng: function(data, affine, **options)

    cases = {'as is': plain(lambda data, affine: _same(*canonical(data, affine)))}
    for where, enlarge in (('', True), (' in grid', False)):
        for name, axis in TURNS.items():
            for angle in ANGLES:
                turn = plain(rotate, axis=axis, degrees=angle, enlarge=enlarge)
                cases[f'{name} {angle}{where}'] = turn
    return cases | {
        'top slab': partial(slab, below=TOP_MM),
        'middle slab': partial(slab, below=MIDDLE_MM),
        'front cut off': plain(without_front),
        'no codes': plain(without_codes),
        'axes permuted': plain(permuted),
        'AP flipped': plain(flipped, axis=1),
        'IS flipped': plain(flipped, axis=2),
        'inverted contrast': plain(inverted),
        '5 mm slices': plain(thick),
        '0.5 mm voxels': plain(fine),
        'origin off': plain(displaced),
        'strong bias': biased,
        'child size': plain(shrunk),
        'shoulders': plain(with_shoulders),
        'noise': noisy,
        'lesion': lesion,
    }


def canonical(data, affine):
    """Reorder the voxels to the closest canonical (RAS) orientation, as float32."""
    image = nib.as_closest_canonical(nib.Nifti1Image(np.asarray(data, np.float32), affine))
    return np.asarray(image.dataobj), image.affine


def rotation(direction, angle):
    """Return the rotation matrix (3, 3) by an angle (radians) about a unit vector (Rodrigues)."""
    x, y, z = direction
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _about_centre(shape, affine, direction, degrees):
    """Return the rotation (4, 4) about the centre of a grid."""
    turn = np.eye(4)
    turn[:3, :3] = rotation(direction, np.deg2rad(degrees))
    centre = affine[:3, :3] @ ((np.array(shape) - 1) / 2) + affine[:3, 3]
    turn[:3, 3] = centre - turn[:3, :3] @ centre
    return turn


def _same(data, affine):
    return Perturbed(np.asarray(data, np.float32), affine, np.eye(4))


def _relabelled(data, affine, transform):
    data, affine = canonical(data, affine)
    return Perturbed(data, transform @ affine, transform)


def _guessed(data, affine, order):
    """Store RAS voxels in another order without recording it: readers assume LAS."""
    wanted = nib.orientations.axcodes2ornt(order)
    image = nib.Nifti1Image(data, affine).as_reoriented(
        nib.orientations.ornt_transform(nib.orientations.axcodes2ornt('RAS'), wanted)
    )
    header = nib.Nifti1Header()
    header.set_data_shape(image.shape)
    header.set_zooms(_zooms(image.affine))
    guess = header.get_base_affine()
    stored = np.asarray(image.dataobj)
    return Perturbed(stored, guess, guess @ np.linalg.inv(image.affine), coded=False)


def _cut(data, affine, axis, low, high):
    part = [slice(None)] * 3
    part[axis] = slice(low, high)
    start = np.zeros(3)
    start[axis] = low
    return _same(data[tuple(part)], affine @ _shift(start))


def _respaced(data, affine, step):
    """Resample to voxels that are `step` times as large; the outer edges stay in place."""
    shape = np.maximum(np.floor(np.array(data.shape) / step + 1e-6), 1).astype(int)
    grid = affine @ _shift((step - 1) / 2) @ np.diag([*step, 1.0])
    index = np.linalg.inv(affine) @ grid
    data = ndimage.affine_transform(
        data, index[:3, :3], index[:3, 3], output_shape=tuple(shape), order=1, mode='nearest'
    )
    return _same(data, grid)


def _holding(moved, shape, affine):
    """Return affine and shape of a grid along the axes of `affine` that contains a moved one."""
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape], [1])).reshape(4, -1)
    corners = (np.linalg.inv(affine) @ moved @ corners)[:3]
    low, high = np.floor(corners.min(1) + 1e-6), np.ceil(corners.max(1) - 1e-6)
    return affine @ _shift(low), tuple((high - low + 1).astype(int))


def _sampled(data, moved, grid, shape, transform):
    """Resample a moved image on a grid with anti-aliasing, padded with air."""
    step = _zooms(grid) / _zooms(moved)
    smooth = ndimage.gaussian_filter(data, 0.4 * np.sqrt(np.maximum(step**2 - 1, 0)))
    index = np.linalg.inv(moved) @ grid
    smooth = ndimage.affine_transform(
        smooth, index[:3, :3], index[:3, 3], output_shape=shape, order=1, cval=_air(data)
    )
    return Perturbed(smooth, grid, transform)


def _shift(by):
    matrix = np.eye(4)
    matrix[:3, 3] = by
    return matrix


def _zooms(affine):
    return np.linalg.norm(affine[:3, :3], axis=0)


def _extent(data, affine, axis):
    """Return the first and last index of the head along an axis."""
    head = foreground.head_mask(data, _zooms(affine))
    seen = np.nonzero(head.any(axis=tuple({0, 1, 2} - {axis})))[0]
    return int(seen[0]), int(seen[-1])


def _ellipsoid(shape, centre, half):
    grid = np.ogrid[tuple(slice(n) for n in shape)]
    return sum(((g - c) / h) ** 2 for g, c, h in zip(grid, centre, half, strict=True)) <= 1


def _field(rng, shape, zooms):
    """Return a smooth random field of mean 0 and standard deviation 1."""
    nodes = np.maximum(np.ceil(shape * zooms / WAVES_MM).astype(int), 1) + 2
    field = rng.normal(size=nodes)
    for axis, size in enumerate(shape):
        where = np.linspace(0.5, nodes[axis] - 1.5, size)
        basis = ndimage.map_coordinates(
            np.eye(nodes[axis]), np.meshgrid(np.arange(nodes[axis]), where), order=3
        )
        field = np.moveaxis(np.tensordot(basis, field, (1, axis)), 0, axis)
    return (field - field.mean()) / field.std()


def _bright(data):
    """Return the signal of bright tissue, in T1w that of white matter."""
    return float(np.quantile(data[data > foreground.tissue_threshold(data)], 0.9))


def _air(data):
    return float(np.quantile(data[::2, ::2, ::2], 0.02))


CASES = _cases()
