# SPDX-License-Identifier: Apache-2.0
"""Attack on an image: skin surface, renders, face detection and enrolment."""

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from facebids.core import images
from facebids.core.atlas import COMPUTED
from facebids.core.attack import attacker, engines
from facebids.errors import NotAHeadError
from facebids.interfaces import files


class _AttackInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc='head image, original or defaced')
    registration = File(exists=True, mandatory=True, desc='from Register, for the pose')
    contrast = traits.Str(
        'T1w',
        usedefault=True,
        desc='contrast of the atlas that is the same as or most similar to the image',
    )
    known_faces = File(
        exists=True, desc='attack on the original, for the pose and the position of the face'
    )
    seed = traits.Int(0, usedefault=True, desc='random seed of the views')


class _AttackOutputSpec(TraitedSpec):
    out_file = File(desc='renders, detected faces, and face templates of every engine')


class Attack(SimpleInterface):
    """Detect faces in views of the head, and enrol the head."""

    input_spec = _AttackInputSpec
    output_spec = _AttackOutputSpec

    def _run_interface(self, runtime):
        known, originals = None, None
        if self.inputs.known_faces:
            original = files.read_arrays(self.inputs.known_faces)
            known = original['pose'], original['boxes']
            originals = original['embeddings']
        heads = [self._look(volume, known) for volume in self._volumes()]
        head = heads[attacker.most_telling(heads, originals)]
        arrays = {
            'pictures': head.pictures,
            'pose': head.pose,
            'volumes': len(heads),
            **head.recognition.to_arrays(),
            **engines.pack(engines.enrol(head)),
        }
        if known:
            arrays['at_known_place'] = head.at_known_place
        self._results['out_file'] = files.write_arrays(runtime.cwd, 'attack.npz', **arrays)
        return runtime

    def _volumes(self):
        """Return the volumes to attack. For a series: the mean, and the one with most signal.

        All volumes have the same mask, so they differ only in signal and noise. The mean has the
        least noise. Skin may be bright in one volume and saturated in the others.
        """
        path = self.inputs.in_file
        hounsfield = self.inputs.contrast in COMPUTED
        volumes = [images.read_volume(path, hounsfield=hounsfield)]
        if images.volume_count(path) > 1:
            strongest = images.strongest_volume(path)
            volumes.append(images.read_volume(path, strongest, hounsfield=hounsfield))
        return volumes

    def _look(self, volume, known):
        alignment = files.read_alignment(self.inputs.registration)
        affine = alignment.affine
        try:
            return attacker.look_at(volume, affine, self.inputs.seed, known)
        except NotAHeadError:
            if not alignment.relied_on:
                raise
            return attacker.look_at_nothing(affine, self.inputs.seed, known)
