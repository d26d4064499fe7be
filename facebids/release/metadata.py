# SPDX-License-Identifier: Apache-2.0
"""Takes metadata that identifies people out of the sidecars and tables of a dataset.

A file is cut, not written anew: what is left stands there byte by byte as it did, with its
numbers, spaces and line ends. The rules are those of :mod:`facebids.release.rules`.

Not searched are names of files, the description of the dataset beyond what it says of patients,
and what says which program or sequence made an image: versions hold dates that are nobody's.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from facebids.errors import DatasetError
from facebids.release import rules
from facebids.release.rules import RULES, Finding, Rule
from facebids.release.tables import capped, scrub_table, units_of
from facebids.release.texts import erase, identifies, is_nothing, is_shifted

__all__ = ['RULES', 'Finding', 'Rule', 'scrub', 'scrub_json', 'scrub_table']

# Keys with texts that BIDS 1.11 requires of some file: only the identifying part is taken out.
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

# what describes a column of a table, not a person
_DESCRIPTION = {'Description', 'LongName', 'Levels', 'Units', 'TermURL', 'HED'}

# keys whose texts are not searched: programs and sequences, names of files, references
_UNSEARCHED = re.compile(
    r'[a-z]*(?:software|(?<!con)version)[a-z]*|[a-z]*pulsesequence[a-z]*|sequencename'
    r'|consistencyinfo|wipmemblock|stimuluspresentation|generatedby|measurementtoolmetadata'
    r'|intendedfor|(?:raw)?sources|sourcedatasets|associatedemptyroom|spatialreference'
    r'|anatomicalimage|datasetlinks|basedon|b0field(?:identifier|source)|hed'
    r'|[a-z]*(?:doi|url|uri|rrid)|license|referencesandlinks|[a-z]*(?:method|processing)reference'
    r'|authors|acknowledgements|howtoacknowledge|funding|ethicsapprovals'
)
# where somebody at the scanner may have typed the number of a record
_TYPED = re.compile(
    r'[a-z]*(?:comment|note|remark)s?|protocolname|subjectartefactdescription'
    r'|(?:series|study|(?:performed|scheduled)?procedurestep|requestedprocedure)description'
)
# what sequences write into ImageComments by themselves, those of the CMRR their settings
_TECHNICAL = re.compile(
    r'magnitude|phase|(?:Unaliased MB\d|Single-band reference)'
    r'(?:[ /;,:.]|MB|PE|LB|SENSE|REF|PF|(?<!\d)\d{1,2}(?!\d))*',
    re.IGNORECASE,
)
# of dataset_description.json, which else is its authors' own text
_OF_PATIENTS = {'name', 'birth', 'patient', 'record number', 'UID', 'device'}

_SPACE = re.compile(r'[ \t\n\r]*')
_DECODER = json.JSONDecoder()


def scrub(
    content: bytes, path: str, sidecar: bytes | None = None
) -> tuple[bytes, tuple[Finding, ...]]:
    """Take what identifies people out of a file.

    Parameters
    ----------
    content
        The file. Only ``.json`` and ``.tsv`` are looked at; other kinds are returned as they are.
    path
        Its name relative to the dataset, with ``/``.
    sidecar
        The data dictionary of a table, if it has one: it tells the units of ages.

    Returns
    -------
    tuple
        The file without it, the same object if there was nothing; and what was found.

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


def scrub_json(text: str, path: str) -> tuple[str, tuple[Finding, ...]]:
    """Take the keys that identify people out of a JSON file, at any depth.

    Parameters
    ----------
    text
        The file.
    path
        Its name relative to the dataset, with ``/``.

    Returns
    -------
    tuple
        The text without them, and what was found.

    Raises
    ------
    DatasetError
        If the text is no JSON.
    """
    try:
        json.loads(text)
        sidecar = _Sidecar(text, path)
        sidecar.walk(_skip(text, 0), '', _Place(described=sidecar.is_description))
    except (ValueError, RecursionError) as error:
        raise DatasetError(
            f'{path}: this is not valid JSON ({error}), so nobody can tell what it says about '
            'people. Repair the file.'
        ) from error
    for start, end, put in sorted(sidecar.cuts, reverse=True):
        text = text[:start] + put + text[end:]
    return text, tuple(sidecar.findings)


def _decode(content: bytes, path: str) -> str:
    try:
        text = content.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise DatasetError(
            f'{path}: the file is not text in UTF-8, which BIDS asks for ({error}). Convert it.'
        ) from error
    if '\0' in text:
        raise DatasetError(f'{path}: the file holds zero bytes. Convert it to UTF-8.')
    return text


def _skip(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()


def _squeezed(key: str) -> str:
    return re.sub(r'[\W_]+', '', key.rpartition('.')[2]).lower()


@dataclass(frozen=True)
class _Member:
    """One entry of an object or list: its key, its value and where both stand in the text."""

    key: str | None
    value: Any
    start: int
    value_at: int
    end: int


@dataclass(frozen=True)
class _Place:
    """What the keys above say of a value: whether its keys are names, its texts searched."""

    named: bool = True
    searched: bool = True
    typed: bool = False
    described: bool = False

    def below(self, key: str | None) -> '_Place':
        if key is None:
            return self
        word = _squeezed(key)
        return _Place(
            named=key != 'Levels',  # whose keys are values
            searched=self.searched and not _UNSEARCHED.fullmatch(word),
            typed=bool(_TYPED.fullmatch(word)),
            described=self.described,
        )


@dataclass
class _Sidecar:
    """A JSON text, what was found in it, and the cuts to make: start, end, what to put there."""

    text: str
    path: str
    findings: list[Finding] = field(default_factory=list)
    cuts: list[tuple[int, int, str]] = field(default_factory=list)

    @property
    def is_description(self) -> bool:
        return self.path.rpartition('/')[2].lower() == 'dataset_description.json'

    def walk(self, at: int, where: str, place: _Place) -> None:
        """Go through an object or a list that starts at ``at``, and all below."""
        if self.text[at] not in '{[':
            return
        members = list(self._members(at))
        removed = set()
        for number, member in enumerate(members):
            name = f'{where}[{number}]' if member.key is None else _joined(where, member.key)
            below = place.below(member.key)
            rule = self._rule(member, place, below)
            if rule is None:
                self.walk(member.value_at, name, below)
                continue
            if member.key is not None and identifies(member.key):
                name = _joined(where, f'entry {number + 1}')  # a place is no secret, this key is
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
        """Return the name of the rule that an entry breaks as a whole."""
        if member.key is not None and place.named:
            rule = rules.of_key(member.key)
            spared = self.is_description and rule and rule.name not in _OF_PATIENTS
            if rule and not spared and not self._is_harmless(rule.name, member.value):
                return rule.name
        if place.described or not below.searched:
            return None
        if member.key is not None and (broken := identifies(member.key)):
            return broken
        broken = (identifies(text, free=below.typed) for text in _texts(member.value))
        return next(filter(None, broken), None)

    def _is_harmless(self, rule: str, value: Any) -> bool:
        if is_nothing(value):
            return True
        if isinstance(value, dict) and _DESCRIPTION & set(value):
            return True
        texts = [str(item) for item in _scalars(value)]
        harmless: dict[str, Callable[[str], bool]] = {
            'date': is_shifted,
            'birth': is_shifted,
            'comment': lambda text: bool(_TECHNICAL.fullmatch(text)),
            'name': self._is_label,
            'patient': self._is_label,
            'age': lambda text: capped(text, 'year') is None,
        }
        return rule in harmless and bool(texts) and all(map(harmless[rule], texts))

    def _is_label(self, text: str) -> bool:
        """Tell whether a text is the participant's label, which the name of the file has too."""
        label = re.search(r'(?:^|/)sub-([a-zA-Z0-9]+)', self.path)
        return bool(label) and text.lower().removeprefix('sub').lstrip('-_') == label[1].lower()

    def _erase(self, member: _Member) -> None:
        def cleaned(value: Any) -> Any:
            if isinstance(value, list):
                return [cleaned(item) for item in value]
            return erase(value) if isinstance(value, str) else value

        put = json.dumps(cleaned(member.value), ensure_ascii=False)
        self.cuts.append((member.value_at, member.end, put))

    def _cut(self, members: list[_Member], removed: set[int]) -> None:
        """Cut entries with the comma that belongs to them."""
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
    """Give the texts of a value itself; those of objects in it belong to their own keys."""
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
