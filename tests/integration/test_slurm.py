# SPDX-License-Identifier: Apache-2.0
"""The recipes of docs/hpc on a real Slurm of one node, which runs on this machine."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import slurm
from toys import write_command

from facebids.bids import names, records
from facebids.bids.names import HeadImage
from facebids.cli.phantom import main as make_phantoms
from facebids.filesystem import TEMPORARY

RECIPES = Path(__file__).parents[2] / 'docs' / 'hpc'
IMAGES = [f'sub-0{number}/anat/sub-0{number}_T1w.nii.gz' for number in range(1, 5)]
KILLED = 1  # number of the task, of sub-02


@pytest.fixture(scope='module')
def cluster():
    try:
        with slurm.slurm() as running:
            yield running
    except slurm.UnavailableError as error:
        pytest.skip(f'no Slurm: {error}')


class Cohort:
    """Four phantoms, and the jobs that process them as the documentation says."""

    def __init__(self, root, cluster, *options):
        self.root, self.cluster, self.options = root, cluster, options
        self.raw, self.out, self.work = root / 'raw', root / 'out', root / 'work'
        assert not make_phantoms([str(self.raw), '--participants', '4', '--resolution', '3'])
        shutil.copy(RECIPES / 'slurm-array.sbatch', root)
        self.environment = {**cluster.environment, 'SCRATCH': str(root)}
        self.use(Path(sys.executable).parent)

    def use(self, folder):
        """Use the command in a folder."""
        self.environment['PATH'] = f'{folder}:{self.cluster.environment["PATH"]}'

    def submit(self, tasks):
        """Submit array and group level with the commands of docs/hpc, and return their jobs."""
        options = ' '.join(['--bids-database-dir', f'{self.root}/index', *self.options])
        text = (RECIPES / 'index.md').read_text()
        (commands,) = re.findall(r'```sh\n(bids=.*?)```', text, re.S)
        for old, new in {
            'bids=/data/bids': f'bids={self.raw}',
            'out=/data/defaced': f'out={self.out}',
            'work=$SCRATCH/facebids': f'work={self.work}',
            '0-"$last"': tasks,
            '"$work")': f'"$work" {options})',
        }.items():
            assert commands.count(old) == 1, old
            commands = commands.replace(old, new)
        said = self.cluster.run(
            'sh', '-euc', f'{commands}\necho "$job"', cwd=self.root, env=self.environment
        )
        group, array = re.search(r'(\d+)\n(\d+)$', said).groups()
        return array, group

    def logs(self):
        return '\n'.join(path.read_text() for path in self.root.glob('*.log'))


def _whole(folder, of_toys):
    """Return the images that have all outputs, after a look into every file."""
    written = [path for path in folder.rglob('*') if path.is_file()]
    for path in written:
        if path.name.startswith(TEMPORARY):
            continue
        if path.suffix == '.json' and path.read_text() != 'x':
            json.loads(path.read_text())
        if path.name.endswith('.nii.gz') and not of_toys:
            np.asanyarray(nib.load(path).dataobj)

    def wanted(image):  # without the attack nothing is rendered
        found = names.public_files(_image(image))
        return [name for name in found if of_toys or 'desc-renders' not in name]

    return [image for image in IMAGES if all(folder / name in written for name in wanted(image))]


def _image(path):
    return HeadImage.from_relative_path(path)


def _check_recovery(cohort, begun, of_toys=False):
    """Kill one task of the array once it has begun, and submit it again."""
    cluster = cohort.cluster
    array, group = cohort.submit('0-3')
    while not begun():
        assert 'FAILED' not in cluster.states(array).values(), cohort.logs()
        time.sleep(0.2)
    cluster.run('scancel', '--full', '--signal=KILL', f'{array}_{KILLED}')
    states = cluster.wait(array)
    assert {states.pop(str(KILLED))} <= {'FAILED', 'CANCELLED'}
    assert set(states.values()) == {'COMPLETED'}, cohort.logs()
    assert cluster.wait(group) == {'N/A': 'COMPLETED'}, cohort.logs()
    _check(cohort, [image for image in IMAGES if image != IMAGES[KILLED]], of_toys)

    array, group = cohort.submit(str(KILLED))
    assert cluster.wait(array) == {str(KILLED): 'COMPLETED'}, cohort.logs()
    assert cluster.wait(group) == {'N/A': 'COMPLETED'}, cohort.logs()
    _check(cohort, IMAGES, of_toys)
    assert not list(cohort.root.rglob(f'{TEMPORARY}*'))
    assert 'Traceback' not in cohort.logs()


def _check(cohort, images, of_toys):
    """Check that the results of these images are complete, and that there are no others."""
    assert [item.image for item in records.read_all(cohort.out)] == images
    assert _whole(cohort.out, of_toys) == images
    lines = (cohort.out / names.GROUP_TABLE).read_text().splitlines()
    assert [line.split('\t')[2] for line in lines[1:]] == images
    assert (cohort.out / names.GROUP_PAGE).is_file()


def test_an_array_of_jobs_of_which_one_is_killed_and_submitted_again(tmp_path, cluster):
    """With steps that take no time."""
    cohort = Cohort(tmp_path, cluster)
    cohort.use(tmp_path / 'bin')
    write_command(tmp_path / 'bin/facebids', {IMAGES[KILLED]: 'waits'})
    _check_recovery(cohort, (cohort.work / 'waits').exists, of_toys=True)


@pytest.mark.slow
def test_an_array_of_jobs_that_deface_phantoms(tmp_path, cluster):
    cohort = Cohort(tmp_path, cluster, '--deface-only')
    steps = 'nipype/*/sub_02_wf/*/register_wf/*'
    _check_recovery(cohort, lambda: list(cohort.work.glob(steps)))


def _start(cohort, plugin, outcomes, people):
    write_command(cohort.root / 'bin/facebids', outcomes)
    arguments = cohort.root / 'plugin.json'
    arguments.write_text(json.dumps({'sbatch_args': '--mem=1G --time=5'}))
    folders = [str(cohort.raw), str(cohort.out), 'participant', '--work-dir', str(cohort.work)]
    options = ['--plugin', plugin, '--plugin-args', str(arguments), '--resource-monitor']
    options += ['--participant-label', *people]
    return subprocess.Popen(
        [str(cohort.root / 'bin/facebids'), *folders, *options],
        env=cohort.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


@pytest.mark.parametrize('plugin', ['SLURM', 'SLURMGraph'])
def test_each_step_may_be_a_job(tmp_path, cluster, plugin):
    cohort = Cohort(tmp_path, cluster)
    process = _start(cohort, plugin, {IMAGES[1]: 'empty'}, ['01', '02'])
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 1, said
    assert f'{IMAGES[0]}: pass' in said
    assert f'{IMAGES[1]}: fail' in said
    found = {item.image: item.codes for item in records.read_all(cohort.out)}
    assert found == {IMAGES[0]: (), IMAGES[1]: ('empty_image_error',)}
    assert _whole(cohort.out, of_toys=True) == IMAGES[:1]
    (path,) = cohort.work.glob('log/*/resources.tsv')
    steps = [line.split('\t')[:2] for line in path.read_text().splitlines()[1:]]
    assert sorted(steps) == [[IMAGES[0], 'sink'], [IMAGES[0], 'step'], [IMAGES[1], 'step']]
    assert not cluster.run('squeue', '-h')


@pytest.mark.parametrize('plugin', ['SLURM', 'SLURMGraph'])
def test_an_interrupt_ends_the_jobs_of_the_steps(tmp_path, cluster, plugin):
    cohort = Cohort(tmp_path, cluster)
    process = _start(cohort, plugin, {IMAGES[0]: 'waits'}, ['01'])
    while not (cohort.work / 'waits').exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert (process.returncode, 'interrupted' in said) == (130, True), said
    for _ in range(100):
        if not (queue := cluster.run('squeue', '-h')):
            break
        time.sleep(0.2)
    assert not queue
    assert not records.read_all(cohort.out)
