# SPDX-License-Identifier: Apache-2.0
"""Check that folders neither leak nor overwrite nor delete data, and create them."""

import os
import shutil
import stat
from pathlib import Path
from tempfile import TemporaryFile, gettempdir

from facebids.bids.inputs import read_description
from facebids.bids.metadata import makers_of
from facebids.config import Settings
from facebids.errors import DatasetError, OutputError, UsageError
from facebids.filesystem import is_full, write_text_atomic

# subfolders of the work folder that a run writes to, apart from the private folder
WORK_FOLDERS = ('nipype', 'records', 'crash', 'log', 'cache')

# folders that must not be inside a folder whose intermediate files are deleted
NEVER_DELETED = ('the input', 'the output', 'the photo folder')

# does not hold for a folder in `derivatives`, which neither the index nor a release reads
OUTPUT_IN_INPUT = (
    'the output',
    'the input',
    'FaceBIDS never writes to the input. Choose a folder outside it, or a new one in its '
    'derivatives folder.',
)
# which folder must not be inside which, and why
NESTING_RULES = (
    OUTPUT_IN_INPUT,
    ('the input', 'the output', 'they would mix. Choose an output folder outside the input.'),
    ('the work folder', 'the input', 'FaceBIDS never writes to the input. Use --work-dir.'),
    ('the private folder', 'the input', 'FaceBIDS never writes to the input. Use --private-dir.'),
    ('the database folder', 'the input', 'FaceBIDS never writes to the input.'),
    ('the work folder', 'the output', 'it contains recognisable faces, and the output is meant '
     'to be shared. Use --work-dir.'),
    ('the private folder', 'the output', 'it identifies people, and the output is meant to be '
     'shared. Use --private-dir.'),
    ('the database folder', 'the output', 'it contains paths of this machine, and the output '
     'is meant to be shared.'),
    ('the output', 'the private folder', 'the output is meant to be shared.'),
    ('the input', 'the private folder', 'FaceBIDS never writes to the input.'),
    ('the photo folder', 'the output', 'photographs identify people, and the output is meant '
     'to be shared. Move the photographs elsewhere.'),
    ('the output', 'the photo folder', 'nothing is written to the photo folder. '
     'Choose a folder outside it.'),
    ('the work folder', 'the photo folder', 'nothing is written to the photo folder. '
     'Use --work-dir.'),
    ('the private folder', 'the photo folder', 'nothing is written to the photo folder. '
     'Use --private-dir.'),
    ('the database folder', 'the photo folder', 'nothing is written to the photo folder.'),
    *(
        ('the release', what, 'the release is meant to be uploaded. Choose a folder outside it.')
        for what in ('the input', 'the output', 'the work folder', 'the private folder',
                     'the database folder', 'the photo folder')
    ),
    *(
        (what, 'the release', 'the release is meant to be uploaded. Choose separate folders.')
        for what in ('the input', 'the output', 'the work folder', 'the private folder',
                     'the database folder', 'the photo folder')
    ),
)  # fmt: skip

SPACE = 'Free some space, or choose another folder, and run the same command again.'
PROBE = 1 << 20  # bytes that must fit into a folder that is not full

PRIVATE_README = """\
# Private: do not share

This folder holds data that identify people: pictures and embeddings of faces before defacing,
images whose defacing failed, and a copy of the reports that shows all of them. The group level of
FaceBIDS reads the embeddings. Delete the folder when the study no longer needs it.
"""


def check_folders(settings: Settings) -> None:
    """Check that no folder is inside another folder in which it must not be.

    Raises
    ------
    DatasetError
        If the input folder does not exist.
    UsageError
        If the folder of photographs does not exist.
    OutputError
        If a run would write to the input, expose identifying data in the output, or delete results
        when it cleans the work folder; if the work folder has a name that Nipype cannot use; if
        the output folder contains another dataset; or if the release is inside another dataset.
    """
    if not settings.bids_dir.is_dir():
        raise DatasetError(f'{settings.bids_dir}: no such folder. Give a BIDS dataset.')
    if settings.photos_dir and not settings.photos_dir.is_dir():
        raise UsageError(f'--photos {settings.photos_dir}: no such folder.')
    release_dir = settings.release.release_dir if settings.release else None
    where = {
        'the input': settings.bids_dir,
        'the output': settings.output_dir,
        'the work folder': settings.work_dir,
        'the private folder': settings.private_dir,
        'the database folder': settings.bids_database_dir,
        'the photo folder': settings.photos_dir,
        'the release': release_dir,
    }
    rules = [*NESTING_RULES]
    for name in WORK_FOLDERS:
        where[f'the folder {name}'] = settings.work_dir / name
        why = 'intermediate files are deleted there. Use --work-dir.'
        rules += [(what, f'the folder {name}', why) for what in NEVER_DELETED]
    if _in_derivatives(settings):
        rules.remove(OUTPUT_IN_INPUT)
    for inner, outer, why in rules:
        inside, around = where[inner], where[outer]
        if inside and around and _inside(inside, around):
            same = _inside(around, inside)
            raise OutputError(
                f'{inner.capitalize()} ({inside}) {"is" if same else "is inside"} '
                f'{outer} ({around}): {why}'
            )
    if settings.analysis_level == 'participant' and '[' in str(settings.work_dir):
        raise OutputError(
            f'The work folder ({settings.work_dir}) has [ in its path, in which Nipype would not '
            'find its files again. Use --work-dir.'
        )
    _check_output_is_ours(settings.output_dir)
    if release_dir:
        _check_in_no_dataset(release_dir)


def create_folders(settings: Settings) -> None:
    """Create the folders of a participant run; only this user may read the private folder.

    Raises
    ------
    OutputError
        If a folder cannot be created or written, or if an existing private folder is readable by
        other users.
    """
    make_writable(settings.output_dir, 'output')
    make_writable(settings.work_dir, 'work')
    for folder in (settings.work_dir / name for name in WORK_FOLDERS):
        if settings.clean_workdir:
            shutil.rmtree(folder, ignore_errors=True)
        # the intermediate files include renders of heads before defacing
        make_writable(folder, 'work', mode=0o700)
        if _is_readable_by_others(folder):
            folder.chmod(0o700)
    _make_private(settings.private_dir)
    if settings.bids_database_dir:
        make_writable(settings.bids_database_dir, 'database')


def make_writable(folder: Path, what: str, mode: int = 0o777) -> None:
    """Create a folder, and check that files can be created in it.

    Parameters
    ----------
    folder
        The folder. Missing parent folders are created, too.
    what
        Name of the folder in messages.
    mode
        Permissions of a new folder.

    Raises
    ------
    OutputError
        If the folder cannot be created or written.
    """
    try:
        folder.mkdir(mode, parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError as error:
        if is_full(error):
            raise _no_space(folder, what) from error
        raise OutputError(
            f'{folder}: the {what} folder cannot be written ({error.strerror}). '
            'Choose another folder, or change its permissions.'
        ) from error


def full(settings: Settings) -> OutputError:
    """Return the error of a full disk or quota, with the folder that cannot be written to."""
    places = {
        'work': settings.work_dir,
        'output': settings.output_dir,
        'private': settings.private_dir,
        'database': settings.bids_database_dir,
        'release': settings.release.release_dir if settings.release else None,
        'temporary (TMPDIR)': Path(gettempdir()),
    }
    for what, folder in places.items():
        if folder and folder.is_dir() and _is_full(folder):
            return _no_space(folder, what)
    listed = ', '.join(f'{folder}' for folder in places.values() if folder)
    return OutputError(f'The disk or quota of one of these folders is full: {listed}. {SPACE}')


def _no_space(folder: Path, what: str) -> OutputError:
    return OutputError(f'{folder}: the disk or quota of the {what} folder is full. {SPACE}')


def _is_full(folder: Path) -> bool:
    try:
        with TemporaryFile(dir=folder) as stream:
            stream.write(bytes(PROBE))
            stream.flush()
    except OSError as error:
        return is_full(error)
    return False


def _check_output_is_ours(output_dir: Path) -> None:
    path = output_dir / 'dataset_description.json'
    if not os.path.lexists(path):
        return
    description = read_description(output_dir, required=False)
    if not description:
        raise OutputError(
            f'{path} cannot be read, so the folder may contain another dataset, which would be '
            'overwritten. Choose a new folder for the output, or delete this file if the folder '
            'holds results of FaceBIDS alone.'
        )
    if 'FaceBIDS' not in makers_of(description):
        name = description.get('Name', 'without a name')
        raise OutputError(
            f'{output_dir}: this folder contains another dataset ({name}), '
            'which would be overwritten. Choose a new folder for the output.'
        )


def _check_in_no_dataset(release_dir: Path) -> None:
    for folder in Path(os.path.realpath(release_dir)).parents:
        if (folder / 'dataset_description.json').exists():
            raise OutputError(
                f'The release ({release_dir}) is inside the dataset {folder}, which would be '
                'changed. Choose a folder outside it.'
            )


def _make_private(folder: Path) -> None:
    make_writable(folder, 'private', mode=0o700)
    if not any(folder.iterdir()):
        folder.chmod(0o700)
    elif _is_readable_by_others(folder):
        raise OutputError(
            f'{folder}: the private folder is readable by other users. '
            f'Run chmod 700 {folder}, or choose another folder with --private-dir.'
        )
    write_text_atomic(folder / 'README.md', PRIVATE_README)


def _is_readable_by_others(folder: Path) -> bool:
    """Return whether a folder is accessible to other users (the ``others`` permission bits)."""
    return bool(stat.S_IMODE(folder.stat().st_mode) & 0o007)


def _in_derivatives(settings: Settings) -> bool:
    """Return whether the output is a folder below ``derivatives`` of the input."""
    derivatives = Path(os.path.realpath(settings.bids_dir)) / 'derivatives'
    return derivatives in Path(os.path.realpath(settings.output_dir)).parents


def _inside(inner: Path, outer: Path) -> bool:
    return Path(os.path.realpath(inner)).is_relative_to(os.path.realpath(outer))
