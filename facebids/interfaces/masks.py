# SPDX-License-Identifier: Apache-2.0
"""The face mask on an image's own grid."""

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from facebids.core import images
from facebids.core.atlas import COMPUTED, KEEPABLE
from facebids.core.defacing import masks
from facebids.core.defacing.guard import MARGIN_MM
from facebids.core.record import Screening
from facebids.interfaces import files


class _FaceMaskInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc='head image')
    registration = File(exists=True, mandatory=True, desc='from Register')
    contrast = traits.Str(
        'T1w',
        usedefault=True,
        desc="contrast of the atlas that is the image's own or the most like it",
    )
    brain_margin = traits.Float(
        MARGIN_MM, usedefault=True, desc='least distance (mm) between mask and brain'
    )
    keep = traits.List(traits.Enum(*KEEPABLE), [], usedefault=True, desc='what is left')
    screening = File(exists=True, mandatory=True, desc='from Screen')


class _FaceMaskOutputSpec(TraitedSpec):
    mask_file = File(desc='voxels to replace')
    guard_file = File(desc='voxels that must not be touched')
    coverage = File(desc='JSON: what the mask takes of head and skin')


class FaceMask(SimpleInterface):
    """Carry the face region of the atlas over to the image, without the brain guard."""

    input_spec = _FaceMaskInputSpec
    output_spec = _FaceMaskOutputSpec

    def _run_interface(self, runtime):
        in_file = self.inputs.in_file
        found = masks.mask_image(
            in_file,
            images.read_volume(in_file, hounsfield=self.inputs.contrast in COMPUTED),
            files.read_alignment(self.inputs.registration),
            margin=self.inputs.brain_margin,
            keep=self.inputs.keep,
            passed_on=files.read_numbers(Screening, self.inputs.screening).passed_on,
        )
        for name, array in (('mask', found.mask), ('guard', found.guard)):
            self._results[f'{name}_file'] = f'{runtime.cwd}/{name}.nii.gz'
            images.write_mask(array, in_file, self._results[f'{name}_file'])
        self._results['coverage'] = files.write_numbers(
            runtime.cwd, 'coverage.json', found.coverage
        )
        return runtime
