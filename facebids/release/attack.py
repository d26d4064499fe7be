# SPDX-License-Identifier: Apache-2.0
"""Attack an image without access to the one that it was made from."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facebids.core import images
from facebids.core.arrays import BoolArray
from facebids.core.headers import open_nifti
from facebids.core.images import Volume
from facebids.core.modes import MODES
from facebids.errors import ImageError, NotAHeadError
from facebids.release.certificate_types import Certificate
from facebids.release.gate import MASKS, NIFTI, suffix_of

SEED = 1  # not the default of the participant level, for different views


@dataclass(frozen=True)
class Target:
    """An image to attack.

    Attributes
    ----------
    image
        Path relative to the release.
    mode
        Defacing mode, or None if the image is not known to be defaced.
    required
        Whether it is an error if it cannot be attacked.
    """

    image: str
    mode: str | None = None
    required: bool = True


@dataclass(frozen=True)
class Attacked:
    """Result of the attack on an image.

    Attributes
    ----------
    image
        Path relative to the release.
    views, faces, certain
        Numbers of rendered views, of views with a detected face, and with a certain one. A mask
        that draws no head has no views.
    problem
        Why the image could not be attacked, or None.
    objection
        Why the image should not be released, or None.
    failed
        Whether there is an objection, or a problem with an image that must be attacked.
    """

    image: str
    views: int = 0
    faces: int = 0
    certain: int = 0
    problem: str | None = None
    objection: str | None = None
    failed: bool = False


def to_attack(root: Path, certificate: Certificate) -> tuple[Target, ...]:
    """Return all images of a release that may show a face, whatever their name.

    These are the examined images, those that the certificate calls not examined, and those that
    it lacks: all but the masks of this defacing, and files with too few voxels for a head.

    Parameters
    ----------
    root
        Folder of the release.
    certificate
        Its certificate.
    """
    modes = {item.image: item.mode for item in certificate.images}
    masks = {item.mask for item in certificate.images}
    not_examined = {item.image for item in certificate.not_examined}
    files = (path for path in sorted(root.rglob('*')) if path.is_file())
    paths = [path.relative_to(root).as_posix() for path in files if NIFTI.search(path.name)]
    return tuple(
        Target(path, modes.get(path), path not in not_examined)
        for path in paths
        if path in modes or (path not in masks and not is_small(root / path))
    )


def is_small(path: Path) -> bool:
    """Return whether a file has too few voxels for a head, as spectra do; damaged ones do not."""
    try:
        shape = open_nifti(path).shape
    except ImageError:
        return False
    return len(shape) < 3 or min(shape[:3]) < images.SMALLEST


def attack(path: Path, target: Target) -> Attacked:
    """Search an image for faces.

    The head is registered anew, as no other transform is available. Each region of a mask is
    attacked like a head, if it has the size of one: the mask of a head draws the face.

    Parameters
    ----------
    path
        The file.
    target
        What it is.
    """
    image, suffix = target.image, suffix_of(target.image)
    try:
        seen = [_faces(volume, suffix) for volume in _heads(path, suffix)]
    except ImageError as error:
        return Attacked(image, problem=str(error), failed=target.required)
    if not seen:
        return Attacked(image)
    views, faces, certain = max(seen, key=lambda counts: counts[2])
    objection = _objection(certain, target.mode)
    return Attacked(image, views, faces, certain, None, objection, objection is not None)


def _faces(volume: Volume, suffix: str) -> tuple[int, int, int]:
    """Return the numbers of views, of those with a face, and of those with a certain face."""
    from facebids.core.alignment import registration
    from facebids.core.atlas import generic_atlas
    from facebids.core.attack.head import view_head
    from facebids.core.contrasts import contrast_of

    atlas, contrast = generic_atlas(registration.RESOLUTION), contrast_of(suffix)
    found = registration.register(volume.data, volume.affine, atlas, contrast, SEED)
    seen = view_head(volume, found.affine, SEED).recognition
    return int(seen.random.sum()), seen.faces, seen.certain_faces


def _heads(path: Path, suffix: str) -> Iterator[Volume]:
    """Yield the volumes in which a face may show: an image itself, the regions of a mask."""
    from facebids.core import foreground
    from facebids.core.contrasts import HOUNSFIELD, contrast_of

    if suffix not in MASKS:
        volume = images.read_volume(path, hounsfield=contrast_of(suffix) in HOUNSFIELD)
        # raises where there is no head, before the time that a registration takes
        foreground.head_mask(volume.data, volume.zooms, hounsfield=volume.hounsfield)
        yield volume
        return
    for volume in images.read_volumes(path):
        for region in _regions(volume, path, MASKS[suffix]):
            drawn = Volume(region.astype(np.float32), volume.affine)
            try:
                foreground.head_mask(drawn.data, drawn.zooms)
            except NotAHeadError:
                continue
            yield drawn


def _regions(volume: Volume, path: Path, most: int) -> list[BoolArray]:
    """Return the regions of a mask: the voxels of each value, and those of all but one.

    Raises
    ------
    ImageError
        If there are too many values for a mask.
    """
    found, counts = np.unique(volume.data, return_counts=True)
    if len(found) > most:
        raise ImageError(
            f'{path}: a mask of this kind has at most {most} values, but this file has '
            f'{len(found)}. It may be an image under the name of a mask.'
        )
    regions: list[BoolArray] = [volume.data == value for value in found]
    if len(found) > 2:
        regions.append(volume.data != found[np.argmax(counts)])
    return regions


def _objection(certain: int, mode: str | None) -> str | None:
    """Return which limit on faces is not met, or None; a mode may leave a face on purpose."""
    from facebids.core.metrics import metric_of
    from facebids.core.thresholds import THRESHOLDS

    faces = metric_of('identifiability', 'faces_certain_after')
    face_gone = mode not in MODES or MODES[mode].face_gone
    limits = [
        limit
        for limit in THRESHOLDS
        if limit.metric == faces and (face_gone or not limit.face_gone)
    ]
    return next((limit.message for limit in limits if not limit.met_by(certain)), None)
