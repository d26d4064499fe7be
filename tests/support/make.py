# SPDX-License-Identifier: Apache-2.0
"""Records and alignments for tests: all is well unless a test changes a number."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from defacers import WITH_FACE

from facebids.bids.names import HeadImage
from facebids.core import metrics_file
from facebids.core.alignment.result import Alignment, as_matrix
from facebids.core.coverage import MaskNumbers
from facebids.core.record import (
    FaceSeen,
    Identifiability,
    Provenance,
    Record,
    Registration,
    Utility,
)

REGISTRATION = Registration(
    quality=0.74,
    brain=0.6,
    tissue=0.3,
    head=0.92,
    brain_in_view=1.0,
    scale=0.88,
    start='upright',
    origin='own',
    source=None,
    contrast='T1w',
    coregistration=None,
    template=None,
)
SCREENING = replace(WITH_FACE, forms_apart_mm=0.0)
MASK = MaskNumbers(
    volume_ml=800.0,
    head_removed_ml=600.0,
    head_removed_share=0.2,
    skin_removed_share=1.0,
    skin_in_view_ml=100.0,
    guard_cost_ml=0.2,
    kept_ml=None,
    kept_skin_share=None,
    shell_mm=11.0,
    motion_mm=None,
    volumes_lost=None,
    face_in_view_share=1.0,
    no_face=False,
    guard_voxels_changed=0,
    voxels_changed_outside=0,
)
UTILITY = Utility(
    brain_ml=1100.0,
    brain_voxels_changed=0,
    brain_changed_ml=0.0,
    gm_before_ml=600.0,
    gm_after_ml=600.6,
    gm_change=0.001,
    wm_before_ml=500.0,
    wm_after_ml=500.0,
    wm_change=0.0,
    csf_before_ml=300.0,
    csf_after_ml=300.0,
    csf_change=0.0,
    registration_shift_mean_mm=None,
    registration_shift_max_mm=None,
)
NO_UTILITY = Utility(*[None] * 14)
IDENTIFIABILITY = Identifiability(
    log10_lr=-1.0,
    log10_lr_low=-1.3,
    log10_lr_high=-0.7,
    log10_lr_before=1.6,
    decoy_p=0.6,
    face_likeness=0.9,
    views=10,
    faces_before=10,
    faces_after=0,
    faces_certain_before=9,
    faces_certain_after=0,
    distance_within_before=0.3,
    distance_before_after=None,
    distance_before_after_min=None,
    distance_at_known_place=0.6,
    agreement_before_after=0.2,
    shape_in_view_before=1.0,
    seed=0,
    volumes=1,
)
PROVENANCE = Provenance(
    version='1.0',
    source_sha256='0' * 64,
    defaced_sha256='1' * 64,
    mask_sha256='2' * 64,
    software_sha256='3' * 64,
)
SECTIONS = {
    'registration': REGISTRATION,
    'screening': SCREENING,
    'mask': MASK,
    'utility': UTILITY,
    'identifiability': IDENTIFIABILITY,
}


def image_record(relative_path: str = 'sub-01/anat/sub-01_T1w.nii.gz', **changes) -> Record:
    """Return the record of an image that passes.

    Parameters
    ----------
    relative_path
        The image.
    changes
        Fields to change: of the record itself, or for a section a dict of its fields, or None.
    """
    image = HeadImage.from_relative_path(relative_path)
    base = Record(
        image=image.relative_path,
        participant_id=image.participant_id,
        session_id=image.session_id,
        suffix=image.suffix,
        mode='remove',
        verdict='pass',
        provenance=PROVENANCE,
        **SECTIONS,
    )
    return changed(base, **changes)


def changed(base: Record, **changes) -> Record:
    """Return a record with other values, as of `image_record`."""
    for name, value in changes.items():
        if isinstance(value, dict):
            value = replace(getattr(base, name) or SECTIONS[name], **value)
        base = replace(base, **{name: value})
    return base


def seen(**views: tuple[bool, bool]) -> dict[str, FaceSeen]:
    """Return named views by name, from whether a face was seen before and after."""
    return {name: FaceSeen(*states) for name, states in views.items()}


def alignment(affine: np.ndarray, **changes) -> Alignment:
    """Return an alignment that is beyond doubt, with the numbers of `changes`."""
    return Alignment(as_matrix(np.asarray(affine)), replace(REGISTRATION, **changes), {})


def written(folder: Path, name: str, value: object) -> str:
    """Write a dataclass of numbers as a step does and return the path."""
    path = Path(folder) / name
    path.write_text(metrics_file.dumps(value))
    return str(path)


def written_alignment(folder: Path, affine: np.ndarray, **changes) -> str:
    """Write the result of a registration as the step does and return the path."""
    from facebids.interfaces.files import RegistrationFile

    return written(folder, 'registration.json', RegistrationFile(alignment(affine, **changes)))
