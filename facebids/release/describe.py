# SPDX-License-Identifier: Apache-2.0
"""Update the descriptive files of a dataset after defacing. All functions map text to text."""

import csv
import io
import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from facebids.bids.metadata import (
    BIDS_VERSION,
    DEIDENTIFICATION_CODES,
    defaced_by,
    doi_url,
    generated_by,
    kept_entry,
)
from facebids.core.modes import MODES

# BIDS has the suffix `defacemask` in `anat` only.
BIDSIGNORE = """\
# masks of data types that have none in BIDS
{lines}
"""
PARAGRAPH = """\

Defacing
--------

The head images of this dataset were defaced with {by} ({modes}). Each defaced image was attacked
with face recognition, and was released because the face was not recognised, or because a person
inspected and accepted it; the certificate of this dataset describes the tests and their limits.
All voxels outside the masks (`*_defacemask.nii.gz`, with 1 for replaced voxels) are identical to
those of the original images. Defacing makes re-identification less likely, not impossible. Do not
try to identify participants.
"""
VERSION = re.compile(r'^\s*v?(\d+)\.(\d+)\.(\d+)\b', re.MULTILINE)


def dataset_description(text: str | None, mode: str) -> str:
    """Add the defacing to ``dataset_description.json``.

    Parameters
    ----------
    text
        The file, or None if the dataset has none.
    mode
        How faces were replaced, in words.

    Raises
    ------
    ValueError
        If the file is not a JSON object.
    """
    value: dict[str, Any] = {'Name': 'Head images', 'BIDSVersion': BIDS_VERSION}
    if text:
        value = _read(text)
    value['DatasetType'] = 'raw'
    entry = generated_by() | {'Description': f'Defacing: {mode}'}
    others = [item for item in _list(value.get('GeneratedBy')) if not _is_ours(item)]
    value['GeneratedBy'] = [*others, entry]
    if doi := value.get('DatasetDOI'):
        value['SourceDatasets'] = _add(value.get('SourceDatasets'), [{'URL': doi_url(str(doi))}])
    return dump(value)


def readme(text: str, modes: str) -> str:
    """Add a paragraph on defacing to the README."""
    paragraph = PARAGRAPH.format(by=defaced_by(), modes=modes)
    return f'{text.rstrip()}\n{paragraph}' if text.strip() else paragraph.lstrip()


def changes(text: str, date: str, modes: str) -> str:
    """Add an entry to CHANGES, with the patch version after the newest one.

    The format is CPAN::Changes::Spec, as in BIDS.

    Parameters
    ----------
    text
        The file, newest version first, or an empty string.
    date
        Date of the release, ``'2026-01-31'``.
    modes
        How faces were replaced, in words.
    """
    found = VERSION.search(text)
    major, minor, patch = (int(part) for part in found.groups()) if found else (1, 0, -1)
    entry = f'{major}.{minor}.{patch + 1} {date}\n  - Defaced with {defaced_by()}: {modes}.\n'
    return f'{entry}\n{text}' if text.strip() else entry


def image_sidecar(text: str | None, mode: str) -> str:
    """Add the method of de-identification to the sidecar of an image.

    Parameters
    ----------
    text
        The sidecar, or None if the image has none.
    mode
        A defacing mode.

    Raises
    ------
    ValueError
        If the sidecar is not a JSON object.
    """
    value = _read(text) if text else {}
    method = f'{defaced_by()}: {MODES[mode].method}'
    value['DeidentificationMethod'] = _add(value.get('DeidentificationMethod'), [method])
    value['DeidentificationMethodCodeSequence'] = _add(
        value.get('DeidentificationMethodCodeSequence'), DEIDENTIFICATION_CODES
    )
    return dump(value)


def mask_sidecar(mode: str, keep_masks: Mapping[str, str]) -> str:
    """Return the sidecar of a face mask, whose values BIDS does not define.

    Parameters
    ----------
    mode
        A defacing mode.
    keep_masks
        SHA-256 of the masks whose voxels were not replaced, by name.
    """
    return dump(
        {
            'Description': 'Voxels replaced by defacing: 1 inside the mask, 0 outside.',
            'DeidentificationMethod': [f'{defaced_by()}: {MODES[mode].method}'],
            **kept_entry(keep_masks),
        }
    )


def bidsignore(text: str, patterns: Collection[str]) -> str:
    """Add missing patterns to ``.bidsignore``."""
    there = set(text.split())
    if new := [pattern for pattern in sorted(patterns) if pattern not in there]:
        text = f'{text.rstrip()}\n' if text.strip() else ''
        text += BIDSIGNORE.format(lines='\n'.join(new))
    return text


def drop_rows(text: str, column: str, dropped: Collection[str]) -> str:
    """Delete rows from a table, without any change to other rows.

    Parameters
    ----------
    text
        Tab-separated values with a header.
    column
        Name of a column. A table without it is returned unchanged.
    dropped
        Values of the column in the rows to delete.
    """
    lines = text.splitlines(keepends=True)
    header = next(csv.reader(io.StringIO(lines[0]), delimiter='\t'), []) if lines else []
    if column not in header:
        return text
    index = header.index(column)

    def stays(line: str) -> bool:
        cells = line.rstrip('\r\n').split('\t')
        return len(cells) <= index or cells[index].strip() not in dropped

    return ''.join([lines[0], *(line for line in lines[1:] if stays(line))])


def drop_intended(text: str, dropped: Collection[str]) -> str:
    """Delete excluded files from the ``IntendedFor`` of a sidecar.

    Parameters
    ----------
    text
        The sidecar.
    dropped
        Paths of the excluded files, relative to the dataset.

    Raises
    ------
    ValueError
        If the sidecar is not a JSON object.
    """
    if 'IntendedFor' not in text or not dropped:
        return text
    value = _read(text)
    listed = _list(value.get('IntendedFor'))
    kept = [item for item in listed if not any(_same_file(str(item), path) for path in dropped)]
    if kept == listed:
        return text
    if kept:
        value['IntendedFor'] = kept
    else:
        del value['IntendedFor']
    return dump(value)


def dump(value: Any) -> str:
    """Return a value as JSON in the format of all outputs."""
    return json.dumps(value, indent=2, ensure_ascii=False) + '\n'


def _read(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError('it does not start with {')
    return value


def _is_ours(maker: Any) -> bool:
    return isinstance(maker, dict) and maker.get('Name') == generated_by()['Name']


def _same_file(reference: str, path: str) -> bool:
    """Return whether a BIDS URI or a path relative to the participant refers to a file."""
    if reference.startswith('bids:'):
        return reference.rpartition(':')[2] == path
    return path.partition('/')[2] == reference


def _add(old: Any, new: list[Any]) -> list[Any]:
    there = _list(old)
    return [*there, *(item for item in new if item not in there)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []
