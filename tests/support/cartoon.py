# SPDX-License-Identifier: Apache-2.0
"""A drawn face that the landmarker finds, with known movements. It is nobody."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from facebids.mask import video

SIZE = (640, 480)
EYE, IRIS = (24, 11), 10.0  # half axes of the open lids, radius of the iris (pixels)


@dataclass(frozen=True)
class Face:
    """Movements in pixels. Pairs are the left and the right of the person."""

    gaze: tuple[float, float] = (0, 0)  # to the left of the person
    lids: tuple[float, float] = (1, 1)  # share of the open state
    brows: tuple[float, float] = (0, 0)  # up
    corners: tuple[float, float] = (0, 0)  # up and out
    jaw: float = 0  # down
    middle: tuple[float, float] = (320, 240)
    width: float = 1.0  # of the face, relative to its height


def draw(*faces: Face, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Draw faces; return uint8 RGB."""
    picture = Image.new('RGB', size, (90, 110, 130))
    for face in faces:
        _draw(ImageDraw.Draw(picture), face)
    return np.asarray(picture)


def _draw(pen: ImageDraw.ImageDraw, face: Face) -> None:
    x0, y0 = face.middle

    def oval(x: float, y: float, rx: float, ry: float, colour: tuple[int, int, int]) -> None:
        x = x * face.width
        pen.ellipse([x0 + x - rx, y0 + y - ry, x0 + x + rx, y0 + y + ry], fill=colour)

    def line(points: list[tuple[float, float]], colour: tuple[int, int, int], width: int) -> None:
        pen.line([(x0 + x * face.width, y0 + y) for x, y in points], fill=colour, width=width)

    skin = (224, 180, 150)
    oval(0, -20, 115 * face.width, 160, (60, 40, 30))
    oval(0, 0, 105 * face.width, 145, skin)
    for side, sign in enumerate((1, -1)):  # the left of the person is on the right
        eye = 42 * sign
        oval(eye, -30, *EYE, (250, 250, 250))
        oval(eye + face.gaze[side] / face.width, -30, IRIS, IRIS, (70, 50, 40))
        oval(eye + face.gaze[side] / face.width, -30, 4, 4, (0, 0, 0))
        upper = EYE[1] * (1 - 2 * face.lids[side])  # the upper lid comes down
        middle = x0 + eye * face.width
        box = [middle - EYE[0] - 2, y0 - 30 - EYE[1] - 4, middle + EYE[0] + 2, y0 - 30 + upper]
        if face.lids[side] < 1:
            pen.rectangle(box, fill=skin)
            pen.line([(box[0], box[3]), (box[2], box[3])], fill=(120, 80, 60), width=3)
        brow = -52 - face.brows[side]
        line([(eye - 26, brow), (eye, brow - 8), (eye + 26, brow)], (70, 45, 30), 7)
    line([(-4, -20), (-14, 30), (0, 36), (14, 30)], (190, 140, 115), 4)
    ends = [
        (sign * (38 + c * 0.6), 75 - c * 0.8)
        for c, sign in zip(face.corners, (1, -1), strict=True)
    ]
    lips = [ends[0], (0, 66), ends[1], (0, 88 + face.jaw)]
    pen.polygon([(x0 + x * face.width, y0 + y) for x, y in lips], fill=(190, 90, 90))
    line([ends[0], (0, 75 + face.jaw / 2), ends[1]], (110, 40, 40), 3 + int(face.jaw))


def write(path: Path, faces: Iterable[Face], rate: float = 25.0) -> Path:
    """Write a video of a face; return its path."""
    shown = list(faces)
    times = [number / rate for number in range(len(shown))]
    video.encode(path, times, map(draw, shown), SIZE)
    return path
