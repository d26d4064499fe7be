# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from nipype.interfaces.base import isdefined

from facebids.bids.inputs import HeadImage
from facebids.bids.plan import make_plan
from facebids.config import Settings
from facebids.workflows.base import init_facebids_wf
from facebids.workflows.utility import init_utility_wf

NAMES = (
    'sub-01/ses-A/anat/sub-01_ses-A_T1w.nii.gz',
    'sub-01/ses-A/anat/sub-01_ses-A_FLAIR.nii.gz',
    'sub-x2/anat/sub-x2_acq-hi_run-1_T1w.nii.gz',
)
STEPS = {
    'register', 'screen', 'face_mask', 'deface', 'attack_before', 'attack_after', 'judge',
    'utility', 'figures_before', 'figures_after', 'sink',
}  # fmt: skip


@pytest.fixture
def workflow(tmp_path):
    return graph(tmp_path)


def make_settings(tmp_path, mode='remove'):
    return Settings(
        bids_dir=tmp_path / 'raw',
        output_dir=tmp_path / 'out',
        analysis_level='participant',
        work_dir=tmp_path / 'work',
        private_dir=tmp_path / 'private',
        mode=mode,
        seed=5,
        omp_nthreads=2,
        force=True,
    )


def graph(tmp_path, mode='remove'):
    settings = make_settings(tmp_path, mode)
    images = tuple(HeadImage.from_relative_path(name, str(tmp_path)) for name in NAMES)
    return init_facebids_wf(settings=settings, plans=make_plan(images))


def nodes(workflow, image):
    return {
        node.name: node
        for node in workflow._create_flat_graph().nodes()
        if f'{image}_wf' in node.fullname and node.name not in ('inputnode', 'outputnode')
    }


@pytest.mark.parametrize(
    'image', ['sub_01_ses_A_T1w', 'sub_01_ses_A_FLAIR', 'sub_x2_acq_hi_run_1_T1w']
)
def test_every_image_takes_every_step(workflow, image):
    assert set(nodes(workflow, image)) == STEPS


def test_an_image_with_another_face_is_registered_again(tmp_path):
    steps = nodes(graph(tmp_path, 'reface'), 'sub_01_ses_A_FLAIR')
    assert set(steps) == STEPS | {'register_after'}
    assert steps['register_after'].inputs.modality == 'FLAIR'
    assert steps['register_after'].inputs.seed == steps['register'].inputs.seed
    workflow = init_utility_wf(modality='FLAIR', settings=make_settings(tmp_path, 'reface'))
    edges = workflow._graph.edges(data=True)
    connected = {(s.name, t.name): data['connect'] for s, t, data in edges}
    assert connected['inputnode', 'register_after'] == [('defaced', 'in_file')]
    assert connected['register_after', 'utility'] == [('out_file', 'registration_after')]


def test_no_step_depends_on_another_image(workflow):
    graph = workflow._create_flat_graph()
    for source, target in graph.edges():
        assert source.fullname.split('.')[:3] == target.fullname.split('.')[:3]


def test_settings_reach_the_steps(workflow):
    steps = nodes(workflow, 'sub_01_ses_A_FLAIR')
    assert steps['register'].inputs.modality == 'FLAIR'
    assert steps['register'].n_procs == 2
    assert steps['screen'].inputs.force is True
    assert not isdefined(steps['register'].inputs.template)
    assert {steps[name].inputs.seed for name in ('register', 'attack_before', 'attack_after')} == {
        5
    }
    assert Path(steps['sink'].inputs.private_dir).name == 'private'


def test_every_mandatory_input_is_connected_or_set(workflow):
    graph = workflow._create_flat_graph()
    connected = {}
    for _, target, data in graph.edges(data=True):
        connected.setdefault(target.fullname, set()).update(field for _, field in data['connect'])
    for node in graph.nodes():
        given = connected.get(node.fullname, set())
        for name in node.inputs.traits(mandatory=True):
            assert name in given or isdefined(getattr(node.inputs, name)), (
                f'{node.fullname}.{name}'
            )
