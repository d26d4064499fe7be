# SPDX-License-Identifier: Apache-2.0
"""What a run that is killed at any moment leaves in the output."""

import hashlib
import json
from dataclasses import replace

import make
import numpy as np
import pytest

from facebids import filesystem
from facebids.bids import names, records
from facebids.bids.names import HeadImage
from facebids.core.alignment.quality import Quality
from facebids.core.alignment.result import TemplateAlignment, as_matrix
from facebids.core.record import to_json
from facebids.errors import UnreadableImageError
from facebids.interfaces import sink
from facebids.interfaces.files import RegistrationFile

IMAGE = HeadImage.from_relative_path('sub-01/anat/sub-01_T1w.nii.gz')
FILES = ('mask', 'before', 'after', 'slices', 'renders', 'slices_before', 'renders_before')


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Run the sink with files of a word each, up to the first that may not be written."""
    monkeypatch.setattr(sink.Sink, '_write_private', lambda *_, **__: None)
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        (tmp_path / name).write_text(name)

    def run(
        verdict,
        defaced='new',
        killed_at=None,
        template=None,
        passed_on=False,
        changed_meanwhile=None,
    ):
        found = replace(make.alignment(np.eye(4)), template=template)
        make.written(tmp_path, 'registration', RegistrationFile(found))

        def copy(source, target):
            if target.name == killed_at:
                raise KeyboardInterrupt
            original(source, target)

        (tmp_path / 'defaced').write_text(defaced)
        (tmp_path / 'in_file').write_text('the source')
        record = make.image_record(
            IMAGE.relative_path,
            verdict=verdict,
            mode=None if passed_on else 'remove',
            screening={'passed_on': passed_on},
            provenance={
                f'{key}_sha256': filesystem.sha256(tmp_path / name)
                for key, name in (('source', 'in_file'), ('defaced',) * 2, ('mask',) * 2)
            },
        )
        (tmp_path / 'record').write_text(json.dumps(to_json([record])))
        if changed_meanwhile:
            (tmp_path / changed_meanwhile).write_text('something else')
        monkeypatch.setattr(sink, '_copy', copy)
        sink.Sink(
            relative_path=IMAGE.relative_path,
            in_file=str(tmp_path / 'in_file'),
            **{f'{name}_dir': str(tmp_path / name) for name in ('output', 'private', 'work')},
            **{name: str(tmp_path / name) for name in (*FILES, *ALWAYS)},
        ).run()

    original = sink._copy
    return run


ALWAYS = ('registration', 'defaced', 'record')


def verdicts(root):
    return [record.verdict for record in records.read_all(root / 'output')]


def defaced(root):
    path = root / 'output' / names.defaced(IMAGE)
    return path.read_text() if path.exists() else None


def test_a_released_image_is_there_with_all_that_belongs_to_it(write, tmp_path):
    write('pass')
    assert all((tmp_path / 'output' / name).is_file() for name in names.public_files(IMAGE))
    assert verdicts(tmp_path) == ['pass']
    assert records.read(tmp_path / 'work' / names.record(IMAGE)).verdict == 'pass'


def test_the_record_tells_which_files_the_verdict_is_on(write, tmp_path):
    write('pass')
    found = records.read_all(tmp_path / 'output')[0].provenance
    for key, path in (
        ('source', tmp_path / 'in_file'),
        ('defaced', tmp_path / 'output' / names.defaced(IMAGE)),
        ('mask', tmp_path / 'output' / names.mask(IMAGE)),
    ):
        assert getattr(found, f'{key}_sha256') == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize('name', ['in_file', 'defaced', 'mask'])
def test_a_file_that_changes_during_the_run_is_not_released(write, tmp_path, name):
    with pytest.raises(UnreadableImageError, match='changed while'):
        write('pass', changed_meanwhile=name)
    assert not (tmp_path / 'output').exists()


def test_a_withheld_image_takes_back_the_released_one(write, tmp_path):
    write('pass')
    write('fail')
    public = names.public_files(IMAGE)
    assert not any((tmp_path / 'output' / name).exists() for name in public)
    assert all((tmp_path / 'private' / names.withheld(name)).is_file() for name in public)
    assert verdicts(tmp_path) == ['fail']


@pytest.mark.parametrize('passed_on', [False, True])
def test_the_sidecar_tells_whether_a_face_was_replaced(write, tmp_path, passed_on):
    write('pass', passed_on=passed_on)
    sidecar = json.loads((tmp_path / 'output' / names.sidecar(names.defaced(IMAGE))).read_text())
    assert ('DeidentificationMethod' in sidecar) != passed_on
    assert ('already defaced' in sidecar['Description']) == passed_on


def test_an_image_that_arrived_defaced_is_in_no_study(write, tmp_path, monkeypatch):
    monkeypatch.undo()  # what is private is written
    private = [tmp_path / 'private' / names.private_templates(IMAGE, s) for s in names.STATES]
    for path in private:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('of an earlier run')
    monkeypatch.chdir(tmp_path)
    write('pass', passed_on=True)
    assert not any(path.exists() for path in private)
    assert (tmp_path / 'private' / names.private_figure(IMAGE, 'slices')).is_file()


TEMPLATE = TemplateAlignment(
    name='Child:cohort-3:res-2',
    files={'tpl-Child_cohort-3_res-2_T1w.nii.gz': 'abc'},
    fit=Quality(brain=0.5, tissue=0.2, head=0.9, brain_in_view=1.0, score=0.67),
    from_atlas=as_matrix(np.eye(4)),
    affine=as_matrix(np.diag([0.5, 0.5, 0.5, 1])),
)


def transforms(root):
    return {path.name for path in root.rglob('*_mode-image_xfm.*')}


def test_transforms_lead_to_the_template_that_was_named(write, tmp_path):
    write('pass', template=TEMPLATE)
    to_template = 'sub-01_cohort-3_from-T1w_to-Child_mode-image_xfm'
    assert transforms(tmp_path / 'output') == {
        f'{to_template}.txt',
        f'{to_template}.json',
        'sub-01_cohort-3_from-Child_to-T1w_mode-image_xfm.txt',
    }
    anat = tmp_path / 'output/sub-01/anat'
    assert 'Parameters: 0.5 0 0 0 0.5' in (anat / f'{to_template}.txt').read_text()
    sidecar = json.loads((anat / f'{to_template}.json').read_text())
    assert sidecar['Template'] == 'Child:cohort-3:res-2'
    assert sidecar['TemplateFiles'] == TEMPLATE.files


@pytest.mark.parametrize('verdict', ['pass', 'fail'])
def test_transforms_to_another_template_of_an_earlier_run_go(write, tmp_path, verdict):
    write('pass', template=TEMPLATE)
    write(verdict)
    image = names.to_template(IMAGE), names.from_template(IMAGE)
    expected = {name.rpartition('/')[2] for name in image} if verdict == 'pass' else set()
    assert transforms(tmp_path / 'output') == expected


@pytest.mark.parametrize('verdict', ['pass', 'fail'])
def test_what_was_released_goes_before_anything_is_written(write, tmp_path, verdict):
    write('pass', 'old')
    with pytest.raises(KeyboardInterrupt):
        write(verdict, killed_at=names.figure(IMAGE, 'slices').rpartition('/')[2])
    assert not any((tmp_path / 'output' / name).exists() for name in names.public_files(IMAGE)[:4])


@pytest.mark.parametrize('verdict', ['pass', 'fail'])
def test_no_defaced_image_is_there_before_its_verdict(write, tmp_path, verdict):
    with pytest.raises(KeyboardInterrupt):
        write(verdict, killed_at=names.defaced(IMAGE).rpartition('/')[2])
    assert verdicts(tmp_path) == [verdict]
    assert defaced(tmp_path) is None
