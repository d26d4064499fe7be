# SPDX-License-Identifier: Apache-2.0
import errno
import os
import stat
from pathlib import Path

import pytest

from facebids.errors import DatasetError, OutputError
from facebids.release import links as module
from facebids.release.links import link_or_copy, remove_others

TIME = 1_500_000_000_123_456_789  # ns


@pytest.fixture
def source(tmp_path) -> Path:
    """Return a file with an old time, executable as a disk of Windows shows it."""
    path = tmp_path / 'raw' / 'a.nii.gz'
    path.parent.mkdir()
    path.write_bytes(b'content')
    path.chmod(0o755)
    os.utime(path, ns=(TIME, TIME))
    return path


@pytest.fixture
def annexed(tmp_path) -> Path:
    """Return a file in the object store of git-annex."""
    path = tmp_path / 'raw/.git/annex/objects/xX/yY/KEY/KEY'
    path.parent.mkdir(parents=True)
    path.write_bytes(b'content')
    path.chmod(0o444)
    os.utime(path, ns=(TIME, TIME))
    return path


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / 'release' / 'sub-01' / 'a.nii.gz'


def refuse(monkeypatch, code: int) -> None:
    """Let the file system refuse hard links."""

    def link(*_args, **_kwargs):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, 'link', link)


def only(target: Path) -> bool:
    """Return whether a file is the only one in its folder: nothing temporary is left."""
    return [path.name for path in target.parent.iterdir()] == [target.name]


@pytest.mark.parametrize('how', ['auto', 'hard'])
def test_a_hard_link_is_the_file_itself(source, target, how):
    link_or_copy(source, target, how)
    assert os.path.samefile(source, target)
    assert only(target)


def test_a_copy_has_the_time_of_the_source_and_ordinary_permissions(source, target):
    mask = os.umask(0o022)
    try:
        link_or_copy(source, target, 'copy')
    finally:
        os.umask(mask)
    status = target.stat()
    assert target.read_bytes() == b'content'
    assert not os.path.samefile(source, target)
    assert status.st_mtime_ns == TIME
    assert stat.S_IMODE(status.st_mode) == 0o644
    assert only(target)


def test_objects_of_git_annex_are_copied_unless_links_are_requested(annexed, target):
    link_or_copy(annexed, target, 'hard')
    assert os.path.samefile(annexed, target)
    link_or_copy(annexed, target)
    assert not os.path.samefile(annexed, target)
    assert target.stat().st_mode & stat.S_IWUSR
    assert annexed.stat().st_nlink == 1
    assert only(target)


def test_symbolic_links_are_followed(annexed, target, tmp_path):
    link = tmp_path / 'raw' / 'a.nii.gz'
    link.symlink_to(annexed)
    for how in ('hard', 'auto', 'copy'):
        link_or_copy(link, target, how)
        assert not target.is_symlink()
        assert target.read_bytes() == b'content'
        assert os.path.samefile(annexed, target) == (how == 'hard')


@pytest.mark.parametrize('code', [errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK])
def test_without_hard_links_auto_copies_and_hard_fails(source, target, monkeypatch, code):
    refuse(monkeypatch, code)
    with pytest.raises(OutputError, match='hard link') as caught:
        link_or_copy(source, target, 'hard')
    assert module.NO_LINK[code] in str(caught.value)
    assert not list(target.parent.iterdir())
    link_or_copy(source, target, 'auto')
    assert target.read_bytes() == b'content'
    assert target.stat().st_nlink == 1
    assert only(target)


@pytest.mark.parametrize('how', ['auto', 'hard', 'copy'])
def test_an_existing_link_or_copy_is_kept(source, target, monkeypatch, how):
    link_or_copy(source, target, how)
    before = target.stat()
    monkeypatch.setattr(module, '_link', None)
    monkeypatch.setattr(module, '_copy', None)
    link_or_copy(source, target, how)  # would call one of these
    assert os.path.samestat(before, target.stat())


def test_an_existing_copy_is_kept_without_hard_links(source, target, monkeypatch):
    refuse(monkeypatch, errno.EXDEV)
    link_or_copy(source, target)
    before = target.stat()
    link_or_copy(source, target)
    assert os.path.samestat(before, target.stat())


@pytest.mark.parametrize(
    ('how', 'then', 'linked'),
    [('hard', 'copy', False), ('copy', 'hard', True), ('copy', 'auto', True)],
)
def test_a_copy_and_a_link_replace_each_other(source, target, how, then, linked):
    link_or_copy(source, target, how)
    link_or_copy(source, target, then)
    assert os.path.samefile(source, target) == linked
    assert source.stat().st_nlink == 1 + linked
    assert only(target)


@pytest.mark.parametrize('how', ['auto', 'hard', 'copy'])
@pytest.mark.parametrize('other', [b'changed', b'longer than before'])
def test_another_file_is_replaced(source, target, how, other):
    link_or_copy(source, target, how)
    changed = source.with_name('b.nii.gz')
    changed.write_bytes(other)
    link_or_copy(changed, target, how)
    assert target.read_bytes() == other
    assert source.read_bytes() == b'content'


def test_a_link_to_a_file_of_the_same_size_and_time_is_no_copy_of_another(source, target):
    defaced = source.with_name('defaced.nii.gz')
    defaced.write_bytes(b'defaced')
    os.utime(defaced, ns=(TIME, TIME))
    link_or_copy(source, target, 'hard')
    link_or_copy(defaced, target, 'copy')
    assert target.read_bytes() == b'defaced'


@pytest.mark.parametrize('how', ['auto', 'hard', 'copy'])
def test_a_symbolic_link_is_replaced_and_not_written_through(source, target, how):
    target.parent.mkdir(parents=True)
    target.symlink_to(source)
    link_or_copy(source, target, how)
    assert not target.is_symlink()
    assert target.read_bytes() == source.read_bytes() == b'content'


@pytest.mark.parametrize('how', ['auto', 'hard', 'copy'])
def test_a_folder_in_the_way_is_an_error(source, target, how):
    target.mkdir(parents=True)
    with pytest.raises(OutputError, match=r'a\.nii\.gz'):
        link_or_copy(source, target, how)
    assert only(target)


@pytest.mark.parametrize('how', ['auto', 'hard', 'copy'])
def test_a_file_above_the_target_is_an_error(source, target, how):
    target.parent.parent.mkdir()
    target.parent.touch()
    with pytest.raises(OutputError):
        link_or_copy(source, target, how)


@pytest.mark.parametrize('how', ['auto', 'hard', 'copy'])
def test_a_missing_source_is_an_error(tmp_path, target, how):
    with pytest.raises(DatasetError, match='gone'):
        link_or_copy(tmp_path / 'gone', target, how)
    assert not target.exists()


def test_an_interrupted_copy_leaves_nothing(source, target, monkeypatch):
    def full(_source, temporary):
        Path(temporary).write_bytes(b'cont')
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module.shutil, 'copyfile', full)
    with pytest.raises(OutputError, match='No space left'):
        link_or_copy(source, target, 'copy')
    assert not list(target.parent.iterdir())


def test_an_unknown_mode_is_an_error_of_the_program(source, target):
    with pytest.raises(ValueError, match='soft'):
        link_or_copy(source, target, 'soft')


# --- what does not belong there -----------------------------------------------------------------


def test_other_files_and_empty_folders_are_deleted(tmp_path):
    wanted = {'README', 'sub-01/anat/a.nii.gz'}
    others = ['sub-01/anat/b.nii.gz', 'sub-02/anat/a.nii.gz', '.hidden', 'sub-01/.facebids-1-a']
    for name in (*wanted, *others):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / 'empty' / 'folder').mkdir(parents=True)
    assert remove_others(tmp_path, wanted) == sorted(others)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob('*')}
    assert left == wanted | {'sub-01', 'sub-01/anat'}


def test_links_are_deleted_and_their_targets_are_kept(tmp_path, source):
    release = tmp_path / 'release'
    release.mkdir()
    (release / 'sub-01').symlink_to(source.parent)
    (release / 'a.nii.gz').symlink_to(source)
    (release / 'nowhere').symlink_to(tmp_path / 'nowhere')
    removed = remove_others(release, {'a.nii.gz', 'sub-01/a.nii.gz'})
    assert removed == ['a.nii.gz', 'nowhere', 'sub-01']
    assert source.read_bytes() == b'content'
    assert list(release.iterdir()) == []


def test_a_missing_folder_has_nothing_to_delete(tmp_path):
    assert remove_others(tmp_path / 'release', set()) == []
    assert not (tmp_path / 'release').exists()


@pytest.mark.parametrize('make', [Path.mkdir, Path.touch])
def test_the_history_of_a_repository_is_not_deleted(tmp_path, make):
    make(tmp_path / '.git')
    (tmp_path / 'README').touch()
    with pytest.raises(OutputError, match='git repository'):
        remove_others(tmp_path, set())
    assert (tmp_path / 'README').exists()


def test_a_file_that_cannot_be_deleted_is_an_error(tmp_path, monkeypatch):
    (tmp_path / 'README').touch()

    def unlink(path, **_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, 'unlink', unlink)
    with pytest.raises(OutputError, match='README cannot be deleted'):
        remove_others(tmp_path, set())
