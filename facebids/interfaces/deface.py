# SPDX-License-Identifier: Apache-2.0
"""Lossless defacing of an image."""

import numpy as np
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from facebids.core import images
from facebids.core.atlas import COMPUTED, generic_atlas
from facebids.core.defacing import fill, masks
from facebids.interfaces import files


class _DefaceInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc='head image')
    mask_file = File(exists=True, mandatory=True, desc='voxels to replace')
    guard_file = File(exists=True, mandatory=True, desc='voxels that must not be touched')
    registration = File(exists=True, mandatory=True, desc='from Register')
    contrast = traits.Str(
        'T1w',
        usedefault=True,
        desc="contrast of the atlas that is the image's own or the most like it",
    )
    mode = traits.Enum(*fill.MODES, usedefault=True, desc='what the face becomes')
    fill = traits.Enum(*fill.FILLS, usedefault=True, desc='what remove leaves')
    seed = traits.Int(0, usedefault=True, desc='seed of the noise')


class _DefaceOutputSpec(TraitedSpec):
    out_file = File(desc='defaced image')
    integrity = File(desc='JSON: what changed that must not')


class Deface(SimpleInterface):
    """Replace the voxels of the mask, then compare the saved file with the original."""

    input_spec = _DefaceInputSpec
    output_spec = _DefaceOutputSpec

    def _run_interface(self, runtime):
        mask = files.read_mask(self.inputs.mask_file)
        guard = files.read_mask(self.inputs.guard_file)
        out_file = f'{runtime.cwd}/defaced.nii.gz'
        outside = images.replace_voxels(self.inputs.in_file, mask, out_file, self._values(mask))
        self._results['out_file'] = out_file
        self._results['integrity'] = files.write_json(
            runtime.cwd,
            'integrity.json',
            {
                'voxels_changed_outside': outside,
                'guard_voxels_changed': int((mask & guard).sum()) + outside,
            },
        )
        return runtime

    def _values(self, mask):
        """Intensities of the mask's voxels for each volume in turn, or None for zeros."""
        if not mask.any() or (self.inputs.mode == 'remove' and self.inputs.fill == 'zero'):
            return None
        path, seed = self.inputs.in_file, self.inputs.seed
        if images.is_complex(path):
            return None
        found = files.read_registration(self.inputs.registration)
        atlas, transform = generic_atlas(masks.RESOLUTION), np.array(found['affine'])
        place = (mask, atlas, transform, self.inputs.mode)
        hounsfield = self.inputs.contrast in COMPUTED
        volume = images.read_volume(path, hounsfield=hounsfield)
        if images.volume_count(path) == 1 and found['way'] == 'own':
            return [fill.fill(volume, *place, seed)]
        # Single volumes of a series may show the head badly.
        head = masks.find_head(volume, atlas, transform, relied_on=found['way'] != 'own') & ~mask
        around = fill.Surroundings.of(head, volume.zooms)
        return (
            fill.fill(each, *place, seed + number, around)
            for number, each in enumerate(images.read_volumes(path, hounsfield=hounsfield))
        )
