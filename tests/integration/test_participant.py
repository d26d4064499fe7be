# SPDX-License-Identifier: Apache-2.0
"""FaceBIDS on a phantom dataset that includes unusable images, without a network."""

import getpass
import gzip
import json
import re
import shutil
import socket
import tempfile
import zlib
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from facebids.bids import records
from facebids.cli.phantom import main as make_phantoms
from facebids.cli.run import main
from facebids.cli.verify import main as verify
from facebids.release import validator

GOOD = 'sub-01/anat/sub-01_T1w.nii.gz'
BAD = {
    'sub-02/anat/sub-02_T1w.nii.gz': 'unreadable_image_error',
    'sub-03/anat/sub-03_T1w.nii.gz': 'empty_image_error',
    'sub-04/anat/sub-04_T1w.nii.gz': 'registration_failed',
}
EXPECTED = (Path(__file__).parents[1] / 'data' / 'expected_outputs.txt').read_text().split()


CANARY = 'Quuxbernathy'  # the name of a person, wherever one may stand


def plant_canaries(root, photos):
    """Write a name into every header, sidecar, table and photograph, as scanners and people do."""
    image = nib.load(root / GOOD)
    for field in ('descrip', 'aux_file', 'db_name', 'intent_name', 'data_type'):
        size = image.header[field].dtype.itemsize
        image.header[field] = CANARY[:size].encode()
    image.header.extensions.append(nib.nifti1.Nifti1Extension('comment', CANARY.encode()))
    plain = root / 'plain.nii'
    nib.save(image, plain)
    with (root / GOOD).open('wb') as raw, gzip.GzipFile(f'{CANARY}.nii', 'wb', 6, raw) as file:
        file.write(plain.read_bytes())
    plain.unlink()
    sidecar = (root / GOOD).with_name('sub-01_T1w.json')
    keys = ('PatientName', 'InstitutionName', 'OperatorsName', 'Comments', 'scan_notes')
    names = dict.fromkeys(keys, CANARY)
    old = json.loads(sidecar.read_text()) if sidecar.exists() else {}
    sidecar.write_text(json.dumps(old | names | {'global': {'const': names}}))
    table = f'filename\tacq_time\toperator\n{GOOD[7:]}\t2019-03-04T10:11:12\t{CANARY}\n'
    (root / 'sub-01' / 'sub-01_scans.tsv').write_text(table)
    (root / 'participants.tsv').write_text(
        f'participant_id\tname\tpatient_comments\nsub-01\t{CANARY}\t{CANARY} slept\n'
    )
    exif = Image.Exif()
    exif[0x013B] = exif[0x010E] = CANARY  # artist, description
    for path in (root / 'sourcedata' / 'photographs').rglob('*.png'):
        (photos / path.parent.name).mkdir(parents=True, exist_ok=True)
        Image.open(path).save(photos / path.parent.name / f'{CANARY}{path.stem}.jpg', exif=exif)


def traces(folder, words=(CANARY,)):
    """Return the files below a folder whose name or (unpacked) content has one of some words."""
    found = []
    for path in folder.rglob('*'):
        content = path.read_bytes() if path.is_file() else b''
        if content.startswith(b'\x1f\x8b'):  # one of them is truncated
            content += zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(content)
        texts = (path.relative_to(folder).as_posix().encode().lower(), content.lower())
        if any(word.lower().encode() in text for word in words for text in texts):
            found.append(path)
    return found


def make_bad_images(root):
    for name in BAD:
        (root / name).parent.mkdir(parents=True)
    truncated, empty, no_head = (root / name for name in BAD)
    truncated.write_bytes((root / GOOD).read_bytes()[:200_000])
    nib.save(nib.Nifti1Image(np.zeros((40, 40, 40), 'i2'), np.eye(4)), empty)
    # a bottle of water
    grid = np.stack(np.indices((90, 90, 90))) - 45
    bottle = (np.hypot(grid[0], grid[1]) < 30) & (np.abs(grid[2]) < 38)
    noise = np.random.default_rng(0).rayleigh(8, bottle.shape)
    volume = (500 * bottle + noise).astype('i2')
    nib.save(nib.Nifti1Image(volume, np.diag([2.0, 2, 2, 1])), no_head)


@contextmanager
def temporary_files_in(folder):
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('TMPDIR', str(folder))
        patch.setattr(tempfile, 'tempdir', None)
        yield


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """Return the folder of a run and its exit code."""
    root = tmp_path_factory.mktemp('run') / CANARY
    phantoms = ['--participants', '1', '--seed', '1', '--photographs', '2']
    assert make_phantoms([str(root / 'raw'), *phantoms]) == 0
    plant_canaries(root / 'raw', root / 'photos')
    make_bad_images(root / 'raw')
    source = (root / 'raw' / GOOD).read_bytes()
    argv = [str(root / 'raw'), str(root / 'out'), 'participant', '-w', str(root / 'work')]
    with temporary_files_in(root / 'tmp'):
        code = main([*argv, '--nprocs', '1'])
    assert (root / 'raw' / GOOD).read_bytes() == source
    return root, code


def record(root, image):
    (found,) = records.read_all(root / 'out', [image[4:6]])
    assert found.image == image
    return found


@pytest.mark.usefixtures('no_network')
def test_a_bad_image_fails_without_affecting_the_others(run):
    root, code = run
    assert code == 1
    assert record(root, GOOD).verdict in ('pass', 'review')
    for image, reason in BAD.items():
        found = record(root, image)
        assert found.verdict == 'fail'
        assert reason in found.codes, image


def test_the_outputs_are_exactly_the_documented_ones(run):
    root, _ = run
    written = {
        p.relative_to(root / 'out').as_posix() for p in (root / 'out').rglob('*') if p.is_file()
    }
    assert sorted(written) == sorted(EXPECTED)


def test_the_image_is_defaced_and_otherwise_unchanged(run):
    root, _ = run
    before = np.asanyarray(nib.load(root / 'raw' / GOOD).dataobj)
    anat = root / 'out' / 'sub-01' / 'anat'
    after = np.asanyarray(nib.load(anat / 'sub-01_desc-defaced_T1w.nii.gz').dataobj)
    mask = np.asanyarray(nib.load(anat / 'sub-01_space-T1w_desc-face_mask.nii.gz').dataobj) > 0
    np.testing.assert_array_equal(before[~mask], after[~mask])
    assert after[mask].max() < 0.2 * np.quantile(before, 0.98)  # air with noise
    assert after[mask].std() > 0
    found = record(root, GOOD)
    assert found.mask.skin_removed_share > 0.99
    assert found.identifiability.faces_before >= 9


def test_the_true_brain_of_the_phantom_is_unchanged(run):
    from facebids.core import grids
    from facebids.core.atlas import generic_atlas

    root, _ = run
    truth = json.loads((root / 'raw/sourcedata/sub-01/phantom_truth.json').read_text())[GOOD]
    image = nib.load(root / 'out/sub-01/anat/sub-01_space-T1w_desc-face_mask.nii.gz')
    atlas = generic_atlas(2.0)
    brain = grids.carry_over(atlas.brain, atlas, image.shape, image.affine, np.array(truth)) < 0
    assert not (np.asanyarray(image.dataobj)[brain]).any()


def test_the_output_contains_nothing_identifying(run):
    root, _ = run
    private = root / 'work' / 'private'
    assert (private.stat().st_mode & 0o777) == 0o700
    assert (private / 'sub-01' / 'sub-01_T1w_before.npz').exists()
    assert (private / 'sub-01' / 'figures' / 'sub-01_desc-rendersbefore_T1w.png').exists()
    assert not list((root / 'out').rglob('*before*'))
    assert not list((root / 'out').rglob('*.npz'))
    assert 'before.png' not in (root / 'out' / 'sub-01.html').read_text()


def test_failed_images_are_withheld(run):
    root, _ = run
    for participant in ('sub-02', 'sub-03', 'sub-04'):
        assert not list((root / 'out' / participant).rglob('*.nii.gz'))
        assert not list((root / 'out' / participant).rglob('*.png'))
    withheld = root / 'work' / 'private' / 'withheld' / 'sub-04' / 'anat'
    assert (withheld / 'sub-04_desc-defaced_T1w.nii.gz').exists()


def test_the_output_contains_no_path_of_the_machine(run):
    root, _ = run
    for path in (root / 'out').rglob('*'):
        if path.suffix in ('.json', '.html', '.tsv', '.txt', '.md'):
            text = path.read_text()
            assert str(root) not in text, path
            assert not re.search(r'(?<![\w.:/])/(home|root|tmp|usr|opt|work)/', text), path


def test_the_group_level_writes_a_table_and_a_report(run):
    root, _ = run
    code = main([str(root / 'raw'), str(root / 'group'), 'group', '-w', str(root / 'work')])
    assert code == 66  # the output folder is empty
    copy = root / 'copy'
    shutil.copytree(root / 'out', copy)
    assert main([str(root / 'raw'), str(copy), 'group', '-w', str(root / 'work')]) == 1
    header, *rows = (copy / 'group_identifiability.tsv').read_text().splitlines()
    assert len(rows) == 4
    columns = header.split('\t')
    dictionary = json.loads((copy / 'group_identifiability.json').read_text())
    assert set(columns) <= set(dictionary)
    assert 'fail' in (copy / 'group.html').read_text()


def check_no_traces(root, *folders):
    """Check that no name, path, user or machine is found outside of the private folder."""
    assert traces(root / 'raw')
    machine = [word for word in (socket.gethostname(), getpass.getuser()) if len(word) > 5]
    for folder in (*folders, root / 'tmp'):
        assert traces(folder, (CANARY, str(root), *machine)) == []
    assert not [path for path in (root / 'tmp').rglob('*') if path.is_file()]


def test_the_output_names_nobody(run):
    root, _ = run
    check_no_traces(root, root / 'out')


def test_logs_and_crash_files_hold_no_picture(run):
    root, _ = run
    paths = [p for name in ('log', 'crash') for p in (root / 'work' / name).rglob('*')]
    files = [path for path in paths if path.is_file()]
    assert files
    for path in files:
        text = path.read_text()  # raises where there are bytes
        assert not re.search(r'[A-Za-z0-9+/]{300}', text), path


@pytest.mark.usefixtures('no_network')
def test_a_release_is_refused_until_failed_images_are_excluded(run, capsys):
    root, _ = run
    copy, dataset = root / 'released_from', root / 'upload' / 'dataset'
    shutil.copytree(root / 'out', copy)
    group = [str(root / 'raw'), str(copy), 'group', '-w', str(root / 'work')]
    assert main([*group, '--release-dir', str(dataset)]) == 3
    printed = capsys.readouterr().err
    assert all(f'{image}: verdict fail' in printed for image in BAD)
    assert not dataset.exists()
    release = [*group, '--release-dir', str(dataset), '--exclude-failed']
    assert main(release) == 3
    assert 'Metadata identify people' in capsys.readouterr().err
    with temporary_files_in(root / 'tmp'):
        options = ['--metadata', 'scrub', '--photos', str(root / 'photos')]
        assert main([*release, *options]) == 0
    check_no_traces(root, copy, dataset.parent)
    images = {p.relative_to(dataset).as_posix() for p in dataset.rglob('*.nii.gz')}
    mask = GOOD.replace('_T1w', '_mod-T1w_defacemask')
    assert images == {GOOD, mask}
    certificate = dataset.parent / 'CERTIFICATE.json'
    made = json.loads(certificate.read_text())
    assert [item['image'] for item in made['Excluded']] == list(BAD)
    assert verify([str(certificate), str(dataset)]) == 0


def test_derivatives_are_valid_bids(run):
    if validator.find() is None:
        pytest.skip('bids-validator-deno is not installed: pip install facebids[validate]')
    root, _ = run
    assert validator.validate(root / 'out').errors == ()


@pytest.mark.parametrize('nprocs', ['1', '2'])
def test_a_second_run_uses_the_cache(run, nprocs):
    root, _ = run
    defaced = root / 'out/sub-01/anat/sub-01_desc-defaced_T1w.nii.gz'
    content = defaced.read_bytes()
    results = {
        path: path.stat().st_mtime_ns
        for path in (root / 'work').rglob('result_*.pklz')
        if 'sub_01_wf' in path.as_posix()
    }
    assert len(results) == 13
    arguments = ['--participant-label', '01', '--nprocs', nprocs]
    argv = [str(root / 'raw'), str(root / 'out'), 'participant', '-w', str(root / 'work')]
    assert main([*argv, *arguments]) == 0
    assert defaced.read_bytes() == content
    run_again = {path.name for path, time in results.items() if path.stat().st_mtime_ns != time}
    # always run again: thresholds may have changed, and outputs may be missing
    assert run_again == {'result_judge.pklz', 'result_sink.pklz'}


def test_a_keep_mask_is_kept_and_named(run):
    """The last test: it leaves the results of another run in the cache."""
    root, _ = run
    source = nib.load(root / 'raw' / GOOD)
    grid = source.affine[:3, :3] @ np.indices(source.shape).reshape(3, -1)
    world = (grid + source.affine[:3, 3:]).reshape(3, *source.shape)
    face = root / 'out/sub-01/anat/sub-01_space-T1w_desc-face_mask.nii.gz'
    before = np.asanyarray(nib.load(face).dataobj) > 0
    data = np.asanyarray(source.dataobj)
    tissue = world[:, before & (data > 0.3 * np.quantile(data, 0.98))].T
    centre = tissue[np.linalg.norm(tissue - tissue.mean(0), axis=1).argmin()]
    kept = np.linalg.norm(world - centre[:, None, None, None], axis=0) < 15
    masks = root / 'masks' / 'sub-01' / 'anat'
    masks.mkdir(parents=True)
    path = masks / 'sub-01_space-T1w_desc-keep_mask.nii.gz'
    nib.save(nib.Nifti1Image(kept.astype(np.uint8), source.affine), path)
    copy = root / 'kept'
    shutil.copytree(root / 'out', copy)
    argv = [str(root / 'raw'), str(copy), 'participant', '-w', str(root / 'work')]
    options = ['--participant-label', '01', '--nprocs', '1', '--keep-mask', str(root / 'masks')]
    main([*argv, *options])
    (found,) = records.read_all(copy, ['01'])
    assert found.mask.kept_ml > 1
    assert 'kept_by_mask' in found.codes
    (name,) = found.provenance.keep_masks
    assert name == path.relative_to(root / 'masks').as_posix()
    where = copy if found.verdict != 'fail' else root / 'work' / 'private' / 'withheld'
    anat = where / 'sub-01' / 'anat'
    after = np.asanyarray(nib.load(anat / face.name).dataobj) > 0
    np.testing.assert_array_equal(after, before & ~kept)
    defaced = nib.load(anat / 'sub-01_desc-defaced_T1w.nii.gz').dataobj
    assert (np.asanyarray(defaced)[kept] == data[kept]).all()
    sidecar = json.loads((anat / 'sub-01_desc-defaced_T1w.json').read_text())
    assert sidecar['KeepMasks'] == [{'File': name, 'SHA256': found.provenance.keep_masks[name]}]
