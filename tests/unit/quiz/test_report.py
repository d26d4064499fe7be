# SPDX-License-Identifier: Apache-2.0
import csv
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import scored_quiz

from facebids.errors import DatasetError, UsageError
from facebids.quiz import cli
from facebids.quiz.scoring import page_tables, report, simulate, tables
from facebids.quiz.scoring.results import results


@pytest.fixture(scope='module')
def quiz(tmp_path_factory):
    return scored_quiz.make(tmp_path_factory.mktemp('quiz'))


@pytest.fixture(scope='module')
def scored(quiz, tmp_path_factory):
    output = tmp_path_factory.mktemp('scores')
    return report.score(quiz.folder, None, ('dlib',), output), output


def study_of_one_arm(made):
    return replace(scored_quiz.study_of(made), arms=('before',))


def table(path):
    return list(csv.DictReader(path.read_text().splitlines(), delimiter='\t'))


def rows_of(shown):
    return {row[0]: row[1:] for row in shown.rows}


def test_every_table_has_a_data_dictionary(scored):
    _, output = scored
    for name in ('accuracy', 'effects', 'scans'):
        described = json.loads((output / f'{name}.json').read_text())
        rows = table(output / f'{name}.tsv')
        assert rows
        assert [*rows[0]] == [*described]
        assert all(item['Description'] for item in described.values())
        for column, item in described.items():
            if 'Levels' in item:
                assert {row[column] for row in rows} <= {*item['Levels'], 'n/a'}


def test_the_shares_are_those_of_the_answers(scored, quiz):
    _, output = scored
    for arm in quiz.study.arms:
        mine = [item for item in quiz.answers if item.arm == arm and item.kind == 'match']
        (row,) = [
            row
            for row in table(output / 'accuracy.tsv')
            if (row['who'], row['arm'], row['questions'], row['group'], row['measure'])
            == ('people', arm, 'match', 'everyone', 'accuracy')
        ]
        right = sum(item.correct for item in mine)
        assert (int(row['answers']), int(row['successes'])) == (len(mine), right)
        assert float(row['value']) == pytest.approx(right / len(mine), abs=1e-5)
        assert float(row['low']) <= float(row['value']) <= float(row['high'])
        assert float(row['chance']) == pytest.approx(1 / 4)


def test_the_machine_stands_beside_the_people_and_finds_no_face_in_noise(scored, quiz):
    found, output = scored
    answers = [row for row in table(output / 'accuracy.tsv') if row['who'] == 'dlib']
    assert {row['value'] for row in answers} == {'0'}
    (engine,) = json.loads((output / 'results.json').read_text())['engines']
    assert engine['renders'] == 10
    assert engine['renders_with_a_face'] == 0
    assert rows_of(page_tables.study_table(found))['dlib: renders with a face'] == (
        '28 of 29', '0 of 5', '0 of 5',
    )  # fmt: skip
    assert {row['face_dlib'] for row in table(output / 'scans.tsv')} == {'false'}


def test_the_figures_of_s1_stand_beside_those_of_the_quiz(scored):
    found, _ = scored
    rows = rows_of(page_tables.study_table(found))
    assert rows['observers'] == ('149', '6', '6')
    assert rows['right answers, all questions'][0] == '61 %'
    assert rows['right answers, guaranteed match'][0] == '88 %'
    assert rows['right answers, "none of the above" is a choice'][0] == '50 %'
    assert all(re.match(r'\d+ % \(\d+ to \d+\)', cell) for cell in rows['false matches'][1:])


def test_the_page_makes_no_request_and_says_that_it_is_private(scored):
    _, output = scored
    page = (output / report.PAGE).read_text()
    assert 'belongs into the private folder' in page
    links = []

    class Links(HTMLParser):
        def handle_starttag(self, tag, attributes):
            links.extend(
                value
                for name, value in attributes
                if name in ('src', 'href', 'action') and not value.startswith('#')
            )
            assert tag not in ('script', 'link', 'iframe', 'object')

    Links().feed(page)
    assert not links
    assert '@import' not in page
    assert 'url(http' not in page
    for plot in re.findall(r'<svg.*?</svg>', page, re.DOTALL):
        ET.fromstring(plot)


def test_what_observers_say_cannot_inject_markup(quiz):
    observers = [replace(item, profession='<script>alert(1)</script>') for item in quiz.observers]
    page = report.page(results(quiz.study, observers, quiz.answers))
    assert '<script' not in page
    assert '&lt;script&gt;' in page


def test_people_alone_can_be_scored_and_scores_are_reproducible(quiz, tmp_path):
    first, second = tmp_path / 'first', tmp_path / 'second'
    assert report.score(quiz.folder, None, (), first).engines == ()
    report.score(quiz.folder, None, (), second)
    assert 'dlib' not in (first / report.PAGE).read_text()
    for file in first.iterdir():
        assert (second / file.name).read_bytes() == file.read_bytes(), file.name


def test_an_unknown_engine_is_refused_before_anything_is_written(quiz, tmp_path):
    with pytest.raises(UsageError, match='--engines face'):
        report.score(quiz.folder, None, ('face',), tmp_path / 'scores')
    assert not (tmp_path / 'scores').exists()


@pytest.mark.parametrize('change', [{'scan': 'x'}, {'chosen': 'x'}, {'arm': 'x'}, {'right': 'x'}])
def test_answers_to_another_quiz_are_refused(quiz, change):
    answers = (replace(quiz.answers[0], **change), *quiz.answers[1:])
    with pytest.raises(DatasetError, match=r'not in study\.json'):
        report.check(quiz.study, quiz.observers, answers)


def test_nothing_is_scored_before_anybody_answered(quiz):
    with pytest.raises(DatasetError, match='Nobody has answered'):
        report.check(quiz.study, quiz.observers, ())


def test_one_observer_is_scored_without_a_model(quiz):
    person = quiz.observers[0]
    answers = [item for item in quiz.answers if item.observer == person.id]
    found = results(quiz.study, quiz.observers, answers)
    page = report.page(found)
    assert 'needs two or more observers' in page
    assert 'tells nothing about others' in page_tables.finding(found, found.arms[0])
    assert '11 of 12 observers answered nothing.' in page


def test_an_unfinished_questionnaire_counts_and_is_said(quiz):
    answers = [item for item in quiz.answers if item.number < 7 or item.observer != 'x']
    last = quiz.observers[-1].id
    answers = [item for item in quiz.answers if item.observer != last or item.number < 4]
    found = results(quiz.study, quiz.observers, answers)
    assert found.answers == len(quiz.answers) - 7
    assert '1 of 12 observers did not finish.' in found.notes[0]
    assert sum(arm.finished for arm in found.arms) == 11


def test_guessing_observers_are_not_told_from_chance():
    odds = -1.25  # about one of 4.5 answers
    skill = simulate.Skill(odds, 0, 0, 0, 0, 0, 0)
    made = simulate.simulate(20, 8, skill, choices=4, seed=2)
    found = results(study_of_one_arm(made), made.observers, made.answers)
    assert 'not better than guessing' in page_tables.finding(found, found.arms[0])


def test_observers_who_recognise_nobody_are_not_said_to_by_answering_none_of_the_above():
    """They are right in half of the open questions, and in a third of all."""
    made = simulate.simulate(30, 10, simulate.Skill(-1.1, 0, 0, 0, 0, 0, 0), choices=4, seed=1)
    answers = [
        replace(item, chosen=None) if item.kind == 'open' else item for item in made.answers
    ]
    found = results(study_of_one_arm(made), made.observers, answers)
    rows = rows_of(page_tables.accuracy_table(found, found.arms[0]))
    assert int(rows['people, all questions'][1].split()[0]) > 30
    assert rows['people, all questions'][4] == ''
    assert rows['people, guaranteed match'][4] == 'no'
    assert 'not better than guessing' in page_tables.finding(found, found.arms[0])


def test_a_scan_without_a_question_of_one_kind_is_scored(quiz):
    scan = quiz.study.scans[0].id
    answers = [item for item in quiz.answers if item.scan != scan or item.kind == 'open']
    found = results(quiz.study, quiz.observers, answers)
    rows = [row for row in tables.scan_rows(found) if row['scan'] == scan]
    assert [row['accuracy_match'] for row in rows] == [None, None]
    assert report.page(found)


def test_unknown_ethnicities_are_said(quiz):
    observers = [replace(item, ethnicity=None) for item in quiz.observers]
    found = results(quiz.study, observers, quiz.answers)
    assert any('ethnicity' in note for note in found.notes)
    assert (
        rows_of(page_tables.study_table(found))['right answers, same ethnicity'][1:]
        == ('n/a',) * 2
    )


def test_the_command_scores_and_exports(quiz, tmp_path, capsys):
    folder, output = str(quiz.folder), str(tmp_path / 'scores')
    assert cli.main(['score', folder, '--engines', '--output', output]) == 0
    assert cli.main(['export', folder, str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert '6 observers gave 60 answers to renders before defacing' in said
    assert 'PRIVATE' in said
    assert 'Observers: 12.' in said
    assert (tmp_path / 'scores' / report.PAGE).is_file()
    assert (tmp_path / 'phenotype' / 'observers.tsv').is_file()


def test_the_command_names_an_engine_that_does_not_exist(quiz, capsys):
    assert cli.main(['score', str(quiz.folder), '--engines', 'x']) == UsageError.exit_code
    assert '--engines x' in capsys.readouterr().err
