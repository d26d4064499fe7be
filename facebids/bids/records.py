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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facebids.bids import metadata, names
from facebids.bids.names import HeadImage
from facebids.errors import DatasetError

Record = dict[str, Any]
SECTIONS = {
    'identifiability': 'Face recognition',
    'registration': 'Alignment with the atlas',
    'screening': 'As it arrived',
    'mask': 'What was removed',
    'utility': 'What it costs the analysis',
}
TISSUES = {'gm': 'Grey matter', 'wm': 'White matter', 'csf': 'Cerebrospinal fluid'}
VERDICTS = {
    'pass': 'no attack that was tried recognised the face; a lower bound of the risk',
    'review': 'somebody has to look at it before it is shared',
    'fail': 'the image is withheld',
}


@dataclass(frozen=True)
class Metric:
    """One number of a record, and how to read it.

    ``safer`` is ``'lower'``, ``'higher'`` or None when neither is; ``unit`` is None for a pure
    number, count or share.
    """

    section: str
    key: str
    label: str
    meaning: str
    unit: str | None = None
    safer: str | None = None

    @property
    def column(self) -> str:
        """Name of the number in tables."""
        return self.key if self.section == 'identifiability' else f'{self.section}_{self.key}'


METRICS = (
    Metric(
        'identifiability', 'views', 'Views attacked',
        'How many renders of the head, from seeded random views, were searched for a face.',
    ),
    Metric(
        'identifiability', 'seed', 'Seed of the views',
        'Seed of the random views and lights: the same seed renders the same pictures.',
    ),
    Metric(
        'identifiability', 'faces_before', 'Faces before',
        'Views of the original head in which a face was found. Where it is 0 the attack cannot '
        'see this head at all and finding none afterwards proves nothing.',
    ),
    Metric(
        'identifiability', 'faces_after', 'Faces after',
        'Views of the defaced head in which a face was found.',
        safer='lower',
    ),
    Metric(
        'identifiability', 'faces_certain_before', 'Certain faces before',
        'Of the faces before, those of which the detector was certain (score of 0.5 and more).',
    ),
    Metric(
        'identifiability', 'faces_certain_after', 'Certain faces after',
        'Of the faces after, those of which the detector was certain. In a cut head it often '
        'sees something like a face, and is rarely certain of it.',
        safer='lower',
    ),
    Metric(
        'identifiability', 'distance_within_before', 'Distance within the original',
        'Mean distance between face embeddings of different views of the original head: how far '
        'apart two pictures of the same person are. The yardstick for the next number.',
        unit='arbitrary',
    ),
    Metric(
        'identifiability', 'distance_before_after', 'Distance to the original',
        'Mean distance between face embeddings of the defaced and of the original head. n/a when '
        'no face was found in one of them.',
        unit='arbitrary',
        safer='higher',
    ),
    Metric(
        'identifiability', 'distance_before_after_min', 'Least distance to the original',
        'Least distance between any face found before and any found after.',
        unit='arbitrary',
        safer='higher',
    ),
    Metric(
        'identifiability', 'distance_at_known_place', 'Distance at the known place',
        'Mean distance between matching views when the defaced one is embedded where the face was '
        'before, face found or not: what somebody gets who knows where to look.',
        unit='arbitrary',
        safer='higher',
    ),
    Metric(
        'identifiability', 'agreement_before_after', 'Agreement with the original',
        'Share of the face whose shape agrees between the original and the defaced head, from 0 '
        'to 1: what is left of it for a comparison of depth maps.',
        safer='lower',
    ),
    Metric(
        'registration', 'quality', 'Registration quality',
        'How well the image fits the head atlas after registration.',
        safer='higher',
    ),
    Metric(
        'registration', 'brain', 'Brain agreement',
        "Correlation ratio of the atlas's and the image's intensities over the brain, 0 to 1.",
        safer='higher',
    ),
    Metric(
        'registration', 'tissue', 'Tissue agreement',
        'The same inside the brain alone: grey and white matter are told apart.',
        safer='higher',
    ),
    Metric(
        'registration', 'head', 'Head overlap',
        "Dice overlap of the atlas's head with the image's.",
        safer='higher',
    ),
    Metric(
        'registration', 'brain_in_view', 'Brain in view',
        "Share of the atlas's brain inside the field of view.",
    ),
    Metric(
        'registration', 'scale', 'Head size',
        "Size of the head relative to the atlas's, which is about a tenth too large.",
    ),
    Metric(
        'registration', 'start', 'Start of the registration',
        'Which attempt of the registration was kept.',
    ),
    Metric(
        'registration', 'template', 'Template',
        'Template of TemplateFlow by way of which the image was registered; n/a where none was '
        'asked for.',
    ),
    Metric(
        'screening', 'finding', 'Finding of the screening',
        'What the image showed when it arrived: face, defaced, or no_face_in_view.',
    ),
    Metric(
        'screening', 'passed_on', 'Passed on as it is',
        'Whether the image arrived defaced, and no voxel of it was replaced.',
    ),
    *(
        metric
        for zone in ('eyes', 'nose', 'midface')
        for metric in (
            Metric(
                'screening', f'{zone}_seen', f'{zone.capitalize()} in view',
                f'Share of the place of the {zone} that was in the field of view on arrival.',
            ),
            Metric(
                'screening', f'{zone}_gone', f'{zone.capitalize()} gone',
                'Share of that where there was no tissue to 15 mm under the generic skin.',
            ),
        )
    ),
    Metric(
        'screening', 'faces_certain', 'Certain faces on arrival',
        'Views with a certain face of an image that looked defaced; n/a where it did not.',
    ),
    Metric(
        'mask', 'volume_ml', 'Mask volume',
        'Volume of the mask, air in it included.',
        unit='mL',
    ),
    Metric(
        'mask', 'head_removed_ml', 'Head volume removed',
        'Volume of the head that was replaced.',
        unit='mL',
    ),
    Metric(
        'mask', 'head_removed_share', 'Head removed',
        "Share of the head's voxels that were replaced.",
    ),
    Metric(
        'mask', 'skin_removed_share', 'Face skin removed',
        "Share of the skin of the atlas's face region that was removed.",
        safer='higher',
    ),
    Metric(
        'mask', 'skin_in_view_ml', 'Face skin in view',
        'Volume of that skin in the field of view.',
        unit='mL',
    ),
    Metric(
        'mask', 'guard_cost_ml', 'Face skin guarded',
        'Volume of that skin which the guard around the brain keeps.',
        unit='mL',
        safer='lower',
    ),
    Metric(
        'mask', 'shell_mm', 'Depth of the region',
        'Depth under the generic skin at which the face region ends.',
        unit='mm',
    ),
    Metric(
        'mask', 'guard_voxels_changed', 'Brain guard changed',
        'Voxels of the guard around the brain that were changed; always 0 in a released image.',
    ),
    Metric(
        'mask', 'voxels_changed_outside', 'Changed outside the mask',
        'Voxels outside the mask that differ from the source; always 0 in a released image.',
    ),
    Metric(
        'utility', 'brain_ml', 'Brain volume',
        "Grey and white matter that hang together with the middle of the brain: an estimate from "
        'the image, for which neither the mask nor the guard is asked.',
        unit='mL',
    ),
    Metric(
        'utility', 'brain_voxels_changed', 'Brain voxels changed',
        'Voxels of that brain, more than 2 mm under its surface, that were changed; always 0 in '
        'a released image.',
    ),
    Metric(
        'utility', 'brain_changed_ml', 'Brain volume changed',
        'Volume of these voxels.',
        unit='mL',
    ),
    *(
        metric
        for key, name in TISSUES.items()
        for metric in (
            Metric(
                'utility', f'{key}_before_ml', f'{name} before',
                f'Volume of {name.lower()} by a simple segmentation of the original.',
                unit='mL',
            ),
            Metric(
                'utility', f'{key}_after_ml', f'{name} after',
                f'Volume of {name.lower()} in the same region, the defaced image segmented anew.',
                unit='mL',
            ),
            Metric(
                'utility', f'{key}_change', f'{name}, change',
                f'Change of the volume of {name.lower()}, as a share of the one before.',
            ),
        )
    ),
    Metric(
        'utility', 'registration_shift_mean_mm', 'Shift of the alignment, mean',
        "Mean distance over the atlas's brain surface between where it lands when the original "
        'and when the defaced image is registered; measured where another face was put on.',
        unit='mm',
    ),
    Metric(
        'utility', 'registration_shift_max_mm', 'Shift of the alignment, largest',
        'Largest of these distances.',
        unit='mm',
    ),
)  # fmt: skip
KNOWN = {metric.column: metric for metric in METRICS}
COLUMNS = {
    'participant_id': 'Participant.',
    'session_id': 'Session; n/a where the dataset has none.',
    'image': 'Path of the image in the input dataset.',
    'suffix': 'Contrast of the image, as in its file name.',
    'mode': 'What the face became; n/a where an error stopped the image, or where it arrived '
    'defaced and was passed on.',
    'verdict': 'What may be done with the defaced image.',
    'reasons': 'Codes of the reasons for the verdict, separated by commas; n/a for none.',
}


# --- making and merging -------------------------------------------------------------------------


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
        New records, all of this session.

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
        metadata.write_json_atomic(path, {'images': ordered})
        metadata.write_text_atomic(Path(output_dir) / names.table(metrics_name), table(ordered))


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
