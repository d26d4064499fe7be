# SPDX-License-Identifier: Apache-2.0
"""Attack a released image without access to anything but the release."""

from dataclasses import dataclass
from pathlib import Path

from facebids.bids import suffixes
from facebids.core.modes import MODES
from facebids.errors import ImageError
from facebids.release.certificate_types import Certificate
from facebids.release.gate import NIFTI, suffix_of

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
    """

    image: str
    mode: str | None


@dataclass(frozen=True)
class Attacked:
    """Result of the attack on an image.

    Attributes
    ----------
    image
        Path relative to the release.
    views, faces, certain
        Numbers of rendered views, of views with a detected face, and with a certain one.
    problem
        Why the image could not be attacked, or None.
    objection
        Why the image should not be released, or None.
    """

    image: str
    views: int = 0
    faces: int = 0
    certain: int = 0
    problem: str | None = None
    objection: str | None = None


def to_attack(root: Path, certificate: Certificate) -> tuple[Target, ...]:
    """Return all head images of a release, including those that its certificate lacks.

    Parameters
    ----------
    root
        Folder of the release.
    certificate
        Its certificate.
    """
    modes = {item.image: item.mode for item in certificate.images}
    paths = [path.relative_to(root) for path in sorted(root.rglob('*')) if path.is_file()]
    return tuple(
        Target(path.as_posix(), modes.get(path.as_posix()))
        for path in paths
        if path.as_posix() in modes or _is_head(path)
    )


def _is_head(path: Path) -> bool:
    folder = path.parent.name
    known = suffixes.HEADS[folder] if folder in suffixes.ALWAYS else ()
    return bool(NIFTI.search(path.name)) and suffix_of(path.name) in known


def attack(root: Path, target: Target) -> Attacked:
    """Search a released image for faces.

    The defaced head is registered again, as the transform of the original is not available.

    Parameters
    ----------
    root
        Folder of the release.
    target
        The image.
    """
    from facebids.core import images
    from facebids.core.alignment import registration
    from facebids.core.atlas import generic_atlas
    from facebids.core.attack.head import view_head
    from facebids.core.contrasts import HOUNSFIELD, contrast_of

    path = target.image
    try:
        contrast = contrast_of(suffix_of(path))
        volume = images.read_volume(root / path, hounsfield=contrast in HOUNSFIELD)
        atlas = generic_atlas(registration.RESOLUTION)
        found = registration.register(volume.data, volume.affine, atlas, contrast, SEED)
        head = view_head(volume, found.affine, SEED)
    except ImageError as error:
        return Attacked(path, problem=str(error))
    seen = head.recognition
    objection = _objection(seen.certain_faces, target.mode)
    return Attacked(
        path, int(seen.random.sum()), seen.faces, seen.certain_faces, objection=objection
    )


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
