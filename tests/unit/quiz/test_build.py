# SPDX-License-Identifier: Apache-2.0
"""Making a quiz from a run, photographs and distractors."""

import json
import stat
from io import BytesIO

import make
import make_quiz
import numpy as np
import pytest
from PIL import Image

from facebids.bids import names, records
from facebids.bids.names import HeadImage
from facebids.core.attack import recognition
from facebids.core.attack.recognition import Face
from facebids.errors import DatasetError, OutputError, UsageError
from facebids.quiz import build, people, pictures, study
from facebids.quiz.cli import main
from facebids.quiz.people import Person

LABELS = ('01', '02', '03')
SIDE = 120


@pytest.fixture
def detector(monkeypatch):
    """Find a face in all pictures but black ones."""

    def detect(picture):
        return Face((40, 40, 80, 80), 1.0, 'hog') if picture.mean() > 20 else None

    monkeypatch.setattr(recognition, 'detect', detect)


@pytest.fixture
def run(tmp_path, detector):
    """Return the folder of a run of three participants, with photographs and distractors."""
    for number, label in enumerate(LABELS):
        image = HeadImage.from_relative_path(f'sub-{label}/anat/sub-{label}_T1w.nii.gz')
        record = make.image_record(image.relative_path)
        records.merge(tmp_path / 'out', names.metrics(image), [record])
        for state in names.STATES:
            path = tmp_path / 'private' / names.private_templates(image, state)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, frontal=make_quiz.face(number), frontal_box=np.zeros(4))
        photograph(tmp_path / 'photos' / f'sub-{label}' / '1.jpg', number)
    for number in range(5):
        photograph(tmp_path / 'others' / f'man{number}.png', 10 + number)
    return tmp_path


def photograph(path, number=0, picture=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(make_quiz.face(number, SIDE) if picture is None else picture)
    exif = Image.Exif()
    exif[0x010F] = 'camera of Jane Doe'
    image.save(path, exif=exif, dpi=(72, 72))


def command(run, *options):
    where = ['--private-dir', run / 'private', '--photos', run / 'photos']
    others = ['--distractors', run / 'others', '--choices', '4']
    return [str(item) for item in ['build', run / 'out', run / 'quiz', *where, *others, *options]]


def test_a_quiz_holds_the_scans_the_photographs_and_no_names_in_addresses(run, capsys):
    assert main(command(run, '--arms', 'before', 'after', '--seed', '5')) == 0
    made = study.read(run / 'quiz')
    assert (made.seed, made.choices, made.questions, made.arms) == (5, 4, 6, ('before', 'after'))
    assert [scan.participant for scan in made.scans] == list(LABELS)
    assert [item.participant for item in made.photographs] == [*LABELS, *[None] * 5]
    files = study.files(made)
    assert len(files) == len(set(files)) == 14
    assert {path.name for path in (run / 'quiz' / 'pictures').iterdir()} == {
        name.removeprefix('pictures/') for name in files
    }
    assert min(len(name) for name in files) > len('pictures/.jpg') + 30
    ids = [item.id for item in (*made.scans, *made.photographs)]
    assert len(set(ids)) == 11
    assert not any(id == '01' or 'man' in id for id in ids)
    assert 'PRIVATE' in capsys.readouterr().out


def test_pictures_are_written_anew_without_metadata(run):
    assert main(command(run)) == 0
    for path in (run / 'quiz' / 'pictures').iterdir():
        content = path.read_bytes()
        assert b'Jane' not in content
        with Image.open(BytesIO(content)) as image:
            assert image.format == 'JPEG'
            assert not image.getexif()
            assert set(image.info) <= {'jfif', 'jfif_version', 'jfif_unit', 'jfif_density'}


def test_only_the_owner_can_open_a_quiz(run):
    assert main(command(run)) == 0
    assert stat.S_IMODE((run / 'quiz').stat().st_mode) == 0o700
    assert stat.S_IMODE((run / 'quiz' / 'secret').stat().st_mode) == 0o600
    assert 'do not share' in (run / 'quiz' / 'README.md').read_text()
    assert str(run) not in (run / 'quiz' / 'study.json').read_text()


def test_builds_have_other_tokens_and_secrets(run):
    assert main(command(run)) == 0
    (run / 'quiz').rename(run / 'first')
    assert main(command(run)) == 0
    first, second = study.read(run / 'first'), study.read(run / 'quiz')
    assert not set(study.files(first)) & set(study.files(second))
    assert (run / 'first' / 'secret').read_text() != (run / 'quiz' / 'secret').read_text()


def break_everything(run):
    """Return what must be named for each thing that cannot be used."""
    photograph(run / 'photos' / 'sub-01' / '2.jpg', picture=np.zeros((SIDE, SIDE, 3), np.uint8))
    (run / 'photos' / 'sub-01' / 'notes.txt').touch()
    (run / 'photos' / 'sub-02' / '1.jpg').write_bytes(b'no picture')
    photograph(run / 'photos' / 'sub-99' / '1.jpg')
    (run / 'others' / 'empty').mkdir()
    photograph(run / 'others' / 'black.png', picture=np.zeros((SIDE, SIDE, 3), np.uint8))
    image = HeadImage.from_relative_path('sub-03/anat/sub-03_T1w.nii.gz')
    (run / 'private' / names.private_templates(image, 'before')).unlink()
    failed = HeadImage.from_relative_path('sub-04/anat/sub-04_T1w.nii.gz')
    record = make.image_record(failed.relative_path, verdict='fail')
    records.merge(run / 'out', names.metrics(failed), [record])
    return [
        'sub-01/2.jpg: no face was found', 'sub-01/notes.txt: not a photograph', 'sub-02/1.jpg',
        'sub-02: none of the photographs can be used', 'sub-99', 'empty: there is no photograph',
        'black.png: no face', 'sub-03_T1w.nii.gz: no render before defacing',
        'sub-04_T1w.nii.gz: its defacing failed',
        'sub-04: participant without photograph',
    ]  # fmt: skip


@pytest.mark.parametrize('dry', [True, False])
def test_all_that_cannot_be_used_is_named_at_once(run, capsys, dry):
    expected = break_everything(run)
    options = ['--arms', 'after', 'before', '--dry-run' if dry else '--seed=1']
    assert main(command(run, *options)) == DatasetError.exit_code
    said = capsys.readouterr().err
    assert not [text for text in expected if text not in said]
    assert said.count('\n- ') == len(expected)
    assert not (run / 'quiz').exists()


def test_what_is_left_out_on_request_is_named_too(run, capsys):
    expected = break_everything(run)
    assert main(command(run, '--arms', 'after', 'before', '--skip-unusable')) == 0
    said = capsys.readouterr().err
    assert not [text for text in expected if f'left out: {run}' not in said or text not in said]
    made = study.read(run / 'quiz')
    assert [scan.participant for scan in made.scans] == ['01']
    assert [item.participant for item in made.photographs] == ['01', '03', *[None] * 5]


def test_a_participant_without_a_photograph_is_named(run, capsys):
    (run / 'photos' / 'sub-02' / '1.jpg').unlink()
    assert main(command(run)) == DatasetError.exit_code
    assert 'sub-02: participant without photograph' in capsys.readouterr().err


def test_a_failed_image_is_shown_before_defacing(run):
    image = HeadImage.from_relative_path('sub-01/anat/sub-01_T1w.nii.gz')
    record = make.image_record(image.relative_path, verdict='fail')
    records.merge(run / 'out', names.metrics(image), [record])
    assert main(command(run, '--arms', 'before')) == 0
    assert len(study.read(run / 'quiz').scans) == 3


def test_too_few_photographs_are_counted(run, capsys):
    assert main(command(run, '--choices', '8')) == DatasetError.exit_code
    said = capsys.readouterr().err
    assert 'photographs of 8 people' in said
    assert '8 choices need 9' in said


def test_questions_must_be_even_and_not_more_than_the_scans_give(run, capsys):
    assert main(command(run, '--questions', '3')) == UsageError.exit_code
    assert main(command(run, '--questions', '8')) == UsageError.exit_code
    assert '3 scans give at most 6 questions' in capsys.readouterr().err
    assert main(command(run, '--questions', '4')) == 0
    assert study.read(run / 'quiz').questions == 4


def test_a_dry_run_prints_the_design_and_its_power_and_writes_nothing(run, capsys):
    before = sorted(run.rglob('*'))
    assert main(command(run, '--dry-run')) == 0
    said = capsys.readouterr().out
    assert '3 scans of 3 people, 8 photographs' in said
    assert '6 questions for each observer, with 4 photographs each: 3 with a certain' in said
    assert '\n50\tmatch\t25%\t' in said
    assert '\n50\topen\t20%\t' in said
    assert sorted(run.rglob('*')) == before


def test_a_quiz_is_made_neither_over_another_folder_nor_inside_the_output(run, capsys):
    (run / 'quiz').mkdir()
    (run / 'quiz' / 'file').touch()
    assert main(command(run)) == OutputError.exit_code
    assert 'exists already' in capsys.readouterr().err
    for inside in ('out', 'photos', 'others'):
        options = [
            word.replace(str(run / 'quiz'), str(run / inside / 'q')) for word in command(run)
        ]
        assert main(options) == OutputError.exit_code
        assert 'is inside' in capsys.readouterr().err
    assert not list(run.glob('.facebids-*'))


def test_folders_that_are_not_there_are_named(run, capsys):
    for folder, code in (('private', 2), ('photos', 2), ('others', 2), ('out', 65)):
        (run / folder).rename(run / 'away')
        assert main(command(run)) == code
        assert str(run / folder) in capsys.readouterr().err
        (run / 'away').rename(run / folder)


def test_the_consent_text_is_that_of_the_study_or_a_draft(run, capsys):
    (run / 'text.md').write_text('# Ours\n')
    assert main(command(run, '--consent', run / 'text.md')) == 0
    assert (run / 'quiz' / 'consent.md').read_text() == '# Ours\n'
    (run / 'quiz').rename(run / 'first')
    assert main(command(run)) == 0
    assert '[Name of the institution]' in (run / 'quiz' / 'consent.md').read_text()
    assert 'Complete' in capsys.readouterr().out
    for content in (b' ', b'\xff'):
        (run / 'text.md').write_bytes(content)
        assert main(command(run, '--consent', run / 'text.md')) == UsageError.exit_code


def test_distractors_are_matched_by_what_is_known_of_people(run, capsys):
    (run / 'participants.tsv').write_text(
        'participant_id\tsex\tage\tethnicity\nsub-01\tM\t34\tHan\nsub-02\tf\tn/a\t\nsub-03\to\t89+\tn/a\n'
    )
    rows = [f'man{number}\tmale\t3{number}\n' for number in range(4)]
    (run / 'others' / 'participants.tsv').write_text(f'participant_id\tsex\tage\n{"".join(rows)}')
    assert main(command(run, '--participants-tsv', run / 'participants.tsv')) == 0
    assert 'For 1 of 3 scans all other photographs are known' in capsys.readouterr().out
    made = study.read(run / 'quiz')
    known = [(scan.sex, scan.age, scan.ethnicity) for scan in made.scans]
    assert known == [('male', 34, 'Han'), ('female', None, None), ('other', 89, None)]
    assert [item.age for item in made.photographs[3:]] == [30, 31, 32, 33, None]


def test_of_a_distractor_with_several_photographs_the_first_is_shown(run):
    for number in range(3):
        photograph(run / 'others' / 'sub-7' / f'{number}.jpg', 20 + number)
    assert main(command(run)) == 0
    assert len(study.read(run / 'quiz').photographs) == 9


def test_a_distractor_who_is_a_participant_is_named(run, capsys):
    (run / 'others' / 'again.jpg').write_bytes((run / 'photos' / 'sub-01' / '1.jpg').read_bytes())
    assert main(command(run)) == DatasetError.exit_code
    assert 'again.jpg: the same picture as' in capsys.readouterr().err


def test_a_table_that_cannot_be_read_is_named(tmp_path):
    path = tmp_path / 'participants.tsv'
    with pytest.raises(DatasetError, match=r'participants\.tsv cannot be read'):
        people.read(path)
    path.write_text('id,age\n1,2\n')
    with pytest.raises(DatasetError, match='no column participant_id'):
        people.read(path)
    path.write_text('participant_id\tage\tsex\nsub-1\tabc\tx\n2\t40.5\n')
    assert people.read(path) == {'1': Person(), '2': Person(age=40.5)}


def test_the_square_around_a_face_stays_inside_the_picture():
    picture = np.arange(100 * 200 * 3).reshape(100, 200, 3)
    assert pictures.around_face(picture, (150, 20, 170, 40)).shape == (48, 48, 3)
    corner = pictures.around_face(picture, (180, 80, 200, 100))
    assert corner.shape == (48, 48, 3)
    assert (corner == picture[52:, 152:]).all()
    assert pictures.around_face(picture, (0, 0, 150, 150)).shape == (100, 200, 3)


def test_large_photographs_become_smaller():
    with Image.open(BytesIO(pictures.jpeg(np.zeros((1000, 700, 3), np.uint8)))) as image:
        assert image.size == (336, 480)


def test_a_damaged_study_is_named(run):
    assert main(command(run)) == 0
    path = run / 'quiz' / 'study.json'
    whole = json.loads(path.read_text())
    for change in ({'arms': ['x']}, {'arms': []}, {'questions': 5}, {'scans': []}, {'extra': 1}):
        path.write_text(json.dumps(whole | change))
        with pytest.raises(DatasetError, match=r'study\.json cannot be read'):
            study.read(run / 'quiz')
    path.write_text('{')
    with pytest.raises(DatasetError, match=r'study\.json cannot be read'):
        study.read(run / 'quiz')


def test_dlib_finds_no_face_where_there_is_none(tmp_path):
    collected = build._Collected()
    photograph(tmp_path / 'none.jpg', picture=np.full((90, 90, 3), 128, np.uint8))
    assert not build._add_photograph(tmp_path / 'none.jpg', '01', Person(), collected)
    (problem,) = collected.problems
    assert 'none.jpg: no face was found' in problem
    assert not collected.pictures
