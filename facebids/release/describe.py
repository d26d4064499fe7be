# SPDX-License-Identifier: Apache-2.0
"""What the files that describe a dataset say once its images are defaced. Text in, text out."""

import csv
import io
import json
import re
from collections.abc import Collection
from typing import Any

from facebids.bids.metadata import (
    BIDS_VERSION,
    DEIDENTIFICATION_CODES,
    METHODS,
    defaced_by,
    doi_url,
    generated_by,
)

# Names of masks that BIDS has no place for: it knows `defacemask` in `anat` alone.
BIDSIGNORE = """\
# masks of data types for which BIDS has none
{lines}
"""
PARAGRAPH = """\

Defacing
--------

The faces in the images of this dataset were taken out with {by} ({modes}). Each result was then
attacked with face recognition, and was released because it was not recognised, or because a
person decided so; how far that reaches is told in the certificate that was made with the
dataset. Every voxel outside the masks (`*_defacemask.nii.gz`: 1 where a voxel was replaced, 0
elsewhere) is that of the original image. This makes re-identification less likely, not impossible.
Do not try to identify participants.
"""
VERSION = re.compile(r'^\s*v?(\d+)\.(\d+)\.(\d+)\b', re.MULTILINE)


def dataset_description(text: str | None, mode: str) -> str:
    """Add the program to ``dataset_description.json``.

    Parameters
    ----------
    text
        The file; None where the dataset has none.
    mode
        What the faces became, in words.

    Raises
    ------
    ValueError
        If it is no JSON object.
    """
    value = _read(text) if text else {'Name': 'Head images', 'BIDSVersion': BIDS_VERSION}
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
    """Add a version to CHANGES: the next patch of the newest.

    Written as CPAN::Changes::Spec has it, which BIDS asks for.

    Parameters
    ----------
    text
        The file, newest version first; empty where there is none.
    date
        Of the release, ``'2026-01-31'``.
    modes
        What the faces became, in words.
    """
    found = VERSION.search(text)
    major, minor, patch = (int(part) for part in found.groups()) if found else (1, 0, -1)
    entry = f'{major}.{minor}.{patch + 1} {date}\n  - Defaced with {defaced_by()}: {modes}.\n'
    return f'{entry}\n{text}' if text.strip() else entry


def image_sidecar(text: str | None, mode: str) -> str:
    """Add how an image was de-identified to its sidecar, and keep the rest.

    Parameters
    ----------
    text
        The sidecar; None where the image has none of its own.
    mode
        A key of `facebids.bids.metadata.METHODS`.

    Raises
    ------
    ValueError
        If it is no JSON object.
    """
    value = _read(text) if text else {}
    method = f'{defaced_by()}: {METHODS[mode]}'
    value['DeidentificationMethod'] = _add(value.get('DeidentificationMethod'), [method])
    value['DeidentificationMethodCodeSequence'] = _add(
        value.get('DeidentificationMethodCodeSequence'), DEIDENTIFICATION_CODES
    )
    return dump(value)


def mask_sidecar(mode: str) -> str:
    """Return the sidecar of a face mask: BIDS leaves open what its values mean."""
    return dump(
        {
            'Description': 'Voxels that defacing replaced: 1 inside the mask, 0 outside.',
            'DeidentificationMethod': [f'{defaced_by()}: {METHODS[mode]}'],
        }
    )


def bidsignore(text: str, patterns: Collection[str]) -> str:
    """Add patterns to ``.bidsignore`` that it does not have."""
    there = set(text.split())
    if new := [pattern for pattern in sorted(patterns) if pattern not in there]:
        text = f'{text.rstrip()}\n' if text.strip() else ''
        text += BIDSIGNORE.format(lines='\n'.join(new))
    return text


def drop_rows(text: str, column: str, dropped: Collection[str]) -> str:
    """Drop the rows of a table whose value in a column is one of these; the others stay as is.

    Parameters
    ----------
    text
        Tab-separated values with a header.
    column
        Its name; a table without it stays as it is.
    dropped
        Values.
    """
    lines = text.splitlines(keepends=True)
    header = next(csv.reader(io.StringIO(lines[0]), delimiter='\t'), []) if lines else []
    if column not in header:
        return text
    place = header.index(column)

    def stays(line: str) -> bool:
        cells = line.rstrip('\r\n').split('\t')
        return len(cells) <= place or cells[place].strip() not in dropped

    return ''.join([lines[0], *(line for line in lines[1:] if stays(line))])


def drop_intended(text: str, dropped: Collection[str]) -> str:
    """Take files that are left out from the ``IntendedFor`` of a sidecar.

    Parameters
    ----------
    text
        The sidecar.
    dropped
        Paths relative to the dataset.

    Raises
    ------
    ValueError
        If it is no JSON object.
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
    """Return JSON as it is written everywhere."""
    return json.dumps(value, indent=2, ensure_ascii=False) + '\n'


def _read(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError('it does not begin with {')
    return value


def _is_ours(maker: Any) -> bool:
    return isinstance(maker, dict) and maker.get('Name') == generated_by()['Name']


def _same_file(reference: str, path: str) -> bool:
    """Return whether a reference, a BIDS URI or relative to the participant, is to a file."""
    if reference.startswith('bids:'):
        return reference.rpartition(':')[2] == path
    return path.partition('/')[2] == reference


def _add(old: Any, new: list[Any]) -> list[Any]:
    there = _list(old)
    return [*there, *(item for item in new if item not in there)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []
