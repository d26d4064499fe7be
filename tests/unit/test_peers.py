# SPDX-License-Identifier: Apache-2.0
"""The benchmark of ours and its peers (benchmarks/peers.py)."""

import json
import sys

import defacers
import nibabel as nib
import numpy as np
import peers
import pytest

from facebids.cli.phantom import main as write_phantoms
from facebids.core import images
from facebids.core.alignment import registration


@pytest.fixture
def scanned(phantom_scan, tmp_path):
    """Write the phantom as scaled integers; return its path, and its data and header again."""
    image = nib.Nifti1Image(phantom_scan.data, phantom_scan.affine)
    image.header.set_slope_inter(2.0, 5.0)
    image.header.set_xyzt_units('mm', 'sec')
    image.header.set_sform(phantom_scan.affine, 1)
    image.header.set_qform(phantom_scan.affine, 1)
    nib.save(image, tmp_path / 'image.nii.gz')
    return tmp_path / 'image.nii.gz', nib.load(tmp_path / 'image.nii.gz')


def test_a_lossless_copy_altered_nothing_but_what_was_cut(scanned, phantom_scan, tmp_path):
    path, image = scanned
    mask = np.zeros(image.shape, bool)
    mask[:, -60:, 20:50] = True
    images.replace_voxels(path, mask, tmp_path / 'cut.nii.gz')
    compared = peers.compare(path, tmp_path / 'cut.nii.gz', mask, phantom_scan.transform)
    assert compared['altered'] == []
    assert 0.02 < compared['head_changed'] < 0.2
    assert 0.9 * mask.sum() < compared['brain_changed'] <= mask.sum()
    compared = peers.compare(path, tmp_path / 'cut.nii.gz', ~mask, phantom_scan.transform)
    assert compared['brain_changed'] == 0
    compared = peers.compare(path, tmp_path / 'cut.nii.gz', None, phantom_scan.transform)
    assert compared['brain_changed'] is None


def test_what_a_rewritten_image_lost_is_named(scanned, phantom_scan, tmp_path):
    path, image = scanned
    other = nib.Nifti1Image(image.get_fdata(dtype=np.float32), image.affine)
    nib.save(other, tmp_path / 'float.nii.gz')
    compared = peers.compare(path, tmp_path / 'float.nii.gz', None, phantom_scan.transform)
    header = {'data type', 'slope', 'intercept', 'codes', 'units'}
    assert set(compared['altered']) == header | {'kept voxels'}
    assert compared['head_changed'] == 0  # no voxel looks different
    nib.save(image.slicer[1:], tmp_path / 'smaller.nii.gz')
    compared = peers.compare(path, tmp_path / 'smaller.nii.gz', None, phantom_scan.transform)
    assert 'grid' in compared['altered']


def template(position):
    """Return a made-up template of one picture."""
    embedding = np.zeros((1, 128))
    embedding[0, :2] = position
    names = np.array(['random01'])
    return {'dlib': {'embeddings': embedding, 'found': np.array([True]), 'names': names}}


def test_searches_give_rank_1_with_its_interval():
    gallery = [template((x, 0)) for x in range(20)]
    people = [f'{x:02}' for x in range(20)]
    found = peers.identify(gallery, people, gallery, people)
    assert found['dlib']['rank_1'] == 1
    assert found['dlib']['interval'] == pytest.approx([0.025 ** (1 / 20), 1])  # all of 20
    assert not found['dlib']['holds_chance']
    assert found['dlib']['auc'] == 1
    assert found['geometry']['rank_1'] == 0  # an engine without templates finds nobody
    assert found['geometry']['holds_chance']
    assert found['geometry']['auc'] == 0.5


def test_nothing_left_to_attack_is_a_search_that_fails():
    gallery = [template((x, 0)) for x in range(4)]
    people = list('abcd')
    found = peers.identify([template((0, 0)), {}, {}, {}], people, gallery, people)
    assert found['dlib']['rank_1'] == 0.25
    assert found['dlib']['holds_chance']


def test_the_interrupted_goes_on_and_nothing_is_computed_twice(tmp_path):
    path = tmp_path / 'one.npz'
    first = peers._cached(path, lambda: ({'status': 0}, template((1, 2))))
    again = peers._cached(path, lambda: pytest.fail('computed again'))
    assert first[0] == again[0] == {'status': 0}
    assert np.array_equal(again[1]['dlib']['embeddings'], template((1, 2))['dlib']['embeddings'])
    with pytest.raises(ZeroDivisionError):
        peers._cached(tmp_path / 'two.npz', lambda: 1 / 0)
    assert [file.name for file in tmp_path.iterdir()] == ['one.npz']


def test_a_table_has_a_cell_for_every_column():
    original = {'status': 0, 'verdict': 'pass'}
    done = {'status': 0, 'frontal': True, 'seconds': [6.0, 3.0], 'altered': ['slope'],
            'brain_changed': None, 'head_changed': 0.25}  # fmt: skip
    results = {
        peers.Path(f'sub-{label}_T1w.nii.gz'): {
            peers.ORIGINAL: (original, template((x, 0))),
            peers.RAW: ({'status': 0, 'frontal': True}, template((x, 0))),
            'ours, remove': (done | {'seconds': [4.0, 2.0], 'altered': []}, template((x, 0))),
            'other': (done, {}) if x else ({'status': 1}, {}),
            'broken': ({'status': 1}, {}),
        }
        for x, label in enumerate('ab')
    }
    rows = peers.summarise(results, [peers.RAW, 'ours, remove', 'other', 'broken'])
    lines = peers.show(rows).splitlines()
    assert len({line.count('|') for line in lines}) == 1
    assert '| ours, remove | 2 | 0 | 4.0 | 2.0 | 1.00 | 100 [16, 100]' in lines[3]
    assert '| other | 2 | 1 | 6.0 | 3.0 | 1.50 |' in lines[4]
    assert '1 of 1 | - | 25 | 0 of 1 | slope |' in lines[4]
    assert lines[5].startswith('| broken | 2 | 2 | - |')
    assert 'by chance is 50.0 %' in peers._describe(results)


def test_peers_are_named_or_missed(tmp_path, monkeypatch):
    program = tmp_path / 'niimath'
    script = 'import sys, shutil\nif "--version" in sys.argv: print("v1.2 of nothing")\n'
    script += 'elif "-deface" in sys.argv: shutil.copy(sys.argv[1], sys.argv[5])\n'
    (tmp_path / 'niimath.py').write_text(script)
    # not in the first line, which takes no path with a space
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{tmp_path}/niimath.py" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv('PATH', str(tmp_path))
    found, missing = defacers.peers(tmp_path)
    assert [(peer.name, peer.version) for peer in found] == [
        ('niimath -deface', '1.2'), ('niimath -reface', '1.2'),
    ]  # fmt: skip
    assert ['quickshear' in note for note in missing] == [True]
    (tmp_path / 'in.nii').write_text('image')
    status, seconds = found[0].run(tmp_path / 'in.nii', None, tmp_path / 'out.nii')
    assert (status, (tmp_path / 'out.nii').read_text()) == (0, 'image')
    assert (seconds >= 0).all()
    status, _ = found[1].run(tmp_path / 'in.nii', None, tmp_path / 'none.nii')
    assert status == 'no output'
    assert 'niimath is skipped: name the folder' in defacers.peers(None)[1][0]


def test_brain_masks_are_found_on_the_image_own_grid(tmp_path):
    image = tmp_path / 'sub-1/anat/sub-1_T1w.nii.gz'
    folder = tmp_path / 'derivatives/brain/sub-1/anat'
    image.parent.mkdir(parents=True)
    folder.mkdir(parents=True)
    ball = np.zeros((4, 4, 4), np.uint8)
    ball[1, 2, 3] = 1
    nib.save(nib.Nifti1Image(ball, np.diag([2, 2, 2, 1])), image)
    assert defacers.list_images(tmp_path, 'T1w') == [image]
    assert defacers.list_images(tmp_path, 'T1w', ['sub-2']) == []
    assert defacers.brain_mask(tmp_path, image) is None
    for affine, expected in ((np.eye(4), False), (np.diag([2, 2, 2, 1]), True)):
        mask = folder / 'sub-1_space-T1w_desc-brain_mask.nii.gz'
        nib.save(nib.Nifti1Image(ball, affine), mask)
        found = defacers.brain_mask(tmp_path, image)
        assert (found is not None and found[1, 2, 3]) == expected


@pytest.mark.slow
def test_phantoms_are_defaced_attacked_and_tabulated(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('PATH', str(tmp_path))  # no peers
    write_phantoms([str(tmp_path / 'raw'), '--participants', '2', '--resolution', '3'])
    capsys.readouterr()
    log = tmp_path / 'numbers.json'
    command = [str(tmp_path / 'raw'), '--modes', 'remove', '--json', str(log)]
    command += ['--cache', str(tmp_path / 'cache')]
    peers.main(command)
    printed = capsys.readouterr().out
    record = json.loads(log.read_text())
    raw, ours = record['rows']
    assert raw['search']['fused']['rank_1'] == 1
    assert ours['failed'] == 0
    assert ours['lossless'] == 2
    assert ours['search']['fused']['auc'] < 1
    assert len(record['missing']) == 2
    assert '| ours, remove | 2 | 0 |' in printed
    monkeypatch.setattr(registration, 'register', lambda *_: pytest.fail('computed again'))
    peers.main(command)
    assert capsys.readouterr().out == printed
