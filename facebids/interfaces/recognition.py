# SPDX-License-Identifier: Apache-2.0
"""The attack on one image: skin surface, renders, face detection and embedding."""

import numpy as np
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from facebids.core import images, recognition, registration, render, surface
from facebids.interfaces import files


class _AttackInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc='head image, original or defaced')
    registration = File(exists=True, mandatory=True, desc='from Register: how the head is posed')
    known_faces = File(exists=True, desc='attack on the original: where its faces were')
    seed = traits.Int(0, usedefault=True, desc='seed of the random views')


class _AttackOutputSpec(TraitedSpec):
    out_file = File(desc='renders, faces found and their embeddings')


class Attack(SimpleInterface):
    """Look for a face in views of the head, and embed what is found."""

    input_spec = _AttackInputSpec
    output_spec = _AttackOutputSpec

    def _run_interface(self, runtime):
        volume = images.read_volume(self.inputs.in_file)
        affine = np.array(files.read_json(self.inputs.registration)['affine'])
        views = (*render.random_views(self.inputs.seed), *render.named_views())
        mesh = surface.skin_surface(volume.data, volume.affine)
        pictures = render.render(mesh, registration.pose(affine), views)
        found = recognition.recognise(pictures, tuple(view.name for view in views))
        arrays = {'pictures': pictures, **found.to_arrays()}
        if self.inputs.known_faces:
            known = recognition.Recognition.from_arrays(files.read_arrays(self.inputs.known_faces))
            arrays['at_known_place'] = recognition.embed_at(pictures, known.boxes)
        self._results['out_file'] = files.write_arrays(runtime.cwd, 'attack.npz', **arrays)
        return runtime
