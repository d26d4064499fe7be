# SPDX-License-Identifier: Apache-2.0
"""Files and folders that are not what they should be stop nothing but themselves.

The rows of docs/reliability.md about files, folders, links and permissions.
"""

import json
import os

import pytest
from privileges import no_overrides
from toys import FLAIR_A, T1W_2, T1W_A, T1W_B

KEY = 'MD5E-s57630--d8d77109f4a24efc3bd53d7cabb7ee35.nii.gz'
OTHERS = [FLAIR_A, T1W_A, T1W_B]


def _pipe(path):
    os.mkfifo(path)


def _folder(path):
    path.mkdir()


def _closed(path):
    path.write_bytes(b'x')
    path.chmod(0)


def _annexed(path):
    path.symlink_to(f'../../.git/annex/objects/aa/bb/{KEY}/{KEY}')


def _unlocked(path):
    path.write_text(f'/annex/objects/{KEY}\n')


def _lfs(path):
    text = f'version https://git-lfs.github.com/spec/v1\noid sha256:{"4d" * 32}\nsize 12345\n'
    path.write_text(text)


def _dangling(path):
    path.symlink_to('gone.nii.gz')


def _looping(path):
    path.symlink_to(path.name)


GET = f'Run `datalad get "{T1W_2}"`'


@pytest.mark.parametrize(
    ('make', 'remedy'),
    [
        (_annexed, GET),
        (_unlocked, GET),
        (_lfs, f'Run `git lfs pull --include "{T1W_2}"`'),
        (_dangling, 'link to a file that does not exist. Repair or remove it'),
        (_looping, 'leads back to itself. Repair or remove it'),
        (_pipe, 'pipe or a device, not a file. Remove it'),
        (_closed, r'cannot be read (Permission denied). Check its path'),
    ],
)
def test_an_image_that_cannot_be_read_fails_alone(run, capsys, make, remedy):
    assert run('--participant-label', '02') == 0
    (run.bids / T1W_2).unlink()
    make(run.bids / T1W_2)
    with no_overrides():
        assert run('--dry-run') == 0
        assert f'fail: {T1W_2}: ' in (text := capsys.readouterr().out)
        assert remedy in text
        assert run() == 1
        assert run(level='group') == 1
    assert run.verdicts() == dict.fromkeys(OTHERS, 'pass') | {T1W_2: 'fail'}
    assert run.reason(T1W_2).code == 'unreadable_image_error'
    assert remedy in run.reason(T1W_2).message
    assert not any(path.exists() for path in run.files(T1W_2))


def test_nobody_borrows_from_an_image_that_cannot_be_read(run, capsys):
    borrower = T1W_2.replace('T1w', 'T2starw')
    (run.bids / T1W_2).rename(run.bids / borrower)
    _annexed(run.bids / T1W_2)
    assert run('--dry-run') == 0
    assert 'no reference image to coregister it to' in capsys.readouterr().out
    assert run() == 1
    assert run.verdicts() == dict.fromkeys([*OTHERS, borrower], 'pass') | {T1W_2: 'fail'}


def test_a_dataset_of_which_nothing_was_downloaded(run, capsys):
    for name in (*OTHERS, T1W_2):
        (run.bids / name).unlink()
        _annexed(run.bids / name)
    assert run() == 1
    assert set(run.verdicts().values()) == {'fail'}
    said = capsys.readouterr().err
    assert all(f'facebids: fail: {name}: ' in said for name in (*OTHERS, T1W_2))


def test_a_folder_with_the_name_of_an_image_is_named(run, capsys):
    (run.bids / T1W_2).unlink()
    _folder(run.bids / T1W_2)
    assert run('--dry-run') == 0
    assert f'a folder with the name of an image\n    {T1W_2}' in capsys.readouterr().out
    assert run() == 0
    assert 'no image to deface for participant 02' in (text := capsys.readouterr().err)
    assert '1 (a folder with the name of an image)' in text
    assert run.verdicts() == dict.fromkeys(OTHERS, 'pass')


@pytest.mark.parametrize('folder', ['sub-02', 'sub-02/anat'])
def test_a_folder_that_may_not_be_read_is_named_and_the_others_are_done(run, capsys, folder):
    (run.bids / folder).chmod(0)
    try:
        with no_overrides():
            assert run('--dry-run') == 0
            assert f'  {folder}\n    left out: ' in capsys.readouterr().out
            assert run() == 1
    finally:
        (run.bids / folder).chmod(0o755)
    text = capsys.readouterr().err
    assert f'{folder} is left out: the folder cannot be read (Permission denied). ' in text
    assert run.verdicts() == dict.fromkeys(OTHERS, 'pass')


def test_a_participant_whose_folder_is_a_broken_link_is_named(run, capsys):
    (run.bids / 'sub-03').symlink_to('../not/here')
    assert run() == 1
    assert 'sub-03 is left out: the folder cannot be read (No such' in capsys.readouterr().err
    assert len(run.verdicts()) == 4


def test_a_link_to_a_folder_that_contains_it_hides_nothing(run, capsys):
    (run.bids / 'sub-02/anat/again').symlink_to('..')
    (run.bids / 'sub-02/self').symlink_to('.')
    assert run('--skip-bids-validation') == 0
    assert set(run.verdicts()) == {*OTHERS, T1W_2}
    text = capsys.readouterr().err
    assert 'not the name of a head image' not in text
    assert '1 (defaced only with --include perf)' in text


def test_two_images_with_one_output_fail_and_the_others_are_done(run, capsys):
    assert run() == 0
    twin = T1W_A.removesuffix('.gz')
    (run.bids / twin).write_bytes((run.bids / T1W_A).read_bytes())
    assert run('--dry-run') == 0
    assert f'{twin} would have the same output' in capsys.readouterr().out
    assert run() == 1
    verdicts = dict.fromkeys([FLAIR_A, T1W_B, T1W_2], 'pass')
    assert run.verdicts() == verdicts | dict.fromkeys([T1W_A, twin], 'fail')
    assert run.reason(T1W_A).code == run.reason(twin).code == 'same_output'
    assert not any(path.exists() for path in run.files(T1W_A))


NO_NAMES = (
    'sub-ABC-02/anat/sub-ABC-02_T1w.nii.gz',
    'sub-ctrl_03/anat/sub-ctrl_03_T1w.nii.gz',
    'sub-04/anat/sub-04_t1w.nii.gz',
    'sub-05/sub-05_T1w.nii.gz',
    'sub-08/ses-1/anat/sub-08_T1w.nii.gz',
)


def test_people_without_any_valid_name_are_named_and_counted(run, capsys):
    for name in NO_NAMES:
        (run.bids / name).parent.mkdir(parents=True)
        (run.bids / T1W_2).rename(run.bids / 'moved')
        (run.bids / name).write_bytes((run.bids / 'moved').read_bytes())
        (run.bids / 'moved').rename(run.bids / T1W_2)
    (run.bids / 'sub-09').mkdir()
    assert run('--dry-run') == 0
    text = capsys.readouterr().out
    assert all(f'    {name}' in text for name in NO_NAMES)
    assert text.count('  no image to deface') == 6
    assert run() == 0
    text = capsys.readouterr().err
    assert 'no image to deface for 6 participants 04, 05, 08, 09, ABC-02, ctrl_03.' in text
    assert '5 (not the name of a head image known to FaceBIDS)' in text
    assert len(run.verdicts()) == 4


def test_a_dataset_of_such_people_alone_says_what_is_there(run, capsys):
    for name in (*OTHERS, T1W_2):
        (run.bids / name).rename((run.bids / name).with_name(f'{name.rpartition("/")[2][:6]}.nii'))
    assert run() == 66
    text = capsys.readouterr().err
    assert 'sub-01/ses-A/anat/sub-01.nii' in text or 'other file' in text


def test_a_read_only_dataset_is_processed(run):
    folders = [run.bids, *(path for path in run.bids.rglob('*') if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        with no_overrides():
            assert run() == 0
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert len(run.verdicts()) == 4


@pytest.mark.parametrize('name', ['out', 'work'])
def test_a_folder_that_may_not_be_written_is_named_before_any_work(run, capsys, name):
    folder = {'out': run.out, 'work': run.work}[name]
    folder.mkdir(mode=0o555)
    with no_overrides():
        assert run() == 73
    assert f'{folder}: the ' in (text := capsys.readouterr().err)
    assert 'cannot be written (Permission denied)' in text
    assert not any(folder.iterdir())


def test_names_in_any_script_are_kept(run, tmp_path):
    place = tmp_path / 'Städte 東京 "ä\'"'
    place.mkdir()
    run.bids = run.bids.rename(place / 'rohdaten ü')
    run.out, run.work = place / 'ergebnis é', place / 'arbeit ß'
    description = json.loads((run.bids / 'dataset_description.json').read_text())
    text = json.dumps(description | {'Name': 'Köpfe 頭 <b>'}, ensure_ascii=False)
    (run.bids / 'dataset_description.json').write_text(text, encoding='utf-8')
    assert run() == 0
    assert len(run.verdicts()) == 4
    written = json.loads((run.out / 'dataset_description.json').read_text(encoding='utf-8'))
    assert written['Name'] == 'Köpfe 頭 <b>: defaced'
    assert run(level='group') == 0


def test_labels_that_are_numbers_are_kept_as_they_are_written(run):
    for label in ('1', '001'):
        name = T1W_2.replace('02', label)
        (run.bids / name).parent.mkdir(parents=True)
        (run.bids / name).write_bytes((run.bids / T1W_2).read_bytes())
    assert run('--participant-label', '1', '001') == 0
    assert set(run.verdicts()) == {T1W_2.replace('02', label) for label in ('1', '001')}
    assert {path.name for path in run.out.glob('*.html')} == {'sub-1.html', 'sub-001.html'}


def _named(length):
    return f'sub-02/anat/sub-02_acq-{"v" * (length - 24)}_T1w.nii.gz'


def test_a_name_too_long_for_what_is_made_of_it_is_found_before_the_work(run, capsys):
    right, long = _named(217), _named(218)  # the transforms have 38 characters more
    for name in (right, long):
        (run.bids / name).write_bytes((run.bids / T1W_2).read_bytes())
    assert run('--dry-run') == 0
    assert f'{long}: its outputs would have names of 256 bytes' in capsys.readouterr().out
    assert run() == 1
    assert run.verdicts() == dict.fromkeys([*OTHERS, T1W_2, right], 'pass') | {long: 'fail'}
    assert run.reason(long).code == 'name_too_long'
    assert 'Shorten its name by 1.' in run.reason(long).message
    assert all(path.is_file() for path in run.files(right))


def test_masks_in_raw_folders_are_known_by_name(run, capsys):
    masks = [
        'sub-02/anat/sub-02_label-lesion_mask.nii.gz',
        'sub-02/anat/sub-02_space-T1w_label-L_desc-lesion_roi.nii.gz',
        'sub-02/anat/sub-02_mod-T1w_defacemask.nii.gz',
    ]
    for name in masks:
        (run.bids / name).write_bytes((run.bids / T1W_2).read_bytes())
    assert run('--dry-run', '--participant-label', '02', '--skip-bids-validation') == 0
    text = capsys.readouterr().out
    assert f'not defaced: a mask, not an image of a head\n    {masks[0]}' in text
    assert all(f'    {name}' in text for name in masks)
    assert 'not the name of a head image' not in text


def test_a_work_folder_whose_name_nipype_takes_for_a_pattern_is_refused(run, capsys):
    run.work = run.work.with_name('[lab] work')
    assert run() == 73
    assert 'has [ in its path' in capsys.readouterr().err
    assert not run.work.exists()
    assert not run.out.exists()


def test_other_folders_may_have_any_name(run, tmp_path):
    place = tmp_path / '[lab] {a} *? study'
    place.mkdir()
    run.bids, run.out = run.bids.rename(place / 'raw'), place / 'out'
    assert run('--private-dir', str(place / 'private')) == 0
    assert len(run.verdicts()) == 4
    assert run('--private-dir', str(place / 'private'), level='group') == 0


@pytest.mark.parametrize('place', ['out', 'private'])
def test_a_folder_of_results_that_may_not_be_written_is_named(run, capsys, place):
    assert run() == 0
    folder = getattr(run, place) / 'sub-02/anat'
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o555)
    before = run.verdicts()
    with no_overrides():
        assert run() == 73
        assert run('--participant-label', '01') == 0
    assert f'{folder}: the output folder cannot be written' in capsys.readouterr().err
    assert run.verdicts() == before


def test_a_name_that_is_not_text_is_shown_and_left_alone(run, capsys):
    name = b'sub-02_acq-\xff_T1w.nii.gz'
    (run.bids / 'sub-02/anat' / os.fsdecode(name)).write_bytes(b'')
    assert run('--dry-run') == 0
    assert 'not the name of a head image' in capsys.readouterr().out
    assert run() == 0
    assert len(run.verdicts()) == 4
