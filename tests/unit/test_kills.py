# SPDX-License-Identifier: Apache-2.0
"""Runs that are killed, run again, run at once, and run out of space.

The rows of docs/reliability.md about processes, time and space.
"""

import errno
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from toys import FLAIR_A, T1W_2, T1W_A, T1W_B

from facebids import filesystem, processes
from facebids.bids import names
from facebids.errors import FacebidsError, ReleaseRefused
from facebids.filesystem import TEMPORARY, sweep, temporary_name
from facebids.release import unexamined
from facebids.release.attack import Target
from facebids.stages import release
from facebids.stages.locks import hold

ALL = [FLAIR_A, T1W_A, T1W_B, T1W_2]


def _in_child(work):
    """Do something in a process of its own, and return its exit status."""
    child = os.fork()
    if not child:
        try:
            os._exit(work() or 0)
        finally:
            os._exit(99)
    return os.waitpid(child, 0)[1]


def _dead():
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    return child


def _left(*folders):
    return [path for folder in folders for path in folder.rglob(f'{TEMPORARY}*')]


def test_a_killed_worker_fails_its_own_image_only(run):
    outcomes = {FLAIR_A: 'slow', T1W_A: 'killed', T1W_B: 'slow'}
    assert run('--nprocs', '3', outcomes=outcomes) == 1
    assert run.verdicts() == dict.fromkeys([FLAIR_A, T1W_B, T1W_2], 'pass') | {T1W_A: 'fail'}
    assert run.reason(T1W_A).code == 'worker_killed'


def test_a_worker_that_ends_before_an_interrupted_run_gives_no_verdict(run):
    status = _in_child(lambda: run('--nprocs', '2', outcomes={T1W_2: 'terminated'}))
    assert os.waitstatus_to_exitcode(status) == 130
    assert T1W_2 not in run.verdicts()


def _wait_for_end_of(pid):
    place = Path('/proc', str(pid))
    for _ in range(100):
        if not place.exists() or 'Z (zombie)' in (place / 'status').read_text():
            return
        time.sleep(0.1)
    pytest.fail('the worker still waits')


def _busy(path):
    path.write_text(str(os.getpid()))
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


def test_no_search_for_faces_outlives_a_killed_release(tmp_path):
    def search():
        with processes.workers(1) as pool:
            pool.submit(_busy, tmp_path / 'worker').result()

    assert os.WTERMSIG(_in_child(search)) == signal.SIGKILL
    _wait_for_end_of((tmp_path / 'worker').read_text())


def test_an_interrupt_waits_for_no_search(tmp_path):
    with pytest.raises(KeyboardInterrupt), processes.workers(1) as pool:
        pid = pool.submit(os.getpid).result()
        pool.submit(time.sleep, 60)
        raise KeyboardInterrupt
    _wait_for_end_of(pid)


def _killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_search_for_faces_stops_the_release(monkeypatch):
    monkeypatch.setattr(unexamined.attack, 'attack', _killed)
    files = [Path('a.nii'), Path('b.nii')]
    with pytest.raises(FacebidsError, match='perhaps for lack of memory'):
        unexamined._attack(files, [Target(str(path)) for path in files], 2)


def test_no_worker_outlives_a_killed_parent(run):
    status = _in_child(lambda: run('--nprocs', '2', outcomes={T1W_2: 'orphaned'}))
    assert os.WTERMSIG(status) == signal.SIGKILL
    _wait_for_end_of((run.work / 'worker').read_text())
    assert run('--nprocs', '2') == 0
    assert run.verdicts() == dict.fromkeys(ALL, 'pass')
    assert not _left(run.out, run.work)


def _count(count, at, roots, event, arguments):
    if event not in ('open', 'os.rename', 'os.remove', 'os.mkdir'):
        return
    path = str(arguments[0])
    reads = event == 'open' and isinstance(arguments[1], str) and 'r' in arguments[1]
    if path.startswith(roots) and not reads:
        count.value += 1
        if count.value == at:
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize('again', [False, True])
@pytest.mark.parametrize('share', [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_run_killed_at_a_file_operation_is_repeated_without_a_trace(run, share, again):
    places = tuple(str(run.work / name) for name in ('records', 'log', 'private', 'cache'))

    def killed(at):
        count = multiprocessing.get_context('fork').Value('i', 0)

        def work():
            sys.addaudithook(lambda *event: _count(count, at, (str(run.out), *places), *event))
            return run()

        if not again:
            shutil.rmtree(run.out, ignore_errors=True)
            shutil.rmtree(run.work, ignore_errors=True)
        return _in_child(work), count.value

    assert run() == 0
    before = _content(run.out)
    status, last = killed(None)
    assert (status, last > 30) == (0, True)
    status, _ = killed(round(share * last))
    assert os.WTERMSIG(status) == signal.SIGKILL
    for image, verdict in run.verdicts().items():
        assert verdict == 'pass'
        assert all(path.is_file() for path in run.files(image)), image
    assert run() == 0
    assert _content(run.out) == before
    assert not _left(run.out, run.work)


def _content(folder):
    return {path: path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def test_what_killed_runs_left_is_swept_from_all_folders(run, tmp_path, monkeypatch):
    (tmp_path / 'tmp').mkdir()
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'tmp'))
    run()
    name = temporary_name().replace(f'-{os.getpid()}-', f'-{_dead()}-')
    places = [
        run.out,
        run.out / 'logs',
        run.out / 'sub-01/ses-A/anat',
        run.private,
        run.private / 'sub-02',
        run.private / 'withheld/sub-02',
        run.work / 'records',
        run.work / 'cache',
        next((run.work / 'log').iterdir()),
        tmp_path / 'tmp',
    ]
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
        (place / name).mkdir() if place.name == 'cache' else (place / name).write_text('half')
    assert run() == 0
    assert not _left(run.out, run.work, tmp_path)


def test_only_what_nobody_writes_any_more_is_swept(tmp_path, monkeypatch):
    mine, foreign = tmp_path / temporary_name(), tmp_path / f'{TEMPORARY}0badcafe-1-abc'
    recent, other = tmp_path / f'{TEMPORARY}0badcafe-2-abc', tmp_path / 'file'
    lock, staging = foreign.with_suffix('.lock'), tmp_path / f'{TEMPORARY}my-dataset'
    for path in (mine, foreign, recent, other, lock, staging):
        path.write_text('')
    for path in (mine, foreign, other, lock, staging):  # as after a clock that jumped by years
        os.utime(path, (0, 0))
    sweep(tmp_path.iterdir())
    assert sorted(tmp_path.iterdir()) == sorted([mine, recent, other, lock, staging])
    sweep(tmp_path.iterdir(), owned=True)
    assert sorted(tmp_path.iterdir()) == sorted([other, lock])


def test_a_clock_that_jumps_changes_nothing(run, monkeypatch):
    start = time.time()
    jumps = iter(range(10**6))
    monkeypatch.setattr(time, 'time', lambda: start + (-1) ** next(jumps) * 10**8)
    assert run() == 0
    assert run.verdicts() == dict.fromkeys(ALL, 'pass')
    assert run(outcomes={T1W_2: 'fail'}) == 1
    assert run.verdicts()[T1W_2] == 'fail'
    assert not _left(run.out, run.work)


def test_two_runs_on_one_participant_are_told_apart(run, capsys):
    run.out.mkdir()
    with hold([run.out], 'the participant level', ['02']):
        assert run() == 73
        assert f'process {os.getpid()} on ' in capsys.readouterr().err
        assert not run.verdicts()
        assert run('--participant-label', '01') == 0  # another job of an array
        assert run(level='group') == 73
        assert run('--participant-label', '01', level='group') == 0
    assert run() == 0
    assert not _left(run.out, run.work)


@pytest.mark.parametrize('folder', ['work', 'private'])
def test_runs_that_share_another_folder_are_told_apart_too(run, capsys, folder):
    assert run() == 0
    with hold([getattr(run, folder)], 'the participant level', ['02']):
        assert run() == 73
        assert run('--participant-label', '01') == 0
        assert (run('--participant-label', '01', '--clean-workdir') == 73) == (folder == 'work')
    assert 'sub-02. Wait until' in capsys.readouterr().err


def test_a_group_keeps_participants_away(run):
    assert run() == 0
    with hold([run.out], 'the group level'):
        assert run('--participant-label', '01') == 73
        assert run(level='group') == 73


@pytest.fixture
def releasing(run, tmp_path, monkeypatch):
    """Start a release in another process, which waits until it is told to end."""
    assert run() == 0
    told, started = os.pipe(), os.pipe()

    def wait(*_):
        os.write(started[1], b'.')
        os.read(told[0], 1)
        raise ReleaseRefused(['It was told to end.'])

    with monkeypatch.context() as patch:
        patch.setattr(release, 'run_release', wait)
        child = os.fork()
        if not child:
            try:
                os._exit(run('--release-dir', str(tmp_path / 'upload/dataset'), level='group'))
            finally:
                os._exit(99)
    assert os.read(started[0], 1)
    yield child
    os.write(told[1], b'.')
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    assert not list((tmp_path / 'upload').iterdir())


def test_a_second_release_to_one_folder_is_refused(run, tmp_path, capsys, releasing):
    shutil.copytree(run.out, tmp_path / 'copy')
    sweep((tmp_path / 'copy').iterdir(), owned=True)
    run.out, run.private = tmp_path / 'copy', tmp_path / 'copied'
    options = ['--private-dir', str(run.private)]
    for name in ('dataset', 'other'):
        upload = ['--release-dir', str(tmp_path / 'upload' / name)]
        assert run(*options, *upload, level='group') == 73
        text = capsys.readouterr().err
        assert f'{tmp_path}/upload: the release of process {releasing} on ' in text


def test_a_participant_beside_a_release_is_refused(run, tmp_path, capsys, releasing):
    before = _content(run.out)
    assert run('--participant-label', '01') == 73
    assert f'the group level of process {releasing} on ' in capsys.readouterr().err
    upload = ['--release-dir', str(tmp_path / 'elsewhere/dataset')]
    assert run(*upload, level='group') == 73
    assert f'the group level of process {releasing} on ' in capsys.readouterr().err
    assert _content(run.out) == before


def test_a_release_beside_a_participant_is_refused(run, tmp_path, capsys):
    assert run() == 0
    with hold([run.out], 'the participant level', ['02']):
        assert run('--release-dir', str(tmp_path / 'upload/dataset'), level='group') == 73
    assert f'the participant level of process {os.getpid()} on ' in capsys.readouterr().err
    assert not (tmp_path / 'upload').exists()


def test_the_group_does_not_count_an_image_that_is_not_there(run, capsys):
    assert run() == 0
    (run.out / names.defaced(names.HeadImage.from_relative_path(T1W_2))).unlink()
    assert run(level='group') == 1
    text = (run.out / names.GROUP_TABLE).read_text()
    assert text.count('output_missing') == 1


@pytest.mark.parametrize('nprocs', ['1', '2'])
def test_a_full_disk_is_one_sentence(run, capsys, nprocs):
    assert run('--nprocs', nprocs, outcomes={T1W_A: 'full'}) == 73
    text = capsys.readouterr().err
    assert 'is full' in text.splitlines()[-1]
    assert 'Traceback' not in text
    assert T1W_A not in run.verdicts()
    assert run('--nprocs', nprocs) == 0


@pytest.mark.parametrize('kibibytes', [4, 40, 120])
def test_a_work_folder_without_space_is_named(run, tmp_path, capsys, kibibytes):
    full = tmp_path / 'full'
    full.mkdir()
    options = ['-t', 'tmpfs', '-o', f'size={kibibytes}k', 'tmpfs', str(full)]
    if subprocess.run(['mount', *options], capture_output=True, check=False).returncode:
        pytest.skip('no file system can be mounted')
    try:
        run.work = full / 'work'
        run.private = full / 'work' / 'private'
        assert run('--nprocs', '1') == 73
    finally:
        subprocess.run(['umount', '-l', str(full)], check=True)
    text = capsys.readouterr().err
    assert 'Traceback' not in text
    assert 'Logging error' not in text
    assert f'{full}/work' in text.splitlines()[-1]
    assert 'is full. Free some space' in text.splitlines()[-1]


def test_an_error_that_a_full_disk_caused_is_known():
    def failed(cause):
        error = RuntimeError('it did not work')
        error.__cause__ = cause
        return error

    assert filesystem.is_full(failed(OSError(errno.EDQUOT, 'x')))
    assert filesystem.is_full(failed(RuntimeError('(OperationalError) database or disk is full')))
    assert not filesystem.is_full(failed(OSError(errno.EACCES, 'x')))


def test_without_shared_memory_the_steps_run_one_by_one(run, monkeypatch):
    def semaphore():
        raise OSError(errno.ENOSYS, 'Function not implemented')

    monkeypatch.setattr(multiprocessing, 'Semaphore', semaphore)
    assert run('--nprocs', '2') == 0
    (log,) = (run.work / 'log').glob('*/facebids.log')
    assert 'there is no shared memory' in log.read_text()


def test_a_private_folder_that_a_group_may_read_is_said(run, capsys):
    assert run() == 0
    assert 'may read the private folder' not in capsys.readouterr().err
    run.private.chmod(0o770)
    assert run() == 0
    assert f'chmod 700 {run.private} if they must not' in capsys.readouterr().err


@pytest.mark.parametrize('text', ['{"Name": "Precious"', '', '[]', '{"GeneratedBy": [1, "x"]}'])
def test_a_description_that_cannot_be_read_is_not_overwritten(run, capsys, text):
    run.out.mkdir()
    (run.out / 'dataset_description.json').write_text(text)
    assert run() == 73
    assert (run.out / 'dataset_description.json').read_text() == text
    assert 'Choose a new folder for the output' in capsys.readouterr().err
