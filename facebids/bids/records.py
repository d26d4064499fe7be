# SPDX-License-Identifier: Apache-2.0
"""The record of an image: its verdict, the reasons, and every number measured.

Records of one session stand together in its ``*_desc-identifiability_metrics.json``. Here they
are made for images that failed, merged, read back, and laid out as tables with their dictionary.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from facebids import filesystem
from facebids.bids import metadata, names
from facebids.bids.columns import COLUMNS, KNOWN, SECTIONS, VERDICTS, Metric
from facebids.bids.names import HeadImage
from facebids.errors import DatasetError

Record = dict[str, Any]


def failed(image: HeadImage, code: str, message: str) -> Record:
    """Return the record of an image that an error stopped.

    Parameters
    ----------
    image
        The image.
    code
        Machine-readable name of the error, ``'empty_image_error'``.
    message
        What happened, in words, without any path of the machine.
    """
    return {
        'image': image.relative_path,
        'participant_id': image.participant_id,
        'session_id': image.session_id,
        'suffix': image.suffix,
        'mode': None,
        'verdict': 'fail',
        'reasons': [{'code': code, 'severity': 'fail', 'message': message}],
        **dict.fromkeys(SECTIONS),
    }


def read(path: str | Path) -> Record | None:
    """Return the record of one image from its own file, or None while it is not there."""
    try:
        return json.loads(Path(path).read_text(encoding='utf-8'))
    except FileNotFoundError:
        return None


def merge(output_dir: str | Path, metrics_name: str, records: Iterable[Record]) -> None:
    """Put records into the metrics of their session, in place of older ones of the same images.

    Parameters
    ----------
    output_dir
        Folder of the derivative dataset.
    metrics_name
        Name of the metrics in it, from :func:`facebids.bids.names.metrics`.
    records
        New records, all of the BIDS session that the metrics are of.

    Raises
    ------
    DatasetError
        If the metrics of an earlier run cannot be read.
    """
    path = Path(output_dir) / metrics_name
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.parent):
        merged = {record['image']: record for record in _read(path)}
        merged |= {record['image']: record for record in records}
        ordered = [merged[image] for image in sorted(merged)]
        filesystem.write_json_atomic(path, {'images': ordered})
        filesystem.write_text_atomic(Path(output_dir) / names.table(metrics_name), table(ordered))


def read_all(output_dir: str | Path, participants: Iterable[str] = ()) -> list[Record]:
    """Return the records of a derivative dataset, ordered by image.

    Parameters
    ----------
    output_dir
        Folder of the derivative dataset.
    participants
        Labels without ``sub-`` to restrict it to; empty means all.

    Raises
    ------
    DatasetError
        If a file of metrics cannot be read.
    """
    # the folders asked for alone: each of a thousand jobs comes by here
    patterns = [names.metrics_glob(label) for label in participants] or [names.metrics_glob('*')]
    paths = [path for pattern in patterns for path in Path(output_dir).glob(pattern)]
    records = [record for path in paths for record in _read(path)]
    return sorted(records, key=lambda record: record['image'])


def _read(path: Path) -> list[Record]:
    try:
        return json.loads(path.read_text(encoding='utf-8'))['images']
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f'{path}: these metrics of an earlier run cannot be read ({error}). '
            'Delete the file and run the participant level again.'
        ) from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time into a folder; the lock leaves no file behind."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems lock no folders
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


# --- tables -------------------------------------------------------------------------------------


def table(records: list[Record]) -> str:
    """Return records as tab-separated values, a row an image, as BIDS wants them."""
    rows = [row(record) for record in records]
    return tsv(columns(rows), rows)


def tsv(header: list[str], rows: Iterable[dict[str, Any]]) -> str:
    """Return rows as tab-separated values; what a row does not have is ``n/a``."""
    lines = [header, *([_cell(item.get(name)) for name in header] for item in rows)]
    return ''.join('\t'.join(line) + '\n' for line in lines)


def row(record: Record) -> dict[str, Any]:
    """Return a record without nesting: each column of the tables and its value."""
    codes = ','.join(reason['code'] for reason in record['reasons'])
    flat = {name: record.get(name) for name in COLUMNS} | {'reasons': codes}
    for section in SECTIONS:
        prefix = '' if section == 'identifiability' else f'{section}_'
        flat |= _flatten(record.get(section) or {}, prefix)
    return flat


def columns(rows: list[dict[str, Any]]) -> list[str]:
    """Return the columns of a table of ``rows``: all known ones, then what else there is."""
    fixed = [*COLUMNS, *KNOWN]
    return fixed + sorted({name for item in rows for name in item} - set(fixed))


def dictionary(header: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the data dictionary (a BIDS sidecar) of a table with these columns."""
    return {name: _describe(name) for name in header}


def _describe(name: str) -> dict[str, Any]:
    if name == 'verdict':
        return {'Description': COLUMNS[name], 'Levels': VERDICTS}
    if name == 'mode':
        return {'Description': COLUMNS[name], 'Levels': metadata.METHODS}
    if name in COLUMNS:
        return {'Description': COLUMNS[name]}
    metric = describe(name)
    safer = f'The {metric.safer}, the safer.' if metric.safer else 'Neither direction is safer.'
    units = {'Units': metric.unit} if metric.unit else {}
    return {'LongName': metric.label, 'Description': f'{metric.meaning} {safer}', **units}


def describe(column: str) -> Metric:
    """Return how to read a column; those of single views are described by their pattern."""
    if column in KNOWN:
        return KNOWN[column]
    section = next((item for item in SECTIONS if column.startswith(f'{item}_')), 'identifiability')
    label = column.removeprefix(f'{section}_').replace('_', ' ').capitalize()
    view, _, when = column.removeprefix('named_').rpartition('_')
    if column.startswith('named_') and when in ('before', 'after'):
        meaning = f'Whether a face was found in the {view.replace("_", " ")} view {when} defacing.'
        return Metric(section, column, label, meaning, safer='lower' if when == 'after' else None)
    return Metric(section, column, label, f'Further number of the {section} step.')


def _flatten(values: dict[str, Any], prefix: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f'{prefix}{key}'
        flat |= _flatten(value, f'{name}_') if isinstance(value, dict) else {name: value}
    return flat


def _cell(value: Any) -> str:
    if value is None or value == '' or value != value:  # NaN is not itself
        return 'n/a'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f'{value:.6g}'
    return ' '.join(str(value).split())
