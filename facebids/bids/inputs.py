# SPDX-License-Identifier: Apache-2.0
"""Find the head images of a BIDS dataset. The only place that uses pybids."""

import json
import os
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from facebids.bids import head_points, names, suffixes
from facebids.bids.names import HEAD_ATLAS, HeadImage
from facebids.bids.plan import Refusal
from facebids.config import Settings
from facebids.errors import DatasetError, FacebidsError, NoImagesError, UsageError
from facebids.filesystem import one_at_a_time, temporary_name, why_unreadable
from facebids.words import counted

__all__ = ['HeadImage', 'Inputs', 'collect_images', 'read_description']

FILTERED = 'excluded by --bids-filter-file'
NOT_KNOWN = 'not the name of a head image known to FaceBIDS'
A_MASK = 'a mask, not an image of a head'
A_FOLDER = 'a folder with the name of an image'
NOT_NIFTI = 'not a NIfTI image'
DRAWS_HEAD = '{}; a release leaves it out, see --head-points'
OTHER_SESSION = 'not of the requested sessions'
MASKS = re.compile(r'_(?:mask|roi|defacemask)\.nii(?:\.gz)?$')  # of lesions, brains, ...
INDEX = 'layout_index.sqlite'  # the name that pybids gives to it
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
    refused
        Images to deface that fail before anything is done to them. No other image borrows from
        them.
    closed
        Path and reason of each folder whose files are unknown.
    participants
        Labels of all requested participants, also of those without an image.
    """

    images: tuple[HeadImage, ...]
    others: tuple[HeadImage, ...] = ()
    not_defaced: tuple[tuple[str, str], ...] = ()
    refused: tuple[Refusal, ...] = ()
    closed: tuple[tuple[str, str], ...] = ()
    participants: tuple[str, ...] = ()


def collect_images(settings: Settings) -> Inputs:
    """Find the requested head images, and all other files that may show a face.

    Only folders of the requested participants are indexed, and only data types with head images;
    derivatives and sourcedata are not, which also keeps indexing fast.

    Raises
    ------
    UsageError
        If a participant, a session or an entity of a filter does not exist.
    DatasetError
        If the folder is not a BIDS dataset.
    NoImagesError
        If no image matches.
    """
    read_description(settings.bids_dir, required=not settings.skip_bids_validation)
    _check_labels(settings)
    labels = settings.participant_label or tuple(_labels(settings.bids_dir.glob('sub-*')))
    files, closed = _walk(settings.bids_dir, labels)
    with _index(settings, closed) as layout:
        paths = _query(layout, settings)
        _check_current(paths, settings)
        heads = [image for path in paths if (image := _head(path, settings))]
        passed = _passed(layout, settings)
    reasons = {image: _reason_against(image, passed, settings) for image in heads}
    images = [image for image in heads if not reasons[image]]
    not_defaced = {image.relative_path: reason for image, reason in reasons.items()}
    for path in files:
        not_defaced.setdefault(path, _reason_not_to_deface(settings.bids_dir, path))
    left_alone = tuple(
        (path, reason)
        for path, reason in sorted(not_defaced.items())
        if reason and _in_sessions(path, settings)
    )
    closed = {_shown(path): reason for path, reason in closed.items() if reason}
    if not images:
        raise NoImagesError(_no_images(settings, list(dict(left_alone)), closed))
    refused = _refused(images, settings)
    failing = {item.image for item in refused}
    return Inputs(
        tuple(image for image in images if image not in failing),
        tuple(
            image
            for image in heads
            if reasons[image] and not why_unreadable(image.path, image.relative_path)
        ),
        left_alone,
        refused,
        tuple(closed.items()),
        labels,
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
    except (OSError, ValueError, RecursionError) as error:
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
    # a link may lead to a subdataset that is not there
    return sorted(
        {path.name.split('-', 1)[1] for path in paths if path.is_dir() or path.is_symlink()}
    )


def _check_known(kind: str, asked: tuple[str, ...], there: list[str]) -> None:
    if unknown := [label for label in asked if label not in there]:
        raise UsageError(
            f'--{kind}-label: no {kind} {", ".join(unknown)}. '
            f'The dataset has {", ".join(there) or "none"}.'
        )


@contextmanager
def _index(settings: Settings, closed: Iterable[str]) -> Iterator[Any]:
    """Yield the pybids layout of the folders that hold head images, but not of closed ones."""
    kept = settings.bids_database_dir
    layout = _layout(settings, closed) if kept is None else _shared_layout(settings, closed, kept)
    try:
        if kept and Path(layout.root) != settings.bids_dir:
            raise UsageError(
                f'--bids-database-dir {kept} is the index of another dataset. Choose another '
                'folder.'
            )
        yield layout
    finally:
        _close(layout)


def _close(layout: Any) -> None:
    """Close the database of a layout, which pybids leaves open."""
    layout.connection_manager.session.close()
    layout.connection_manager.engine.dispose()


def _shared_layout(settings: Settings, closed: Iterable[str], kept: Path) -> Any:
    """Return the layout that runs share, made by the first of them."""
    layout = _kept_layout(settings, closed)
    if layout is None:
        with one_at_a_time(kept):  # of jobs that start together one makes it, the others wait
            layout = _kept_layout(settings, closed)
            if layout is None:
                layout = _new_layout(settings, closed, kept)
    return layout


def _kept_layout(settings: Settings, closed: Iterable[str]) -> Any:
    """Return the layout of an earlier run, or None if its index is missing or broken."""
    kept = settings.bids_database_dir
    if kept is None or not (kept / INDEX).exists():
        return None
    try:
        layout = _layout(settings, closed, kept)
        if layout.get_files():
            return layout
        _close(layout)
        return None
    except FacebidsError:
        raise
    except Exception:  # of SQLAlchemy, or of pybids, which expects a record that is not there
        return None


def _new_layout(settings: Settings, closed: Iterable[str], kept: Path) -> Any:
    """Return a new layout, whose index is made aside and moved in one step."""
    with TemporaryDirectory(prefix=temporary_name(), dir=kept) as aside:
        made = _layout(settings, closed, Path(aside))
        _close(made)
        os.replace(Path(aside, INDEX), kept / INDEX)
    return _layout(settings, closed, kept)


def _layout(settings: Settings, closed: Iterable[str], database: Path | None = None) -> Any:
    import bids
    from bids.layout import BIDSLayout, BIDSLayoutIndexer

    # later runs may use the same database for other participants
    restricted = settings if database is None else None
    validate = not settings.skip_bids_validation
    patterns = [re.compile(f'^/{re.escape(path)}(/|$)') for path in closed]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            return BIDSLayout(
                str(settings.bids_dir),
                validate=validate,
                database_path=database,
                indexer=BIDSLayoutIndexer(
                    validate=validate,
                    ignore=[*_ignored(restricted), *patterns],
                    force_index=[CT],  # not yet part of BIDS
                    index_metadata=False,
                ),
            )
    except (ValueError, bids.exceptions.BIDSValidationError) as error:
        raise DatasetError(f'{settings.bids_dir}: pybids cannot index it: {error}') from error


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
    wanted = {'extension': list(suffixes.NIFTI), **asked, **entities}
    found = layout.get(return_type='filename', **wanted)
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
        except (ValueError, TypeError) as error:
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


def _reason_not_to_deface(root: Path, path: str) -> str:
    """Return why a file that is not a known head image is not defaced."""
    if (root / path).is_dir():
        return A_FOLDER
    if path.endswith(suffixes.NIFTI):
        return A_MASK if MASKS.search(path) else NOT_KNOWN
    kind = head_points.kind_of(path)
    return DRAWS_HEAD.format(head_points.WHAT[kind]) if kind else NOT_NIFTI


def _walk(root: Path, labels: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """Find all files of the participants that may show a face, whether BIDS or not.

    Returns
    -------
    list
        Relative paths of the files, and of folders with the name of an image.
    dict
        Why each folder that must not be entered cannot be read, by relative path. The reason is
        empty for a link to a folder that contains it, which hides no file, and for a name that is
        not UTF-8.
    """
    endings = (*suffixes.NIFTI, *suffixes.OTHER_FORMATS)
    files: list[str] = []
    closed: dict[str, str] = {}

    def relative(path: str | Path) -> str:
        return Path(path).relative_to(root).as_posix()

    def refuse(error: OSError) -> None:
        closed[relative(error.filename)] = (
            f'the folder cannot be read ({error.strerror}). Check that it exists, and its '
            'permissions.'
        )

    for label in labels:
        top = root / f'sub-{label}'
        for folder, inner, found in os.walk(top, onerror=refuse, followlinks=True):
            here = os.path.realpath(folder)
            loops = [name for name in inner if _leads_above(here, os.path.join(folder, name))]
            # pybids cannot index names that are not text
            odd = [name for name in (*found, *inner) if _shown(name) != name]
            closed |= {relative(Path(folder, name)): '' for name in (*loops, *odd)}
            inner[:] = [name for name in inner if name not in loops]
            images = [name for name in inner if name.endswith(suffixes.NIFTI)]
            paths = [relative(Path(folder, name)) for name in (*found, *images)]
            files += [
                _shown(path)
                for path in paths
                if path.lower().endswith(endings) or head_points.kind_of(path)
            ]
    return files, closed


def _shown(path: str) -> str:
    """Return a path with question marks for what is not UTF-8."""
    return path.encode(errors='replace').decode()


def _leads_above(folder: str, path: str) -> bool:
    """Return whether a path is a link to a folder that contains it."""
    return os.path.islink(path) and Path(folder).is_relative_to(os.path.realpath(path))


def _check_current(paths: list[str], settings: Settings) -> None:
    gone = [path for path in paths if not os.path.lexists(path)]
    if gone:
        raise DatasetError(
            f'{gone[0]} is in the index ({settings.bids_database_dir}), but not in the dataset. '
            'Delete that folder; the next run creates a new index.'
        )


def _refused(images: list[HeadImage], settings: Settings) -> tuple[Refusal, ...]:
    """Return the images that cannot be processed, as their names or their first bytes tell."""
    made = {image: _made(image) for image in images}
    counts = Counter(name for files in made.values() for name in files)
    template = names.Template.from_text(settings.template) if settings.template else HEAD_ATLAS
    refused = []
    for image in images:
        length = names.longest(image, template)
        if any(counts[name] > 1 for name in made[image]):
            twins = ', '.join(
                other.relative_path
                for other in images
                if other != image and made[other] & made[image]
            )
            message = (
                f'{image.relative_path}: {twins} would have the same output. Rename or remove one '
                'of them.'
            )
            refused.append(Refusal(image, 'same_output', message))
        elif length > names.LONGEST_NAME:
            message = (
                f'{image.relative_path}: its outputs would have names of {length} bytes, and file '
                f'systems allow {names.LONGEST_NAME}. Shorten its name by '
                f'{length - names.LONGEST_NAME}.'
            )
            refused.append(Refusal(image, 'name_too_long', message))
        elif why := why_unreadable(image.path, image.relative_path):
            message = f'{image.relative_path}: {why}'
            refused.append(Refusal(image, 'unreadable_image_error', message))
    return tuple(refused)


def _made(image: HeadImage) -> set[str]:
    return {*names.public_files(image), names.record(image), names.workflow_name(image)}


def _no_images(settings: Settings, others: list[str], closed: dict[str, str]) -> str:
    """Return the message on a request that no image matches, with what is there instead."""
    if closed:
        path, reason = next(iter(closed.items()))
        return f'{settings.bids_dir}: no head image can be read. {path}: {reason}'
    several = counted(len(others), 'other file')
    there = f' It has {several}, such as {others[0]}.' if others else ''
    return (
        f'{settings.bids_dir}: no head image matches the request.{there} Check '
        '--participant-label, --session-label, --bids-filter-file and --include, and the file '
        'names in the anat folders.'
    )
