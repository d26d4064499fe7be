# SPDX-License-Identifier: Apache-2.0
"""Quizzes with simulated answers in their databases."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facebids.quiz import database, study
from facebids.quiz.answers import Answer, Observer
from facebids.quiz.scoring import simulate


@dataclass(frozen=True)
class Quiz:
    folder: Path
    study: study.Study
    observers: tuple[Observer, ...]
    answers: tuple[Answer, ...]
    ethnicities: dict[str, str]


def make(folder: Path) -> Quiz:
    """Write a quiz of 5 scans in both arms, with the answers of 12 observers."""
    made = simulate.simulate(12, 5, arms=study.ARMS, choices=4, seed=1)
    design = study_of(made)
    write_pictures(folder, design)
    study.write(folder, design)
    observers, answers = save(folder, made)
    return Quiz(folder, design, observers, answers, made.ethnicities)


def study_of(made):
    scans = tuple(
        study.Scan(
            scan, f'p{scan[1:]}', None, None, ethnicity,
            {arm: f'pictures/{scan}-{arm}.jpg' for arm in study.ARMS},
        )
        for scan, ethnicity in made.ethnicities.items()
    )  # fmt: skip
    photographs = tuple(
        study.Photograph(
            f'photo-{scan.id}', scan.participant, None, None, None, f'pictures/{scan.id}.jpg'
        )
        for scan in scans
    )
    return study.Study(0, 4, 2 * len(scans), study.ARMS, scans, photographs, 'test')


def write_pictures(folder, design):
    """Write noise, in which no engine finds a face."""
    from PIL import Image

    random = np.random.default_rng(0)
    (folder / 'pictures').mkdir()
    for file in [
        *(file for scan in design.scans for file in scan.renders.values()),
        *(item.file for item in design.photographs),
    ]:
        Image.fromarray(random.integers(0, 255, (64, 64, 3), np.uint8)).save(folder / file)


def save(folder, made):
    """Put observers and answers into the database of a quiz, and return them as it names them."""
    data = database.Database(database.url_of(folder))
    data.prepare('0' * 64)
    names = {}
    for person in made.observers:
        data.join(person.id, lambda _, arm=person.arm: arm)
        about = {
            key: getattr(person, key) for key in ('age_band', 'sex', 'ethnicity', 'profession')
        }
        data.describe(person.id, about)
        names[person.id] = data.seat(person.id).observer.id
    counts = Counter()
    for item in made.answers:
        counts[item.observer] += 1
        saved = data.save(
            Answer(**{**item.__dict__, 'observer': names[item.observer]}),
        )
        assert saved
    data.close()
    return database.answers_of(database.url_of(folder))
