# SPDX-License-Identifier: Apache-2.0
"""Videos: rotation, uneven times, HDR and damage; nothing half-written."""

import cartoon
import numpy as np
import pytest

from facebids.errors import VideoError
from facebids.mask import video

av = pytest.importorskip('av', reason='facebids[video] is not installed')
SIZE = (64, 48)


def shades(count):
    """Return pictures whose left half gets brighter, so that order and sides can be told."""
    pictures = np.zeros((count, SIZE[1], SIZE[0], 3), np.uint8)
    pictures[:, :, : SIZE[0] // 2] = np.linspace(60, 250, count).astype(int)[:, None, None, None]
    return pictures


def encode(path, times, pictures, rotation=0, **options):
    with av.open(str(path), 'w') as output:
        stream = output.add_stream('libx264', rate=25, options=options)
        stream.width, stream.height = pictures.shape[2], pictures.shape[1]
        stream.pix_fmt = 'yuv420p'
        if rotation:
            stream.set_display_rotation(rotation)
        for time, picture in zip(times, pictures, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format='rgb24')
            frame.pts, frame.time_base = round(time / video.CLOCK), video.CLOCK
            output.mux(stream.encode(frame))
        output.mux(stream.encode())


@pytest.mark.parametrize('name', ['a.mp4', 'a.mov', 'a.mkv', 'a.avi'])
def test_pictures_come_in_order(tmp_path, name):
    pictures = shades(10)
    encode(tmp_path / name, np.arange(10) / 25, pictures, bf='0')
    found = list(video.pictures(tmp_path / name))
    assert [item.time_s - found[0].time_s for item in found] == pytest.approx(np.arange(10) / 25)
    left = [item.pixels[:, 5:25].mean() for item in found]
    assert left == pytest.approx(pictures[:, 0, 0, 0].astype(float), abs=6)


@pytest.mark.parametrize('turns', [1, 2, 3])
def test_rotated_videos_are_upright(tmp_path, turns):
    pictures = shades(3)
    encode(tmp_path / 'a.mp4', np.arange(3) / 25, np.rot90(pictures, -turns, (1, 2)), 90 * turns)
    for item, picture in zip(video.pictures(tmp_path / 'a.mp4'), pictures, strict=True):
        assert item.pixels.shape == picture.shape
        assert np.abs(item.pixels.astype(int) - picture).mean() < 6


def test_uneven_times_are_kept_and_repeated_ones_left_out(tmp_path):
    times = np.array([0, 0.03, 0.1, 0.11, 0.4, 0.44])
    video.encode(tmp_path / 'a.mp4', times, shades(6), SIZE)
    assert [item.time_s for item in video.pictures(tmp_path / 'a.mp4')] == pytest.approx(times)


def test_large_pictures_are_reduced(tmp_path):
    wide = np.zeros((2, 100, 2000, 3), np.uint8)
    encode(tmp_path / 'a.mp4', [0, 0.04], wide)
    assert next(video.pictures(tmp_path / 'a.mp4')).pixels.shape == (64, 1280, 3)


@pytest.mark.parametrize(
    ('name', 'transfer'), [('smpte2084', video.PQ), ('arib-std-b67', video.HLG)]
)
def test_a_file_in_hdr_is_shown_as_an_ordinary_one(tmp_path, name, transfer):
    signals = np.array([0.2, 0.4, 0.5, 0.7], np.float64)
    deep = np.repeat(signals, 16)[None, :, None] * np.full((48, 1, 3), 65535.0)
    with av.open(str(tmp_path / 'a.mp4'), 'w') as output:
        options = {'qp': '0', 'x264-params': f'colorprim=bt2020:transfer={name}'}
        stream = output.add_stream('libx264', rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p10le'
        frame = av.VideoFrame.from_ndarray(deep.astype(np.uint16), format='rgb48le')
        output.mux(stream.encode(frame.reformat(format='yuv420p10le')))
        output.mux(stream.encode())
    (item,) = video.pictures(tmp_path / 'a.mp4')
    wanted = video._tone_curve(transfer)[(signals * 65535).astype(int)]
    assert item.pixels[24, 8::16, 1] == pytest.approx(wanted.astype(float), abs=4)


@pytest.mark.parametrize('transfer', [video.PQ, video.HLG])
def test_hdr_becomes_ordinary_brightness(transfer):
    curve = video._tone_curve(transfer)
    white = {video.PQ: 0.5806, video.HLG: 0.75}[transfer]  # ITU-R BT.2408
    assert curve[0] == 0
    assert curve[round(white * 65535)] == pytest.approx(255, abs=1)
    assert (np.diff(curve.astype(int)) >= 0).all()


def test_parts_are_joined_as_one_video(tmp_path):
    times, pictures = np.arange(20) / 25, shades(20)
    video.encode(tmp_path / 'whole.mp4', times, pictures, SIZE)
    video.encode(tmp_path / 'a.mp4', times[:12], pictures[:12], SIZE)
    video.encode(tmp_path / 'b.mp4', times[12:], pictures[12:], SIZE)
    video.join([tmp_path / 'a.mp4', tmp_path / 'b.mp4'], tmp_path / 'joined.mp4')
    joined, whole = (list(video.pictures(tmp_path / f'{n}.mp4')) for n in ('joined', 'whole'))
    assert [item.time_s for item in joined] == pytest.approx([item.time_s for item in whole])
    for a, b in zip(joined, whole, strict=True):
        assert np.abs(a.pixels.astype(int) - b.pixels).mean() < 3


def test_a_video_holds_no_sound_and_no_metadata(tmp_path):
    video.encode(tmp_path / 'a.mp4', [0, 0.04], shades(2), SIZE)
    with av.open(str(tmp_path / 'a.mp4')) as container:
        assert [stream.type for stream in container.streams] == ['video']
        assert set(container.metadata) <= {'major_brand', 'minor_version', 'compatible_brands'}
    first = (tmp_path / 'a.mp4').read_bytes()
    video.encode(tmp_path / 'a.mp4', [0, 0.04], shades(2), SIZE)
    assert (tmp_path / 'a.mp4').read_bytes() == first


def test_an_interrupted_video_leaves_nothing(tmp_path):
    def broken():
        yield from shades(3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        video.encode(tmp_path / 'a.mp4', np.arange(9) / 25, broken(), SIZE)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope='module')
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp('good') / 'a.mkv'
    cartoon.write(
        path.with_suffix('.mp4'), [cartoon.Face(middle=(300 + i, 240)) for i in range(50)]
    )
    with av.open(str(path.with_suffix('.mp4'))) as source, av.open(str(path), 'w') as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                output.mux(packet)
    return path


@pytest.mark.parametrize('share', [0.0, 0.001, 0.3, 0.6])
@pytest.mark.parametrize('ending', ['.mp4', '.mkv'])
def test_videos_that_are_cut_off_are_named(tmp_path, good, ending, share):
    content = good.with_suffix(ending).read_bytes()
    path = tmp_path / f'a{ending}'
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(VideoError, match=f'a{ending}'):
        list(video.pictures(path))


def test_damage_inside_is_named_with_its_time(tmp_path, good):
    content = good.with_suffix('.mp4').read_bytes()
    start = content.index(b'mdat') + len(content) // 3
    path = tmp_path / 'a.mp4'
    path.write_bytes(content[:start] + bytes(3000) + content[start + 3000 :])
    with pytest.raises(VideoError, match=r'damaged after \d\.\d s'):
        list(video.pictures(path))


def test_sound_alone_is_no_video(tmp_path):
    path = tmp_path / 'a.mp4'
    with av.open(str(path), 'w') as output:
        stream = output.add_stream('aac', rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), 'fltp', 'mono')
        frame.sample_rate = 44100
        output.mux(stream.encode(frame))
        output.mux(stream.encode())
    with pytest.raises(VideoError, match='no pictures'):
        list(video.pictures(path))
