# SPDX-License-Identifier: Apache-2.0
"""Figures of an image: slices with the outline of the mask, and the attacked renders."""

from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec

from facebids.core import figures, images
from facebids.core.alignment import registration
from facebids.core.atlas import generic_atlas
from facebids.core.attack.attacker import AttackResult
from facebids.interfaces import files


class _FiguresInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc='head image, original or defaced')
    mask_file = File(exists=True, mandatory=True, desc='from FaceMask')
    registration = File(exists=True, mandatory=True, desc='from Register')
    attack = File(exists=True, desc='from Attack')


class _FiguresOutputSpec(TraitedSpec):
    slices = File(desc='PNG with slices in three planes')
    renders = File(desc='PNG with the renders of all views, if the image was attacked')


class Figures(SimpleInterface):
    """Draw the slices and the contact sheet of renders of an image."""

    input_spec = _FiguresInputSpec
    output_spec = _FiguresOutputSpec

    def _run_interface(self, runtime):
        from PIL import Image

        volume = images.read_volume(self.inputs.in_file)
        mask = images.read_mask(self.inputs.mask_file)
        affine = files.read_alignment(self.inputs.registration).affine
        atlas = generic_atlas(registration.RESOLUTION)
        drawn = {
            'slices': figures.slice_mosaic(volume.data, mask, volume.affine, affine, atlas),
        }
        if self.inputs.attack:
            attack = AttackResult.from_arrays(files.read_arrays(self.inputs.attack))
            seen = attack.recognition
            drawn['renders'] = figures.contact_sheet(
                attack.pictures, seen.boxes, seen.names.tolist(), seen.random
            )
        for name, pixels in drawn.items():
            self._results[name] = f'{runtime.cwd}/{name}.png'
            # pictures of heads: half the time of the default level, and no larger
            Image.fromarray(pixels).save(self._results[name], compress_level=3)
        return runtime
