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

from facebids.core import images, masks, surface
from facebids.core.atlas import KEEPABLE, generic_atlas
from facebids.interfaces import files


class _FaceMaskInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc='head image')
    registration = File(exists=True, mandatory=True, desc='from Register')
    brain_margin = traits.Float(
        masks.MARGIN_MM, usedefault=True, desc='least distance (mm) between mask and brain'
    )
    keep = traits.List(traits.Enum(*KEEPABLE), desc='what is left of the face')
    screening = File(exists=True, mandatory=True, desc='from Screen')


class _FaceMaskOutputSpec(TraitedSpec):
    mask_file = File(desc='voxels to replace')
    guard_file = File(desc='voxels that must not be touched')
    coverage = File(desc='JSON: what the mask takes of head and skin')


class FaceMask(SimpleInterface):
    """Carry the atlas's face region over to the image, brain guard taken out.

    The mask of an image that is passed on as it is, is empty.
    """

    input_spec = _FaceMaskInputSpec
    output_spec = _FaceMaskOutputSpec

    def _run_interface(self, runtime):
        in_file = self.inputs.in_file
        volume = images.read_volume(in_file)
        transform = np.array(files.read_json(self.inputs.registration)['affine'])
        head = surface.head_mask(volume.data, volume.zooms)
        atlas = generic_atlas(masks.RESOLUTION)
        mask, guard, numbers = masks.face_mask(
            atlas, volume, transform, head, self.inputs.brain_margin, tuple(self.inputs.keep)
        )
        if files.read_json(self.inputs.screening)['passed_on']:
            mask = np.zeros_like(mask)
            numbers |= dict.fromkeys(('skin_removed_share', 'shell_mm'))
            taken = ('volume_ml', 'head_removed_ml', 'head_removed_share', 'guard_cost_ml')
            numbers |= dict.fromkeys(taken, 0.0)
        for name, array in (('mask', mask), ('guard', guard)):
            self._results[f'{name}_file'] = f'{runtime.cwd}/{name}.nii.gz'
            images.write_mask(array, in_file, self._results[f'{name}_file'])
        self._results['coverage'] = files.write_json(runtime.cwd, 'coverage.json', numbers)
        return runtime
