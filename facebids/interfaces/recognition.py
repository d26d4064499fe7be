# SPDX-License-Identifier: Apache-2.0
"""The attack on one image: skin surface, renders, face detection, and enrolment."""

import numpy as np
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from facebids.core import attack, engines, images
from facebids.interfaces import files


class _AttackInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc='head image, original or defaced')
    registration = File(exists=True, mandatory=True, desc='from Register: how the head is posed')
    known_faces = File(
        exists=True, desc='attack on the original: its pose, and where its faces were'
    )
    seed = traits.Int(0, usedefault=True, desc='seed of the random views')


class _AttackOutputSpec(TraitedSpec):
    out_file = File(desc='renders, faces found, and templates of every engine')


class Attack(SimpleInterface):
    """Look for a face in views of the head, and enrol it."""

    input_spec = _AttackInputSpec
    output_spec = _AttackOutputSpec

    def _run_interface(self, runtime):
        volume = images.read_volume(self.inputs.in_file)
        affine = np.array(files.read_json(self.inputs.registration)['affine'])
        known = None
        if self.inputs.known_faces:
            original = files.read_arrays(self.inputs.known_faces)
            known = original['pose'], original['boxes']
        head = attack.look_at(volume, affine, self.inputs.seed, known)
        arrays = {
            'pictures': head.pictures,
            'pose': head.pose,
            **head.recognition.to_arrays(),
            **engines.pack(engines.enrol(head)),
        }
        if known:
            arrays['at_known_place'] = head.at_known_place
        self._results['out_file'] = files.write_arrays(runtime.cwd, 'attack.npz', **arrays)
        return runtime
