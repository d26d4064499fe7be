# SPDX-License-Identifier: Apache-2.0
"""An anonymous table of the observers and of their answers, to be shared.

It has the layout of the phenotypic data of BIDS, with observers in the place of participants:
``phenotype/observers.tsv`` and ``phenotype/observer_answers.tsv``, each with its data dictionary.

- Observers and scans get new numbers at random, and nothing keeps the old ones.
- What observers said about themselves in words of their own is left out: a value stays only if
  at least `LEAST` observers gave it; others become `RARE`.
- Photographs and participants are not named, and times are rounded to seconds.
"""

import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facebids.bids import records
from facebids.errors import DatasetError
from facebids.filesystem import write_json_atomic, write_text_atomic
from facebids.quiz import database as databases
from facebids.quiz import study as studies
from facebids.quiz.answers import Answer, Observer
from facebids.quiz.scoring.groups import (
    LEAST,
    OF_OBSERVERS,
    RARE,
    UNKNOWN,
    common,
    same_ethnicity,
)

FOLDER = 'phenotype'
OBSERVERS: dict[str, dict[str, Any]] = {
    'observer_id': {'Description': 'Number of the observer, drawn at random for this table.'},
    'arm': {
        'Description': 'Renders that the observer saw.',
        'Levels': {'before': 'Before defacing.', 'after': 'After defacing.'},
    },
    **{
        name: {
            'Description': f'{text}, as described by the observer; n/a: not said; {RARE}: given '
            f'by fewer than {LEAST} observers.'
        }
        for name, text in (
            ('age_band', 'Age in years'),
            ('sex', 'Sex'),
            ('ethnicity', 'Ethnicity'),
            ('profession', 'Profession'),
        )
    },
    'answers': {'Description': 'Number of answers.'},
    'correct': {'Description': 'Number of right answers.'},
}
ANSWERS: dict[str, dict[str, Any]] = {
    'observer_id': {'Description': 'Number of the observer, as in observers.tsv.'},
    'number': {'Description': 'Position of the question, from 1.'},
    'scan': {'Description': 'Number of the scan, drawn at random for this table.'},
    'kind': {
        'Description': 'The question.',
        'Levels': {
            'match': 'The right photograph is among the choices.',
            'open': '"None of the above" is a choice, and the right photograph may be absent.',
        },
    },
    'choices': {'Description': 'Number of photographs.'},
    'present': {'Description': 'Whether the right photograph is among them.'},
    'answer': {
        'Description': 'The answer.',
        'Levels': {
            'right': 'The photograph of the person in the scan.',
            'false_match': 'The photograph of another person.',
            'none': '"None of the above".',
        },
    },
    'correct': {'Description': 'Whether the answer is right.'},
    'same_ethnicity': {
        'Description': 'Ethnicity of observer and person in the scan; n/a: one is not known, or '
        f'that of the observer was given by fewer than {LEAST} observers.',
        'Levels': {'same': 'The same.', 'other': 'Different.'},
    },
    'seconds': {'Description': 'Time of the answer.', 'Units': 's'},
}
Shuffle = Callable[[list[str]], None]


@dataclass(frozen=True)
class Anonymous:
    """The rows of the two tables."""

    observers: tuple[dict[str, Any], ...]
    answers: tuple[dict[str, Any], ...]

    @property
    def unique(self) -> int:
        """Number of observers whom no other equals in all that they said about themselves."""
        said = [tuple(row[field] for field in OF_OBSERVERS) for row in self.observers]
        return sum(count == 1 for count in Counter(said).values())


def export(quiz_dir: str | Path, output: str | Path, database: str | None = None) -> Anonymous:
    """Write the anonymous tables of a quiz, with their data dictionaries.

    Parameters
    ----------
    quiz_dir
        Folder of the quiz.
    output
        Folder in which to make the folder ``phenotype``.
    database
        URL of the database of the quiz; by default that in its folder.

    Raises
    ------
    DatasetError
        If the quiz cannot be read, or nobody has answered.
    """
    study = studies.read(quiz_dir)
    observers, answers = databases.answers_of(databases.url_of(quiz_dir, database))
    if not answers:
        raise DatasetError('Nobody has answered a question yet, so there is nothing to export.')
    ethnicities = {scan.id: scan.ethnicity for scan in study.scans}
    found = anonymous(observers, answers, ethnicities, secrets.SystemRandom().shuffle)
    folder = Path(output) / FOLDER
    for name, dictionary, rows in (
        ('observers', OBSERVERS, found.observers),
        ('observer_answers', ANSWERS, found.answers),
    ):
        write_text_atomic(folder / f'{name}.tsv', records.tsv([*dictionary], rows))
        write_json_atomic(folder / f'{name}.json', dictionary)
    return found


def anonymous(
    observers: Sequence[Observer],
    answers: Sequence[Answer],
    ethnicities: Mapping[str, str | None],
    shuffle: Shuffle,
) -> Anonymous:
    """Return the rows of the tables, in the order of the new numbers.

    Parameters
    ----------
    observers
        All observers; those without an answer are left out.
    answers
        All answers.
    ethnicities
        Ethnicity of the person in each scan.
    shuffle
        Shuffles a list in place.
    """
    given: dict[str, list[Answer]] = {}
    for item in answers:
        given.setdefault(item.observer, []).append(item)
    people = {item.id: item for item in observers if item.id in given}
    names = _numbered(people, 'obs', shuffle)
    scans = _numbered({item.scan for item in answers}, 'scan', shuffle)
    said = {field: common(people.values(), field) for field in OF_OBSERVERS}
    about = [
        {
            'observer_id': names[who],
            'arm': people[who].arm,
            **{field: said[field][who] for field in OF_OBSERVERS},
            'answers': len(given[who]),
            'correct': sum(item.correct for item in given[who]),
        }
        for who in names
    ]
    rows = [
        {
            'observer_id': names[who],
            'number': item.number,
            'scan': scans[item.scan],
            'kind': item.kind,
            'choices': len(item.choices),
            'present': item.present,
            'answer': _answer(item),
            'correct': item.correct,
            'same_ethnicity': _same(said['ethnicity'][who], ethnicities.get(item.scan)),
            'seconds': round(item.seconds),
        }
        for who in names
        for item in sorted(given[who], key=lambda item: item.number)
    ]
    return Anonymous(tuple(about), tuple(rows))


def _numbered(ids: Iterable[str], prefix: str, shuffle: Shuffle) -> dict[str, str]:
    """Return new names by id, in the order of the names."""
    order = sorted(ids)
    shuffle(order)
    digits = len(str(len(order)))
    return {old: f'{prefix}-{place:0{digits}}' for place, old in enumerate(order, 1)}


def _same(one: str | None, other: str | None) -> str | None:
    known = same_ethnicity(None if one == RARE else one, other)
    return None if known == UNKNOWN else known


def _answer(item: Answer) -> str:
    if item.chosen is None:
        return 'none'
    return 'false_match' if item.false_match else 'right'
