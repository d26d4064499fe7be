# SPDX-License-Identifier: Apache-2.0
"""The record of an image: its numbers, and the verdict on them."""

import numpy as np
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from facebids.bids.names import HeadImage
from facebids.core import identifiability
from facebids.core.attack import engines, render
from facebids.core.attack.recognition import Recognition
from facebids.core.verdict import judge
from facebids.interfaces import files
from facebids.interfaces.registration import section


class _JudgeInputSpec(BaseInterfaceInputSpec):
    relative_path = traits.Str(mandatory=True, desc='the image, relative to its dataset')
    mode = traits.Str(mandatory=True, desc='what the face became')
    seed = traits.Int(mandatory=True, desc='seed of the random views')
    registration = File(exists=True, mandatory=True, desc='from Register')
    screening = File(exists=True, mandatory=True, desc='from Screen')
    coverage = File(exists=True, mandatory=True, desc='from FaceMask')
    integrity = File(exists=True, mandatory=True, desc='from Deface')
    utility = File(exists=True, mandatory=True, desc='from Utility')
    before = File(exists=True, mandatory=True, desc='attack on the original')
    after = File(exists=True, mandatory=True, desc='attack on the defaced image')


class _JudgeOutputSpec(TraitedSpec):
    out_file = File(desc='JSON: the record')


class Judge(SimpleInterface):
    """Gather an image's numbers and judge them."""

    _always_run = True  # limits may have changed since the numbers were measured
    input_spec = _JudgeInputSpec
    output_spec = _JudgeOutputSpec

    def _run_interface(self, runtime):
        image = HeadImage.from_relative_path(self.inputs.relative_path)
        registration = files.read_registration(self.inputs.registration)
        before = files.read_arrays(self.inputs.before)
        after = files.read_arrays(self.inputs.after)
        screening = files.read_json(self.inputs.screening)
        shape = engines.unpack(before)['geometry'], engines.unpack(after)['geometry']
        named = {view.name for view in render.named_views()}
        record = {
            'image': image.relative_path,
            'participant_id': image.participant_id,
            'session_id': image.session_id,
            'suffix': image.suffix,
            'mode': None if screening['passed_on'] else self.inputs.mode,
            'verdict': None,
            'reasons': None,
            'registration': section(registration),
            'screening': screening,
            'mask': files.read_json(self.inputs.coverage) | files.read_json(self.inputs.integrity),
            'utility': files.read_json(self.inputs.utility),
            'identifiability': identifiability.compare(
                Recognition.from_arrays(before),
                Recognition.from_arrays(after),
                after['at_known_place'],
                np.array([name not in named for name in before['names'].tolist()]),
            )
            | {
                'agreement_before_after': _number(
                    engines.score('geometry', *([s] for s in shape))
                ),
                'seed': self.inputs.seed,
                'volumes': int(before['volumes']),
            },
        }
        record['verdict'], record['reasons'] = judge(record)
        self._results['out_file'] = files.write_json(runtime.cwd, 'record.json', record)
        return runtime


def _number(scores):
    value = float(scores[0, 0])
    return None if np.isnan(value) else value
