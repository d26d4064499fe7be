# SPDX-License-Identifier: Apache-2.0
"""Record of an image: its metrics and verdict."""

import json
from dataclasses import replace
from pathlib import Path

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from facebids.bids.names import HeadImage
from facebids.core.attack import evidence
from facebids.core.attack.attacker import AttackResult
from facebids.core.attack.decoys import Panel
from facebids.core.coverage import Coverage
from facebids.core.defacing.deface import Defacing
from facebids.core.metrics_file import to_json
from facebids.core.record import (
    Record,
    Screening,
    Utility,
)
from facebids.core.steps import Steps
from facebids.core.verdict import judge
from facebids.interfaces import files


class _JudgeInputSpec(BaseInterfaceInputSpec):
    relative_path = traits.Str(mandatory=True, desc='path of the image, relative to its dataset')
    mode = traits.Str(mandatory=True, desc='defacing mode')
    seed = traits.Int(mandatory=True, desc='random seed of the views')
    keep_masks = traits.Dict(
        traits.Str, traits.Str, {}, usedefault=True, desc='masks that were kept: SHA-256 by name'
    )
    registration = File(exists=True, mandatory=True, desc='from Register')
    screening = File(exists=True, mandatory=True, desc='from Screen')
    coverage = File(exists=True, mandatory=True, desc='from FaceMask')
    defacing = File(exists=True, mandatory=True, desc='from Deface')
    attacked = traits.Bool(True, usedefault=True, desc='whether the image was attacked')
    utility = File(exists=True, desc='from Utility, of what was attacked')
    before = File(exists=True, desc='attack on the original')
    after = File(exists=True, desc='attack on the defaced image')
    decoys = File(exists=True, desc='from Decoys')
    steps = File(exists=True, desc='from Improve')


class _JudgeOutputSpec(TraitedSpec):
    out_file = File(desc='JSON: the record')


class Judge(SimpleInterface):
    """Collect the metrics of an image and give the verdict."""

    _always_run = True  # thresholds may have changed since the metrics were computed
    input_spec = _JudgeInputSpec
    output_spec = _JudgeOutputSpec

    def _run_interface(self, runtime):
        image = HeadImage.from_relative_path(self.inputs.relative_path)
        screening = files.read_numbers(Screening, self.inputs.screening)
        coverage = files.read_numbers(Coverage, self.inputs.coverage)
        defacing = files.read_numbers(Defacing, self.inputs.defacing)
        record = Record(
            image=image.relative_path,
            participant_id=image.participant_id,
            session_id=image.session_id,
            suffix=image.suffix,
            mode=None if screening.passed_on else self.inputs.mode,
            registration=files.read_alignment(self.inputs.registration).numbers,
            screening=screening,
            mask=defacing.numbers(coverage),
            provenance=replace(defacing.provenance, keep_masks=dict(self.inputs.keep_masks)),
            attacked=self.inputs.attacked,
        )
        if self.inputs.attacked:
            record = self._with_attack(record)
        path = Path(runtime.cwd) / 'record.json'
        path.write_text(json.dumps(to_json([judge(record)])))
        self._results['out_file'] = str(path)
        return runtime

    def _with_attack(self, record):
        return replace(
            record,
            utility=files.read_numbers(Utility, self.inputs.utility),
            identifiability=evidence.compare(
                AttackResult.from_arrays(files.read_arrays(self.inputs.before)),
                AttackResult.from_arrays(files.read_arrays(self.inputs.after)),
                Panel.from_arrays(files.read_arrays(self.inputs.decoys)),
                self.inputs.seed,
            ),
            steps=files.read_numbers(Steps, self.inputs.steps).tried,
        )
