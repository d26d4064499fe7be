# SPDX-License-Identifier: Apache-2.0
"""The pages of a quiz, from templates, and the study's own consent text."""

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent
AGE_BANDS = ('18-29', '30-39', '40-49', '50-59', '60-69', '70-79', '80-89', '90 or older')
SEXES = ('female', 'male', 'another')
LONGEST = 100  # characters of a text about oneself
GAP = re.compile(r'\[[^\]]+\]')  # what the draft leaves to be filled in


def render(template: str, **values: Any) -> str:
    """Return a page.

    Parameters
    ----------
    template
        Name without ``.html.j2``.
    **values
        What the template asks for; all text is escaped.
    """
    return _environment().get_template(f'{template}.html.j2').render(**values)


def consent_html(text: str) -> str:
    """Return the consent text as HTML. It may hold neither HTML nor pictures.

    Parameters
    ----------
    text
        Markdown (CommonMark).
    """
    return MarkdownIt('commonmark', {'html': False}).disable('image').render(text)


def is_draft(text: str) -> bool:
    """Return whether a consent text still has a gap of the draft, in square brackets."""
    return any(gap in text for gap in GAP.findall(draft_consent()))


def draft_consent() -> str:
    """Return a draft of the consent text, with gaps in square brackets."""
    return (HERE / 'templates' / 'consent.md').read_text(encoding='utf-8')


def style() -> bytes:
    """Return the style sheet."""
    return (HERE / 'static' / 'style.css').read_bytes()


@cache
def _environment() -> 'Environment':
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / 'templates'),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
