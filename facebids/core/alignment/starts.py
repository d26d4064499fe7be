# SPDX-License-Identifier: Apache-2.0
"""Initial poses of a registration, from a coarse search over all orientations.

The atlas is placed over the image in many poses. Each is scored by the correlation ratio, which
assumes no particular relation between the two contrasts, and the best ones are refined. Points of
the atlas are sampled in the image, so the image may have any grid, extent and orientation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import ndimage, optimize
from scipy.spatial.transform import Rotation

from facebids.core.arrays import FloatArray
from facebids.errors import NotAHeadError

if TYPE_CHECKING:
    from facebids.core.alignment.space_template import Target

# Sizes of heads relative to the atlas, which is about a tenth too large. A start that is up to 6 %
# too large or too small leads to the head.
ADULTS, CHILDREN = (0.83, 0.95), (0.63, 0.72)
SCALES = (0.60, 1.10)  # the smallest and the largest
ROTATIONS = 1200  # neighbours are about 20 degrees apart
UPRIGHT_DEG = 55.0  # largest rotation of a head that counts as upright
AIR_MM = 15.0  # of the air around the head that is compared too
BLUR_MM = 4.0  # Gaussian of atlas and image
POINTS = 1500  # of the atlas, for one score
COARSE_POINTS = 500  # of them, for the scores of poses that are not refined yet
BINS = 16  # of the atlas's intensities
LEAST_IN_VIEW = 0.06  # share of the points in the field of view: slabs of 40 mm have 0.1 and more
SHARE_POWER = 0.25  # of that share in the score: 0.5 pulls slabs to where the head is widest
# Centres tried (mm from the centre of the tissue, along the axes of the head). Cropping and necks
# shift it most along the length of the head.
SHIFTS_MM = np.stack(
    np.meshgrid((-25, 0, 25), (-30, 0, 30), np.arange(-100, 76, 25), indexing='ij'), -1
).reshape(-1, 3)
REFINED = 16  # poses of each size
FINAL, ALIKE = 8, 4  # poses that are refined further, and of them those at most that are alike
FIRST, FURTHER = 80, 180  # evaluations of each refinement
APART_DEG, APART_MM = 15.0, 20.0  # poses closer than that count as the same start


@dataclass(frozen=True)
class Pose:
    """A similarity transform and its score.

    Parameters
    ----------
    affine : ndarray, shape (4, 4)
        Atlas RAS mm to subject RAS mm.
    score : float
        Correlation ratio times the fourth root of the share of the points in view.
    """

    affine: FloatArray
    score: float


class CoarsePose(NamedTuple):
    """A pose by its parameters.

    Parameters
    ----------
    score : float
    turn : ndarray, shape (3,)
        Rotation vector, radians.
    position : ndarray, shape (3,)
        Position of the middle of the head, RAS mm.
    scale : float
        Size of the head relative to the atlas.
    """

    score: float
    turn: FloatArray
    position: FloatArray
    scale: float


def rotations(count: int = ROTATIONS) -> Rotation:
    """Return rotations spread evenly over all orientations.

    Super-Fibonacci spirals, Alexa (2022), CVPR, doi 10.1109/CVPR52688.2022.00811.
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


def upright() -> Rotation:
    """Return pitches, with the identity among them, and those `rotations` that are upright."""
    everywhere = rotations()
    near = everywhere[np.rad2deg(everywhere.magnitude()) < UPRIGHT_DEG]
    return Rotation.concatenate([_pitches(), near])


def any_orientation() -> Rotation:
    """Return pitches, with the identity among them, and all `rotations`."""
    return Rotation.concatenate([_pitches(), rotations()])


def _pitches() -> Rotation:
    return Rotation.from_euler('x', np.arange(-45, 46, 15)[:, None], degrees=True)


class Search:
    """Search for poses in which an atlas agrees with an image.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
        Intensities without shading.
    affine : ndarray, shape (4, 4)
        Voxel indices to subject RAS mm.
    atlas : HeadAtlas or SpaceTemplate
    modality : str
        Contrast of the atlas.
    seed : int
        Random seed of the choice of points.

    Raises
    ------
    NotAHeadError
        If more than 40 % of the voxels have the highest intensity.
    """

    def __init__(
        self, data: FloatArray, affine: FloatArray, atlas: Target, modality: str, seed: int = 0
    ) -> None:
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

    def best(
        self, candidates: Rotation, count: int = 3, scales: Sequence[float] = ADULTS
    ) -> list[Pose]:
        """Return the best poses over rotations and shifts, refined and distinct (`apart`).

        Parameters
        ----------
        candidates : scipy.spatial.transform.Rotation
            Rotations to try.
        count : int
            Largest number of poses.
        scales : sequence of float
            Sizes of the head relative to the atlas.

        Returns
        -------
        list of Pose
            Best first.
        """
        coarse = (pose for scale in scales for pose in self._coarse(candidates, scale))
        refined = sorted((self._refine(pose, FIRST) for pose in coarse), key=_best_first)
        final = self._varied(refined, ALIKE)[:FINAL]
        refined = sorted((self._refine(pose, FURTHER) for pose in final), key=_best_first)
        return [self._pose(found) for found in self._varied(refined, 1)[:count]]

    def _varied(self, poses: Sequence[CoarsePose], most: int) -> list[CoarsePose]:
        """Return poses without those that are like at least `most` others before them."""
        chosen: list[CoarsePose] = []
        for pose in poses:
            affine = self._pose(pose).affine
            alike = (not apart(affine, self._pose(other).affine, self.middle) for other in chosen)
            if sum(alike) < most:
                chosen.append(pose)
        return chosen

    def _coarse(self, candidates: Rotation, scale: float) -> list[CoarsePose]:
        """Return the best poses of one size."""
        tried = []
        for rotation in candidates:
            turned = scale * rotation.apply(self.points[:COARSE_POINTS] - self.middle)
            shifts = self.centre + rotation.apply(SHIFTS_MM)
            scores = self._scores(turned, shifts)
            number = int(np.argmax(scores))
            tried.append(CoarsePose(scores[number], rotation.as_rotvec(), shifts[number], scale))
        tried.sort(key=_best_first)
        return tried[:REFINED]

    def score(self, affine: FloatArray) -> float:
        """Return the score of a pose, as defined by `Pose`."""
        return float(self._scores(self.points @ affine[:3, :3].T, affine[None, :3, 3])[0])

    def _scores(self, points: FloatArray, shifts: FloatArray) -> FloatArray:
        """Return the scores of points (N, 3) moved by each of the shifts (M, 3), shape (M,)."""
        turn, origin = self.to_index[:3, :3], self.to_index[:3, 3]
        indices = np.rint((points @ turn.T)[None] + (shifts @ turn.T + origin)[:, None])
        indices = indices.astype(np.int32)
        in_view = ((indices >= 0) & (indices < self.image.shape)).all(-1)
        flat = np.ravel_multi_index(
            np.moveaxis(np.where(in_view[..., None], indices, 0), -1, 0), self.image.shape
        )
        values = self.image.ravel()[flat] * in_view
        groups = (self.labels[: len(points)] + BINS * np.arange(len(shifts))[:, None]).ravel()
        size = BINS * len(shifts)
        count = np.bincount(groups, in_view.ravel(), size).reshape(-1, BINS)
        total = np.bincount(groups, values.ravel(), size).reshape(-1, BINS)
        number = np.maximum(count.sum(1), 1)
        mean = total.sum(1) / number
        between = (total**2 / np.maximum(count, 1)).sum(1) / number - mean**2
        spread = (values**2).sum(1) / number - mean**2
        share = number / len(points)
        scores = between / np.maximum(spread, 1e-12) * share**SHARE_POWER
        return np.where(share > LEAST_IN_VIEW, scores, 0)

    def _refine(self, pose: CoarsePose, evaluations: int) -> CoarsePose:
        """Improve rotation, position and scale of a pose."""
        units = np.array([0.2, 0.2, 0.2, 12.0, 12.0, 12.0, 0.1])

        def moved(parameters: FloatArray, score: float = np.nan) -> CoarsePose:
            change = parameters * units
            turn = Rotation.from_rotvec(change[:3]) * Rotation.from_rotvec(pose.turn)
            scale = float(np.clip(pose.scale * np.exp(change[6]), *SCALES))
            return CoarsePose(score, turn.as_rotvec(), pose.position + change[3:6], scale)

        simplex = np.vstack([np.zeros(7), np.eye(7)])
        found = optimize.minimize(
            lambda parameters: -self.score(self._pose(moved(parameters)).affine),
            np.zeros(7),
            method='Nelder-Mead',
            options={
                'initial_simplex': simplex, 'maxfev': evaluations, 'xatol': 0.05, 'fatol': 1e-4,
            },
        )  # fmt: skip
        return moved(found.x, -float(found.fun))

    def _pose(self, pose: CoarsePose) -> Pose:
        affine = np.eye(4)
        affine[:3, :3] = pose.scale * Rotation.from_rotvec(pose.turn).as_matrix()
        affine[:3, 3] = pose.position - affine[:3, :3] @ self.middle
        return Pose(affine, pose.score)


def _best_first(pose: CoarsePose) -> float:
    return -pose.score


def apart(one: FloatArray, other: FloatArray, middle: FloatArray) -> bool:
    """Whether two affines differ so much at `middle` that they count as different starts."""
    between = Rotation.from_matrix(_rotation(one[:3, :3]) @ _rotation(other[:3, :3]).T).magnitude()
    distance = np.linalg.norm((one - other)[:3] @ [*middle, 1])
    return bool(np.rad2deg(between) > APART_DEG or distance > APART_MM)


def _rotation(linear: FloatArray) -> FloatArray:
    return linear / np.cbrt(np.linalg.det(linear))
