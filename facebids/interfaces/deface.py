# SPDX-License-Identifier: Apache-2.0
"""Lossless defacing of an image."""

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from facebids.core import images
from facebids.core.contrasts import HOUNSFIELD
from facebids.core.defacing.deface import deface_file
from facebids.core.defacing.fill import FILLS
from facebids.core.modes import MODES
from facebids.interfaces import files


class _DefaceInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc='head image')
    mask_file = File(exists=True, mandatory=True, desc='voxels to replace')
    guard_file = File(exists=True, mandatory=True, desc='voxels that must not change')
    registration = File(exists=True, mandatory=True, desc='from Register')
    contrast = traits.Str(
        'T1w',
        usedefault=True,
        desc='contrast of the atlas that is the same as or most similar to the image',
    )
    mode = traits.Enum(*MODES, usedefault=True, desc='defacing mode')
    fill = traits.Enum(*FILLS, usedefault=True, desc='fill of the mode remove')
    seed = traits.Int(0, usedefault=True, desc='random seed of the noise')


class _DefaceOutputSpec(TraitedSpec):
    out_file = File(desc='defaced image')
    defacing = File(desc='JSON: unwanted changes, and digests of the files')


class Deface(SimpleInterface):
    """Replace the voxels in the mask, and compare the saved file with the original."""

    input_spec = _DefaceInputSpec
    output_spec = _DefaceOutputSpec

    def _run_interface(self, runtime):
        out_file = f'{runtime.cwd}/defaced.nii.gz'
        found = deface_file(
            self.inputs.in_file,
            self.inputs.mask_file,
            images.read_mask(self.inputs.guard_file),
            out_file,
            files.read_alignment(self.inputs.registration),
            self.inputs.mode,
            fill=self.inputs.fill,
            seed=self.inputs.seed,
            hounsfield=self.inputs.contrast in HOUNSFIELD,
        )
        self._results['out_file'] = out_file
        self._results['defacing'] = files.write_numbers(runtime.cwd, 'defacing.json', found)
        return runtime
