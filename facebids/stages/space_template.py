# SPDX-License-Identifier: Apache-2.0
"""Prepare the template of a run once, before any image, and cache it in the work folder."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from facebids import provenance
from facebids.bids.names import Template
from facebids.bids.templateflow import TemplateFiles, find_template
from facebids.config import Settings
from facebids.errors import ImageError, TemplateError
from facebids.filesystem import atomic_path, sha256


def check_template(settings: Settings) -> None:
    """Check that the requested template exists, or download it. Write nothing else.

    Raises
    ------
    TemplateError
        If the template does not exist and cannot be downloaded.
    """
    if settings.template is not None:
        find_template(Template.from_text(settings.template))


def prepare_template(settings: Settings) -> Path | None:
    """Map the head atlas to the requested template, unless an earlier run has done so.

    Parameters
    ----------
    settings
        The settings of the run.

    Returns
    -------
    Path or None
        The prepared template, with the arrays for
        :class:`facebids.interfaces.registration.Register`. None if no template was requested.

    Raises
    ------
    TemplateError
        If the template is not available, or the head atlas does not fit it.
    """
    if settings.template is None:
        return None
    template = Template.from_text(settings.template)
    files = find_template(template)
    made_of = {
        'software': provenance.identity(),
        'name': str(template),
        'seed': settings.seed,
        'files': {path.name: sha256(path) for path in (files.head, files.brain) if path},
    }
    key = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:16]
    path = settings.work_dir / 'cache' / 'templates' / f'{template.name}_{key}.npz'
    if not path.is_file():
        _prepare(template, files, made_of, path)
    return path


def _prepare(
    template: Template, files: TemplateFiles, made_of: dict[str, Any], path: Path
) -> None:
    import numpy as np

    from facebids.core import images
    from facebids.core.alignment import space_template

    try:
        head = images.read_volume(files.head)
        brain = images.read_volume(files.brain) if files.brain else None
    except ImageError as error:
        raise TemplateError(f'--template {template}: {error}') from error
    target, fit = space_template.prepare(head, brain, made_of['seed'])
    if wrong := space_template.objections(fit):
        numbers = ', '.join(f'{name} {getattr(fit, name):.2f}' for name in wrong)
        raise TemplateError(
            f'--template {template}: the head atlas does not fit {files.head.name} ({numbers}). '
            'It must be a T1w of a whole head with skull and face. Choose another template.'
        )
    with atomic_path(path) as temporary:
        np.savez_compressed(
            temporary,
            provenance=json.dumps(made_of | {'quality': asdict(fit)}),
            **target.to_arrays(),
        )
