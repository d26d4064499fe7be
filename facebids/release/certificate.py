# SPDX-License-Identifier: Apache-2.0
"""Certify a release, and compare a release with its certificate."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from facebids import provenance
from facebids.bids import names
from facebids.bids.names import HeadImage
from facebids.core.record import Record
from facebids.errors import OutputError
from facebids.release.certificate_types import (
    Atlas,
    Certificate,
    CertifiedImage,
    ListedFile,
    Metadata,
    Software,
    Thresholds,
    ValidatorReport,
    read_certificate,
)
from facebids.release.checksums import hash_files
from facebids.release.cohort import Check
from facebids.release.contents import Contents, was_defaced
from facebids.release.gate import COPY, EXCLUDE, REPLACE, TRIM, Decision
from facebids.release.validator import Issue, Report
from facebids.version import __version__
from facebids.words import counted

BESIDE = JSON, SIGNATURE, MARKDOWN, ACCEPTED = (
    'CERTIFICATE.json', 'CERTIFICATE.json.sig', 'CERTIFICATE.md', 'ACCEPTED.tsv',
)  # fmt: skip
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
    public_key
        Key that verifies the signature of the certificate, or None if it is not signed.
    """

    name: str
    command: str
    date: str
    metadata: str
    decisions: tuple[Decision, ...]
    contents: Contents
    checks: tuple[Check, ...]
    report: Report | None
    public_key: str | None = None


def certify(release: Release, hashes: Mapping[str, str]) -> Certificate:
    """Return the certificate of a release.

    Parameters
    ----------
    release
        The release.
    hashes
        SHA-256 hash of each file, from :func:`facebids.release.checksums.hash_files`.
    """
    decisions, checks = release.decisions, release.checks
    removed = Counter(finding.rule for finding in release.contents.findings)
    return Certificate(
        release=release.name,
        date=release.date,
        software=Software('FaceBIDS', __version__, provenance.source_digest()),
        command=release.command,
        atlas=_atlas(),
        thresholds=_thresholds(),
        limits=LIMITS,
        images=tuple(
            _image(item, item.record, hashes)
            for item in decisions
            if item.action == REPLACE and item.record is not None
        ),
        not_examined=_with_reason(decisions, COPY),
        trimmed=_with_reason(decisions, TRIM),
        excluded=_with_reason(decisions, EXCLUDE),
        accepted=tuple(item.accepted for item in decisions if item.accepted),
        cohort=checks or ONE_PERSON,
        cohort_note=_note(checks),
        metadata=Metadata(
            release.metadata, dict(sorted(removed.items())), len(release.contents.free_text)
        ),
        validator=_summarise(release.report) if release.report else NOT_VALIDATED,
        files=dict(hashes),
        public_key=release.public_key,
    )


def _atlas() -> Atlas:
    from facebids.core.alignment.registration import RESOLUTION
    from facebids.core.atlas import SPACE, generic_atlas

    return Atlas(SPACE, sha256(generic_atlas(RESOLUTION).labels.tobytes()).hexdigest())


def _thresholds() -> Thresholds:
    from facebids.core.thresholds import THRESHOLDS

    return Thresholds(sha256(repr(THRESHOLDS).encode()).hexdigest())


def differences(certificate: Certificate, root: Path) -> list[str]:
    """Return a sentence for each difference between a release and its certificate."""
    there, listed = hash_files(root), certificate.files
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
    certificate = read_certificate(path) if path.is_file() else None
    beside = [release_dir.parent / name for name in BESIDE]
    if not certificate and (existing := [path for path in beside if os.path.lexists(path)]):
        raise OutputError(
            f'{existing[0]} belongs to no known release and would be overwritten. Move it, or '
            'choose a --release-dir in a folder of its own.'
        )
    if certificate and certificate.release != release_dir.name:
        raise OutputError(
            f'{path} belongs to another release ({certificate.release}). Choose a --release-dir '
            'in a folder of its own.'
        )
    if not release_dir.exists() or not any(release_dir.iterdir()):
        return
    wrong = (
        differences(certificate, release_dir)
        if certificate
        else ['there is no certificate beside it']
    )
    if wrong:
        raise OutputError(
            f'{release_dir} is not an unchanged release ({wrong[0]}) and would be overwritten. '
            'Choose a new folder, or remove this one.'
        )


def summary(certificate: Certificate) -> dict[str, str]:
    """Return a summary of the certificate: labels and values."""
    cohort, validator = certificate.cohort, certificate.validator
    return {
        'images released': str(len(certificate.images)),
        'accepted by a person': str(len(certificate.accepted)),
        'not examined': str(len(certificate.not_examined)),
        'without their head points': str(len(certificate.trimmed)),
        'excluded': str(len(certificate.excluded)),
        'recognition after defacing': cohort if isinstance(cohort, str) else _chance(cohort),
        'BIDS validator': validator
        if isinstance(validator, str)
        else f'no error, {counted(validator.warnings, "warning")}',
    }


def _with_reason(decisions: Iterable[Decision], action: str) -> tuple[ListedFile, ...]:
    return tuple(ListedFile(item.path, item.reason) for item in decisions if item.action == action)


def _chance(checks: Sequence[Check]) -> str:
    found = f'not shown to exceed chance in {counted(len(checks), "comparison")}'
    return f'{found}, but with too few participants' if _people(checks) < FEW else found


def _note(checks: Sequence[Check]) -> str:
    """Return how to interpret the comparisons of participants."""
    note = 'If the interval includes chance, recognition was not shown.'
    if (people := _people(checks)) < FEW:
        few = counted(people, 'participant')
        note += f' {few} {"is" if people == 1 else "are"} too few: {FEW} or more are needed '
        note += 'for a conclusion.'
    return note


def _people(checks: Sequence[Check]) -> int:
    return max((check.people for check in checks), default=0)


def _image(decision: Decision, record: Record, hashes: Mapping[str, str]) -> CertifiedImage:
    image = HeadImage.from_relative_path(decision.path)
    mask = names.raw_mask(image) if was_defaced(record) else None
    faces, proof = record.identifiability, record.provenance
    return CertifiedImage(
        image=decision.path,
        mode=record.mode,
        verdict=record.verdict,
        reasons=record.codes,
        decided=decision.reason,
        faces_before=faces.faces_before if faces else None,
        faces_after=faces.faces_after if faces else None,
        faces_certain_after=faces.faces_certain_after if faces else None,
        examined_with=proof.version if proof else None,
        examined_with_sha256=proof.software_sha256 if proof else None,
        input_sha256=proof.source_sha256 if proof else None,
        output_sha256=hashes[decision.path],
        mask=mask,
        mask_sha256=hashes.get(mask) if mask else None,
        kept_ml=record.mask.kept_ml if record.mask else None,
        kept_skin_share=record.mask.kept_skin_share if record.mask else None,
        keep_masks=proof.keep_masks if proof else {},
    )


def _summarise(report: Report) -> ValidatorReport:
    return ValidatorReport(
        version=report.version,
        schema=report.schema,
        errors=len(report.errors),
        warnings=len(report.warnings),
        codes=report.counts,
    )


def validator_problems(errors: Iterable[Issue]) -> list[str]:
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
