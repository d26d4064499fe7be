# SPDX-License-Identifier: Apache-2.0
import os
import stat
from dataclasses import replace

import pytest

from facebids.bids.metadata import write_dataset_files
from facebids.config import ReleaseSettings, Settings
from facebids.errors import DatasetError, OutputError, UsageError
from facebids.stages.folders import WORK_FOLDERS, check_folders, create_folders


@pytest.fixture
def settings(tmp_path):
    (tmp_path / 'raw').mkdir()
    work = tmp_path / 'work'
    return Settings(tmp_path / 'raw', tmp_path / 'out', 'participant', work, work / 'private')


@pytest.mark.parametrize(
    ('folder', 'place', 'message'),
    [
        ('output_dir', 'raw', r'The output .* is the input .* outside it'),
        ('output_dir', 'raw/defaced', r'The output .* is inside the input .* outside it'),
        (
            'output_dir',
            'raw/derivatives',
            r'The output .* is inside the input .* a new one in its',
        ),
        ('output_dir', 'raw/sub-01/derivatives/x', r'The output .* is inside the input'),
        ('work_dir', 'raw/derivatives/w', r'The work folder .* is inside the input'),
        ('output_dir', '.', r'The input .* is inside the output .* outside the input'),
        ('work_dir', 'raw/work', r'The work folder .* is inside the input .*--work-dir'),
        ('work_dir', 'out/work', r'The work folder .* is inside the output .*--work-dir'),
        ('private_dir', 'raw/p', r'The private folder .* is inside the input .*--private-dir'),
        ('private_dir', 'out/p', r'The private folder .* is inside the output .*--private-dir'),
        ('private_dir', 'out', r'The private folder .* is the output'),
        ('output_dir', 'work/private/out', r'The output .* is inside the private folder'),
        ('output_dir', 'work/records', r'The output .* is the folder records'),
        ('bids_database_dir', 'raw/db', r'The database folder .* is inside the input'),
        ('bids_database_dir', 'out/db', r'The database folder .* is inside the output'),
    ],
)
def test_folders_that_must_not_lie_so(settings, tmp_path, folder, place, message):
    with pytest.raises(OutputError, match=message):
        check_folders(replace(settings, **{folder: tmp_path / place}))


@pytest.mark.parametrize(
    ('place', 'moved', 'message'),
    [
        ('out/photos', {}, r'The photo folder .* is inside the output .* identify people'),
        ('out', {}, r'The photo folder .* is the output'),
        ('photos', {'output_dir': 'photos/out'}, r'The output .* is inside the photo folder'),
        ('photos', {'work_dir': 'photos/w'}, r'The work folder .* is inside the photo folder'),
        ('photos', {'private_dir': 'photos/p'}, r'The private folder .* is inside the photo'),
        ('photos', {'bids_database_dir': 'photos/d'}, r'The database folder .* is inside'),
        ('work/cache/photos', {}, r'The photo folder .* is inside the folder cache'),
    ],
)
def test_photographs_are_neither_shared_nor_deleted(settings, tmp_path, place, moved, message):
    (tmp_path / place).mkdir(parents=True)
    places = {name: tmp_path / folder for name, folder in moved.items()}
    with pytest.raises(OutputError, match=message):
        check_folders(replace(settings, photos_dir=tmp_path / place, **places))


def test_photographs_may_lie_in_the_dataset_or_the_private_folder(settings, tmp_path):
    for place in ('raw/sourcedata/photos', 'work/private/photos', 'photos'):
        (tmp_path / place).mkdir(parents=True)
        check_folders(replace(settings, photos_dir=tmp_path / place))


def test_photographs_that_are_not_there(settings, tmp_path):
    with pytest.raises(UsageError, match='no such folder'):
        check_folders(replace(settings, photos_dir=tmp_path / 'nowhere'))


def test_links_are_followed(settings, tmp_path):
    (tmp_path / 'link').symlink_to(tmp_path / 'raw')
    with pytest.raises(OutputError, match='is inside the input'):
        check_folders(replace(settings, output_dir=tmp_path / 'link/out'))


def test_folders_side_by_side_are_fine(settings, tmp_path):
    check_folders(settings)
    check_folders(replace(settings, output_dir=tmp_path / 'work/out'))
    assert not settings.output_dir.exists()


def test_the_output_may_lie_in_the_derivatives_of_the_input(settings, tmp_path):
    check_folders(replace(settings, output_dir=tmp_path / 'raw/derivatives/facebids'))
    (tmp_path / 'link').symlink_to(tmp_path / 'raw')
    check_folders(replace(settings, output_dir=tmp_path / 'link/derivatives/facebids'))


def test_another_dataset_is_not_overwritten(settings, tmp_path):
    description = settings.output_dir / 'dataset_description.json'
    description.parent.mkdir()
    description.write_text('{"Name": "Precious", "BIDSVersion": "1.10.0"}')
    with pytest.raises(OutputError, match=r'another dataset \(Precious\)'):
        check_folders(settings)
    write_dataset_files(tmp_path / 'earlier', {}, settings.bids_dir)
    check_folders(replace(settings, output_dir=tmp_path / 'earlier'))


def test_no_input(settings, tmp_path):
    with pytest.raises(DatasetError, match='no such folder'):
        check_folders(replace(settings, bids_dir=tmp_path / 'nowhere'))


def test_the_private_folder_is_for_its_user_alone(settings):
    create_folders(settings)
    assert stat.S_IMODE(settings.private_dir.stat().st_mode) == 0o700
    assert 'do not share' in (settings.private_dir / 'README.md').read_text()
    create_folders(settings)


def test_an_empty_private_folder_is_closed_and_an_open_one_in_use_refused(settings):
    settings.private_dir.mkdir(parents=True, mode=0o755)
    create_folders(settings)
    assert stat.S_IMODE(settings.private_dir.stat().st_mode) == 0o700
    settings.private_dir.chmod(0o755)
    with pytest.raises(OutputError, match='chmod 700'):
        create_folders(settings)


@pytest.mark.parametrize('folder', ['output_dir', 'work_dir', 'private_dir', 'bids_database_dir'])
def test_a_file_in_the_way_of_a_folder(settings, tmp_path, folder):
    (tmp_path / 'file').write_text('')
    with pytest.raises(OutputError, match='cannot be written'):
        create_folders(replace(settings, **{folder: tmp_path / 'file/x'}))


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write everywhere')
def test_a_folder_without_permission(settings, tmp_path):
    (tmp_path / 'closed').mkdir(mode=0o555)
    with pytest.raises(OutputError, match='Permission denied'):
        create_folders(replace(settings, output_dir=tmp_path / 'closed/out'))


def test_cleaning_takes_intermediate_files_and_leaves_all_else(settings):
    for name in ('nipype/a', 'records/b', 'crash/c', 'log/d', 'cache/e', 'private/f', 'mine/g'):
        path = settings.work_dir / name
        path.parent.mkdir(parents=True, mode=0o700)
        path.write_text('')
    create_folders(settings)
    assert (settings.work_dir / 'records/b').exists()
    create_folders(replace(settings, clean_workdir=True))
    assert {path.name for path in settings.work_dir.iterdir()} == {
        'private',
        'mine',
        *WORK_FOLDERS,
    }
    assert not any(any((settings.work_dir / name).iterdir()) for name in WORK_FOLDERS)
    assert (settings.private_dir / 'f').exists()


def test_nobody_else_looks_into_intermediate_files(settings):
    (settings.work_dir / 'crash').mkdir(parents=True, mode=0o755)
    create_folders(settings)
    for name in WORK_FOLDERS:
        assert (settings.work_dir / name).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ('place', 'message'),
    [
        ('raw/x', r'The release .* is inside the input'),
        ('out', r'The release .* is the output'),
        ('.', r'The input .* is inside the release'),
        ('work/x', r'The release .* is inside the work folder'),
        ('upload/other/sub-01/x', r'The release .* is inside the dataset .*other, which'),
    ],
)
def test_a_release_lies_beside_everything_else(settings, tmp_path, place, message):
    (tmp_path / 'upload/other').mkdir(parents=True)
    (tmp_path / 'upload/other/dataset_description.json').write_text('{}')
    check_folders(replace(settings, release=ReleaseSettings(tmp_path / 'upload/mine')))
    with pytest.raises(OutputError, match=message):
        check_folders(replace(settings, release=ReleaseSettings(tmp_path / place)))
