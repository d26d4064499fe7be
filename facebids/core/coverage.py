# SPDX-License-Identifier: Apache-2.0
"""The section of a record on the mask: what it takes of the head, and where the head was cut."""

from dataclasses import dataclass
from typing import Any

from facebids.core.declare import metric

REPLACED = 'skin, fat, muscle and bone, not the brain'  # in words, wherever it is said


def _cut(part: str) -> Any:
    return metric(
        f'{part.capitalize()} replaced',
        f'Share of the {part} of the generic head in view that lies inside the mask; n/a if none '
        'is in view, or the mask is empty.',
        share=True,
        default=None,
    )


def _reach(label: str, meaning: str) -> Any:
    return metric(label, f'{meaning}; n/a if the mask is empty.', unit='mm', default=None)


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """What the mask takes of the head and of the skin of the face."""

    volume_ml: float = metric('Mask volume', 'Volume of the mask, including air.', unit='mL')
    head_removed_ml: float = metric(
        'Head volume removed', 'Volume of the head inside the mask.', unit='mL'
    )
    head_removed_share: float = metric(
        'Head removed', f'Share of the voxels of the head inside the mask: {REPLACED}.', share=True
    )
    skin_removed_share: float | None = metric(
        'Face skin removed',
        'Share of the skin in the face region of the atlas that is inside the mask.',
        safer='higher',
        share=True,
    )
    skin_in_view_ml: float = metric(
        'Face skin in view', 'Volume of that skin inside the field of view.', unit='mL'
    )
    guard_cost_ml: float = metric(
        'Face skin guarded',
        'Volume of that skin kept because it is close to the brain.',
        unit='mL',
        safer='lower',
    )
    kept_ml: float | None = metric(
        'Kept by a mask',
        'Volume of the head in the face region that a keep mask leaves unchanged; n/a without a '
        'keep mask.',
        unit='mL',
        safer='lower',
    )
    kept_skin_share: float | None = metric(
        'Face skin kept by a mask',
        'Share of the skin of the face that a keep mask keeps, or under which it keeps tissue '
        'within 5 mm; it does not count as removed. n/a without a keep mask.',
        safer='lower',
        share=True,
    )
    shell_mm: float | None = metric(
        'Depth of the region', 'Depth of the face region under the generic skin.', unit='mm'
    )
    motion_mm: float | None = metric(
        'Motion in the series',
        'Largest displacement of the face between the mean of a series and its volumes; n/a for a '
        'single volume. Of a long series, the volumes least like the mean are followed.',
        unit='mm',
    )
    volumes_lost: int | None = metric(
        'Volumes not followed',
        'Volumes that show a head in a position that was not found; n/a for a single volume.',
    )
    face_in_view_share: float = metric(
        'Face in view',
        'Share of the skin of the generic face inside the field of view.',
        share=True,
    )
    no_face: bool = metric(
        'No face in view',
        'Whether so little of a face is in view that the image is kept unchanged.',
    )
    cut_eyes: float | None = _cut('eyes')
    cut_nose: float | None = _cut('nose')
    cut_mouth: float | None = _cut('mouth')
    cut_chin: float | None = _cut('chin')
    cut_ears: float | None = _cut('ears')
    cut_skull: float | None = _cut('skull around the brain')
    cut_above_mm: float | None = _reach(
        'Cut above the nasion', 'Height above the nasion to which the head is replaced'
    )
    cut_below_mm: float | None = _reach(
        'Cut below the nasion', 'Depth below the nasion to which the head is replaced'
    )
    cut_behind_mm: float | None = _reach(
        'Cut behind the nasion',
        'Distance behind the nasion to which the head is replaced, at its sides',
    )
    cut_midplane_mm: float | None = _reach(
        'Cut in the midplane', 'The same within 10 mm of the plane that divides left and right'
    )
    cut_landmarks: int | None = metric(
        'Landmarks replaced',
        'Of the nasion and the two preauricular points of the generic head, those inside the '
        'mask; n/a if the mask is empty.',
        default=None,
    )


@dataclass(frozen=True, kw_only=True)
class Integrity:
    """What changed in the saved file that must not change."""

    guard_voxels_changed: int = metric(
        'Brain guard changed',
        'Voxels of the guard around the brain that changed; 0 in every released image.',
    )
    voxels_changed_outside: int = metric(
        'Changed outside the mask',
        'Voxels outside the mask that differ from the source; 0 in every released image.',
    )


@dataclass(frozen=True, kw_only=True)
class MaskNumbers(Integrity, Coverage):
    """What was removed, and what changed that must not change."""
