# SPDX-License-Identifier: Apache-2.0
"""The database of a quiz, in SQLite and in PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sql
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from facebids.errors import DatasetError, UsageError
from facebids.quiz.answers import Answer
from facebids.quiz.database import Base, Database, answers_of, url_of


@pytest.fixture(params=['sqlite', 'postgresql'])
def url(request, tmp_path):
    if request.param == 'sqlite':
        return url_of(tmp_path)
    return url_of(tmp_path, request.getfixturevalue('postgresql')())


@pytest.fixture
def database(url):
    made = Database(url)
    made.prepare('study')
    yield made
    made.close()


def join(database, link):
    database.join(link, lambda number: 'before' if number % 2 else 'after')
    return database.seat(link)


def answer(seat, number, **changes):
    base = Answer(
        seat.observer.id, number, 's', seat.observer.arm, 'open', True, ('p', 'q'), None, 'p', 1.25
    )
    return replace(base, **changes)


def test_what_is_stored_is_read(database, url):
    one, two = join(database, 'one'), join(database, 'two')
    assert [(seat.number, seat.observer.arm) for seat in (one, two)] == [
        (1, 'before'),
        (2, 'after'),
    ]
    about = {'age_band': '30-39', 'sex': 'female', 'ethnicity': 'Ünï', 'profession': None}
    database.describe('two', about)
    given = [answer(one, 1, chosen='q'), answer(one, 2), answer(two, 1)]
    assert all(map(database.save, given))
    assert database.seat('one').answered == 2
    people, answers = answers_of(url)
    assert answers == tuple(given)
    assert people == (one.observer, replace(two.observer, **about))
    counts = database.counts(questions=2)
    assert (counts.observers, counts.finished, counts.answers) == (2, 1, 3)
    assert counts.by_arm == {'before': 1, 'after': 1}


def test_an_answer_counts_once_and_in_order(database):
    seat = join(database, 'one')
    assert not database.save(answer(seat, 2))
    assert database.save(answer(seat, 1))
    assert not database.save(answer(seat, 1, chosen='q'))
    assert not database.save(answer(seat, 3))
    (stored,) = database.read()[1]
    assert stored.chosen is None


def test_of_answers_sent_at_once_one_counts(database):
    seat = join(database, 'one')
    with ThreadPoolExecutor(16) as pool:
        saved = list(pool.map(lambda _: database.save(answer(seat, 1)), range(32)))
    assert saved.count(True) == 1
    assert len(database.read()[1]) == 1


def test_observers_who_join_at_once_have_different_numbers(database):
    with ThreadPoolExecutor(16) as pool:
        seats = list(pool.map(lambda number: join(database, f'link{number}'), range(32)))
    assert sorted(seat.number for seat in seats) == list(range(1, 33))


@pytest.mark.parametrize('by', ['link', 'observer'])
def test_a_deleted_observer_leaves_nothing(database, by):
    seat, other = join(database, 'one'), join(database, 'two')
    for who in (seat, other):
        database.save(answer(who, 1))
    assert database.delete(**{by: {'link': 'one', 'observer': seat.observer.id}[by]})
    assert not database.delete(link='one')
    assert database.seat('one') is None
    assert not database.save(answer(seat, 2))
    assert not database.save(answer(seat, 1))
    people, answers = database.read()
    assert (
        [item.id for item in people] == [item.observer for item in answers] == [other.observer.id]
    )
    assert join(database, 'three').number == 3  # no number is given twice


def test_deleted_words_are_not_left_in_the_files(tmp_path):
    database = Database(url_of(tmp_path))
    database.prepare('study')
    join(database, 'one')
    database.describe('one', {'profession': 'lighthouse keeper'})
    files = list(tmp_path.iterdir())
    assert b'lighthouse' in b''.join(path.read_bytes() for path in files)
    database.delete(link='one')
    assert b'lighthouse' not in b''.join(path.read_bytes() for path in tmp_path.iterdir())
    database.close()


def test_answers_to_another_study_are_not_mixed(database, url):
    database.prepare('study')
    with pytest.raises(DatasetError, match='another study'):
        database.prepare('changed')


def test_a_database_of_a_newer_version_is_left_alone(database, url):
    engine = sql.create_engine(url.replace('postgresql:', 'postgresql+psycopg:'))
    with engine.begin() as connection:
        connection.execute(sql.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(DatasetError, match='If a newer version'):
        database.prepare('study')


def test_migrations_make_the_tables_of_the_models(database, url):
    engine = sql.create_engine(url.replace('postgresql:', 'postgresql+psycopg:'))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={'compare_type': True})
        assert not compare_metadata(context, Base.metadata)
    engine.dispose()


def test_each_commit_of_sqlite_reaches_the_disk(tmp_path):
    database = Database(url_of(tmp_path))
    with database._engine.connect() as connection:
        settings = [
            connection.exec_driver_sql(f'PRAGMA {name}').scalar()
            for name in ('journal_mode', 'synchronous', 'foreign_keys', 'secure_delete')
        ]
    assert settings == ['wal', 2, 1, 1]
    database.close()


def test_a_database_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r'quiz\.sqlite: nobody has answered'):
        answers_of(url_of(tmp_path))
    with pytest.raises(DatasetError, match='cannot be opened'):
        Database('postgresql://quiz:hidden@/none?host=/nowhere')
    with pytest.raises(DatasetError, match='cannot be opened'):
        Database(url_of(tmp_path / 'none'))


def test_a_password_is_not_in_the_message():
    with pytest.raises(DatasetError) as raised:
        Database('postgresql://quiz:hidden@/none?host=/nowhere')
    assert 'hidden' not in str(raised.value)


def test_a_file_that_is_no_quiz_is_named(tmp_path):
    (tmp_path / 'quiz.sqlite').touch()
    with pytest.raises(DatasetError, match='holds no quiz'):
        answers_of(url_of(tmp_path))


@pytest.mark.parametrize('text', ['', 'quiz', 'mysql://a/b', 'sqlite://', 'postgresql://a@b'])
def test_other_databases_are_refused(tmp_path, text):
    with pytest.raises(UsageError, match='--database'):
        url_of(tmp_path, text)
