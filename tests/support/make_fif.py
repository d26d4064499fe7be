# SPDX-License-Identifier: Apache-2.0
"""A small FIF file with digitised points."""

import struct


def tag(kind: int, data: bytes, after: int = 0) -> bytes:
    """Return a tag; `after` is the place of the next one."""
    return struct.pack('>4i', kind, 0, len(data), after) + data


def point(kind: int, *coordinates: float) -> bytes:
    """Return a digitised point of a kind, in metres."""
    return tag(213, struct.pack('>2i3f', kind, 1, *coordinates))


POINTS = (point(1, 0, 0.1, 0), point(4, 0.05, 0.06, 0.07), point(3, 0, 0, 0.1), point(4, 9, 8, 7))


def fif_file(points: tuple[bytes, ...] = POINTS, directory: bool = True) -> bytes:
    """Return a file of points and data, with a directory or without."""
    parts = [tag(100, bytes(20)), *points, tag(300, b'measured')]
    if not directory:
        return b''.join(parts[:-1]) + tag(300, b'measured', -1)
    entries, place = b'', 0
    for part in parts:
        kind, form, size, _ = struct.unpack('>4i', part[:16])
        entries += struct.pack('>4i', kind, form, size, place)
        place += len(part)
    return b''.join(parts) + tag(102, entries, -1)
