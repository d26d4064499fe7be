# SPDX-License-Identifier: Apache-2.0
import os
from pathlib import Path

import pytest

from facebids.errors import DatasetError
from facebids.release import tree
from facebids.release.tree import Source

T1W = 'sub-01/anat/sub-01_T1w.nii.gz'
KEY = 'MD5E-s7--321c3cf486ed509164edec1e1981fec8.nii.gz'
EMPTY = 'SHA256E-s0--e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'


def write(path: Path, content: str = 'content') -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def link(path: Path, target: str | Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
    return path


def names(root: Path) -> list[str]:
    return [source.relative for source in tree.walk(root)]


def annexed(root: Path, folder: str, key: str = KEY) -> Path:
    """Write content into the object store of a repository, below one of its hash folders."""
    return write(root / '.git/annex/objects' / folder / key / key)


def only(root: Path) -> Source:
    """Return the one file of a dataset."""
    (source,) = tree.walk(root)
    return source


def test_files_are_ordered_by_their_relative_paths(tmp_path):
    for name in ('README', T1W, 'dataset_description.json', 'sub-01.txt', 'CHANGES', 'code/a.py'):
        write(tmp_path / name)
    sources = tree.walk(tmp_path)
    assert [source.relative for source in sources] == [
        'CHANGES',
        'README',
        'code/a.py',
        'dataset_description.json',
        'sub-01.txt',
        T1W,
    ]
    assert sources[-1] == Source(T1W, tmp_path / T1W, size=7)


LEFT_OUT = (
    'sourcedata/sub-01/anat/sub-01_T1w.nii.gz',
    'derivatives/fmriprep/sub-01.html',
    'figures/a.png',
    'sub-01/figures/a.png',
    'sub-01/ses-1/figures/a.png',
    '.git/config',
    '.datalad/config',
    '.heudiconv/01/info.tsv',
    '.DS_Store',
    'sub-01/.DS_Store',
    'sub-01/anat/._sub-01_T1w.nii.gz',
    'sub-01/anat/.facebids-0123-sub-01_T1w.nii.gz',
    'sub-01/.bidsignore',
    'participants.tsv~',
    'sub-01/anat/sub-01_T1w.nii.gz.tmp',
    'code/.zattrs',
)
KEPT = (
    '.bidsignore',
    'code/figures/a.png',
    'stimuli/sourcedata/a.png',
    'sub-01/anat/sub-01_T1w.NII.GZ',
    'sub-01/meg/sub-01_meg.ds/sub-01_meg.meg4',
    'sub-01/meg/sub-01_meg.ds/hz.ds/hz.res4',
    'sub-01/micr/sub-01_TEM.ome.zarr/.zattrs',
    'sub-01/micr/sub-01_TEM.ome.zarr/0/.zarray',
    'sub-01/micr/sub-01_TEM.ome.zarr/0/0/0',
)


@pytest.mark.parametrize('name', LEFT_OUT)
def test_other_files_are_not_released(tmp_path, name):
    write(tmp_path / name)
    assert names(tmp_path) == []


@pytest.mark.parametrize('name', KEPT)
def test_raw_data_are_released(tmp_path, name):
    write(tmp_path / name)
    assert names(tmp_path) == [name]


# --- links --------------------------------------------------------------------------------------


def test_links_are_followed_out_of_the_dataset(tmp_path):
    elsewhere = tmp_path / 'elsewhere'
    content = write(elsewhere / 'anat' / 'sub-01_T1w.nii.gz')
    link(tmp_path / 'raw/sub-01', elsewhere)
    link(tmp_path / 'raw/README', content)
    assert tree.walk(tmp_path / 'raw') == [
        Source('README', content, size=7),
        Source(T1W, content, size=7),
    ]


def test_the_dataset_itself_may_be_a_link(tmp_path):
    write(tmp_path / 'raw' / T1W)
    link(tmp_path / 'link', tmp_path / 'raw')
    assert only(tmp_path / 'link') == Source(T1W, tmp_path / 'raw' / T1W, size=7)


@pytest.mark.parametrize('target', ['..', '.', '../..'])
def test_links_to_parent_folders_do_not_loop(tmp_path, target):
    write(tmp_path / 'raw' / T1W)
    link(tmp_path / 'raw/sub-01/loop', target)
    found = names(tmp_path / 'raw')
    assert T1W in found
    assert len(found) <= 2  # a folder over the dataset shows it once again


def test_links_between_two_folders_do_not_loop(tmp_path):
    for one, other in (('sub-01', 'sub-02'), ('sub-02', 'sub-01')):
        write(tmp_path / one / 'a.json')
        link(tmp_path / one / 'other', tmp_path / other)
    assert names(tmp_path) == [
        'sub-01/a.json',
        'sub-01/other/a.json',
        'sub-02/a.json',
        'sub-02/other/a.json',
    ]


@pytest.mark.parametrize('target', ['nowhere', 'b', 'README/x'])
def test_a_broken_link_is_missing(tmp_path, target):
    write(tmp_path / 'README')
    link(tmp_path / 'b', target)  # the second one leads to itself
    found = {source.relative: source for source in tree.walk(tmp_path)}
    assert found['b'].missing
    assert not found['README'].missing


def test_a_special_file_is_an_error(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    with pytest.raises(DatasetError, match='pipe is neither'):
        tree.walk(tmp_path)


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(DatasetError, match='nowhere cannot be read'):
        tree.walk(tmp_path / 'nowhere')


@pytest.mark.parametrize('name', ['README', '.gitmodules'])
def test_a_file_that_cannot_be_read_is_an_error(tmp_path, monkeypatch, name):
    write(tmp_path / name)

    def refuse(*_args, **_kwargs):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr('builtins.open', refuse)
    monkeypatch.setattr(Path, 'read_text', refuse)
    with pytest.raises(DatasetError, match=f'{name} cannot be read'):
        tree.walk(tmp_path)


def test_a_name_that_is_not_utf8_is_an_error(tmp_path):
    (tmp_path / os.fsdecode(b'caf\xe9.json')).touch()
    with pytest.raises(DatasetError, match='not UTF-8'):
        tree.walk(tmp_path)


# --- git-annex ----------------------------------------------------------------------------------


def test_annexed_content_is_read_through_the_link(tmp_path):
    content = annexed(tmp_path, 'xX/yY')
    link(tmp_path / T1W, f'../../.git/annex/objects/xX/yY/{KEY}/{KEY}')
    assert only(tmp_path) == Source(T1W, content, size=7)


def test_a_broken_link_of_git_annex_is_missing(tmp_path):
    (tmp_path / '.git').mkdir()
    link(tmp_path / T1W, f'../../.git/annex/objects/xX/yY/{KEY}/{KEY}')
    assert only(tmp_path) == Source(T1W, tmp_path / T1W, missing=True)


@pytest.mark.parametrize(
    'pointer',
    [
        f'/annex/objects/{KEY}\n',
        f'/annex/objects/{KEY}',
        f'/annex/objects/{KEY}\n/annex/ more for later versions\n',
        f'../../.git/annex/objects/xX/yY/{KEY}/{KEY}',  # a link where there are no links
        '/annex/objects/' + 'x' * 1000 + '\n',
    ],
)
def test_a_pointer_of_git_annex_is_missing(tmp_path, pointer):
    annexed(tmp_path, 'xX/yY')
    write(tmp_path / T1W, pointer)
    assert only(tmp_path) == Source(T1W, tmp_path / T1W, missing=True)


def test_a_pointer_of_git_lfs_is_missing(tmp_path):
    write(tmp_path / T1W, 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n')
    assert only(tmp_path).missing


@pytest.mark.parametrize('content', ['', 'see /annex/objects/KEY', '/annex/object'])
def test_other_small_files_are_content(tmp_path, content):
    write(tmp_path / 'README', content)
    assert only(tmp_path) == Source('README', tmp_path / 'README', size=len(content))


def test_a_long_file_is_not_a_pointer(tmp_path):
    write(tmp_path / 'README', '/annex/objects/KEY\n' + 'x' * tree.POINTER_SIZE)
    assert not only(tmp_path).missing


def test_a_subdataset_that_is_not_installed_is_missing(tmp_path):
    subdatasets = ('sub-01', 'sub-02', 'sub-03', 'sourcedata/raw', 'derivatives/fmriprep')
    text = [f'[submodule "{name}"]\n\tpath = {name}\n\turl = ./{name}\n' for name in subdatasets]
    write(tmp_path / '.gitmodules', ''.join(text))
    write(tmp_path / T1W)
    (tmp_path / 'sub-02').mkdir()
    (tmp_path / 'sub-04').mkdir()  # empty, and no subdataset
    found = {source.relative: source.missing for source in tree.walk(tmp_path)}
    assert found == {T1W: False, 'sub-02': True, 'sub-03': True}


def test_missing_content_is_named_and_counted():
    there = Source('README', Path('README'), size=1)
    missing = [Source(f'{n:02}.nii.gz', Path(f'{n:02}.nii.gz'), missing=True) for n in range(12)]
    tree.check_present([there])
    with pytest.raises(DatasetError) as caught:
        tree.check_present([there, *missing])
    message = str(caught.value)
    assert '12 files' in message
    assert '00.nii.gz' in message
    assert '09.nii.gz, ...' in message
    assert '10.nii.gz' not in message
    assert 'README' not in message
    assert 'datalad get .' in message
    with pytest.raises(DatasetError) as caught:
        tree.check_present(missing[:1])
    assert '...' not in str(caught.value)
