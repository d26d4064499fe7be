# SPDX-License-Identifier: Apache-2.0
import json

import nibabel as nib
import numpy as np
import pytest

from facebids.cli.phantom import main
from facebids.core import phantom


def test_head_lies_where_the_truth_says(phantom_scan, phantom_person):
    from facebids.core.masks import carry_over

    _, head = phantom_person
    place = (head, phantom_scan.data.shape, phantom_scan.affine, phantom_scan.transform)
    skin = carry_over(head.skin, *place)
    inside = phantom_scan.data[skin < -3].mean()
    assert inside > 8 * phantom_scan.data[skin > 6].mean()


def test_noise_of_the_air_is_rician(phantom_scan):
    corner = phantom_scan.data[:10, :10, -10:]
    assert corner.std() > 0
    # Rayleigh: mean over standard deviation 1.91
    assert corner.mean() / corner.std() == pytest.approx(1.91, rel=0.1)


def test_people_have_different_sizes_and_faces():
    people = [phantom.draw_person(np.random.default_rng(seed)) for seed in range(40)]
    sizes = np.array([person.scale.mean() for person in people])
    assert 0.8 < sizes.min() < sizes.max() < 0.98
    assert len({person.identity for person in people}) == 40


def test_dataset(tmp_path):
    out = tmp_path / 'phantoms'
    argv = [
        str(out),
        '--participants',
        '2',
        '--sessions',
        '2',
        '--modalities',
        'T1w',
        'FLAIR',
        '--resolution',
        '4',
        '--seed',
        '3',
    ]
    assert main(argv) == 0
    scans = sorted(path.relative_to(out).as_posix() for path in out.rglob('*.nii.gz'))
    assert len(scans) == 8
    assert scans[0] == 'sub-01/ses-01/anat/sub-01_ses-01_FLAIR.nii.gz'
    truth = json.loads((out / 'sourcedata/sub-01/phantom_truth.json').read_text())
    assert set(truth) == {scan for scan in scans if scan.startswith('sub-01')}
    again = tmp_path / 'again'
    main([str(again), *argv[1:]])
    for scan in scans:
        np.testing.assert_array_equal(
            nib.load(out / scan).get_fdata(), nib.load(again / scan).get_fdata()
        )


def test_folder_in_use_is_refused(tmp_path, capsys):
    (tmp_path / 'something').write_text('precious')
    assert main([str(tmp_path)]) == 73
    assert 'Choose a new one' in capsys.readouterr().out
    assert (tmp_path / 'something').read_text() == 'precious'
