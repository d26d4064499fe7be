# SPDX-License-Identifier: Apache-2.0
import csv
import json
import random
from dataclasses import replace

import pytest
import scored_quiz

from facebids.errors import DatasetError
from facebids.quiz import database
from facebids.quiz.scoring import export, groups, simulate


def shuffle(seed):
    return random.Random(seed).shuffle


def found(simulation, seed=0):
    return export.anonymous(
        simulation.observers, simulation.answers, simulation.ethnicities, shuffle(seed)
    )


@pytest.fixture(scope='module')
def quiz(tmp_path_factory):
    return scored_quiz.make(tmp_path_factory.mktemp('quiz'))


@pytest.fixture(scope='module')
def simulation():
    made = simulate.simulate(24, 6, seed=3)
    special, *others = made.observers
    words = replace(special, profession='Surgeon of Ward 7', ethnicity='one of a kind')
    return replace(made, observers=(words, *others))


def test_observers_and_scans_have_other_numbers_each_time(simulation):
    first, second = found(simulation, 1), found(simulation, 2)
    assert [row['observer_id'] for row in first.observers] == [f'obs-{n:02}' for n in range(1, 25)]
    assert first.observers != second.observers
    old = {item.id for item in simulation.observers} | set(simulation.ethnicities)
    cells = {value for row in (*first.observers, *first.answers) for value in row.values()}
    assert not cells & old
    assert not [cell for cell in cells if str(cell).startswith('photo')]


def test_no_words_of_an_observer_are_exported(simulation):
    rows = found(simulation).observers
    assert {row['profession'] for row in rows} <= {'radiologist', 'technologist', 'other', 'rare'}
    special = next(row for row in rows if row['ethnicity'] == 'rare')
    assert special['profession'] == 'rare'
    mine = [
        row for row in found(simulation).answers if row['observer_id'] == special['observer_id']
    ]
    assert {row['same_ethnicity'] for row in mine} == {None}


def test_values_differing_in_case_count_together():
    said = ['Black', 'black', 'BLACK ', 'black', 'Black', 'White', None]
    observers = [
        replace(item, ethnicity=value)
        for item, value in zip(simulate.simulate(7, 2).observers, said, strict=True)
    ]
    found = groups.common(observers, 'ethnicity')
    assert [*found.values()] == ['Black'] * 5 + ['rare', None]


def test_the_tables_hold_every_answer(simulation):
    tables = found(simulation)
    assert len(tables.answers) == len(simulation.answers)
    right = sum(item.correct for item in simulation.answers)
    assert sum(row['correct'] for row in tables.answers) == right
    assert sum(row['correct'] for row in tables.observers) == right
    for row in tables.answers:
        expected = 'right' if row['present'] else 'none'
        assert row['correct'] == (row['answer'] == expected)


def test_observers_who_answered_nothing_are_left_out(simulation):
    some = {simulation.observers[0].id, simulation.observers[5].id}
    part = replace(
        simulation, answers=tuple(item for item in simulation.answers if item.observer in some)
    )
    assert len(found(part).observers) == 2
    assert found(part).unique in (0, 2)


def test_a_quiz_is_exported_with_data_dictionaries(quiz, tmp_path):
    export.export(quiz.folder, tmp_path)
    for name in ('observers', 'observer_answers'):
        file = tmp_path / 'phenotype' / f'{name}.tsv'
        rows = list(csv.DictReader(file.read_text().splitlines(), delimiter='\t'))
        described = json.loads(file.with_suffix('.json').read_text())
        assert [*rows[0]] == [*described]
        assert all(item['Description'] for item in described.values())
    assert len(rows) == len(quiz.answers)


def test_nothing_is_exported_before_anybody_answered(quiz, tmp_path):
    empty = f'sqlite:///{tmp_path}/empty.sqlite'
    made = database.Database(empty)
    made.prepare('0' * 64)
    made.close()
    with pytest.raises(DatasetError, match='Nobody has answered'):
        export.export(quiz.folder, tmp_path, empty)
    assert not (tmp_path / 'phenotype').exists()
