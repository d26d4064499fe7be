# SPDX-License-Identifier: Apache-2.0
"""Find the head images of a BIDS dataset. The only place that uses pybids."""

import json
import os
import re
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from facebids.bids import names
from facebids.bids.names import HeadImage
from facebids.config import Settings
from facebids.errors import DatasetError, NoImagesError, UsageError

__all__ = ['HeadImage', 'collect_images', 'read_description']

SUFFIXES = ('T1w', 'FLAIR')


def collect_images(settings: Settings) -> tuple[HeadImage, ...]:
    """Return the T1w and FLAIR images that were asked for, ordered by path.

    Only ``anat`` folders of the participants asked for are looked at: never derivatives,
    sourcedata or other data types, which also keeps indexing fast.

    Raises
    ------
    UsageError
        If a participant, a session or an entity of a filter does not exist.
    DatasetError
        If the folder is not a BIDS dataset, or two files would get the same output.
    NoImagesError
        If nothing matches.
    """
    read_description(settings.bids_dir, required=not settings.skip_bids_validation)
    _check_labels(settings)
    layout = _index(settings)
    paths = sorted(path for suffix in SUFFIXES for path in _query(layout, suffix, settings))
    _check_current(paths, settings)
    relative = (Path(path).relative_to(settings.bids_dir).as_posix() for path in paths)
    images = tuple(HeadImage.from_relative_path(path, str(settings.bids_dir)) for path in relative)
    if not images:
        raise NoImagesError(
            f'{settings.bids_dir}: no T1w or FLAIR image matches the request. Look at '
            '--participant-label, --session-label and --bids-filter-file, and at the names of '
            'the files in the anat folders.'
        )
    _check_unique(images)
    return images


def read_description(bids_dir: str | Path, *, required: bool = True) -> dict[str, Any]:
    """Return ``dataset_description.json`` of a dataset.

    Parameters
    ----------
    bids_dir
        Folder of the dataset.
    required
        Whether a raw dataset has to be described completely; otherwise what cannot be read is
        an empty dictionary.

    Raises
    ------
    DatasetError
        If it is required and missing, unreadable, incomplete, or that of a derivative dataset.
    """
    path = Path(bids_dir) / 'dataset_description.json'
    remedy = 'Correct it, or use --skip-bids-validation if you know that the files are BIDS.'
    try:
        description = json.loads(path.read_text(encoding='utf-8'))
        if not isinstance(description, dict):
            raise ValueError('not a JSON object')
    except (OSError, ValueError) as error:
        if not required:
            return {}
        what = 'is missing' if isinstance(error, FileNotFoundError) else f'is unreadable ({error})'
        raise DatasetError(f'{path} {what}: not a BIDS dataset. {remedy}') from error
    if required:
        if missing := sorted({'Name', 'BIDSVersion'} - set(description)):
            raise DatasetError(f'{path} lacks {" and ".join(missing)}. {remedy}')
        if description.get('DatasetType', 'raw') != 'raw':
            raise DatasetError(
                f'{path}: this is a {description["DatasetType"]} dataset, not raw images. '
                'Name the folder of the raw dataset, or use --skip-bids-validation.'
            )
    return description


def _check_labels(settings: Settings) -> None:
    root = settings.bids_dir
    there = _labels(root.glob('sub-*'))
    _check_known('participant', settings.participant_label, there)
    if settings.session_label:
        chosen = settings.participant_label or there
        sessions = _labels(path for label in chosen for path in root.glob(f'sub-{label}/ses-*'))
        _check_known('session', settings.session_label, sessions)


def _labels(paths: Iterable[Path]) -> list[str]:
    return sorted({path.name.split('-', 1)[1] for path in paths if path.is_dir()})


def _check_known(kind: str, asked: tuple[str, ...], there: list[str]) -> None:
    if unknown := [label for label in asked if label not in there]:
        raise UsageError(
            f'--{kind}-label: no {kind} {", ".join(unknown)}. '
            f'There {"is" if len(there) == 1 else "are"}: {", ".join(there) or "none"}.'
        )


def _index(settings: Settings) -> Any:
    """Return the pybids layout of the anat folders."""
    import bids
    from bids.layout import BIDSLayout, BIDSLayoutIndexer

    # a database serves later runs too, whoever they ask for
    restricted = settings if settings.bids_database_dir is None else None
    validate = not settings.skip_bids_validation
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            layout = BIDSLayout(
                str(settings.bids_dir),
                validate=validate,
                database_path=settings.bids_database_dir,
                indexer=BIDSLayoutIndexer(
                    validate=validate, ignore=_ignored(restricted), index_metadata=False
                ),
            )
    except (ValueError, bids.exceptions.BIDSValidationError) as error:
        raise DatasetError(f'{settings.bids_dir}: pybids cannot index it: {error}') from error
    if Path(layout.root) != settings.bids_dir:
        raise UsageError(
            f'--bids-database-dir {settings.bids_database_dir} is the index of another dataset. '
            'Name another folder.'
        )
    return layout


def _ignored(settings: Settings | None) -> list[re.Pattern[str]]:
    """Return patterns of what is not indexed; paths start with a slash at the dataset."""
    patterns = [
        r'/\.',
        r'^/(?!sub-)',
        r'^/sub-[^/]+/(?:ses-[^/]+/)?(?!ses-|anat(?:/|$))[^/]+',
        r'\.(?:json|tsv|tsv\.gz)$',
    ]
    if settings and settings.participant_label:
        patterns.append(_all_but('^/sub-', settings.participant_label))
    if settings and settings.session_label:
        patterns.append(_all_but('^/sub-[^/]+/ses-', settings.session_label))
    return [re.compile(pattern) for pattern in patterns]


def _all_but(start: str, labels: tuple[str, ...]) -> str:
    return f'{start}(?!(?:{"|".join(map(re.escape, labels))})(?:/|$))'


def _query(layout: Any, suffix: str, settings: Settings) -> list[str]:
    """Return the absolute paths of the images with a suffix that pass the user's filter."""
    from bids.layout import Query

    fixed = {'suffix': suffix, 'datatype': 'anat', 'extension': ['.nii', '.nii.gz']}
    special = {None: Query.NONE, '*': Query.ANY}
    chosen = {
        key: special.get(value, value) if isinstance(value, str | None) else value
        for key, value in settings.bids_filters.get(suffix.lower(), {}).items()
    }
    labels = {'subject': settings.participant_label, 'session': settings.session_label}
    asked = {key: list(value) for key, value in labels.items() if value}
    try:
        # asked for apart, so that a filter can restrict and never widen what is looked at
        found = layout.get(return_type='filename', **{**fixed, **chosen})
        within = set(layout.get(return_type='filename', **fixed, **asked))
    except ValueError as error:
        raise UsageError(f'--bids-filter-file, {suffix.lower()}: {error}') from error
    return [path for path in found if path in within]


def _check_current(paths: list[str], settings: Settings) -> None:
    gone = [path for path in paths if not os.path.lexists(path)]
    if gone:
        raise DatasetError(
            f'{gone[0]} is in the index in {settings.bids_database_dir} and not in the dataset. '
            'Delete that folder; the next run makes the index anew.'
        )


def _check_unique(images: tuple[HeadImage, ...]) -> None:
    def made(image: HeadImage) -> set[str]:
        return {*names.public_files(image), names.record(image), names.workflow_name(image)}

    counts = Counter(name for image in images for name in made(image))
    if twice := [image for image in images if any(counts[name] > 1 for name in made(image))]:
        listed = ', '.join(image.relative_path for image in twice[:4])
        raise DatasetError(
            f'{listed}: these files would get the same output. Rename or remove one of each pair.'
        )
