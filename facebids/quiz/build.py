# SPDX-License-Identifier: Apache-2.0
"""Make the study of a quiz from a run of the participant level, and photographs.

Renders are those of the private folder: the frontal view of each scan before and after defacing.
Whatever cannot be shown is a problem with a name; none is left out unless the user says so.
"""

import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np

from facebids import filesystem, provenance
from facebids.bids import names, records
from facebids.bids.names import HeadImage
from facebids.core.arrays import AnyArray
from facebids.core.record import Record
from facebids.errors import DatasetError, OutputError, PhotographError, UsageError
from facebids.quiz import draw, people, pictures, study
from facebids.quiz.people import Person
from facebids.quiz.server.pages import draft_consent
from facebids.quiz.study import AFTER, PICTURES, QUESTIONS, SECRET, Photograph, Scan, Study
from facebids.studies.photographs.find import SUFFIXES, find
from facebids.studies.photographs.read import read as read_photograph
from facebids.words import counted

README = """\
# Private: do not share

This folder is a FaceBIDS quiz: renders of heads, photographs of faces, and the answers of the
observers. It identifies people. Show the quiz to observers only as your ethics board has allowed,
and delete the folder when the study no longer needs it.
"""


@dataclass(frozen=True)
class Request:
    """What to build a study from, and its design.

    Attributes
    ----------
    output_dir, private_dir
        Folders of a run of the participant level.
    photos_dir
        A folder ``sub-<label>`` with photographs for each participant.
    distractors_dir
        Photographs of other people: a file or a folder for each, and perhaps
        ``participants.tsv``; or None.
    participants_tsv
        What is known about the participants, or None.
    arms, choices, seed
        See `Study`.
    questions
        Of an observer; None: those of the published study, or two for each scan if it has fewer.
    """

    output_dir: Path
    private_dir: Path
    photos_dir: Path
    distractors_dir: Path | None
    participants_tsv: Path | None
    arms: tuple[str, ...]
    questions: int | None
    choices: int
    seed: int


@dataclass(frozen=True)
class Plan:
    """A study that can be written: its pictures as JPEG by file, and what cannot be used."""

    study: Study
    pictures: dict[str, bytes]
    problems: tuple[str, ...]


@dataclass
class _Collected:
    """What has been found so far."""

    scans: list[Scan] = field(default_factory=list)
    photographs: list[Photograph] = field(default_factory=list)
    pictures: dict[str, bytes] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    seen: dict[str, Path] = field(default_factory=dict)  # photographs by digest

    def add(self, picture: AnyArray) -> str:
        """Keep a picture under a name that cannot be guessed, and return the name."""
        file = f'{PICTURES}/{secrets.token_urlsafe(24)}.jpg'
        self.pictures[file] = pictures.jpeg(picture)
        return file


def plan(request: Request, *, skip_unusable: bool = False) -> Plan:
    """Collect the scans and photographs of a study.

    Parameters
    ----------
    request
        What to build it from.
    skip_unusable
        Whether to leave out what cannot be used.

    Raises
    ------
    UsageError
        If a folder does not exist, or the design does not fit the scans.
    DatasetError
        If there are scans or photographs that cannot be used, or too few photographs.
    """
    for folder in (request.private_dir, request.photos_dir, request.distractors_dir):
        if folder and not folder.is_dir():
            raise UsageError(f'{folder}: no such folder.')
    found = _Collected()
    run = records.read_all(request.output_dir)
    images = _images(request, run, found)
    known = people.read(request.participants_tsv) if request.participants_tsv else {}
    labels = {record.participant_id.removeprefix('sub-') for record in run}
    _add_photographs(request, labels, known, found)
    _add_distractors(request, found)
    shown = {item.participant for item in found.photographs}
    for image in images:
        if image.participant in shown:
            _add_scan(request, image, known.get(image.participant, Person()), found)
    if found.problems and not skip_unusable:
        listed = '\n'.join(f'- {problem}' for problem in found.problems)
        raise DatasetError(
            'These cannot be part of the quiz. Correct them, or leave them out with '
            f'--skip-unusable.\n{listed}'
        )
    _check_numbers(request, found)
    most = 2 * len(found.scans)
    made = Study(
        seed=request.seed,
        choices=request.choices,
        questions=request.questions or min(QUESTIONS, most),
        arms=request.arms,
        scans=tuple(found.scans),
        photographs=tuple(found.photographs),
        source=f'facebids {provenance.identity()}',
    )
    return Plan(made, found.pictures, tuple(found.problems))


def write(made: Plan, quiz_dir: Path, consent: str) -> None:
    """Write the folder of a quiz, which only its owner can read.

    Parameters
    ----------
    made
        The study.
    quiz_dir
        Folder to make.
    consent
        Text of the consent page (Markdown).

    Raises
    ------
    OutputError
        If the folder has content, or cannot be written.
    """
    quiz_dir = quiz_dir.resolve()
    if quiz_dir.exists() and not (quiz_dir.is_dir() and not any(quiz_dir.iterdir())):
        raise OutputError(f'{quiz_dir} exists already. Name a new folder, or remove it.')
    temporary = quiz_dir.with_name(filesystem.temporary_name())
    try:
        quiz_dir.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir(mode=0o700)
        (temporary / PICTURES).mkdir()
        for file, content in made.pictures.items():
            (temporary / file).write_bytes(content)
        (temporary / study.CONSENT).write_text(consent, encoding='utf-8')
        (temporary / 'README.md').write_text(README)
        (temporary / SECRET).touch(mode=0o600)
        (temporary / SECRET).write_text(secrets.token_hex(32))
        study.write(temporary, made.study)
        os.replace(temporary, quiz_dir)
    except OSError as error:
        raise OutputError(f'{quiz_dir} cannot be written ({error}).') from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_place(quiz_dir: Path, request: Request) -> None:
    """Check that a quiz is not made inside a folder that is shared, or that is only read.

    Raises
    ------
    OutputError
        If it would be.
    """
    place = quiz_dir.resolve()
    for folder in (request.output_dir, request.photos_dir, request.distractors_dir):
        if folder and place.is_relative_to(folder.resolve()):
            raise OutputError(
                f'{quiz_dir} is inside {folder}. A quiz identifies people: choose a place that '
                'is neither shared nor part of the data.'
            )


def read_consent(path: Path | None) -> str:
    """Return the text of the consent page from a file, or a draft with gaps without one.

    Raises
    ------
    UsageError
        If it cannot be read, or is empty.
    """
    if path is None:
        return draft_consent()
    try:
        text = path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f'--consent {path} cannot be read ({error}).') from error
    if not text.strip():
        raise UsageError(f'--consent {path} is empty.')
    return text


def design(made: Study) -> list[str]:
    """Return sentences that describe a study."""
    half = made.questions // 2
    who = {item.participant for item in made.photographs if item.participant}
    others = sum(item.participant is None for item in made.photographs)
    matched = sum(_matched(made, scan) >= made.choices for scan in made.scans)
    arms = ' or '.join(f'{arm} defacing' for arm in made.arms)
    return [
        f'{counted(len(made.scans), "scan")} of '
        f'{counted(len({scan.participant for scan in made.scans}), "person", "people")}, '
        f'{counted(len(made.photographs), "photograph")}: of '
        f'{counted(len(who), "participant")} and of {counted(others, "other")}.',
        f'{made.questions} questions for each observer, with {made.choices} photographs each: '
        f'{half} with a certain match, and {half} with "none of the above".',
        f'Renders {arms}' + (': observers are randomised.' if len(made.arms) > 1 else '.'),
        f'For {matched} of {len(made.scans)} scans all other photographs are known to match in '
        'sex and age band; for the rest, the nearest are shown.',
    ]


def _images(request: Request, run: list[Record], found: _Collected) -> list[HeadImage]:
    """Return the images of the run, without those that were withheld."""
    if not run:
        raise DatasetError(
            f'{request.output_dir} holds no images. Give the output of the participant level.'
        )
    images = []
    for record in run:
        if record.verdict == 'fail' and AFTER in request.arms:
            found.problems.append(f'{record.image}: its defacing failed and was not released.')
        else:
            images.append(HeadImage.from_relative_path(record.image))
    return images


def _add_scan(request: Request, image: HeadImage, person: Person, found: _Collected) -> None:
    renders = {}
    for arm in request.arms:
        path = request.private_dir / names.private_templates(image, arm)
        try:
            with np.load(path, allow_pickle=False) as arrays:
                renders[arm] = arrays['frontal']
        except (OSError, ValueError, KeyError) as error:
            reason = 'there is none' if isinstance(error, FileNotFoundError) else f'{error}'
            found.problems.append(
                f'{image.relative_path}: no render {arm} defacing in {path} ({reason}). An image '
                'that arrived defaced has none; otherwise give the --private-dir of the run.'
            )
    if len(renders) == len(request.arms):
        files = {arm: found.add(picture) for arm, picture in renders.items()}
        scan = Scan(
            secrets.token_hex(8),
            image.participant,
            person.sex,
            person.age,
            person.ethnicity,
            files,
        )
        found.scans.append(scan)


def _add_photographs(
    request: Request, labels: set[str], known: dict[str, Person], found: _Collected
) -> None:
    paths, problems = find(request.photos_dir, labels)
    found.problems += [problem.message for problem in problems]
    for label, files in paths.items():
        before = len(found.photographs)
        for path in files:
            _add_photograph(path, label, known.get(label, Person()), found)
        if files and len(found.photographs) == before:
            found.problems.append(f'sub-{label}: none of the photographs can be used.')


def _add_distractors(request: Request, found: _Collected) -> None:
    """Add one photograph of each distractor: the first that can be used."""
    if request.distractors_dir is None:
        return
    table = request.distractors_dir / people.NAME
    known = people.read(table) if table.is_file() else {}
    for entry in _visible(request.distractors_dir):
        if entry == table or entry.suffix.lower() == '.json':
            continue
        person = known.get((entry.name if entry.is_dir() else entry.stem).removeprefix('sub-'))
        files = list(_visible(entry)) if entry.is_dir() else [entry]
        if not files:
            found.problems.append(f'{entry}: there is no photograph in this folder.')
        for path in files:
            if _add_photograph(path, None, person or Person(), found):
                break


def _visible(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.iterdir() if not path.name.startswith('.'))


def _add_photograph(
    path: Path, participant: str | None, person: Person, found: _Collected
) -> bool:
    """Add a photograph that shows a face; return whether it does."""
    from facebids.core.attack import recognition

    try:
        if path.suffix.lower() not in SUFFIXES:
            raise PhotographError(f'{path} is neither JPEG nor PNG.')
        picture = read_photograph(path)
    except PhotographError as error:
        found.problems.append(str(error))
        return False
    face = recognition.detect(picture)
    if face is None:
        found.problems.append(f'{path}: no face was found in this photograph.')
        return False
    same = found.seen.setdefault(sha256(picture.tobytes()).hexdigest(), path)
    if same != path:
        found.problems.append(f'{path}: the same picture as {same}.')
        return False
    file = found.add(pictures.around_face(picture, face.box))
    found.photographs.append(
        Photograph(
            secrets.token_hex(8), participant, person.sex, person.age, person.ethnicity, file
        )
    )
    return True


def _check_numbers(request: Request, found: _Collected) -> None:
    """Check that there are enough scans and photographs for the design."""
    if not found.scans:
        raise DatasetError('No scan with a photograph of the same person is left for the quiz.')
    if request.questions and request.questions > 2 * len(found.scans):
        raise UsageError(
            f'--questions {request.questions}: {len(found.scans)} scans give at most '
            f'{2 * len(found.scans)} questions, two for each.'
        )
    people_shown = {item.participant or item.id for item in found.photographs}
    if len(people_shown) <= request.choices:
        raise DatasetError(
            f'There are photographs of {len(people_shown)} people. Questions with '
            f'{request.choices} choices need {request.choices + 1}, because the right one may be '
            'absent. Add photographs of others with --distractors, or lower --choices.'
        )


def _matched(made: Study, scan: Scan) -> int:
    """Return of how many others there are photographs of the same sex and age band."""
    others: Sequence[Photograph] = [
        item for item in made.photographs if item.participant != scan.participant
    ]
    return len({item.participant or item.id for item in others if draw.is_matched(scan, item)})
