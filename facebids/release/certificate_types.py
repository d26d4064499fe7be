# SPDX-License-Identifier: Apache-2.0
"""The certificate of a release, and its JSON file."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from facebids.core.record import Verdict
from facebids.errors import DatasetError
from facebids.release.cohort import Check
from facebids.release.gate import Accepted

# Names of fields in the file, where they differ. They hold in nested dataclasses too.
JSON_NAMES = {
    'release': 'Release',
    'date': 'Date',
    'software': 'Software',
    'name': 'Name',
    'version': 'Version',
    'sha256': 'SHA256',
    'command': 'Command',
    'atlas': 'Atlas',
    'space': 'Space',
    'thresholds': 'Thresholds',
    'limits': 'Limits',
    'images': 'Images',
    'not_examined': 'NotExamined',
    'trimmed': 'Trimmed',
    'excluded': 'Excluded',
    'accepted': 'Accepted',
    'cohort': 'Cohort',
    'cohort_note': 'CohortNote',
    'metadata': 'Metadata',
    'treatment': 'Mode',
    'removed': 'Removed',
    'free_text': 'FreeText',
    'validator': 'Validator',
    'schema': 'Schema',
    'errors': 'Errors',
    'warnings': 'Warnings',
    'codes': 'Codes',
    'files': 'Files',
    'public_key': 'PublicKey',
}


def _json_name(field: str) -> str:
    return JSON_NAMES.get(field, field)


@dataclass(frozen=True)
class Software:
    """The software that wrote a certificate, and the SHA-256 hash of its source code."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Atlas:
    """The space of the head atlas, and the SHA-256 hash of its labels."""

    space: str
    sha256: str


@dataclass(frozen=True)
class Thresholds:
    """The SHA-256 hash of the thresholds of the verdicts."""

    sha256: str


@dataclass(frozen=True)
class CertifiedImage:
    """A released image that was examined.

    Attributes
    ----------
    image
        Path relative to the release.
    mode
        Defacing mode, or None if the image arrived defaced.
    verdict, reasons
        The verdict, and the codes of its reasons.
    decided
        Why the image was released, in words.
    faces_before, faces_after, faces_certain_after
        Numbers of views with a detected face before and after defacing, and with a certain one
        after defacing. None if the image was not attacked.
    examined_with, examined_with_sha256
        Version of FaceBIDS at the participant level, and the SHA-256 hash of its source code.
    input_sha256, output_sha256
        SHA-256 hashes of the image in the input dataset and in the release.
    mask, mask_sha256
        Path and SHA-256 hash of the face mask in the release, or None if the image has none.
    kept_ml, kept_skin_share
        Volume of the face region (mL) and share of the skin of the face that keep masks keep, or
        None if the image has no keep mask.
    keep_masks
        SHA-256 hash of each keep mask by its name.
    """

    image: str
    mode: str | None
    verdict: Verdict
    reasons: tuple[str, ...]
    decided: str
    faces_before: int | None
    faces_after: int | None
    faces_certain_after: int | None
    examined_with: str | None
    examined_with_sha256: str | None
    input_sha256: str | None
    output_sha256: str
    mask: str | None
    mask_sha256: str | None
    kept_ml: float | None = None
    kept_skin_share: float | None = None
    keep_masks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ListedFile:
    """The path of a file relative to the input dataset, and the reason for its decision."""

    image: str
    reason: str


@dataclass(frozen=True)
class Metadata:
    """How identifying metadata were treated.

    Attributes
    ----------
    treatment
        ``'report'`` or ``'scrub'``.
    removed
        Number of removed values by rule.
    free_text
        Number of free texts that are released, which no rule covers.
    """

    treatment: str
    removed: dict[str, int]
    free_text: int = 0


@dataclass(frozen=True)
class ValidatorReport:
    """Summary of the report of the BIDS validator.

    Attributes
    ----------
    version, schema
        Versions of the validator and of the BIDS schema, or None if they are unknown.
    errors, warnings
        Numbers of errors and warnings.
    codes
        Number of issues by code.
    """

    version: str | None
    schema: str | None
    errors: int
    warnings: int
    codes: dict[str, int]


@dataclass(frozen=True)
class Certificate:
    """The certificate of a release.

    Attributes
    ----------
    release
        Name of the folder of the release.
    date
        Date, ``'2026-01-31'``.
    software
        The software that wrote the certificate.
    command
        Command line, without any absolute path.
    atlas, thresholds
        Hashes of what the verdicts are based on.
    limits
        What the verdicts do not show, in words.
    images
        Released images that were examined.
    not_examined
        Files that may show a face and were released unchanged.
    trimmed
        Files that were released without their digitised head points.
    excluded
        Files that were not released.
    accepted
        Decisions of a person to release an image whose verdict is *review*.
    cohort
        Comparisons of participants after defacing, or the reason why there are none.
    cohort_note
        How to interpret the comparisons.
    metadata
        How identifying metadata were treated.
    validator
        Report of the BIDS validator, or the reason why there is none.
    files
        SHA-256 hash of each file by its path relative to the release; empty for what is no file.
    public_key
        Ed25519 key (base64) that verifies the signature beside the certificate, or None if it is
        not signed.
    """

    __pydantic_config__: ClassVar[dict[str, Callable[[str], str]]] = {
        'alias_generator': _json_name
    }

    release: str
    date: str
    software: Software
    command: str
    atlas: Atlas
    thresholds: Thresholds
    limits: str
    images: tuple[CertifiedImage, ...]
    not_examined: tuple[ListedFile, ...]
    trimmed: tuple[ListedFile, ...]
    excluded: tuple[ListedFile, ...]
    accepted: tuple[Accepted, ...]
    cohort: tuple[Check, ...] | str
    cohort_note: str
    metadata: Metadata
    validator: ValidatorReport | str
    files: dict[str, str]
    public_key: str | None = None


@cache
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(Certificate)


def to_json(certificate: Certificate) -> dict[str, Any]:
    """Return the content of the JSON file of a certificate."""
    content: dict[str, Any] = _adapter().dump_python(certificate, by_alias=True)
    return content


def read_certificate(path: Path) -> Certificate:
    """Read the JSON file of a certificate.

    Raises
    ------
    DatasetError
        If the file cannot be read or is not a certificate.
    """
    from pydantic import ValidationError

    try:
        certificate: Certificate = _adapter().validate_json(path.read_bytes(), strict=True)
    except OSError as error:
        raise DatasetError(f'{path}: this certificate cannot be read ({error}).') from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        fault = ': '.join(filter(None, ('.'.join(map(str, first['loc'])), first['msg'])))
        raise DatasetError(
            f'{path}: this is not the certificate of a release ({fault}). Give CERTIFICATE.json, '
            'which lies beside a release. If it is damaged or of an earlier version, move it away '
            'and release again.'
        ) from error
    return certificate
