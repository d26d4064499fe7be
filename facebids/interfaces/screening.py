# SPDX-License-Identifier: Apache-2.0
"""Screening of an image for a face before defacing."""

from dataclasses import replace

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from facebids.core import images
from facebids.core.attack import screening
from facebids.core.contrasts import HOUNSFIELD
from facebids.interfaces import files


class _ScreenInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc='head image')
    registration = File(exists=True, mandatory=True, desc='from Register')
    modality = traits.Str(mandatory=True, desc='contrast of the image')
    seed = traits.Int(0, usedefault=True, desc='random seed of the views')
    force = traits.Bool(False, usedefault=True, desc='deface images that are already defaced')


class _ScreenOutputSpec(TraitedSpec):
    out_file = File(desc='JSON: the finding, its metrics, and whether the image is passed on')


class Screen(SimpleInterface):
    """Find out whether an image is already defaced and can be passed on unchanged."""

    input_spec = _ScreenInputSpec
    output_spec = _ScreenOutputSpec

    def _run_interface(self, runtime):
        volume = images.read_volume(
            self.inputs.in_file, hounsfield=self.inputs.modality in HOUNSFIELD
        )
        alignment = files.read_alignment(self.inputs.registration)
        found = screening.screen(volume, alignment, self.inputs.modality, self.inputs.seed)
        # With a borrowed registration, the finding depends on the alignment of another image.
        own = alignment.numbers.coregistration is None
        passed_on = found.finding == screening.DEFACED and own and not self.inputs.force
        self._results['out_file'] = files.write_numbers(
            runtime.cwd, 'screening.json', replace(found, passed_on=passed_on)
        )
        return runtime
