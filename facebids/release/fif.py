# SPDX-License-Identifier: Apache-2.0
"""Digitised head points in FIF files, the format of Neuromag/Elekta/MEGIN and of MNE.

A file is a list of tags: four big-endian integers (kind, type, size and place of the next tag),
and data. The directory at its end repeats kind, type, size and place of each tag. Readers skip
void tags (Functional Image File Format 1.3, Neuromag 2009).
"""

import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from facebids.filesystem import atomic_path

FILE_ID, DIRECTORY, VOID, DIG_POINT = 100, 102, 108, 213  # kinds of tags
EXTRA = 4  # kind of a point that is neither landmark, coil nor electrode
NEXT_FOLLOWS, LAST = 0, -1
TAG = struct.Struct('>4i')


def head_points(path: Path) -> list[int]:
    """Return the places of the tags with digitised points of the shape of the head.

    Parameters
    ----------
    path
        A FIF file.

    Returns
    -------
    list of int
        Bytes from the start of the file. Landmarks, coils and electrodes do not count.

    Raises
    ------
    ValueError
        If the file is damaged or is not FIF.
    """
    with path.open('rb') as stream:
        found = []
        for place, kind, size in _tags(stream):
            if kind == DIG_POINT and _is_extra(stream, place, size):
                found.append(place)
        return found


def without_head_points(path: Path, target: Path) -> None:
    """Write a copy of a file in which these tags are void and hold zeros.

    Parameters
    ----------
    path
        A FIF file.
    target
        The file to write.

    Raises
    ------
    ValueError
        If the file is damaged or is not FIF.
    """
    places = set(head_points(path))
    with atomic_path(target) as temporary:
        shutil.copyfile(path, temporary)
        with temporary.open('r+b') as stream:
            for place, kind, size in list(_tags(stream)):
                if place in places:
                    _overwrite(stream, place, struct.pack('>i', VOID))
                    _overwrite(stream, place + TAG.size, bytes(size))
                elif kind == DIRECTORY:
                    for entry in range(place + TAG.size, place + TAG.size + size, TAG.size):
                        stream.seek(entry)
                        if _unpacked(stream)[3] in places:
                            _overwrite(stream, entry, struct.pack('>i', VOID))


def _tags(stream: BinaryIO) -> Iterator[tuple[int, int, int]]:
    """Yield place, kind and size of each tag."""
    end = stream.seek(0, 2)
    place, seen = 0, set()
    while place < end:
        stream.seek(place)
        kind, _, size, after = _unpacked(stream)
        if (place == 0 and kind != FILE_ID) or size < 0 or place + TAG.size + size > end:
            raise ValueError('it is not FIF, or is truncated')
        yield place, kind, size
        seen.add(place)
        place = place + TAG.size + size if after == NEXT_FOLLOWS else after
        if place == LAST:
            return
        if place < 0 or place in seen:
            raise ValueError('its tags form no list')
    if not seen:
        raise ValueError('it is empty')


def _is_extra(stream: BinaryIO, place: int, size: int) -> bool:
    stream.seek(place + TAG.size)
    return size >= 4 and struct.unpack('>i', stream.read(4))[0] == EXTRA


def _unpacked(stream: BinaryIO) -> tuple[int, int, int, int]:
    data = stream.read(TAG.size)
    if len(data) < TAG.size:
        raise ValueError('it is truncated')
    kind, form, size, after = TAG.unpack(data)
    return kind, form, size, after


def _overwrite(stream: BinaryIO, place: int, data: bytes) -> None:
    stream.seek(place)
    stream.write(data)
