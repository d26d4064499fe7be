# SPDX-License-Identifier: Apache-2.0
"""Masks of what is kept: which image they belong to, whether they fit, and what they cost."""

import hashlib
from dataclasses import replace

import make
import nibabel as nib
import numpy as np
import pytest

from facebids.bids.keep_masks import with_keep_masks
from facebids.bids.names import HeadImage
from facebids.bids.plan import describe, make_plan
from facebids.core import foreground, grids, images
from facebids.core.atlas import generic_atlas
from facebids.core.defacing import keep, masks
from facebids.core.verdict import judge
from facebids.errors import KeepMaskError, UsageError
from facebids.interfaces.files import RegistrationFile
from facebids.interfaces.masks import FaceMask

T1W, FLAIR = (f'sub-01/anat/sub-01_{suffix}.nii.gz' for suffix in ('T1w', 'FLAIR'))
ECHO = 'sub-01/anat/sub-01_echo-{}_part-{}_MEGRE.nii.gz'


def plan(*paths):
    heads = [HeadImage.from_relative_path(path, '/raw') for path in paths]
    return make_plan(heads), heads


@pytest.fixture
def folder(tmp_path):
    """Return a function that writes keep masks by name, and their folder."""

    def write(*masks):
        for name in masks:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(name.encode())
        return tmp_path

    return write


def assigned(folder, *paths):
    plans, heads = plan(*paths)
    found = with_keep_masks(plans, folder, heads)
    return {
        item.image.relative_path: [mask.name for mask in item.keep_masks]
        for participant in found
        for item in participant.images
    }


# --- which image --------------------------------------------------------------------------------


def test_each_image_finds_its_own_mask(folder):
    own = 'sub-01/anat/sub-01_space-T1w_desc-keep_mask.nii.gz'
    both = 'sub-01/anat/sub-01_label-lesion_desc-keep_mask.nii'
    other = 'sub-02/anat/sub-02_desc-keep_mask.nii.gz'
    root = folder(own, both, other, 'sub-01/anat/sub-01_desc-brain_mask.nii.gz')
    assert assigned(root, T1W, FLAIR) == {T1W: [both, own], FLAIR: [both]}


def test_entities_and_folder_select_the_image(folder):
    mask = 'sub-01/ses-A/anat/sub-01_ses-A_run-2_desc-keep_mask.nii.gz'
    runs = [f'sub-01/ses-A/anat/sub-01_ses-A_run-{run}_T1w.nii.gz' for run in (1, 2)]
    later = runs[1].replace('ses-A', 'ses-B')
    assert assigned(folder(mask), *runs, later) == {runs[0]: [], runs[1]: [mask], later: []}


def test_echoes_and_parts_have_the_mask_of_their_image(folder):
    mask = 'sub-01/anat/sub-01_echo-1_part-mag_space-MEGRE_desc-keep_mask.nii.gz'
    paths = [ECHO.format(echo, part) for echo in (1, 2) for part in ('mag', 'phase')]
    assert assigned(folder(mask), *paths) == {path: [mask] for path in paths}


def test_a_uniform_image_has_the_mask_of_its_inversion(folder):
    mask = 'sub-01/anat/sub-01_space-MP2RAGE_desc-keep_mask.nii.gz'
    paths = 'sub-01/anat/sub-01_UNIT1.nii.gz', 'sub-01/anat/sub-01_inv-2_MP2RAGE.nii.gz'
    assert assigned(folder(mask), *paths) == {path: [mask] for path in paths}


def test_a_single_mask_is_for_a_single_image(folder):
    path = folder('any name.nii.gz') / 'any name.nii.gz'
    assert assigned(path, T1W) == {T1W: ['any name.nii.gz']}
    with pytest.raises(UsageError, match='the run has 2'):
        assigned(path, T1W, FLAIR)
    parts = [ECHO.format(1, part) for part in ('mag', 'phase')]
    assert assigned(path, *parts) == {path: ['any name.nii.gz'] for path in parts}


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('sub-01/anat/sub-01_run-1_desc-keep_mask.nii.gz', 'belongs to no head image'),
        ('sub-01/sub-01_desc-keep_mask.nii.gz', 'belongs to no head image'),
        ('sub-01/anat/sub-01_space-FLAIR_desc-keep_mask.nii.gz', 'space FLAIR, not in that of'),
        ('sub-01/anat/sub-01_space-MNI152_desc-keep_mask.nii.gz', 'space MNI152, not in that of'),
        ('sub-01/anat/sub-01_desc-lesion_mask.nii.gz', 'holds no keep mask'),
    ],
)
def test_a_mask_that_would_not_be_kept_is_an_error(folder, name, message):
    with pytest.raises(UsageError, match=message):
        assigned(folder(name), T1W)


def test_a_missing_file_or_folder_is_an_error(tmp_path):
    with pytest.raises(UsageError, match='no such file or folder'):
        assigned(tmp_path / 'nothing', T1W)


def test_a_mask_of_an_image_that_is_not_requested_is_no_error(folder):
    root = folder('sub-01/anat/sub-01_space-FLAIR_desc-keep_mask.nii.gz')
    plans, heads = plan(T1W)
    others = [HeadImage.from_relative_path(FLAIR)]
    assert not with_keep_masks(plans, root, [*heads, *others])[0].images[0].keep_masks


def test_the_plan_names_the_masks_and_knows_their_content(folder):
    name = 'sub-01/anat/sub-01_desc-keep_mask.nii.gz'
    plans, heads = plan(T1W)
    found = with_keep_masks(plans, folder(name), heads)
    assert f'\n    keep: {name}' in describe(found)
    (mask,) = found[0].images[0].keep_masks
    assert mask.sha256 == hashlib.sha256(name.encode()).hexdigest()


# --- whether it fits ----------------------------------------------------------------------------

AFFINE = np.array([[0, -2.0, 0, 30], [2, 0, 0, -20], [0, 0, 2, 5], [0, 0, 0, 1]])


@pytest.fixture
def image(tmp_path):
    path = tmp_path / 'image.nii.gz'
    nib.save(nib.Nifti1Image(np.zeros((20, 24, 18), 'i2'), AFFINE), path)
    return path


@pytest.fixture
def box():
    box = np.zeros((20, 24, 18), bool)
    box[4:9, 10:16, 3:8] = True
    return box


def write_mask(tmp_path, data, affine=AFFINE, code=2):
    path = tmp_path / 'mask.nii.gz'
    mask = nib.Nifti1Image(data, affine)
    mask.set_sform(affine, code)
    nib.save(mask, path)
    return path


@pytest.mark.parametrize('value', [1, 255])
def test_a_mask_on_the_grid_of_the_image_is_kept_as_it_is(tmp_path, image, box, value):
    path = write_mask(tmp_path, (box * value).astype(np.uint8)[..., None])
    np.testing.assert_array_equal(keep.read_keep_masks([path], image), box)


def test_a_mask_on_another_grid_is_found_by_its_world_space(tmp_path, image, box):
    flipped = AFFINE @ np.array([[-1, 0, 0, 19], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    path = write_mask(tmp_path, box[::-1].astype('f4'), flipped)
    np.testing.assert_array_equal(keep.read_keep_masks([path], image), box)
    fine = AFFINE @ np.diag([0.5, 0.5, 0.5, 1])
    fine[:3, 3] = (AFFINE @ [-0.25, -0.25, -0.25, 1])[:3]  # the same outer corner
    doubled = box.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    path = write_mask(tmp_path, doubled.astype(np.uint8), fine)
    np.testing.assert_array_equal(keep.read_keep_masks([path], image), box)


def test_several_masks_are_kept_together(tmp_path, image, box):
    other = np.zeros_like(box)
    other[0, 0, 0] = True
    paths = [tmp_path / f'{number}.nii' for number in (1, 2)]
    for path, data in zip(paths, (box, other), strict=True):
        nib.save(nib.Nifti1Image(data.astype(np.uint8), AFFINE), path)
    np.testing.assert_array_equal(keep.read_keep_masks(paths, image), box | other)


@pytest.mark.parametrize(
    'data',
    [
        np.zeros((20, 24, 18), np.uint8),
        np.ones((20, 24, 18), np.uint8),
        np.linspace(0, 1, 20 * 24 * 18, dtype='f4').reshape(20, 24, 18),
        np.where(np.indices((20, 24, 18))[0] > 9, np.float32(np.nan), 0),
        -np.indices((20, 24, 18))[0].astype('i2'),
        np.ones((20, 24, 18, 2), np.uint8),
        np.ones((20, 24), np.uint8),
    ],
    ids=['empty', 'full', 'probabilities', 'nan', 'negative', 'two volumes', 'slice'],
)
def test_a_mask_of_other_than_two_values_is_refused(tmp_path, image, data):
    with pytest.raises(KeepMaskError, match=r'mask\.nii\.gz'):
        keep.read_keep_masks([write_mask(tmp_path, data)], image)


def test_a_mask_elsewhere_is_refused(tmp_path, image, box):
    shifted = AFFINE.copy()
    shifted[:3, 3] += 500
    with pytest.raises(KeepMaskError, match='does not overlap'):
        keep.read_keep_masks([write_mask(tmp_path, box.astype(np.uint8), shifted)], image)


@pytest.mark.parametrize('code', [3, 4])
def test_a_mask_in_the_space_of_a_template_is_refused(tmp_path, image, box, code):
    with pytest.raises(KeepMaskError, match='space of a template'):
        keep.read_keep_masks([write_mask(tmp_path, box.astype(np.uint8), code=code)], image)


# --- what it costs ------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def scan(tmp_path_factory, phantom_scan):
    """Return the phantom on disk, and its face mask without a request to keep anything."""
    path = tmp_path_factory.mktemp('keep') / 'image.nii.gz'
    nib.save(nib.Nifti1Image(phantom_scan.data, phantom_scan.affine), path)
    volume = images.read_volume(path)
    alignment = make.alignment(phantom_scan.transform)
    return path, volume, alignment, masks.mask_image(path, volume, alignment)


@pytest.fixture(scope='module')
def place(scan, phantom_scan):
    """Return the atlas coordinates of the voxels, and their depth under the generic skin."""
    atlas, volume = generic_atlas(2.0), scan[1]
    at = (atlas, volume.data.shape, volume.affine, phantom_scan.transform)
    shapes = ((-1, 1, 1), (1, -1, 1), (1, 1, -1))
    coordinates = [
        grids.carry_over(np.broadcast_to(axis.reshape(shape), atlas.skin.shape), *at)
        for axis, shape in zip(atlas.axes, shapes, strict=True)
    ]
    return (*coordinates, grids.carry_over(atlas.depth, *at))


def spared(scan, kept):
    _, volume, alignment, plain = scan
    head = foreground.head_mask(volume.data, volume.zooms)
    skin = masks.face_skin(generic_atlas(2.0), volume, alignment.affine, head)
    return masks.spare(plain, kept, head, skin, volume.zooms)


def test_kept_voxels_are_never_in_the_mask(scan, place):
    path, volume, alignment, plain = scan
    x, y, z, _ = place
    assert (plain.coverage.kept_ml, plain.coverage.kept_skin_share) == (None, None)
    kept = (np.abs(x) < 25) & (y > 60) & (z > -100) & (z < -20)
    found = masks.mask_image(path, volume, alignment, kept=kept)
    np.testing.assert_array_equal(found.mask, plain.mask & ~kept)
    tissue = foreground.head_mask(volume.data, volume.zooms) & plain.mask & kept
    numbers, before = found.coverage, plain.coverage
    assert numbers.kept_ml == pytest.approx(tissue.sum() * volume.zooms.prod() / 1000)
    assert 0.05 < numbers.kept_skin_share < 0.5
    assert numbers.skin_removed_share <= before.skin_removed_share - 0.5 * numbers.kept_skin_share
    assert numbers.head_removed_ml == pytest.approx(before.head_removed_ml - numbers.kept_ml)
    unchanged = masks.mask_image(path, volume, alignment, kept=kept, passed_on=True)
    assert not unchanged.mask.any()
    assert unchanged.coverage.kept_ml is None


@pytest.mark.parametrize('under', [0.0, 3.0])
def test_a_face_that_is_kept_under_its_skin_is_not_removed(scan, place, under):
    """A mask that spares everything but the skin would leave the shape of the face."""
    numbers = spared(scan, place[3] < -under).coverage
    assert numbers.skin_removed_share < 0.2
    record = judge(make.image_record(mask=vars(numbers)))
    assert record.verdict == 'fail'
    assert set(record.codes) >= {'face_skin_left', 'kept_by_mask'}


def test_what_lies_deep_or_elsewhere_leaves_no_skin(scan, place):
    x, y, z, depth = place
    assert spared(scan, depth < -20).coverage.kept_skin_share < 0.05
    lesion = (x - 30) ** 2 + (y - 20) ** 2 + (z - 20) ** 2 < 12**2
    found = spared(scan, lesion)
    np.testing.assert_array_equal(found.mask, scan[3].mask)
    assert (found.coverage.kept_ml, found.coverage.kept_skin_share) == (0, 0)
    assert 'kept_by_mask' not in judge(make.image_record(mask=vars(found.coverage))).codes


def test_what_is_kept_is_noted():
    found = judge(make.image_record(mask={'kept_ml': 3.0, 'kept_skin_share': 0.01}))
    assert (found.verdict, found.codes) == ('pass', ('kept_by_mask',))
    found = judge(make.image_record(mask={'kept_ml': 3.0, 'kept_skin_share': 0.04}))
    assert (found.verdict, found.codes) == ('review', ('face_skin_kept', 'kept_by_mask'))
    found = judge(make.image_record(mask={'kept_ml': 3.0, 'kept_skin_share': None}))
    assert found.verdict == 'review'


# --- the step of the workflow -------------------------------------------------------------------


def test_the_step_uses_the_mask_that_was_planned(scan, place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, _, alignment, _ = scan
    _, y, z, *_ = place
    mask = tmp_path / 'keep.nii.gz'
    images.write_mask((y > 60) & (z < -60), path, mask)
    digest = hashlib.sha256(mask.read_bytes()).hexdigest()
    make.written(tmp_path, 'registration', RegistrationFile(alignment))
    make.written(tmp_path, 'screening', make.SCREENING)

    def step(known):
        return FaceMask(
            in_file=str(path),
            registration=str(tmp_path / 'registration'),
            screening=str(tmp_path / 'screening'),
            keep_masks={str(mask): known},
        )

    found = images.read_mask(step(digest).run().outputs.mask_file)
    assert not (found & images.read_mask(mask)).any()
    assert found.any()
    assert step(digest).inputs.get_hashval() != step('0' * 64).inputs.get_hashval()
    with pytest.raises(KeepMaskError, match='changed during the run'):
        step('0' * 64).run()


def test_a_plan_reaches_the_steps(tmp_path):
    from facebids.config import Settings
    from facebids.workflows.base import init_facebids_wf

    plans, heads = plan(ECHO.format(1, 'mag'), ECHO.format(1, 'phase'))
    (tmp_path / 'keep.nii').write_bytes(b'')
    plans = with_keep_masks(plans, tmp_path / 'keep.nii', heads)
    settings = Settings(tmp_path, tmp_path / 'out', 'participant', tmp_path, tmp_path / 'private')
    flat = init_facebids_wf(settings=settings, plans=plans)._create_flat_graph()
    digest = hashlib.sha256(b'').hexdigest()
    by_name = {
        name: [n for n in flat.nodes() if n.name == name] for name in ('face_mask', 'judge')
    }
    assert len(by_name['face_mask']) == len(by_name['judge']) == 2
    for node in by_name['face_mask']:
        assert node.inputs.keep_masks == {str(tmp_path / 'keep.nii'): digest}
    for node in by_name['judge']:
        assert node.inputs.keep_masks == {'keep.nii': digest}


def test_the_sidecars_name_the_masks():
    from facebids.bids import metadata

    image = HeadImage.from_relative_path(T1W)
    for sidecar in (
        metadata.defaced_sidecar(image, 'remove', {'a/b.nii.gz': 'f' * 64}),
        metadata.mask_sidecar(image, {'a/b.nii.gz': 'f' * 64}),
    ):
        assert sidecar['KeepMasks'] == [{'File': 'a/b.nii.gz', 'SHA256': 'f' * 64}]
    assert 'KeepMasks' not in metadata.mask_sidecar(image)


def test_the_record_names_the_masks():
    from facebids.core import metrics_file, record

    proof = replace(make.PROVENANCE, keep_masks={'keep.nii': 'f' * 64})
    assert metrics_file.loads(record.Provenance, metrics_file.dumps(proof)) == proof
