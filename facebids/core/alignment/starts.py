# SPDX-License-Identifier: Apache-2.0
"""Where a registration may start: poses of the head, searched for coarsely and everywhere.

The atlas is laid over the image in many poses, each scored by the correlation ratio, which needs
no relation between the two contrasts; the best are refined. Points of the atlas are looked up in
the image, so an image of any grid, extent and orientation can be searched.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, optimize
from scipy.spatial.transform import Rotation

from facebids.errors import NotAHeadError

# Sizes of heads over the atlas, which is about a tenth too large. A head is found from a start
# that is some 6 % too large or too small.
ADULTS, CHILDREN = (0.83, 0.95), (0.63, 0.72)
SCALES = (0.60, 1.10)  # the smallest and the largest
EVERYWHERE = 1200  # rotations: neighbours about 20 degrees apart
UPRIGHT_DEG = 55.0  # how far a head that is nearly upright is turned at most
AIR_MM = 15.0  # the air around the head that is compared too
BLUR_MM = 4.0  # Gaussian of atlas and image
POINTS = 1500  # of the atlas, for one score
COARSE_POINTS = 500  # of them, for the scores of poses that are not refined yet
BINS = 16  # of the atlas's intensities
LEAST_SEEN = 0.06  # share of the points in the field of view: a slab of 40 mm has 0.1 and more
SHARE_POWER = 0.25  # of that share in the score: 0.5 draws slabs to where the head is widest
# Centres tried (mm from the centre of the tissue, along the head's own axes). Cropping and necks
# move it most along the head's length.
SHIFTS_MM = np.stack(
    np.meshgrid((-25, 0, 25), (-30, 0, 30), np.arange(-100, 76, 25), indexing='ij'), -1
).reshape(-1, 3)
REFINED = 16  # of the poses of a size are refined
APART_DEG, APART_MM = 15.0, 20.0  # poses closer than that are the same start


@dataclass(frozen=True)
class Pose:
    """A similarity transform and how well the image agrees with the atlas in it.

    Parameters
    ----------
    affine : ndarray, shape (4, 4)
        Atlas RAS mm to subject RAS mm.
    score : float
        Correlation ratio times the fourth root of the share of the points in view.
    """

    affine: np.ndarray
    score: float


def rotations(count=EVERYWHERE):
    """Rotations spread evenly over all there are.

    Super-Fibonacci spirals, Alexa (2022), CVPR, doi 10.1109/CVPR52688.2022.00811.

    Returns
    -------
    scipy.spatial.transform.Rotation
        `count` of them.
    """
    phi, psi = np.sqrt(2), 1.533751168755204288118041
    s = np.arange(count) + 0.5
    t, d = s / count, 2 * np.pi * s
    r, big_r = np.sqrt(t), np.sqrt(1 - t)
    alpha, beta = d / phi, d / psi
    return Rotation.from_quat(
        np.stack(
            [r * np.sin(alpha), r * np.cos(alpha), big_r * np.sin(beta), big_r * np.cos(beta)], 1
        )
    )


def upright():
    """Return pitches, the identity among them, and what of `rotations` is nearly upright."""
    everywhere = rotations()
    near = everywhere[np.rad2deg(everywhere.magnitude()) < UPRIGHT_DEG]
    return Rotation.concatenate([_pitches(), near])


def anyhow():
    """Return pitches, the identity among them, and all `rotations`."""
    return Rotation.concatenate([_pitches(), rotations()])


def _pitches():
    return Rotation.from_euler('x', np.arange(-45, 46, 15)[:, None], degrees=True)


class Search:
    """An image and an atlas, ready to be laid over each other.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
        Intensities, shading removed.
    affine : ndarray, shape (4, 4)
        Voxel indices to subject RAS mm.
    atlas : HeadAtlas
    modality : str
        Contrast of the atlas.
    seed : int
        Of the choice of points.
    """

    def __init__(self, data, affine, atlas, modality, seed=0):
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        self.image = np.ascontiguousarray(ndimage.gaussian_filter(data, BLUR_MM / spacing))
        self.to_index = np.linalg.inv(affine)
        tissue = data > np.quantile(data, 0.6)
        if not tissue.any():
            raise NotAHeadError(
                'No head was found: more than 40 % of the voxels have the highest intensity. '
                'Look at the image, or leave it out with --bids-filter-file.'
            )
        middle = np.argwhere(tissue)[::37].mean(0)
        self.centre = affine[:3, :3] @ middle + affine[:3, 3]
        step = float(atlas.affine[0, 0])
        where = np.argwhere(atlas.skin < AIR_MM)
        chosen = np.random.default_rng(seed).permutation(len(where))[:POINTS]
        indices = where[chosen]
        contrast = ndimage.gaussian_filter(atlas.contrast(modality), BLUR_MM / step)
        values = contrast[tuple(indices.T)]
        edges = np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1])
        self.labels = np.digitize(values, edges)
        self.points = np.stack([atlas.axes[i][indices[:, i]] for i in range(3)], 1)
        inside = atlas.skin < 0
        self.middle = np.array(
            [atlas.axes[i][np.nonzero(inside)[i]].mean() for i in range(3)], float
        )

    def best(self, candidates, count=3, scales=ADULTS):
        """Return the best poses among rotations and shifts, refined, apart from each other.

        Parameters
        ----------
        candidates : scipy.spatial.transform.Rotation
        count : int
        scales : sequence of float
            Sizes of the head over the atlas.

        Returns
        -------
        list of Pose
            Best first.
        """
        poses = [pose for scale in scales for pose in self._coarse(candidates, scale)]
        refined = sorted((self._refine(*pose) for pose in poses), key=lambda pose: -pose.score)
        chosen = []
        for pose in refined:
            if all(apart(pose.affine, other.affine, self.middle) for other in chosen):
                chosen.append(pose)
        return chosen[:count]

    def _coarse(self, candidates, scale):
        """Return rotation vector, position and scale of the best poses of one size."""
        tried = []
        for rotation in candidates:
            turned = scale * rotation.apply(self.points[:COARSE_POINTS] - self.middle)
            shifts = self.centre + rotation.apply(SHIFTS_MM)
            scores = self._scores(turned, shifts)
            number = int(np.argmax(scores))
            tried.append((scores[number], rotation.as_rotvec(), shifts[number], scale))
        tried.sort(key=lambda item: -item[0])
        return [pose for _, *pose in tried[:REFINED]]

    def score(self, affine):
        """Score one pose: see `Pose`."""
        return float(self._scores(self.points @ affine[:3, :3].T, affine[None, :3, 3])[0])

    def _scores(self, points, shifts):
        """Scores of points (N, 3) moved by each of the shifts (M, 3), shape (M,)."""
        turn, origin = self.to_index[:3, :3], self.to_index[:3, 3]
        indices = np.rint((points @ turn.T)[None] + (shifts @ turn.T + origin)[:, None])
        indices = indices.astype(np.int32)
        seen = ((indices >= 0) & (indices < self.image.shape)).all(-1)
        flat = np.ravel_multi_index(
            np.moveaxis(np.where(seen[..., None], indices, 0), -1, 0), self.image.shape
        )
        values = self.image.ravel()[flat] * seen
        groups = (self.labels[: len(points)] + BINS * np.arange(len(shifts))[:, None]).ravel()
        size = BINS * len(shifts)
        count = np.bincount(groups, seen.ravel(), size).reshape(-1, BINS)
        total = np.bincount(groups, values.ravel(), size).reshape(-1, BINS)
        number = np.maximum(count.sum(1), 1)
        mean = total.sum(1) / number
        between = (total**2 / np.maximum(count, 1)).sum(1) / number - mean**2
        spread = (values**2).sum(1) / number - mean**2
        share = number / len(points)
        scores = between / np.maximum(spread, 1e-12) * share**SHARE_POWER
        return np.where(share > LEAST_SEEN, scores, 0)

    def _refine(self, turn, shift, scale):
        """Improve a pose: rotation vector, position of the head's middle, and scale."""
        units = np.array([0.2, 0.2, 0.2, 12.0, 12.0, 12.0, 0.1])

        def affine(parameters):
            change = parameters * units
            result = np.eye(4)
            rotation = Rotation.from_rotvec(change[:3]) * Rotation.from_rotvec(turn)
            size = np.clip(scale * np.exp(change[6]), *SCALES)
            result[:3, :3] = size * rotation.as_matrix()
            result[:3, 3] = shift + change[3:6] - result[:3, :3] @ self.middle
            return result

        simplex = np.vstack([np.zeros(7), np.eye(7)])
        found = optimize.minimize(
            lambda parameters: -self.score(affine(parameters)),
            np.zeros(7),
            method='Nelder-Mead',
            options={'initial_simplex': simplex, 'maxfev': 250, 'xatol': 0.05, 'fatol': 1e-4},
        )
        return Pose(affine(found.x), -float(found.fun))


def apart(one, other, middle):
    """Whether two affines are too far from each other at `middle` to end up the same."""
    between = Rotation.from_matrix(_rotation(one[:3, :3]) @ _rotation(other[:3, :3]).T).magnitude()
    distance = np.linalg.norm((one - other)[:3] @ [*middle, 1])
    return np.rad2deg(between) > APART_DEG or distance > APART_MM


def _rotation(linear):
    return linear / np.cbrt(np.linalg.det(linear))
