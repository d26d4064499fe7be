# SPDX-License-Identifier: Apache-2.0
"""Face mask on the grid of an image."""

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from facebids import filesystem
from facebids.core import images
from facebids.core.atlas import KEEP_OPTIONS
from facebids.core.contrasts import HOUNSFIELD
from facebids.core.defacing import masks
from facebids.core.defacing.guard import MARGIN_MM
from facebids.core.defacing.keep import read_keep_masks
from facebids.core.record import Screening
from facebids.errors import KeepMaskError
from facebids.interfaces import files


class _FaceMaskInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc='image with the anatomy of the head')
    outline = File(exists=True, desc='image with the outline of the head, by default the same')
    registration = File(exists=True, mandatory=True, desc='from Register')
    contrast = traits.Str(
        'T1w',
        usedefault=True,
        desc='contrast of the atlas that is the same as or most similar to the image',
    )
    brain_margin = traits.Float(
        MARGIN_MM, usedefault=True, desc='minimum distance (mm) between mask and brain'
    )
    keep = traits.List(traits.Enum(*KEEP_OPTIONS), [], usedefault=True, desc='parts to keep')
    keep_masks = traits.Dict(
        traits.Str, traits.Str, {}, usedefault=True, desc='masks to keep: SHA-256 by path'
    )
    screening = File(exists=True, mandatory=True, desc='from Screen')
    least_shell = traits.Float(0.0, usedefault=True, desc='least depth (mm) of the face region')


class _FaceMaskOutputSpec(TraitedSpec):
    mask_file = File(desc='voxels to replace')
    guard_file = File(desc='voxels that must not change')
    coverage = File(desc='JSON: share of head and skin in the mask')


class FaceMask(SimpleInterface):
    """Map the face region of the atlas to the image, without the brain guard."""

    input_spec = _FaceMaskInputSpec
    output_spec = _FaceMaskOutputSpec

    def _run_interface(self, runtime):
        in_file = self.inputs.in_file
        hounsfield = self.inputs.contrast in HOUNSFIELD
        volume, outline = images.read_volume(in_file, hounsfield=hounsfield), None
        if self.inputs.outline and self.inputs.outline != in_file:
            outline = images.read_volume(self.inputs.outline, hounsfield=hounsfield)
        found = masks.mask_image(
            in_file,
            volume,
            files.read_alignment(self.inputs.registration),
            margin=self.inputs.brain_margin,
            keep=self.inputs.keep,
            kept=self._read_kept(),
            passed_on=files.read_numbers(Screening, self.inputs.screening).passed_on,
            least_shell=self.inputs.least_shell,
            outline=outline,
        )
        for name, array in (('mask', found.mask), ('guard', found.guard)):
            self._results[f'{name}_file'] = f'{runtime.cwd}/{name}.nii.gz'
            images.write_mask(array, in_file, self._results[f'{name}_file'])
        self._results['coverage'] = files.write_numbers(
            runtime.cwd, 'coverage.json', found.coverage
        )
        return runtime

    def _read_kept(self):
        """Return the voxels that the keep masks keep, or None if there are none."""
        asked = self.inputs.keep_masks
        for path, digest in asked.items():
            if filesystem.sha256(path) != digest:
                raise KeepMaskError(
                    f'{path}: this keep mask changed during the run. Run it again.'
                )
        return read_keep_masks(asked, self.inputs.in_file) if asked else None
