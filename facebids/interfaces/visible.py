# SPDX-License-Identifier: Apache-2.0
"""What the attack and the screening see of an image that is no magnitude."""

import nibabel as nib
import numpy as np
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from facebids.core import images, visible
from facebids.core.contrasts import HOUNSFIELD
from facebids.core.grids import resample
from facebids.core.headers import open_nifti
from facebids.core.visible import SIGNALS
from facebids.interfaces import files


class _ShowInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc='head image')
    registration = File(exists=True, mandatory=True, desc='from Register')
    contrast = traits.Str('T1w', usedefault=True, desc='contrast of the atlas')
    signal = traits.Enum(*SIGNALS, mandatory=True, desc='what the intensities are')
    magnitude = File(exists=False, desc='magnitude image that was acquired together with it')
    source_registration = File(exists=True, desc='registration of the magnitude image')


class _ShowOutputSpec(TraitedSpec):
    seen = File(desc='image in which the head stands out: of the same voxels, or the anatomy')
    anatomy = File(desc='the magnitude where this image lies, or the image itself without one')
    outline = File(desc='image that shows the outline of the head, if anything does')
    own = traits.Bool(desc='whether the image itself shows a head')


class Show(SimpleInterface):
    """Make the head of an image visible, and carry its magnitude to where the image lies."""

    input_spec = _ShowInputSpec
    output_spec = _ShowOutputSpec

    def _run_interface(self, runtime):
        in_file, contrast = self.inputs.in_file, self.inputs.contrast
        shown = visible.read(in_file, contrast, self.inputs.signal)
        if self.inputs.magnitude:
            anatomy = self._anatomy(runtime)
        else:
            anatomy = in_file if shown is None else self._without_air(shown, runtime)
        seen = anatomy if shown is None else _saved(shown.data, shown.affine, runtime, 'seen')
        # Thin skin is lost in a smoothness: without a magnitude the generic head stands for it.
        outline = seen if self.inputs.magnitude else in_file
        self._results.update(seen=seen, anatomy=anatomy, outline=outline, own=shown is not None)
        return runtime

    def _without_air(self, shown, runtime):
        """Return the image itself with zeros in its air."""
        volume = images.read_volume(self.inputs.in_file)
        tissue = np.where(shown.data > 0, np.abs(volume.data), 0)
        return _saved(tissue, volume.affine, runtime, 'anatomy')

    def _anatomy(self, runtime):
        alignment = files.read_alignment(self.inputs.registration)
        magnitude = self.inputs.magnitude
        if alignment.numbers.origin == 'shared':
            return magnitude
        source = files.read_alignment(self.inputs.source_registration)
        rigid = alignment.affine @ np.linalg.inv(source.affine)
        volume = images.read_volume(magnitude, hounsfield=self.inputs.contrast in HOUNSFIELD)
        like = open_nifti(self.inputs.in_file)
        to_index = np.linalg.inv(rigid @ volume.affine) @ like.affine
        moved = resample(volume.data, to_index, like.shape[:3], 'constant')
        return _saved(moved, like.affine, runtime, 'anatomy')


def _saved(data, affine, runtime, name):
    path = f'{runtime.cwd}/{name}.nii.gz'
    nib.save(nib.Nifti1Image(data.astype(np.float32), affine), path)
    return path
