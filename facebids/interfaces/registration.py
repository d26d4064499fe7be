# SPDX-License-Identifier: Apache-2.0
"""Registration of an image to the head atlas."""

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from facebids.core import images, registration
from facebids.core.atlas import generic_atlas
from facebids.interfaces import files


class _RegisterInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=False, mandatory=True, desc='head image')
    modality = traits.Str(mandatory=True, desc='contrast of the atlas to register to')
    seed = traits.Int(0, usedefault=True, desc='seed of the sampling')


class _RegisterOutputSpec(TraitedSpec):
    out_file = File(desc='JSON: affine, quality, attempts')


class Register(SimpleInterface):
    """Find the affine from the atlas to the image."""

    input_spec = _RegisterInputSpec
    output_spec = _RegisterOutputSpec

    def _run_interface(self, runtime):
        volume = images.read_volume(self.inputs.in_file)
        found = registration.register(
            volume.data,
            volume.affine,
            generic_atlas(registration.RESOLUTION),
            self.inputs.modality,
            self.inputs.seed,
        )
        self._results['out_file'] = files.write_json(
            runtime.cwd,
            'registration.json',
            {
                'affine': found.affine.tolist(),
                'quality': found.quality,
                'start': found.start,
                'attempts': found.attempts,
            },
        )
        return runtime
