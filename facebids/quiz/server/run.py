# SPDX-License-Identifier: Apache-2.0
"""Serve a quiz: one server on a folder, until it is stopped."""

import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from facebids import filesystem
from facebids.errors import DatasetError, UsageError
from facebids.quiz import study
from facebids.quiz.database import Database, url_of
from facebids.quiz.server import pages
from facebids.quiz.server.app import Options, make_app
from facebids.stages.locks import hold
from facebids.web.listen import is_loopback, listen
from facebids.web.security import Admin

LAST_PORT = 65535


@dataclass(frozen=True)
class Settings:
    """What to serve and where.

    Attributes
    ----------
    quiz_dir
        Folder of the quiz.
    database
        URL of the database; None: SQLite in the folder.
    host, port
        Address to listen on; port 0: any that is free.
    root_path
        Path under which a reverse proxy shows the quiz, which it strips: ``'/quiz'``.
    forwarded_allow_ips
        Addresses of the proxies whose ``X-Forwarded`` headers are believed; None: nobody's.
    rate
        Requests of an observer in a minute; 0: no limit.
    """

    quiz_dir: Path
    database: str | None
    host: str
    port: int
    root_path: str
    forwarded_allow_ips: str | None
    rate: int


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve a quiz until the process is stopped.

    Parameters
    ----------
    settings
        What to serve.
    announce
        Receives lines for whoever runs the server: where the quiz is, and what to mind.

    Raises
    ------
    DatasetError
        If the folder is not that of a quiz, a picture is missing, or the database does not fit.
    OutputError
        If another server shows the quiz, or the address cannot be used.
    UsageError
        If ``root_path`` is no path, or there is no such port.
    """
    if settings.root_path and not settings.root_path.startswith('/'):
        raise UsageError(f'--root-path {settings.root_path}: begin it with /, as in /quiz.')
    if settings.port > LAST_PORT:
        raise UsageError(f'--port {settings.port}: the last port is {LAST_PORT}.')
    found = study.read(settings.quiz_dir)
    consent, secret = _text(settings, study.CONSENT), _text(settings, study.SECRET).strip()
    _check_pictures(settings.quiz_dir, found)
    with hold([settings.quiz_dir], 'the server'):
        database = Database(url_of(settings.quiz_dir, settings.database))
        with closing(database), closing(listen(settings.host, settings.port)) as listener:
            database.prepare(filesystem.sha256(settings.quiz_dir / study.NAME))
            admin = Admin()
            local = is_loopback(settings.host) and not settings.forwarded_allow_ips
            options = Options(consent, secret.encode(), settings.rate, local)
            app = make_app(settings.quiz_dir, found, database, options, admin)
            for line in _announcement(settings, listener, admin, draft=pages.is_draft(consent)):
                announce(line)
            uvicorn.Server(_configuration(app, settings)).run([listener])


def _configuration(app: object, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        root_path=settings.root_path.rstrip('/'),
        proxy_headers=settings.forwarded_allow_ips is not None,
        forwarded_allow_ips=settings.forwarded_allow_ips or '',
        server_header=False,
        access_log=False,  # it would hold addresses and personal links
        log_level='warning',
        lifespan='off',
        timeout_keep_alive=75,  # s; people think, and proxies keep connections for a minute
        ws='none',
    )


def _announcement(
    settings: Settings, listener: socket.socket, admin: Admin, *, draft: bool
) -> list[str]:
    host, port = settings.host, listener.getsockname()[1]
    shown = f'[{host}]' if ':' in host else host
    # a proxy strips the root path, so the server itself answers without it
    place = f'http://{shown}:{port}'
    lines = [
        f'Quiz: {place}/',
        f'Counts: {place}/admin, password (works once): {admin.password}',
        f'PRIVATE: {settings.quiz_dir} holds faces and answers. Whoever can open the quiz sees '
        'the pictures.',
    ]
    if draft:
        lines.append(
            f'DRAFT: {settings.quiz_dir / study.CONSENT} has gaps in [square brackets]. Fill them '
            'in before you show the quiz to anybody.'
        )
    if not is_loopback(host):
        lines.append(
            f'NOT ENCRYPTED: {host} can be reached from other machines. Put a reverse proxy with '
            'TLS in front, and let only the proxy reach this port.'
        )
    return [*lines, 'Stop it with Ctrl-C; answers are kept.']


def _text(settings: Settings, name: str) -> str:
    path = settings.quiz_dir / name
    try:
        text = path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f'{path} cannot be read ({error}).') from error
    if not text.strip():
        raise DatasetError(f'{path} is empty.')
    return text


def _check_pictures(quiz_dir: Path, found: study.Study) -> None:
    missing = [name for name in study.files(found) if not (quiz_dir / name).is_file()]
    if missing:
        raise DatasetError(
            f'{quiz_dir}: {len(missing)} pictures are missing, such as {missing[0]}. Copy the '
            'whole folder again.'
        )
