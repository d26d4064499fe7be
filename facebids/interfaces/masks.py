# SPDX-License-Identifier: Apache-2.0
"""The face mask on an image's own grid."""

import numpy as np
from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec

from facebids.core import images, masks, motion, verdict
from facebids.core.atlas import generic_atlas
from facebids.interfaces import files
from facebids.interfaces.registration import section


class _FaceMaskInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc='head image')
    registration = File(exists=True, mandatory=True, desc='from Register')


class _FaceMaskOutputSpec(TraitedSpec):
    mask_file = File(desc='voxels to replace')
    guard_file = File(desc='voxels that must not be touched')
    coverage = File(desc='JSON: what the mask takes of head and skin')


class FaceMask(SimpleInterface):
    """Carry the atlas's face region over to the image, brain guard taken out.

    The mask is empty where the field of view certainly has no face: the image stays as it is.
    """

    input_spec = _FaceMaskInputSpec
    output_spec = _FaceMaskOutputSpec

    def _run_interface(self, runtime):
        in_file = self.inputs.in_file
        volume = images.read_volume(in_file)
        found = files.read_registration(self.inputs.registration)
        transform = np.array(found['affine'])
        atlas = generic_atlas(masks.RESOLUTION)
        head = masks.find_head(volume, atlas, transform, relied_on=found['way'] != 'own')
        mask, guard, numbers = masks.face_mask(atlas, volume, transform, head)
        if images.volume_count(in_file) > 1:
            moved = motion.positions(in_file, volume, transform)
            region = atlas.face_region(numbers['shell_mm'])
            for elsewhere in moved.transforms:
                there = masks.carry_over(region, atlas, mask.shape, volume.affine, elsewhere) < 0
                mask |= there & ~guard
            numbers |= {
                'motion_mm': moved.largest_mm,
                'volume_ml': float(mask.sum() * volume.zooms.prod() / 1000),
                'head_removed_share': float((mask & head).sum() / max(head.sum(), 1)),
            }
        numbers['face_in_view_share'] = masks.face_in_view(atlas, volume, transform)
        numbers['no_face'] = masks.shows_no_face(numbers) and verdict.certain(section(found))
        if numbers['no_face']:
            mask[...], numbers['volume_ml'] = False, 0.0
        for name, array in (('mask', mask), ('guard', guard)):
            self._results[f'{name}_file'] = f'{runtime.cwd}/{name}.nii.gz'
            images.write_mask(array, in_file, self._results[f'{name}_file'])
        self._results['coverage'] = files.write_json(runtime.cwd, 'coverage.json', numbers)
        return runtime
