# SPDX-License-Identifier: Apache-2.0
"""What a run that is killed at any moment leaves in the output."""

import functools
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import sys
from dataclasses import replace

import make
import numpy as np
import pytest

from facebids import filesystem
from facebids.bids import names, records
from facebids.bids.names import HeadImage
from facebids.core.alignment.quality import Quality
from facebids.core.alignment.result import TemplateAlignment, as_matrix
from facebids.core.metrics_file import to_json
from facebids.errors import UnreadableImageError
from facebids.interfaces import sink
from facebids.interfaces.files import RegistrationFile

IMAGE = HeadImage.from_relative_path('sub-01/anat/sub-01_T1w.nii.gz')
FILES = ('mask', 'before', 'after', 'slices', 'renders', 'slices_before', 'renders_before')


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Run the sink with files of a word each."""
    monkeypatch.setattr(sink.Sink, '_write_private', lambda *_, **__: None)
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        (tmp_path / name).write_text(name)

    def run(
        verdict,
        defaced='new',
        template=None,
        passed_on=False,
        changed_meanwhile=None,
        files=FILES,
    ):
        found = replace(make.alignment(np.eye(4)), template=template)
        make.written(tmp_path, 'registration', RegistrationFile(found))

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
        sink.Sink(
            relative_path=IMAGE.relative_path,
            in_file=str(tmp_path / 'in_file'),
            **{f'{name}_dir': str(tmp_path / name) for name in ('output', 'private', 'work')},
            **{name: str(tmp_path / name) for name in (*files, *ALWAYS)},
        ).run()

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


def test_nothing_of_an_earlier_attack_stays_where_there_is_none(write, tmp_path, monkeypatch):
    write('pass')
    monkeypatch.undo()  # of what is private
    monkeypatch.chdir(tmp_path)
    private = [names.private_templates(IMAGE, state) for state in names.STATES]
    private.append(names.private_figure(IMAGE, 'renders'))
    for path in (tmp_path / 'private' / name for name in private):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('of an earlier run')
    write('review', files=('mask', 'slices', 'slices_before'))
    assert defaced(tmp_path) == 'new'
    assert not (tmp_path / 'output' / names.figure(IMAGE, 'renders')).exists()
    assert not any((tmp_path / 'private' / name).exists() for name in private)
    assert (tmp_path / 'private' / names.private_figure(IMAGE, 'slices')).is_file()


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


def operations(run, at=None):
    """Count the file operations of a run in a process of its own, and kill it at one of them."""
    count = multiprocessing.get_context('fork').Value('i', 0)
    if child := os.fork():
        os.waitpid(child, 0)
        return count.value
    try:
        sys.addaudithook(functools.partial(_count, count, at))
        run()
    finally:
        os._exit(0)


def _count(count, at, event, arguments):
    if event in ('open', 'os.rename', 'os.remove', 'os.mkdir'):
        if event == 'open' and isinstance(arguments[1], str) and 'r' in arguments[1]:
            return
        count.value += 1
        if count.value == at:
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize('verdict', ['pass', 'fail'])
@pytest.mark.parametrize('earlier', [None, 'pass', 'fail'])
def test_a_kill_at_any_file_operation_leaves_nothing_wrong(write, tmp_path, verdict, earlier):
    places = [tmp_path / name for name in ('output', 'private', 'work')]

    def begin():
        for place in places:
            shutil.rmtree(place, ignore_errors=True)
        if earlier:
            write(earlier, 'old')

    begin()
    last = operations(lambda: write(verdict))
    assert last > 20
    released = {'pass': 'new', 'fail': None}[verdict]
    for at in range(1, last + 1):
        begin()
        operations(lambda: write(verdict), at)
        said, there = verdicts(tmp_path), defaced(tmp_path)
        if there:  # no image without a verdict that releases it
            assert said == ['pass'], at
        if earlier == verdict == 'pass':  # none is gone before its successor is there
            assert there in ('old', 'new'), at
        write(verdict)
        for place in places:
            filesystem.sweep(place.rglob('*'))
            assert not list(place.rglob(f'{filesystem.TEMPORARY}*')), at
        assert verdicts(tmp_path) == [verdict]
        assert defaced(tmp_path) == released
