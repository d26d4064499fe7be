# SPDX-License-Identifier: Apache-2.0
"""Where a head was cut, and what that spoils, in words."""

from typing import NamedTuple

from facebids.core.coverage import REPLACED, MaskNumbers
from facebids.reports.tables import percent

PARTS = {
    'cut_eyes': 'eyes',
    'cut_nose': 'nose',
    'cut_mouth': 'mouth',
    'cut_chin': 'chin',
    'cut_ears': 'ears',
    'cut_skull': 'skull around the brain',
}


class Spoiled(NamedTuple):
    """An analysis that the cut spoils, and why."""

    analysis: str
    why: str


def where(mask: MaskNumbers) -> list[str]:
    """Return how much of a head was replaced, and where.

    Parameters
    ----------
    mask
        Numbers of an image that was defaced.
    """
    said = [f'{percent(mask.head_removed_share)} of the head in view was replaced: {REPLACED}.']
    if mask.cut_above_mm is None:
        return said
    reach = (
        f'The cut reaches from {mask.cut_above_mm:.0f} mm above the nasion, the root of the nose, '
        f'to {mask.cut_below_mm:.0f} mm below it, and at the sides to {mask.cut_behind_mm:.0f} mm '
        'behind it'
    )
    if mask.cut_midplane_mm is not None:
        reach += f', in the middle to {mask.cut_midplane_mm:.0f} mm'
    said.append(f'{reach}. Forehead, temples and cheeks are cut {mask.shell_mm:.0f} mm deep.')
    shares = {name: getattr(mask, key) for key, name in PARTS.items()}
    seen = ', '.join(f'{name} {percent(s)}' for name, s in shares.items() if s is not None)
    unseen = ', '.join(name for name, share in shares.items() if share is None)
    said.append(f'Replaced: {seen}.' + (f' Not in view: {unseen}.' if unseen else ''))
    return said


def spoiled_by(mask: MaskNumbers) -> list[Spoiled]:
    """Return the analyses of the defaced image that the cut spoils.

    Parameters
    ----------
    mask
        Numbers of an image that was defaced; those of earlier versions, which do not say where it
        was cut, spoil what a cut of the whole face spoils.
    """
    skull = 'a part' if mask.cut_skull is None else percent(mask.cut_skull)
    found = [
        Spoiled(
            'Intracranial volume (eTIV), head size',
            f'{skull} of the skull around the brain was replaced, and a template that is scaled '
            'to the head meets another outline.',
        ),
        Spoiled(
            'Head models of EEG and MEG (BEM, FEM)',
            'At the cut, scalp and skull end or are not those of the person.',
        ),
    ]
    if mask.cut_landmarks != 0:
        count = 'The' if mask.cut_landmarks is None else f'{mask.cut_landmarks} of 3'
        found.append(
            Spoiled(
                'Co-registration of EEG and MEG',
                f'{count} landmarks (nasion, preauricular points) were replaced, and digitised '
                'points of the face fit no skin.',
            )
        )
    found.append(
        Spoiled(
            'Simulations of brain stimulation (TMS, tDCS)',
            'Current flows in tissue that was replaced, and the skin under coils and electrodes '
            'over forehead and temples is not where it was.',
        )
    )
    if mask.cut_eyes != 0:
        found.append(Spoiled('Eyes and orbits', 'Volumes, and gaze from the signal of the eyes.'))
    if mask.cut_nose != 0 or mask.cut_mouth != 0:
        found.append(Spoiled('Lower face', 'Sinuses, teeth, jaw, chewing and temporal muscles.'))
    return found
