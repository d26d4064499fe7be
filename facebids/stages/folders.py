# SPDX-License-Identifier: Apache-2.0
"""Refuse folders that would leak, overwrite or delete something; make the others."""

import os
import shutil
import stat
from pathlib import Path
from tempfile import TemporaryFile

from facebids.bids.inputs import read_description
from facebids.config import Settings
from facebids.errors import DatasetError, OutputError, UsageError
from facebids.filesystem import write_text_atomic

# all that a run puts into the work folder, apart from what is private
WORK_FOLDERS = ('nipype', 'records', 'crash', 'log', 'cache')

# what may not lie where intermediate files are deleted
PRECIOUS = ('the input', 'the output', 'the photo folder')

# what may not lie in what, and why
RULES = (
    ('the output', 'the input', 'the input is never written to. Choose a folder beside it.'),
    ('the input', 'the output', 'they would mix. Choose an output folder beside the input.'),
    ('the work folder', 'the input', 'the input is never written to. Use --work-dir.'),
    ('the private folder', 'the input', 'the input is never written to. Use --private-dir.'),
    ('the database folder', 'the input', 'the input is never written to.'),
    ('the work folder', 'the output', 'faces can be recognised in it, and the output is made '
     'to be shared. Use --work-dir.'),
    ('the private folder', 'the output', 'it identifies people, and the output is made to be '
     'shared. Use --private-dir.'),
    ('the database folder', 'the output', 'it names folders of this machine, and the output '
     'is made to be shared.'),
    ('the output', 'the private folder', 'the output is made to be shared.'),
    ('the input', 'the private folder', 'the input is never written to.'),
    ('the photo folder', 'the output', 'photographs identify people, and the output is made '
     'to be shared. Keep them elsewhere.'),
    ('the output', 'the photo folder', 'photographs are only read. Choose a folder beside '
     'them.'),
    ('the work folder', 'the photo folder', 'photographs are only read. Use --work-dir.'),
    ('the private folder', 'the photo folder', 'photographs are only read. Use '
     '--private-dir.'),
    ('the database folder', 'the photo folder', 'photographs are only read.'),
    *(
        ('the release', what, 'it is made to be uploaded. Choose a folder beside it.')
        for what in ('the input', 'the output', 'the work folder', 'the private folder',
                     'the database folder', 'the photo folder')
    ),
    *(
        (what, 'the release', 'it is made to be uploaded. Choose a folder of its own.')
        for what in ('the input', 'the output', 'the work folder', 'the private folder',
                     'the database folder', 'the photo folder')
    ),
)  # fmt: skip

PRIVATE_README = """\
# Private: do not share

This folder holds what identifies people: pictures and embeddings of faces before defacing, images
whose defacing failed, and the copy of the reports that shows all of it. FaceBIDS reads the
embeddings again at the group level. It can be deleted when the study needs it no more.
"""


def check_places(settings: Settings) -> None:
    """Check how the folders lie to each other.

    Raises
    ------
    DatasetError
        If the input is no folder.
    UsageError
        If there is no folder of photographs where one was named.
    OutputError
        If a folder lies where the input would be written to, where what identifies people would
        be shared, or where cleaning would delete results; or the output is another dataset, or
        the release lies in one.
    """
    if not settings.bids_dir.is_dir():
        raise DatasetError(f'{settings.bids_dir}: there is no such folder. Name the BIDS dataset.')
    if settings.photos_dir and not settings.photos_dir.is_dir():
        raise UsageError(f'--photos {settings.photos_dir}: there is no such folder.')
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
    rules = [*RULES]
    for name in WORK_FOLDERS:
        where[f'the folder {name}'] = settings.work_dir / name
        why = 'intermediate files are deleted there. Use --work-dir.'
        rules += [(what, f'the folder {name}', why) for what in PRECIOUS]
    for inner, outer, why in rules:
        inside, around = where[inner], where[outer]
        if inside and around and _inside(inside, around):
            same = _inside(around, inside)
            raise OutputError(
                f'{inner.capitalize()} ({inside}) {"is" if same else "lies in"} '
                f'{outer} ({around}): {why}'
            )
    _check_own(settings.output_dir)
    if release_dir:
        _check_in_no_dataset(release_dir)


def prepare_places(settings: Settings) -> None:
    """Make the folders of a participant run, the private one for this user alone.

    Raises
    ------
    OutputError
        If one cannot be made or written, or others can look into the private one.
    """
    make_writable(settings.output_dir, 'output')
    make_writable(settings.work_dir, 'work')
    for folder in (settings.work_dir / name for name in WORK_FOLDERS):
        if settings.clean_workdir:
            shutil.rmtree(folder, ignore_errors=True)
        # renders of undefaced heads are among the intermediate files
        make_writable(folder, 'work', mode=0o700)
        if _is_open(folder):
            folder.chmod(0o700)
    _make_private(settings.private_dir)
    if settings.bids_database_dir:
        make_writable(settings.bids_database_dir, 'database')


def make_writable(folder: Path, what: str, mode: int = 0o777) -> None:
    """Make a folder, and check that files can be made in it.

    Parameters
    ----------
    folder
        The folder; those above it are made too.
    what
        What to call it in a message.
    mode
        Permissions of a new folder.

    Raises
    ------
    OutputError
        If not.
    """
    try:
        folder.mkdir(mode, parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError as error:
        raise OutputError(
            f'{folder}: the {what} folder cannot be written ({error.strerror}). '
            'Choose another, or change its permissions.'
        ) from error


def _check_own(output_dir: Path) -> None:
    description = read_description(output_dir, required=False)
    makers = [maker.get('Name') for maker in description.get('GeneratedBy', [])]
    if description and 'FaceBIDS' not in makers:
        name = description.get('Name', 'without a name')
        raise OutputError(
            f'{output_dir}: this is another dataset ({name}), '
            'which would be overwritten. Choose a new folder for the output.'
        )


def _check_in_no_dataset(release_dir: Path) -> None:
    for folder in Path(os.path.realpath(release_dir)).parents:
        if (folder / 'dataset_description.json').exists():
            raise OutputError(
                f'The release ({release_dir}) lies in the dataset {folder}, which would be '
                'changed. Choose a folder beside it.'
            )


def _make_private(folder: Path) -> None:
    make_writable(folder, 'private', mode=0o700)
    if not any(folder.iterdir()):
        folder.chmod(0o700)
    elif _is_open(folder):
        raise OutputError(
            f'{folder}: everybody on this machine can look into the private folder. '
            f'Run chmod 700 {folder}, or choose another with --private-dir.'
        )
    write_text_atomic(folder / 'README.md', PRIVATE_README)


def _is_open(folder: Path) -> bool:
    """Return whether everybody on this machine can look into a folder."""
    return bool(stat.S_IMODE(folder.stat().st_mode) & 0o007)


def _inside(inner: Path, outer: Path) -> bool:
    return Path(os.path.realpath(inner)).is_relative_to(os.path.realpath(outer))
