# SPDX-License-Identifier: Apache-2.0
"""Pages to read, made from figures and metrics that are already written, never from the graph."""

from pathlib import Path
from typing import Any


def render(template: str, **values: Any) -> str:
    """Return a page.

    Parameters
    ----------
    template
        Name of a file in ``templates``.
    **values
        What the template asks for; on pages of HTML all text is escaped.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / 'templates'),
        autoescape=lambda name: '.html' in (name or ''),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters['number'] = number
    return environment.get_template(template).render(**values)


def number(value: Any) -> str:
    """Return a value as it stands on a page."""
    if value is None:
        return 'n/a'
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if not isinstance(value, float):
        return str(value)
    return f'{value:.0f}' if 1000 <= abs(value) < 1e6 else f'{value:#.3g}'.rstrip('.')
