# SPDX-License-Identifier: Apache-2.0
"""A quiz that is served in this process, a browser, and PostgreSQL, where they are installed."""

import os
import pwd
import shutil
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import make_quiz
import pytest
import quiz_load

from facebids.filesystem import sha256
from facebids.quiz import study
from facebids.quiz.database import Database, url_of
from facebids.quiz.server import app as application
from facebids.web.security import Admin


@dataclass
class Served:
    """A quiz that is served."""

    folder: Path
    url: str
    admin: Admin

    @property
    def visitor(self) -> quiz_load.Visitor:
        return quiz_load.Visitor(self.url)

    @property
    def stored(self):
        """Observers and answers in the database."""
        database = Database(url_of(self.folder))
        try:
            return database.read()
        finally:
            database.close()


@pytest.fixture
def serve(tmp_path):
    """Return a function that serves a new quiz in a thread; all are stopped at the end."""
    running = []

    def start(*, rate=0, local=True, root='', forwarded=None, **design) -> Served:
        import uvicorn

        folder = make_quiz.write(tmp_path / f'quiz{len(running)}', **design)
        database = Database(url_of(folder))
        database.prepare(sha256(folder / study.NAME))
        admin = Admin()
        options = application.Options(make_quiz.CONSENT, b'secret', rate, local)
        app = application.make_app(folder, study.read(folder), database, options, admin)
        configuration = uvicorn.Config(
            app, port=0, root_path=root, log_level='error', lifespan='off',
            proxy_headers=forwarded is not None, forwarded_allow_ips=forwarded or '',
        )  # fmt: skip
        server = uvicorn.Server(configuration)
        thread = threading.Thread(target=server.run)
        thread.start()
        running.append((server, thread, database))
        while not server.started:
            time.sleep(0.01)
        (listener,) = server.servers[0].sockets
        return Served(folder, f'http://127.0.0.1:{listener.getsockname()[1]}', admin)

    yield start
    for server, thread, database in running:
        server.should_exit = server.force_exit = True
        thread.join()
        database.close()


@pytest.fixture(scope='session')
def postgresql():
    """Return a function that makes a database of a PostgreSQL that is started for the tests."""
    found = sorted(Path('/usr/lib/postgresql').glob('*/bin/pg_ctl'))
    if not found:
        pytest.skip('PostgreSQL is not installed')
    programs = found[-1].parent
    place = Path(tempfile.mkdtemp(prefix='pg-'))  # a short path, as that of a socket must be
    user = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        account = pwd.getpwnam('nobody')
        os.chown(place, account.pw_uid, account.pw_gid)
        user = {'user': account.pw_uid, 'group': account.pw_gid, 'extra_groups': []}

    def run(name, *arguments):
        subprocess.run(
            [programs / name, *arguments], check=True, stdout=subprocess.DEVNULL, cwd=place, **user
        )

    run('initdb', '-D', place / 'data', '-U', 'quiz', '-A', 'trust', '--no-sync', '-E', 'UTF8')
    options = f"-k {place} -c listen_addresses='' -c fsync=off"
    run('pg_ctl', '-D', place / 'data', '-o', options, '-l', place / 'log', '-w', 'start')
    names = iter(f'quiz{number}' for number in range(1000))

    def make() -> str:
        name = next(names)
        run('createdb', '-h', place, '-U', 'quiz', name)
        return f'postgresql://quiz@/{name}?host={place}'

    try:
        yield make
    finally:
        run('pg_ctl', '-D', place / 'data', '-m', 'immediate', '-w', 'stop')
        shutil.rmtree(place)
