# SPDX-License-Identifier: Apache-2.0
"""What ``participants.tsv`` says about people: sex, age and ethnicity."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from facebids.errors import DatasetError

NAME = 'participants.tsv'
# https://bids-specification.readthedocs.io/en/stable/glossary.html#objects.columns.sex
SEXES = {
    'm': 'male',
    'male': 'male',
    'f': 'female',
    'female': 'female',
    'o': 'other',
    'other': 'other',
}
ETHNICITY = ('ethnicity', 'race')


@dataclass(frozen=True)
class Person:
    """What is known about a person; None where it is not. The age is in years."""

    sex: str | None = None
    age: float | None = None
    ethnicity: str | None = None


def read(path: Path) -> dict[str, Person]:
    """Return what a table says about each participant, by label without ``sub-``.

    Raises
    ------
    DatasetError
        If it cannot be read, or has no column ``participant_id``.
    """
    try:
        lines = path.read_text(encoding='utf-8-sig').splitlines()
        rows = list(csv.DictReader(lines, delimiter='\t'))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f'{path} cannot be read ({error}).') from error
    if rows and 'participant_id' not in rows[0]:
        raise DatasetError(f'{path} has no column participant_id. Separate columns by tabs.')
    return {row['participant_id'].removeprefix('sub-'): _person(row) for row in rows}


def _person(row: dict[str, str]) -> Person:
    known = {
        key.strip().lower(): value.strip()
        for key, value in row.items()
        if isinstance(value, str) and value.strip().lower() not in ('', 'n/a')
    }
    ethnicity = next((known[name] for name in ETHNICITY if name in known), None)
    sex = SEXES.get(known.get('sex', '').lower())
    return Person(sex, _age(known.get('age', '')), ethnicity)


def _age(text: str) -> float | None:
    """Return an age; BIDS also has ``89+``."""
    match = re.fullmatch(r'(\d+(?:\.\d+)?)\+?', text)
    return float(match[1]) if match else None
