# SPDX-License-Identifier: Apache-2.0
import json
from concurrent.futures import ProcessPoolExecutor

import pytest
from make import image_record, seen

from facebids.bids import names, records
from facebids.bids.names import HeadImage
from facebids.core import metrics_file
from facebids.core.metrics import METRICS
from facebids.core.record import Reason
from facebids.errors import DatasetError

T1W = HeadImage.from_relative_path('sub-01/ses-A/anat/sub-01_ses-A_T1w.nii.gz')
FLAIR = HeadImage.from_relative_path('sub-01/ses-A/anat/sub-01_ses-A_FLAIR.nii.gz')
NAME = names.metrics(T1W)


FOUND = {
    'faces_before': 9,
    'distance_within_before': None,
    'distance_before_after': float('nan'),
    'named': seen(halfside=(True, False)),
}


def _record(image, **changes):
    return image_record(image.relative_path, **{'identifiability': FOUND} | changes)


def test_later_records_take_the_place_of_earlier_ones_of_the_same_image(tmp_path):
    records.merge(tmp_path, NAME, [_record(T1W)])
    records.merge(tmp_path, NAME, [_record(FLAIR)])
    records.merge(tmp_path, NAME, [records.failed(T1W, 'empty_image_error', 'No signal.')])
    images = json.loads((tmp_path / NAME).read_text())['images']
    assert [(item['image'], item['verdict']) for item in images] == [
        (FLAIR.relative_path, 'pass'),
        (T1W.relative_path, 'fail'),
    ]
    assert images[0]['identifiability']['distance_before_after'] is None
    assert images[1]['mask'] is None
    lines = (tmp_path / names.table(NAME)).read_text().splitlines()
    assert len(lines) == 3
    assert sorted(path.name for path in (tmp_path / NAME).parent.iterdir()) == [
        'sub-01_ses-A_desc-identifiability_metrics.json',
        'sub-01_ses-A_desc-identifiability_metrics.tsv',
    ]


def _merge_run(root, number):
    path = f'sub-01/ses-A/anat/sub-01_ses-A_run-{number}_T1w.nii.gz'
    records.merge(root, NAME, [_record(HeadImage.from_relative_path(path))])


def test_jobs_at_the_same_time_lose_no_record(tmp_path):
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(_merge_run, [tmp_path] * 20, range(20)))
    assert len(records.read_all(tmp_path)) == 20


def test_metrics_that_cannot_be_read_are_named(tmp_path):
    records.merge(tmp_path, NAME, [_record(T1W)])
    (tmp_path / NAME).write_text('{"images": [')
    with pytest.raises(DatasetError, match='Delete the file'):
        records.read_all(tmp_path)


def test_records_of_some_participants(tmp_path):
    other = HeadImage.from_relative_path('sub-02/anat/sub-02_T1w.nii.gz')
    records.merge(tmp_path, NAME, [_record(T1W)])
    records.merge(tmp_path, names.metrics(other), [_record(other)])
    assert [item.image for item in records.read_all(tmp_path, ['02'])] == [other.relative_path]
    assert len(records.read_all(tmp_path)) == 2


def test_the_table_has_a_value_or_na_in_every_cell():
    reason = Reason('face_found_after', 'fail', 'm')
    rows = [_record(T1W, verdict='fail', reasons=(reason, reason)), _record(FLAIR)]
    header, first, second = (line.split('\t') for line in records.table(rows).splitlines())
    assert len(header) == len(first) == len(second)
    values = dict(zip(header, first, strict=True))
    assert header[0] == 'participant_id'
    assert values['reasons'] == 'face_found_after,face_found_after'
    assert values['distance_before_after'] == 'n/a'
    assert values['distance_within_before'] == 'n/a'
    assert values['named_halfside_before'] == 'true'
    assert values['faces_after'] == '0'
    assert values['mask_volume_ml'] == '800'
    assert dict(zip(header, second, strict=True))['reasons'] == 'n/a'


def test_the_dictionary_describes_every_column_and_says_what_is_safer():
    table, dictionary = records.table([_record(T1W)]), records.dictionary([_record(T1W)])
    assert list(dictionary) == table.splitlines()[0].split('\t')
    assert all(item['Description'] for item in dictionary.values())
    metrics = {name: item for name, item in dictionary.items() if name not in records.COLUMNS}
    assert {metric.column for metric in METRICS} < set(metrics)
    assert all('safer' in item['Description'] for item in metrics.values())
    assert dictionary['verdict']['Levels'].keys() == {'pass', 'review', 'fail'}
    assert dictionary['mask_volume_ml']['Units'] == 'mL'
    assert 'half side view before' in dictionary['named_halfside_before']['Description']


def test_a_record_is_read_as_it_was_written(tmp_path):
    numbers = {'distance_at_known_place': 0.1 + 0.2, 'distance_within_before': 1 / 3}
    written = image_record(T1W.relative_path, identifiability=numbers)
    records.write(tmp_path / 'record.json', written)
    assert records.read(tmp_path / 'record.json') == written


DAMAGED = {
    'no JSON': '{"images": [',
    'a list': '[]',
    'nothing': '{}',
    'nested too deeply': '[' * 100_000,
    'no Unicode': b'\xff\xfe',
}


@pytest.mark.parametrize('text', DAMAGED.values(), ids=DAMAGED)
def test_damaged_metrics_are_named(tmp_path, text):
    path = tmp_path / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DatasetError, match='desc-identifiability_metrics'):
        records.read_all(tmp_path)


@pytest.mark.parametrize('version', [None, 1, 2, 3])
def test_metrics_of_another_version_say_so(tmp_path, version):
    content = metrics_file.to_json([_record(T1W, identifiability=None)])
    content['images'][0]['registration'] = {'way': 'own'}  # as version 1 had it
    del content['schema_version']
    content |= {'schema_version': version} if version else {}
    path = tmp_path / NAME
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=f'schema version {version or 1}, not 4'):
        records.read_all(tmp_path)


@pytest.mark.parametrize(
    ('key', 'value'),
    [('verdict', 'perhaps'), ('verdict', None), ('image', 1), ('mask', {}), ('reasons', [{}])],
)
def test_a_record_with_a_wrong_value_is_not_read(key, value):
    content = metrics_file.to_json([_record(T1W, identifiability=None)])
    content['images'][0][key] = value
    with pytest.raises(ValueError, match=key):
        metrics_file.from_json(json.dumps(content))


def test_a_record_that_is_not_there(tmp_path):
    assert records.read(tmp_path / 'no.json') is None
