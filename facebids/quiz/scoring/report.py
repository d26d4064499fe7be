# SPDX-License-Identifier: Apache-2.0
"""Score a quiz: tables, JSON and a page, from the answers in its database."""

from collections.abc import Sequence
from pathlib import Path

from facebids.bids import records
from facebids.errors import DatasetError
from facebids.filesystem import write_json_atomic, write_text_atomic
from facebids.quiz import database as databases
from facebids.quiz import power
from facebids.quiz import study as studies
from facebids.quiz.answers import Answer, Observer
from facebids.quiz.scoring import machine, page_tables, plots, tables
from facebids.quiz.scoring.results import Results, results
from facebids.quiz.study import Study
from facebids.reports import render
from facebids.reports.tables import Table, percent
from facebids.studies.photographs.read import read as read_picture
from facebids.version import __version__

PAGE = 'observers.html'
JSON = 'results.json'
OUTPUT = 'scores'


def score(
    quiz_dir: str | Path,
    database: str | None = None,
    engines: Sequence[str] = machine.DEFAULT,
    output: str | Path | None = None,
) -> Results:
    """Score the answers to a quiz, and write tables, JSON and a page.

    Parameters
    ----------
    quiz_dir
        Folder of the quiz.
    database
        URL of its database; by default that in its folder.
    engines
        Recognition engines that answer the same questions; none to leave them out.
    output
        Folder to write to; the folder ``scores`` of the quiz by default.

    Raises
    ------
    UsageError
        If an engine does not exist or compares no photographs.
    DatasetError
        If the quiz cannot be read, nobody has answered, or an answer does not belong to it.
    """
    names = machine.usable(engines)
    study = studies.read(quiz_dir)
    observers, answers = databases.answers_of(databases.url_of(quiz_dir, database))
    check(study, observers, answers)
    machines = [_machine(Path(quiz_dir), study, answers, name) for name in names]
    found = results(study, observers, answers, machines)
    write(Path(output or Path(quiz_dir) / OUTPUT), found)
    return found


def check(study: Study, observers: Sequence[Observer], answers: Sequence[Answer]) -> None:
    """Refuse answers that do not belong to a study.

    Raises
    ------
    DatasetError
        If there is no answer, or one names a scan, photograph or arm that the study does not have.
    """
    if not answers:
        raise DatasetError('Nobody has answered a question yet, so there is nothing to score.')
    scans = {scan.id for scan in study.scans}
    photographs = {item.id for item in study.photographs}
    people = {item.id for item in observers}
    for item in answers:
        shown = {*item.choices, item.right, *({item.chosen} - {None})}
        if (
            item.scan not in scans
            or not shown <= photographs
            or item.arm not in study.arms
            or item.observer not in people
        ):
            raise DatasetError(
                f'Answer {item.number} of observer {item.observer} names what is not in '
                'study.json. The database is of another quiz: check QUIZ_DIR and --database.'
            )


def write(output: Path, found: Results) -> None:
    """Write the tables with their data dictionaries, the JSON file and the page."""
    written = (
        ('accuracy', tables.accuracy_rows(found), tables.ACCURACY),
        ('effects', tables.effect_rows(found), tables.EFFECTS),
        ('scans', tables.scan_rows(found), tables.scan_dictionary(found)),
    )
    for name, rows, dictionary in written:
        write_text_atomic(output / f'{name}.tsv', records.tsv([*dictionary], rows))
        write_json_atomic(output / f'{name}.json', dictionary)
    write_json_atomic(output / JSON, tables.as_json(found))
    write_text_atomic(output / PAGE, page(found))


def page(found: Results) -> str:
    """Return the page, which needs no other file."""
    model = None if isinstance(found.mixed, str) else found.mixed
    return render(
        'observers.html.j2',
        title='Can people recognise the renders?',
        version=__version__,
        found=found,
        arms=[
            {
                'name': arm.name,
                'arm': arm,
                'finding': page_tables.finding(found, arm),
                'kinds': plots.kinds(found, arm),
                'table': page_tables.accuracy_table(found, arm),
                'groups': plots.groups(found, arm),
                'group_table': page_tables.group_table(found, arm),
                'scans': plots.scans(found, arm),
                'scan_table': page_tables.scan_table(found, arm),
            }
            for arm in found.arms
        ],
        study=page_tables.study_table(found),
        model=model,
        no_model=found.mixed,
        effects=plots.effects(model) if model else None,
        effect_table=page_tables.effect_table(model) if model else None,
        over_time=[plot for plot in (plots.learning(found), plots.observers(found)) if plot],
        power=power_table(found),
        percent=percent,
    )


def power_table(found: Results) -> Table:
    """Return what accuracy studies of these scans can tell from guessing."""
    model = found.mixed
    icc = (power.ICC_OBSERVER, power.ICC_SCAN) if isinstance(model, str) else model.icc
    counts = sorted({*power.OBSERVERS, *(arm.observers for arm in found.arms)})
    known = power.powers(found.scans, found.questions, found.choices, counts, *icc)
    rows = tuple(
        (
            str(count),
            *(
                'none' if item.accuracy is None else percent(item.accuracy)
                for item in known
                if item.observers == count
            ),
        )
        for count in counts
    )
    return Table('', ('Observers', 'Guaranteed match', '"None of the above"'), rows)


def _machine(
    quiz_dir: Path, study: Study, answers: Sequence[Answer], name: str
) -> machine.Machine:
    used = {(item.scan, item.arm) for item in answers}
    renders = {
        (scan.id, arm): read_picture(quiz_dir / file)
        for scan in study.scans
        for arm, file in scan.renders.items()
        if (scan.id, arm) in used
    }
    photographs = {item.id: read_picture(quiz_dir / item.file) for item in study.photographs}
    own = {
        scan.id: [item.id for item in study.photographs if item.participant == scan.participant]
        for scan in study.scans
    }
    return machine.answer(name, answers, machine.compare(name, renders, photographs), own)
