# SPDX-License-Identifier: Apache-2.0
"""Find identifying parts of texts: dates, contact details, record numbers.

Years before 1926 are not reported, because BIDS shifts dates there on purpose
(BIDS 1.11.1, "Common principles", Units: "1925 or earlier").
"""

import re

_YEAR = r'(?:192[6-9]|19[3-9]\d|20\d\d)'
_SHIFTED = r'(?:1[0-8]\d\d|19[01]\d|192[0-5])'
_MONTH = r'(?:0?[1-9]|1[0-2])'
_DAY = r'(?:0?[1-9]|[12]\d|3[01])'
_NAME = r'(?:jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-z]*'
_START = r'(?<!\d)(?<!\d\.)(?<!\bv)'  # not inside a number or a version (1.0.20230411)
_CLOCK = r'(?:(?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?)?'


def _dates(year: str) -> str:
    return '|'.join(
        [
            rf'{_START}{year}([-/._]){_MONTH}\1{_DAY}(?!\d)',  # ISO 8601
            rf'{_START}{year}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]){_CLOCK}(?!\d)',  # DICOM
            rf'{_START}{_DAY}([-/.]){_DAY}\2{year}(?![\d.])',
            rf'{_START}{_DAY}[ .-]*{_NAME}[ .,-]*{year}(?!\d)',
            rf'\b{_NAME}\.? *{_DAY}(?:st|nd|rd|th)?,? +{year}(?!\d)',
        ]
    )


_DATE = re.compile(_dates(_YEAR), re.IGNORECASE)
_MOVED = re.compile(_dates(_SHIFTED), re.IGNORECASE)
_CONTACT = re.compile(
    r'(?<![\w.])(?!git@)[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}'
    r'|(?<!\w)\+[1-9](?:[ ()/-]*\d){7,14}(?!\d)'
    r'|\(\d{3}\)[ -]?\d{3}-\d{4}(?!\d)'
    r'|(?<![\d.-])\d{3}-\d{3}-\d{4}(?![\d-])'
    r'|\b(?:tel|telephone|phone|mobile|fax)\b\W{0,3}\+?\d(?:[ ()/-]*\d){5,}',
    re.IGNORECASE,
)
_RECORD = re.compile(
    r'(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])'  # social security number
    r'|\b(?:mrn|ssn|pid|(?:patient|pat\.?|medical record|accession|case|insurance)'
    r'[ _-]?(?:id|no|nr|number)?)\W{0,3}\w{0,4}\d{4,}',
    re.IGNORECASE,
)
# UIDs of devices contain the serial number and the time; those of the DICOM standard do not
_UID = re.compile(r'(?<![\d.])(?:1\.2\.(?!840\.10008\.)|1\.3\.|2\.16\.|2\.25\.)[\d.]{12,}')
_LONG_NUMBER = re.compile(r'(?<![\w.])\d{6,}(?!\w|\.\d)')

# what sequences write into ImageComments, such as the settings of those of the CMRR
_TECHNICAL = re.compile(
    r'magnitude|phase|(?:Unaliased MB\d|Single-band reference)'
    r'(?:[ /;,:.]|MB|PE|LB|SENSE|REF|PF|(?<!\d)\d{1,2}(?!\d))*',
    re.IGNORECASE,
)
_WORD = re.compile(r'[^\W\d_]{2,}')
PROSE = 4  # words

# pattern of each rule
PATTERNS = {
    'date in text': _DATE,
    'contact in text': _CONTACT,
    'number in text': _RECORD,
    'UID in text': _UID,
}

_NOTHING = {'', 'na', 'nan', 'none', 'null', 'unknown', 'notavailable', 'notprovided', 'missing'}
_NOTHING |= {'anonymous', 'anonymized', 'anonymised', 'anonym', 'anon', 'removed', 'redacted'}
_NOTHING |= {'deidentified', 'pseudonymized', 'pseudonymised', 'hidden', 'private', 'noname'}


def identifies(text: str, *, free: bool = False) -> str | None:
    """Return the name of the rule that applies to a text, or None.

    Parameters
    ----------
    text
        Any text.
    free
        Whether the text was typed at the scanner, so that a long number may be a record number.
    """
    if is_nothing(text):
        return None
    for rule, pattern in PATTERNS.items():
        if pattern.search(text):
            return rule
    return 'number in text' if free and _LONG_NUMBER.search(text) else None


def is_remark(text: str) -> bool:
    """Return whether a comment has words, other than those that sequences write."""
    return bool(_WORD.search(text)) and not _TECHNICAL.fullmatch(text)


def is_prose(text: str) -> bool:
    """Return whether a text has as many words as a phrase typed by a person."""
    return len(_WORD.findall(text)) >= PROSE


def erase(text: str) -> str:
    """Return a text without its identifying parts, for values that BIDS requires."""
    for pattern in PATTERNS.values():
        text = pattern.sub('', text)
    return re.sub(r'^[\sT]+(?=\d\d:)|^\s+|\s+$', '', text)


def is_shifted(text: str) -> bool:
    """Return whether a text has a date that was shifted before 1926, and no later date."""
    return bool(_MOVED.search(text)) and not _DATE.search(text)


def is_nothing(value: object) -> bool:
    """Return whether a value is empty or a placeholder for a removed value."""
    if isinstance(value, dict):
        return all(map(is_nothing, value.values()))
    if isinstance(value, list):
        return all(map(is_nothing, value))
    if value is None or isinstance(value, bool):
        return True
    word = re.sub(r'[\W_]+', '', str(value)).lower()
    return word in _NOTHING or not word.strip('0x')
