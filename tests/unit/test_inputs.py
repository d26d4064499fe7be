# SPDX-License-Identifier: Apache-2.0
import json
import os
import sqlite3
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from typing import ClassVar

import pytest

from facebids.bids import inputs, suffixes
from facebids.bids.inputs import collect_images, read_description
from facebids.config import Settings
from facebids.errors import DatasetError, NoImagesError, UsageError

ALL = [
    'sub-01/ses-A/anat/sub-01_ses-A_FLAIR.nii.gz',
    'sub-01/ses-A/anat/sub-01_ses-A_T1w.nii.gz',
    'sub-01/ses-B/anat/sub-01_ses-B_acq-hi_run-1_T1w.nii.gz',
    'sub-02/anat/sub-02_T1w.nii.gz',
]


@pytest.fixture
def settings(bids_dir, tmp_path):
    work = tmp_path / 'work'
    return Settings(bids_dir, tmp_path / 'out', 'participant', work, work / 'private')


def _collect(settings, **changes):
    return [image.relative_path for image in collect_images(replace(settings, **changes)).images]


def test_all_head_images_are_found_except_derivatives_and_sourcedata(settings):
    images = collect_images(settings).images
    assert [image.relative_path for image in images] == ALL
    assert all(os.path.isfile(image.path) for image in images)
    assert images[2].entities == (('sub', '01'), ('ses', 'B'), ('acq', 'hi'), ('run', '1'))


def test_labels_select_images(settings):
    assert _collect(settings, participant_label=('02',)) == ALL[3:]
    assert _collect(settings, session_label=('A',)) == ALL[:2]
    assert _collect(settings, participant_label=('01',), session_label=('B',)) == ALL[2:3]


def test_a_label_does_not_match_a_longer_one(settings, bids_dir):
    (bids_dir / 'sub-02').rename(bids_dir / 'sub-011')
    image = bids_dir / 'sub-011/anat/sub-02_T1w.nii.gz'
    image.rename(image.with_name('sub-011_T1w.nii.gz'))
    assert _collect(settings, participant_label=('01',)) == ALL[:3]


@pytest.mark.parametrize(
    ('filters', 'expected'),
    [
        ({'t1w': {'acquisition': 'hi'}}, [ALL[0], ALL[2]]),
        ({'t1w': {'acquisition': None}}, [ALL[0], ALL[1], ALL[3]]),
        ({'t1w': {'acquisition': '*'}}, [ALL[0], ALL[2]]),
        ({'t1w': {'run': 1}, 'flair': {'session': 'B'}}, [ALL[2]]),
        ({'t1w': {'suffix': 'T1w', 'datatype': 'anat', 'session': ['A']}}, ALL[:2]),
        ({'t1w': {'suffix': 'T2w'}}, ALL[:1]),
        ({'t1w': {'extension': '.nii.gz'}}, ALL),
    ],
)
def test_filters_select_images(settings, filters, expected):
    assert _collect(settings, bids_filters=filters) == expected


def test_a_filter_and_a_label_restrict_each_other(settings):
    filters = {'t1w': {'session': 'B'}, 'flair': {'session': 'B'}}
    with pytest.raises(NoImagesError):
        collect_images(replace(settings, session_label=('A',), bids_filters=filters))


def test_an_unknown_entity_in_a_filter_is_refused(settings):
    with pytest.raises(UsageError, match='acquisitoin'):
        collect_images(replace(settings, bids_filters={'t1w': {'acquisitoin': 'hi'}}))


def test_unknown_labels_are_refused_and_known_ones_named(settings):
    with pytest.raises(UsageError, match=r'no participant 03\. The dataset has 01, 02\.'):
        collect_images(replace(settings, participant_label=('01', '03')))
    with pytest.raises(UsageError, match=r'no session C\. The dataset has A, B\.'):
        collect_images(replace(settings, session_label=('C',)))


def test_a_request_without_images_is_an_error(settings):
    with pytest.raises(NoImagesError, match='no head image'):
        collect_images(replace(settings, bids_filters={'t1w': {'run': 9}, 'flair': {'run': 9}}))


def test_a_folder_without_description_is_not_bids_unless_skipped(settings, bids_dir):
    (bids_dir / 'dataset_description.json').unlink()
    with pytest.raises(DatasetError, match=r'dataset_description\.json is missing'):
        collect_images(settings)
    assert _collect(settings, skip_bids_validation=True) == ALL
    assert read_description(bids_dir, required=False) == {}


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{"Name": "x"', 'unreadable'),
        ('[]', 'not a JSON object'),
        ('{"Name": "x"}', 'lacks BIDSVersion'),
        ('{"Name": "x", "BIDSVersion": "1", "DatasetType": "derivative"}', 'derivative dataset'),
    ],
)
def test_an_invalid_description_is_refused(bids_dir, text, message):
    (bids_dir / 'dataset_description.json').write_text(text)
    with pytest.raises(DatasetError, match=message):
        read_description(bids_dir)


def test_validation_excludes_files_that_are_not_in_bids(settings, bids_dir):
    odd = bids_dir / 'sub-02/anat/sub-02_site-a_T1w.nii.gz'
    odd.write_bytes((bids_dir / ALL[3]).read_bytes())
    assert odd.name not in str(_collect(settings))
    assert odd.name in str(_collect(settings, skip_bids_validation=True))


def test_two_files_with_one_output_are_refused(settings, bids_dir):
    twin = bids_dir / 'sub-02/anat/sub-02_T1w.nii'
    twin.write_bytes(b'')
    found = collect_images(settings)
    assert [image.relative_path for image in found.images] == ALL[:3]
    names = [ALL[3], ALL[3].removesuffix('.gz')]
    assert sorted(item.image.relative_path for item in found.refused) == sorted(names)
    assert {item.code for item in found.refused} == {'same_output'}


@pytest.mark.parametrize(
    'pair',
    [
        # one record and one part of the graph
        ('sub-02/ses-A/anat/sub-02_T1w.nii.gz', 'sub-02/ses-B/anat/sub-02_T1w.nii.gz'),
        # one mask: it has `space-T1w` in its name
        ('sub-03/anat/sub-03_space-a_T1w.nii.gz', 'sub-03/anat/sub-03_space-b_T1w.nii.gz'),
    ],
)
def test_two_files_with_anything_in_common_are_named(settings, bids_dir, pair):
    for name in pair:
        (bids_dir / name).parent.mkdir(parents=True, exist_ok=True)
        (bids_dir / name).write_bytes(b'')
    found = collect_images(replace(settings, skip_bids_validation=True))
    messages = {item.image.relative_path: item.message for item in found.refused}
    for name, other in (pair, reversed(pair)):
        assert other in messages[name]


def test_symbolic_links_keep_their_own_path(settings, bids_dir, tmp_path):
    image = bids_dir / ALL[3]
    image.rename(tmp_path / 'annex')
    image.symlink_to(tmp_path / 'annex')
    linked = tmp_path / 'linked'
    linked.symlink_to(bids_dir)
    images = collect_images(replace(settings, bids_dir=linked)).images
    assert [item.relative_path for item in images] == ALL
    assert images[3].path == f'{linked}/{ALL[3]}'


def test_a_read_only_dataset_is_accepted(settings, bids_dir):
    folders = [bids_dir, *(path for path in bids_dir.rglob('*') if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    before = sorted(bids_dir.rglob('*'))
    try:
        assert _collect(settings) == ALL
        assert sorted(bids_dir.rglob('*')) == before
    finally:
        for folder in folders:
            folder.chmod(0o755)


def test_a_database_is_made_once_and_serves_other_participants(settings, tmp_path):
    database = tmp_path / 'database'
    database.mkdir()
    first = _collect(settings, bids_database_dir=database, participant_label=('01',))
    assert first == ALL[:3]
    made = {path: path.stat().st_mtime_ns for path in database.iterdir()}
    assert made
    assert _collect(settings, bids_database_dir=database, participant_label=('02',)) == ALL[3:]
    assert {path: path.stat().st_mtime_ns for path in database.iterdir()} == made


def _cut(index):
    index.write_bytes(index.read_bytes()[:20_000])


def _emptied(index):
    index.write_bytes(b'')


def _without_files(index):
    with closing(sqlite3.connect(index)) as database:
        database.execute('delete from files')
        database.commit()


@pytest.mark.parametrize('damage', [_cut, _emptied, _without_files])
def test_a_broken_database_is_made_anew(settings, tmp_path, damage):
    database = tmp_path / 'database'
    database.mkdir()
    _collect(settings, bids_database_dir=database)
    damage(database / 'layout_index.sqlite')
    assert _collect(settings, bids_database_dir=database) == ALL
    assert [path.name for path in database.iterdir()] == ['layout_index.sqlite']


class _Watched(sqlite3.Connection):
    """A connection that is counted until it is closed."""

    open: ClassVar[list[int]] = []

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.open.append(id(self))

    def close(self):
        self.open.remove(id(self))
        super().close()


@pytest.mark.parametrize('kept', [False, True])
def test_the_index_is_closed(settings, tmp_path, monkeypatch, kept):
    """Python 3.13 warns of what is left open."""
    connect = partial(sqlite3.connect, factory=_Watched)
    monkeypatch.setattr(sqlite3.dbapi2, 'connect', connect)
    changes = {'bids_database_dir': tmp_path / 'database'} if kept else {}
    (tmp_path / 'database').mkdir()
    for _ in range(2):  # the second finds the index of the first
        assert _collect(settings, **changes) == ALL
    with pytest.raises(UsageError):
        _collect(settings, bids_filters={'t1w': {'colour': 'red'}}, **changes)
    assert not _Watched.open


def _collect_slowly(settings, started):
    """Collect images, and tell when an index is made, which takes as long as for many files."""

    def new_layout(*arguments):
        (started / str(os.getpid())).touch()
        time.sleep(1)
        return make(*arguments)

    make, inputs._new_layout = inputs._new_layout, new_layout
    return collect_images(settings)


def test_jobs_that_start_together_make_one_database_and_share_it(settings, tmp_path):
    database, started = tmp_path / 'database', tmp_path / 'started'
    database.mkdir()
    started.mkdir()
    labels = ['01', '02'] * 3
    with ProcessPoolExecutor(3, mp_context=get_context('fork')) as pool:
        jobs = [
            pool.submit(
                _collect_slowly,
                replace(settings, bids_database_dir=database, participant_label=(label,)),
                started,
            )
            for label in labels
        ]
    for label, job in zip(labels, jobs, strict=True):
        expected = [path for path in ALL if path.startswith(f'sub-{label}')]
        assert [image.relative_path for image in job.result().images] == expected
    assert [path.name for path in database.iterdir()] == ['layout_index.sqlite']
    assert len(list(started.iterdir())) == 1


def test_a_database_that_is_out_of_date_is_refused(settings, bids_dir, tmp_path):
    database = tmp_path / 'database'
    database.mkdir()
    _collect(settings, bids_database_dir=database)
    (bids_dir / ALL[3]).unlink()
    with pytest.raises(DatasetError, match='Delete that folder'):
        _collect(settings, bids_database_dir=database)


def test_the_database_of_another_dataset_is_refused(settings, tmp_path):
    database = tmp_path / 'database'
    database.mkdir()
    collect_images(replace(settings, bids_database_dir=database))
    other = tmp_path / 'other'
    settings.bids_dir.rename(other)
    settings.bids_dir.mkdir()
    text = json.dumps({'Name': 'x', 'BIDSVersion': '1.10.0'})
    (settings.bids_dir / 'dataset_description.json').write_text(text)
    with pytest.raises(UsageError, match='index of another dataset'):
        collect_images(replace(settings, bids_dir=other, bids_database_dir=database))


MORE = [
    'sub-03/anat/sub-03_echo-1_part-mag_MEGRE.nii.gz',
    'sub-03/anat/sub-03_echo-1_part-phase_MEGRE.nii.gz',
    'sub-03/anat/sub-03_inv-1_MP2RAGE.nii.gz',
    'sub-03/anat/sub-03_T1map.nii.gz',
    'sub-03/anat/sub-03_UNIT1.nii.gz',
    'sub-03/ct/sub-03_ct.nii.gz',
]
ON_REQUEST = [
    'sub-03/dwi/sub-03_dwi.nii.gz',
    'sub-03/fmap/sub-03_magnitude1.nii.gz',
    'sub-03/func/sub-03_task-rest_bold.nii.gz',
    'sub-03/pet/sub-03_pet.nii.gz',
]
STRANGE = ['sub-03/anat/sub-03_defacemask.nii.gz', 'sub-03/localizer.nii', 'sub-03/me.JPG']


@pytest.fixture
def more(settings):
    """Add a participant with images of every kind."""
    for name in (*MORE, *ON_REQUEST, *STRANGE):
        (settings.bids_dir / name).parent.mkdir(parents=True, exist_ok=True)
        (settings.bids_dir / name).write_bytes(b'')
    return replace(settings, participant_label=('03',))


def test_every_contrast_of_anat_and_ct_is_taken(more):
    assert _collect(more) == sorted(MORE)


def test_further_data_types_are_taken_on_request(more):
    assert _collect(more, include=('func', 'pet')) == sorted([*MORE, *ON_REQUEST[2:]])


def test_every_file_that_may_show_a_face_is_defaced_or_listed(more):
    found = collect_images(replace(more, include=('dwi',)))
    taken = {image.relative_path for image in found.images}
    alone = dict(found.not_defaced)
    assert taken | set(alone) == {*MORE, *ON_REQUEST, *STRANGE}
    assert not taken & set(alone)
    hardly = 'defaced only with --include func; echo-planar images hardly show faces'
    assert alone[ON_REQUEST[2]] == hardly
    assert alone['sub-03/me.JPG'] == 'not a NIfTI image'


def test_files_that_draw_the_head_are_listed(settings):
    for path in ('sub-02/meg/sub-02_headshape.pos', 'sub-02/eeg/sub-02_electrodes.tsv'):
        (settings.bids_dir / path).parent.mkdir()
        (settings.bids_dir / path).write_text('')
    alone = dict(collect_images(settings).not_defaced)
    assert alone['sub-02/meg/sub-02_headshape.pos'].startswith('digitised points of the shape')
    assert '--head-points' in alone['sub-02/eeg/sub-02_electrodes.tsv']


def test_an_image_excluded_by_a_filter_is_listed_and_may_be_a_reference(more):
    filters = {'megre': {'part': 'mag'}, 'ct': {'run': 7}}
    found = collect_images(replace(more, bids_filters=filters))
    out = [MORE[1], MORE[5]]
    assert not set(out) & {image.relative_path for image in found.images}
    assert set(out) < {image.relative_path for image in found.others}
    assert {dict(found.not_defaced)[path] for path in out} == {'excluded by --bids-filter-file'}


def test_other_sessions_are_known_and_neither_defaced_nor_listed(settings):
    found = collect_images(replace(settings, session_label=('B',)))
    assert [image.relative_path for image in found.images] == ALL[2:3]
    assert set(ALL[:2]) < {image.relative_path for image in found.others}
    assert not any('ses-A' in path for path, _ in found.not_defaced)


def test_keys_of_filter_files_are_unique():
    every = {suffix for group in suffixes.HEADS.values() for suffix in group}
    assert set(suffixes.BY_KEY.values()) == every


def test_an_invalid_name_matters_only_if_it_is_requested(more):
    odd = more.bids_dir / 'sub-03/func/sub-03_rest_bold.nii.gz'
    odd.write_bytes(b'')
    more = replace(more, skip_bids_validation=True)
    assert 'sub-03/func/sub-03_rest_bold.nii.gz' in dict(collect_images(more).not_defaced)
    with pytest.raises(DatasetError, match='sub-03_rest_bold'):
        collect_images(replace(more, include=('func',)))


def test_the_same_name_in_two_data_types_is_accepted(settings, bids_dir):
    paths = [f'sub-02/{datatype}/sub-02_m0scan.nii.gz' for datatype in ('fmap', 'perf')]
    for path in paths:
        (bids_dir / path).parent.mkdir(exist_ok=True)
        (bids_dir / path).touch()
    found = _collect(settings, participant_label=('02',), include=('fmap', 'perf'))
    assert set(paths) < set(found)


def test_a_folder_that_cannot_be_read_is_why_nothing_is_found(settings, monkeypatch):
    why = 'the folder cannot be read (Permission denied).'
    monkeypatch.setattr(inputs, '_walk', lambda root, labels: ([], {'sub-02/anat': why}))
    monkeypatch.setattr(inputs, '_head', lambda path, settings: None)
    with pytest.raises(NoImagesError, match='sub-02/anat: the folder cannot be read'):
        collect_images(settings)
