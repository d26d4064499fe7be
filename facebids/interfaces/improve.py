# SPDX-License-Identifier: Apache-2.0
"""Further attempts at defacing an image whose first one is not proven."""

from dataclasses import replace
from pathlib import Path

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from facebids.core import improve
from facebids.core.attack import evidence
from facebids.core.attack.attacker import AttackResult
from facebids.core.attack.decoys import Panel
from facebids.core.coverage import Coverage
from facebids.core.defacing.deface import Defacing
from facebids.core.modes import MODES
from facebids.core.record import Record, Screening
from facebids.core.steps import Steps
from facebids.interfaces import files
from facebids.interfaces.deface import Deface
from facebids.interfaces.masks import FaceMask
from facebids.interfaces.recognition import Attack


class _Attempt(BaseInterfaceInputSpec):
    mask = File(exists=True, mandatory=True, desc='voxels to replace')
    coverage = File(exists=True, mandatory=True, desc='from FaceMask')
    defaced = File(exists=True, mandatory=True, desc='defaced image')
    seen_defaced = File(exists=True, mandatory=True, desc='the image that was attacked')
    defacing = File(exists=True, mandatory=True, desc='from Deface')
    after = File(exists=True, mandatory=True, desc='attack on the defaced image')


class _ImproveInputSpec(_Attempt):
    in_file = File(exists=True, mandatory=True, desc='head image')
    seen = File(exists=True, mandatory=True, desc='the image to attack')
    anatomy = File(exists=True, mandatory=True, desc='the image with the anatomy')
    outline = File(exists=True, mandatory=True, desc='the image with the outline of the head')
    registration = File(exists=True, mandatory=True, desc='from Register')
    screening = File(exists=True, mandatory=True, desc='from Screen')
    before = File(exists=True, mandatory=True, desc='attack on the original')
    decoys = File(exists=True, mandatory=True, desc='from Decoys')
    suffix = traits.Str(mandatory=True, desc='suffix of the image')
    contrast = traits.Str('T1w', usedefault=True, desc='contrast of the atlas')
    mode = traits.Enum(*MODES, usedefault=True, desc='defacing mode')
    part = traits.Bool(desc='whether the image is a part, which is filled with zeros')
    seed = traits.Int(0, usedefault=True, desc='random seed of views and noise')
    mask_options = traits.Dict(traits.Str, traits.Any, desc='other inputs of FaceMask')
    fill = traits.Str('air', usedefault=True, desc='fill of the mode remove')


class _ImproveOutputSpec(TraitedSpec):
    mask = File(desc='as the input, of the attempt that was kept')
    coverage = File(desc='likewise')
    defaced = File(desc='likewise')
    seen_defaced = File(desc='likewise')
    defacing = File(desc='likewise')
    after = File(desc='likewise')
    steps = File(desc='JSON: all attempts')


ATTEMPT = ('mask', 'coverage', 'defaced', 'seen_defaced', 'defacing', 'after')


class Improve(SimpleInterface):
    """Deface and attack an image again, with deeper regions, until the removal is proven."""

    input_spec = _ImproveInputSpec
    output_spec = _ImproveOutputSpec

    def _run_interface(self, runtime):
        first = {name: getattr(self.inputs, name) for name in ATTEMPT}
        screening = files.read_numbers(Screening, self.inputs.screening)
        known = Record(
            '', '', None, self.inputs.suffix,
            mode=None if screening.passed_on else self.inputs.mode,
            registration=files.read_alignment(self.inputs.registration).numbers,
            screening=screening,
        )  # fmt: skip
        before = AttackResult.from_arrays(files.read_arrays(self.inputs.before))
        panel = Panel.from_arrays(files.read_arrays(self.inputs.decoys))

        def reached(attempt):
            after = AttackResult.from_arrays(files.read_arrays(attempt['after']))
            coverage = files.read_numbers(Coverage, attempt['coverage'])
            defacing = files.read_numbers(Defacing, attempt['defacing'])
            return improve.describe(
                replace(
                    known,
                    mask=defacing.numbers(coverage),
                    identifiability=evidence.compare(before, after, panel, self.inputs.seed),
                )
            )

        def attempt(shell):
            return self._attempt(shell, Path(runtime.cwd) / f'shell-{shell:g}')

        kept, steps = improve.improve(first, attempt, reached)
        self._results.update(kept)
        self._results['steps'] = files.write_numbers(runtime.cwd, 'steps.json', Steps(steps))
        return runtime

    def _attempt(self, shell, folder):
        """Return the files of an attempt with a region of at least a depth, mm."""
        given = self.inputs
        placed = {'registration': given.registration, 'contrast': given.contrast}
        face = _run(
            FaceMask(
                in_file=given.anatomy, outline=given.outline, screening=given.screening,
                least_shell=shell, **placed, **given.mask_options,
            ),
            folder / 'mask',
        )  # fmt: skip
        masked = {'mask_file': face.mask_file, 'guard_file': face.guard_file, **placed}
        filled = {'mode': given.mode, 'fill': given.fill, 'seed': given.seed}
        zeroed = {'mode': 'remove', 'fill': 'zero', 'seed': given.seed}
        options = zeroed if given.part else filled
        defaced = _run(Deface(in_file=given.in_file, **masked, **options), folder / 'deface')
        seen = defaced
        if given.part:
            seen = _run(Deface(in_file=given.seen, **masked, **zeroed), folder / 'seen')
        attacked = _run(
            Attack(in_file=seen.out_file, known_faces=given.before, seed=given.seed, **placed),
            folder / 'attack',
        )
        return {
            'mask': face.mask_file,
            'coverage': face.coverage,
            'defaced': defaced.out_file,
            'seen_defaced': seen.out_file,
            'defacing': defaced.defacing,
            'after': attacked.out_file,
        }


def _run(interface, folder):
    """Run a step in a folder of its own and return its outputs."""
    folder.mkdir(parents=True, exist_ok=True)
    return interface.run(cwd=str(folder)).outputs
