# SPDX-License-Identifier: Apache-2.0
"""Measure how the landmarks of the mask move with its expressions, for `facebids.mask.measure`.

``python benchmarks/mask_response.py`` writes the table of the package anew. Run it when the basis
of expressions, the renderer or the landmarker changes.
"""

import csv
import io

import numpy as np

from facebids.filesystem import write_text_atomic
from facebids.mask import iris, measure, movements
from facebids.mask.landmarks import Landmarker
from facebids.mask.parameters import EXPRESSIONS, SIZE, frame
from facebids.mask.picture import render

POSES = ((0, 0), (-6, 0), (6, 0), (0, 5), (0, -5))  # yaw and pitch, degrees
FIRST = measure.COLUMN[measure.SHAPE[0]]


def places(landmarker: Landmarker, **values: float) -> np.ndarray:
    """Return the places of the rendered mask, mean over poses, in mm."""
    found = []
    for yaw, pitch in POSES:
        picture = render(frame(0, yaw_deg=yaw, pitch_deg=pitch, **values))
        points = landmarker.find(picture)[0]
        eyes = iris.eyes(iris.patches(picture, points), points)
        found.append(measure.measures(points, eyes, SIZE)[FIRST:])
    return np.mean(found, axis=0)


def response() -> np.ndarray:
    """Return the movement of each place (row) for each expression (column), in mm."""
    with Landmarker() as landmarker:
        neutral = places(landmarker)
        moved = [places(landmarker, **{name: 1.0}) - neutral for name in EXPRESSIONS]
    return even(np.transpose(moved))


def even(table: np.ndarray) -> np.ndarray:
    """Return a response in which both sides react alike."""
    rows = [measure.SHAPE.index(other(name)) for name in measure.SHAPE]
    columns = [EXPRESSIONS.index(other(name)) for name in EXPRESSIONS]
    row_signs = np.array(
        [-1 if name in ('chin_left', 'mouth_left') else 1 for name in measure.SHAPE]
    )
    column_signs = np.array(
        [-1 if name in ('jaw_side', 'mouth_side') else 1 for name in EXPRESSIONS]
    )
    mirrored = table[np.ix_(rows, columns)] * np.outer(row_signs, column_signs)
    return (table + mirrored) / 2


def other(name: str) -> str:
    """Return the name of the other side."""
    if name in ('chin_left', 'mouth_left'):
        return name
    if name.endswith('_left'):
        return name.removesuffix('left') + 'right'
    return name.removesuffix('right') + 'left' if name.endswith('_right') else name


def main() -> None:
    """Write the table."""
    table = response()
    stream = io.StringIO()
    lines = csv.writer(stream, delimiter='\t', lineterminator='\n')
    lines.writerow(['place', *EXPRESSIONS])
    for name, row in zip(measure.SHAPE, table, strict=True):
        lines.writerow([name, *(f'{value:.1f}' for value in row)])
    write_text_atomic(movements.RESPONSE, stream.getvalue())
    print(stream.getvalue())


if __name__ == '__main__':
    main()
