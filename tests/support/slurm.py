# SPDX-License-Identifier: Apache-2.0
"""A Slurm of one node on this machine, in a folder, for as long as a test needs it."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

DAEMONS = ('munged', 'slurmctld', 'slurmd')
PLACES = os.pathsep.join([os.environ.get('PATH', ''), '/usr/sbin', '/usr/local/sbin'])
ENDED = {'COMPLETED', 'FAILED', 'CANCELLED', 'TIMEOUT', 'NODE_FAIL', 'OUT_OF_MEMORY'}

# More processors and memory than the machine may have, so that several tasks run at once.
CONFIGURATION = """
ClusterName=test
SlurmctldHost=localhost
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,sched_min_interval=0
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MailProg=/bin/true
MpiDefault=none
KillWait=5
NodeName=localhost CPUs=8 RealMemory=64000
PartitionName=all Nodes=localhost Default=YES MaxTime=INFINITE
"""


class UnavailableError(Exception):
    """Slurm is not installed here, or does not start."""


@dataclass(frozen=True)
class Slurm:
    """A running Slurm: its folder, and the environment in which its commands find it."""

    folder: Path
    environment: dict[str, str]

    def run(self, *command: str, **options) -> str:
        """Return what a command prints."""
        options = {'env': self.environment, 'capture_output': True, 'text': True} | options
        done = subprocess.run(command, check=False, **options)
        assert done.returncode == 0, f'{command}: {done.stdout}{done.stderr}'
        return done.stdout.strip()

    def states(self, job: str) -> dict[str, str]:
        """Return the states of the tasks of a job by their numbers (``'N/A'`` of a single job)."""
        lines = self.run('squeue', '-h', '-r', '-t', 'all', '-j', job, '-o', '%K %T').split('\n')
        return dict(line.split() for line in lines)

    def wait(self, job: str, seconds: float = 900) -> dict[str, str]:
        """Wait until a job has ended, and return the states of its tasks."""
        until = time.monotonic() + seconds
        while not set(states := self.states(job).values()) <= ENDED:
            assert time.monotonic() < until, f'job {job} is still {sorted(states)}'
            time.sleep(0.2)
        return self.states(job)


@contextmanager
def slurm() -> Iterator[Slurm]:
    """Start munge and Slurm in a temporary folder, and stop them at the end.

    Raises
    ------
    UnavailableError
        If they are not installed or do not start.
    """
    if missing := [name for name in DAEMONS if not shutil.which(name, path=PLACES)]:
        raise UnavailableError(f'{", ".join(missing)} not found: install slurm-wlm and munge')
    with ExitStack() as stack:
        # the folders of pytest are closed to others, which munge refuses, and long for a socket
        folder = Path(stack.enter_context(TemporaryDirectory(prefix='facebids-slurm-')))
        folder.chmod(0o755)
        environment = _configure(folder)
        for command in _commands(folder):
            stack.enter_context(_running(command, environment, folder))
        _wait_until_idle(environment, folder)
        found = Slurm(folder, environment)
        stack.callback(_end_jobs, found)
        yield found


def _configure(folder: Path) -> dict[str, str]:
    """Write the key and the configuration, and return the environment that names them."""
    for name in ('munge', 'state', 'spool'):
        (folder / name).mkdir()
    key = folder / 'munge' / 'key'
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    configuration = folder / 'slurm.conf'
    configuration.write_text(
        CONFIGURATION.format(ports=_free_ports(), user=getpass.getuser(), folder=folder)
    )
    return {**os.environ, 'PATH': PLACES, 'SLURM_CONF': str(configuration)}


def _commands(folder: Path) -> list[list[str]]:
    places = {'key-file': 'key', 'socket': 'socket', 'pid-file': 'pid', 'log-file': 'log'}
    places['seed-file'] = 'seed'
    munge = [f'--{option}={folder}/munge/{name}' for option, name in places.items()]
    return [
        ['munged', '--foreground', *munge],
        ['slurmctld', '-D'],
        ['slurmd', '-D', '-N', 'localhost'],
    ]


def _end_jobs(running: Slurm) -> None:
    running.run('scancel', '--full', '--signal=KILL', '--user', getpass.getuser())
    for _ in range(100):
        if not running.run('squeue', '-h'):
            return
        running.run('scancel', '--user', getpass.getuser())
        time.sleep(0.1)


def _free_ports(count: int = 2) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for item in sockets:
            item.bind(('localhost', 0))
        return [item.getsockname()[1] for item in sockets]


@contextmanager
def _running(command: list[str], environment: dict[str, str], folder: Path) -> Iterator[None]:
    with (folder / f'{command[0]}.out').open('w') as stream:
        process = subprocess.Popen(
            command, env=environment, stdout=stream, stderr=subprocess.STDOUT, cwd=folder
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)


def _wait_until_idle(environment: dict[str, str], folder: Path) -> None:
    for _ in range(150):
        done = subprocess.run(
            ['sinfo', '-h', '-o', '%T'], env=environment, capture_output=True, text=True
        )
        if done.stdout.strip() == 'idle':
            return
        time.sleep(0.2)
    said = [line for path in folder.glob('*.out') for line in path.read_text().splitlines()[-2:]]
    raise UnavailableError(f'Slurm does not start: {" ".join([done.stderr, *said])}')
