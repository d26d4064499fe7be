# SPDX-License-Identifier: Apache-2.0
"""Convert matplotlib plots to SVG elements of HTML pages."""

import html
import io
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

Tooltips = Iterable[tuple['Artist', str]]
Draw = Callable[['Axes'], Tooltips]

INK, SOFT, LINE = '#1c2733', '#5b6875', '#dde3e9'  # as in style.css
COLOURS = {
    'before': '#1d5fa8',
    'after': '#c2570c',
    'after_both': '#5a4a78',
    'control': SOFT,
    'chance': SOFT,
    'pass': '#1b7a46',
    'review': '#9a6200',
    'fail': '#b3261e',
}
# inches; the page scales plots to its columns, of which it has two or three
WIDE, NARROW = (4.8, 3.1), (3.5, 2.8)
STYLE: dict[Any, Any] = {  # the stubs of some versions list all keys
    'axes.axisbelow': True,
    'axes.edgecolor': LINE,
    'axes.grid': True,
    'axes.labelcolor': SOFT,
    'axes.spines.right': False,
    'axes.spines.top': False,
    'font.size': 9.5,
    'grid.color': LINE,
    'grid.linewidth': 0.8,
    'legend.fontsize': 8.5,
    'legend.frameon': False,
    'svg.fonttype': 'none',
    'text.color': SOFT,
    'xtick.color': LINE,
    'xtick.labelcolor': SOFT,
    'ytick.color': LINE,
    'ytick.labelcolor': SOFT,
}
# the date and the version of matplotlib would differ between runs
NO_METADATA = dict.fromkeys(('Creator', 'Date', 'Format', 'Type'))


def inline_svg(draw: Draw, name: str, description: str, size: tuple[float, float] = WIDE) -> str:
    """Draw a plot and return it as an ``<svg>`` element.

    The output is reproducible, contains no external references, and its identifiers start with
    ``name``, so that a page can contain several plots.

    Parameters
    ----------
    draw
        Function that draws on axes, and returns artists with their tooltips.
    name
        Identifier of the plot, unique in its page.
    description
        Text alternative of the plot.
    size
        Width and height (inches).
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE | {'svg.hashsalt': name})
        figure = Figure(figsize=size, layout='constrained')
        texts = []
        for number, (artist, text) in enumerate(draw(figure.add_subplot())):
            artist.set_gid(f'tooltip-{number}')
            texts.append(text)
        stream = io.StringIO()
        figure.savefig(stream, format='svg', transparent=True, metadata=NO_METADATA)
    return _inline(stream.getvalue(), name, description, texts)


def _inline(svg: str, name: str, description: str, texts: Iterable[str]) -> str:
    for number, text in enumerate(texts):
        title = f'<g><title>{html.escape(text)}</title>'
        svg = svg.replace(f'<g id="tooltip-{number}">', title, 1)
    view = re.search(r'viewBox="[^"]*"', svg)
    body = svg[svg.index('</defs>') + len('</defs>') :]  # skips a style that affects the page
    body = body.replace('xlink:href', 'href')
    used = set(re.findall(r'(?:url\(|href=")#([^")]+)', body))
    body = re.sub(
        r' id="([^"]+)"', lambda found: f' id="{name}-{found[1]}"' * (found[1] in used), body
    )
    body = re.sub(r'(url\(|href=")#', rf'\1#{name}-', body)
    body = re.sub(r'font-family: [^;"]*;? ?', '', body)  # inherits that of the page
    label = html.escape(description)
    return (
        f'<svg {view[0] if view else ""} role="img" aria-label="{label}" '
        f'stroke-linejoin="round">{body.rstrip()}'
    )
