# SPDX-License-Identifier: Apache-2.0
"""Find the files of a TemplateFlow template, and download missing ones.

Importing the TemplateFlow client writes to its folder and indexes it. So local files are found by
name, and the client, which accesses the network, is used for missing files only.
"""

import os
import re
import warnings
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from facebids.bids.names import Template
from facebids.errors import TemplateError

HEAD, BRAIN = 'T1w', 'desc-brain_mask'  # how names end
DEFAULT_RESOLUTION = 1  # the finest one of most templates


@dataclass(frozen=True)
class TemplateFiles:
    """The files of a template.

    Attributes
    ----------
    head
        The T1w head.
    brain
        Its brain mask, or None if the template has none.
    """

    head: Path
    brain: Path | None


def template_home() -> Path:
    """Return the folder of TemplateFlow, as its client finds it on Linux."""
    caches = os.environ.get('XDG_CACHE_HOME', '').strip() or os.path.expanduser('~/.cache')
    return Path(os.environ.get('TEMPLATEFLOW_HOME', f'{caches}/templateflow')).absolute()


def find_template(template: Template) -> TemplateFiles:
    """Return the files of a template, and download missing ones.

    Parameters
    ----------
    template
        The template; `DEFAULT_RESOLUTION` is used if it names no resolution.

    Raises
    ------
    TemplateError
        If a file is missing and cannot be downloaded.
    """
    head = _find(template, HEAD)
    if head is None or not head.stat().st_size:
        head = _download(template, HEAD)
    brain = _find(template, BRAIN)
    if brain and not brain.stat().st_size:  # known to TemplateFlow, but not yet downloaded
        brain = _download(template, BRAIN)
    return TemplateFiles(head, brain)


def _find(template: Template, ending: str) -> Path | None:
    """Return the local file, which is empty if it was not downloaded, or None."""
    cohort = '' if template.cohort is None else f'_cohort-{template.cohort}'
    number = DEFAULT_RESOLUTION if template.resolution is None else template.resolution
    resolution = f'_res-0*{number}'
    if template.resolution is None:  # templates with a single resolution may not name it
        resolution = f'({resolution})?'
    name = re.compile(rf'tpl-{template.name}{cohort}{resolution}_{ending}\.nii(\.gz)?')
    folder = template_home() / f'tpl-{template.name}' / cohort.removeprefix('_')
    try:
        found = sorted(path for path in folder.iterdir() if name.fullmatch(path.name))
    except OSError:
        return None
    return next((path for path in found if path.is_file()), None)


def _download(template: Template, ending: str) -> Path:
    """Download a file with the TemplateFlow client, and return it.

    Raises
    ------
    TemplateError
        If that fails.
    """
    query = _query(template, ending)
    why = 'TemplateFlow has no such file'
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter('ignore')
            from templateflow import TemplateFlowClient

            TemplateFlowClient(root=template_home()).get(template.name, **query)
    except Exception as error:  # from requests, pybids, SQLite or the file system
        why = f'the download failed ({type(error).__name__})'
        if (broken := _find(template, ending)) and broken.stat().st_size:
            broken.write_bytes(b'')  # an incomplete file would pass for a complete one
    found = _find(template, ending)
    if found is None or not found.stat().st_size:
        call = ', '.join(f'{key}={value!r}' for key, value in query.items())
        raise TemplateError(
            f'--template {template}: {_expected(template, ending)} is not in {template_home()} '
            f'(TEMPLATEFLOW_HOME), and {why}.{_cohorts(template)} Check the name, or download the '
            'file where the network is available: python -c "from templateflow import api; '
            f'api.get({template.name!r}, {call})"'
        )
    return found


def _query(template: Template, ending: str) -> dict[str, str | int | None]:
    """Return the entities that identify a file in TemplateFlow."""
    desc, _, suffix = ending.rpartition('_')
    cohort = template.cohort
    query: dict[str, str | int | None] = {
        'cohort': int(cohort) if cohort and cohort.isdigit() else cohort,
        'resolution': template.resolution or DEFAULT_RESOLUTION,
        'desc': desc.removeprefix('desc-') or None,
        'suffix': suffix,
        'extension': '.nii.gz',
    }
    stub = _find(template, ending)
    if stub and '_res-' not in stub.name:
        query['resolution'] = None
    return query


def _cohorts(template: Template) -> str:
    """Return a sentence on the cohorts of a template, if one has to be named and is not."""
    folders = (template_home() / f'tpl-{template.name}').glob('cohort-*')
    found = sorted((path.name for path in folders), key=lambda name: (len(name), name))
    return f' It has {", ".join(found)}; name one.' if found and not template.cohort else ''


def _expected(template: Template, ending: str) -> str:
    if stub := _find(template, ending):
        return stub.relative_to(template_home()).as_posix()
    cohort = '' if template.cohort is None else f'cohort-{template.cohort}'
    resolution = f'res-{template.resolution or DEFAULT_RESOLUTION}'
    parts = (f'tpl-{template.name}', cohort, resolution, ending)
    name = '_'.join(part for part in parts if part) + '.nii.gz'
    return '/'.join(part for part in (f'tpl-{template.name}', cohort, name) if part)
