# SPDX-License-Identifier: Apache-2.0
"""The database of a quiz: observers and their answers, in SQLite or PostgreSQL.

An answer is on the disk before the next question is shown: SQLite syncs each commit
(``synchronous=FULL``), and PostgreSQL does so by default. Primary keys make an answer count once.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

import sqlalchemy as sql
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from facebids.errors import DatasetError, UsageError
from facebids.quiz.answers import Answer, Observer

NAME = 'quiz.sqlite'
WAIT = 30  # s, for a lock of SQLite that another process holds
MIGRATIONS = Path(__file__).parent / 'migrations'


class Base(DeclarativeBase):
    """The tables, which `facebids.quiz.migrations` makes."""


class StudyRow(Base):
    """The one study that the answers belong to, and how many observers it has had."""

    __tablename__ = 'study'
    digest: Mapped[str] = mapped_column(sql.String(64), primary_key=True)
    observers: Mapped[int]


class ObserverRow(Base):
    """An observer; the personal link itself is not stored, only its hash."""

    __tablename__ = 'observers'
    id: Mapped[str] = mapped_column(sql.String(16), primary_key=True)
    number: Mapped[int] = mapped_column(unique=True)
    link_sha256: Mapped[str] = mapped_column(sql.String(64), unique=True)
    consented: Mapped[datetime] = mapped_column(sql.DateTime(timezone=True))
    arm: Mapped[str] = mapped_column(sql.String(16))
    age_band: Mapped[str | None] = mapped_column(sql.String(16))
    sex: Mapped[str | None] = mapped_column(sql.String(200))
    ethnicity: Mapped[str | None] = mapped_column(sql.String(200))
    profession: Mapped[str | None] = mapped_column(sql.String(200))


class AnswerRow(Base):
    """An answer, with all that was asked."""

    __tablename__ = 'answers'
    observer: Mapped[str] = mapped_column(
        sql.String(16), sql.ForeignKey('observers.id', ondelete='CASCADE'), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True)
    scan: Mapped[str] = mapped_column(sql.String(64))
    arm: Mapped[str] = mapped_column(sql.String(16))
    kind: Mapped[str] = mapped_column(sql.String(16))
    present: Mapped[bool]
    choices: Mapped[list[str]] = mapped_column(sql.JSON)
    chosen: Mapped[str | None] = mapped_column(sql.String(64))
    right: Mapped[str] = mapped_column(sql.String(64))
    seconds: Mapped[float] = mapped_column(sql.Double)


@dataclass(frozen=True)
class Seat:
    """Where an observer is.

    Attributes
    ----------
    observer
        Who.
    number
        Number from which the questions are drawn, from 1.
    answered
        How many questions have been answered.
    """

    observer: Observer
    number: int
    answered: int


@dataclass(frozen=True)
class Counts:
    """How many observers and answers there are, and how many observers have finished."""

    observers: int
    finished: int
    answers: int
    by_arm: dict[str, int]


class Database:
    """The tables of a quiz.

    Parameters
    ----------
    url
        See `url_of`.

    Raises
    ------
    UsageError
        If the URL is not one of SQLite or PostgreSQL.
    DatasetError
        If the database cannot be opened.
    """

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        # SQLite has one writer: threads wait shorter here than for its own lock
        self._writing: AbstractContextManager[Any] = (
            Lock() if self._engine.dialect.name == 'sqlite' else nullcontext()
        )
        try:
            self._engine.connect().close()
        except DBAPIError as error:
            raise DatasetError(
                f'The database {self._engine.url} cannot be opened ({error.orig}). '
                'Check --database, and that the database runs.'
            ) from error

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def prepare(self, study_digest: str) -> None:
        """Make or update the tables, and reserve the database for a study.

        Parameters
        ----------
        study_digest
            SHA-256 of ``study.json``.

        Raises
        ------
        DatasetError
            If the database holds answers to another study, or is that of a newer version.
        """
        with self._write() as connection:
            self._migrate(connection)
            found = connection.scalar(sql.select(StudyRow.digest))
            if found is None:
                row = {'digest': study_digest, 'observers': 0}
                connection.execute(sql.insert(StudyRow).values(row))
            elif found != study_digest:
                raise DatasetError(
                    f'The database {self._engine.url} holds the answers to another study, or '
                    'study.json was changed since. Name another database with --database.'
                )

    def join(self, link: str, arm_of: Callable[[int], str]) -> None:
        """Add an observer who has just consented.

        Parameters
        ----------
        link
            The secret of the personal link, of which the hash is stored.
        arm_of
            Returns the arm of an observer by number.
        """
        with self._write() as connection:
            count = sql.update(StudyRow).values(observers=StudyRow.observers + 1)
            number = connection.scalar(count.returning(StudyRow.observers))
            row = {
                'id': secrets.token_hex(8),
                'number': number,
                'link_sha256': _hash(link),
                'consented': datetime.now(UTC).replace(microsecond=0),
                'arm': arm_of(int(number or 0)),
            }
            connection.execute(sql.insert(ObserverRow).values(row))

    def describe(self, link: str, about: Mapping[str, str | None]) -> None:
        """Store what an observer says about themselves: columns of `ObserverRow`."""
        with self._write() as connection:
            rows = sql.update(ObserverRow).where(ObserverRow.link_sha256 == _hash(link))
            connection.execute(rows.values(**about))

    def seat(self, link: str) -> Seat | None:
        """Return where the observer with a personal link is, None if there is none."""
        answered = (
            sql.select(sql.func.count())
            .where(AnswerRow.observer == ObserverRow.id)
            .scalar_subquery()
        )
        query = sql.select(*_OBSERVER, ObserverRow.number, answered.label('answered'))
        with self._engine.connect() as connection:
            row = connection.execute(query.where(ObserverRow.link_sha256 == _hash(link))).first()
        if row is None:
            return None
        *fields, number, count = row
        return Seat(Observer(*fields), number, count)

    def save(self, answer: Answer) -> bool:
        """Commit an answer; return whether it is new.

        An answer to a question that has one already, or that is not the next, changes nothing.
        So does one of an observer who was deleted.
        """
        mine = AnswerRow.observer == answer.observer
        try:
            with self._write() as connection:
                count = connection.scalar(sql.select(sql.func.count()).where(mine))
                if answer.number != (count or 0) + 1:
                    return False
                row = asdict(answer) | {'choices': list(answer.choices)}
                connection.execute(sql.insert(AnswerRow).values(row))
        except IntegrityError:
            return False
        return True

    def delete(self, *, link: str | None = None, observer: str | None = None) -> bool:
        """Delete the observer with a personal link or an id; return whether there was one."""
        by_link = ObserverRow.link_sha256 == _hash(link or '')
        which = sql.or_(by_link, ObserverRow.id == observer)
        with self._write() as connection:
            deleted = connection.execute(sql.delete(ObserverRow).where(which)).rowcount
        if self._engine.dialect.name == 'sqlite':  # what was deleted is not kept in the log either
            with self._engine.connect() as connection:
                connection.exec_driver_sql('PRAGMA wal_checkpoint(TRUNCATE)')
        return bool(deleted)

    def counts(self, questions: int) -> Counts:
        """Count observers and answers.

        Parameters
        ----------
        questions
            Number of questions of an observer.
        """
        finished = sql.select(AnswerRow.observer).where(AnswerRow.number == questions).subquery()
        arms = sql.select(ObserverRow.arm, sql.func.count()).group_by(ObserverRow.arm)
        with self._engine.connect() as connection:
            by_arm: dict[str, int] = {row[0]: row[1] for row in connection.execute(arms)}
            done = connection.scalar(sql.select(sql.func.count()).select_from(finished))
            answers = connection.scalar(sql.select(sql.func.count()).select_from(AnswerRow))
        return Counts(sum(by_arm.values()), done or 0, answers or 0, by_arm)

    def read(self) -> tuple[tuple[Observer, ...], tuple[Answer, ...]]:
        """Return all observers in the order in which they joined, and all answers.

        Raises
        ------
        DatasetError
            If the database is not that of a quiz.
        """
        answers = sql.select(*_ANSWER).join(ObserverRow, AnswerRow.observer == ObserverRow.id)
        try:
            with self._engine.connect() as connection:
                people = connection.execute(sql.select(*_OBSERVER).order_by(ObserverRow.number))
                found = tuple(Observer(*row) for row in people)
                rows = connection.execute(answers.order_by(ObserverRow.number, AnswerRow.number))
                given = tuple(_answer(row) for row in rows)
        except DBAPIError as error:
            raise DatasetError(
                f'The database {self._engine.url} holds no quiz ({error.orig}). '
                'Check --database, and serve the quiz first.'
            ) from error
        return found, given

    def _migrate(self, connection: sql.Connection) -> None:
        """Bring the tables to the newest revision, in the transaction of a connection."""
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError

        config = Config()
        config.set_main_option('script_location', str(MIGRATIONS).replace('%', '%%'))
        config.attributes['connection'] = connection
        try:
            command.upgrade(config, 'head')
        except CommandError as error:
            raise DatasetError(
                f'The database {self._engine.url} cannot be used ({error}). If a newer version of '
                'FaceBIDS made it, install that version.'
            ) from error

    @contextmanager
    def _write(self) -> Iterator[sql.Connection]:
        """Yield a connection, and commit at the end of the block unless it raises."""
        with self._writing, self._engine.connect() as connection:
            connection = connection.execution_options(writes=True)
            with connection.begin():
                yield connection


def url_of(quiz_dir: str | Path, database: str | None = None) -> str:
    """Return the URL of the database of a quiz: of SQLite in its folder unless another is named.

    Raises
    ------
    UsageError
        If the URL is not one of SQLite or PostgreSQL.
    """
    if database is None:
        return sql.URL.create(
            'sqlite', database=str(Path(quiz_dir).resolve() / NAME)
        ).render_as_string()
    try:
        url = sql.make_url(database)
    except ArgumentError:
        url = None
    known = url is not None and url.get_backend_name() in ('sqlite', 'postgresql')
    if url is None or not known or url.database in (None, '', ':memory:'):
        raise UsageError(
            '--database: give a URL such as postgresql://user@host/name, or sqlite:////data/a.sqlite.'
        )
    return database


def answers_of(url: str) -> tuple[tuple[Observer, ...], tuple[Answer, ...]]:
    """Return all observers in the order in which they joined, and all answers.

    Parameters
    ----------
    url
        See `url_of`.

    Raises
    ------
    DatasetError
        If there is no such database, or it is not that of a quiz.
    """
    file = sql.make_url(url).database
    if url.startswith('sqlite') and not (file and Path(file).is_file()):
        raise DatasetError(f'{file}: nobody has answered yet. Serve the quiz first.')
    database = Database(url)
    try:
        return database.read()
    finally:
        database.close()


_OBSERVER = [getattr(ObserverRow, item.name) for item in fields(Observer)]
_ANSWER = [getattr(AnswerRow, item.name) for item in fields(Answer)]


def _answer(row: Any) -> Answer:
    values = dict(zip((item.name for item in fields(Answer)), row, strict=True))
    return Answer(**{**values, 'choices': tuple(values['choices'])})


def _hash(link: str) -> str:
    return sha256(link.encode()).hexdigest()


def _engine(url: str) -> sql.Engine:
    address = sql.make_url(url)
    # messages hold no answers
    if address.get_backend_name() == 'postgresql':
        # connections that the server or a firewall closed meanwhile are replaced
        address = address.set(drivername='postgresql+psycopg')
        return sql.create_engine(address, pool_pre_ping=True, hide_parameters=True)
    engine = sql.create_engine(address, connect_args={'timeout': WAIT}, hide_parameters=True)
    sql.event.listen(engine, 'connect', _set_up)
    sql.event.listen(engine, 'begin', _begin)
    return engine


def _set_up(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # transactions begin where `_begin` says so
    for setting in ('journal_mode=WAL', 'synchronous=FULL', 'foreign_keys=ON', 'secure_delete=ON'):
        connection.execute(f'PRAGMA {setting}')


def _begin(connection: sql.Connection) -> None:
    """Let a writer take the lock at once: one that began as a reader could not wait for it."""
    writes = connection.get_execution_options().get('writes')
    connection.exec_driver_sql('BEGIN IMMEDIATE' if writes else 'BEGIN')
