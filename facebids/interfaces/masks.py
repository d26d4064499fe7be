# SPDX-License-Identifier: Apache-2.0
"""The face mask on an image's own grid."""

import numpy as np
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from facebids.core import grids, images, verdict
from facebids.core.alignment import motion
from facebids.core.atlas import COMPUTED, KEEPABLE, generic_atlas
from facebids.core.defacing import masks
from facebids.interfaces import files
from facebids.interfaces.registration import section


class _FaceMaskInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc='head image')
    registration = File(exists=True, mandatory=True, desc='from Register')
    contrast = traits.Str(
        'T1w',
        usedefault=True,
        desc="contrast of the atlas that is the image's own or the most like it",
    )
    brain_margin = traits.Float(
        masks.MARGIN_MM, usedefault=True, desc='least distance (mm) between mask and brain'
    )
    keep = traits.List(traits.Enum(*KEEPABLE), [], usedefault=True, desc='what is left')
    screening = File(exists=True, mandatory=True, desc='from Screen')


class _FaceMaskOutputSpec(TraitedSpec):
    mask_file = File(desc='voxels to replace')
    guard_file = File(desc='voxels that must not be touched')
    coverage = File(desc='JSON: what the mask takes of head and skin')


class FaceMask(SimpleInterface):
    """Carry the atlas's face region over to the image, brain guard taken out.

    The mask is empty where the image is passed on as it is: it arrived defaced, or the field of
    view certainly has no face.
    """

    input_spec = _FaceMaskInputSpec
    output_spec = _FaceMaskOutputSpec

    def _run_interface(self, runtime):
        in_file = self.inputs.in_file
        volume = images.read_volume(in_file, hounsfield=self.inputs.contrast in COMPUTED)
        found = files.read_registration(self.inputs.registration)
        transform = np.array(found['affine'])
        atlas = generic_atlas(masks.RESOLUTION)
        head = masks.find_head(volume, atlas, transform, relied_on=found['way'] != 'own')
        keep = tuple(self.inputs.keep)
        mask, guard, numbers = masks.face_mask(
            atlas, volume, transform, head, self.inputs.brain_margin, keep
        )
        if images.volume_count(in_file) > 1:
            moved = motion.positions(in_file, volume, transform)
            region = atlas.face_region(numbers['shell_mm'], keep)
            for elsewhere in moved.transforms:
                there = grids.carry_over(region, atlas, mask.shape, volume.affine, elsewhere) < 0
                mask |= there & ~guard
            numbers |= masks.taken(mask, head, volume.zooms) | {'motion_mm': moved.largest_mm}
        numbers['face_in_view_share'] = masks.face_in_view(atlas, volume, transform)
        numbers['no_face'] = masks.shows_no_face(numbers) and verdict.certain(section(found))
        passed_on = files.read_json(self.inputs.screening)['passed_on']
        if passed_on or numbers['no_face']:
            mask = np.zeros_like(mask)
            numbers |= masks.taken(mask, head, volume.zooms) | {'guard_cost_ml': 0.0}
            numbers |= dict.fromkeys(('skin_removed_share', 'shell_mm'))
        for name, array in (('mask', mask), ('guard', guard)):
            self._results[f'{name}_file'] = f'{runtime.cwd}/{name}.nii.gz'
            images.write_mask(array, in_file, self._results[f'{name}_file'])
        self._results['coverage'] = files.write_json(runtime.cwd, 'coverage.json', numbers)
        return runtime
