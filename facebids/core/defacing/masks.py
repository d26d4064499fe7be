# SPDX-License-Identifier: Apache-2.0
"""From an image and its alignment to the face mask, and what the mask takes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from nibabel.affines import apply_affine

from facebids.core import images, verdict
from facebids.core.alignment.result import Alignment
from facebids.core.arrays import BoolArray, FloatArray
from facebids.core.atlas import SHELL_STEPS_MM, HeadAtlas, generic_atlas
from facebids.core.coverage import Coverage
from facebids.core.defacing.cut import measure_cut
from facebids.core.defacing.guard import MARGIN_MM, brain_guard
from facebids.core.defacing.keep import leaves_relief
from facebids.core.foreground import head_mask
from facebids.core.grids import carry_over
from facebids.core.images import Volume
from facebids.errors import NotAHeadError

RESOLUTION = 2.0  # mm, of the atlas whose regions are carried over
ENOUGH_SKIN = 0.98  # share of the skin of the face in the mask at which the region is deep enough
WORTH_A_STEP = 0.01  # share of the skin that a deeper region has to gain
# The skin of a face covers about 600 cm2. One layer of voxels of it is 60 mL at 1 mm and 180 mL
# at 3 mm. A fiftieth of it is the rim of a forehead or an ear.
NO_FACE_SHARE, NO_FACE_ML = 0.02, 3.0


@dataclass(frozen=True)
class FaceMask:
    """The face mask of an image.

    Attributes
    ----------
    mask : shape (X, Y, Z)
        Voxels to replace.
    guard : shape (X, Y, Z)
        Voxels that must not change.
    coverage
        What the mask takes of head and skin.
    """

    mask: BoolArray
    guard: BoolArray
    coverage: Coverage


def mask_image(
    path: str | Path,
    volume: Volume,
    alignment: Alignment,
    *,
    margin: float = MARGIN_MM,
    keep: Sequence[str] = (),
    kept: BoolArray | None = None,
    passed_on: bool = False,
    least_shell: float = 0.0,
    outline: Volume | None = None,
) -> FaceMask:
    """Find the face mask of an image, of one or several volumes.

    The mask of a series covers the face in each position that the head takes in it. The mask is
    empty if the image is kept unchanged: it arrived defaced and is passed on, or the registration
    is beyond doubt and the field of view holds no face.

    Parameters
    ----------
    path
        The file, whose volumes are read where there are several.
    volume
        The image: the mean of a series.
    alignment
        Where the image lies relative to the head atlas.
    margin
        Least distance (mm) between the mask and the brain.
    keep
        Keys of `atlas.KEEP_OPTIONS` that the mask leaves out.
    kept : shape (X, Y, Z)
        Further voxels that the mask leaves out, or None.
    passed_on
        Whether the image is passed on unchanged.
    least_shell
        Least depth (mm) of the region: one of `atlas.SHELL_STEPS_MM`.
    outline
        Image on the same grid in which the head stands out, by default `volume`. If it does not,
        the generic head replaces it.

    Raises
    ------
    NotAHeadError
        If no head is found, and the alignment rests on this image alone.
    """
    atlas = generic_atlas(RESOLUTION)
    affine, keep = alignment.affine, tuple(keep)
    relied_on = alignment.relied_on or outline is not None
    head = find_head(outline or volume, atlas, affine, relied_on=relied_on)
    found = face_mask(atlas, volume, affine, head, margin, keep, least_shell)
    found = _follow_motion(found, path, volume, atlas, alignment, head, margin, keep)
    if kept is not None:
        skin = face_skin(atlas, volume, affine, head, keep)
        found = spare(found, kept, head, skin, volume.zooms)
    in_view = face_in_view(atlas, volume, affine)
    no_face = shows_no_face(in_view, found.coverage.skin_in_view_ml)
    no_face = no_face and verdict.certain(alignment.numbers)
    coverage = replace(found.coverage, face_in_view_share=in_view, no_face=no_face)
    found = replace(found, coverage=coverage)
    if passed_on or no_face:
        return _emptied(found, head, volume.zooms)
    cut = measure_cut(found.mask, volume.affine, affine)
    return replace(found, coverage=replace(coverage, **cut))


def _follow_motion(
    found: FaceMask,
    path: str | Path,
    volume: Volume,
    atlas: HeadAtlas,
    alignment: Alignment,
    head: BoolArray,
    margin: float,
    keep: tuple[str, ...],
) -> FaceMask:
    """Extend mask and guard to where face and brain lie in single volumes of a series."""
    motion = alignment.motion
    if motion is None:
        return found
    region = atlas.face_region(found.coverage.shell_mm or SHELL_STEPS_MM[0], keep)
    mask, guard = found.mask.copy(), found.guard.copy()
    moves = {move.volume: move.rigid @ alignment.affine for move in motion.moves}
    singles = images.read_chosen(path, moves, hounsfield=volume.hounsfield)
    for number, there in moves.items():
        mask |= carry_over(region, atlas, mask.shape, volume.affine, there) < 0
        # The wide guard of a volume would keep the face of others.
        guard |= brain_guard(atlas, singles[number], there, margin).near
    mask &= ~guard
    shares = [found.coverage.skin_removed_share]
    for number, there in moves.items():
        its_head = find_head(singles[number], atlas, there, relied_on=True)
        skin = face_skin(atlas, singles[number], there, its_head, keep)
        shares.append(coverage(mask, guard, its_head, skin, volume.zooms).skin_removed_share)
    known = [share for share in shares if share is not None]
    numbers = replace(
        _taken(found.coverage, mask, head, volume.zooms),
        skin_removed_share=min(known, default=None),
        motion_mm=motion.largest_mm,
        volumes_lost=len(motion.lost),
    )
    return FaceMask(mask, guard, numbers)


def spare(
    found: FaceMask, kept: BoolArray, head: BoolArray, skin: BoolArray, zooms: FloatArray
) -> FaceMask:
    """Leave voxels out of a face mask, and measure what that leaves of the face.

    Parameters
    ----------
    found
        The mask without the request to keep anything.
    kept : shape (X, Y, Z)
        Voxels to leave out.
    head : shape (X, Y, Z)
        The head of the subject.
    skin : shape (X, Y, Z)
        Its skin that identifies a person.
    zooms : shape (3,)
        Voxel sizes, mm.

    Returns
    -------
    FaceMask
        Skin counts as removed only if no tissue is kept closely under it, which may have the
        shape of the skin.
    """
    mask = found.mask & ~kept
    tissue = found.mask & kept & head
    left = leaves_relief(skin, tissue, zooms)
    total = int(skin.sum())
    coverage = replace(
        _taken(found.coverage, mask, head, zooms),
        kept_ml=float(tissue.sum() * np.prod(zooms) / 1000),
        kept_skin_share=float(left.sum() / total) if total else None,
        skin_removed_share=float((skin & mask & ~left).sum() / total) if total else None,
    )
    return FaceMask(mask, found.guard, coverage)


def _emptied(found: FaceMask, head: BoolArray, zooms: FloatArray) -> FaceMask:
    mask = np.zeros_like(found.mask)
    coverage = replace(
        _taken(found.coverage, mask, head, zooms),
        guard_cost_ml=0.0,
        kept_ml=None,
        kept_skin_share=None,
        skin_removed_share=None,
        shell_mm=None,
    )
    return FaceMask(mask, found.guard, coverage)


def face_mask(
    atlas: HeadAtlas,
    volume: Volume,
    affine: FloatArray,
    head: BoolArray,
    margin: float = MARGIN_MM,
    keep: tuple[str, ...] = (),
    least_shell: float = 0.0,
) -> FaceMask:
    """Return the face region of the atlas without the brain guard, on the grid of an image.

    Outwards the mask is bounded by surfaces of the atlas alone, so that its shape holds nothing of
    the skin of the subject. If much of the skin lies deeper than the region reaches, the region
    takes the next step of the atlas inwards, provided that this gains skin. The guard takes
    precedence.

    Parameters
    ----------
    atlas
        The head atlas.
    volume
        The image.
    affine : shape (4, 4)
        Atlas RAS mm to subject RAS mm.
    head : shape (X, Y, Z)
        The head of the subject.
    margin
        Least distance (mm) between the mask and the brain.
    keep
        Keys of `atlas.KEEP_OPTIONS` that the mask leaves out.
    least_shell
        Least depth (mm) of the region.
    """
    shape = volume.data.shape
    skin = face_skin(atlas, volume, affine, head, keep)
    guards = brain_guard(atlas, volume, affine, margin)
    best: FaceMask | None = None
    share = -1.0
    for shell in (step for step in SHELL_STEPS_MM if step >= least_shell):
        region = carry_over(atlas.face_region(shell, keep), atlas, shape, volume.affine, affine)
        mask = (region < 0) & ~guards.near
        numbers = coverage(mask, guards.near, head, skin, volume.zooms, shell)
        removed = numbers.skin_removed_share
        if best is None or (removed is not None and removed > share + WORTH_A_STEP):
            best = FaceMask(mask, guards.near, numbers)
            share = share if removed is None else removed
        if removed is None or removed >= ENOUGH_SKIN:
            break
    assert best is not None  # there is a first step
    assert best.coverage.shell_mm is not None
    # chosen without the wider guard, which would keep skin that a deeper region has to reach
    wide = guards.wide(best.coverage.shell_mm)
    mask = best.mask & ~wide
    numbers = coverage(mask, wide, head, skin, volume.zooms, best.coverage.shell_mm)
    return FaceMask(mask, wide, numbers)


def find_head(
    volume: Volume, atlas: HeadAtlas, affine: FloatArray, *, relied_on: bool
) -> BoolArray:
    """Find the voxels of the head.

    Parameters
    ----------
    volume
        The image.
    atlas
        The head atlas.
    affine : shape (4, 4)
        Atlas RAS mm to subject RAS mm.
    relied_on
        Whether the affine is known from another image. The generic head then replaces a head that
        does not stand out from the air.

    Returns
    -------
    ndarray of bool, shape (X, Y, Z)

    Raises
    ------
    NotAHeadError
        If no head is found, and the affine is not relied on.
    """
    try:
        return head_mask(volume.data, volume.zooms, hounsfield=volume.hounsfield)
    except NotAHeadError:
        if not relied_on:
            raise
        shape = volume.data.shape
        return carry_over(atlas.depth, atlas, shape, volume.affine, affine) < 0


def face_in_view(atlas: HeadAtlas, volume: Volume, affine: FloatArray) -> float:
    """Return the share of the skin of the generic face that lies in the field of view.

    This is geometry alone: an image that shows skin poorly still has it in view.

    Parameters
    ----------
    atlas
        The head atlas.
    volume
        The image.
    affine : shape (4, 4)
        Atlas RAS mm to subject RAS mm.
    """
    skin = (np.abs(atlas.depth) < 1) & (atlas.face_skin_sector() < 0)
    index = np.linalg.inv(volume.affine) @ affine @ atlas.affine
    voxels = apply_affine(index, np.argwhere(skin))
    last = np.array(volume.data.shape) - 0.5
    return float(((voxels > -0.5) & (voxels < last)).all(axis=1).mean())


def shows_no_face(in_view: float, skin_ml: float) -> bool:
    """Return whether so little of a face is in view that it cannot be recognised.

    Parameters
    ----------
    in_view
        Share of the skin of the generic face in view (`face_in_view`).
    skin_ml
        Volume of the skin of the subject in view, mL.
    """
    return in_view <= NO_FACE_SHARE and skin_ml <= NO_FACE_ML


def outer_skin(head: BoolArray, upward: int) -> BoolArray:
    """Return the voxels of a head that lines from the front, the back or a side meet first.

    It is the skin that can be seen. Bone, which is as dark as air, and the cavities under the skin
    have none, and neither has the throat where the signal of the coil ends.

    Parameters
    ----------
    head : shape (X, Y, Z)
        The head.
    upward
        Axis of the array that runs between neck and vertex.

    Returns
    -------
    ndarray of bool, shape (X, Y, Z)
    """
    skin = np.zeros_like(head)
    for axis in {0, 1, 2} - {upward}:
        for direction in (1, -1):
            line = (slice(None),) * axis + (slice(None, None, direction),)
            met = np.logical_or.accumulate(head[line], axis=axis)
            # Beyond the grid the head goes on: the cut through a cropped face is not skin.
            skin[line] |= np.diff(met, axis=axis, prepend=np.take(met, [0], axis))
    return skin


def face_skin(
    atlas: HeadAtlas,
    volume: Volume,
    affine: FloatArray,
    head: BoolArray,
    keep: tuple[str, ...] = (),
) -> BoolArray:
    """Return the skin of a head that identifies a person, shape (X, Y, Z).

    Parameters
    ----------
    atlas, volume, affine, head, keep
        As of `face_mask`.
    """
    # The axis of the image that is nearest to the vertical one of the atlas.
    upward = np.linalg.inv(volume.affine)[:3, :3] @ affine[:3, 2] * volume.zooms
    sector = carry_over(atlas.face_skin_sector(keep), atlas, head.shape, volume.affine, affine)
    return outer_skin(head, int(np.abs(upward).argmax())) & (sector < 0)


def coverage(
    mask: BoolArray,
    guard: BoolArray,
    head: BoolArray,
    skin: BoolArray,
    zooms: FloatArray,
    shell: float | None = None,
) -> Coverage:
    """Measure how much of the head and of the skin of the face a mask takes.

    Parameters
    ----------
    mask, guard : shape (X, Y, Z)
        As of `FaceMask`.
    head : shape (X, Y, Z)
        The head of the subject.
    skin : shape (X, Y, Z)
        The skin that identifies a person.
    zooms : shape (3,)
        Voxel sizes, mm.
    shell
        Depth of the region, mm.

    Returns
    -------
    Coverage
        What is known only of the whole image (`face_in_view_share`, `no_face`, `motion_mm`,
        `volumes_lost`) or of the final mask (`cut_...`) is left at its default.
    """
    voxel_ml = float(np.prod(zooms)) / 1000
    total = int(skin.sum())
    nothing = Coverage(
        volume_ml=0.0,
        head_removed_ml=0.0,
        head_removed_share=0.0,
        skin_removed_share=float((skin & mask).sum() / total) if total else None,
        skin_in_view_ml=total * voxel_ml,
        guard_cost_ml=float((skin & guard).sum() * voxel_ml),
        kept_ml=None,
        kept_skin_share=None,
        shell_mm=shell,
        motion_mm=None,
        volumes_lost=None,
        face_in_view_share=0.0,
        no_face=False,
    )
    return _taken(nothing, mask, head, zooms)


def _taken(numbers: Coverage, mask: BoolArray, head: BoolArray, zooms: FloatArray) -> Coverage:
    """Return the numbers with the volumes that a mask takes, in mL."""
    voxel_ml = float(np.prod(zooms)) / 1000
    return replace(
        numbers,
        volume_ml=float(mask.sum() * voxel_ml),
        head_removed_ml=float((mask & head).sum() * voxel_ml),
        head_removed_share=float((mask & head).sum() / max(head.sum(), 1)),
    )
