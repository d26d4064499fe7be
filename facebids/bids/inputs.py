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

from facebids.bids import head_points, names, suffixes
from facebids.bids.names import HeadImage
from facebids.config import Settings
from facebids.errors import DatasetError, NoImagesError, UsageError

__all__ = ['HeadImage', 'Inputs', 'collect_images', 'read_description']

FILTERED = 'excluded by --bids-filter-file'
NOT_KNOWN = 'not the name of a head image known to FaceBIDS'
NOT_NIFTI = 'not a NIfTI image'
DRAWS_HEAD = '{}; a release leaves it out, see --head-points'
OTHER_SESSION = 'not of the requested sessions'
CT = re.compile(r'^/sub-[^/]+/(?:ses-[^/]+/)?ct/[^/]+_ct\.nii(?:\.gz)?$')


class Inputs(NamedTuple):
    """The images of the requested participants.

    Attributes
    ----------
    images
        Images to deface, in the order of their paths.
    others
        Other head images, including those of other sessions, which may serve as reference for
        the registration.
    not_defaced
        Relative path and reason of each file of the requested sessions that may show a face and
        is not defaced.
    """

    images: tuple[HeadImage, ...]
    others: tuple[HeadImage, ...] = ()
    not_defaced: tuple[tuple[str, str], ...] = ()


def collect_images(settings: Settings) -> Inputs:
    """Find the requested head images, and all other files that may show a face.

    Only folders of the requested participants are indexed, and only data types with head images;
    derivatives and sourcedata are not, which also keeps indexing fast.

    Raises
    ------
    UsageError
        If a participant, a session or an entity of a filter does not exist.
    DatasetError
        If the folder is not a BIDS dataset, or two images have the same output.
    NoImagesError
        If no image matches.
    """
    read_description(settings.bids_dir, required=not settings.skip_bids_validation)
    _check_labels(settings)
    layout = _index(settings)
    paths = _query(layout, settings)
    _check_current(paths, settings)
    heads = [image for path in paths if (image := _head(path, settings))]
    passed = _passed(layout, settings)
    reasons = {image: _reason_against(image, passed, settings) for image in heads}
    images = [image for image in heads if not reasons[image]]
    not_defaced = {image.relative_path: reason for image, reason in reasons.items()}
    if not images:
        raise NoImagesError(
            f'{settings.bids_dir}: no head image matches the request. Check --participant-label, '
            '--session-label, --bids-filter-file and --include, and the file names in the anat '
            'folders.'
        )
    _check_unique(images)
    for path in _may_show_faces(settings):
        not_defaced.setdefault(path, _reason_not_to_deface(path))
    return Inputs(
        tuple(images),
        tuple(image for image in heads if reasons[image]),
        tuple(
            (path, reason)
            for path, reason in sorted(not_defaced.items())
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
        Whether a complete description of a raw dataset is required. If not, the description is
        empty when it cannot be read.

    Raises
    ------
    DatasetError
        If a required description is missing, unreadable, incomplete, or that of a derivative
        dataset.
    """
    path = Path(bids_dir) / 'dataset_description.json'
    remedy = 'Correct it, or use --skip-bids-validation if the images are organised as in BIDS.'
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
            f'The dataset has {", ".join(there) or "none"}.'
        )


def _index(settings: Settings) -> Any:
    """Return the pybids layout of the folders that hold head images."""
    import bids
    from bids.layout import BIDSLayout, BIDSLayoutIndexer

    # later runs may use the same database for other participants
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
                    force_index=[CT],  # not yet part of BIDS
                    index_metadata=False,
                ),
            )
    except (ValueError, bids.exceptions.BIDSValidationError) as error:
        raise DatasetError(f'{settings.bids_dir}: pybids cannot index it: {error}') from error
    if Path(layout.root) != settings.bids_dir:
        raise UsageError(
            f'--bids-database-dir {settings.bids_database_dir} is the index of another dataset. '
            'Choose another folder.'
        )
    return layout


def _ignored(settings: Settings | None) -> list[re.Pattern[str]]:
    """Return patterns of paths not to index; paths start with a slash for the dataset."""
    datatypes = '|'.join(suffixes.HEADS)
    patterns = [
        r'/\.',
        r'^/(?!sub-)',
        rf'^/sub-[^/]+/(?:ses-[^/]+/)?(?!ses-|(?:{datatypes})(?:/|$))[^/]+',
        r'\.(?:json|tsv|tsv\.gz|bval|bvec)$',
    ]
    if settings and settings.participant_label:  # sessions stay: they may have a reference
        patterns.append(_all_but('^/sub-', settings.participant_label))
    return [re.compile(pattern) for pattern in patterns]


def _all_but(start: str, labels: tuple[str, ...]) -> str:
    return f'{start}(?!(?:{"|".join(map(re.escape, labels))})(?:/|$))'


def _query(layout: Any, settings: Settings, **entities: Any) -> list[str]:
    """Return the absolute paths of the images of the participants with these entities."""
    labels = list(settings.participant_label)
    asked = {'subject': labels} if labels else {}
    found = layout.get(return_type='filename', extension=list(suffixes.NIFTI), **entities)
    within = set(layout.get(return_type='filename', **asked))
    return sorted(path for path in found if path in within)


def _head(path: str, settings: Settings) -> HeadImage | None:
    """Return the head image at a path, or None if its suffix is not that of a head image."""
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
        return None  # not requested


def _wanted(settings: Settings) -> tuple[str, ...]:
    return (*suffixes.ALWAYS, *settings.include)


def _passed(layout: Any, settings: Settings) -> dict[str, set[str]]:
    """Return the paths that pass the filter of each suffix with a filter."""
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
            # a filter restricts the request and never extends it
            passed[suffix] = set(_query(layout, settings, **{'suffix': suffix, **chosen}))
        except ValueError as error:
            raise UsageError(f'--bids-filter-file, {key}: {error}') from error
    return passed


def _reason_against(
    image: HeadImage, passed: dict[str, set[str]], settings: Settings
) -> str | None:
    """Return why an image is not defaced, or None."""
    if image.datatype not in _wanted(settings):
        echo_planar = image.suffix in suffixes.HARDLY_SHOW_FACES.get(image.datatype, ())
        note = '; echo-planar images hardly show faces' if echo_planar else ''
        return f'defaced only with --include {image.datatype}{note}'
    if image.path not in passed.get(image.suffix, [image.path]):
        return FILTERED
    return None if _in_sessions(image.relative_path, settings) else OTHER_SESSION


def _in_sessions(path: str, settings: Settings) -> bool:
    if not settings.session_label:
        return True
    return any(f'ses-{label}' in PurePosixPath(path).parts for label in settings.session_label)


def _reason_not_to_deface(path: str) -> str:
    """Return why a file that is not a known head image is not defaced."""
    if path.endswith(suffixes.NIFTI):
        return NOT_KNOWN
    kind = head_points.kind_of(path)
    return DRAWS_HEAD.format(head_points.WHAT[kind]) if kind else NOT_NIFTI


def _may_show_faces(settings: Settings) -> list[str]:
    """Return all files of the participants, whether BIDS or not, that may show a face."""
    labels = settings.participant_label or _labels(settings.bids_dir.glob('sub-*'))
    endings = (*suffixes.NIFTI, *suffixes.OTHER_FORMATS)
    return [
        path
        for label in labels
        for folder, _, files in os.walk(settings.bids_dir / f'sub-{label}', followlinks=True)
        for name in files
        for path in [Path(folder, name).relative_to(settings.bids_dir).as_posix()]
        if name.lower().endswith(endings) or head_points.kind_of(path)
    ]


def _check_current(paths: list[str], settings: Settings) -> None:
    gone = [path for path in paths if not os.path.lexists(path)]
    if gone:
        raise DatasetError(
            f'{gone[0]} is in the index ({settings.bids_database_dir}), but not in the dataset. '
            'Delete that folder; the next run creates a new index.'
        )


def _check_unique(images: list[HeadImage]) -> None:
    def made(image: HeadImage) -> set[str]:
        return {*names.public_files(image), names.record(image), names.workflow_name(image)}

    counts = Counter(name for image in images for name in made(image))
    if twice := [image for image in images if any(counts[name] > 1 for name in made(image))]:
        listed = ', '.join(image.relative_path for image in twice[:4])
        raise DatasetError(
            f'{listed}: these files would have the same output. Rename or remove one of each pair.'
        )
