# SPDX-License-Identifier: Apache-2.0
"""The files of a TemplateFlow template: found where they are, or else fetched.

Importing TemplateFlow's client writes to its folder and indexes all of it; so files that are
there are found by their names alone, and the client, which asks the network, comes second.
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
DEFAULT_RESOLUTION = 1  # TemplateFlow's finest of most templates


@dataclass(frozen=True)
class TemplateFiles:
    """The files of a template.

    Attributes
    ----------
    head
        The T1w head.
    brain
        Its brain mask, or None where the template has none.
    """

    head: Path
    brain: Path | None


def template_home() -> Path:
    """Return TemplateFlow's folder, as its client finds it on Linux."""
    caches = os.environ.get('XDG_CACHE_HOME', '').strip() or os.path.expanduser('~/.cache')
    return Path(os.environ.get('TEMPLATEFLOW_HOME', f'{caches}/templateflow')).absolute()


def find_template(template: Template) -> TemplateFiles:
    """Return the files of a template; fetch those that are not there.

    Parameters
    ----------
    template
        Its resolution is `DEFAULT_RESOLUTION` unless it names one.

    Raises
    ------
    TemplateError
        If the head is not there, and cannot be fetched either.
    """
    head = _find(template, HEAD)
    if head is None or not head.stat().st_size:
        _fetch(template, HEAD)
        head = _find(template, HEAD)
    brain = _find(template, BRAIN)
    if brain and not brain.stat().st_size:  # TemplateFlow has it, this machine has not
        _fetch(template, BRAIN)
    return TemplateFiles(head, brain)


def _find(template: Template, ending: str) -> Path | None:
    """Return the file of that name, which is empty while only TemplateFlow has its content."""
    cohort = '' if template.cohort is None else f'_cohort-{template.cohort}'
    number = DEFAULT_RESOLUTION if template.resolution is None else template.resolution
    resolution = f'_res-0*{number}'
    if template.resolution is None:  # a few templates have one resolution and do not name it
        resolution = f'({resolution})?'
    name = re.compile(rf'tpl-{template.name}{cohort}{resolution}_{ending}\.nii(\.gz)?')
    folder = template_home() / f'tpl-{template.name}' / cohort.removeprefix('_')
    try:
        found = sorted(path for path in folder.iterdir() if name.fullmatch(path.name))
    except OSError:
        return None
    return next((path for path in found if path.is_file()), None)


def _fetch(template: Template, ending: str) -> None:
    """Let TemplateFlow fetch a file.

    Raises
    ------
    TemplateError
        If it does not come.
    """
    query = _query(template, ending)
    why = 'TemplateFlow knows of no such file'
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter('ignore')
            from templateflow import TemplateFlowClient

            TemplateFlowClient(root=template_home()).get(template.name, **query)
    except Exception as error:  # of requests, pybids, SQLite, the disk
        why = f'TemplateFlow could not fetch it ({type(error).__name__})'
        if (broken := _find(template, ending)) and broken.stat().st_size:
            broken.write_bytes(b'')  # the beginning of a file would pass for all of it
    found = _find(template, ending)
    if found is None or not found.stat().st_size:
        call = ', '.join(f'{key}={value!r}' for key, value in query.items())
        raise TemplateError(
            f'--template {template}: {_expected(template, ending)} is not in {template_home()} '
            f'(TEMPLATEFLOW_HOME), and {why}.{_cohorts(template)} Check the name, or fetch the '
            'file where there is a network: python -c "from templateflow import api; '
            f'api.get({template.name!r}, {call})"'
        )


def _query(template: Template, ending: str) -> dict[str, str | int | None]:
    """Return the entities by which TemplateFlow knows a file."""
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
    """Return a sentence that lists a template's cohorts where it has some and none was named."""
    folders = (template_home() / f'tpl-{template.name}').glob('cohort-*')
    found = sorted((path.name for path in folders), key=lambda name: (len(name), name))
    return f' It has {", ".join(found)}: name one.' if found and not template.cohort else ''


def _expected(template: Template, ending: str) -> str:
    if stub := _find(template, ending):
        return stub.relative_to(template_home()).as_posix()
    cohort = '' if template.cohort is None else f'cohort-{template.cohort}'
    resolution = f'res-{template.resolution or DEFAULT_RESOLUTION}'
    parts = (f'tpl-{template.name}', cohort, resolution, ending)
    name = '_'.join(part for part in parts if part) + '.nii.gz'
    return '/'.join(part for part in (f'tpl-{template.name}', cohort, name) if part)
