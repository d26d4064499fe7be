# SPDX-License-Identifier: Apache-2.0
"""Find the head images of a BIDS dataset. The only place that uses pybids."""

import json
import os
import re
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from facebids.bids import names, suffixes
from facebids.bids.names import HeadImage
from facebids.config import Settings
from facebids.errors import DatasetError, NoImagesError, UsageError

__all__ = ['HeadImage', 'Inputs', 'collect_images', 'read_description']

FILTERED = 'left out by --bids-filter-file'
NOT_KNOWN = 'its name is not that of a head image that FaceBIDS knows'
NOT_NIFTI = 'not a NIfTI image'
CT = re.compile(r'^/sub-[^/]+/(?:ses-[^/]+/)?ct/[^/]+_ct\.nii(?:\.gz)?$')


class Inputs(NamedTuple):
    """What a dataset holds of the participants and sessions that were asked for.

    Attributes
    ----------
    images
        Images to deface, ordered by path.
    others
        Images that were not asked for, of other sessions too: an image may be registered by way
        of them.
    left_alone
        Path in the dataset and why, of every file that may show a face and stays as it is.
    """

    images: tuple[HeadImage, ...]
    others: tuple[HeadImage, ...] = ()
    left_alone: tuple[tuple[str, str], ...] = ()


def collect_images(settings: Settings) -> Inputs:
    """Find the head images that were asked for, and what is left alone.

    Only the folders of the participants asked for are looked at, and in them those of data types
    that hold images of heads: never derivatives or sourcedata, which also keeps indexing fast.

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
    paths = _query(layout, settings)
    _check_current(paths, settings)
    heads = [image for path in paths if (image := _head(path, settings))]
    passed = _passed(layout, settings)
    images, others, left_alone = [], [], {}
    for image in heads:
        reason = _reason_against(image, passed, settings)
        (others if reason else images).append(image)
        left_alone[image.relative_path] = reason
    if not images:
        raise NoImagesError(
            f'{settings.bids_dir}: no head image matches the request. Look at '
            '--participant-label, --session-label, --bids-filter-file and --include, and at the '
            'names of the files in the anat folders.'
        )
    _check_unique(images)
    for path in _may_show_faces(settings):
        left_alone.setdefault(path, NOT_KNOWN if path.endswith(suffixes.NIFTI) else NOT_NIFTI)
    return Inputs(
        tuple(images),
        tuple(others),
        tuple(
            (path, reason)
            for path, reason in sorted(left_alone.items())
            if reason and _in_sessions(path, settings)
        ),
    )


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
    """Return the pybids layout of the folders that hold images of heads."""
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
                    validate=validate,
                    ignore=_ignored(restricted),
                    force_index=[CT],  # which BIDS does not know yet
                    index_metadata=False,
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
    datatypes = '|'.join(suffixes.HEADS)
    patterns = [
        r'/\.',
        r'^/(?!sub-)',
        rf'^/sub-[^/]+/(?:ses-[^/]+/)?(?!ses-|(?:{datatypes})(?:/|$))[^/]+',
        r'\.(?:json|tsv|tsv\.gz|bval|bvec)$',
    ]
    if settings and settings.participant_label:  # other sessions may hold a reference
        patterns.append(_all_but('^/sub-', settings.participant_label))
    return [re.compile(pattern) for pattern in patterns]


def _all_but(start: str, labels: tuple[str, ...]) -> str:
    return f'{start}(?!(?:{"|".join(map(re.escape, labels))})(?:/|$))'


def _query(layout: Any, settings: Settings, **entities: Any) -> list[str]:
    """Return the absolute paths of the participants' images that have these entities."""
    labels = list(settings.participant_label)
    asked = {'subject': labels} if labels else {}
    found = layout.get(return_type='filename', extension=list(suffixes.NIFTI), **entities)
    within = set(layout.get(return_type='filename', **asked))
    return sorted(path for path in found if path in within)


def _head(path: str, settings: Settings) -> HeadImage | None:
    """Return the image that a file is, or None where its suffix is not one of a head image."""
    relative = Path(path).relative_to(settings.bids_dir).as_posix()
    folder = PurePosixPath(relative).parent.name
    suffix = re.sub(r'\.nii(\.gz)?$', '', relative).rpartition('_')[2]
    if suffix not in suffixes.HEADS.get(folder, ()):
        return None
    try:
        return HeadImage.from_relative_path(relative, str(settings.bids_dir))
    except DatasetError:
        if folder in _wanted(settings):
            raise
        return None  # nobody asked for it


def _wanted(settings: Settings) -> tuple[str, ...]:
    return (*suffixes.ALWAYS, *settings.include)


def _passed(layout: Any, settings: Settings) -> dict[str, set[str]]:
    """Return, for each suffix that has a filter, the paths that pass it."""
    from bids.layout import Query

    special = {None: Query.NONE, '*': Query.ANY}
    passed = {}
    for key, entities in settings.bids_filters.items():
        suffix = suffixes.BY_KEY[key]
        chosen = {
            name: special.get(value, value) if isinstance(value, str | None) else value
            for name, value in entities.items()
        }
        try:
            # a filter can restrict and never widen what is looked at
            passed[suffix] = set(_query(layout, settings, **{'suffix': suffix, **chosen}))
        except ValueError as error:
            raise UsageError(f'--bids-filter-file, {key}: {error}') from error
    return passed


def _reason_against(
    image: HeadImage, passed: dict[str, set[str]], settings: Settings
) -> str | None:
    """Return why an image is not defaced, or None."""
    if image.datatype not in _wanted(settings):
        hardly = image.suffix in suffixes.HARDLY_SHOW_FACES.get(image.datatype, ())
        why = 'echo-planar, which hardly shows a face; ' if hardly else ''
        return f'{why}use --include {image.datatype}'
    if image.path not in passed.get(image.suffix, [image.path]):
        return FILTERED
    return None if _in_sessions(image.relative_path, settings) else 'of another session'


def _in_sessions(path: str, settings: Settings) -> bool:
    if not settings.session_label:
        return True
    return any(f'ses-{label}' in PurePosixPath(path).parts for label in settings.session_label)


def _may_show_faces(settings: Settings) -> list[str]:
    """Return every file of the participants, known to BIDS or not, that can hold a face."""
    labels = settings.participant_label or _labels(settings.bids_dir.glob('sub-*'))
    endings = (*suffixes.NIFTI, *suffixes.OTHER_FORMATS)
    return [
        Path(folder, name).relative_to(settings.bids_dir).as_posix()
        for label in labels
        for folder, _, files in os.walk(settings.bids_dir / f'sub-{label}', followlinks=True)
        for name in files
        if name.lower().endswith(endings)
    ]


def _check_current(paths: list[str], settings: Settings) -> None:
    gone = [path for path in paths if not os.path.lexists(path)]
    if gone:
        raise DatasetError(
            f'{gone[0]} is in the index in {settings.bids_database_dir} and not in the dataset. '
            'Delete that folder; the next run makes the index anew.'
        )


def _check_unique(images: list[HeadImage]) -> None:
    def made(image: HeadImage) -> set[str]:
        return {*names.public_files(image), names.record(image), names.workflow_name(image)}

    counts = Counter(name for image in images for name in made(image))
    if twice := [image for image in images if any(counts[name] > 1 for name in made(image))]:
        listed = ', '.join(image.relative_path for image in twice[:4])
        raise DatasetError(
            f'{listed}: these files would get the same output. Rename or remove one of each pair.'
        )
