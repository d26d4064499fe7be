# SPDX-License-Identifier: Apache-2.0
"""``facebids-mask`` from files to files: what it writes, and what it does when things go wrong."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import cartoon
import numpy as np
import pytest
from PIL import Image

from facebids.cli.command import INTERRUPTED
from facebids.mask import cli, parameters, run, video

pytest.importorskip('mediapipe', reason='facebids[video] is not installed')

PICTURES = 60
ENDINGS = ('report.html', 'summary.json', 'timeseries.json', 'timeseries.tsv')


def moving(number):
    """Return a face that blinks after a second, smiles after 1.4 s, and moves its eyes."""
    lids = (0.05, 0.05) if 25 <= number < 29 else (1.0, 1.0)
    eyes = 6 * np.sin(2 * np.pi * 2 * number / 25)
    smile = 14 if 35 <= number < 50 else 0
    return cartoon.Face(gaze=(eyes, eyes), lids=lids, corners=(smile, 0))


@pytest.fixture(scope='module')
def clip(tmp_path_factory, landmarker):
    return cartoon.write(
        tmp_path_factory.mktemp('clip') / 'clip.mp4', map(moving, range(PICTURES))
    )


@pytest.fixture(scope='module')
def masked(clip):
    """Mask the clip once; return the folder."""
    folder = clip.parent
    code = cli.main([str(clip), str(folder / 'out'), '-w', str(folder / 'work'), '--nprocs', '1',
                     '--private-dir', str(folder / 'private')])  # fmt: skip
    assert code == 0
    return folder


def names(folder):
    return sorted(path.name for path in folder.rglob('*') if path.is_file())


def test_a_video_becomes_a_mask(masked):
    assert names(masked / 'out') == sorted(
        f'clip_desc-mask_{end}' for end in (*ENDINGS, 'video.mp4')
    )
    assert not names(masked / 'work')
    recording = parameters.read(masked / 'out/clip_desc-mask_timeseries.tsv')
    assert len(recording.frames) == PICTURES
    assert recording.neutral == 'own'
    assert recording.rate_hz == 25
    shown = list(video.pictures(masked / 'out/clip_desc-mask_video.mp4'))
    assert [item.time_s for item in shown] == [frame.time_s for frame in recording.frames]
    assert shown[0].pixels.shape == (480, 640, 3)


def test_movements_arrive_on_their_side(masked):
    frames = parameters.read_frames(masked / 'out/clip_desc-mask_timeseries.tsv')
    assert min(frame.lid_left for frame in frames[25:29]) < 0.5
    assert min(frame.lid_left for frame in [*frames[:24], *frames[31:]]) > 0.7
    smile = [
        np.median([f.smile_left - f.smile_right for f in part])
        for part in (frames[38:48], frames[:20])
    ]
    assert smile[0] - smile[1] > 0.4
    eyes = np.array([frame.gaze_left_horizontal_deg for frame in frames])
    true = np.array([moving(number).gaze[0] for number in range(PICTURES)])
    assert np.corrcoef(eyes, true)[0, 1] > 0.8


def test_the_summary_counts_the_blink(masked):
    found = json.loads((masked / 'out/clip_desc-mask_summary.json').read_text())
    assert found['blinks'] == 1
    assert found['eye_movement_hz'] == pytest.approx(2, abs=0.2)
    assert found['confident'] == 1


def test_only_the_private_folder_shows_the_original(masked):
    assert names(masked / 'private') == ['clip_desc-sidebyside_video.mp4']
    assert (masked / 'private').stat().st_mode & 0o077 == 0
    both = next(video.pictures(masked / 'private/clip_desc-sidebyside_video.mp4')).pixels
    mask = next(video.pictures(masked / 'out/clip_desc-mask_video.mp4')).pixels
    assert both.shape == (480, 1280, 3)
    assert np.abs(both[:, 640:].astype(int) - mask).mean() < 4
    assert np.abs(both[:, :640].astype(int) - cartoon.draw(moving(0))).mean() < 4


def test_no_file_names_the_person_or_a_path(masked):
    """The name of a loose file may be that of a person: only names of outputs repeat it."""
    for path in (masked / 'out').glob('*.json'):
        assert 'clip' not in path.read_text()
        assert str(masked) not in path.read_text()


def test_the_table_alone_gives_the_same_pictures(masked, tmp_path):
    table = shutil.copy(masked / 'out/clip_desc-mask_timeseries.tsv', tmp_path / 'other.tsv')
    again = tmp_path / 'again.mp4'
    arguments = ['render', str(table), str(again), '-w', str(tmp_path / 'work'), '--nprocs', '1']
    assert cli.main(arguments) == 0
    assert again.read_bytes() == (masked / 'out/clip_desc-mask_video.mp4').read_bytes()


def test_pictures_without_a_face_show_an_empty_stage(tmp_path, landmarker):
    faces = [cartoon.Face(), cartoon.Face(middle=(4000, 240)), cartoon.Face()]
    clip = cartoon.write(tmp_path / 'a.mp4', faces)
    assert cli.main([str(clip), str(tmp_path / 'out'), '-w', str(tmp_path / 'work')]) == 0
    frames = parameters.read_frames(tmp_path / 'out/a_desc-mask_timeseries.tsv')
    assert [frame.confident for frame in frames] == [True, False, True]
    shown = [item.pixels for item in video.pictures(tmp_path / 'out/a_desc-mask_video.mp4')]
    assert np.ptp(shown[1][10:-10, 10:-10]) < 30 < np.ptp(shown[0])


def write_two(path):
    both = (cartoon.Face(middle=(150, 240)), cartoon.Face(middle=(490, 240), width=0.9))
    video.encode(path, [0, 0.04], [cartoon.draw(*both)] * 2, cartoon.SIZE)
    return path


@pytest.mark.parametrize(('choice', 'videos'), [('largest', 1), ('all', 2)])
def test_several_faces(tmp_path, landmarker, choice, videos):
    clip = write_two(tmp_path / 'two.mp4')
    out = tmp_path / 'out'
    assert cli.main([str(clip), str(out), '--face', choice, '-w', str(tmp_path / 'work')]) == 0
    assert len(list(out.glob('*_video.mp4'))) == videos
    assert len(list(out.glob('*_timeseries.tsv'))) == videos


def test_several_faces_are_refused(tmp_path, capsys, landmarker):
    clip = write_two(tmp_path / 'two.mp4')
    arguments = [
        str(clip),
        str(tmp_path / 'out'),
        '--face',
        'refuse',
        '-w',
        str(tmp_path / 'work'),
    ]
    assert cli.main(arguments) == 1
    assert '--face largest' in capsys.readouterr().out
    assert not (tmp_path / 'out').exists()


def test_a_photograph_becomes_a_picture(tmp_path, landmarker):
    Image.fromarray(cartoon.draw(cartoon.Face())).save(tmp_path / 'a.jpg')
    out = tmp_path / 'out'
    assert cli.main([str(tmp_path / 'a.jpg'), str(out), '-w', str(tmp_path / 'work')]) == 0
    assert names(out) == sorted(f'a_desc-mask_{ending}' for ending in (*ENDINGS, 'photo.png'))
    with Image.open(out / 'a_desc-mask_photo.png') as shown:
        assert shown.size == (640, 480)
        assert not shown.info
    assert 'generic face' in (out / 'a_desc-mask_report.html').read_text()
    assert parameters.read(out / 'a_desc-mask_timeseries.tsv').neutral == 'generic'


def test_a_bids_dataset_keeps_its_names(tmp_path, landmarker):
    bids = tmp_path / 'bids'
    for relative in (
        'sub-01/beh/sub-01_task-smile_video.mp4',
        'sub-01/ses-1/sub-01_ses-1_photo.png',
    ):
        path = bids / relative
        path.parent.mkdir(parents=True)
        if path.suffix == '.mp4':
            cartoon.write(path, [cartoon.Face()] * 2)
        else:
            Image.fromarray(cartoon.draw(cartoon.Face())).save(path)
    (bids / 'dataset_description.json').write_text('{}')
    out = tmp_path / 'out'
    assert cli.main([str(bids), str(out), '-w', str(tmp_path / 'work')]) == 0
    assert (out / 'sub-01/beh/sub-01_task-smile_desc-mask_video.mp4').is_file()
    assert (out / 'sub-01/ses-1/sub-01_ses-1_desc-mask_photo.png').is_file()
    about = json.loads(
        (out / 'sub-01/beh/sub-01_task-smile_desc-mask_timeseries.json').read_text()
    )
    assert about['Sources'] == ['bids:raw:sub-01/beh/sub-01_task-smile_video.mp4']
    description = json.loads((out / 'dataset_description.json').read_text())
    assert description['DatasetType'] == 'derivative'


def test_what_cannot_be_masked_is_named_and_the_rest_goes_on(tmp_path, capsys, landmarker):
    (tmp_path / 'broken.mp4').write_bytes(b'no video')
    video.encode(tmp_path / 'empty.mp4', [0, 0.04], [cartoon.draw()] * 2, cartoon.SIZE)
    cartoon.write(tmp_path / 'good.mp4', [cartoon.Face()] * 2)
    files = [str(tmp_path / f'{name}.mp4') for name in ('broken', 'empty', 'good')]
    assert cli.main([*files, str(tmp_path / 'out'), '-w', str(tmp_path / 'work')]) == 1
    said = capsys.readouterr().out
    assert 'broken.mp4 cannot be read as a video' in said
    assert 'empty.mp4: no face was found' in said
    assert 'good.mp4: measuring ...' in said.splitlines()
    assert {name.split('_')[0] for name in names(tmp_path / 'out')} == {'good'}


@pytest.mark.parametrize(
    ('arguments', 'code', 'said'),
    [
        (['none.mp4', 'out'], 65, 'does not exist'),
        (['.', '../out'], 65, 'no photograph and no video'),
        (['notes.txt', 'out'], 65, 'no photograph or video'),
        (['a.mp4', 'out', '--private-dir', 'out/private'], 2, 'inside the output folder'),
        (['a.mp4', 'out', '-w', 'out'], 2, 'inside the output folder'),
        (['a.mp4', 'b/a.mov', 'out'], 2, 'same output'),
        (['a.mp4', 'notes.txt'], 73, 'is a file'),
        (['render', 'none.tsv', 'a.mp4'], 65, 'cannot be read'),
        (['render', 'none.tsv', 'a.gif'], 2, 'must end with'),
    ],
)
def test_wrong_requests_are_refused(tmp_path, monkeypatch, capsys, arguments, code, said):
    (tmp_path / 'notes.txt').write_text('')
    if arguments[0] != '.':
        (tmp_path / 'b').mkdir()
        (tmp_path / 'a.mp4').write_text('')
        (tmp_path / 'b/a.mov').write_text('')
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_an_interrupted_run_goes_on(tmp_path, clip, masked):
    """Killed while it measures, and again while it renders, it ends with the same files."""
    work, out = tmp_path / 'work', tmp_path / 'out'
    command = [sys.executable, '-m', 'facebids.mask.cli', str(clip), str(out), '-w', str(work)]

    def stop_when(pattern, ending):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not list(work.glob(pattern)) and process.poll() is None:
            time.sleep(0.02)
        os.kill(process.pid, ending)
        return process.wait()

    assert stop_when('mask/*/measures', signal.SIGTERM) == INTERRUPTED
    assert not names(out) if out.exists() else True
    assert stop_when('mask/*/.facebids-*.mp4', signal.SIGKILL) == -signal.SIGKILL
    assert not out.exists() or not names(out)
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    for ending in ('timeseries.tsv', 'summary.json', 'video.mp4'):
        name = f'clip_desc-mask_{ending}'
        assert (out / name).read_bytes() == (masked / 'out' / name).read_bytes()


def test_measures_go_on_after_the_last_complete_row(tmp_path, clip, landmarker):
    from facebids.mask import follow

    def told(seconds):
        assert seconds >= 0

    whole, part = tmp_path / 'whole', tmp_path / 'part'
    follow.measure_video(video.pictures(clip), whole, refuse=False, progress=told)
    part.write_bytes(whole.read_bytes()[: 10 * follow.ROW.itemsize + 7])
    follow.measure_video(video.pictures(clip), part, refuse=False, progress=told)
    assert part.read_bytes() == whole.read_bytes()


def test_faces_are_followed_by_their_place():
    from facebids.mask import follow
    from facebids.mask.measure import COLUMN, MEASURES

    def face(x, eyes):
        row = np.zeros(len(MEASURES))
        row[[COLUMN['x_px'], COLUMN['eyes_px']]] = x, eyes
        return row

    places = np.full((follow.MOST_FACES, 2), np.nan)
    first = follow.assigned([face(100, 50), face(500, 60)], places)
    second = follow.assigned([face(480, 40), face(120, 50)], places)
    third = follow.assigned([face(110, 50)], places)
    x = COLUMN['x_px']
    assert first[:2, x].tolist() == [500, 100]
    assert second[:2, x].tolist() == [480, 120]
    assert np.isnan(third[0, x])
    assert third[1, x] == 110


def test_the_request_has_the_choices_of_the_command():
    action = next(a for a in cli.make_parser()._actions if a.dest == 'face')
    assert tuple(action.choices) == run.Faces.__args__
