# SPDX-License-Identifier: Apache-2.0
import pytest

from facebids.bids import names
from facebids.bids.names import HeadImage
from facebids.errors import DatasetError

PATH = 'sub-01/ses-A/anat/sub-01_ses-A_acq-x_run-1_T1w.nii.gz'
IMAGE = HeadImage.from_relative_path(PATH, '/data')
START = 'sub-01/ses-A/anat/sub-01_ses-A_acq-x_run-1'


def test_an_image_is_read_from_its_path():
    assert IMAGE.path == f'/data/{PATH}'
    assert IMAGE.entities == (('sub', '01'), ('ses', 'A'), ('acq', 'x'), ('run', '1'))
    assert (IMAGE.suffix, IMAGE.stem) == ('T1w', 'sub-01_ses-A_acq-x_run-1')
    assert (IMAGE.participant, IMAGE.session) == ('01', 'A')
    assert (IMAGE.participant_id, IMAGE.session_id) == ('sub-01', 'ses-A')


def test_an_image_without_session_has_none():
    image = HeadImage.from_relative_path('sub-01/anat/sub-01_T1w.nii')
    assert image.session is None
    assert image.session_id is None
    assert image.path == 'sub-01/anat/sub-01_T1w.nii'


@pytest.mark.parametrize('name', ['T1w.nii.gz', 'sub-01_old_T1w.nii.gz', 'ses-A_T1w.nii.gz'])
def test_a_name_that_is_not_bids_is_refused(name):
    with pytest.raises(DatasetError, match=name):
        HeadImage.from_relative_path(f'sub-01/anat/{name}')


@pytest.mark.parametrize(
    ('made', 'expected'),
    [
        (names.defaced(IMAGE), f'{START}_desc-defaced_T1w.nii.gz'),
        (names.mask(IMAGE), f'{START}_space-T1w_desc-face_mask.nii.gz'),
        (names.sidecar(names.defaced(IMAGE)), f'{START}_desc-defaced_T1w.json'),
        (
            names.to_template(IMAGE),
            f'{START}_from-T1w_to-MNI152NLin2009aSym_mode-image_xfm.txt',
        ),
        (
            names.from_template(IMAGE),
            f'{START}_from-MNI152NLin2009aSym_to-T1w_mode-image_xfm.txt',
        ),
        (
            names.figure(IMAGE, 'slices'),
            'sub-01/figures/sub-01_ses-A_acq-x_run-1_desc-slices_T1w.png',
        ),
        (
            names.private_figure(IMAGE, 'renders'),
            'sub-01/figures/sub-01_ses-A_acq-x_run-1_desc-rendersbefore_T1w.png',
        ),
        (
            names.private_templates(IMAGE, 'before'),
            'sub-01/sub-01_ses-A_acq-x_run-1_T1w_before.npz',
        ),
        (names.withheld('sub-01/a.png'), 'withheld/sub-01/a.png'),
        (names.record(IMAGE), 'records/sub-01_ses-A_acq-x_run-1_T1w.json'),
        (names.workflow_name(IMAGE), 'sub_01_ses_A_acq_x_run_1_T1w_wf'),
        (
            names.metrics(IMAGE),
            'sub-01/ses-A/anat/sub-01_ses-A_desc-identifiability_metrics.json',
        ),
        (names.table('a_metrics.json'), 'a_metrics.tsv'),
        (names.page('01'), 'sub-01.html'),
        (names.uri(IMAGE), f'bids:raw:{PATH}'),
    ],
)
def test_every_name(made, expected):
    assert made == expected


def test_entities_are_in_the_order_of_bids():
    image = HeadImage.from_relative_path('sub-1/anat/sub-1_run-2_ce-gad_chunk-3_FLAIR.nii.gz')
    assert names.mask(image) == (
        'sub-1/anat/sub-1_ce-gad_run-2_space-FLAIR_chunk-3_desc-face_mask.nii.gz'
    )


def test_an_entity_that_is_not_in_bids_is_kept():
    image = HeadImage.from_relative_path('sub-1/anat/sub-1_site-a_T1w.nii.gz')
    assert names.defaced(image) == 'sub-1/anat/sub-1_site-a_desc-defaced_T1w.nii.gz'


def test_images_of_one_folder_share_no_name():
    other = HeadImage.from_relative_path(PATH.replace('T1w', 'FLAIR'))
    makers = (names.record, names.workflow_name)
    assert all(maker(IMAGE) != maker(other) for maker in makers)
    templates = {
        names.private_templates(image, state) for image in (IMAGE, other) for state in names.STATES
    }
    assert len(templates) == 4
    assert not set(names.public_files(IMAGE)) & set(names.public_files(other))
    assert names.metrics(IMAGE) == names.metrics(other)


@pytest.mark.parametrize(
    ('one', 'other'),
    [
        ('perf/sub-01_m0scan', 'fmap/sub-01_m0scan'),
        ('anat/sub-01_TB1map', 'fmap/sub-01_TB1map'),
        ('anat/sub-01_S0map', 'dwi/sub-01_S0map'),
    ],
)
def test_images_of_different_data_types_share_no_name(one, other):
    images = [HeadImage.from_relative_path(f'sub-01/{path}.nii.gz') for path in (one, other)]
    for image in images:
        assert names.workflow_name(image).isidentifier()
    makers = (
        lambda image: {names.record(image), names.workflow_name(image)},
        lambda image: {names.private_templates(image, state) for state in names.STATES},
        lambda image: {names.private_figure(image, kind) for kind in ('slices', 'renders')},
        lambda image: set(names.public_files(image)),
    )
    assert not any(set.intersection(*map(made, images)) for made in makers)


def test_the_data_type_is_part_of_a_name_only_where_it_is_needed():
    image = HeadImage.from_relative_path('sub-01/fmap/sub-01_m0scan.nii.gz')
    assert names.figure(image, 'slices') == 'sub-01/figures/sub-01_desc-fmapslices_m0scan.png'
    assert names.record(image) == 'records/sub-01_fmap_m0scan.json'
    anat = HeadImage.from_relative_path('sub-01/anat/sub-01_TB1map.nii.gz')
    assert names.figure(anat, 'slices') == 'sub-01/figures/sub-01_desc-slices_TB1map.png'
    assert names.record(anat) == 'records/sub-01_TB1map.json'


def test_public_files_do_not_include_the_record():
    files = names.public_files(IMAGE)
    assert len(set(files)) == len(files) == 8
    assert names.metrics(IMAGE) not in files
    assert {names.defaced(IMAGE), names.mask(IMAGE), names.to_template(IMAGE)} < set(files)
