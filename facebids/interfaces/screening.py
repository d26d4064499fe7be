# SPDX-License-Identifier: Apache-2.0
"""Screening of an image for a face before defacing."""

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from facebids.core import images
from facebids.core.attack import attacker
from facebids.core.attack.screening import screen
from facebids.core.contrasts import HOUNSFIELD
from facebids.interfaces import files


class _ScreenInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc='head image')
    registration = File(exists=True, mandatory=True, desc='from Register')
    contrast = traits.Str(mandatory=True, desc='contrast of the image')
    seed = traits.Int(0, usedefault=True, desc='random seed of the views')
    own = traits.Bool(
        True, usedefault=True, desc='whether the file holds the voxels of the image itself'
    )
    force = traits.Bool(False, usedefault=True, desc='deface images that are already defaced')


class _ScreenOutputSpec(TraitedSpec):
    out_file = File(desc='JSON: the finding, its metrics, and whether the image is passed on')


class Screen(SimpleInterface):
    """Find out whether an image is already defaced and can be passed on unchanged."""

    input_spec = _ScreenInputSpec
    output_spec = _ScreenOutputSpec

    def _run_interface(self, runtime):
        path, hounsfield = self.inputs.in_file, self.inputs.contrast in HOUNSFIELD
        volume = images.read_volume(path, hounsfield=hounsfield)
        alignment = files.read_alignment(self.inputs.registration)
        found = screen(
            volume,
            alignment,
            self.inputs.contrast,
            self.inputs.seed,
            singles=attacker.read_singles(path, alignment.motion, hounsfield=hounsfield),
            force=self.inputs.force,
            own=self.inputs.own,
        )
        self._results['out_file'] = files.write_numbers(runtime.cwd, 'screening.json', found)
        return runtime
