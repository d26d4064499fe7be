# SPDX-License-Identifier: Apache-2.0
"""The page of a review: served, or a file that saves nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from facebids.filesystem import write_text_atomic
from facebids.reports import TEMPLATES, render
from facebids.reports.participant import NOTES
from facebids.review.decisions import Decision
from facebids.review.items import Item
from facebids.version import __version__

NAME = 'review.html'
ASSETS = {
    'style.css': 'text/css',
    'review.css': 'text/css',
    'review.js': 'text/javascript',
}


def render_page(
    items: Sequence[Item],
    held: Mapping[str, Decision],
    by: str = '',
    *,
    token: str | None = None,
) -> str:
    """Return the page.

    Parameters
    ----------
    items
        The images, in the order in which they are shown.
    held
        Decisions that hold, by image.
    by
        Who decides.
    token
        Sent with each decision. None: the page is a file of the output folder, and saves nothing.
    """
    listed = [
        asdict(item) | {'figures': _addresses(i, item, token)} for i, item in enumerate(items)
    ]
    data = {'items': listed, 'notes': NOTES, 'token': token, **decided(items, held)}
    return render(
        'review.html.j2', title='Review of images', data=data, by=by, served=token is not None,
        version=__version__, single=len(items) == 1, count=len(items),
    )  # fmt: skip


def decided(items: Sequence[Item], held: Mapping[str, Decision]) -> dict[str, Any]:
    """Return the decisions that hold by the number of their image, the earliest first."""
    numbers = {item.image: number for number, item in enumerate(items)}
    return {
        'decided': [
            {'number': numbers[image], **asdict(decision)} for image, decision in held.items()
        ]
    }


def write_page(output_dir: Path, items: Sequence[Item]) -> Path:
    """Write the page as a file of the output folder, and return its path."""
    path = output_dir / NAME
    write_text_atomic(path, render_page(items, {}))
    return path


def asset(name: str) -> str:
    """Return the text of one of `ASSETS`."""
    return (TEMPLATES / name).read_text(encoding='utf-8')


def _addresses(number: int, item: Item, token: str | None) -> dict[str, str]:
    if token is None:
        return item.figures
    return {kind: f'/figures/{number}/{kind}' for kind in item.figures}
