# SPDX-License-Identifier: Apache-2.0
"""Affine from the head atlas to an image: its own, borrowed or shared.

An image that cannot be registered fails by itself, but other images may wait for its
registration. The error is therefore part of the result, and each step that needs the registration
raises it (`files.read_alignment`).
"""

import json
import logging
from dataclasses import replace

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from facebids.core import images, verdict, visible
from facebids.core.alignment import motion, space_template
from facebids.core.alignment.align import PreparedTemplate, align, borrow, share
from facebids.core.alignment.quality import Quality
from facebids.core.contrasts import HOUNSFIELD
from facebids.core.visible import SIGNALS
from facebids.errors import GridError, ImageError, UnexpectedError
from facebids.interfaces import files
from facebids.interfaces.files import RegistrationFile

LOGGER = logging.getLogger('facebids')


class _RegisterInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=False, mandatory=True, desc='head image')
    contrast = traits.Str(mandatory=True, desc='contrast of the atlas to register to')
    template = File(exists=True, desc='prepared template to register to')
    seed = traits.Int(0, usedefault=True, desc='random seed of the sampling')


class _SourceInputSpec(BaseInterfaceInputSpec):
    source_file = File(exists=False, mandatory=True, desc='image to borrow from or share with')
    source = traits.Str(mandatory=True, desc='path of that image, relative to its dataset')
    source_contrast = traits.Str('T1w', usedefault=True, desc='atlas contrast most similar to it')
    source_registration = File(exists=True, mandatory=True, desc='registration of that image')


class _CoregisterInputSpec(_RegisterInputSpec, _SourceInputSpec):
    pass


class _ShareInputSpec(_CoregisterInputSpec):
    signal = traits.Enum(
        *SIGNALS, usedefault=True, desc='what the intensities are, if not a magnitude'
    )


class _RegisterOutputSpec(TraitedSpec):
    out_file = File(desc='JSON: the alignment, or the error that stopped the registration')


class Register(SimpleInterface):
    """Estimate the affine from the atlas to the image."""

    input_spec = _RegisterInputSpec
    output_spec = _RegisterOutputSpec

    def _run_interface(self, runtime):
        try:
            found = RegistrationFile(self._follow(self._find()))
        except ImageError as error:
            found = RegistrationFile(None, type(error).__name__, str(error))
        except Exception as error:
            LOGGER.exception('%s: the registration stopped', self.inputs.in_file)
            message = (
                f'The registration stopped with an unexpected error ({type(error).__name__}). See '
                'the log for details, and please report it.'
            )
            found = RegistrationFile(None, UnexpectedError.__name__, message)
        self._results['out_file'] = files.write_numbers(runtime.cwd, 'registration.json', found)
        return runtime

    def _find(self):
        return self._own(_read(self.inputs.in_file, self.inputs.contrast))

    def _follow(self, found):
        """Add where the head lies in single volumes."""
        hounsfield = self.inputs.contrast in HOUNSFIELD
        moved = motion.follow(
            self.inputs.in_file, found.affine, self.inputs.seed, hounsfield=hounsfield
        )
        return replace(found, motion=moved)

    def _own(self, volume):
        return align(volume, self.inputs.contrast, self.inputs.seed, self._template())

    def _template(self):
        if not self.inputs.template:
            return None
        arrays = files.read_arrays(self.inputs.template)
        made_of = json.loads(str(arrays['provenance']))
        target = space_template.SpaceTemplate.from_arrays(arrays)
        return PreparedTemplate(
            target, made_of['name'], made_of['files'], Quality(**made_of['quality'])
        )


class Coregister(Register):
    """Borrow the affine of another image, or register the image itself if that fails."""

    input_spec = _CoregisterInputSpec

    def _find(self):
        volume = _read(self.inputs.in_file, self.inputs.contrast)
        return self._borrowed(volume) or self._own(volume)

    def _borrowed(self, volume):
        try:
            alignment = files.read_alignment(self.inputs.source_registration)
            source = _read(self.inputs.source_file, self.inputs.source_contrast)
        except ImageError:
            return None
        return borrow(volume, source, alignment, self.inputs.source, self.inputs.seed)


class RegisterOrBorrow(Coregister):
    """Register the image itself, or borrow the affine of another image if that is doubtful."""

    def _find(self):
        volume = _read(self.inputs.in_file, self.inputs.contrast)
        own, stopped = None, None
        try:
            own = self._own(volume)
        except ImageError as error:
            stopped = error
        if own and verdict.certain(own.numbers):
            return own
        borrowed = self._borrowed(volume)
        if borrowed and (own is None or verdict.certain(borrowed.numbers)):
            return borrowed
        if stopped:
            raise stopped
        return own


class Share(Coregister):
    """Share the affine of an image that was acquired together with this one on the same grid.

    An image that shows a head shares nothing without having been compared with the other one: if
    its head lies elsewhere, it is coregistered.
    """

    input_spec = _ShareInputSpec

    def _find(self):
        alignment = files.read_alignment(self.inputs.source_registration)
        if not images.same_grid(self.inputs.in_file, self.inputs.source_file):
            raise GridError(
                f'{self.inputs.in_file}: its voxels are not on the grid of {self.inputs.source}, '
                'with which it was acquired, so its mask would not fit. Correct the header of one.'
            )
        shown = visible.read(self.inputs.in_file, self.inputs.contrast, self.inputs.signal)
        source = _read(self.inputs.source_file, self.inputs.source_contrast)
        return share(shown, source, alignment, self.inputs.source, self.inputs.seed)

    def _follow(self, found):
        """Parts lie where their magnitude does: their single volumes show no contrast."""
        return super()._follow(found) if self.inputs.signal == 'magnitude' else found


def _read(path, contrast):
    return images.read_volume(path, hounsfield=contrast in HOUNSFIELD)
