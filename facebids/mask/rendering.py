# SPDX-License-Identifier: Apache-2.0
"""Render the frames of a recording as a video or photograph: a function of the frames alone."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from facebids.core.arrays import AnyArray
from facebids.filesystem import atomic_path
from facebids.mask import video
from facebids.mask.parameters import Frame, to_tsv
from facebids.processes import workers
from facebids.provenance import source_digest

PART = 125  # frames of a part of a video, rendered by one process and kept if a run is interrupted
Progress = Callable[[int], None]


def render_video(
    frames: Sequence[Frame],
    path: Path,
    work_dir: Path,
    size: tuple[int, int],
    *,
    nprocs: int = 1,
    progress: Progress | None = None,
) -> None:
    """Render a video, in parts.

    Parameters
    ----------
    frames
        Of the whole recording.
    path
        ``*.mp4`` to write. It appears when it is complete.
    work_dir
        Folder for the parts. Those of an earlier run are used.
    size
        Width and height in pixels.
    nprocs
        Number of processes.
    progress
        Called with the number of frames rendered since the last call.
    """
    parts = [tuple(frames[i : i + PART]) for i in range(0, len(frames), PART)]
    paths = [work_dir / f'{_key(part, size)}.mp4' for part in parts]
    work_dir.mkdir(parents=True, exist_ok=True)
    todo = {place: part for place, part in zip(paths, parts, strict=True) if not place.is_file()}
    if progress:
        progress(len(frames) - sum(map(len, todo.values())))
    for count in _rendered(todo, size, min(nprocs, len(todo))):
        if progress:
            progress(count)
    video.join(paths, path)
    for place in paths:
        place.unlink(missing_ok=True)


def _rendered(
    todo: dict[Path, tuple[Frame, ...]], size: tuple[int, int], nprocs: int
) -> Iterator[int]:
    """Render parts; yield the number of frames of each."""
    if nprocs < 2:
        for path, part in todo.items():
            yield render_part(path, part, size)
        return
    with workers(nprocs) as pool:
        yield from pool.map(render_part, todo, todo.values(), [size] * len(todo))


def render_part(path: Path, frames: Sequence[Frame], size: tuple[int, int]) -> int:
    """Render a part of a video; return the number of its frames."""
    from facebids.mask.picture import render

    times = [frame.time_s for frame in frames]
    video.encode(path, times, (render(frame, size) for frame in frames), size)
    return len(frames)


def _key(frames: Sequence[Frame], size: tuple[int, int]) -> str:
    text = f'{source_digest()} {size}\n{to_tsv(frames)}'
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def write_picture(path: Path, frame: Frame, size: tuple[int, int]) -> None:
    """Render a frame as a PNG without metadata, atomically."""
    from facebids.mask.picture import render

    save_picture(path, render(frame, size))


def save_picture(path: Path, picture: AnyArray) -> None:
    """Save a picture as a PNG without metadata, atomically."""
    from PIL import Image

    with atomic_path(path) as temporary:
        Image.fromarray(picture).save(temporary)


def side_by_side(original: Path, mask: Path, path: Path, times: Sequence[float]) -> None:
    """Write a video of the original beside its mask. It shows the person: it is private.

    Parameters
    ----------
    original, mask
        The two videos.
    path
        ``*.mp4`` to write.
    times
        Times of the frames of the mask, in s.
    """
    both = zip(video.pictures(original), video.pictures(mask), strict=False)
    pairs = (pair(person.pixels, shown.pixels) for person, shown in both)
    first = next(pairs)
    video.encode(path, times, chain([first], pairs), (first.shape[1], first.shape[0]))


def pair(person: AnyArray | None, shown: AnyArray | None) -> AnyArray:
    """Return the picture of a person, reduced to the size of that of the mask, beside that."""
    import numpy as np
    from PIL import Image, ImageOps

    assert shown is not None
    if person is None:
        return np.hstack([np.zeros_like(shown), shown])
    fitted = ImageOps.pad(Image.fromarray(person), (shown.shape[1], shown.shape[0]))
    return np.hstack([np.asarray(fitted), shown])
