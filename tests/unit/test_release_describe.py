# SPDX-License-Identifier: Apache-2.0
"""What files say about a dataset that was defaced."""

import json

import pytest

import facebids
from facebids.release import describe


def test_the_program_is_added_to_generated_by():
    text = json.dumps({'Name': 'X', 'License': 'CC0', 'GeneratedBy': [{'Name': 'heudiconv'}]})
    value = json.loads(describe.dataset_description(text, 'air'))
    assert value['Name'] == 'X'
    assert value['License'] == 'CC0'
    assert value['DatasetType'] == 'raw'
    assert [item['Name'] for item in value['GeneratedBy']] == ['heudiconv', 'FaceBIDS']
    assert value['GeneratedBy'][1]['Version'] == facebids.__version__


def test_the_program_is_listed_once():
    once = describe.dataset_description('{"Name": "X", "BIDSVersion": "1.9.0"}', 'air')
    assert describe.dataset_description(once, 'air') == once


def test_the_doi_of_the_original_is_listed():
    value = json.loads(describe.dataset_description('{"DatasetDOI": "doi:10.1/x"}', 'air'))
    assert value['SourceDatasets'] == [{'URL': 'https://doi.org/10.1/x'}]


def test_a_dataset_without_description_gets_one():
    assert json.loads(describe.dataset_description(None, 'air'))['BIDSVersion']


@pytest.mark.parametrize(
    ('before', 'version'),
    [
        ('', '1.0.0'),
        ('1.2.9 2020-01-01\n  - Began.\n', '1.2.10'),
        ('Revision history\n\nv2.0.0 2020-01-01\n - x\n\n1.0.0 2019-01-01\n', '2.0.1'),
        ('not versioned\n', '1.0.0'),
    ],
)
def test_changes_get_a_version_on_top(before, version):
    after = describe.changes(before, '2026-01-31', 'air')
    assert after.startswith(f'{version} 2026-01-31\n  - ')
    assert after.endswith(before)


def test_the_readme_is_kept_and_gets_a_paragraph():
    after = describe.readme('# Mine\n\nText.\n', 'air')
    assert after.startswith('# Mine\n\nText.\n\nDefacing\n--------\n')
    assert describe.readme('', 'air').startswith('Defacing')


def test_a_sidecar_keeps_its_keys():
    value = json.loads(describe.image_sidecar('{"EchoTime": 0.003, "FlipAngle": 8}', 'remove'))
    assert (value['EchoTime'], value['FlipAngle']) == (0.003, 8)
    assert len(value['DeidentificationMethod']) == 1
    assert value['DeidentificationMethodCodeSequence'][0]['CodeValue'] == '113102'


def test_an_earlier_deidentification_is_kept():
    text = '{"DeidentificationMethod": ["names removed"]}'
    once = describe.image_sidecar(text, 'remove')
    assert json.loads(once)['DeidentificationMethod'][0] == 'names removed'
    assert describe.image_sidecar(once, 'remove') == once


TABLE = 'filename\tnote\nanat/sub-01_T1w.nii.gz\ta\r\nanat/sub-01_T2w.nii.gz\tb\n'


def test_other_rows_stay_the_same_byte_by_byte():
    after = describe.drop_rows(TABLE, 'filename', {'anat/sub-01_T2w.nii.gz'})
    assert after == 'filename\tnote\nanat/sub-01_T1w.nii.gz\ta\r\n'
    assert describe.drop_rows(TABLE, 'participant_id', {'a'}) == TABLE
    assert describe.drop_rows('', 'filename', {'a'}) == ''


@pytest.mark.parametrize('reference', ['ses-1/func/a.nii.gz', 'bids::sub-01/ses-1/func/a.nii.gz'])
def test_excluded_files_are_removed_from_intended_for(reference):
    dropped = {'sub-01/ses-1/func/a.nii.gz'}
    other = 'ses-1/func/b.nii.gz'
    after = json.loads(
        describe.drop_intended(json.dumps({'IntendedFor': [reference, other]}), dropped)
    )
    assert after == {'IntendedFor': [other]}
    alone = json.dumps({'A': 1, 'IntendedFor': reference})
    assert json.loads(describe.drop_intended(alone, dropped)) == {'A': 1}


def test_a_sidecar_without_excluded_files_is_not_changed():
    text = '{"IntendedFor":   "ses-1/func/b.nii.gz"}'
    assert describe.drop_intended(text, {'sub-01/ses-1/func/a.nii.gz'}) == text


def test_patterns_are_added_once():
    once = describe.bidsignore('mine\n', ['ct'])
    assert once.splitlines()[0] == 'mine'
    assert 'ct' in once.splitlines()
    assert describe.bidsignore(once, ['ct']) == once


@pytest.mark.parametrize(
    ('makers', 'kept'),
    [('"me"', ['me']), ('["me"]', ['me']), ('{"Name": "me"}', [{'Name': 'me'}]), ('null', [])],
)
def test_invalid_entries_of_generated_by_are_kept(makers, kept):
    text = f'{{"Name": "x", "GeneratedBy": {makers}, "DatasetDOI": 3}}'
    made = json.loads(describe.dataset_description(text, 'x'))['GeneratedBy']
    assert made[:-1] == kept
    assert made[-1]['Name'] == 'FaceBIDS'


def test_intended_for_of_any_type_is_compared():
    text = '{"IntendedFor": [1, null, "anat/a.nii"]}'
    kept = json.loads(describe.drop_intended(text, {'sub-01/anat/a.nii'}))
    assert kept == {'IntendedFor': [1, None]}
