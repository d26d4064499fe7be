# SPDX-License-Identifier: Apache-2.0
"""Who may write to a folder while others do."""

import errno
import fcntl
import multiprocessing
import os
import signal
import socket
from dataclasses import asdict

import pytest
from privileges import no_overrides

from facebids.errors import OutputError
from facebids.filesystem import TEMPORARY
from facebids.stages import locks
from facebids.stages.locks import Owner, hold

PARTICIPANT, GROUP = 'the participant level', 'the group level'


def _hold(folder, ready):
    with hold([folder], PARTICIPANT, ['01', '02']):
        ready.set()
        signal.pause()


@pytest.fixture
def other(tmp_path):
    """Start another process that works on two participants."""
    context = multiprocessing.get_context('spawn')
    ready = context.Event()
    process = context.Process(target=_hold, args=(tmp_path, ready))
    process.start()
    assert ready.wait(60)
    yield process
    process.kill()
    process.join()


@pytest.mark.parametrize(
    ('what', 'labels', 'shared'),
    [
        (PARTICIPANT, ['02', '03'], 'sub-02'),
        (PARTICIPANT, None, 'all participants'),
        (GROUP, None, 'all participants'),
        (GROUP, ['01'], 'sub-01'),
    ],
)
def test_who_wants_the_same_is_told_who_has_it(tmp_path, other, what, labels, shared):
    named = rf'process {other.pid} on {socket.gethostname()} is at work there on {shared}\.'
    with pytest.raises(OutputError, match=named), hold([tmp_path], what, labels):
        pytest.fail('it was not refused')
    assert len(list(tmp_path.iterdir())) == 1


def test_the_files_of_other_users_count_too(tmp_path, other):
    (path,) = tmp_path.iterdir()
    path.chmod(0o444)
    with (
        no_overrides(),
        pytest.raises(OutputError, match=f'process {other.pid} '),
        hold([tmp_path], GROUP),
    ):
        pytest.fail('it was not refused')


def test_other_participants_and_folders_are_free(tmp_path, other):
    (tmp_path / 'elsewhere').mkdir()
    with hold([tmp_path], PARTICIPANT, ['03']), hold([tmp_path / 'elsewhere'], GROUP):
        assert len(list(tmp_path.glob(f'{TEMPORARY}*'))) == 2
    assert len(list(tmp_path.glob(f'{TEMPORARY}*'))) == 1


def test_the_killed_stop_nobody_and_leave_nothing(tmp_path, other):
    other.kill()
    other.join()
    with hold([tmp_path], GROUP):
        pass
    assert not list(tmp_path.iterdir())


def test_a_lock_that_was_not_written_to_its_end_stops_nobody(tmp_path):
    (tmp_path / f'{TEMPORARY}x.lock').write_text('{"what"')
    with hold([tmp_path], GROUP):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('here', [True, False])
def test_without_locks_of_the_file_system_process_numbers_decide(tmp_path, monkeypatch, here):
    def flock(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, 'flock', flock)
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    host = socket.gethostname() if here else 'another.host'
    text = locks.json.dumps(asdict(Owner(PARTICIPANT, ('01',), host, child)))
    (tmp_path / f'{TEMPORARY}x.lock').write_text(text)
    if not here:  # nobody knows whether it still runs
        with (
            pytest.raises(OutputError, match=r'If it runs no longer, delete \.facebids-x\.lock'),
            hold([tmp_path], GROUP),
        ):
            pytest.fail('it was not refused')
        return
    with (
        hold([tmp_path], PARTICIPANT, ['01']),
        pytest.raises(OutputError, match=f'process {os.getpid()} '),
        hold([tmp_path], PARTICIPANT, ['01']),
    ):
        pytest.fail('it was not refused')
    assert not list(tmp_path.iterdir())
