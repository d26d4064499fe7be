# SPDX-License-Identifier: Apache-2.0
"""Whether there is a face in an image at all, before anything is done to it.

Where the generic face's skin is expected, rays go inwards. An image was defaced before when they
meet nothing to well under the skin where eyes, nose and midface should be, although the field of
view shows that place, and an attack finds no face in its renders either. A face that was blurred
or replaced is a face; so is one of which eyes or nose were kept, and everything doubtful.
"""

from dataclasses import replace

import numpy as np
from nibabel.affines import apply_affine

from facebids.core import foreground, verdict
from facebids.core.attack import depth
from facebids.core.attack.head import view_head
from facebids.core.record import Screening

FACE, DEFACED, NOT_IN_VIEW = FINDINGS = ('face', 'defaced', 'no_face_in_view')
# Offsets along a ray from the generic skin (mm, outwards). Faces differ from the generic one by 4
# to 5 mm (standard deviation), and where the field of view cuts one, tissue reaches to the cut.
EMPTY_FROM_MM, IN_VIEW_MM, OUTSIDE_MM, STEP_MM = -15.0, -4.0, 20.0, 1.0
_ANGLE, _HEIGHT = np.abs(np.rad2deg(depth.ANGLES))[None], depth.HEIGHTS[:, None]
ZONES = {  # on the depth map, shape (H, A)
    'eyes': (np.abs(_ANGLE - 24) < 9) & (np.abs(_HEIGHT + 40) < 9),
    'nose': (_ANGLE < 8) & (_HEIGHT > -86) & (_HEIGHT < -52),
    'midface': (_ANGLE < 40) & (_HEIGHT > -113) & (_HEIGHT < -30),
}
# Least share of a zone that is in view, and of what is in view that is gone. Noses are often cut
# by the field of view. What public scans give before and after defacing: docs/metrics.md.
LEAST_SEEN = {'eyes': 0.9, 'nose': 0.25, 'midface': 0.5}
LEAST_GONE = {'eyes': 0.5, 'nose': 0.9, 'midface': 0.85}
MOST_CERTAIN = 3  # views with a certain face, as after defacing (`verdict`)


def screen(volume, alignment, contrast, seed):
    """Decide whether an image shows a face.

    Parameters
    ----------
    volume : images.Volume
        The image as it arrives.
    affine : ndarray, shape (4, 4)
        Atlas RAS mm to subject RAS mm.
    registration : dict
        Its quality: `brain`, `tissue`, `brain_in_view`, and the head's `scale`.
    suffix : str
        Contrast of the image.
    seed : int
        Of the views of the attack, which is made only where the face seems to be gone.

    Returns
    -------
    dict
        `finding`, one of `FINDINGS`; for each zone `..._seen` and `..._gone` (see `look`);
        `faces_certain`: random views with a certain face, None where there was no attack.
    """
    affine = alignment.affine
    numbers = look(volume, affine)
    finding, certain = decide(numbers), None
    if finding == DEFACED and not is_aligned(alignment.numbers, contrast):
        finding = FACE
    if finding == DEFACED:
        found = view_head(volume, affine, seed).recognition
        certain = int((found.certain & found.random).sum())
        if certain > MOST_CERTAIN:
            finding = FACE
    return Screening(finding=finding, passed_on=False, **numbers, faces_certain=certain)


def look(volume, affine):
    """Measure how much of a face is in view, and how much of that is not there.

    Parameters
    ----------
    volume : images.Volume
    affine : ndarray, shape (4, 4)
        Atlas RAS mm to subject RAS mm.

    Returns
    -------
    dict
        For each of `ZONES`: `..._seen`, the share of its rays that are in view from
        `EMPTY_FROM_MM` to `IN_VIEW_MM`; `..._gone`: of these, the share that meets no tissue from
        far outside to `EMPTY_FROM_MM` under the generic skin, None where nothing is seen.
    """
    head = foreground.head_mask(volume.data, volume.zooms, hounsfield=volume.hounsfield)
    generic, _ = depth.generic_face()
    offsets = np.arange(EMPTY_FROM_MM, OUTSIDE_MM + STEP_MM / 2, STEP_MM)
    points = depth.points(generic)[..., None, :] + offsets[:, None] * depth.RAYS[..., None, :]
    size = np.diag([1 / depth.GENERIC_SIZE] * 3 + [1.0])
    to_index = np.linalg.inv(volume.affine) @ affine @ size
    index = np.rint(apply_affine(to_index, points)).astype(int)
    last = np.array(head.shape) - 1
    inside = ((index >= 0) & (index <= last)).all(-1)
    tissue = inside & head[tuple(np.moveaxis(np.clip(index, 0, last), -1, 0))]
    seen = inside[..., offsets <= IN_VIEW_MM].all(-1)
    gone = seen & ~tissue.any(-1)
    numbers = {}
    for name, zone in ZONES.items():
        total = int((seen & zone).sum())
        numbers[f'{name}_seen'] = float(total / zone.sum())
        numbers[f'{name}_gone'] = float((gone & zone).sum() / total) if total else None
    return numbers


def decide(numbers):
    """Return the finding (`FINDINGS`) that the numbers of `look` alone suggest."""
    if not any(numbers[f'{name}_seen'] for name in ZONES):
        return NOT_IN_VIEW
    gone = all(
        numbers[f'{name}_seen'] >= LEAST_SEEN[name] and numbers[f'{name}_gone'] >= LEAST_GONE[name]
        for name in ZONES
    )
    return DEFACED if gone else FACE


def is_aligned(registration, suffix):
    """Whether a registration is beyond doubt, so that a face is missing and not elsewhere.

    As `verdict.certain` has it; the head's outline, which defacing changes, does not count.

    Parameters
    ----------
    registration : dict
        Numbers of the record's section.
    suffix : str
        Contrast; one without limits of its own, or that does not show the inside of the brain
        (CT), is never beyond doubt.
    """
    numbers = replace(registration, contrast=suffix, origin='own', coregistration=None)
    return numbers.tissue is not None and verdict.certain(numbers, besides=('head',))
