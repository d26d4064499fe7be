# SPDX-License-Identifier: Apache-2.0
"""Effect of defacing on the analysis of an image."""

from dataclasses import replace

import numpy as np
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from facebids.core import images
from facebids.core.defacing import cost
from facebids.interfaces import files


class _UtilityInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc='head image')
    defaced = File(exists=True, xor=['mask'], desc='from Deface')
    mask = File(exists=True, xor=['defaced'], desc='voxels that are zero in the defaced image')
    suffix = traits.Str(mandatory=True, desc='contrast, for the intensities of the tissues')
    registration = File(exists=True, mandatory=True, desc='from Register')
    registration_after = File(exists=True, desc='from Register, for the defaced image')


class _UtilityOutputSpec(TraitedSpec):
    out_file = File(desc='JSON: changed brain voxels, tissue volumes, shift of the alignment')


class Utility(SimpleInterface):
    """Compare the brain in an image and in its defaced copy."""

    input_spec = _UtilityInputSpec
    output_spec = _UtilityOutputSpec

    def _run_interface(self, runtime):
        after = self.inputs.registration_after
        before = images.read_volume(self.inputs.in_file)
        numbers = cost.measure(
            before,
            self._defaced(before),
            files.read_alignment(self.inputs.registration).affine,
            self.inputs.suffix,
            files.read_alignment(after).affine if after else None,
        )
        self._results['out_file'] = files.write_numbers(runtime.cwd, 'utility.json', numbers)
        return runtime

    def _defaced(self, before):
        if not self.inputs.mask:
            return images.read_volume(self.inputs.defaced)
        return replace(before, data=np.where(images.read_mask(self.inputs.mask), 0, before.data))
