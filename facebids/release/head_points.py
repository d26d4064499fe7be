# SPDX-License-Identifier: Apache-2.0
"""Find what draws the head beside images, by name and by content, and take points out of files.

Landmarks and head coils are kept in every case: the nasion, the points before the ears and a few
coils are needed for any analysis in the space of the head, and do not draw a face.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from facebids.bids import head_points as by_name
from facebids.release import describe, fif
from facebids.release.tree import Source

Kind: TypeAlias = Literal['shape', 'sensors', 'picture', 'inside', 'unreadable']

# three landmarks with an inion, or five coils
MOST_LANDMARKS = 8
HEAD_POINTS = 'DigitizedHeadPoints'  # start of the keys of BIDS about them
COORDINATE_SYSTEM, FIF = '_coordsystem.json', '.fif'


@dataclass(frozen=True)
class HeadPoints:
    """How a file draws the head.

    Attributes
    ----------
    kind
        ``'shape'``, ``'sensors'``, ``'picture'``: the whole file does; ``'inside'``: points in it
        do, and can be taken out; ``'unreadable'``: it may hold points, but cannot be searched.
    what
        What it holds, in words.
    """

    kind: Kind
    what: str


def find(sources: Iterable[Source]) -> dict[str, HeadPoints]:
    """Return the files that draw the head, by path relative to the dataset."""
    found = {source.relative: _find(source) for source in sources}
    return {path: points for path, points in found.items() if points}


def _find(source: Source) -> HeadPoints | None:
    kind = by_name.kind_of(source.relative)
    if kind:
        return HeadPoints(kind, by_name.WHAT[kind])
    if source.missing:
        return None
    if source.relative.endswith(COORDINATE_SYSTEM):
        return _inside_coordinate_system(source)
    return _inside_fif(source) if source.relative.endswith(FIF) else None


def _inside_coordinate_system(source: Source) -> HeadPoints | None:
    try:
        keys = _keys_of_points(json.loads(source.path.read_bytes().decode('utf-8-sig')))
    except (OSError, ValueError):
        return None  # it is reported as damaged when it is read for the release
    return HeadPoints('inside', f'digitised head points ({", ".join(keys)})') if keys else None


def _inside_fif(source: Source) -> HeadPoints | None:
    try:
        places = fif.head_points(source.path)
    except (OSError, ValueError) as error:
        return HeadPoints('unreadable', f'it cannot be searched for head points ({error})')
    return HeadPoints('inside', f'{len(places)} digitised head points') if places else None


def without_points(text: str) -> str:
    """Return ``coordsystem.json`` without digitised head points, but with all landmarks.

    Raises
    ------
    ValueError
        If the text is not a JSON object.
    """
    value = json.loads(text)
    dropped = _keys_of_points(value)
    return describe.dump({key: value[key] for key in value if key not in dropped})


def _keys_of_points(value: Any) -> list[str]:
    """Return the keys that name, describe or list head points rather than landmarks."""
    if not isinstance(value, dict):
        raise ValueError('it does not start with {')
    return [key for key, item in value.items() if key.startswith(HEAD_POINTS) or _is_cloud(item)]


def _is_cloud(value: Any) -> bool:
    """Return whether a value lists more coordinates than there are landmarks."""
    items = list(value.values()) if isinstance(value, dict) else value
    return (
        isinstance(items, list)
        and len(items) > MOST_LANDMARKS
        and all(isinstance(item, list | dict) for item in items)
    )
