# SPDX-License-Identifier: Apache-2.0
"""Structure of the Nipype workflows."""

from pathlib import Path

import pytest
from nipype.interfaces.base import isdefined

from facebids import provenance
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
    'register', 'screen', 'face_mask', 'deface', 'attack_before', 'attack_after', 'decoys',
    'improve', 'judge', 'utility', 'figures_before', 'figures_after', 'sink',
}  # fmt: skip


@pytest.fixture
def workflow(tmp_path):
    return graph(tmp_path)


def make_settings(tmp_path, mode='remove', **options):
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
        **options,
    )


def graph(tmp_path, mode='remove', **options):
    settings = make_settings(tmp_path, mode, **options)
    images = tuple(HeadImage.from_relative_path(name, str(tmp_path)) for name in NAMES)
    return init_facebids_wf(settings=settings, plans=make_plan(images))


def nodes(workflow, image):
    return {
        node.name: node
        for node in workflow._create_flat_graph().nodes()
        if f'{image}_wf' in node.fullname and node.name not in ('inputnode', 'outputnode')
    }


def test_no_cache_is_shared_with_other_code(tmp_path, monkeypatch):
    name = graph(tmp_path).name
    assert provenance.source_digest()[:12] in name
    monkeypatch.setattr('facebids.provenance.source_digest', lambda: 'f' * 64)
    assert graph(tmp_path).name != name


@pytest.mark.parametrize(
    'image', ['sub_01_ses_A_T1w', 'sub_01_ses_A_FLAIR', 'sub_x2_acq_hi_run_1_T1w']
)
def test_every_image_has_every_step(workflow, image):
    assert set(nodes(workflow, image)) == STEPS


@pytest.mark.parametrize('mode', ['remove', 'reface'])
def test_what_is_only_defaced_has_no_step_of_the_attack(tmp_path, mode):
    steps = nodes(graph(tmp_path, mode, deface_only=True), 'sub_01_ses_A_T1w')
    attack = {'attack_before', 'attack_after', 'decoys', 'improve', 'utility'}
    assert set(steps) == STEPS - attack
    assert steps['judge'].inputs.attacked is False
    assert not isdefined(steps['sink'].inputs.before)


def test_a_refaced_image_is_registered_again(tmp_path):
    steps = nodes(graph(tmp_path, 'reface'), 'sub_01_ses_A_FLAIR')
    assert set(steps) == STEPS | {'register_after'}
    assert steps['register_after'].inputs.contrast == 'FLAIR'
    assert steps['register_after'].inputs.seed == steps['register'].inputs.seed
    item = make_plan([HeadImage.from_relative_path(NAMES[1])])[0].images[0]
    workflow = init_utility_wf(item=item, settings=make_settings(tmp_path, 'reface'))
    edges = workflow._graph.edges(data=True)
    connected = {(s.name, t.name): data['connect'] for s, t, data in edges}
    assert connected['inputnode', 'register_after'] == [('defaced', 'in_file')]
    assert connected['register_after', 'utility'] == [('out_file', 'registration_after')]


def test_steps_wait_for_nothing_of_another_image_but_its_registration(workflow):
    graph = workflow._create_flat_graph()
    crossing = {
        (source.name, target.name)
        for source, target in graph.edges()
        if source.fullname.split('.')[:3] != target.fullname.split('.')[:3]
    }
    assert crossing <= {('outputnode', 'inputnode'), ('register', 'register')}
    assert not waits_through(workflow)


def test_a_registration_that_may_be_doubtful_waits_for_its_fallback(tmp_path):
    names = [f'sub-01/anat/sub-01_{suffix}.nii.gz' for suffix in ('T1w', 'FLAIR', 'PDw')]
    target = 'sub_01_PDw_wf.register_wf.register'
    workflow = borrowing(tmp_path, *names)
    assert waits_through(workflow) == {('sub_01_T1w_wf.register_wf.register', target)}
    assert inputs_of(workflow, target).source == names[0]


def test_settings_reach_the_steps(workflow):
    steps = nodes(workflow, 'sub_01_ses_A_FLAIR')
    assert steps['register'].inputs.contrast == 'FLAIR'
    assert steps['register'].n_procs == 2
    assert steps['screen'].inputs.force is True
    assert not isdefined(steps['register'].inputs.template)
    seeded = ('register', 'attack_before', 'attack_after', 'decoys')
    assert {steps[name].inputs.seed for name in seeded} == {5}
    assert Path(steps['sink'].inputs.private_dir).name == 'private'


def test_every_mandatory_input_is_connected_or_set(workflow):
    graph = workflow._create_flat_graph()
    connected = {}
    for _, target, data in graph.edges(data=True):
        connected.setdefault(target.fullname, set()).update(field for _, field in data['connect'])
    for node in graph.nodes():
        given = connected.get(node.fullname, set())
        passed_on = {
            field
            for _, _, data in graph.out_edges(node, data=True)
            for field, _ in data['connect']
            if node.name == 'inputnode'
        }
        for name in {*node.inputs.traits(mandatory=True), *passed_on}:
            assert name in given or isdefined(getattr(node.inputs, name)), (
                f'{node.fullname}.{name}'
            )


def borrowing(tmp_path, *names, others=()):
    settings = Settings(
        tmp_path, tmp_path / 'out', 'participant', tmp_path / 'work', tmp_path / 'private'
    )
    images, others = (
        [HeadImage.from_relative_path(name, str(tmp_path)) for name in group]
        for group in (names, others)
    )
    return init_facebids_wf(settings=settings, plans=make_plan(images, others))


def inputs_of(workflow, name):
    (node,) = [n for n in workflow._create_flat_graph().nodes() if n.fullname.endswith(name)]
    return node.inputs


ECHO = 'sub-01/anat/sub-01_echo-{}_part-{}_MEGRE.nii.gz'


def test_an_image_waits_for_the_registration_that_it_borrows(tmp_path):
    workflow = borrowing(tmp_path, 'sub-01/anat/sub-01_T1w.nii.gz', ECHO.format(1, 'mag'))
    target = 'sub_01_echo_1_part_mag_MEGRE_wf.register_wf.register'
    assert ('sub_01_T1w_wf.register_wf.register', target) in waits_through(workflow)
    inputs = inputs_of(workflow, target)
    assert inputs.source == 'sub-01/anat/sub-01_T1w.nii.gz'
    assert inputs.contrast == 'PDw'


def test_the_source_of_a_registration_need_not_be_defaced(tmp_path):
    t1w = 'sub-01/anat/sub-01_T1w.nii.gz'
    workflow = borrowing(tmp_path, ECHO.format(1, 'mag'), others=[t1w])
    names = {node.fullname for node in workflow._create_flat_graph().nodes()}
    helper = 'register_sub_01_T1w_wf.register'
    target = 'sub_01_echo_1_part_mag_MEGRE_wf.register_wf.register'
    assert (helper, target) in waits_through(workflow)
    assert not [name for name in names if 'sub_01_T1w_wf' in name and 'sink' in name]


def test_a_part_is_attacked_in_its_own_voxels_and_filled_with_zeros(tmp_path):
    workflow = borrowing(tmp_path, ECHO.format(1, 'phase'), ECHO.format(1, 'mag'))
    part = 'sub_01_echo_1_part_phase_MEGRE_wf'
    steps = nodes(workflow, part.removesuffix('_wf'))
    assert set(steps) == STEPS | {'deface_seen', 'show'}
    assert {steps[name].inputs.fill for name in ('deface', 'deface_seen')} == {'zero'}
    assert steps['show'].inputs.signal == 'phase'
    assert steps['show'].inputs.magnitude == f'{tmp_path}/{ECHO.format(1, "mag")}'
    assert inputs_of(workflow, f'{part}.inputnode').in_file.endswith('part-phase_MEGRE.nii.gz')


def waits_through(workflow):
    """Return the pairs of registrations in which the second waits for the first."""
    from networkx import descendants

    graph = workflow._create_flat_graph()
    steps = [node for node in graph.nodes() if node.name == 'register']
    return {
        tuple('.'.join(node.fullname.split('.')[2:]) for node in (source, target))
        for source in steps
        for target in descendants(graph, source)
        if target.name == 'register'
    }
