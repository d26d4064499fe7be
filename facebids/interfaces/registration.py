# SPDX-License-Identifier: Apache-2.0
"""The affine from the head atlas to an image: its own, borrowed or shared.

An image that cannot be read fails itself, but others may wait for its registration: the error
goes into the result, and whoever needs the registration raises it (`files.read_registration`).
"""

import json

import numpy as np
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from facebids.core import images, verdict
from facebids.core.alignment import coregistration, registration, space_template
from facebids.core.atlas import COMPUTED, generic_atlas
from facebids.errors import GridError, ImageError
from facebids.interfaces import files


class _RegisterInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=False, mandatory=True, desc='head image')
    modality = traits.Str(mandatory=True, desc='contrast of the atlas to register to')
    template = File(exists=True, desc='prepared template to register to, and then to the atlas')
    seed = traits.Int(0, usedefault=True, desc='seed of the sampling')


class _SourceInputSpec(BaseInterfaceInputSpec):
    source_file = File(exists=False, mandatory=True, desc='the image to borrow or share from')
    source = traits.Str(mandatory=True, desc='the same, relative to the dataset')
    source_contrast = traits.Str('T1w', usedefault=True, desc='contrast of the atlas most like it')
    source_registration = File(exists=True, mandatory=True, desc='its result')


class _CoregisterInputSpec(_RegisterInputSpec, _SourceInputSpec):
    pass


class _ShareInputSpec(_SourceInputSpec):
    in_file = File(exists=False, mandatory=True, desc='head image')


class _RegisterOutputSpec(TraitedSpec):
    out_file = File(desc='JSON: affine, quality, attempts, template, and how it was come by')


class Register(SimpleInterface):
    """Find the affine from the atlas to the image."""

    input_spec = _RegisterInputSpec
    output_spec = _RegisterOutputSpec

    def _run_interface(self, runtime):
        try:
            found = self._find()
        except ImageError as error:
            found = {'error': [type(error).__name__, str(error)]}
        self._results['out_file'] = files.write_json(runtime.cwd, 'registration.json', found)
        return runtime

    def _find(self):
        return self._own(self._volume())

    def _volume(self):
        return images.read_volume(self.inputs.in_file, hounsfield=self.inputs.modality in COMPUTED)

    def _own(self, volume):
        image = volume.data, volume.affine
        contrast = self.inputs.modality, self.inputs.seed
        template = None
        if self.inputs.template:
            arrays = files.read_arrays(self.inputs.template)
            target = space_template.TemplateAtlas.from_arrays(arrays)
            found, from_template = space_template.register(*image, target, *contrast)
            template = json.loads(str(arrays['provenance'])) | {
                'from_atlas': target.from_atlas.tolist(),
                'affine': from_template.tolist(),
            }
        else:
            atlas = generic_atlas(registration.RESOLUTION)
            found = registration.register(*image, atlas, *contrast)
        return {
            'way': 'own',
            'source': None,
            'contrast': self.inputs.modality,
            'coregistration': None,
            'template': template,
            'affine': found.affine.tolist(),
            'quality': found.quality,
            'start': found.start,
            'attempts': found.attempts,
        }


class Coregister(Register):
    """Borrow the affine of another image of the person, or find the image's own if that fails."""

    input_spec = _CoregisterInputSpec

    def _find(self):
        volume = self._volume()
        return self._borrowed(volume) or self._own(volume)

    def _borrowed(self, volume):
        """Return the result by way of the other image, or None where that is not good enough."""
        source = files.read_json(self.inputs.source_registration)
        if 'error' in source or verdict.fails(section(source)):
            return None
        transform = np.array(source['affine'])
        found = coregistration.coregister(
            volume,
            images.read_volume(
                self.inputs.source_file, hounsfield=self.inputs.source_contrast in COMPUTED
            ),
            transform,
            generic_atlas(registration.RESOLUTION),
            self.inputs.seed,
        )
        borrowed = source | {
            'way': 'borrowed',
            'source': self.inputs.source,
            'coregistration': found.quality,
            'affine': (found.affine @ transform).tolist(),
            'template': _by_way_of(source['template'], found.affine),
            'start': found.start,
            'attempts': found.attempts,
        }
        return None if verdict.fails(section(borrowed)) else borrowed


class Share(Register):
    """Take the affine of an image that was acquired together with this one, on the same grid."""

    input_spec = _ShareInputSpec

    def _find(self):
        shared = files.read_registration(self.inputs.source_registration)
        if not images.same_grid(self.inputs.in_file, self.inputs.source_file):
            raise GridError(
                f'{self.inputs.in_file}: its voxels are not those of {self.inputs.source}, with '
                'which it was acquired, so its mask would not fit. Correct the header of one.'
            )
        return shared | {'way': 'shared', 'source': self.inputs.source}


def section(found):
    """Return what a record says of a registration.

    Parameters
    ----------
    found : dict
        From `Register`.
    """
    scale = float(np.cbrt(np.linalg.det(np.array(found['affine'])[:3, :3])))
    quality = found['quality']
    return {
        'quality': quality['score'],
        **{key: quality[key] for key in ('brain', 'tissue', 'head', 'brain_in_view')},
        'scale': scale,
        'start': found['start'],
        **{key: found[key] for key in ('way', 'source', 'contrast', 'coregistration')},
        'template': (found['template'] or {}).get('name'),
    }


def _by_way_of(template, coregistration):
    """Lead from the template of a source to the image that borrows from it."""
    if not template:
        return None
    return template | {'affine': (coregistration @ np.array(template['affine'])).tolist()}
