# SPDX-License-Identifier: Apache-2.0
"""Remove identifying metadata from tables: participants, sessions, scans, phenotype.

Cells become ``n/a``, ages above 89 become 89, and columns, rows and line ends are kept. Only the
columns of experimental tables (events, channels, physiology) are searched, and only unambiguous
ones, because stimuli may have names and ages too.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date

from facebids.errors import DatasetError
from facebids.release import rules
from facebids.release.rules import FREE_TEXT, Finding
from facebids.release.texts import identifies, is_nothing, is_prose, is_remark, is_shifted

NOT_AVAILABLE = 'n/a'

# HIPAA (C) aggregates ages of 90 and over. BIDS 1.11 caps ages at 89 and deprecates "89+".
OLDEST = 89
PER_YEAR = {'year': 1, 'month': 12, 'week': 365.25 / 7, 'day': 365.25}
_UNITS = {
    **dict.fromkeys(['year', 'years', 'yr', 'yrs', 'y', 'a'], 'year'),
    **dict.fromkeys(['month', 'months', 'mo', 'mos', 'mon'], 'month'),
    **dict.fromkeys(['week', 'weeks', 'wk', 'wks', 'w'], 'week'),
    **dict.fromkeys(['day', 'days', 'd'], 'day'),
}
_DICOM_AGE = {'Y': 'year', 'M': 'month', 'W': 'week', 'D': 'day'}  # PS3.5, value type AS

_EXPERIMENT = re.compile(
    r'.*_(?:events|channels|electrodes|optodes|physio|physioevents|stim|motion|emg|eyetrack'
    r'|aslcontext|blood|markers|timeseries|regressors|dseg|probseg|volumes)\.tsv'
)
_AMBIGUOUS = {'name', 'initials', 'age', 'address', 'street', 'city', 'town', 'county'}
_AMBIGUOUS |= {'hospital', 'clinic', 'institution', 'mobile', 'phone', 'telephone', 'operator'}
_AMBIGUOUS |= {'comment', 'comments', 'note', 'notes', 'remark', 'remarks'}
_LABELS = ('filename', 'session_id', 'sample_id', 'participant_id', 'stim_file')
_TYPED = re.compile(r'(?:.*_)?(?:comments?|notes?|remarks?|description)(?:_.*)?')
_INTERVAL = re.compile(r'(?:(?:day|week|month|year|visit|session)s?)?\s*[-+]?\d{1,4}(?:\.\d+)?')


def scrub_table(
    text: str, path: str, units: Mapping[str, str] | None = None
) -> tuple[str, tuple[Finding, ...]]:
    """Remove identifying metadata from a table.

    Parameters
    ----------
    text
        Tab-separated values with a header.
    path
        POSIX path of the file relative to the dataset.
    units
        Units of columns from the data dictionary. Ages are in years by default.

    Returns
    -------
    tuple
        The table without identifying metadata, and the findings. Without findings the table is
        the same object.

    Raises
    ------
    DatasetError
        If the values are not separated by tabs.
    """
    lines = _lines(text)
    header = lines[0].split('\t')
    if len(header) == 1 and re.search(r'[,;]', header[0]):
        raise DatasetError(
            f'{path}: the columns are not separated by tabs, so they cannot be searched for '
            'identifying metadata. Save the table with tabs.'
        )
    table = _Table(path, header, units or {})
    if not table.is_searched:
        return text, ()
    findings = []
    for at in range(2, len(lines), 2):
        cells = lines[at].split('\t')
        row = table.label(cells) or f'row {at // 2}'
        for number, column, rule, replacement in table.identifying(cells):
            findings.append(Finding(path, f'{column} of {row}', rule, cells[number]))
            cells[number] = replacement
        lines[at] = '\t'.join(cells)
    return (''.join(lines), tuple(findings)) if findings else (text, ())


def free_text_of_table(text: str, path: str) -> tuple[Finding, ...]:
    """Return the free text of a table of participants: descriptions, and cells with phrases.

    Parameters
    ----------
    text, path
        As of `scrub_table`.
    """
    lines = _lines(text)
    table = _Table(path, lines[0].split('\t'), {})
    findings = []
    for at in range(2, len(lines), 2) if table.of_people else ():
        cells = lines[at].split('\t')
        row = table.label(cells) or f'row {at // 2}'
        for column, cell in zip(table.header, cells, strict=False):
            word = rules.words(column)
            if word in _LABELS or is_nothing(cell):
                continue
            typed = bool(_TYPED.fullmatch(word))
            if is_remark(cell) and (typed or is_prose(cell)):
                findings.append(Finding(path, f'{column} of {row}', FREE_TEXT, cell))
    return tuple(findings)


def _lines(text: str) -> list[str]:
    """Return lines and, between them, their ends."""
    return re.split(r'(\r\n|\n|\r)', text.removeprefix('\ufeff'))


def units_of(dictionary: str) -> dict[str, str]:
    """Return the units of columns in a data dictionary, or none if it cannot be read."""
    try:
        columns = json.loads(dictionary)
    except ValueError:
        return {}  # the data dictionary itself is searched too, which raises the error
    described = columns.items() if isinstance(columns, dict) else ()
    return {key: str(entry['Units']) for key, entry in described
            if isinstance(entry, dict) and 'Units' in entry}  # fmt: skip


def capped(age: str, unit: str) -> str | None:
    """Return the cap of 89 years for an age that exceeds it, else None.

    Parameters
    ----------
    age
        An age in a table: ``91``, ``90+``, ``>90``, ``091Y``, ``80-90``. The first number of a
        range counts.
    unit
        A key of `PER_YEAR`. A unit in the age itself (``1090M``) takes precedence.
    """
    found = re.search(r'(\d+(?:[.,]\d+)?)\s*([YMWD]\b)?', age)
    if not found:
        return None
    unit = _DICOM_AGE.get(found[2] or '', unit)
    oldest = int(OLDEST * PER_YEAR[unit])
    if float(found[1].replace(',', '.')) <= oldest:
        return None
    return str(oldest) + (found[2] or '')


class _Table:
    """A table with the rule that applies to each column."""

    def __init__(self, path: str, header: list[str], units: Mapping[str, str]) -> None:
        self.of_people = not _EXPERIMENT.fullmatch(path.rpartition('/')[2].lower())
        self.header = [name.strip().strip('"') for name in header]
        self.columns = [rules.words(name) for name in header]
        self.rules = [self._rule(column) for column in self.columns]
        self.units = [
            _unit(units.get(name, ''), column)
            for name, column in zip(self.header, self.columns, strict=True)
        ]

    @property
    def is_searched(self) -> bool:
        return self.of_people or any(self.rules)

    def _rule(self, column: str) -> str | None:
        if column in _LABELS or (column in _AMBIGUOUS and not self.of_people):
            return None
        rule = rules.of_column(column)
        return rule.name if rule else None

    def label(self, cells: list[str]) -> str | None:
        """Return a label of a row that does not identify anyone, or None."""
        named = dict(zip(self.columns, cells, strict=False))
        return next((named[label] for label in _LABELS if named.get(label)), None)

    def identifying(self, cells: list[str]) -> Iterator[tuple[int, str, str, str]]:
        """Yield index, column, rule and replacement of each identifying cell of a row."""
        for number, cell in enumerate(cells):
            value = cell.strip().strip('"')
            if is_nothing(value):
                continue
            known = number < len(self.columns)
            column, rule = (self.columns[number], self.rules[number]) if known else ('', None)
            found, replacement = rule, NOT_AVAILABLE
            if rule == 'age':
                age = _capped_age(value, column, self.units[number])
                found, replacement = (rule, age) if age else (None, NOT_AVAILABLE)
            elif rule == 'comment':
                found = rule if is_remark(value) else None
            elif rule in ('date', 'birth'):
                found = rule if _is_date(value, rule, column) else None
            if not found and self.of_people and column not in _LABELS:
                found = identifies(value, free=bool(_TYPED.fullmatch(column)))
            if found:
                name = self.header[number] if known else f'column {number + 1}'
                yield number, name, found, replacement


def _unit(given: str, column: str) -> str:
    named = (_UNITS[word] for word in column.split('_') if word in _UNITS and len(word) > 1)
    return _UNITS.get(given.strip().lower()) or next(named, 'year')


def _capped_age(value: str, column: str, unit: str) -> str | None:
    if re.search(r'birth|yob', column):
        year = re.fullmatch(r'[12]\d{3}', value)
        return NOT_AVAILABLE if year and date.today().year - int(value) > OLDEST else None
    return capped(value, unit)


def _is_date(value: str, rule: str, column: str) -> bool:
    """Return whether a cell of a column of dates holds a date that was not shifted."""
    if is_shifted(value):
        return False
    if rule == 'birth' or column == 'acq_time':
        return True
    # no digits, or the length of an interval: not a date
    return any(map(str.isdigit, value)) and not _INTERVAL.fullmatch(value.lower())
