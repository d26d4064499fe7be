# SPDX-License-Identifier: Apache-2.0
"""Remove identifying metadata from the sidecars and tables of a dataset.

Only identifying parts of a file are cut. All else stays the same byte by byte, including numbers,
spaces and line ends. :mod:`facebids.release.rules` has the rules.

File names are not searched, nor are software and sequence versions, which contain dates of their
own. The description of the dataset is searched for keys about patients only.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from facebids.errors import DatasetError
from facebids.release import rules
from facebids.release.rules import FREE_TEXT, RULES, Finding, Rule
from facebids.release.tables import capped, free_text_of_table, scrub_table, units_of
from facebids.release.texts import (
    erase,
    identifies,
    is_nothing,
    is_prose,
    is_remark,
    is_shifted,
)

__all__ = ['RULES', 'Finding', 'Rule', 'scrub', 'scrub_json', 'scrub_table']

# Keys that BIDS 1.11 requires of some files: only the identifying part of the value is removed.
REQUIRED = frozenset(
    """
    DigitizedHeadPoints SamplingFrequency
    AcquisitionMode AttenuationCorrection BodyPart BodyPartDetails BolusCutOffTechnique
    ChunkTransformationMatrixAxis Columns Density DewarPosition EEGReference
    EMGPlacementSchemeDescription EMGReference InfusionSpeedUnits InjectedMass
    InjectedMassUnits InjectedRadioactivityUnits IntendedFor Manufacturer
    ManufacturersModelName MetaboliteMethod ModeOfAdministration OnsetSource PowerLineFrequency
    PulseSequenceType ReconFilterType ReconMethodName ReconMethodParameterLabels
    ReconMethodParameterUnits Resolution ResonantNucleus SoftwareFilters SpatialReference
    SpecificRadioactivity SpecificRadioactivityUnits TaskName TimeZero TracerName
    TracerRadionuclide Units iEEGReference
    """.split()  # noqa: SIM905 - words are read, not quotes
)

# keys that describe a column of a table, not a person
_DESCRIPTION = {'Description', 'LongName', 'Levels', 'Units', 'TermURL', 'HED'}

# keys whose texts are not searched: software and sequences, file names, references
_UNSEARCHED = re.compile(
    r'[a-z]*(?:software|(?<!con)version)[a-z]*|[a-z]*pulsesequence[a-z]*|sequencename'
    r'|consistencyinfo|wipmemblock|stimuluspresentation|generatedby|measurementtoolmetadata'
    r'|intendedfor|(?:raw)?sources|sourcedatasets|associatedemptyroom|spatialreference'
    r'|anatomicalimage|datasetlinks|basedon|b0field(?:identifier|source)|hed'
    r'|[a-z]*(?:doi|url|uri|rrid)|license|referencesandlinks|[a-z]*(?:method|processing)reference'
    r'|authors|acknowledgements|howtoacknowledge|funding|ethicsapprovals'
)
# keys of texts typed at the scanner, which may contain record numbers
_TYPED = re.compile(
    r'[a-z]*(?:comment|note|remark)s?|protocolname|subjectartefactdescription'
    r'|(?:series|study|(?:performed|scheduled)?procedurestep|requestedprocedure)description'
)
# rules for dataset_description.json, which is otherwise text by the authors
_OF_PATIENTS = {'name', 'birth', 'patient', 'record number', 'UID', 'device'}

_SPACE = re.compile(r'[ \t\n\r]*')
_DECODER = json.JSONDecoder()


def scrub(
    content: bytes, path: str, sidecar: bytes | None = None
) -> tuple[bytes, tuple[Finding, ...]]:
    """Remove identifying metadata from a file.

    Parameters
    ----------
    content
        The file. Only ``.json`` and ``.tsv`` files are searched.
    path
        POSIX path of the file relative to the dataset.
    sidecar
        The data dictionary of a table, for the units of ages, or None.

    Returns
    -------
    tuple
        The file without identifying metadata, and the findings. Without findings the file is the
        same object.

    Raises
    ------
    DatasetError
        If the file cannot be read.
    """
    kind = path.lower().rpartition('.')[2]
    if kind not in ('json', 'tsv'):
        return content, ()
    text = _decode(content, path)
    if kind == 'json':
        clean, findings = scrub_json(text, path)
    else:
        units = units_of(_decode(sidecar, path)) if sidecar else {}
        clean, findings = scrub_table(text, path, units)
    return (clean.encode(), findings) if findings else (content, ())


def free_text(content: bytes, path: str) -> tuple[Finding, ...]:
    """Return the free text of a file that no rule removes: a person has to read it.

    These are descriptions and names of protocols, and all phrases, except those of the authors of
    the dataset (``dataset_description.json``, data dictionaries).

    Parameters
    ----------
    content
        The file, as it is released. Only ``.json`` and ``.tsv`` files have any.
    path
        POSIX path of the file relative to the dataset.

    Raises
    ------
    DatasetError
        If the file cannot be read.
    """
    kind = path.lower().rpartition('.')[2]
    if kind == 'json':
        return tuple(_searched(_decode(content, path), path).left)
    return free_text_of_table(_decode(content, path), path) if kind == 'tsv' else ()


def scrub_json(text: str, path: str) -> tuple[str, tuple[Finding, ...]]:
    """Remove identifying keys from a JSON file, at any depth.

    Parameters
    ----------
    text
        The file.
    path
        POSIX path of the file relative to the dataset.

    Returns
    -------
    tuple
        The text without identifying keys, and the findings.

    Raises
    ------
    DatasetError
        If the text is not JSON.
    """
    sidecar = _searched(text, path)
    for start, end, replacement in sorted(sidecar.cuts, reverse=True):
        text = text[:start] + replacement + text[end:]
    return text, tuple(sidecar.findings)


def _searched(text: str, path: str) -> '_Sidecar':
    try:
        json.loads(text)
        sidecar = _Sidecar(text, path)
        sidecar.walk(_skip(text, 0), '', _Place(described=sidecar.is_description))
    except (ValueError, RecursionError) as error:
        raise DatasetError(
            f'{path}: the file is not valid JSON ({error}), so it cannot be searched for '
            'identifying metadata. Repair it.'
        ) from error
    return sidecar


def _decode(content: bytes, path: str) -> str:
    try:
        text = content.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise DatasetError(
            f'{path}: the file is not UTF-8 text, which BIDS requires ({error}). Convert it.'
        ) from error
    if '\0' in text:
        raise DatasetError(f'{path}: the file contains zero bytes. Convert it to UTF-8.')
    return text


def _skip(text: str, at: int) -> int:
    """Return the position after white space."""
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _squeezed(key: str) -> str:
    return re.sub(r'[\W_]+', '', key.rpartition('.')[2]).lower()


@dataclass(frozen=True)
class _Member:
    """An entry of an object or list: its key, its value and their positions in the text."""

    key: str | None
    value: Any
    start: int
    value_at: int
    end: int


@dataclass(frozen=True)
class _Place:
    """How to search a value, given the keys above it.

    Attributes
    ----------
    named
        Whether its keys are names of metadata.
    searched
        Whether its texts are searched.
    typed
        Whether its texts were typed at the scanner.
    described
        Whether it belongs to ``dataset_description.json``.
    """

    named: bool = True
    searched: bool = True
    typed: bool = False
    described: bool = False

    def below(self, key: str | None) -> '_Place':
        if key is None:
            return self
        word = _squeezed(key)
        return _Place(
            named=key != 'Levels',  # the keys of levels are values
            searched=self.searched and not _UNSEARCHED.fullmatch(word),
            typed=bool(_TYPED.fullmatch(word)),
            described=self.described,
        )


@dataclass
class _Sidecar:
    """A JSON text, its findings, free text, and the cuts: start, end and replacement."""

    text: str
    path: str
    findings: list[Finding] = field(default_factory=list)
    left: list[Finding] = field(default_factory=list)
    cuts: list[tuple[int, int, str]] = field(default_factory=list)

    @property
    def is_description(self) -> bool:
        return self.path.rpartition('/')[2].lower() == 'dataset_description.json'

    def walk(self, at: int, where: str, place: _Place) -> None:
        """Search an object or list that starts at ``at``, and everything in it."""
        if self.text[at] not in '{[':
            return
        members = list(self._members(at))
        removed = set()
        for number, member in enumerate(members):
            name = f'{where}[{number}]' if member.key is None else _joined(where, member.key)
            below = place.below(member.key)
            rule = self._rule(member, place, below)
            if rule is None:
                if below.searched and not below.described and member.key not in _DESCRIPTION:
                    self._note_free_text(member, name, typed=below.typed)
                self.walk(member.value_at, name, below)
                continue
            if member.key is not None and identifies(member.key):
                name = _joined(where, f'entry {number + 1}')  # the key itself identifies
            self.findings.append(Finding(self.path, name, rule, _shown(member)))
            if member.key in REQUIRED:
                self._erase(member)
            else:
                removed.add(number)
        self._cut(members, removed)

    def _members(self, at: int) -> Iterator[_Member]:
        text, is_object = self.text, self.text[at] == '{'
        at = _skip(text, at + 1)
        while text[at] not in '}]':
            start, key = at, None
            if is_object:
                key, at = _DECODER.raw_decode(text, at)
                at = _skip(text, _skip(text, at) + 1)  # the colon
            value, end = _DECODER.raw_decode(text, at)
            yield _Member(key, value, start, at, end)
            at = _skip(text, end)
            if text[at] == ',':
                at = _skip(text, at + 1)

    def _rule(self, member: _Member, place: _Place, below: _Place) -> str | None:
        """Return the name of the rule that applies to an entry as a whole, or None."""
        if member.key is not None and place.named:
            rule = rules.of_key(member.key)
            spared = self.is_description and rule and rule.name not in _OF_PATIENTS
            if rule and not spared and not self._is_harmless(rule.name, member.value):
                return rule.name
        if place.described or not below.searched:
            return None
        if member.key is not None and (found := identifies(member.key)):
            return found
        rules_of_texts = (identifies(text, free=below.typed) for text in _texts(member.value))
        return next(filter(None, rules_of_texts), None)

    def _note_free_text(self, member: _Member, name: str, *, typed: bool) -> None:
        found = (text for text in _texts(member.value) if is_remark(text) and not is_nothing(text))
        if texts := [text for text in found if typed or is_prose(text)]:
            self.left.append(Finding(self.path, name, FREE_TEXT, '; '.join(texts)))

    def _is_harmless(self, rule: str, value: Any) -> bool:
        if is_nothing(value):
            return True
        if isinstance(value, dict) and _DESCRIPTION & set(value):
            return True
        texts = [str(item) for item in _scalars(value)]
        harmless: dict[str, Callable[[str], bool]] = {
            'date': is_shifted,
            'birth': is_shifted,
            'comment': lambda text: not is_remark(text) and not identifies(text, free=True),
            'name': self._is_label,
            'patient': self._is_label,
            'age': lambda text: capped(text, 'year') is None,
        }
        return rule in harmless and bool(texts) and all(map(harmless[rule], texts))

    def _is_label(self, text: str) -> bool:
        """Return whether a text is the label of the participant, as in the file name."""
        label = re.search(r'(?:^|/)sub-([a-zA-Z0-9]+)', self.path)
        word = text.lower().removeprefix('sub').lstrip('-_')
        return label is not None and word == label[1].lower()

    def _erase(self, member: _Member) -> None:
        def cleaned(value: Any) -> Any:
            if isinstance(value, list):
                return [cleaned(item) for item in value]
            return erase(value) if isinstance(value, str) else value

        replacement = json.dumps(cleaned(member.value), ensure_ascii=False)
        self.cuts.append((member.value_at, member.end, replacement))

    def _cut(self, members: list[_Member], removed: set[int]) -> None:
        """Cut entries together with their commas."""
        kept = [number for number in range(len(members)) if number not in removed]
        last = kept[-1] if kept else -1
        for number in removed:
            if number < last:
                self.cuts.append((members[number].start, members[number + 1].start, ''))
        if members and last < len(members) - 1:
            start = members[last].end if kept else members[0].start
            self.cuts.append((start, members[-1].end, ''))


def _joined(where: str, key: str) -> str:
    return f'{where}.{key}' if where else key


def _shown(member: _Member) -> str:
    value = member.value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f'{member.key}: {text}' if identifies(member.key or '') else text


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts of a value, except those of objects in it, which have their own keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _scalars(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _scalars(item)
    else:
        yield value
