# SPDX-License-Identifier: Apache-2.0
"""Lossless defacing of an image."""

from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec

from facebids.core import images
from facebids.interfaces import files


class _DefaceInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc='head image')
    mask_file = File(exists=True, mandatory=True, desc='voxels to replace')
    guard_file = File(exists=True, mandatory=True, desc='voxels that must not be touched')


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
        outside = images.replace_voxels(self.inputs.in_file, mask, out_file)
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
