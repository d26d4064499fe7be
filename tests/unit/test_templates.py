# SPDX-License-Identifier: Apache-2.0
"""A template of a small head in a folder like TemplateFlow's, and nothing fetched for it."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from facebids.bids import names, templateflow
from facebids.bids.names import HeadImage, Template
from facebids.config import Settings
from facebids.core import grids
from facebids.core.alignment import registration
from facebids.core.alignment import space_template as carried
from facebids.core.alignment.quality import Quality
from facebids.core.atlas import generic_atlas
from facebids.core.phantoms import phantom
from facebids.errors import TemplateError, UsageError
from facebids.stages.space_template import prepare_template

CHILD = 'Child:cohort-3:res-2'
FOLDER = 'tpl-Child/cohort-3'
HEAD = f'{FOLDER}/tpl-Child_cohort-3_res-02_T1w.nii.gz'
BRAIN = f'{FOLDER}/tpl-Child_cohort-3_res-02_desc-brain_mask.nii.gz'


def pose(size, shift):
    transform = np.diag([*(size * np.ones(3)), 1.0])
    transform[:3, 3] = shift
    return transform


def save(path, data, affine):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, affine), path)


@pytest.fixture(scope='module')
def small(phantom_person):
    """Return the scan of a child's head that is the template, and its brain mask."""
    _, head = phantom_person
    rng = np.random.default_rng(0)
    scan = phantom.scan(head, pose(0.75, (2, -10, 5)), 'T1w', rng, noise=0.005, shading=0)
    brain = grids.carry_over(head.brain, head, scan.data.shape, scan.affine, scan.transform) < 0
    return scan, brain.astype(np.uint8)


@pytest.fixture(scope='module')
def shared_home(small, tmp_path_factory):
    home = tmp_path_factory.mktemp('templateflow')
    scan, brain = small
    save(home / HEAD, scan.data, scan.affine)
    save(home / BRAIN, brain, scan.affine)
    return home


@pytest.fixture
def home(shared_home, monkeypatch, no_network):
    monkeypatch.setenv('TEMPLATEFLOW_HOME', str(shared_home))
    return shared_home


def settings(root, template=CHILD):
    folders = {f'{name}_dir': root / name for name in ('bids', 'output', 'work', 'private')}
    return Settings(**folders, analysis_level='participant', template=template)


@pytest.fixture(scope='module')
def prepared(shared_home, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('TEMPLATEFLOW_HOME', str(shared_home))
        return prepare_template(settings(tmp_path_factory.mktemp('prepared')))


@pytest.fixture
def counted(monkeypatch):
    """Replace the registration of the atlas by the identity, and count its calls."""
    calls = []

    def prepare(volume, brain, seed):
        calls.append(brain is not None)
        field = np.zeros((2, 2, 2))
        target = carried.SpaceTemplate((np.arange(2.0),) * 3, field, field, field, np.eye(4))
        return target, Quality(0.9, 0.9, 0.9, 1.0, 0.9)

    monkeypatch.setattr(carried, 'prepare', prepare)
    return calls


def mean_error(found, truth):
    """Distance (mm) between where two affines put points of the brain."""
    atlas = generic_atlas(registration.RESOLUTION)
    points = grids.grid_points(atlas, atlas.brain < 0)[::40]
    moved = [points @ affine[:3, :3].T + affine[:3, 3] for affine in (found, truth)]
    return np.linalg.norm(moved[0] - moved[1], axis=1).mean()


def test_the_atlas_is_registered_to_the_template(prepared, small):
    with np.load(prepared) as arrays:
        target = carried.SpaceTemplate.from_arrays(arrays)
        provenance = json.loads(str(arrays['provenance']))
    assert mean_error(target.from_atlas, small[0].transform) < 1
    assert provenance['name'] == CHILD
    assert set(provenance['files']) == {Path(HEAD).name, Path(BRAIN).name}
    # The brain is that of the template, so its volume is that of the mask.
    spacing = np.prod([axis[1] - axis[0] for axis in target.axes])
    voxel = abs(np.linalg.det(small[0].affine[:3, :3]))
    np.testing.assert_allclose(
        (target.brain < 0).sum() * spacing, small[1].sum() * voxel, rtol=0.02
    )


def test_a_child_is_registered_through_the_template(
    prepared, phantom_person, tmp_path, monkeypatch
):
    from facebids.interfaces import files
    from facebids.interfaces.registration import Register

    monkeypatch.chdir(tmp_path)
    truth = pose((0.70, 0.72, 0.71), (4, 3, -6))
    scan = phantom.scan(phantom_person[1], truth, 'T1w', np.random.default_rng(1), spacing=2.5)
    save(tmp_path / 'child.nii.gz', scan.data, scan.affine)
    step = Register(in_file=str(tmp_path / 'child.nii.gz'), contrast='T1w', template=str(prepared))
    found = files.read_alignment(step.run().outputs.out_file)
    assert mean_error(found.affine, truth) < 2
    atlas = generic_atlas(registration.RESOLUTION)
    direct = registration.quality(scan.data, scan.affine, truth, atlas, 'T1w')
    assert found.numbers.brain == pytest.approx(direct.brain, abs=0.1)
    assert found.numbers.head == pytest.approx(direct.head, abs=0.03)
    composed = np.array(found.template.affine) @ np.array(found.template.from_atlas)
    np.testing.assert_allclose(composed, found.affine, atol=1e-9)


def test_a_brain_without_a_head_is_no_template(small, tmp_path, monkeypatch, no_network):
    scan, brain = small
    save(tmp_path / 'tpl-Brain/tpl-Brain_res-1_T1w.nii.gz', scan.data * brain, scan.affine)
    monkeypatch.setenv('TEMPLATEFLOW_HOME', str(tmp_path))
    with pytest.raises(TemplateError, match=r'does not fit tpl-Brain_res-1_T1w.*head 0\.'):
        prepare_template(settings(tmp_path / 'run', 'Brain'))
    assert not list((tmp_path / 'run').rglob('*.npz'))


def test_a_template_is_prepared_once(home, counted, tmp_path):
    first = prepare_template(settings(tmp_path))
    content = first.read_bytes()
    assert prepare_template(settings(tmp_path)) == first
    assert counted == [True]
    assert first.read_bytes() == content


@pytest.mark.parametrize('changed', ['content', 'mask', 'version', 'code', 'seed'])
def test_a_template_is_prepared_anew_when_what_it_is_made_of_changes(
    shared_home, counted, tmp_path, monkeypatch, changed
):
    for name in (HEAD, BRAIN):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((shared_home / name).read_bytes())
    monkeypatch.setenv('TEMPLATEFLOW_HOME', str(tmp_path))
    asked = settings(tmp_path / 'run')
    first = prepare_template(asked)
    if changed == 'content':
        image = nib.load(tmp_path / HEAD)
        save(tmp_path / HEAD, np.asarray(image.dataobj) + 1, image.affine)
    elif changed == 'mask':
        (tmp_path / BRAIN).unlink()
    elif changed == 'version':
        monkeypatch.setattr('facebids.provenance.__version__', '999')
    elif changed == 'code':
        monkeypatch.setattr('facebids.provenance.source_digest', lambda: 'f' * 64)
    else:
        asked = replace(asked, seed=1)
    assert prepare_template(asked) != first
    assert counted == [True, changed != 'mask']


def test_no_template_is_searched_for_unless_one_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(
        'facebids.stages.space_template.find_template', lambda _: pytest.fail('asked')
    )
    assert prepare_template(settings(tmp_path, None)) is None


@pytest.mark.parametrize('text', ['Child:cohort-3:res-02', 'Child:cohort-3:res-2'])
def test_files_are_found_for_both_spellings_of_their_resolution(home, text):
    found = templateflow.find_template(Template.from_text(text))
    assert (found.head, found.brain) == (home / HEAD, home / BRAIN)


def test_local_files_are_used_without_the_client(home):
    code = (
        'import sys; from facebids.bids.templateflow import *; from facebids.bids.names import *; '
        f'find_template(Template.from_text({CHILD!r})); print("templateflow" in sys.modules)'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.strip() == 'False'


def test_a_template_without_resolution_is_the_finest_or_the_only_one(home, tmp_path, monkeypatch):
    folder = tmp_path / 'tpl-One'
    folder.mkdir()
    monkeypatch.setenv('TEMPLATEFLOW_HOME', str(tmp_path))
    (folder / 'tpl-One_T1w.nii.gz').write_text('x')
    (folder / 'tpl-One_res-2_T1w.nii.gz').write_text('x')
    (folder / 'tpl-One_res-1_desc-brain_T1w.nii.gz').write_text('x')
    assert templateflow.find_template(Template('One')).head.name == 'tpl-One_T1w.nii.gz'
    (folder / 'tpl-One_T1w.nii.gz').rename(folder / 'tpl-One_res-01_T1w.nii.gz')
    assert templateflow.find_template(Template('One')).head.name == 'tpl-One_res-01_T1w.nii.gz'


def client(monkeypatch, get):
    """Put another client in the place of TemplateFlow's."""

    class Client:
        def __init__(self, root):
            self.root = root

    Client.get = get
    module = type(sys)('templateflow')
    module.TemplateFlowClient = Client
    monkeypatch.setitem(sys.modules, 'templateflow', module)


def test_a_missing_file_is_named_with_how_to_download_it(home, monkeypatch):
    def get(self, *_, **__):
        raise ConnectionError

    client(monkeypatch, get)
    with pytest.raises(TemplateError) as error:
        templateflow.find_template(Template('Child', '4', 2))
    message = str(error.value)
    assert 'tpl-Child/cohort-4/tpl-Child_cohort-4_res-2_T1w.nii.gz' in message
    assert f'{home} (TEMPLATEFLOW_HOME)' in message
    assert "api.get('Child', cohort=4, resolution=2, desc=None, suffix='T1w'" in message
    assert error.value.exit_code == 2


def test_cohorts_are_listed_where_none_is_named(home, monkeypatch):
    client(monkeypatch, lambda self, *_, **__: None)
    with pytest.raises(TemplateError, match='It has cohort-3; name one'):
        templateflow.find_template(Template('Child'))


ASK = """
from facebids.bids import templateflow
from facebids.bids.names import Template
from facebids.errors import TemplateError
try:
    templateflow.find_template(Template('Nobody'))
except TemplateError as error:
    print(error)
"""


@pytest.mark.parametrize('is_folder', [True, False])
def test_an_unknown_template_is_searched_for_without_network(no_network, tmp_path, is_folder):
    """The true client: it fills an empty folder with the names of all files it knows."""
    home = tmp_path / 'home'
    if not is_folder:  # nor can it be made
        home.write_text('')
    environment = os.environ | {'TEMPLATEFLOW_HOME': str(home), 'TEMPLATEFLOW_AUTOUPDATE': 'on'}
    done = subprocess.run(
        [sys.executable, '-c', ASK], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.startswith('--template Nobody: tpl-Nobody/tpl-Nobody_res-1_T1w.nii.gz is')
    assert done.stdout.count('\n') == 1
    assert not done.stderr


def test_a_missing_file_is_downloaded(home, monkeypatch, tmp_path):
    monkeypatch.setenv('TEMPLATEFLOW_HOME', str(tmp_path))
    stub = tmp_path / HEAD
    stub.parent.mkdir(parents=True)
    stub.touch()
    asked = {}

    def get(self, name, **query):
        asked.update(query, name=name, root=self.root)
        stub.write_bytes(b'head')

    client(monkeypatch, get)
    assert templateflow.find_template(Template.from_text(CHILD)).head == stub
    assert (asked['name'], asked['cohort'], asked['resolution']) == ('Child', 3, 2)
    assert asked['root'] == tmp_path


def test_an_incomplete_download_is_not_used(monkeypatch, tmp_path):
    monkeypatch.setenv('TEMPLATEFLOW_HOME', str(tmp_path))
    stub = tmp_path / HEAD
    stub.parent.mkdir(parents=True)

    def get(self, *_, **__):
        stub.write_bytes(b'he')
        raise ConnectionError

    client(monkeypatch, get)
    for _ in range(2):
        with pytest.raises(TemplateError, match='the download failed'):
            templateflow.find_template(Template.from_text(CHILD))


def test_a_missing_mask_of_a_template_is_an_error(home, tmp_path, monkeypatch):
    monkeypatch.setenv('TEMPLATEFLOW_HOME', str(tmp_path))
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / HEAD).write_bytes(b'head')
    assert templateflow.find_template(Template.from_text(CHILD)).brain is None
    (tmp_path / BRAIN).touch()
    client(monkeypatch, lambda self, *_, **__: None)
    with pytest.raises(TemplateError, match='desc-brain_mask'):
        templateflow.find_template(Template.from_text(CHILD))


def test_a_damaged_file_is_named(home, tmp_path, monkeypatch):
    monkeypatch.setenv('TEMPLATEFLOW_HOME', str(tmp_path))
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / HEAD).write_bytes((home / HEAD).read_bytes()[:5000])
    with pytest.raises(TemplateError, match=f'{CHILD}.*{Path(HEAD).name}.*damaged'):
        prepare_template(settings(tmp_path / 'run'))


@pytest.mark.parametrize('text', ['', 'A:foo', 'A:cohort-', 'A:res-x', 'A:res-1:cohort-2', 'A/B'])
def test_an_invalid_name_of_a_template_is_refused(text):
    with pytest.raises(UsageError, match='NAME'):
        Template.from_text(text)


@pytest.mark.parametrize('text', ['A', 'A:cohort-3', 'A:res-2', 'A:cohort-3:res-2'])
def test_a_template_is_written_as_it_is_read(text):
    assert str(Template.from_text(text)) == text


def test_transforms_are_named_after_the_template():
    image = HeadImage.from_relative_path('sub-1/anat/sub-1_acq-x_T1w.nii.gz')
    child = Template.from_text(CHILD)
    assert names.to_template(image, child) == (
        'sub-1/anat/sub-1_cohort-3_acq-x_from-T1w_to-Child_mode-image_xfm.txt'
    )
    assert names.from_template(image, Template('Adult')) == (
        'sub-1/anat/sub-1_acq-x_from-Adult_to-T1w_mode-image_xfm.txt'
    )


def test_transforms_of_an_image_are_distinguished_from_those_of_others():
    image, other, flair = (
        HeadImage.from_relative_path(f'sub-1/anat/sub-1_{name}.nii.gz')
        for name in ('T1w', 'acq-x_T1w', 'FLAIR')
    )
    for template in (names.HEAD_ATLAS, Template('Adult'), Template('Child', '3')):
        for made in (names.to_template, names.from_template):
            name = made(image, template).rpartition('/')[2]
            assert names.is_transform(image, name)
            assert names.is_transform(image, names.sidecar(name))
            assert not names.is_transform(other, name)
            assert not names.is_transform(flair, name)
            assert not names.is_transform(image, made(other, template).rpartition('/')[2])
