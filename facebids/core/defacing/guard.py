# SPDX-License-Identifier: Apache-2.0
"""The brain guard: voxels around the brain that must not change."""

from typing import NamedTuple

from facebids.core.arrays import BoolArray, FloatArray
from facebids.core.atlas import SHELL_STEPS_MM, HeadAtlas
from facebids.core.brain import boundary
from facebids.core.grids import carry_over
from facebids.core.images import Volume

MARGIN_MM = 3.0  # between the mask and the brain
UNSURE_MM = 1.0  # by which the fluid around the brain may be found too thin
UNSURE_DEEP_MM = 4.0  # the same deep under the skin of the atlas, where it costs hardly any skin
DEEP_MM = 9.0  # what is deep, in the first face region
DEEPER_MM = 12.0  # in the deeper ones, which are taken because skin lies that deep


class Guard(NamedTuple):
    """Voxels around a brain that must not change, by two margins.

    Parameters
    ----------
    near : ndarray of bool, shape (X, Y, Z)
        Within the margin.
    deep : ndarray of bool, shape (X, Y, Z)
        Within a wider margin, and deep under the skin of the atlas.
    deeper : ndarray of bool, shape (X, Y, Z)
        The same, deeper.
    """

    near: BoolArray
    deep: BoolArray
    deeper: BoolArray

    def wide(self, shell: float) -> BoolArray:
        """Return the voxels that a face region of a depth (mm) leaves out."""
        return self.near | (self.deep if shell == SHELL_STEPS_MM[0] else self.deeper)


def brain_guard(
    atlas: HeadAtlas, volume: Volume, affine: FloatArray, margin: float = MARGIN_MM
) -> Guard:
    """Find the voxels around the brain: by the atlas, and by the brain of the subject.

    The second is the brain with the fluid around it, as found in the image, and a margin.

    Parameters
    ----------
    atlas
        The head atlas.
    volume
        The image.
    affine : shape (4, 4)
        Atlas RAS mm to subject RAS mm.
    margin
        Least distance (mm) to the brain.
    """
    shape = volume.data.shape
    cavity = boundary.find(volume, affine).cavity
    # one distance at a time, as images are large
    distance = boundary.on_grid(cavity, shape, volume.affine, affine)
    near, unsure = distance < margin + UNSURE_MM, distance < margin + UNSURE_DEEP_MM
    del distance
    near |= carry_over(atlas.brain_guard, atlas, shape, volume.affine, affine) < margin - MARGIN_MM
    depth = carry_over(atlas.depth, atlas, shape, volume.affine, affine)
    return Guard(near, unsure & (depth < -DEEP_MM), unsure & (depth < -DEEPER_MM))
