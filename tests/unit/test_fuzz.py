# SPDX-License-Identifier: Apache-2.0
"""Files of any content: they are read, or refused with an error that names them."""

import json

import make
import pytest
from fuzz import changed, files, fuzzed, texts, values
from hypothesis import example, given
from hypothesis import strategies as st

from facebids import filesystem
from facebids.bids import inputs, metadata, records
from facebids.core import metrics_file
from facebids.errors import DatasetError, UsageError
from facebids.release import describe, gate, head_points, unexamined
from facebids.release.attack import Attacked
from facebids.release.certificate_types import (
    Atlas,
    Certificate,
    CertifiedImage,
    ListedFile,
    Metadata,
    Software,
    Thresholds,
    ValidatorReport,
    read_certificate,
    to_json,
)
from facebids.release.metadata import free_text, scrub, scrub_json, scrub_table

T1W = 'sub-01/anat/sub-01_T1w.nii.gz'
METRICS = 'sub-01/anat/sub-01_desc-identifiability_metrics.json'
RECORDS = metrics_file.to_json([make.image_record(T1W)])
CERTIFICATE = to_json(
    Certificate(
        'dataset', '2026-01-31', Software('FaceBIDS', '1', 'a'), 'facebids', Atlas('MNI', 'b'),
        Thresholds('c'), 'limits',
        (CertifiedImage(T1W, 'remove', 'pass', (), '', 9, 0, 0, '1', 'd', 'e', 'f', 'g', 'h'),),
        (ListedFile('sub-01/func/sub-01_bold.nii', 'why'),), (), (), (), 'none', 'note',
        Metadata('report', {'name': 1}), ValidatorReport('1', '1', 0, 1, {'A': 1}), {T1W: 'f'},
    )
)  # fmt: skip
DESCRIPTION = {
    'Name': 'Mine', 'BIDSVersion': '1.10.0', 'DatasetDOI': 'doi:10.1/x', 'Authors': ['A'],
    'GeneratedBy': [{'Name': 'FaceBIDS', 'Version': '1'}], 'SourceDatasets': [{'URL': 'x'}],
}  # fmt: skip
SIDECAR = {
    'PatientName': 'Doe', 'EchoTime': 0.1, 'IntendedFor': ['bids::a'], 'TimeZero': '10:11:12',
    'Comments': 'a', 'global': {'const': {'StudyDate': '20190304', 'AcquisitionTime': 1}},
    'DigitizedHeadPoints': [[1, 2, 3]], 'age': {'Units': 'month', 'Levels': {'1': 'a'}},
}  # fmt: skip


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('fuzz')


@given(content=files(RECORDS))
@example(b'{"schema_version": 4}')
@example(b'{}')
@fuzzed
def test_metrics(folder, content):
    path = folder / METRICS
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    try:
        found = records.read(path)
        records.merge(folder, METRICS, [make.image_record(T1W)])
    except DatasetError as error:
        assert path.name in str(error)
    else:
        assert found is None or found.image
        assert [item.image for item in records.read_all(folder, ['01'])]


@given(content=files(CERTIFICATE))
@fuzzed
def test_certificates(folder, content):
    path = folder / 'CERTIFICATE.json'
    path.write_bytes(content)
    try:
        assert isinstance(read_certificate(path), Certificate)
    except DatasetError as error:
        assert path.name in str(error)


@given(content=files({'seen': {'a': {'image': T1W, 'views': 10, 'faces': 1, 'certain': 1}}}))
@fuzzed
def test_memories_of_looks(folder, content):
    path = folder / 'looks.json'
    path.write_bytes(content)
    assert all(isinstance(item, Attacked) for item in unexamined.read_looks(path).values())


@given(content=files(SIDECAR), path=st.sampled_from(['sub-01/anat/sub-01_T1w.json', 'a.json']))
@fuzzed
def test_sidecars(content, path):
    try:
        clean, findings = scrub(content, path)
    except DatasetError as error:
        assert path in str(error)
        return
    assert (clean == content) is (not findings)
    json.loads(clean.decode('utf-8-sig'))
    assert scrub(clean, path)[1] == ()
    assert all(item.value for item in free_text(clean, path))


@given(
    st.lists(st.lists(texts, max_size=4), max_size=4),
    st.sampled_from(['participants.tsv', 'sub-01/sub-01_scans.tsv', 'a_events.tsv']),
    st.sampled_from(['\n', '\r\n', '\r']),
)
@example([['participant_id', 'age', 'name'], ['sub-01', '93', 'Doe']], 'participants.tsv', '\n')
@fuzzed
def test_tables(rows, path, end):
    header = 'participant_id\tage\tcomments\tacq_time\tbirth_date'
    text = end.join([header, *('\t'.join(row) for row in rows)])
    clean, _ = scrub_table(text, path)
    assert scrub_table(clean, path) == (clean, ())
    assert clean.count('\t') == text.count('\t')
    describe.drop_rows(text, 'participant_id', {'sub-01'})


@given(st.binary(max_size=99))
@fuzzed
def test_tables_of_bytes(content):
    for path in ('participants.tsv', 'participants.json'):
        try:
            scrub(content, path, content)
            free_text(content, path)
        except DatasetError as error:
            assert path in str(error)


@given(
    st.binary(max_size=60)
    | st.lists(st.lists(texts, max_size=5).map('\t'.join), max_size=4).map(
        lambda lines: '\n'.join(['\t'.join(gate.ACCEPT_COLUMNS), *lines]).encode(errors='ignore')
    )
)
@fuzzed
def test_accept_tables(folder, content):
    path = folder / 'accepted.tsv'
    path.write_bytes(content)
    try:
        found = gate.read_accepted(path)
    except UsageError as error:
        assert path.name in str(error)
    else:
        assert all(item.decided_by and item.image == image for image, item in found.items())


@given(content=files(DESCRIPTION))
@fuzzed
def test_descriptions(folder, content):
    root = folder / 'dataset'
    root.mkdir(exist_ok=True)
    (root / 'dataset_description.json').write_bytes(content)
    found = inputs.read_description(root, required=False)
    assert isinstance(found, dict)
    assert isinstance(metadata.makers_of(found), list)
    filesystem.write_json_atomic(
        folder / 'out.json', metadata.dataset_description(found, root, folder / 'out')
    )
    try:
        inputs.read_description(root)
    except DatasetError as error:
        assert str(root) in str(error)


@given(text=changed(DESCRIPTION) | values.map(json.dumps))
@fuzzed
def test_descriptions_of_a_release(text):
    for edit in (
        lambda: describe.dataset_description(text, 'removed'),
        lambda: describe.image_sidecar(text, 'remove'),
        lambda: describe.drop_intended(text, ['sub-01/anat/a']),
        lambda: head_points.without_points(text),
    ):
        try:
            json.loads(edit())
        except ValueError as error:
            assert 'does not start with {' in str(error)


@given(texts)
@fuzzed
def test_texts_are_written(folder, text):
    path = folder / 'text'
    filesystem.write_text_atomic(path, text)
    assert path.read_bytes().decode() == text.encode(errors='backslashreplace').decode()
    readme = describe.readme(text, 'removed')
    assert describe.changes(text, '2026-01-31', 'removed') and readme


@given(st.dictionaries(texts, values, max_size=3))
@fuzzed
def test_json_is_written_and_read_back(folder, value):
    path = folder / 'value.json'
    filesystem.write_json_atomic(path, value)
    again = json.loads(path.read_bytes().decode())
    assert set(again) == set(value)
    assert all(again[key] == item for key, item in value.items() if isinstance(item, str | int))


@given(text=changed(SIDECAR))
@fuzzed
def test_scrubbing_keeps_all_else(text):
    clean, findings = scrub_json(text, 'sub-01/anat/sub-01_T1w.json')
    if not findings:
        assert clean is text
