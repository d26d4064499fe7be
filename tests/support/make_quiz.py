# SPDX-License-Identifier: Apache-2.0
"""Small studies of observers, with drawn pictures of nobody."""

from pathlib import Path

import numpy as np

from facebids.quiz import build
from facebids.quiz.build import Plan
from facebids.quiz.pictures import jpeg
from facebids.quiz.study import Photograph, Scan, Study

CONSENT = '# A quiz\n\nWe ask *kindly*. See <b>nothing</b>.\n'


def face(number: int, side: int = 96) -> np.ndarray:
    """Return a drawing that differs between numbers, with eyes and a mouth."""
    rng = np.random.default_rng(number)
    rows, columns = np.mgrid[:side, :side] / side - 0.5
    picture = np.full((side, side, 3), rng.integers(150, 240, 3), np.uint8)
    width, eye = rng.uniform(0.25, 0.4), rng.uniform(0.08, 0.16)
    picture[(rows / 0.45) ** 2 + (columns / width) ** 2 < 1] = rng.integers(90, 220, 3)
    for centre in (-eye, eye):
        picture[(rows + 0.1) ** 2 + (columns - centre) ** 2 < 0.002] = 20
    mouth = (abs(rows - 0.2) < 0.02) & (abs(columns) < rng.uniform(0.05, 0.15))
    picture[mouth] = (150, 30, 30)
    return picture


def plan(scans: int = 3, others: int = 5, arms: tuple[str, ...] = ('before',), **design) -> Plan:
    """Return a study of so many participants with a scan and a photograph each."""
    pictures = {}

    def add(name: str, number: int) -> str:
        pictures[f'pictures/{name}.jpg'] = jpeg(face(number))
        return f'pictures/{name}.jpg'

    made = Study(
        seed=1,
        questions=design.get('questions', 2 * scans),
        choices=design.get('choices', 3),
        arms=arms,
        scans=tuple(
            Scan(f's{number}', f'{number:02}', None, None, None, {
                arm: add(f'render-{number}-{place}', number) for place, arm in enumerate(arms)
            })
            for number in range(scans)
        ),
        photographs=tuple(
            Photograph(f'p{number}', f'{number:02}' if number < scans else None, None, None, None,
                       add(f'photo-{number}', number))
            for number in range(scans + others)
        ),
        source='a test',
    )  # fmt: skip
    return Plan(made, pictures, ())


def write(folder: Path, **design) -> Path:
    """Write a study to a folder, and return the folder."""
    build.write(plan(**design), folder, CONSENT)
    return folder
