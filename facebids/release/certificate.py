# SPDX-License-Identifier: Apache-2.0
"""The certificate of a release: its images and their verdicts, and the hashes of all files."""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import facebids
from facebids import provenance
from facebids.bids import names
from facebids.bids.names import HeadImage
from facebids.core.record import Record
from facebids.errors import DatasetError, OutputError
from facebids.filesystem import sha256 as sha256_of_file
from facebids.release.cohort import Check
from facebids.release.contents import Contents, was_defaced
from facebids.release.gate import COPY, EXCLUDE, REPLACE, Decision
from facebids.release.validator import Issue, Report

BESIDE = JSON, MARKDOWN, ACCEPTED = 'CERTIFICATE.json', 'CERTIFICATE.md', 'ACCEPTED.tsv'
LIMITS = (
    'The verdict pass means that none of the attacks recognised the face. It is a lower bound of '
    'the risk: a stronger attack may succeed. Re-identification is less likely, not impossible.'
)
NOT_VALIDATED = (
    'not validated, so it may not be valid BIDS: the BIDS validator is not installed '
    "(pip install '.[validate]' in the checkout of FaceBIDS)"
)
ONE_PERSON = 'not tested: there are no two participants to compare'
FEW = 20  # participants; of fewer, more than a quarter must be recognised to differ from chance


@dataclass(frozen=True)
class Release:
    """A release to certify.

    Attributes
    ----------
    name
        Name of its folder.
    command
        Command line, without any absolute path.
    date
        Date, ``'2026-01-31'``.
    metadata
        How identifying metadata were treated: ``'report'`` or ``'scrub'``.
    decisions
        Decisions on files that may show a face.
    contents
        Content of the release.
    checks
        Comparisons of participants with each other.
    report
        Report of the BIDS validator, or None if it is not installed.
    """

    name: str
    command: str
    date: str
    metadata: str
    decisions: tuple[Decision, ...]
    contents: Contents
    checks: tuple[Check, ...]
    report: Report | None


def hash_files(root: Path) -> dict[str, str]:
    """Return the SHA-256 hash of each file of a dataset, by relative path, in order.

    Symbolic links to files count as files. Links to folders, broken links and special files have
    an empty hash.
    """
    paths = sorted(path for path in root.rglob('*') if path.is_symlink() or not path.is_dir())
    return {
        path.relative_to(root).as_posix(): sha256_of_file(path) if path.is_file() else ''
        for path in paths
    }


def make(release: Release, hashes: Mapping[str, str]) -> dict[str, Any]:
    """Return the certificate of a release as a JSON object.

    Parameters
    ----------
    release
        The release.
    hashes
        SHA-256 hash of each file, from :func:`hash_files`.
    """
    decided = release.decisions
    accepted = [item.accepted for item in decided if item.accepted]
    cohort = [asdict(item) for item in release.checks]
    removed = Counter(finding.rule for finding in release.contents.findings)
    return {
        'Release': release.name,
        'Date': release.date,
        'Software': {
            'Name': 'FaceBIDS',
            'Version': facebids.__version__,
            'SHA256': provenance.source_digest(),
        },
        'Command': release.command,
        **versions(),
        'Limits': LIMITS,
        'Images': [
            _image(item, item.record, hashes)
            for item in decided
            if item.action == REPLACE and item.record is not None
        ],
        'NotExamined': _with_reason(decided, COPY),
        'Excluded': _with_reason(decided, EXCLUDE),
        'Accepted': [asdict(item) for item in accepted],
        'Cohort': cohort or ONE_PERSON,
        'CohortNote': _note(cohort),
        'Metadata': {'Mode': release.metadata, 'Removed': dict(sorted(removed.items()))},
        'Validator': _validator(release.report),
        'Files': dict(hashes),
    }


def versions() -> dict[str, Any]:
    """Return hashes of the head atlas and of the thresholds that the verdicts are based on."""
    from facebids.core.alignment.registration import RESOLUTION
    from facebids.core.atlas import SPACE, generic_atlas
    from facebids.core.thresholds import THRESHOLDS

    labels = generic_atlas(RESOLUTION).labels
    return {
        'Atlas': {'Space': SPACE, 'SHA256': sha256(labels.tobytes()).hexdigest()},
        'Thresholds': {'SHA256': sha256(repr(THRESHOLDS).encode()).hexdigest()},
    }


def read(path: Path) -> dict[str, Any]:
    """Read a certificate.

    Raises
    ------
    DatasetError
        If the file cannot be read or is not a certificate.
    """
    try:
        value = json.loads(path.read_text(encoding='utf-8'))
        kinds = (('Files', dict), ('Images', list), ('Date', str))
        valid = all(isinstance(value[key], kind) for key, kind in kinds)
        valid = valid and all({'image', 'mode'} <= set(image) for image in value['Images'])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f'{path}: this certificate cannot be read ({error}).') from error
    if not valid:
        raise DatasetError(f'{path}: this is not the certificate of a release.')
    return dict(value)


def differences(certificate: Mapping[str, Any], root: Path) -> list[str]:
    """Return a sentence for each difference between a release and its certificate."""
    there, listed = hash_files(root), certificate['Files']
    missing = [f'{path}: missing' for path in listed if path not in there]
    further = [f'{path}: not in the certificate' for path in there if path not in listed]
    changed = [
        f'{path}: changed' for path in listed if there.get(path, listed[path]) != listed[path]
    ]
    return sorted([*missing, *further, *changed])


def check_own(release_dir: Path) -> None:
    """Check that a folder is empty, missing, or a release with its certificate beside it.

    Raises
    ------
    OutputError
        If the folder holds anything else, which would be deleted, or the files beside it belong to
        another release or to none.
    """
    if release_dir.is_symlink() or (release_dir.exists() and not release_dir.is_dir()):
        raise OutputError(f'{release_dir} is not a folder. Choose another --release-dir.')
    path = release_dir.parent / JSON
    found = read(path) if path.is_file() else {}
    beside = [release_dir.parent / name for name in BESIDE]
    if not found and (existing := [path for path in beside if os.path.lexists(path)]):
        raise OutputError(
            f'{existing[0]} belongs to no known release and would be overwritten. Move it, or '
            'choose a --release-dir in a folder of its own.'
        )
    if found.get('Release', release_dir.name) != release_dir.name:
        raise OutputError(
            f'{path} belongs to another release ({found["Release"]}). Choose a --release-dir in a '
            'folder of its own.'
        )
    if not release_dir.exists() or not any(release_dir.iterdir()):
        return
    wrong = differences(found, release_dir) if found else ['there is no certificate beside it']
    if wrong:
        raise OutputError(
            f'{release_dir} is not an unchanged release ({wrong[0]}) and would be overwritten. '
            'Choose a new folder, or remove this one.'
        )


def summary(certificate: Mapping[str, Any]) -> dict[str, str]:
    """Return a summary of the certificate: labels and values."""
    images = certificate['Images']
    cohort = certificate['Cohort']
    validator = certificate['Validator']
    return {
        'images released': str(len(images)),
        'accepted by a person': str(len(certificate['Accepted'])),
        'not examined': str(len(certificate['NotExamined'])),
        'excluded': str(len(certificate['Excluded'])),
        'recognition after defacing': cohort if isinstance(cohort, str) else _chance(cohort),
        'BIDS validator': validator
        if isinstance(validator, str)
        else f'no error, {validator["Warnings"]} warnings',
    }


def _with_reason(decisions: Iterable[Decision], action: str) -> list[dict[str, str]]:
    return [
        {'image': item.path, 'reason': item.reason} for item in decisions if item.action == action
    ]


def _chance(cohort: list[dict[str, Any]]) -> str:
    found = f'not shown to exceed chance in {len(cohort)} comparisons'
    return f'{found}, but with too few participants' if _people(cohort) < FEW else found


def _note(cohort: list[dict[str, Any]]) -> str:
    """Return how to interpret the comparisons of participants."""
    note = 'If the interval includes chance, recognition was not shown.'
    if (people := _people(cohort)) < FEW:
        note += f' {people} participants are too few: {FEW} or more are needed for a conclusion.'
    return note


def _people(cohort: list[dict[str, Any]]) -> int:
    return max((row['people'] for row in cohort), default=0)


def _image(decision: Decision, record: Record, hashes: Mapping[str, str]) -> dict[str, Any]:
    image = HeadImage.from_relative_path(decision.path)
    mask = names.raw_mask(image) if was_defaced(record) else None
    faces, proof = record.identifiability, record.provenance
    return {
        'image': decision.path,
        'mode': record.mode,
        'verdict': record.verdict,
        'reasons': list(record.codes),
        'decided': decision.reason,
        'faces_before': faces.faces_before if faces else None,
        'faces_after': faces.faces_after if faces else None,
        'faces_certain_after': faces.faces_certain_after if faces else None,
        'examined_with': proof.version if proof else None,
        'examined_with_sha256': proof.software_sha256 if proof else None,
        'input_sha256': proof.source_sha256 if proof else None,
        'output_sha256': hashes[decision.path],
        'mask': mask,
        'mask_sha256': hashes.get(mask) if mask else None,
    }


def _validator(report: Report | None) -> dict[str, Any] | str:
    if report is None:
        return NOT_VALIDATED
    return {
        'Version': report.version,
        'Schema': report.schema,
        'Errors': len(report.errors),
        'Warnings': len(report.warnings),
        'Codes': report.counts,
    }


def refused(errors: Iterable[Issue]) -> list[str]:
    """Return a sentence for each kind of error in the report of the validator."""
    by_code = defaultdict(list)
    for item in errors:
        by_code[item.code].append(item)
    return [
        f'{found[0].location or "dataset"}{_others(len(found))}: the BIDS validator reports '
        f'{code}: {found[0].message.split(". ")[0].rstrip(".")}. Correct the dataset.'
        for code, found in by_code.items()
    ]


def _others(count: int) -> str:
    return f' and {count - 1} more' if count > 1 else ''
