# SPDX-License-Identifier: Apache-2.0
import json

import nibabel as nib
import numpy as np
import pytest

from facebids.cli.phantom import main
from facebids.core.phantoms import phantom


def test_head_matches_its_true_transform(phantom_scan, phantom_person):
    from facebids.core.grids import carry_over

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


def test_ct_scan_has_noise_in_hounsfield_units_and_a_head_rest_if_asked(phantom_person):
    person, head = phantom_person
    pose = phantom.draw_pose(np.random.default_rng(1), person)
    bare, rested = (
        phantom.scan(head, pose, 'CT', np.random.default_rng(2), head_rest=rest).data
        for rest in (False, True)
    )
    corner = bare[:10, :10, -10:]
    assert corner.mean() == pytest.approx(-1000, abs=2)
    assert corner.std() == pytest.approx(20, rel=0.1)  # two hundredths of 1000 HU
    assert 800 < bare.max() < 1400
    changed = np.argwhere(np.abs(rested - bare) > 500)
    assert len(changed) > 1000
    assert changed[:, 1].max() < bare.shape[1] / 2  # behind the head
    assert -400 < np.median(rested[tuple(changed.T)]) < 150


@pytest.mark.parametrize('modality', ['T2w', 'PDw'])
def test_the_eye_is_bright(phantom_person, modality):
    person, head = phantom_person
    pose = phantom.draw_pose(np.random.default_rng(1), person)
    scan = phantom.scan(head, pose, modality, np.random.default_rng(2), shading=0)
    t1w = phantom.scan(head, pose, 'T1w', np.random.default_rng(2), shading=0)
    eye = np.linalg.inv(scan.affine) @ pose @ [33, 58, -44, 1]
    i, j, k = np.rint(eye[:3]).astype(int)
    assert scan.data[i, j, k] > 2 * t1w.data[i, j, k]


def test_visit_changes_the_face_a_little(phantom_person):
    person, _ = phantom_person
    one, other = (phantom.visit(person, np.random.default_rng(seed)) for seed in (1, 2))
    assert one.identity != other.identity != person.identity
    np.testing.assert_array_equal(one.scale, person.scale)


def test_people_are_as_far_apart_as_people_are():
    """Distances of mean embeddings; of 30 real heads 0.42 to 0.67 (5 to 95 %), median 0.53."""
    from skimage.measure import marching_cubes

    from facebids.core.attack import recognition, render
    from facebids.core.attack.surface import Mesh

    views = render.random_views(0, 3)
    embeddings = []
    for seed in range(7):
        person = phantom.draw_person(np.random.default_rng(seed))
        head = phantom.build_person(person, 3.0)
        points, faces, normals, _ = marching_cubes(-head.skin, 0)
        vertices = (points @ head.affine[:3, :3] + head.affine[:3, 3]) * person.scale
        mesh = Mesh(vertices.astype(np.float32), faces.astype(np.int32), normals)
        found = recognition.recognise(
            render.render(mesh, np.eye(4), views), [view.name for view in views]
        )
        assert found.found.mean() > 0.6
        embeddings.append(np.nanmean(found.embeddings, axis=0))
    distances = [
        np.linalg.norm(one - other) for i, one in enumerate(embeddings) for other in embeddings[:i]
    ]
    assert min(distances) > 0.3
    assert 0.42 < np.median(distances) < 0.65


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
    poses = np.array([truth[scan] for scan in scans if scan.startswith('sub-01')])
    assert np.abs(poses[:, None] - poses[None]).max((2, 3))[~np.eye(4, dtype=bool)].min() > 0.05
    alone = tmp_path / 'alone'
    main(
        [str(alone), '--resolution', '4', '--seed', '3', '--sessions', '2', '--participants', '1']
    )
    first = 'sub-01/ses-01/anat/sub-01_ses-01_T1w.nii.gz'
    np.testing.assert_array_equal(
        nib.load(out / first).get_fdata(), nib.load(alone / first).get_fdata()
    )
    again = tmp_path / 'again'
    main([str(again), *argv[1:]])
    for scan in scans:
        np.testing.assert_array_equal(
            nib.load(out / scan).get_fdata(), nib.load(again / scan).get_fdata()
        )


def test_folder_in_use_is_refused(tmp_path, capsys):
    (tmp_path / 'something').write_text('precious')
    assert main([str(tmp_path)]) == 73
    printed = capsys.readouterr()
    assert 'Choose a new one' in printed.err
    assert printed.out == ''
    assert (tmp_path / 'something').read_text() == 'precious'


@pytest.mark.parametrize(
    ('option', 'value', 'message'),
    [
        ('--participants', '0', "'0' is not a whole number of at least 1"),
        ('--participants', 'two', "'two' is not a whole number of at least 1"),
        ('--sessions', '-1', "'-1' is not a whole number of at least 1"),
        ('--photographs', '-3', "'-3' is not a whole number of at least 0"),
        ('--seed', '-1', "'-1' is not a whole number of at least 0"),
        ('--resolution', 'nan', "'nan' is not a length from 0.5 to 5 mm"),
        ('--resolution', 'fine', "'fine' is not a length from 0.5 to 5 mm"),
    ],
)
def test_wrong_numbers_end_with_code_2_and_a_sentence(tmp_path, capsys, option, value, message):
    with pytest.raises(SystemExit) as end:
        main([str(tmp_path / 'phantoms'), f'{option}={value}'])
    assert end.value.code == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.out == ''
    assert not (tmp_path / 'phantoms').exists()
