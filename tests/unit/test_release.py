# SPDX-License-Identifier: Apache-2.0
"""A release from end to end, of images of some voxels: what goes in, what stays, what stops it."""

import gzip
import json
import multiprocessing
import os
import re
import shutil
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path

import make
import nibabel as nib
import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from make_fif import fif_file

import facebids
from facebids import filesystem, provenance
from facebids.bids import names, records
from facebids.bids.names import HeadImage
from facebids.cli import verify
from facebids.config import ReleaseSettings, Settings
from facebids.core.record import Provenance, Reason
from facebids.errors import DatasetError, OutputError, ReleaseRefused, UsageError
from facebids.release import build, certificate, validator
from facebids.release.attack import Attacked, Target
from facebids.release.certificate_types import ListedFile, Software, read_certificate
from facebids.stages import group, release
from facebids.stages import verify as verification
from facebids.studies.results import Estimate, Outcome, Results, Summary

T1W = 'sub-01/anat/sub-01_T1w.nii.gz'
T2W = 'sub-01/anat/sub-01_T2w.nii'
ECHO = 'sub-02/ses-1/anat/sub-02_ses-1_acq-hi_run-1_echo-1_part-mag_MEGRE.nii.gz'
HEADS = (T1W, T2W, 'sub-02/ses-1/anat/sub-02_ses-1_T1w.nii.gz', ECHO)
BOLD = 'sub-01/func/sub-01_task-rest_bold.nii.gz'
PHYSIO = 'sub-01/func/sub-01_task-rest_physio.tsv.gz'
TEXTS = {
    'dataset_description.json': '{"Name": "Mine", "BIDSVersion": "1.10.0", "Authors": ["A. B."]}',
    'README': 'Mine.\n',
    'T1w.json': '{"EchoTime": 0.003, "MagneticFieldStrength": 3}',
    'task-rest_bold.json': '{"TaskName": "rest", "RepetitionTime": 2}',
    'sub-01/anat/sub-01_T2w.json': '{"EchoTime":   0.1}',
    ECHO.replace('.nii.gz', '.json'): '{"EchoTime": 0.02}',
    'sub-01/func/sub-01_task-rest_events.tsv': 'onset\tduration\n1\t2\n',
    'sub-01/sub-01_scans.tsv': f'filename\n{T1W[7:]}\n{T2W[7:]}\n{BOLD[7:]}\n',
    'participants.tsv': 'participant_id\tage\nsub-01\t30\nsub-02\t40\n',
    'phenotype/test.tsv': 'participant_id\tscore\nsub-01\t1\n',
    '.bidsignore': 'extra\n',
    'code/run.sh': 'echo\n',
    'sourcedata/sub-01/a.dcm': 'x',
    'derivatives/x/a.txt': 'x',
    '.git/config': 'x',
    'figures/face.png': 'x',
}

ACCEPTED_TABLE = f'participant_id\timage\tdecided_by\treason\nsub-01\t{T1W}\tA. Example\tlooked\n'


def write_image(path, seed=0, shape=(4, 5, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.random.default_rng(seed).integers(0, 99, shape).astype(np.int16)
    image = nib.Nifti1Image(data, np.diag([3, 3, 3, 1.0]))
    image.header.set_xyzt_units('mm', 'sec')
    if len(shape) > 3:
        image.header['pixdim'][4] = 2
    nib.save(image, path)


def examine(settings, image_path, verdict='pass', mode='remove', **more):
    """Leave behind what the participant level does."""
    image = HeadImage.from_relative_path(image_path)
    source = settings.bids_dir / image_path
    defaced = settings.output_dir / names.defaced(image)
    mask = settings.output_dir / names.mask(image)
    write_image(defaced, 7)
    write_image(mask, 8)
    record = make.image_record(
        image_path,
        verdict=verdict,
        reasons=() if verdict == 'pass' else (Reason('face_skin_left', verdict, 'Some skin.'),),
        mode=mode,
        provenance=Provenance(
            version='1',
            software_sha256='a' * 64,
            **{
                f'{key}_sha256': filesystem.sha256(path)
                for key, path in (('source', source), ('defaced', defaced), ('mask', mask))
            },
        ),
        **more,
    )
    records.merge(settings.output_dir, names.metrics(image), [record])
    templates = settings.private_dir / names.private_templates(image, 'after')
    templates.parent.mkdir(parents=True, exist_ok=True)
    templates.write_bytes(b'')


@pytest.fixture
def settings(tmp_path):
    """Return the settings of a release, with everything there that it is made from."""
    made = Settings(
        bids_dir=tmp_path / 'raw', output_dir=tmp_path / 'out', analysis_level='group',
        work_dir=tmp_path / 'work', private_dir=tmp_path / 'work/private',
        release=ReleaseSettings(tmp_path / 'upload/dataset'),
    )  # fmt: skip
    for path, text in TEXTS.items():
        filesystem.write_text_atomic(made.bids_dir / path, text)
    write_image(made.bids_dir / BOLD, shape=(4, 5, 6, 3))
    for number, path in enumerate(HEADS):
        write_image(made.bids_dir / path, number)
        examine(made, path)
    filesystem.write_text_atomic(made.output_dir / names.COMPARISONS_TABLE, 'study\n')
    made.release.release_dir.parent.mkdir()
    return made


@pytest.fixture
def no_validator(monkeypatch):
    monkeypatch.setattr(validator, 'validate', lambda root: None)


def releasing(settings, **changes):
    return replace(settings, release=replace(settings.release, **changes))


def run(settings):
    release.check_options(settings, settings.release)
    with release.reserved(settings.release):
        return run_reserved(settings)


def run_reserved(settings):
    found = records.read_all(settings.output_dir)
    release.run_release(settings, settings.release, found, lambda images: Results())
    return read_certificate(settings.release.release_dir.parent / certificate.JSON)


def files(root):
    return {path.relative_to(root).as_posix() for path in root.rglob('*') if path.is_file()}


def data(path):
    return np.asarray(nib.load(path).dataobj)


def test_the_real_validator_finds_no_error(settings):
    if validator.find() is None:
        pytest.skip('bids-validator-deno is not installed: pip install facebids[validate]')
    made = run(settings)
    assert made.validator.errors == 0
    assert made.validator.version


def test_a_release_has_exactly_the_expected_files(settings, no_validator):
    made = run(settings)
    masks = {names.raw_mask(HeadImage.from_relative_path(path)) for path in HEADS}
    sidecars = {names.sidecar(path) for path in (*HEADS, *masks)}
    kept = {path for path in TEXTS if not path.startswith(('source', 'deriv', '.git', 'figures'))}
    expected = {*kept, BOLD, *HEADS, *masks, *sidecars, 'CHANGES'}
    assert files(settings.release.release_dir) == expected == set(made.files)


def test_released_images_are_defaced_and_keep_their_names(settings, no_validator):
    run(settings)
    for path in HEADS:
        defaced = settings.output_dir / names.defaced(HeadImage.from_relative_path(path))
        assert (data(settings.release.release_dir / path) == data(defaced)).all()
        assert (data(settings.release.release_dir / path) != data(settings.bids_dir / path)).any()
    stream = (settings.release.release_dir / T2W).read_bytes()
    assert stream[:2] != gzip.compress(b'')[:2]  # it was not compressed, and is not


def test_unchanged_files_are_hard_links(settings, no_validator):
    run(settings)
    for path in (BOLD, 'phenotype/test.tsv', 'code/run.sh', 'task-rest_bold.json'):
        assert os.path.samefile(settings.release.release_dir / path, settings.bids_dir / path)


def test_copies_are_not_links(settings, no_validator):
    run(releasing(settings, link='copy'))
    source, target = settings.bids_dir / BOLD, settings.release.release_dir / BOLD
    assert source.read_bytes() == target.read_bytes()
    assert not os.path.samefile(source, target)


def test_source_and_output_are_not_modified(settings, no_validator):
    def state():
        paths = [*settings.bids_dir.rglob('*'), *settings.output_dir.rglob('*')]
        return {path: path.read_bytes() for path in paths if path.is_file()}

    before = state()
    run(settings)
    assert state() == before


def test_sidecars_describe_the_defacing_and_keep_other_keys(settings, no_validator):
    run(settings)
    sidecar = json.loads((settings.release.release_dir / names.sidecar(T2W)).read_text())
    assert sidecar['EchoTime'] == 0.1
    assert sidecar['DeidentificationMethod']
    inherited = json.loads((settings.release.release_dir / names.sidecar(T1W)).read_text())
    assert 'EchoTime' not in inherited  # it stands above, as before
    assert inherited['DeidentificationMethod']
    mask = names.sidecar(names.raw_mask(HeadImage.from_relative_path(T1W)))
    assert (
        '1 inside' in json.loads((settings.release.release_dir / mask).read_text())['Description']
    )


def test_an_inherited_sidecar_in_the_same_folder_is_extended(settings, no_validator):
    """BIDS allows an image one sidecar in a folder."""
    shared = 'sub-02/ses-1/anat/sub-02_ses-1_acq-hi_run-1_MEGRE.json'
    (settings.bids_dir / shared).write_text('{"FlipAngle": 8}')
    (settings.bids_dir / names.sidecar(ECHO)).unlink()
    run(settings)
    assert 'DeidentificationMethod' in json.loads(
        (settings.release.release_dir / shared).read_text()
    )
    assert not (settings.release.release_dir / names.sidecar(ECHO)).exists()


def test_an_already_defaced_image_gets_no_method_of_defacing(settings, no_validator):
    examine(settings, T1W, mode=None)
    run(settings)
    assert (settings.release.release_dir / T1W).is_file()
    assert not (settings.release.release_dir / names.sidecar(T1W)).exists()
    assert not (
        settings.release.release_dir / names.raw_mask(HeadImage.from_relative_path(T1W))
    ).exists()


def refused(settings, *parts):
    with pytest.raises(ReleaseRefused) as error:
        run(settings)
    assert error.value.exit_code == 3
    for part in parts:
        assert any(part in reason for reason in error.value.reasons), error.value.reasons
    assert files(settings.release.release_dir.parent) == set()


def test_an_unprocessed_image_stops_the_release(settings, no_validator):
    path = 'sub-01/anat/sub-01_FLAIR.nii.gz'
    write_image(settings.bids_dir / path)
    refused(settings, path)
    refused(releasing(settings, exclude_failed=()), path)
    made = run(releasing(settings, exclude_failed=(path,)))
    assert made.excluded == (ListedFile(path, 'excluded by name'),)


def test_what_concerns_several_images_is_said_once(settings, no_validator):
    paths = [f'sub-01/anat/sub-01_run-{run}_FLAIR.nii.gz' for run in (1, 2)]
    for path in paths:
        write_image(settings.bids_dir / path)
    with pytest.raises(ReleaseRefused) as error:
        run(settings)
    assert 'refused for 1 reason.' in str(error.value)
    (reason,) = error.value.reasons
    sentence, *listed = reason.split('\n')
    assert sentence.startswith('each of 2 files: the participant level did not process it')
    assert [line.strip() for line in listed] == paths


@pytest.fixture
def with_mask(settings):
    """Return the path of a lesion mask in the dataset."""
    path = 'sub-01/anat/sub-01_label-lesion_mask.nii.gz'
    lesion = np.zeros((30, 30, 30), np.uint8)
    lesion[5:9, 5:9, 5:9] = 1
    nib.save(nib.Nifti1Image(lesion, np.eye(4)), settings.bids_dir / path)
    return path


def test_a_mask_is_released_if_it_draws_no_head(settings, no_validator, with_mask):
    made = run(settings)
    assert with_mask in made.files
    (listed,) = [item for item in made.not_examined if item.image == with_mask]
    assert 'draws no head' in listed.reason


@pytest.mark.parametrize(
    'path',
    [
        'sub-01/anat/sub-01_mod-PDw_defacemask.nii.gz',
        'sub-01/anat/sub-01_label-lesion_roi.nii.gz',
        'sub-01/func/sub-01_task-rest_sbref.nii.gz',
        'sub-01/dwi/sub-01_ADC.nii.gz',
        'sub-01/mrs/sub-01_svs.nii.gz',
    ],
)
def test_a_single_volume_that_cannot_be_searched_stops_the_release(settings, no_validator, path):
    write_image(settings.bids_dir / path, shape=(30, 30, 30))
    with pytest.raises(ReleaseRefused, match=f'{path}: it cannot be searched for a face') as error:
        run(settings)
    assert f'--exclude-failed {path}' in str(error.value)
    made = run(releasing(settings, exclude_failed=()))
    assert [item.image for item in made.excluded] == [path]
    assert path not in made.files


def test_a_long_series_is_released_without_a_look(settings, no_validator):
    path = 'sub-01/func/sub-01_task-long_bold.nii.gz'
    write_image(settings.bids_dir / path, shape=(20, 20, 20, 10))
    made = run(settings)
    (listed,) = [item for item in made.not_examined if item.image == path]
    assert 'a series of 10 volumes' in listed.reason


def test_a_file_is_not_looked_at_twice(settings, no_validator, with_mask):
    run(settings)
    looks = settings.work_dir / release.LOOKS
    before = looks.stat().st_mtime_ns
    run(settings)
    assert looks.stat().st_mtime_ns == before
    looks.write_text('{"seen": [')  # a damaged memory is no excuse
    assert with_mask in run(settings).files
    assert looks.stat().st_mtime_ns != before


@pytest.mark.parametrize('changed', ['source', 'defaced', 'mask', 'gone'])
def test_a_file_changed_after_the_attack_stops_the_release(settings, no_validator, changed):
    image = HeadImage.from_relative_path(T1W)
    path = {
        'source': settings.bids_dir / T1W,
        'mask': settings.output_dir / names.mask(image),
    }.get(changed, settings.output_dir / names.defaced(image))
    path.unlink()
    if changed != 'gone':
        write_image(path, 99)
    refused(settings, f'{T1W}: ')


@pytest.mark.parametrize('path', ['phenotype/test.tsv', 'code/run.sh'])
def test_any_file_can_be_excluded_by_name(settings, no_validator, path):
    made = run(releasing(settings, exclude_failed=(path,)))
    assert not (settings.release.release_dir / path).exists()
    assert [item.image for item in made.excluded] == [path]


@pytest.mark.parametrize(
    ('path', 'text'),
    [
        ('dataset_description.json', b'[]'),
        (names.sidecar(T2W), b'["EchoTime"]'),
        ('sub-01/fmap/sub-01_x.json', b'["IntendedFor"]'),
        ('README', b'Jos\xe9'),
        ('CHANGES', b'Jos\xe9'),
        ('.bidsignore', b'Jos\xe9'),
    ],
)
def test_an_unreadable_file_is_named(settings, no_validator, path, text):
    (settings.bids_dir / path).parent.mkdir(exist_ok=True)
    (settings.bids_dir / path).write_bytes(text)
    with pytest.raises(DatasetError, match=path):
        run(releasing(settings, exclude_failed=(T1W,)))


@pytest.mark.parametrize('path', ['code/t1.txt', 'sub-01/eeg/sub-01_eeg.edf'])
@pytest.mark.parametrize('content', ['nifti', 'dicom', 'damaged'])
def test_an_image_with_another_extension_stops_the_release(settings, no_validator, path, content):
    target = settings.bids_dir / path
    target.parent.mkdir(exist_ok=True)
    if content == 'nifti':
        target.symlink_to(settings.bids_dir / T1W)
    else:
        target.write_bytes({'dicom': bytes(128) + b'DICM', 'damaged': b'\x1f\x8b'}[content])
    refused(settings, f'{path}: the file contains an image')
    run(releasing(settings, exclude_failed=(path,)))


def test_a_link_into_the_private_folder_stops_the_release(settings, no_validator):
    (settings.bids_dir / 'code/mine').symlink_to(settings.private_dir)
    refused(settings, 'code/mine/sub-01/')


def test_the_private_folder_is_not_readable_by_other_users(settings, no_validator):
    private = settings.private_dir.with_name('another')
    (settings.bids_dir / names.sidecar(T2W)).write_text('{"PatientName": "Doe^Jane"}')
    refused(replace(settings, private_dir=private), 'PatientName')
    assert not private.stat().st_mode & 0o077


def test_missing_templates_stop_the_release(settings, no_validator):
    image = HeadImage.from_relative_path(T1W)
    (settings.private_dir / names.private_templates(image, 'after')).unlink()
    refused(settings, f'{T1W}: its templates')


def test_an_excluded_image_is_mentioned_in_the_certificate_only(settings, no_validator):
    fmap = 'sub-01/fmap/sub-01_phasediff.json'
    filesystem.write_text_atomic(
        settings.bids_dir / fmap,
        json.dumps({'EchoTime1': 0.1, 'IntendedFor': [T2W[7:], BOLD[7:]]}),
    )
    examine(settings, T2W, 'fail')
    refused(settings, T2W)
    made = run(releasing(settings, exclude_failed=()))
    assert [item.image for item in made.excluded] == [T2W]
    assert not [path for path in files(settings.release.release_dir) if 'T2w' in path]
    assert T2W[7:] not in (settings.release.release_dir / 'sub-01/sub-01_scans.tsv').read_text()
    left = json.loads((settings.release.release_dir / fmap).read_text())
    assert left['IntendedFor'] == [BOLD[7:]]


def test_a_participant_without_any_file_is_removed_from_the_table(settings, no_validator):
    for path in HEADS[2:]:
        examine(settings, path, 'fail')
    run(releasing(settings, exclude_failed=()))
    table = (settings.release.release_dir / 'participants.tsv').read_text()
    assert table == 'participant_id\tage\nsub-01\t30\n'


def test_a_release_tells_what_it_does_next(settings, no_validator, with_mask):
    found, told = records.read_all(settings.output_dir), []
    for _ in range(2):
        release.run_release(
            settings, settings.release, found, lambda images: Results(), told.append
        )
    first, search, last, *again = told
    assert re.fullmatch(r'release: checking \d+ files', first)
    assert search.startswith('release: searching 1 image not examined before')
    assert last == 'release: writing and validating the dataset'
    assert again == [first, last]  # what was searched once is known


def test_only_released_images_are_compared(settings, no_validator):
    """Who is recognised can be left out; the others have to be at chance by themselves."""
    asked = []

    def run_studies(images):
        asked.append([image.relative_path for image in images])
        return Results()

    examine(settings, T2W, 'fail')
    found = records.read_all(settings.output_dir)
    changed = releasing(settings, exclude_failed=(T1W, T2W))
    release.run_release(changed, changed.release, found, run_studies)
    assert asked == [sorted(HEADS[2:])]


def test_recognised_participants_stop_the_release(settings, no_validator):
    summary = Summary(
        people=50,
        probes=50,
        gallery_size=50,
        chance=1 / 50,
        people_with_mates=50,
        rank1=Estimate(1.0),
        auc=Estimate(1.0, 1.0),
    )
    recognised = Outcome('scans', 'same_scan', '', 'after', '', '', 'dlib', summary)
    found = records.read_all(settings.output_dir)
    with pytest.raises(ReleaseRefused, match='are at rank 1'):
        release.run_release(
            settings, settings.release, found, lambda images: Results(outcomes=(recognised,))
        )


def test_a_derivative_dataset_is_refused(settings, no_validator):
    description = {'Name': 'x', 'BIDSVersion': '1.9.0', 'DatasetType': 'derivative'}
    (settings.bids_dir / 'dataset_description.json').write_text(json.dumps(description))
    with pytest.raises(DatasetError, match='derivative'):
        run(settings)


def test_participants_without_any_file_before_stay_in_the_table(settings, no_validator):
    table = settings.bids_dir / 'participants.tsv'
    table.write_bytes(b'participant_id\tage\r\nsub-01\t30\r\nsub-02\t40\r\nsub-03\t50\r\n')
    for path in HEADS[2:]:
        examine(settings, path, 'fail')
    run(releasing(settings, exclude_failed=()))
    kept = (settings.release.release_dir / 'participants.tsv').read_bytes()
    assert kept == b'participant_id\tage\r\nsub-01\t30\r\nsub-03\t50\r\n'


@pytest.mark.parametrize('exclude_failed', [False, True])
@pytest.mark.parametrize(
    'damage',
    [
        {'verdict': None},
        {'verdict': 'something new'},
        {'reasons': None},
        {'reasons': ['x']},
        {'reasons': [{}]},
        {'mode': 'x'},
        {'mask': 'x'},
        {'provenance': 'x'},
        {'provenance': {'source_sha256': 'x'}},
        {'participant_id': 1},
    ],
)
def test_a_damaged_record_stops_the_release(settings, no_validator, damage, exclude_failed):
    name = names.metrics(HeadImage.from_relative_path(T1W))
    path = settings.output_dir / name
    content = json.loads(path.read_text())
    content['images'][0] |= damage
    path.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match='run the participant level again') as error:
        run(releasing(settings, exclude_failed=() if exclude_failed else None))
    assert name in str(error.value)
    assert not settings.release.release_dir.exists()


def test_a_damaged_image_is_excluded_or_stops_the_release(settings, no_validator):
    (settings.bids_dir / BOLD).write_bytes(b'')
    refused(settings, f'--exclude-failed {BOLD}')
    made = run(releasing(settings, exclude_failed=(BOLD,)))
    assert BOLD not in made.files


@pytest.mark.parametrize('nprocs', [1, 2])
@pytest.mark.parametrize('damage', ['checksum', 'truncated', 'appended'])
@pytest.mark.parametrize('path', [BOLD, PHYSIO])
def test_a_damaged_file_that_is_copied_stops_the_release(
    settings, no_validator, path, damage, nprocs
):
    settings = replace(settings, nprocs=nprocs)
    noise = np.random.default_rng(0).integers(0, 999, (4, 5, 6, 12)).astype(np.int16)
    nib.save(nib.Nifti1Image(noise, np.diag([3, 3, 3, 1.0])), settings.bids_dir / BOLD)
    (settings.bids_dir / PHYSIO).write_bytes(gzip.compress(noise.tobytes()))
    whole = (settings.bids_dir / path).read_bytes()
    (settings.bids_dir / path).write_bytes(
        {
            'checksum': whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:],
            'truncated': whole[:-8],
            'appended': whole + b'\1' * 600,
        }[damage]
    )
    with pytest.raises(ReleaseRefused, match=f'exclude it .--exclude-failed {path}'):
        run(settings)
    assert not settings.release.release_dir.exists()
    made = run(releasing(settings, exclude_failed=(path,)))
    assert path not in made.files
    (settings.bids_dir / path).write_bytes(whole)
    assert path in run(settings).files


def test_a_review_is_released_with_the_name_of_a_person(settings, no_validator):
    examine(settings, T1W, 'review')
    refused(settings, '--accept')
    table = settings.bids_dir.parent / 'accepted.tsv'
    table.write_text(ACCEPTED_TABLE)
    made = run(releasing(settings, accept_file=table))
    assert made.accepted[0].decided_by == 'A. Example'
    beside = settings.release.release_dir.parent / certificate.ACCEPTED
    assert beside.read_text() == table.read_text()
    run(releasing(settings, exclude_failed=()))  # nobody accepts it any more
    assert not beside.exists()


def test_identifying_metadata_stop_the_release_or_are_removed(settings, no_validator):
    secret = 'Doe^Jane'
    (settings.bids_dir / names.sidecar(T2W)).write_text(json.dumps({'PatientName': secret}))
    refused(settings, 'PatientName')
    log = settings.private_dir / release.FINDINGS
    assert secret in log.read_text()
    assert not log.stat().st_mode & 0o077
    run(releasing(settings, metadata='scrub'))
    leaks = [p for p in settings.release.release_dir.parent.rglob('*') if p.is_file()]
    assert leaks
    assert not [path for path in leaks if secret.encode() in path.read_bytes()]


def test_free_text_is_listed_for_a_person_and_counted(settings, no_validator):
    text = json.dumps({'SeriesDescription': 'T1 Doe', 'Comments': 'Jane Doe'})
    (settings.bids_dir / names.sidecar(T2W)).write_text(text)
    made = run(releasing(settings, metadata='scrub'))
    assert made.metadata.removed == {'comment': 1}
    assert made.metadata.free_text == 1
    log = settings.private_dir / release.FREE_TEXT
    assert 'T1 Doe' in log.read_text()
    assert not log.stat().st_mode & 0o077


def test_only_a_whole_dataset_is_released(settings, no_validator):
    with pytest.raises(UsageError, match='whole dataset'):
        run(replace(settings, participant_label=('01',)))


def test_missing_content_stops_the_release(settings, no_validator):
    (settings.bids_dir / BOLD).unlink()
    (settings.bids_dir / BOLD).symlink_to('../../.git/annex/objects/aa/bb/key/key')
    with pytest.raises(DatasetError, match='datalad get'):
        run(settings)


def test_errors_of_the_validator_stop_the_release(settings, monkeypatch):
    issue = validator.Issue('BAD', 'error', T1W, 'it is bad')
    report = validator.Report('1', '1', 1, (issue,), ())
    monkeypatch.setattr(validator, 'validate', lambda root: report)
    refused(settings, 'BAD')


def test_without_the_validator_the_certificate_says_so(settings, no_validator):
    assert 'not validated' in run(settings).validator


# --- again, and killed --------------------------------------------------------------------------


def snapshot(settings):
    root = settings.release.release_dir.parent
    return {path: (root / path).read_bytes() for path in files(root)}


def test_running_again_gives_the_same(settings, no_validator):
    run(settings)
    once = snapshot(settings)
    run(settings)
    assert snapshot(settings) == once
    assert os.listdir(settings.release.release_dir.parent).count('dataset') == 1


STEPS = [
    (build.links, 'link_or_copy'),
    (build, 'write_text_atomic'),
    (build.os, 'replace'),
    (build.shutil, 'rmtree'),
    (release.shutil, 'move'),
    (certificate, 'hash_files'),
    (release, 'check_files'),
    (release, 'write_json_atomic'),
]


@pytest.mark.parametrize(('module', 'function'), STEPS)
@pytest.mark.parametrize('older', [False, True])
def test_a_run_after_a_killed_one_gives_the_same_release(
    settings, no_validator, monkeypatch, module, function, older
):
    run(settings)
    wanted = snapshot(settings)
    if older:  # a release of fewer images stands there
        run(releasing(settings, exclude_failed=(T2W,)))
    else:
        shutil.rmtree(settings.release.release_dir.parent)
        settings.release.release_dir.parent.mkdir()
    original = getattr(module, function)
    for at in range(1, 9):
        calls = 0

        def killed(*values, at=at, **more):
            nonlocal calls
            calls += 1
            if calls == at:
                raise KeyboardInterrupt
            return original(*values, **more)

        with monkeypatch.context() as patch:
            patch.setattr(module, function, killed)
            try:
                run(settings)
            except KeyboardInterrupt:
                continue
            break
    run(settings)
    assert snapshot(settings) == wanted


CHANGES = ('open', 'os.link', 'os.mkdir', 'os.remove', 'os.rename', 'os.rmdir', 'os.utime')


def _in_child(settings, at=None):
    """Release in another process, killed at a change of files; return its status and changes."""
    count = multiprocessing.get_context('fork').Value('i', 0)
    folders = str(settings.release.release_dir.parent), str(settings.private_dir)

    def killed(event, arguments):
        reads = event == 'open' and not (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR)
        if event in CHANGES and not reads and str(arguments[0]).startswith(folders):
            count.value += 1
            if count.value == at:
                os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if not child:
        try:
            sys.addaudithook(killed)
            run(settings)
            os._exit(0)
        finally:
            os._exit(99)
    return os.waitpid(child, 0)[1], count.value


@pytest.mark.parametrize('how', ['hard', 'copy'])
@pytest.mark.parametrize('older', [False, True])
def test_a_release_killed_at_any_file_operation_is_repeated_without_a_trace(
    settings, no_validator, how, older
):
    settings = releasing(settings, link=how)
    above = settings.release.release_dir.parent
    run(settings)
    wanted = snapshot(settings)
    fewer = releasing(settings, exclude_failed=(T2W,))
    run(fewer)
    before = snapshot(settings)

    def start_again():
        shutil.rmtree(above)
        above.mkdir()
        if older:
            run(fewer)

    start_again()
    status, last = _in_child(settings)
    assert (status, last > 100) == (0, True)
    for at in range(1, last + 1, 1 + last // 15):
        start_again()
        assert _in_child(settings, at)[0] == signal.SIGKILL, at
        path, root = above / certificate.JSON, settings.release.release_dir
        if path.is_file() and root.is_dir():
            there = snapshot(settings)
            whole = not certificate.differences(read_certificate(path), root)
            assert not whole or wanted.items() <= there.items() or before.items() <= there.items()
        run(settings)
        assert snapshot(settings) == wanted, at


def test_a_killed_run_keeps_the_older_release(settings, no_validator, monkeypatch):
    run(settings)
    before = snapshot(settings)
    examine(settings, T2W, 'fail')

    def killed(source, target):
        if target == settings.release.release_dir:
            raise KeyboardInterrupt
        os.rename(source, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(build.os, 'replace', killed)
        run(releasing(settings, exclude_failed=()))
    assert not settings.release.release_dir.exists()
    with pytest.raises(ReleaseRefused):
        run(settings)
    root = settings.release.release_dir
    assert {p: (root.parent / p).read_bytes() for p in before} == before


def test_one_release_at_a_time_in_a_folder(settings, no_validator):
    folder = settings.release.release_dir.parent
    wanted = rf'the release of process {os.getpid()} on {re.escape(socket.gethostname())} '
    with release.reserved(settings.release):
        for name in ('dataset', 'other'):  # the certificates of both are the same file
            with (
                pytest.raises(OutputError, match=wanted),
                release.reserved(ReleaseSettings(folder / name)),
            ):
                pytest.fail('it was not refused')
        run_reserved(settings)
    assert {path.name for path in folder.iterdir()} == {
        'dataset', certificate.JSON, certificate.MARKDOWN
    }  # fmt: skip


@pytest.mark.parametrize('what', ['new', 'changed'])
def test_a_folder_with_other_content_is_not_modified(settings, no_validator, what):
    run(settings)
    path = settings.release.release_dir / ('notes.txt' if what == 'new' else 'CHANGES')
    path.unlink(missing_ok=True)
    path.write_text('mine')
    with pytest.raises(OutputError, match='not an unchanged release'):
        run(settings)
    assert path.read_text() == 'mine'


def test_a_folder_that_is_not_a_release_is_refused(settings, no_validator):
    settings.release.release_dir.mkdir()
    (settings.release.release_dir / 'thesis.txt').write_text('mine')
    with pytest.raises(OutputError, match='not an unchanged release'):
        run(settings)


@pytest.mark.parametrize(
    ('changes', 'error', 'message'),
    [
        ({'accept_file': 'missing.tsv'}, UsageError, 'missing.tsv: the file cannot be read'),
        ({'release_dir': 'thesis'}, OutputError, 'not an unchanged release'),
        ({'participant_label': ('01',)}, UsageError, 'whole dataset'),
    ],
)
def test_what_stops_a_release_is_said_before_the_computation(
    settings, tmp_path, monkeypatch, changes, error, message
):
    (tmp_path / 'thesis').mkdir()
    (tmp_path / 'thesis/thesis.txt').write_text('mine')
    monkeypatch.setattr(group, '_run', lambda *_: pytest.fail('it was computed'))
    paths = {name: tmp_path / place for name, place in changes.items() if '_label' not in name}
    wrong = releasing(settings, **paths) if paths else replace(settings, **changes)
    with pytest.raises(error, match=message):
        group.run_group(wrong, None)


def test_the_certificate_of_another_release_is_not_overwritten(settings, no_validator):
    run(settings)
    with pytest.raises(OutputError, match='another release'):
        run(releasing(settings, release_dir=settings.release.release_dir.with_name('other')))


@pytest.mark.parametrize('name', ['CERTIFICATE.md', 'ACCEPTED.tsv'])
def test_foreign_files_beside_a_release_are_kept(settings, no_validator, name):
    path = settings.release.release_dir.with_name(name)
    path.write_text('mine')
    with pytest.raises(OutputError, match=name):
        run(settings)
    assert path.read_text() == 'mine'


def test_an_interrupted_move_of_the_certificate_is_completed(settings, no_validator, monkeypatch):
    examine(settings, T1W, 'review')
    table = settings.bids_dir.parent / 'accepted.tsv'
    table.write_text(ACCEPTED_TABLE)
    accepting = releasing(settings, accept_file=table)
    run(accepting)
    wanted = snapshot(settings)
    shutil.rmtree(settings.release.release_dir.parent)
    move = shutil.move

    def killed(source, target):
        if target.name == certificate.JSON:
            raise KeyboardInterrupt
        move(source, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(release.shutil, 'move', killed)
        run(accepting)
    with pytest.raises(ReleaseRefused):  # the review is not accepted any more
        run(settings)
    assert snapshot(settings) == wanted


def test_no_absolute_path_is_released(settings, no_validator, tmp_path):
    run(settings)
    table = tmp_path.as_posix().encode()
    assert not [path for path, content in snapshot(settings).items() if table in content]


# --- verification -------------------------------------------------------------------------------


def check(settings):
    root = settings.release.release_dir
    return verify.main([str(root.parent / certificate.JSON), str(root)])


def test_a_release_is_as_certified_until_it_is_changed(settings, no_validator, capsys):
    run(settings)
    assert check(settings) == 0
    write_image(settings.release.release_dir / HEADS[2], 55)
    assert check(settings) == 1
    assert f'{HEADS[2]}: changed' in capsys.readouterr().out


@pytest.mark.parametrize('how', ['missing', 'new'])
def test_missing_and_additional_files_are_reported(settings, no_validator, capsys, how):
    run(settings)
    if how == 'missing':
        (settings.release.release_dir / BOLD).unlink()
    else:
        write_image(settings.release.release_dir / 'sub-01/anat/sub-01_FLAIR.nii.gz')
    assert check(settings) == 1
    assert ('missing' if how == 'missing' else 'not in the certificate') in capsys.readouterr().out


@pytest.mark.parametrize('to', ['nowhere', '..'])
def test_a_link_instead_of_a_file_is_reported(settings, no_validator, capsys, to):
    run(settings)
    (settings.release.release_dir / T1W).unlink()
    (settings.release.release_dir / T1W).symlink_to(to)
    assert check(settings) == 1
    assert f'{T1W}: changed' in capsys.readouterr().out


def test_the_attack_on_a_release_is_reported(settings, no_validator, capsys, monkeypatch):
    run(settings)
    root = settings.release.release_dir
    found = {
        T1W: Attacked(T1W, views=10, faces=2, certain=1),
        HEADS[2]: Attacked(
            HEADS[2], views=10, faces=9, certain=8, objection='It has a face.', failed=True
        ),
    }
    monkeypatch.setattr(verification, 'to_attack', lambda *_: [Target(image) for image in found])
    monkeypatch.setattr(verification, 'attack', lambda _, target: found[target.image])
    monkeypatch.setattr(verify, 'set_environment', lambda *_: None)
    assert verify.main([str(certificate_path(settings)), str(root), '--attack']) == 1
    told = capsys.readouterr().out
    assert f'{T1W}: faces in 2 of 10 views, 1 with certainty\n' in told
    assert f'{HEADS[2]}: faces in 9 of 10 views, 8 with certainty: It has a face.\n' in told
    assert '2 images attacked, 1 failed' in told


@pytest.fixture
def keys(tmp_path):
    """Return the files of a private key and of its public key."""
    key = ed25519.Ed25519PrivateKey.generate()
    return write_keys(tmp_path, key)


def write_keys(folder, key):
    private, public = folder / 'key.pem', folder / 'public.pem'
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return private, public


def test_a_certificate_is_signed_on_request(settings, no_validator, keys, capsys):
    private, public = keys
    made = run(releasing(settings, sign_key=private))
    path = certificate_path(settings)
    check = [str(path), str(settings.release.release_dir), '--public-key', str(public)]
    assert made.public_key
    assert verify.main(check) == 0
    other = write_keys(path.parent.parent, ed25519.Ed25519PrivateKey.generate())[1]
    assert verify.main([*check[:-1], str(other)]) == 1
    assert 'not the signature of this certificate by this key' in capsys.readouterr().out
    run(settings)  # without a key the old signature is of no use
    assert not path.with_name(certificate.SIGNATURE).exists()
    assert verify.main(check) == 1
    assert 'is not signed' in capsys.readouterr().out


def test_a_changed_certificate_has_no_valid_signature(settings, no_validator, keys):
    private, public = keys
    run(releasing(settings, sign_key=private))
    path = certificate_path(settings)
    path.write_text(path.read_text().replace('"Mode": "report"', '"Mode": "scrub"'))
    check = [str(path), str(settings.release.release_dir)]
    assert verify.main(check) == 0
    assert verify.main([*check, '--public-key', str(public)]) == 1


def test_a_key_of_another_kind_is_refused(settings, no_validator, tmp_path):
    key = write_keys(tmp_path, ec.generate_private_key(ec.SECP256R1()))[0]
    with pytest.raises(UsageError, match='no private key of Ed25519'):
        run(releasing(settings, sign_key=key))
    key.write_text('nothing')
    with pytest.raises(UsageError, match='no private key in PEM'):
        run(releasing(settings, sign_key=key))
    with pytest.raises(UsageError, match='cannot be read'):
        run(releasing(settings, sign_key=tmp_path / 'missing.pem'))
    assert not settings.release.release_dir.exists()


def certificate_path(settings):
    return settings.release.release_dir.parent / certificate.JSON


@pytest.mark.parametrize(
    'text',
    ['', 'no JSON', '[]', '{}', '{"Files": {', '\xff', '[' * 10_000, '{"Files": ' * 10_000],
    ids=['empty', 'text', 'list', 'object', 'cut', 'latin-1', 'deep list', 'deep object'],
)
def test_a_file_that_is_not_a_certificate_is_an_error(settings, tmp_path, capsys, text):
    path = tmp_path / 'x.json'
    path.write_bytes(text.encode('latin-1'))
    assert verify.main([str(path), str(settings.bids_dir)]) == 65
    assert f'{path}: this is not the certificate of a release (' in capsys.readouterr().err


def test_another_folder_than_the_release_is_said_in_a_sentence(settings, no_validator, capsys):
    run(settings)
    root, path = settings.release.release_dir, str(certificate_path(settings))
    assert verify.main([path, str(root.parent)]) == 2
    captured = capsys.readouterr()
    assert f'is not the release "dataset". Give {root}.' in captured.err
    assert not captured.out
    assert verify.main([path, str(settings.output_dir)]) == 2
    assert 'Give the folder that it certifies' in capsys.readouterr().err
    assert verify.main([str(root.parent), str(root)]) == 2
    assert 'is a folder. Give the file CERTIFICATE.json' in capsys.readouterr().err


def test_a_missing_certificate_is_an_error(settings, tmp_path, capsys):
    path = tmp_path / 'x.json'
    assert verify.main([str(path), str(settings.bids_dir)]) == 65
    assert f'{path}: this certificate cannot be read' in capsys.readouterr().err


def test_the_file_of_a_certificate_is_as_documented(settings, no_validator):
    made = run(settings)
    content = json.loads(certificate_path(settings).read_text())
    assert ' '.join(content) == (
        'Release Date Software Command Atlas Thresholds Limits Images NotExamined Trimmed '
        'Excluded Accepted Cohort CohortNote Metadata Validator Files PublicKey'
    )
    assert content['Software'].keys() == {'Name', 'Version', 'SHA256'}
    assert content['Metadata'] == {'Mode': 'report', 'Removed': {}, 'FreeText': 0}
    assert content['Images'][0]['image'] == T1W
    assert content['Images'][0]['mode'] == 'remove'
    assert content['Files'] == made.files


def test_a_certificate_with_comparisons_and_a_report_is_read_as_it_was_written(
    settings, monkeypatch
):
    warning = validator.Issue('RECOMMENDED', 'warning', T1W, 'it is recommended')
    report = validator.Report('3', None, 1, (), (warning,))
    monkeypatch.setattr(validator, 'validate', lambda root: report)
    summary = Summary(
        people=50, probes=50, gallery_size=50, chance=1 / 50, people_with_mates=50,
        rank1=Estimate(0.0), auc=Estimate(float('nan')),
    )  # fmt: skip
    outcome = Outcome('scans', 'same_scan', '', 'after', '', '', 'dlib', summary)
    found = records.read_all(settings.output_dir)
    release.run_release(
        settings, settings.release, found, lambda images: Results(outcomes=(outcome,))
    )
    path = certificate_path(settings)
    made = read_certificate(path)
    assert made.cohort[0].people == 50
    assert made.cohort[0].auc is None
    assert made.validator.codes == {'RECOMMENDED': 1}
    content = json.loads(path.read_text())
    assert content['Cohort'][0]['engine'] == 'dlib'
    assert content['Validator'] == {
        'Version': '3', 'Schema': None, 'Errors': 0, 'Warnings': 1, 'Codes': {'RECOMMENDED': 1}
    }  # fmt: skip


DAMAGES = {  # what is wrong, and where the message says it is
    'missing key': (lambda content: content.pop('Date'), 'Date: '),
    'wrong type': (lambda content: content.update(Date=None), 'Date: '),
    'number for text': (lambda content: content.update(Release=1), 'Release: '),
    'list for object': (lambda content: content.update(Files=[]), 'Files: '),
    'hash': (lambda content: content['Files'].update(README=1), 'Files.README: '),
    'image': (lambda content: content.update(Images=[1]), 'Images.0: '),
    'empty image': (lambda content: content.update(Images=[{}]), 'Images.0.image: '),
    'count': (lambda content: content['Images'][1].update(faces_after='0'), 'Images.1.faces_aft'),
    'verdict': (lambda content: content['Images'][0].update(verdict='good'), 'Images.0.verdict: '),
    'cohort': (lambda content: content.update(Cohort=[{}]), 'Cohort.'),
    'validator': (lambda content: content.update(Validator={'Errors': 0}), 'Validator.'),
    'metadata': (lambda content: content['Metadata'].pop('Mode'), 'Metadata.Mode: '),
}


@pytest.mark.parametrize(('damage', 'where'), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_certificate_is_an_error(settings, no_validator, capsys, damage, where):
    run(settings)
    path = certificate_path(settings)
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    assert check(settings) == 65
    assert f'{path}: this is not the certificate of a release ({where}' in capsys.readouterr().err
    with pytest.raises(DatasetError, match=str(path)):
        run(settings)


def test_the_certificate_tells_which_code_made_it_and_which_examined_each_image(
    settings, no_validator
):
    found = run(settings)
    assert found.software == Software('FaceBIDS', facebids.__version__, provenance.source_digest())
    assert {image.examined_with_sha256 for image in found.images} == {'a' * 64}
    text = Path(settings.release.release_dir.parent, certificate.MARKDOWN).read_text()
    assert provenance.source_digest() in text


def test_the_certificate_can_be_read(settings, no_validator):
    run(settings)
    text = Path(settings.release.release_dir.parent, certificate.MARKDOWN).read_text()
    assert T1W in text
    assert 'lower bound' in text
    assert '&' not in text


# --- many ---------------------------------------------------------------------------------------


def test_three_hundred_participants(settings):
    """How long it takes is measured in ``benchmarks/release.py``."""
    first = settings.bids_dir / 'sub-01'
    (settings.bids_dir / 'participants.tsv').unlink()
    for number in range(300):
        folder = settings.bids_dir / f'sub-n{number:03d}'
        for path in (T1W, BOLD, 'sub-01/func/sub-01_task-rest_events.tsv'):
            target = folder / path.removeprefix('sub-01/').replace('sub-01', folder.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(first.parent / path, target)
        examine(settings, f'{folder.name}/anat/{folder.name}_T1w.nii.gz')
    made = run(settings)
    assert len(made.images) == 300 + len(HEADS)
    assert len(made.not_examined) == 300 + 1
    assert not (settings.release.release_dir / 'participants.tsv').exists()
    assert check(settings) == 0


SHAPE = 'sub-01/meg/sub-01_headshape.pos'
ELECTRODES = 'sub-01/eeg/sub-01_electrodes.tsv'
SYSTEM = 'sub-01/meg/sub-01_coordsystem.json'
BESIDE = {
    SHAPE: '3\n1 0.1 0.2 0.3\n',
    'sub-01/meg/sub-01_headshape.json': '{"Units": "mm"}',
    ELECTRODES: 'name\tx\ty\tz\nCz\t0\t0\t1\n',
    'electrodes.json': '{"x": {"Units": "mm"}}',
    SYSTEM: json.dumps(
        {'AnatomicalLandmarkCoordinates': {'NAS': [1, 2, 3]}, 'DigitizedHeadPoints': SHAPE[11:]}
    ),
}


@pytest.fixture
def digitised(settings):
    """Return the settings of a dataset with digitised points of the head."""
    for path, text in BESIDE.items():
        filesystem.write_text_atomic(settings.bids_dir / path, text)
    return settings


def test_head_points_are_left_out_by_default(digitised, no_validator):
    made = run(digitised)
    root = digitised.release.release_dir
    assert files(root) & set(BESIDE) == {SYSTEM}
    assert json.loads((root / SYSTEM).read_text()) == {
        'AnatomicalLandmarkCoordinates': {'NAS': [1, 2, 3]}
    }
    assert {item.image for item in made.excluded} == {SHAPE, ELECTRODES}
    assert [item.image for item in made.trimmed] == [SYSTEM]
    text = (root.parent / certificate.MARKDOWN).read_text()
    assert all(path in text for path in (SHAPE, ELECTRODES, SYSTEM, '--head-points drop'))


def test_positions_of_sensors_can_be_kept_alone(digitised, no_validator):
    made = run(releasing(digitised, head_points='sensors'))
    kept = files(digitised.release.release_dir) & set(BESIDE)
    assert kept == {ELECTRODES, 'electrodes.json', SYSTEM}
    assert ELECTRODES in {item.image for item in made.not_examined}


def test_head_points_can_be_kept(digitised, no_validator):
    made = run(releasing(digitised, head_points='keep'))
    root = digitised.release.release_dir
    assert files(root) >= set(BESIDE)
    assert all((root / path).read_text() == text for path, text in BESIDE.items())
    assert {item.image for item in made.not_examined} >= {SHAPE, ELECTRODES, SYSTEM}
    assert (made.trimmed, '--head-points keep' in made.command) == ((), True)


def test_a_recording_is_released_without_its_head_points(settings, no_validator):
    path = 'sub-01/meg/sub-01_task-rest_meg.fif'
    (settings.bids_dir / path).parent.mkdir()
    (settings.bids_dir / path).write_bytes(b'damaged')
    refused(settings, 'cannot be searched for head points')
    (settings.bids_dir / path).write_bytes(fif_file())
    made = run(settings)
    assert [item.image for item in made.trimmed] == [path]
    released = (settings.release.release_dir / path).read_bytes()
    assert released != fif_file()
    assert b'measured' in released


def test_kept_masks_are_named_in_the_release(settings, no_validator):
    examine(settings, T1W, mask={'kept_ml': 4.2, 'kept_skin_share': 0.031})
    (record,) = (r for r in records.read_all(settings.output_dir) if r.image == T1W)
    proof = replace(record.provenance, keep_masks={'mine_mask.nii': 'f' * 64})
    kept = replace(record, provenance=proof)
    image = HeadImage.from_relative_path(T1W)
    records.merge(settings.output_dir, names.metrics(image), [kept])
    made = run(settings)
    (found,) = (item for item in made.images if item.image == T1W)
    assert (found.kept_ml, found.kept_skin_share) == (4.2, 0.031)
    assert found.keep_masks == {'mine_mask.nii': 'f' * 64}
    root = settings.release.release_dir
    sidecar = json.loads((root / names.sidecar(names.raw_mask(image))).read_text())
    assert sidecar['KeepMasks'] == [{'File': 'mine_mask.nii', 'SHA256': 'f' * 64}]
    text = (root.parent / certificate.MARKDOWN).read_text()
    assert 'mine_mask.nii keeps 4.2 mL of the face region, and 3.1 % of the skin' in text
