# SPDX-License-Identifier: Apache-2.0
"""The whole command, with a graph of toy steps in the place of the real one."""

import errno
import os
import signal
import sys
import time
from pathlib import Path
from types import ModuleType

import make
import numpy as np
from nipype import Node, Workflow
from nipype.interfaces.base import BaseInterfaceInputSpec, SimpleInterface, TraitedSpec, traits

from facebids.bids import names, records
from facebids.bids.names import HeadImage
from facebids.cli.run import main
from facebids.core.record import Reason
from facebids.errors import EmptyImageError
from facebids.filesystem import write_text_atomic

FLAIR_A, T1W_A, T1W_B, T1W_2 = (
    'sub-01/ses-A/anat/sub-01_ses-A_FLAIR.nii.gz',
    'sub-01/ses-A/anat/sub-01_ses-A_T1w.nii.gz',
    'sub-01/ses-B/anat/sub-01_ses-B_acq-hi_run-1_T1w.nii.gz',
    'sub-02/anat/sub-02_T1w.nii.gz',
)


class _InputSpec(BaseInterfaceInputSpec):
    image = traits.Str()
    source_registration = traits.Str()
    outcome = traits.Str()
    output_dir = traits.Str()
    work_dir = traits.Str()
    private_dir = traits.Str()


class _OutputSpec(TraitedSpec):
    image = traits.Str()


class ToyStep(SimpleInterface):
    """Fails in the way that ``outcome`` asks for, or hands the image on."""

    input_spec = _InputSpec
    output_spec = _OutputSpec
    _always_run = True

    def _run_interface(self, runtime):
        outcome, image, begun = self.inputs.outcome, self.inputs.image, time.process_time()
        if outcome == 'empty':
            raise EmptyImageError(f'{self.inputs.work_dir}/x/{Path(image).name}: only zeros.')
        if outcome == 'bug':
            raise ValueError(f'secret of {self.inputs.work_dir}')
        if outcome == 'slow':
            time.sleep(3)
        if outcome == 'busy':
            filled = bytearray(200 * 2**20)
            while time.process_time() < begun + 0.3:
                filled[::4096] = bytes(len(filled) // 4096)
        if outcome == 'full':
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if outcome == 'orphaned':  # the parent alone is killed
            Path(self.inputs.work_dir, 'worker').write_text(str(os.getpid()))
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)
        if outcome == 'killed':
            os.kill(os.getpid(), signal.SIGKILL)
        if outcome == 'waits' and not (flag := Path(self.inputs.work_dir, 'waits')).exists():
            flag.touch()
            time.sleep(60)
        if outcome == 'terminated':  # all processes of a job are; the run notices it last
            parent = os.getppid()
            if not os.fork():
                os.closerange(3, 256)  # the run would wait for the end of this process, too
                time.sleep(0.2)
                os.kill(parent, signal.SIGTERM)
                os._exit(0)
            os.kill(os.getpid(), signal.SIGTERM)
        if outcome == 'interrupted':
            raise KeyboardInterrupt
        if outcome == 'ended':  # the whole run is, by the cluster, while this step is at work
            Path(self.inputs.work_dir, 'worker').write_text(str(os.getpid()))
            os.kill(os.getppid(), signal.SIGTERM)
            time.sleep(60)
            Path(self.inputs.work_dir, 'finished').touch()
        self._results['image'] = image
        return runtime


class ToySink(ToyStep):
    """Writes what the real sink would: released or withheld files, templates and the record."""

    def _run_interface(self, runtime):
        image = HeadImage.from_relative_path(self.inputs.image)
        verdict = 'fail' if self.inputs.outcome == 'fail' else 'pass'
        reason = Reason('face_found_after', 'fail', 'A face was found.')
        record = make.image_record(
            image.relative_path,
            verdict=verdict,
            reasons=(reason,) if verdict == 'fail' else (),
            identifiability={'faces_before': 9},
        )
        for name in names.public_files(image):
            public = Path(self.inputs.output_dir) / name
            withheld = Path(self.inputs.private_dir) / names.withheld(name)
            if self.inputs.outcome != 'lost':
                write_text_atomic(withheld if verdict == 'fail' else public, 'x')
        for state in names.STATES:
            path = Path(self.inputs.private_dir) / names.private_templates(image, state)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path)
        records.write(Path(self.inputs.work_dir) / names.record(image), record)
        self._results['image'] = image.relative_path
        return runtime


def _factory(outcomes):
    """Return a factory of graphs in which images end as ``outcomes`` says, by relative path."""

    def init_facebids_wf(*, settings, plans, template=None):
        workflow = Workflow('facebids_wf')
        for plan in plans:
            participant = Workflow(f'sub_{plan.participant}_wf')
            found = {}
            for item in (*plan.images, *plan.registered):
                inputs = {
                    'outcome': outcomes.get(item.image.relative_path, 'pass'),
                    'output_dir': str(settings.output_dir),
                    'work_dir': str(settings.work_dir),
                    'private_dir': str(settings.private_dir),
                }
                step = Node(ToyStep(image=item.image.relative_path, **inputs), name='step')
                name = names.workflow_name(item.image)
                if item in plan.registered:
                    found[item.image] = Workflow(f'register_{name}'), 'step'
                    found[item.image][0].add_nodes([step])
                    continue
                found[item.image] = Workflow(name), 'register_wf.step'
                register = Workflow('register_wf')
                register.add_nodes([step])
                sink = Node(ToySink(**inputs), name='sink')
                found[item.image][0].connect(register, 'step.image', sink, 'image')
            participant.add_nodes([one for one, _ in found.values()])
            for item in (*plan.images, *plan.registered):
                if item.source:
                    (source, given), (one, taken) = found[item.source], found[item.image]
                    participant.connect(
                        source, f'{given}.image', one, f'{taken}.source_registration'
                    )
            workflow.add_nodes([participant])
        return workflow

    return init_facebids_wf


def toy_modules(outcomes):
    """Return the modules that put the graph of toys in the place of the real one, by name."""
    base = ModuleType('facebids.workflows.base')
    base.init_facebids_wf = _factory(outcomes)
    return {'facebids.workflows': ModuleType('workflows'), 'facebids.workflows.base': base}


def write_command(path, outcomes=None):
    """Write a program that is the command with toy steps."""
    support = Path(__file__).parent
    places = [str(support), str(support.parents[1] / 'benchmarks')]
    lines = [
        f'#!{sys.executable}',
        'import os, sys',
        f'sys.path[:0] = {places!r}',
        f'os.environ["PYTHONPATH"] = {os.pathsep.join(places)!r}',
        'import toys',
        f'sys.modules.update(toys.toy_modules({outcomes or {}!r}))',
        'sys.exit(toys.main())',
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(lines) + '\n')
    path.chmod(0o755)


class Runner:
    """Runs the command on the skeleton and remembers where everything is."""

    def __init__(self, bids_dir, root, monkeypatch):
        self.bids, self.out, self.work = bids_dir, root / 'out', root / 'work'
        self.private = self.work / 'private'
        self.monkeypatch = monkeypatch

    def __call__(self, *options, level='participant', **outcomes):
        for name, module in toy_modules(outcomes.get('outcomes', {})).items():
            self.monkeypatch.setitem(sys.modules, name, module)
        places = [str(self.bids), str(self.out), level, '-w', str(self.work)]
        return main([*places, '--nprocs', '1', *options])

    def files(self, image):
        return [self.out / name for name in names.public_files(image_of(image))]

    def withheld(self, image):
        return [self.private / f'withheld/{name}' for name in names.public_files(image_of(image))]

    def verdicts(self):
        return {item.image: item.verdict for item in records.read_all(self.out)}

    def reason(self, image):
        found = next(item for item in records.read_all(self.out) if item.image == image)
        return found.reasons[0]


def image_of(path):
    """Return the image at a relative path."""
    return HeadImage.from_relative_path(path)
