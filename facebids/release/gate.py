# SPDX-License-Identifier: Apache-2.0
"""Decide which files of a dataset may be released, from their names and records.

By default, nothing that may show a face is released. A defaced image is released if its verdict is
*pass*, or if it is *review* and a person accepted it by name. All other files must be excluded by
name, or the release is refused. Images that would be copied are looked at afterwards
(:mod:`facebids.release.unexamined`).
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from facebids.bids import suffixes
from facebids.config import HeadPointsMode
from facebids.core.record import Record
from facebids.errors import UsageError
from facebids.release.head_points import HeadPoints

COPY, REPLACE, TRIM, EXCLUDE, REFUSE = 'copy', 'replace', 'trim', 'exclude', 'refuse'
ACCEPT_COLUMNS = ('participant_id', 'image', 'decided_by', 'reason')
NIFTI = re.compile(r'\.nii(\.gz)?$', re.IGNORECASE)
NO_IMAGE = 'spectroscopy data, not an image'
NOT_EXAMINED = 'echo-planar image, which hardly shows a face; not examined'
# suffixes of masks, and their most values: of images that were already defaced, of lesions, of
# regions of interest
MASKS = {'defacemask': 2, 'mask': 16, 'roi': 16}
NO_FACES = ('micr',)  # data types whose pictures show tissue


@dataclass(frozen=True)
class Accepted:
    """The decision of a person to release an image whose verdict is *review*."""

    participant_id: str
    image: str
    decided_by: str
    reason: str


@dataclass(frozen=True)
class Decision:
    """The decision on a file that may show a face.

    Attributes
    ----------
    path
        POSIX path relative to the dataset.
    action
        `COPY`: release it unchanged; `REPLACE`: release the defaced image instead; `TRIM`: release
        it without its digitised head points; `EXCLUDE`: do not release it; `REFUSE`: do not
        release the dataset.
    reason
        Why, in words.
    record
        Record of the image, or None if the participant level did not process it.
    accepted
        The decision of a person that this one is based on, or None.
    """

    path: str
    action: str
    reason: str
    record: Record | None = None
    accepted: Accepted | None = None


@dataclass(frozen=True)
class Choices:
    """The choices of the user.

    Attributes
    ----------
    accepted
        Decisions on images with the verdict *review*, by path.
    excluded
        Paths of files to exclude.
    exclude_failed
        Whether to exclude all examined images that may not be released.
    head_points
        Which digitised head points to release: none (``'drop'``), those of sensors, or all
        (``'keep'``).
    """

    accepted: Mapping[str, Accepted]
    excluded: frozenset[str] = frozenset()
    exclude_failed: bool = False
    head_points: HeadPointsMode = 'drop'


def suffix_of(path: str) -> str:
    """Return the suffix of an image, ``'T1w'``."""
    return NIFTI.sub('', PurePosixPath(path).name).rpartition('_')[2]


def may_show_face(path: str) -> bool:
    """Return whether a file may show a face, judged by its name.

    In folders of participants this is any file not known to show none. Elsewhere it is any file
    of a format known to show faces.

    Parameters
    ----------
    path
        POSIX path relative to the dataset.
    """
    lowered = path.lower()
    if NIFTI.search(lowered):
        return True
    for ending in suffixes.COMPRESSED:
        lowered = lowered.removesuffix(ending)
    of_participant = path.startswith('sub-')
    if lowered.endswith(suffixes.PICTURES):  # elsewhere they are stimuli or documentation
        return of_participant and PurePosixPath(path).parent.name not in NO_FACES
    if lowered.endswith((*suffixes.NIFTI, *suffixes.OTHER_FORMATS)):
        return True
    folders = PurePosixPath(path).parts[1:-1]  # sessions, data types and subfolders
    recorded = any(folder in suffixes.RECORDINGS for folder in folders[:2])
    return of_participant and not recorded and not lowered.endswith(suffixes.FACELESS)


def decide(
    paths: Iterable[str],
    records: Iterable[Record],
    choices: Choices,
    points: Mapping[str, HeadPoints] | None = None,
) -> tuple[Decision, ...]:
    """Decide on each file that may show a face.

    Parameters
    ----------
    paths
        Relative paths of the files of the dataset. Files that show no face are skipped, unless
        they are excluded by name.
    records
        Records of the participant level.
    choices
        Choices of the user.
    points
        Files that draw the head, by path.

    Raises
    ------
    UsageError
        If a choice names a missing file, or accepts an image that cannot be accepted.
    """
    paths, known = list(paths), {record.image: record for record in records}
    _check_choices(paths, known, choices)
    points = points or {}
    return tuple(
        _decide(path, known.get(path), points.get(path), choices)
        for path in paths
        if may_show_face(path) or path in points or path in choices.excluded
    )


def _decide(
    path: str, record: Record | None, points: HeadPoints | None, choices: Choices
) -> Decision:
    if path in choices.excluded:
        return Decision(path, EXCLUDE, 'excluded by name', record)
    if record is None and points:
        return _decide_points(path, points, choices.head_points)
    if record is None:
        return _decide_unseen(path)
    verdict = record.verdict
    codes = ', '.join(record.codes)
    if verdict == 'pass' and record.provenance:
        return Decision(path, REPLACE, 'verdict pass', record)
    if verdict == 'pass':
        reason = 'its record has no hashes (older version); run the participant level again'
        return Decision(path, REFUSE, reason, record)
    accepted = choices.accepted.get(path)
    if verdict == 'review' and accepted and record.provenance:
        reason = f'verdict review ({codes}), accepted by {accepted.decided_by}: {accepted.reason}'
        return Decision(path, REPLACE, reason, record, accepted)
    if choices.exclude_failed:
        return Decision(path, EXCLUDE, f'verdict {verdict} ({codes})', record)
    remedy = 'accept it with --accept FILE, or exclude it with --exclude-failed'
    if verdict == 'fail':
        remedy = 'exclude it with --exclude-failed'
    return Decision(path, REFUSE, f'verdict {verdict} ({codes}); {remedy}', record)


def _decide_points(path: str, points: HeadPoints, choice: HeadPointsMode) -> Decision:
    """Decide on a file that draws the head."""
    option = f'--head-points {choice}'
    if choice == 'keep' or (choice == 'sensors' and points.kind == 'sensors'):
        if points.kind == 'picture':  # a face is not a point
            return _decide_unseen(path)
        return Decision(path, COPY, f'{points.what}; kept by {option}')
    if points.kind == 'inside':
        return Decision(path, TRIM, f'{points.what}; taken out by {option}')
    if points.kind == 'unreadable':
        reason = f'{points.what}; repair or exclude it (--exclude-failed {path})'
        return Decision(path, REFUSE, reason)
    return Decision(path, EXCLUDE, f'{points.what}; left out by {option}')


def _decide_unseen(path: str) -> Decision:
    suffix = suffix_of(path)
    datatype = PurePosixPath(path).parent.name
    if not NIFTI.search(path):
        reason = 'it may show a face and cannot be examined; exclude it'
    elif suffix in MASKS:
        what = 'mask of an earlier defacing' if suffix == 'defacemask' else 'mask'
        return Decision(path, COPY, what)
    elif suffix in suffixes.SPECTRA.get(datatype, ()):
        return Decision(path, COPY, NO_IMAGE)
    elif suffix in suffixes.HARDLY_SHOW_FACES.get(datatype, ()):
        return Decision(path, COPY, NOT_EXAMINED)
    elif suffix in suffixes.HEADS.get(datatype, ()) and path.endswith(suffixes.NIFTI):
        option = f' with --include {datatype}' if datatype in suffixes.ON_REQUEST else ''
        reason = f'the participant level did not process it; run it{option}, or exclude the image'
    else:
        reason = 'its name is not that of an image that can be examined; rename it, or exclude it'
    return Decision(path, REFUSE, f'{reason} (--exclude-failed {path})')


def _check_choices(paths: list[str], known: dict[str, Record], choices: Choices) -> None:
    there = set(paths)
    if unknown := sorted(choices.excluded - there):
        raise UsageError(
            f'--exclude-failed: the dataset has no file {unknown[0]}. Paths must be relative to '
            'the dataset, such as sub-01/anat/sub-01_T1w.nii.gz.'
        )
    for image, accepted in choices.accepted.items():
        record = known.get(image)
        verdict = record.verdict if record else 'no verdict'
        if record is None or image not in there or verdict not in ('review', 'pass'):
            raise UsageError(
                f'--accept: {image} has {verdict}; only a review can be accepted. '
                'Delete its row from the table.'
            )
        if accepted.participant_id != record.participant_id:
            raise UsageError(
                f'--accept: {image} does not belong to {accepted.participant_id}. Correct its row.'
            )


def read_accepted(path: Path) -> dict[str, Accepted]:
    """Read the table of decisions on images whose verdict is *review*.

    Parameters
    ----------
    path
        Tab-separated values with the columns `ACCEPT_COLUMNS`, none of them empty.

    Returns
    -------
    dict
        The decisions, by image.

    Raises
    ------
    UsageError
        If the table cannot be read, lacks a column or a value, or has an image twice.
    """
    columns = ', '.join(ACCEPT_COLUMNS)
    try:
        text = Path(path).read_text(encoding='utf-8-sig')
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f'--accept {path}: the file cannot be read ({error}).') from error
    try:
        rows = list(csv.DictReader(io.StringIO(text), delimiter='\t', strict=True))
    except csv.Error as error:
        raise UsageError(f'--accept {path}: the file is not a table ({error}).') from error
    found: dict[str, Accepted] = {}
    for number, row in enumerate(rows, 2):
        if _is_empty(row):
            continue
        values = [' '.join((row.get(name) or '').split()) for name in ACCEPT_COLUMNS]
        if not all(value and value != 'n/a' for value in values):
            raise UsageError(
                f'--accept {path}, line {number}: a row needs {columns}, separated by tabs.'
            )
        accepted = Accepted(*values)
        if accepted.image in found:
            raise UsageError(f'--accept {path}, line {number}: {accepted.image} occurs twice.')
        found[accepted.image] = accepted
    return found


def _is_empty(row: dict[str, Any]) -> bool:
    """Return whether a row has no values, as spreadsheets leave them at the end."""
    return not any(isinstance(cell, str) and cell.strip() for cell in row.values())
