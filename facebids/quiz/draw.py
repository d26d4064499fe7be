# SPDX-License-Identifier: Apache-2.0
"""Draw the questions of an observer: order, choices, and the arm.

A draw sorts by SHA-256 hashes of the seed, the observer and the position of an item in the study.
So it is the same for ever, in any version of Python and whatever the tokens of the items are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import zip_longest
from typing import Any, TypeVar

from facebids.quiz.study import Photograph, Scan, Study

MATCH, OPEN = 'match', 'open'
Item = TypeVar('Item')


@dataclass(frozen=True)
class Question:
    """A question of an observer.

    Attributes
    ----------
    number
        Position in the order of the observer, from 1.
    scan
        Identifier of the scan.
    arm
        Arm whose render is shown.
    kind
        ``'match'``: the right photograph is among the choices. ``'open'``: it may be absent, and
        "none of the above" is a choice.
    choices
        Identifiers of the photographs, in the order in which they are shown.
    present
        Whether the right photograph is among the choices.
    right
        Identifier of a photograph of the person in the scan, which is shown if `present`.
    """

    number: int
    scan: str
    arm: str
    kind: str
    choices: tuple[str, ...]
    present: bool
    right: str


def arm_of(study: Study, observer_number: int) -> str:
    """Return the arm of an observer: each arm once among as many observers as there are arms."""
    block, place = divmod(observer_number, len(study.arms))
    return _shuffled(study.arms, study.seed, 'arm', block)[place]


def questions_of(study: Study, observer_number: int) -> tuple[Question, ...]:
    """Return the questions of an observer: each scan once with a certain match and once open.

    If the study has more scans than an observer answers for, a scan of each participant comes
    before a second one of any. In half of the open questions the right photograph is absent.

    Parameters
    ----------
    study
        The study.
    observer_number
        Number of the observer, from 1.
    """
    return tuple(
        question_of(study, observer_number, number) for number in range(1, study.questions + 1)
    )


def question_of(study: Study, observer_number: int, number: int) -> Question:
    """Return one of the questions of an observer.

    Parameters
    ----------
    study
        The study.
    observer_number
        Number of the observer, from 1.
    number
        Number of the question, from 1.
    """
    key = (study.seed, observer_number)
    index, kind, present = _asked(study, key)[number - 1]
    scan, arm = study.scans[index], arm_of(study, observer_number)
    right, choices = _choices(study, scan, present, (*key, kind, index))
    ids = tuple(item.id for item in choices)
    return Question(number, scan.id, arm, kind, ids, present, right.id)


def age_band(age: float | None) -> str | None:
    """Return the decade of an age in years, ``'30-39'``."""
    if age is None:
        return None
    decade = int(age // 10) * 10
    return f'{decade}-{decade + 9}'


def is_matched(scan: Scan, photograph: Photograph) -> bool:
    """Return whether a photograph is known to show the sex and the age band of a scan."""
    return not any(_differences(scan, photograph))


def _asked(study: Study, key: tuple[int, int]) -> list[tuple[int, str, bool]]:
    """Return the position of the scan of each question, its kind, and whether it has a match."""
    scans = _scans(study, key)
    present = set(_shuffled(scans, *key, 'present')[: (len(scans) + 1) // 2])
    asked = [(scan, MATCH, True) for scan in scans]
    return _shuffled([*asked, *((scan, OPEN, scan in present) for scan in scans)], *key, 'order')


def _scans(study: Study, key: tuple[int, int]) -> list[int]:
    """Return the positions of the scans to ask for: one of each participant first."""
    turns: dict[str, list[int]] = {}
    for index in _shuffled(range(len(study.scans)), *key, 'scans'):
        turns.setdefault(study.scans[index].participant, []).append(index)
    rounds = zip_longest(*turns.values())
    return [index for turn in rounds for index in turn if index is not None][
        : study.questions // 2
    ]


def _choices(
    study: Study, scan: Scan, present: bool, key: tuple[Any, ...]
) -> tuple[Photograph, list[Photograph]]:
    """Return the right photograph, and the photographs to show: one of each person."""
    shuffled = _shuffled(study.photographs, *key, 'photographs')
    right = next(item for item in shuffled if item.participant == scan.participant)
    others = _one_of_each([item for item in shuffled if item.participant != scan.participant])
    nearest = sorted(others, key=lambda item: _differences(scan, item))  # stable
    chosen = [*([right] * present), *nearest][: study.choices]
    return right, _shuffled(chosen, *key, 'choices')


def _one_of_each(photographs: Iterable[Photograph]) -> list[Photograph]:
    """Return the first photograph of each person; a distractor has only one."""
    people = {item.participant or f'distractor {item.id}': item for item in [*photographs][::-1]}
    return [*people.values()][::-1]


def _differences(scan: Scan, item: Photograph) -> tuple[int, int]:
    bands = age_band(scan.age), age_band(item.age)
    return _difference(scan.sex, item.sex), _difference(*bands)


def _difference(a: str | None, b: str | None) -> int:
    """Return 0 if two values are known to be equal, 1 if one is unknown, 2 if they differ."""
    if a is None or b is None:
        return 1
    return 0 if a == b else 2


def _shuffled(items: Sequence[Item], *key: Any) -> list[Item]:
    start = sha256('/'.join(map(str, key)).encode())

    def rank(index: int) -> bytes:
        end = start.copy()
        end.update(f'/{index}'.encode())
        return end.digest()

    return [items[index] for index in sorted(range(len(items)), key=rank)]
