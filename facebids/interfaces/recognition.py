# SPDX-License-Identifier: Apache-2.0
"""The attack on one image: renders, face detection, enrolment with every engine, and decoys."""

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from facebids.core.attack import brains, decoys
from facebids.core.attack.attacker import AttackResult, attack, read_volumes
from facebids.core.contrasts import HOUNSFIELD
from facebids.interfaces import files


class _AttackInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc='head image, original or defaced')
    registration = File(exists=True, mandatory=True, desc='from Register: the pose of the head')
    contrast = traits.Str(
        'T1w',
        usedefault=True,
        desc='contrast of the atlas that is the same as or most similar to the image',
    )
    known_faces = File(exists=True, desc='attack on the original, whose pose and boxes are known')
    seed = traits.Int(0, usedefault=True, desc='random seed of the views')


class _AttackOutputSpec(TraitedSpec):
    out_file = File(
        desc='renders, detected faces, and face templates of every engine, and the brain'
    )


class Attack(SimpleInterface):
    """Detect faces in renders of a head, and enrol it."""

    input_spec = _AttackInputSpec
    output_spec = _AttackOutputSpec

    def _run_interface(self, runtime):
        alignment = files.read_alignment(self.inputs.registration)
        original = None
        if self.inputs.known_faces:
            original = AttackResult.from_arrays(files.read_arrays(self.inputs.known_faces))
        hounsfield = self.inputs.contrast in HOUNSFIELD
        volumes = read_volumes(self.inputs.in_file, alignment.motion, hounsfield=hounsfield)
        result = attack(
            volumes,
            alignment.affine,
            self.inputs.seed,
            original,
            relied_on=alignment.relied_on,
        )
        # defacing leaves the brain as it is: that of the original is enrolled
        brain = {} if original else brains.pack(brains.enrol(volumes[0], alignment.affine))
        self._results['out_file'] = files.write_arrays(
            runtime.cwd, 'attack.npz', **result.to_arrays(), **brain
        )
        return runtime


class _DecoysInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc='head image before defacing')
    registration = File(exists=True, mandatory=True, desc='from Register: the pose of the head')
    contrast = traits.Str('T1w', usedefault=True, desc='contrast of the atlas, as of the attack')
    known_faces = File(exists=True, mandatory=True, desc='attack on the image')
    seed = traits.Int(0, usedefault=True, desc='random seed of the views')


class _DecoysOutputSpec(TraitedSpec):
    out_file = File(desc='face templates of the head, of a simulated rescan, and of decoys')


class Decoys(SimpleInterface):
    """Enrol a head beside the faces of people who do not exist, in the same scan."""

    input_spec = _DecoysInputSpec
    output_spec = _DecoysOutputSpec

    def _run_interface(self, runtime):
        alignment = files.read_alignment(self.inputs.registration)
        hounsfield = self.inputs.contrast in HOUNSFIELD
        panel = decoys.enrol(
            read_volumes(self.inputs.in_file, alignment.motion, hounsfield=hounsfield),
            alignment.affine,
            self.inputs.seed,
            AttackResult.from_arrays(files.read_arrays(self.inputs.known_faces)),
        )
        arrays = panel.to_arrays() if panel else {}
        self._results['out_file'] = files.write_arrays(runtime.cwd, 'decoys.npz', **arrays)
        return runtime
