# SPDX-License-Identifier: Apache-2.0
"""The metrics files of a derivative dataset: records of images, and their tables.

The records of one session are in its ``*_desc-identifiability_metrics.json``. Here they are
merged, read back, and laid out as tables with their data dictionary.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from facebids import filesystem
from facebids.bids import names
from facebids.bids.names import HeadImage
from facebids.core import metrics_file
from facebids.core.metrics import METRICS, Metric, values, view_values
from facebids.core.modes import MODES
from facebids.core.record import VERDICTS, Reason, Record
from facebids.errors import DatasetError

Row = dict[str, Any]
COLUMNS = {
    'participant_id': 'Participant.',
    'session_id': 'Session; n/a if the dataset has none.',
    'image': 'Path of the image in the input dataset.',
    'suffix': 'Suffix of the image.',
    'mode': 'Defacing mode; n/a if an error stopped the image, or if it arrived defaced and was '
    'passed on.',
    'verdict': 'Verdict on the defaced image.',
    'reasons': 'Codes of the reasons for the verdict, separated by commas; n/a if there are none.',
}
LEVELS = {'verdict': VERDICTS, 'mode': {row.name: row.method for row in MODES.values()}}


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
    return Record(
        image=image.relative_path,
        participant_id=image.participant_id,
        session_id=image.session_id,
        suffix=image.suffix,
        verdict='fail',
        reasons=(Reason(code, 'fail', message),),
    )


def read(path: str | Path) -> Record | None:
    """Return the record of one image from a file of its own, or None if there is none yet.

    Raises
    ------
    DatasetError
        If the file is damaged.
    """
    found = _read(Path(path))
    return found[0] if found else None


def write(path: str | Path, item: Record) -> None:
    """Write the record of one image to a file of its own."""
    filesystem.write_json_atomic(path, metrics_file.to_json([item]))


def merge(output_dir: str | Path, metrics_name: str, records: Iterable[Record]) -> None:
    """Merge records into the metrics of their session, replacing older ones of the same images.

    Parameters
    ----------
    output_dir
        Folder of the derivative dataset.
    metrics_name
        Name of the metrics in it, from :func:`facebids.bids.names.metrics`.
    records
        New records, all of the session that the metrics are of.

    Raises
    ------
    DatasetError
        If the metrics of an earlier run cannot be read.
    """
    path = Path(output_dir) / metrics_name
    path.parent.mkdir(parents=True, exist_ok=True)
    with filesystem.one_at_a_time(path.parent):
        merged = {item.image: item for item in _read(path)}
        merged |= {item.image: item for item in records}
        ordered = [merged[image] for image in sorted(merged)]
        filesystem.write_json_atomic(path, metrics_file.to_json(ordered))
        filesystem.write_text_atomic(Path(output_dir) / names.table(metrics_name), table(ordered))


def read_all(output_dir: str | Path, participants: Iterable[str] = ()) -> list[Record]:
    """Return the records of a derivative dataset, ordered by image.

    Parameters
    ----------
    output_dir
        Folder of the derivative dataset.
    participants
        Labels without ``sub-``; empty means all.

    Raises
    ------
    DatasetError
        If a metrics file cannot be read.
    """
    # only the folders asked for: each job of a large array reads them
    patterns = [names.metrics_glob(label) for label in participants] or [names.metrics_glob('*')]
    paths = [path for pattern in patterns for path in Path(output_dir).glob(pattern)]
    records = [item for path in paths for item in _read(path)]
    return sorted(records, key=lambda item: item.image)


def has_templates(private_dir: Path, item: Record) -> bool:
    """Return whether the private folder has the templates of a defaced image."""
    image = HeadImage.from_relative_path(item.image)
    return (private_dir / names.private_templates(image, 'after')).is_file()


def _read(path: Path) -> tuple[Record, ...]:
    try:
        return metrics_file.from_json(path.read_bytes())
    except FileNotFoundError:
        return ()
    except ValueError as error:
        fault = ' '.join(str(error).split('\n')[:3])
        raise DatasetError(
            f'{path}: the metrics of an earlier run cannot be read ({fault}). '
            'Delete the file and run the participant level again.'
        ) from error


# --- tables -------------------------------------------------------------------------------------


def table(records: Iterable[Record]) -> str:
    """Return records as tab-separated values, a row for each image, as BIDS asks for."""
    items = list(records)
    return tsv(list(dictionary(items)), map(row, items))


def tsv(header: list[str], rows: Iterable[Row]) -> str:
    """Return rows as tab-separated values; what a row does not have is ``n/a``."""
    return ''.join(tsv_lines(header, rows))


def tsv_lines(header: list[str], rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of `tsv`, one at a time."""
    yield '\t'.join(header) + '\n'
    for item in rows:
        yield '\t'.join(_cell(item.get(name)) for name in header) + '\n'


def row(item: Record) -> Row:
    """Return the cells of a record by column."""
    flat: Row = {name: getattr(item, name) for name in COLUMNS}
    flat['reasons'] = ','.join(item.codes)
    return flat | {metric.column: value for metric, value in values(item).items()}


def dictionary(records: Iterable[Record]) -> dict[str, dict[str, Any]]:
    """Return the data dictionary (a BIDS sidecar) of the table of these records, by column."""
    metrics = dict.fromkeys(METRICS)
    metrics |= dict.fromkeys(metric for item in records for metric in view_values(item))
    described = {name: _described(name, meaning) for name, meaning in COLUMNS.items()}
    return described | {metric.column: _describe(metric) for metric in metrics}


def _described(name: str, meaning: str) -> dict[str, Any]:
    levels: Mapping[str, str] | None = LEVELS.get(name)
    return {'Description': meaning} | ({'Levels': dict(levels)} if levels else {})


def _describe(metric: Metric) -> dict[str, Any]:
    safer = f'{(metric.safer or "neither direction").capitalize()} is safer.'
    units = {'Units': metric.unit} if metric.unit else {}
    return {'LongName': metric.label, 'Description': f'{metric.meaning} {safer}', **units}


def _cell(value: Any) -> str:
    if value is None or value == '' or value != value:  # NaN is not itself
        return 'n/a'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f'{value:.6g}'
    return ' '.join(str(value).split())
