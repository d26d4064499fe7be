# SPDX-License-Identifier: Apache-2.0
"""The page of a recording: the mask, its numbers, and how it moved. It shows no person."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from facebids.core.arrays import FloatArray
from facebids.filesystem import write_text_atomic
from facebids.mask.parameters import Recording
from facebids.mask.summary import Summary, blinks, column
from facebids.reports import number, render
from facebids.reports.svg import Draw, Tooltips, inline_svg
from facebids.version import __version__

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POINTS = 2000  # of a line, more of which a plot does not show
LINKED = (
    'It is not proven that the mask hides the person. Treat all outputs as data of a person '
    '(docs/digital-mask.md).'
)
GENERIC = (
    'There were too few pictures to find the neutral face of the person, so movements are '
    'relative to that of the generic face. Personal proportions look like expressions there: only '
    'large movements of the head and eyes, closed lids and an open mouth are kept.'
)
LEFT, RIGHT, BOTH = '#1d5fa8', '#c2570c', '#5a4a78'


@dataclass(frozen=True)
class Plot:
    """A plot of the page."""

    title: str
    caption: str
    svg: str


@dataclass(frozen=True)
class Table:
    """A table of the page."""

    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


PLOTS: tuple[tuple[str, str, str, dict[str, tuple[str, str]]], ...] = (
    (
        'Lids', 'share of the open state', 'Grey: blinks.',
        {'lid_left': ('left', LEFT), 'lid_right': ('right', RIGHT)},
    ),
    (
        'Eyes, horizontal', 'degrees to the left', '',
        {
            'gaze_left_horizontal_deg': ('left', LEFT),
            'gaze_right_horizontal_deg': ('right', RIGHT),
        },
    ),
    (
        'Eyes, vertical', 'degrees up', '',
        {'gaze_left_vertical_deg': ('left', LEFT), 'gaze_right_vertical_deg': ('right', RIGHT)},
    ),
    (
        'Head', 'degrees', '',
        {
            'pitch_deg': ('up', LEFT), 'yaw_deg': ('to the left', RIGHT),
            'roll_deg': ('tilted to the left', BOTH),
        },
    ),
    (
        'Corners of the mouth', 'coefficient', 'Up and out.',
        {'smile_left': ('left', LEFT), 'smile_right': ('right', RIGHT)},
    ),
    (
        'Brows', 'coefficient', 'Raised.',
        {'brow_up_left': ('left', LEFT), 'brow_up_right': ('right', RIGHT)},
    ),
)  # fmt: skip


def write_page(path: Path, recording: Recording, found: Summary, shown: str) -> None:
    """Write the page of a recording.

    Parameters
    ----------
    path
        The page.
    recording, found
        The parameters and their summary.
    shown
        Name of the video or picture of the mask, in the same folder.
    """
    rows = [
        (
            item.name.replace('_', ' '),
            number(getattr(found, item.name)),
            item.metadata['unit'] or '',
            item.metadata['meaning'],
        )
        for item in fields(found)
    ]
    page = render(
        'mask.html.j2',
        title='Digital mask',
        version=__version__,
        found=found,
        shown=shown,
        address=quote(shown),
        notes=[LINKED, *([GENERIC] if recording.neutral == 'generic' else [])],
        numbers=Table(('number', 'value', 'unit', 'meaning'), rows),
        plots=_plots(recording) if len(recording.frames) > 1 else [],
    )
    write_text_atomic(path, page)


def _plots(recording: Recording) -> list[Plot]:
    times = np.array([frame.time_s for frame in recording.frames])
    closed = blinks(recording)
    made = []
    for title, unit, caption, lines in PLOTS:
        values = {
            label: (column(recording, name), colour) for name, (label, colour) in lines.items()
        }
        draw = _drawing(times, values, unit, closed if title == 'Lids' else [])
        name = title.lower().replace(' ', '-').replace(',', '')
        made.append(Plot(title, caption, inline_svg(draw, name, f'{title} over time')))
    return made


def _drawing(
    times: FloatArray,
    lines: dict[str, tuple[FloatArray, str]],
    unit: str,
    closed: list[tuple[float, float]],
) -> Draw:
    step = -(-len(times) // POINTS)

    def draw(axes: 'Axes') -> Tooltips:
        for start, end in closed:
            axes.axvspan(start, end, color='#dde3e9', linewidth=0)
        for label, (values, colour) in lines.items():
            axes.plot(times[::step], values[::step], color=colour, linewidth=1, label=label)
        axes.set_xlabel('time (s)')
        axes.set_ylabel(unit)
        axes.legend(loc='upper right', ncols=len(lines))
        return ()

    return draw
