# SPDX-License-Identifier: Apache-2.0
"""The parameters of the digital mask: all that is kept of a face, one `Frame` for each picture.

No parameter describes the shape or colour of the face. Movements are relative to the neutral face
of the person; they and what is constant over a recording have wide steps, made by
:mod:`facebids.mask.movements`. Columns of the table, ranges, its rounding and the data dictionary
are generated from the fields of `Frame`.
"""

import csv
import io
import itertools
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias

from facebids.errors import DatasetError
from facebids.filesystem import write_json_atomic, write_text_atomic

Neutral: TypeAlias = Literal['own', 'generic']

SIZE = (640, 480)  # pixels: width and height of the picture
NOTHING = 'n/a'  # BIDS
UNTOLD = ' Landmarks do not tell of it: always 0.'
RESTING = ' Kept if it differs from the other side at rest.'


def _number(
    meaning: str, unit: str | None, low: float, high: float, step: float, neutral: float = 0.0
) -> Any:
    """Declare a parameter: its meaning, unit, range, rounding step and neutral value."""
    metadata = {'meaning': meaning, 'unit': unit, 'low': low, 'high': high, 'step': step}
    return field(default=neutral, metadata=metadata)


def _angle(meaning: str, limit: float, step: float) -> Any:
    return _number(meaning, 'degree', -limit, limit, step)


def _share(meaning: str, low: float = 0.0) -> Any:
    return _number(meaning, None, low, 1.0, 0.05)


@dataclass(frozen=True)
class Frame:
    """The parameters of one picture. Left and right are those of the person.

    The defaults are the generic neutral face. A frame that is not confident has the defaults, and
    shows an empty stage.
    """

    time_s: float = field(
        metadata={'meaning': 'Time after the first picture.', 'unit': 's', 'step': 0.001}
    )
    confident: bool = field(
        default=True, metadata={'meaning': 'Whether a face was found and could be measured.'}
    )
    confidence: float = _number(
        'Confidence in the measurements: 0 no face; lower when the face turns away, is small, or '
        'does not fit.',
        None, 0.0, 1.0, 0.25,
    )  # fmt: skip
    pitch_deg: float = _angle('Head turned up.', 90.0, 1.0)
    yaw_deg: float = _angle('Head turned to the left.', 90.0, 1.0)
    roll_deg: float = _angle('Head tilted to the left shoulder.', 90.0, 1.0)
    gaze_left_horizontal_deg: float = _angle('Left eye turned to the left.', 45.0, 0.5)
    gaze_left_vertical_deg: float = _angle('Left eye turned up.', 45.0, 0.5)
    gaze_right_horizontal_deg: float = _angle('Right eye turned to the left.', 45.0, 0.5)
    gaze_right_vertical_deg: float = _angle('Right eye turned up.', 45.0, 0.5)
    lid_left: float = _number(
        'Opening of the left lids: 0 closed, 1 as the wider open eye in its open state.',
        None, 0.0, 1.5, 0.05, 1.0,
    )  # fmt: skip
    lid_right: float = _number('Opening of the right lids, likewise.', None, 0.0, 1.5, 0.05, 1.0)
    lid_left_mm: float = _number(
        'Distance of the left lids at the middle of the eye, if it is 9.5 mm in the open state of '
        'the wider open eye.',
        'mm', 0.0, 20.0, 0.25, 9.5,
    )  # fmt: skip
    lid_right_mm: float = _number(
        'Distance of the right lids, likewise.', 'mm', 0.0, 20.0, 0.25, 9.5
    )
    jaw_open: float = _share('Jaw opened: 1 is the chin 40 mm lower.')
    jaw_side: float = _share('Jaw moved to the left: 1 is 10 mm.' + UNTOLD, -1.0)
    mouth_side: float = _share('Middle of the mouth moved to the left: 1 is 10 mm.' + UNTOLD, -1.0)
    brow_up_left: float = _share('Left brow raised: 1 is 8 mm.')
    brow_up_right: float = _share('Right brow raised: 1 is 8 mm.')
    brow_down_left: float = _share('Left brow lowered: 1 is 6 mm.' + RESTING)
    brow_down_right: float = _share('Right brow lowered: 1 is 6 mm.' + RESTING)
    cheek_up_left: float = _share('Left cheek raised: 1 is 6 mm.' + UNTOLD)
    cheek_up_right: float = _share('Right cheek raised: 1 is 6 mm.' + UNTOLD)
    nose_wrinkle_left: float = _share('Left wing of the nose raised: 1 is 4 mm.' + UNTOLD)
    nose_wrinkle_right: float = _share('Right wing of the nose raised: 1 is 4 mm.' + UNTOLD)
    smile_left: float = _share('Left corner of the mouth moved up and out: 1 is 10 mm.')
    smile_right: float = _share('Right corner of the mouth moved up and out: 1 is 10 mm.')
    frown_left: float = _share('Left corner of the mouth moved down: 1 is 8 mm.' + RESTING)
    frown_right: float = _share('Right corner of the mouth moved down: 1 is 8 mm.' + RESTING)
    lip_up_left: float = _share('Left half of the upper lip raised: 1 is 6 mm.' + UNTOLD)
    lip_up_right: float = _share('Right half of the upper lip raised: 1 is 6 mm.' + UNTOLD)
    lip_down_left: float = _share(
        'Left half of the lower lip lowered more than the jaw lowers it: 1 is 6 mm.'
    )
    lip_down_right: float = _share('Right half of the lower lip lowered, likewise: 1 is 6 mm.')
    pucker: float = _share(
        'Both corners of the mouth moved towards the middle: 1 is 10 mm each.' + UNTOLD
    )


_FIELDS = {item.name: item for item in fields(Frame)}
COLUMNS = tuple(_FIELDS)
NUMBERS = tuple(name for name in COLUMNS if 'low' in _FIELDS[name].metadata)
POSE = ('pitch_deg', 'yaw_deg', 'roll_deg')
EXPRESSIONS = NUMBERS[NUMBERS.index('jaw_open') :]


@dataclass(frozen=True)
class Recording:
    """The parameters of a photograph or a video.

    Parameters
    ----------
    frames
        One for each picture, in the order of time.
    rate_hz
        Mean number of pictures a second; 0 for a photograph.
    neutral
        Whether movements are relative to the neutral face of the person, estimated over the
        recording, or to that of the generic face.
    size
        Width and height of the rendered picture, in pixels.
    """

    frames: tuple[Frame, ...]
    rate_hz: float
    neutral: Neutral
    size: tuple[int, int] = SIZE


def rounded(name: str, value: float) -> float:
    """Return a value of a parameter within its range, rounded to its step."""
    about = _FIELDS[name].metadata
    low, high = about.get('low', 0.0), about.get('high', float('inf'))
    step = about['step']
    # the second rounding gives the number that its decimals are read as; + 0.0 makes -0.0 zero
    return round(round(min(max(value, low), high) / step) * step, 6) + 0.0


def frame(time_s: float, **values: float) -> Frame:
    """Return a confident frame with rounded values; what is not given is neutral."""
    kept: dict[str, Any] = {name: rounded(name, value) for name, value in values.items()}
    return Frame(rounded('time_s', time_s), **kept)


def empty(time_s: float, confidence: float = 0.0) -> Frame:
    """Return a frame without a confident fit."""
    return Frame(
        rounded('time_s', time_s), confident=False, confidence=rounded('confidence', confidence)
    )


def to_tsv(frames: Iterable[Frame]) -> str:
    """Return frames as a tab-separated table, with n/a where a frame is not confident."""
    stream = io.StringIO()
    table = csv.writer(stream, delimiter='\t', lineterminator='\n')
    table.writerow(COLUMNS)
    for item in frames:
        always = [_text(item.time_s), str(item.confident).lower(), _text(item.confidence)]
        values = [
            _text(getattr(item, name)) if item.confident else NOTHING
            for name in COLUMNS[len(always) :]
        ]
        table.writerow(always + values)
    return stream.getvalue()


def _text(value: float) -> str:
    return f'{value:.6f}'.rstrip('0').rstrip('.')


def read_frames(path: str | Path) -> tuple[Frame, ...]:
    """Read frames from a table that `to_tsv` made.

    Raises
    ------
    DatasetError
        If it cannot be read, lacks a column, or has a value outside its range.
    """
    try:
        with open(path, newline='', encoding='utf-8') as stream:
            table = csv.DictReader(stream, delimiter='\t')
            found = tuple(_row(row, path, number) for number, row in enumerate(table, 2))
    except OSError as error:
        raise DatasetError(
            f'{path} cannot be read ({error.strerror}). Check its path and permissions.'
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f'{path} is not a tab-separated table: {error}.') from error
    if not found:
        raise DatasetError(f'{path} has no rows. Give the table of a recording.')
    if any(b.time_s <= a.time_s for a, b in itertools.pairwise(found)):
        raise DatasetError(f'{path}: the times do not increase. Make the table again.')
    return found


def _row(row: dict[str, str], path: str | Path, line: int) -> Frame:
    if set(row) != set(COLUMNS):
        wrong = ', '.join(sorted(str(name) for name in set(row) ^ set(COLUMNS)))
        raise DatasetError(
            f'{path}, line {line}: missing or unknown columns: {wrong}. Make the table again with '
            'this version of FaceBIDS.'
        )
    try:
        confident = {'true': True, 'false': False}[row['confident']]
        names = NUMBERS if confident else ('confidence',)
        values = {name: float(row[name]) for name in ('time_s', *names)}
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f'{path}, line {line}: a value is not a number: {error}.') from error
    for name, value in values.items():
        if not math.isfinite(value) or abs(rounded(name, value) - value) > 1e-6:
            raise DatasetError(
                f'{path}, line {line}: {name} is {value}, which is outside its range or not '
                'rounded to its step. Make the table again.'
            )
    return Frame(confident=confident, **values)


def write(recording: Recording, path: Path, about: dict[str, Any]) -> None:
    """Write a recording as a table, and beside it its data dictionary as JSON.

    Parameters
    ----------
    recording
        The parameters.
    path
        The table to write: ``*.tsv``.
    about
        What else the JSON has to say, such as versions of models.
    """
    write_text_atomic(path, to_tsv(recording.frames))
    settings = {
        'SamplingFrequency': recording.rate_hz or NOTHING,
        'Neutral': recording.neutral,
        'PictureSize': list(recording.size),
    }
    write_json_atomic(path.with_suffix('.json'), settings | about | dictionary())


def read(path: Path) -> Recording:
    """Read a recording: its table, and the JSON beside it.

    Raises
    ------
    DatasetError
        If one of them cannot be read.
    """
    sidecar = path.with_suffix('.json')
    try:
        settings = json.loads(sidecar.read_text(encoding='utf-8'))
        rate = settings['SamplingFrequency']
        width, height = map(int, settings['PictureSize'])
        neutral: Neutral = {'own': 'own', 'generic': 'generic'}[settings['Neutral']]  # type: ignore[assignment]
        rate_hz = 0.0 if rate == NOTHING else float(rate)
    except OSError as error:
        raise DatasetError(
            f'{sidecar} cannot be read ({error.strerror}). It belongs beside the table.'
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f'{sidecar} does not describe a table of the mask: {error}.') from error
    return Recording(read_frames(path), rate_hz, neutral, (width, height))


def dictionary() -> dict[str, dict[str, Any]]:
    """Return the data dictionary of the table, as BIDS defines it."""
    return {name: _entry(dict(item.metadata)) for name, item in _FIELDS.items()}


def _entry(about: dict[str, Any]) -> dict[str, Any]:
    keys = {'unit': 'Units', 'low': 'Minimum', 'high': 'Maximum', 'step': 'RoundedTo'}
    entry = {'Description': about['meaning']}
    return entry | {key: about[name] for name, key in keys.items() if about.get(name) is not None}
