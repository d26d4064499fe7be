# SPDX-License-Identifier: Apache-2.0
"""Whether an image shows a face when it arrives.

Rays are cast inwards where the skin of the generic face is expected. An image was defaced before
if the rays meet no tissue well below that skin at the eyes, the nose and the midface, although the
field of view includes these zones, and if the attack detects no face in its renders either. A face
that was blurred or replaced counts as a face. So does a face of which eyes or nose were kept, and
every doubtful case.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np
from nibabel.affines import apply_affine

from facebids.core import foreground, verdict
from facebids.core.alignment.result import Alignment
from facebids.core.arrays import BoolArray, FloatArray
from facebids.core.atlas import generic_atlas
from facebids.core.attack import depth
from facebids.core.attack.head import view_head
from facebids.core.images import Volume
from facebids.core.record import Registration, Screening
from facebids.core.thresholds import limit
from facebids.errors import NotAHeadError

Finding: TypeAlias = Literal['face', 'defaced', 'no_face_in_view']

FACE: Final = 'face'
DEFACED: Final = 'defaced'
NOT_IN_VIEW: Final = 'no_face_in_view'
# Offsets along a ray from the generic skin, mm, positive outwards. Faces differ from the generic
# face by 4 to 5 mm (standard deviation), and tissue extends to the rim of a field of view that
# cuts the face.
EMPTY_FROM_MM, IN_VIEW_MM, OUTSIDE_MM, STEP_MM = -15.0, -4.0, 20.0, 1.0
_ANGLE, _HEIGHT = np.abs(np.rad2deg(depth.ANGLES))[None], depth.HEIGHTS[:, None]
ZONES = {  # of the depth map, shape (H, A)
    'eyes': (np.abs(_ANGLE - 24) < 9) & (np.abs(_HEIGHT + 40) < 9),
    'nose': (_ANGLE < 8) & (_HEIGHT > -86) & (_HEIGHT < -52),
    'midface': (_ANGLE < 40) & (_HEIGHT > -113) & (_HEIGHT < -30),
}
# The scalp of the vault: depths under the generic skin, above the plane through the commissures.
# Registrations are a few mm off, and a brain lies more than a centimetre deep.
SCALP_MM, VAULT_MM, SCALP_SPACING_MM = (-3.0, -6.0), 20.0, 2.0
MOST_SCALP_GONE = 0.9  # phantoms have 0.00 with a skull, 1.00 without
# Least share of a zone in view, and least share of the visible zone without tissue. The field of
# view often cuts the nose. docs/metrics.md has the values of public scans before and after
# defacing.
LEAST_SEEN = {'eyes': 0.9, 'nose': 0.25, 'midface': 0.5}
LEAST_GONE = {'eyes': 0.5, 'nose': 0.9, 'midface': 0.85}
FEW_FACES = limit('face_found_after')  # views with a certain face, as after defacing


class ZoneView(NamedTuple):
    """How much of a zone an image shows.

    Parameters
    ----------
    seen : float
        Share of the rays of the zone that lie in the field of view from `EMPTY_FROM_MM` to
        `IN_VIEW_MM`.
    gone : float or None
        Share of these that meet no tissue from far outside down to `EMPTY_FROM_MM`. None if none
        is in view, or if the head cannot be separated from the air.
    """

    seen: float
    gone: float | None


def screen(
    volume: Volume,
    alignment: Alignment,
    contrast: str,
    seed: int,
    *,
    singles: Iterable[Volume] = (),
    force: bool = False,
    own: bool = True,
) -> Screening:
    """Decide whether an image shows a face.

    An image is attacked if it seems to be defaced and its alignment is certain.

    Parameters
    ----------
    volume : Volume
        The image as it arrives.
    alignment : Alignment
        Of the image with the head atlas.
    contrast : str
        Contrast of the image.
    seed : int
        Random seed of the views of the attack.
    singles : iterable of Volume
        Volumes of a series of which `volume` is the mean, where the alignment holds for them. A
        series is not passed on if one of them shows a face.
    force : bool
        Whether images that arrive defaced are defaced, too.
    own : bool
        Whether these are the voxels of the image itself. Nothing is passed on for the sake of what
        another image shows.

    Returns
    -------
    Screening
        An image that arrives defaced is passed on, unless its alignment is that of another image:
        the finding then depends on the alignment of the other one.

    Raises
    ------
    NotAHeadError
        As of `measure`.
    """
    found = measure(volume, alignment.affine, relied_on=alignment.relied_on)
    if found.finding != DEFACED:
        return found
    if not is_aligned(alignment.numbers, contrast):
        return replace(found, finding=FACE)
    certain = view_head(volume, alignment.affine, seed).recognition.certain_faces
    gone = (
        own
        and FEW_FACES.met_by(certain)
        and all(
            measure(single, alignment.affine, relied_on=True).finding == DEFACED
            for single in singles
        )
    )
    finding: Finding = DEFACED if gone else FACE
    passed_on = finding == DEFACED and alignment.numbers.coregistration is None and not force
    return replace(found, finding=finding, passed_on=passed_on, faces_certain=certain)


def measure(volume: Volume, affine: FloatArray, *, relied_on: bool = False) -> Screening:
    """Measure how much of a face is in view, and how much of that is gone.

    Parameters
    ----------
    volume : Volume
    affine : ndarray, shape (4, 4)
        Atlas RAS mm to scanner RAS mm.
    relied_on : bool
        Whether the affine is known from another image, so that the head need not show in this one.

    Returns
    -------
    Screening
        The finding according to these measures alone. `passed_on` is False.

    Raises
    ------
    NotAHeadError
        If the foreground does not have the size of a head, and the affine is not relied on.
    """
    head = _head(volume, relied_on=relied_on)
    zones = _zones(volume, affine, head)
    return Screening(
        finding=_finding(zones),
        passed_on=False,
        eyes_seen=zones['eyes'].seen,
        eyes_gone=zones['eyes'].gone,
        nose_seen=zones['nose'].seen,
        nose_gone=zones['nose'].gone,
        midface_seen=zones['midface'].seen,
        midface_gone=zones['midface'].gone,
        faces_certain=None,
        forms_apart_mm=volume.forms.apart_mm,
        unusable_form=volume.forms.unusable,
        scalp_gone=None if head is None else _scalp_gone(volume, affine, head),
    )


def is_skull_stripped(found: Screening) -> bool:
    """Return whether an image arrived as a brain without the head around it."""
    return found.scalp_gone is not None and found.scalp_gone > MOST_SCALP_GONE


def _head(volume: Volume, *, relied_on: bool) -> BoolArray | None:
    """Return the foreground, None if it is no head and need not be one."""
    try:
        return foreground.head_mask(volume.data, volume.zooms, hounsfield=volume.hounsfield)
    except NotAHeadError:
        if not relied_on:
            raise
        return None


def _zones(volume: Volume, affine: FloatArray, head: BoolArray | None) -> dict[str, ZoneView]:
    """Return the views of `ZONES`."""
    generic, _ = depth.generic_face()
    offsets = np.arange(EMPTY_FROM_MM, OUTSIDE_MM + STEP_MM / 2, STEP_MM)
    points = depth.points(generic)[..., None, :] + offsets[:, None] * depth.RAYS[..., None, :]
    size = np.diag([1 / depth.GENERIC_SIZE] * 3 + [1.0])
    to_index = np.linalg.inv(volume.affine) @ affine @ size
    index = np.rint(apply_affine(to_index, points)).astype(int)
    last = np.array(volume.data.shape) - 1
    inside = ((index >= 0) & (index <= last)).all(-1)
    seen = inside[..., offsets <= IN_VIEW_MM].all(-1)
    in_view = {name: int((seen & zone).sum()) for name, zone in ZONES.items()}
    share = {name: float(in_view[name] / zone.sum()) for name, zone in ZONES.items()}
    if head is None:
        return {name: ZoneView(share[name], None) for name in ZONES}
    tissue = inside & head[tuple(np.moveaxis(np.clip(index, 0, last), -1, 0))]
    gone = seen & ~tissue.any(-1)
    return {
        name: ZoneView(share[name], float((gone & zone).sum() / total) if total else None)
        for (name, zone), total in zip(ZONES.items(), in_view.values(), strict=True)
    }


def _scalp_gone(volume: Volume, affine: FloatArray, head: BoolArray) -> float | None:
    """Return the share of the scalp of the vault in view that holds no tissue, None without it."""
    atlas = generic_atlas(SCALP_SPACING_MM)
    outer, inner = SCALP_MM
    points = apply_affine(atlas.affine, np.argwhere((atlas.depth < outer) & (atlas.depth > inner)))
    to_index = np.linalg.inv(volume.affine) @ affine
    index = np.rint(apply_affine(to_index, points[points[:, 2] > VAULT_MM])).astype(int)
    inside = ((index >= 0) & (index < volume.data.shape)).all(-1)
    return float(1 - head[tuple(index[inside].T)].mean()) if inside.any() else None


def _finding(zones: dict[str, ZoneView]) -> Finding:
    if not any(view.seen for view in zones.values()):
        return NOT_IN_VIEW
    gone = all(
        view.gone is not None and view.seen >= LEAST_SEEN[name] and view.gone >= LEAST_GONE[name]
        for name, view in zones.items()
    )
    return DEFACED if gone else FACE


def is_aligned(registration: Registration, contrast: str) -> bool:
    """Return whether an alignment is certain, so that a face is missing and not elsewhere.

    The limits are those of `verdict.certain`, except for the head overlap, which defacing changes.

    Parameters
    ----------
    registration : Registration
        Numbers of the record.
    contrast : str
        Contrast of the image. Without limits of its own, or if it does not show the inside of the
        brain (CT), the alignment is never certain.
    """
    numbers = replace(registration, contrast=contrast, origin='own', coregistration=None)
    return numbers.tissue is not None and verdict.certain(numbers, besides=('head',))
