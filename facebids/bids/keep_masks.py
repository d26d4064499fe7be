# SPDX-License-Identifier: Apache-2.0
"""Find the masks of what images keep, and give each image its own."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from facebids.bids.names import HeadImage
from facebids.bids.plan import AT_ONCE, ImagePlan, KeepMask, ParticipantPlan
from facebids.errors import DatasetError, UsageError
from facebids.filesystem import sha256

ENDINGS = ('_mask.nii', '_mask.nii.gz')
OF_MASKS = ('space', 'label', 'desc', 'res')  # entities that images do not have
FORM = 'sub-01/anat/sub-01[_<entities of the image>]_space-<suffix>_desc-keep_mask.nii.gz'


def with_keep_masks(
    plans: tuple[ParticipantPlan, ...], path: Path, heads: Iterable[HeadImage]
) -> tuple[ParticipantPlan, ...]:
    """Return plans in which each image has its keep masks.

    The mask of an image is also that of images which share its registration: other echoes,
    inversions and parts.

    Parameters
    ----------
    plans
        The plans of all participants.
    path
        The mask of a single image, or the folder of a BIDS derivative dataset of masks.
    heads
        All head images of the participants, whether planned or not.

    Raises
    ------
    UsageError
        If there is no such file or folder; if a single mask is given for several images; if a
        mask of the participants belongs to none of their images, or to another space.
    DatasetError
        If a mask cannot be read.
    """
    if path.is_dir():
        return _from_folder(plans, path, list(heads))
    if not path.is_file():
        raise UsageError(f'--keep-mask {path}: no such file or folder.')
    images = {_lead(item).relative_path for plan in plans for item in plan.images}
    if len(images) != 1:
        raise UsageError(
            f'--keep-mask {path}: a single mask is for a single image, and the run has '
            f'{len(images)}. Select one with --participant-label or --bids-filter-file, or give '
            f'a folder with the mask of each image ({FORM}).'
        )
    mask = KeepMask(str(path), path.name, sha256(path))
    return _replaced(plans, lambda _: (mask,))


def _from_folder(
    plans: tuple[ParticipantPlan, ...], folder: Path, heads: list[HeadImage]
) -> tuple[ParticipantPlan, ...]:
    found = [mask for plan in plans for mask in _find(folder, f'sub-{plan.participant}')]
    if not found and not any(_find(folder, 'sub-*')):
        raise UsageError(f'--keep-mask {folder}: the folder holds no keep mask ({FORM}).')
    suffixes = {head.suffix for head in heads}
    for mask in found:
        space = dict(mask.entities).get('space', 'orig')
        if space not in {'orig', *suffixes}:
            raise UsageError(
                f'--keep-mask: {mask.path} lies in the space {space}, not in that of an image '
                f'({", ".join(sorted(suffixes))}). Resample it to its image, with nearest '
                'neighbours.'
            )
        if not any(_belongs(mask, head) for head in heads):
            raise UsageError(
                f'--keep-mask: {mask.path} belongs to no head image of the dataset. Name it after '
                f'its image: {FORM}.'
            )
    known = {mask: KeepMask(mask.path, mask.relative_path, sha256(mask.path)) for mask in found}

    def masks_of(item: ImagePlan) -> tuple[KeepMask, ...]:
        own = [known[mask] for mask in found if _belongs(mask, item.image)]
        return tuple(own or [known[mask] for mask in found if _belongs(mask, _lead(item))])

    return _replaced(plans, masks_of)


def _replaced(
    plans: tuple[ParticipantPlan, ...], masks_of: Callable[[ImagePlan], tuple[KeepMask, ...]]
) -> tuple[ParticipantPlan, ...]:
    return tuple(
        replace(
            plan,
            images=tuple(replace(item, keep_masks=masks_of(item)) for item in plan.images),
        )
        for plan in plans
    )


def _lead(item: ImagePlan) -> HeadImage:
    """Return the image on whose grid an image lies: its own, or the one it was acquired with."""
    return item.source if item.origin == 'shared' and item.source else item.image


def _find(folder: Path, participant: str) -> list[HeadImage]:
    """Return the keep masks of a participant, in the order of their paths."""
    found = []
    for path in sorted(folder.glob(f'{participant}/**/*_mask.nii*')):
        if not path.name.endswith(ENDINGS):
            continue
        relative = path.relative_to(folder).as_posix()
        try:
            mask = HeadImage.from_relative_path(relative, str(folder))
        except DatasetError:
            continue  # not a name of BIDS, so no keep mask either
        if dict(mask.entities).get('desc') == 'keep':
            found.append(mask)
    return found


def _belongs(mask: HeadImage, image: HeadImage) -> bool:
    """Return whether a mask is that of an image, or of one acquired at the same time."""
    wanted = {key: value for key, value in mask.entities if key not in (*OF_MASKS, *AT_ONCE)}
    same_folder = (
        PurePosixPath(mask.relative_path).parent == PurePosixPath(image.relative_path).parent
    )
    space = dict(mask.entities).get('space', 'orig')
    return (
        same_folder
        and space in ('orig', image.suffix)
        and wanted.items() <= dict(image.entities).items()
    )
