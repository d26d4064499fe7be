# SPDX-License-Identifier: Apache-2.0
"""The certificate of a release: what is in it, how each image was judged, and hashes of it all."""

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
from facebids.errors import DatasetError, OutputError
from facebids.filesystem import sha256 as sha256_of_file
from facebids.release.cohort import Check
from facebids.release.contents import Contents, was_defaced
from facebids.release.gate import COPY, EXCLUDE, REPLACE, Decision
from facebids.release.validator import Issue, Report

BESIDE = JSON, MARKDOWN, ACCEPTED = 'CERTIFICATE.json', 'CERTIFICATE.md', 'ACCEPTED.tsv'
LIMITS = (
    'The verdict pass says that no attack that was tried recognised the face. It is a lower bound '
    'of the risk: a stronger attack may find more. Re-identification is less likely, not '
    'impossible.'
)
NOT_VALIDATED = (
    'not validated, so errors of BIDS may be in it: the BIDS validator is not installed '
    "(pip install '.[validate]' in the checkout of FaceBIDS)"
)
ONE_PERSON = 'not measured: no two people can be compared'
FEW = 20  # people: of them a quarter would have to be recognised for it to show


@dataclass(frozen=True)
class Release:
    """What a certificate is about.

    Attributes
    ----------
    name
        Of the folder.
    command
        By which it was made, without any path of the machine.
    date
        ``'2026-01-31'``.
    metadata
        ``'report'`` or ``'scrub'``.
    decisions, contents, checks
        On the images, of the dataset, and of the cohort.
    report
        Of the BIDS validator; None: it is not installed.
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
    """Return the SHA-256 of every file of a dataset, by its path relative to it, ordered.

    Symbolic links to files count as files; a release has none. What is neither a file nor a
    folder, a link to a folder or to nothing, has ``''``.
    """
    paths = sorted(path for path in root.rglob('*') if path.is_symlink() or not path.is_dir())
    return {
        path.relative_to(root).as_posix(): sha256_of_file(path) if path.is_file() else ''
        for path in paths
    }


def make(release: Release, hashes: Mapping[str, str]) -> dict[str, Any]:
    """Return the certificate, ready for JSON.

    Parameters
    ----------
    release
        What it is about.
    hashes
        SHA-256 of each file, from :func:`hash_files`.
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
        'Images': [_image(item, hashes) for item in decided if item.action == REPLACE],
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
    """Return which head atlas and which limits the verdicts rest on, as hashes of both."""
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
        If it cannot be read, or is none.
    """
    try:
        value = json.loads(path.read_text(encoding='utf-8'))
        kinds = (('Files', dict), ('Images', list), ('Date', str))
        there = all(isinstance(value[key], kind) for key, kind in kinds)
        there = there and all({'image', 'mode'} <= set(image) for image in value['Images'])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f'{path}: this certificate cannot be read ({error}).') from error
    if not there:
        raise DatasetError(f'{path}: this is no certificate of a release.')
    return value


def differences(certificate: Mapping[str, Any], root: Path) -> list[str]:
    """Return a sentence for every file of a release that is not as its certificate has it."""
    there, listed = hash_files(root), certificate['Files']
    missing = [f'{path}: missing' for path in listed if path not in there]
    further = [f'{path}: not in the certificate' for path in there if path not in listed]
    changed = [
        f'{path}: changed' for path in listed if there.get(path, listed[path]) != listed[path]
    ]
    return sorted([*missing, *further, *changed])


def check_own(release_dir: Path) -> None:
    """Check that a release directory holds a release with its certificate beside it, or nothing.

    Raises
    ------
    OutputError
        If it holds anything else, which would be deleted, or what stands beside it is of another
        release or of somebody else.
    """
    if release_dir.is_symlink() or (release_dir.exists() and not release_dir.is_dir()):
        raise OutputError(f'{release_dir} is not a folder. Choose another --release-dir.')
    path = release_dir.parent / JSON
    found = read(path) if path.is_file() else {}
    beside = [release_dir.parent / name for name in BESIDE]
    if not found and (others := [path for path in beside if os.path.lexists(path)]):
        raise OutputError(
            f'{others[0]} is of no release that is known here, and would be overwritten. Move it '
            'away, or choose a --release-dir in a folder of its own.'
        )
    if found.get('Release', release_dir.name) != release_dir.name:
        raise OutputError(
            f'{path} is of another release ({found["Release"]}). Choose a --release-dir in a '
            'folder of its own.'
        )
    if not release_dir.exists() or not any(release_dir.iterdir()):
        return
    others = differences(found, release_dir) if found else ['there is no certificate beside it']
    if others:
        raise OutputError(
            f'{release_dir} is something else than a release and its certificate ({others[0]}). '
            'It would be overwritten: choose a new folder, or remove it.'
        )


def summary(certificate: Mapping[str, Any]) -> dict[str, str]:
    """Return the certificate in a few lines."""
    images = certificate['Images']
    cohort = certificate['Cohort']
    validator = certificate['Validator']
    return {
        'images released': str(len(images)),
        'accepted by a person': str(len(certificate['Accepted'])),
        'not examined': str(len(certificate['NotExamined'])),
        'excluded': str(len(certificate['Excluded'])),
        'people told from each other': cohort if isinstance(cohort, str) else _chance(cohort),
        'BIDS validator': validator
        if isinstance(validator, str)
        else f'no error, {validator["Warnings"]} warnings',
    }


def _with_reason(decisions: Iterable[Decision], action: str) -> list[dict[str, str]]:
    return [
        {'image': item.path, 'reason': item.reason} for item in decisions if item.action == action
    ]


def _chance(cohort: list[dict[str, Any]]) -> str:
    found = f'not shown to be better than by guessing, in {len(cohort)} comparisons'
    return f'{found}: too few people to tell' if _people(cohort) < FEW else found


def _note(cohort: list[dict[str, Any]]) -> str:
    """Say how far the comparison of people reaches."""
    note = 'Where the interval includes chance, people were not shown to be recognised.'
    if (people := _people(cohort)) < FEW:
        note += f' {people} people are too few to tell: only {FEW} and more show anything.'
    return note


def _people(cohort: list[dict[str, Any]]) -> int:
    return max((row['people'] for row in cohort), default=0)


def _image(decision: Decision, hashes: Mapping[str, str]) -> dict[str, Any]:
    record = decision.record
    image = HeadImage.from_relative_path(decision.path)
    mask = names.raw_mask(image) if was_defaced(record) else None
    faces = record.identifiability
    return {
        'image': decision.path,
        'mode': record.mode,
        'verdict': record.verdict,
        'reasons': list(record.codes),
        'decided': decision.reason,
        'faces_before': faces.faces_before if faces else None,
        'faces_after': faces.faces_after if faces else None,
        'faces_certain_after': faces.faces_certain_after if faces else None,
        'examined_with': record.provenance.version,
        'examined_with_sha256': record.provenance.software_sha256,
        'input_sha256': record.provenance.source_sha256,
        'output_sha256': hashes[decision.path],
        'mask': mask,
        'mask_sha256': hashes.get(mask),
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
    """Return a sentence for each kind of error that the validator found."""
    by_code = defaultdict(list)
    for item in errors:
        by_code[item.code].append(item)
    return [
        f'{found[0].location or "dataset"}{_others(len(found))}: the BIDS validator says {code}: '
        f'{found[0].message.split(". ")[0].rstrip(".")}. Correct the dataset.'
        for code, found in by_code.items()
    ]


def _others(count: int) -> str:
    return f' and {count - 1} more' if count > 1 else ''
