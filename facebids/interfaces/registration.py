# SPDX-License-Identifier: Apache-2.0
"""Registration of an image to the head atlas."""

import json

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from facebids.core import images, registration, templates
from facebids.core.atlas import generic_atlas
from facebids.interfaces import files


class _RegisterInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=False, mandatory=True, desc='head image')
    modality = traits.Str(mandatory=True, desc='contrast of the atlas to register to')
    template = File(exists=True, desc='prepared template to register to, and then to the atlas')
    seed = traits.Int(0, usedefault=True, desc='seed of the sampling')


class _RegisterOutputSpec(TraitedSpec):
    out_file = File(desc='JSON: affine, quality, attempts, template')


class Register(SimpleInterface):
    """Find the affine from the atlas to the image."""

    input_spec = _RegisterInputSpec
    output_spec = _RegisterOutputSpec

    def _run_interface(self, runtime):
        volume = images.read_volume(self.inputs.in_file)
        image = volume.data, volume.affine
        contrast = self.inputs.modality, self.inputs.seed
        template = None
        if self.inputs.template:
            arrays = files.read_arrays(self.inputs.template)
            target = templates.TemplateAtlas.from_arrays(arrays)
            found, from_template = templates.register(*image, target, *contrast)
            template = json.loads(str(arrays['provenance'])) | {
                'from_atlas': target.from_atlas.tolist(),
                'affine': from_template.tolist(),
            }
        else:
            atlas = generic_atlas(registration.RESOLUTION)
            found = registration.register(*image, atlas, *contrast)
        self._results['out_file'] = files.write_json(
            runtime.cwd,
            'registration.json',
            {
                'affine': found.affine.tolist(),
                'quality': found.quality,
                'start': found.start,
                'attempts': found.attempts,
                'template': template,
            },
        )
        return runtime
