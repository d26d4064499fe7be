# SPDX-License-Identifier: Apache-2.0
"""Whether an image shows a face, before anything is done to it."""

import numpy as np
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from facebids.core import images
from facebids.core.atlas import COMPUTED
from facebids.core.attack import screening
from facebids.interfaces import files


class _ScreenInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc='head image')
    registration = File(exists=True, mandatory=True, desc='from Register')
    modality = traits.Str(mandatory=True, desc='contrast of the image')
    seed = traits.Int(0, usedefault=True, desc='seed of the random views')
    force = traits.Bool(False, usedefault=True, desc='deface what was defaced before, too')


class _ScreenOutputSpec(TraitedSpec):
    out_file = File(desc='JSON: the finding, its numbers, and whether the image is passed on')


class Screen(SimpleInterface):
    """Find out whether an image was defaced before, and is passed on as it is."""

    input_spec = _ScreenInputSpec
    output_spec = _ScreenOutputSpec

    def _run_interface(self, runtime):
        volume = images.read_volume(
            self.inputs.in_file, hounsfield=self.inputs.modality in COMPUTED
        )
        registration = files.read_registration(self.inputs.registration)
        affine = np.array(registration['affine'])
        scale = float(np.cbrt(np.linalg.det(affine[:3, :3])))
        quality = registration['quality'] | {'scale': scale}
        found = screening.screen(volume, affine, quality, self.inputs.modality, self.inputs.seed)
        # what was found by way of another image rests on that one's alignment, not on this one's
        own = registration['coregistration'] is None
        passed_on = found['finding'] == screening.DEFACED and own and not self.inputs.force
        self._results['out_file'] = files.write_json(
            runtime.cwd, 'screening.json', found | {'passed_on': passed_on}
        )
        return runtime
