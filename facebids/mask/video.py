# SPDX-License-Identifier: Apache-2.0
"""Read videos picture by picture, and write those of the mask.

Sound and metadata are neither read nor written.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facebids.core.arrays import AnyArray, FloatArray
from facebids.errors import VideoError
from facebids.filesystem import atomic_path

if TYPE_CHECKING:
    from av import VideoFrame

LARGEST = 1280  # pixels of the longer side: larger pictures are reduced, which loses no landmark
PQ, HLG = 16, 18  # transfer functions of HDR (ITU-T H.273)
WHITE = 203  # cd/m2 of white in HDR (ITU-R BT.2408)
MISSING_S = 0.5  # s that may lack at the end of a video before it counts as cut off
CLOCK = Fraction(1, 1000)  # s, as the times of the parameters
# the same pictures give the same file, on any machine
H264 = {'preset': 'veryfast', 'crf': '20', 'bf': '0', 'threads': '1'}
MP4: dict[str, Any] = {'format': 'mp4', 'options': {'fflags': '+bitexact'}}
AGAIN = 'Copy the file again, or export it anew from the camera.'


@dataclass(frozen=True)
class Picture:
    """A picture of a video: RGB of 8 bits, upright. None if it is damaged."""

    time_s: float
    pixels: AnyArray | None


def duration(path: Path) -> float:
    """Return the duration that a video states, in s; 0 if it states none.

    Raises
    ------
    VideoError
        If it cannot be read as a video.
    """
    with _opened(path) as container:
        return _duration(container)


def pictures(path: Path) -> Iterator[Picture]:
    """Yield the pictures of a video in the order of time; one of them is in memory at a time.

    Pictures that are not later than the one before by a millisecond are left out.

    Raises
    ------
    VideoError
        If it cannot be read as a video, is damaged, or ends too early.
    """
    import av

    time, last = 0.0, -1.0
    with _opened(path) as container:
        stated = _duration(container)
        try:
            for frame in container.decode(video=0):
                time = last + 0.04 if frame.time is None else frame.time
                if round(time, 3) > round(last, 3):
                    last = time
                    yield Picture(time, None if frame.is_corrupt else _pixels(frame))
        except av.FFmpegError as error:
            raise VideoError(
                f'{path} is damaged after {max(time, 0):.1f} s ({error.strerror}). {AGAIN}'
            ) from error
    if last < 0:
        raise VideoError(f'{path} has no picture. {AGAIN}')
    if stated and last < stated - max(MISSING_S, 0.02 * stated):
        raise VideoError(
            f'{path} ends after {last:.1f} s of {stated:.1f} s: it is cut off. {AGAIN}'
        )


def _opened(path: Path) -> Any:
    import av

    try:
        container = av.open(str(path), metadata_errors='ignore')
    except (av.FFmpegError, OSError) as error:
        raise VideoError(
            f'{path} cannot be read as a video ({error.strerror}). {AGAIN}'
        ) from error
    if not container.streams.video:
        container.close()
        raise VideoError(f'{path} has sound, but no pictures.')
    container.streams.video[0].thread_type = 'AUTO'
    return container


def _duration(container: Any) -> float:
    """Return the duration of the pictures in s, 0 if only that of the sound may be known."""
    stream = container.streams.video[0]
    if stream.duration is not None:
        return float((stream.duration + (stream.start_time or 0)) * stream.time_base)
    if container.duration is None or len(container.streams) > 1:
        return 0.0
    return float(container.duration / 1e6)


def _pixels(frame: 'VideoFrame') -> AnyArray:
    shrink = min(1.0, LARGEST / max(frame.width, frame.height))
    size = {
        'width': max(2, round(frame.width * shrink)),
        'height': max(2, round(frame.height * shrink)),
    }
    if int(frame.color_trc) in (PQ, HLG):
        deep = frame.reformat(format='rgb48le', **size).to_ndarray()
        pixels = _tone_curve(int(frame.color_trc))[deep]
    else:
        pixels = frame.reformat(format='rgb24', **size).to_ndarray()
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))


def _tone_curve(transfer: int) -> AnyArray:
    """Return 8-bit sRGB values for 16-bit values of HDR. What is brighter than white is white."""
    signal = np.linspace(0, 1, 65536)
    light = _pq(signal) / WHITE if transfer == PQ else _hlg(signal)
    light = light.clip(0, 1)
    srgb = np.where(light < 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return (255 * srgb).round().astype(np.uint8)


def _pq(signal: FloatArray) -> FloatArray:
    """Return cd/m2 (SMPTE ST 2084)."""
    root = signal ** (1 / 78.84375)
    light: FloatArray = np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
    return 10000 * light ** (1 / 0.1593017578125)


def _hlg(signal: FloatArray) -> FloatArray:
    """Return light relative to white, which HLG signals by 0.75 (ITU-R BT.2100)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    light: FloatArray = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return light / 0.26496


def encode(
    path: Path, times: Sequence[float], images: Iterable[AnyArray], size: tuple[int, int]
) -> None:
    """Write a video without sound and metadata (MP4 with H.264), atomically.

    Parameters
    ----------
    path
        ``*.mp4``.
    times
        Of the pictures, in s.
    images
        uint8, shape (height, width, 3), RGB.
    size
        Width and height in pixels, even numbers.
    """
    import av

    with atomic_path(path) as temporary, av.open(str(temporary), 'w', **MP4) as output:
        stream = output.add_stream('libx264', options=H264)
        stream.width, stream.height = size
        stream.pix_fmt = 'yuv420p'
        stream.codec_context.time_base = CLOCK
        for time, image in zip(times, images, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format='rgb24')
            frame.pts, frame.time_base = round(time / CLOCK), CLOCK
            output.mux(stream.encode(frame))
        output.mux(stream.encode())


def join(parts: Sequence[Path], path: Path) -> None:
    """Join videos that `encode` made with the times of one recording, atomically."""
    import av

    with atomic_path(path) as temporary, av.open(str(temporary), 'w', **MP4) as output:
        stream: Any = None
        for part in parts:
            with av.open(str(part)) as container:
                source = container.streams.video[0]
                stream = stream or output.add_stream_from_template(source)
                for packet in container.demux(source):
                    if packet.dts is not None:
                        packet.stream = stream
                        output.mux(packet)
