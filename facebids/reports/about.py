# SPDX-License-Identifier: Apache-2.0
"""How the results on a page were made: command, options, date, and versions."""

import platform
import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from facebids.config import OF_LEVEL, Settings
from facebids.core.record import Record
from facebids.provenance import source_digest
from facebids.version import __version__

Row = tuple[str, str]
# settings that change the result of an image, of those that one level reads
CHANGE_RESULTS = {
    'include', 'mode', 'fill', 'keep_mask', 'brain_margin', 'force', 'deface_only', 'template',
    'photos_dir',
}  # fmt: skip
# distributions that decide about results, by the name that people know
PACKAGES = {'ANTs': 'antspyx', 'dlib': 'dlib-bin', 'onnxruntime': 'onnxruntime', 'NumPy': 'numpy'}


def rows(
    settings: Settings | None, found: Sequence[Record], files: Iterable[Path] = ()
) -> list[Row]:
    """Return how results were made, as names and texts.

    Parameters
    ----------
    settings
        Settings of the run that writes the page, or None if they are not known.
    found
        Records of the images on the page.
    files
        Files with the results: the newest gives the date, which running again does not change.
    """
    times = [path.stat().st_mtime for path in files if path.is_file()]
    date = time.strftime('%Y-%m-%d', time.gmtime(max(times))) if times else ''
    described = {
        'Defacing': _counted(found, lambda record: record.mode or 'none (see the verdict)'),
        'Command': command(settings) if settings else '',
        'Date of the results': date,
        'Images examined with': _counted(found, _examined_with),
        'This page made with': f'FaceBIDS {__version__} (source {source_digest()[:12]})',
        'Python': platform.python_version(),
        **{name: _version(package) for name, package in PACKAGES.items()},
    }
    return [(name, text) for name, text in described.items() if text]


def command(settings: Settings) -> str:
    """Return the command line with all options that change the result of an image.

    Folders have their names only, and what identifies people (photographs, keys) none.
    """
    words = ['facebids', settings.bids_dir.name, settings.output_dir.name, settings.analysis_level]
    for option, name in OF_LEVEL[settings.analysis_level].items():
        if name in CHANGE_RESULTS and (name != 'fill' or settings.mode == 'remove'):
            words += _words(option, getattr(settings, name))
    words += [f'--keep-{part}' for part in settings.keep]
    return shlex.join([*words, '--random-seed', str(settings.seed)])


def _words(option: str, value: Any) -> list[str]:
    """Return an option on the command line, or nothing if it is not set."""
    if value is None or value is False or value == ():
        return []
    if value is True:
        return [option]
    if isinstance(value, tuple):
        return [option, *value]
    if isinstance(value, Path):
        return [option, 'PATH']
    return [option, f'{value:g}' if isinstance(value, float) else value]


def _examined_with(record: Record) -> str:
    made = record.provenance
    return f'FaceBIDS {made.version} (source {made.software_sha256[:12]})' if made else ''


def _counted(found: Sequence[Record], text_of: Callable[[Record], str]) -> str:
    """Return the texts of records, with counts if they differ."""
    counts = Counter(text for record in found if (text := text_of(record)))
    if len(counts) < 2:
        return ''.join(counts)
    return ', '.join(f'{text}: {count}' for text, count in sorted(counts.items()))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ''
