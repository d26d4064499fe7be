# SPDX-License-Identifier: Apache-2.0
import json
import re

import pytest

from facebids.errors import DatasetError
from facebids.release import metadata, rules
from facebids.release.metadata import free_text, scrub, scrub_json, scrub_table

SIDECAR = 'sub-03/ses-1/func/sub-03_ses-1_task-rest_bold.json'

# fields of anonymised sidecars of dcm2niix, and BIDS fields
SIEMENS = {
    'Modality': 'MR',
    'MagneticFieldStrength': 3,
    'ImagingFrequency': 123.258,
    'Manufacturer': 'Siemens',
    'ManufacturersModelName': 'Prisma_fit',
    'BodyPartExamined': 'BRAIN',
    'PatientPosition': 'HFS',
    'ProcedureStepDescription': 'Kopf^Studie',
    'SoftwareVersions': 'syngo MR E11',
    'MRAcquisitionType': '2D',
    'SeriesDescription': 'ep2d_bold_MB8_PE_AP',
    'ProtocolName': 'ep2d_bold_MB8_PE_AP',
    'ScanningSequence': 'EP',
    'SequenceVariant': 'SK',
    'ScanOptions': 'FS\\EXT',
    'SequenceName': 'epfid2d1_104',
    'ImageType': ['ORIGINAL', 'PRIMARY', 'M', 'MB', 'ND', 'NORM', 'MOSAIC'],
    'NonlinearGradientCorrection': False,
    'SeriesNumber': 12,
    'AcquisitionNumber': 1,
    'ImageComments': 'Unaliased MB8/PE3/LB SENSE1',
    'SliceThickness': 2,
    'SAR': 0.0822847,
    'EchoTime': 0.037,
    'RepetitionTime': 0.8,
    'FlipAngle': 52,
    'PartialFourier': 1,
    'BaseResolution': 104,
    'ShimSetting': [4, -11, 8, 314, -187, -66, -97, 5],
    'TxRefAmp': 230.763,
    'PhaseResolution': 1,
    'ReceiveCoilName': 'Head_32',
    'ReceiveCoilActiveElements': 'HEA;HEP',
    'PulseSequenceDetails': '%CustomerSeq%\\cmrr_mbep2d_bold_20171019',
    'WipMemBlock': '7a3b||Sequence: R017 ve11c/master r/87e15fc2; Oct 19 2017 12:13:23 by eja',
    'ConsistencyInfo': 'N4_VE11C_LATEST_20160120',
    'MultibandAccelerationFactor': 8,
    'PhaseEncodingDirection': 'j-',
    'SliceTiming': [0, 0.4, 0.1],
    'ImageOrientationPatientDICOM': [1, 0, 0, 0, 1, 0],
    'InPlanePhaseEncodingDirectionDICOM': 'COL',
    'BidsGuess': ['func', '_acq-epfid2d1_dir-AP_run-12_bold'],
    'ConversionSoftware': 'dcm2niix',
    'ConversionSoftwareVersion': 'v1.0.20230411',
    'TaskName': 'rest',
    'IntendedFor': ['bids::sub-03/ses-20190304/func/sub-03_ses-20190304_bold.nii.gz'],
}
GE = {
    'Manufacturer': 'GE',
    'ManufacturersModelName': 'DISCOVERY MR750',
    'SoftwareVersions': '27\\LX\\MR Software release:DV26.0_R05_2008.a',
    'PulseSequenceName': '/usr/g/research/efgre3d_20190304',
    'InternalPulseSequenceName': 'EFGRE3D',
    'ScanOptions': 'FAST_GEMS\\SS\\EDR_GEMS\\FILTERED_GEMS\\ACC_GEMS',
    'PrescanReuseString': 'RN/s7',
    'SeriesDescription': 'Sag CUBE T2 FLAIR (300/100)',
    'CoilString': '32Ch Head',
    'ConversionSoftwareVersion': 'v1.0.20181125  (JP2:OpenJPEG) GCC9.3.0',
}
PHILIPS = {
    'Manufacturer': 'Philips',
    'SoftwareVersions': '5.6.1\\5.6.1.0',
    'ProtocolName': 'WIP sT1W_3D_TFE SENSE',
    'PhilipsRescaleSlope': 1.34383,
    'UsePhilipsFloatNotDisplayScaling': 1,
    'WaterFatShift': 11.4,
    'DelayTime': 0.00141,
}
PET = {
    'TimeZero': '10:11:12',
    'ScanStart': 0,
    'InjectionStart': 0,
    'FrameTimesStart': [0, 10, 20],
    'ImageDecayCorrectionTime': 0,
    'SpecificRadioactivityMeasTime': '09:55:00',
    'TracerName': 'CIMBI-36',
    'ReconMethodImplementationVersion': '2019-03-04',
    'AttenuationCorrectionMethodReference': 'doi:10.1000/20190304',
}
SHARED = {'siemens': SIEMENS, 'ge': GE, 'philips': PHILIPS, 'pet': PET}

# what dcm2niix adds with `-ba n`, and what dcmstack and heudiconv keep of DICOM
PRIVATE = {
    'InstitutionName': 'St. Elsewhere',
    'InstitutionalDepartmentName': 'Radiology',
    'InstitutionAddress': 'Main Street 1,Springfield,XX,12345',
    'DeviceSerialNumber': '66044',
    'StationName': 'AWP66044',
    'SeriesInstanceUID': '1.3.12.2.1107.5.2.43.66044.2019030410111234567890.0.0.0',
    'StudyInstanceUID': '1.3.12.2.1107.5.2.43.66044.30000019030407',
    'ReferringPhysicianName': 'House^Gregory',
    'PerformingPhysicianName': 'Cameron',
    'OperatorsName': 'abc',
    'StudyID': '4711',
    'PatientName': 'Doe^Jane',
    'OtherPatientNames': 'Roe',
    'PatientID': 'A123',
    'OtherPatientIDs': ['B1'],
    'AccessionNumber': '00123',
    'PatientBirthDate': '1970-01-01',
    'PatientAge': '049Y',
    'PatientSex': 'F',
    'PatientWeight': 70,
    'PatientSize': 1.7,
    'AcquisitionDateTime': '2019-03-04T10:11:12.347500',
    'AcquisitionTime': '10:11:12.347500',
    'AcquisitionDate': 20190304,
    'StudyDate': '20190304',
    'SeriesDate': '20190304',
    'ContentDate': '20190304',
    'ContentTime': 101112.3475,
    'ScanDate': '2019-03-04',
    'ImageComments': 'moved a lot',
    'PatientComments': 'claustrophobic',
    'AdditionalPatientHistory': 'epilepsy',
    'CsaSeries.UsedPatientWeight': 70,
    'FrameOfReferenceUID': '1.2.3',
    'DeviceUID': '1.2.3',
    'EthnicGroup': 'any',
    'PatientTelephoneNumbers': '1',
}


@pytest.mark.parametrize('name', SHARED)
def test_common_keys_of_sidecars_are_not_reported(name):
    text = json.dumps(SHARED[name], indent='\t') + '\n'
    assert scrub_json(text, SIDECAR) == (text, ())


@pytest.mark.parametrize('key', PRIVATE)
def test_identifying_keys_are_removed_and_others_are_kept(key):
    before, after = dict(list(SIEMENS.items())[:15]), {'EchoTime': 0.037}
    text = json.dumps(before | {key: PRIVATE[key]} | after, indent='\t')
    clean, findings = scrub_json(text, SIDECAR)
    assert clean == json.dumps(before | after, indent='\t')
    assert [(finding.where, finding.path) for finding in findings] == [(key, SIDECAR)]
    assert findings[0].rule in rules.BY_NAME


@pytest.mark.parametrize(
    'spelling', ['patientname', 'PATIENT_NAME', 'Patient Name', "Patient's Name"]
)
def test_keys_match_in_any_spelling(spelling):
    assert scrub_json(json.dumps({spelling: 'Doe'}), SIDECAR)[0] == '{}'


def test_nested_summaries_are_searched():
    text = json.dumps(
        {
            'global': {
                'const': {'StudyDate': '20190304', 'EchoTime': 37, 'PatientName': 'Doe'},
                'slices': {'SOPInstanceUID': ['1.2.3', '1.2.4'], 'SliceLocation': [1, 2]},
            },
            'time': {'samples': {'AcquisitionTime': [101112.3, 101114.3]}},
            'list': [{'OperatorsName': 'abc', 'kept': 1}, 5],
        }
    )
    clean, findings = scrub_json(text, SIDECAR)
    assert json.loads(clean) == {
        'global': {'const': {'EchoTime': 37}, 'slices': {'SliceLocation': [1, 2]}},
        'time': {'samples': {}},
        'list': [{'kept': 1}, 5],
    }
    assert [finding.where for finding in findings] == [
        'global.const.StudyDate',
        'global.const.PatientName',
        'global.slices.SOPInstanceUID',
        'time.samples.AcquisitionTime',
        'list[0].OperatorsName',
    ]


@pytest.mark.parametrize(
    ('text', 'left'),
    [
        ('{"PatientName": "Doe", "a": 1.50}', '{"a": 1.50}'),
        ('{"a": 1e-05,\r\n "PatientName": "Doe"}\r\n', '{"a": 1e-05}\r\n'),
        ('{ "a":1 , "PatientID":"b", "StudyDate":"20190304" , "b" : [ 1,2 ]}',
         '{ "a":1 , "b" : [ 1,2 ]}'),
        ('{"PatientID": "b", "PatientName": "c"}', '{}'),
        ('{"PatientName": "Doe", "PatientName": ""}', '{"PatientName": ""}'),
        ('{"Pati\\u0065ntName": "Doe"}', '{}'),
        ('[{"PatientName": "Doe"}, "2019-03-04", 3]', '[{}, 3]'),
        ('{"a": 1, "2019-03-04": 2}', '{"a": 1}'),
    ],
)  # fmt: skip
def test_a_file_is_cut_and_otherwise_unchanged(text, left):
    assert scrub_json(text, SIDECAR)[0] == left


@pytest.mark.parametrize(
    'value',
    ['', ' ', 'n/a', 'N/A', 'anonymous', 'ANON', 'Anonymized', 'removed', None, 0, 0.0, '0000',
     '00:00:00.000000', 'xxx', [], {}, ['', None], False, '000-000-0000'],
)  # fmt: skip
@pytest.mark.parametrize('key', ['PatientName', 'AcquisitionTime', 'InstitutionName'])
def test_placeholders_are_not_reported(key, value):
    text = json.dumps({key: value})
    assert scrub_json(text, SIDECAR) == (text, ())


@pytest.mark.parametrize(
    ('key', 'value', 'harmless'),
    [
        ('AcquisitionDateTime', '1901-03-04T10:11:12', True),
        ('AcquisitionDateTime', '1925-03-04T10:11:12', True),
        ('AcquisitionDateTime', '1926-03-04T10:11:12', False),
        ('PatientBirthDate', '19000101', True),
        ('PatientBirthDate', '19700101', False),
        ('StudyDate', '1901-01-01 to 2019-03-04', False),
        ('PatientID', 'sub-03', True),
        ('PatientName', '03', True),
        ('PatientID', '04', False),
        ('PatientID', '0', True),
        ('Age', 88, True),
        ('Age', 93, False),
        ('ImageComments', 'Single-band reference SENSE1', True),
        ('ImageComments', 'Unaliased MB8 Jane Doe', False),
        ('ImageComments', 'Unaliased MB8 1234567', False),
        ('ImageComments', 'magnitude', True),
    ],
)  # fmt: skip
def test_shifted_dates_and_labels_are_not_reported(key, value, harmless):
    assert (scrub_json(json.dumps({key: value}), SIDECAR)[1] == ()) is harmless


@pytest.mark.parametrize(
    ('text', 'rule'),
    [
        ('scanned on 2019-03-04', 'date in text'),
        ('pilot_20190304_a', 'date in text'),
        ('20190304101112.3', 'date in text'),
        ('am 04.03.2019', 'date in text'),
        ('3/4/2019', 'date in text'),
        ('4-Mar-2019', 'date in text'),
        ('March 4th, 2019', 'date in text'),
        ('write to jane.doe@example.org', 'contact in text'),
        ('call +49 89 1234567', 'contact in text'),
        ('(555) 123-4567', 'contact in text'),
        ('tel. 089 1234567', 'contact in text'),
        ('MRN 0012345', 'number in text'),
        ('patient id: AB12345', 'number in text'),
        ('123-45-6789', 'number in text'),
        ('1.3.12.2.1107.5.2.43.66044.2019030410111', 'UID in text'),
    ],
)
def test_identifying_text_is_found(text, rule):
    for value in (text, ['a', text], [['b', [text]]]):
        clean, findings = scrub_json(json.dumps({'a': 1, 'Other': value}), SIDECAR)
        assert json.loads(clean) == {'a': 1}
        assert [(finding.rule, finding.where) for finding in findings] == [(rule, 'Other')]


@pytest.mark.parametrize(
    'text',
    [
        'v1.0.20230411',
        '1901-03-04',
        'ICBM 2009c, MNI152NLin2009cAsym',
        '12345678',
        'range 0 to 1000000',
        '0.20190304',
        '20191304',
        '20190304123456789',
        '1.2.840.10008.5.1.4.1.1.4',
        'python@3.11',
        'git@github.com:user/repository.git',
        'b=1000/2000/3000',
        '1-10-20',
        'doi:10.1016/j.neuroimage.2021.117845',
        'aged 2010 to 2015',
        'task 1 of 12, 300 s',
    ],
)
def test_similar_text_is_not_reported(text):
    content = json.dumps({'Other': text})
    assert scrub_json(content, SIDECAR) == (content, ())


def test_long_numbers_count_in_typed_text_only():
    for key, found in {'StudyDescription': 1, 'Notes': 1, 'Description': 0, 'Other': 0}.items():
        assert len(scrub_json(json.dumps({key: 'head 1234567'}), SIDECAR)[1]) == found


def test_required_keys_lose_the_identifying_part_only():
    text = '{"TimeZero": "2019-03-04T10:11:12", "TaskName": "rest 20190304", "a": 1}'
    clean, findings = scrub_json(text, 'sub-03/pet/sub-03_pet.json')
    assert clean == '{"TimeZero": "10:11:12", "TaskName": "rest", "a": 1}'
    assert [finding.where for finding in findings] == ['TimeZero', 'TaskName']


def test_a_data_dictionary_may_describe_identifying_columns():
    text = json.dumps(
        {
            'date_of_birth': {'Description': 'Day of birth', 'Units': 'day'},
            'age': {'LongName': 'Age', 'Units': 'year'},
            'group': {'Levels': {'patient': 'patients', 'operator': 'those who operate'}},
        }
    )
    assert scrub_json(text, 'participants.json') == (text, ())
    dated = '{"q1": {"Description": "asked since 2019-03-04", "Units": "day"}}'
    assert scrub_json(dated, 'participants.json')[0] == '{"q1": {"Units": "day"}}'


def test_the_description_of_the_dataset_is_text_by_its_authors():
    text = json.dumps(
        {
            'Name': 'Heads of 2019-03-04',
            'BIDSVersion': '1.10.0',
            'Authors': ['Jane Doe', 'Richard Roe'],
            'HowToAcknowledge': 'Write to jane.doe@example.org',
            'DatasetDOI': 'doi:10.18112/openneuro.ds000001.v1.0.0',
            'InstitutionName': 'St. Elsewhere',
            'GeneratedBy': [{'Name': 'heudiconv', 'Version': '2019-03-04'}],
        }
    )
    assert scrub_json(text, 'dataset_description.json') == (text, ())
    assert scrub_json('{"PatientName": "Doe"}', 'dataset_description.json')[1]


@pytest.mark.parametrize(
    'content', [b'{"a": }', b'', b'{"a": 1', b'\xff\xfe{\0}\0', b'{"a": "\xe4"}']
)
def test_an_unreadable_file_is_an_error_that_names_it(content):
    with pytest.raises(DatasetError, match=re.escape(SIDECAR)):
        scrub(content, SIDECAR)


def test_only_json_and_tsv_files_are_searched():
    sidecar = b'\xef\xbb\xbf{"PatientName": "Doe", "a": "\xc3\xa4"}'
    clean, findings = scrub(sidecar, 'sub-03/anat/sub-03_T1w.JSON')
    assert clean == '{"a": "ä"}'.encode() and len(findings) == 1
    untouched = b'\xef\xbb\xbf{"a": 1}'
    assert scrub(untouched, SIDECAR)[0] is untouched
    for name in ('README', 'CHANGES', 'sub-03/dwi/sub-03_dwi.bval', 'physio.tsv.gz'):
        assert scrub(b'Jane Doe, 2019-03-04 \xff', name) == (b'Jane Doe, 2019-03-04 \xff', ())
    with pytest.raises(DatasetError, match=re.escape('participants.tsv')):
        scrub(b'participant_id\tname\nsub-01\tJ\xe4ger\n', 'participants.tsv')


def _schema() -> dict:
    return pytest.importorskip('bidsschematools.schema').load_schema()


@pytest.mark.filterwarnings('ignore')
def test_only_these_keys_of_bids_are_identifying():
    known = {entry['name'] for entry in _schema().objects.metadata.to_dict().values()}
    assert len(known) > 400
    assert {name for name in known if rules.of_key(name)} == {
        'DeviceSerialNumber',
        'InstitutionAddress',
        'InstitutionName',
        'InstitutionalDepartmentName',
        'SampleExtractionInstitution',
        'ScanDate',
        'StationName',
    }


@pytest.mark.filterwarnings('ignore')
def test_no_key_that_bids_requires_is_removed():
    schema = _schema().to_dict()
    required = set()

    def walk(value):
        for key, entry in value.items() if isinstance(value, dict) else ():
            for name, level in entry.items() if key == 'fields' else ():
                words = level if isinstance(level, str) else str(level)
                if 'required' in words:
                    required.add(schema['objects']['metadata'][name]['name'])
            walk(entry)

    walk(schema['rules']['sidecars'])
    assert {'TimeZero', 'TaskName', 'EchoTime'} <= required
    assert not [name for name in required if rules.of_key(name)]
    texts = {
        entry['name']
        for entry in schema['objects']['metadata'].values()
        if 'string' in json.dumps(entry) and 'enum' not in entry
    }
    assert required & texts <= metadata.REQUIRED


@pytest.mark.filterwarnings('ignore')
def test_only_these_columns_of_bids_have_a_rule():
    known = {entry['name'] for entry in _schema().objects.columns.to_dict().values()}
    assert {name for name in known if rules.of_column(name)} == {'age', 'acq_time', 'name'}


# --- tables -------------------------------------------------------------------------------------


def _column(name: str, value: str, path: str = 'participants.tsv', **units: str) -> str:
    text, findings = scrub_table(f'participant_id\t{name}\nsub-01\t{value}\n', path, units)
    cell = text.split('\n')[1].split('\t')[1]
    assert bool(findings) == (cell != value)
    assert all(finding.where == f'{name} of sub-01' for finding in findings)
    assert all(finding.value == value and finding.rule in rules.BY_NAME for finding in findings)
    return cell


@pytest.mark.parametrize(
    ('column', 'value', 'expected'),
    [
        ('age', '88', '88'),
        ('age', '89', '89'),  # what BIDS 1.11 caps ages at
        ('age', '89+', '89+'),  # as older versions did
        ('age', '90', '89'),
        ('age', '91.5', '89'),
        ('Age', '"95"', '89'),
        ('age', '90+', '89'),
        ('age', '>90', '89'),
        ('age', '80-90', '80-90'),
        ('age', '091Y', '89Y'),
        ('age', '1080M', '1068M'),
        ('age', '1060M', '1060M'),
        ('age', 'n/a', 'n/a'),
        ('age_at_scan', '94', '89'),
        ('age_months', '120', '120'),
        ('age_months', '1100', '1068'),
        ('ageInDays', '33000', '32507'),
        ('language', '93', '93'),
        ('stage', '93', '93'),
        ('percentage', '93', '93'),
        ('birth_year', '1899', 'n/a'),
        ('birth_year', '2001', '2001'),
    ],
)
def test_ages_above_89_are_capped(column, value, expected):
    assert _column(column, value) == expected


def test_the_data_dictionary_has_the_unit_of_ages():
    table = b'participant_id\tage\nsub-01\t120\n'
    dictionary = b'{"age": {"Description": "Age", "Units": "month"}}'
    assert scrub(table, 'participants.tsv', dictionary) == (table, ())
    assert scrub(table, 'participants.tsv')[0] == b'participant_id\tage\nsub-01\t89\n'


@pytest.mark.parametrize(
    ('column', 'value'),
    [
        ('date_of_birth', '1970-01-01'),
        ('DOB', '1/1/70'),
        ('birthDate', '19700101'),
        ('name', 'Jane Doe'),
        ('first_name', 'Jane'),
        ('LastName', 'Doe'),
        ('surname', 'Doe'),
        ('initials', 'JD'),
        ('mother_name', 'Ann'),
        ('address', 'Main Street 1'),
        ('city', 'Springfield'),
        ('zip_code', '12345'),
        ('Postal Code', '12345'),
        ('email', 'jane'),
        ('E-mail', 'jane'),
        ('phone_number', '5551234'),
        ('MRN', '77'),
        ('patient_id', 'A1'),
        ('hospital_number', '12'),
        ('ssn', '1'),
        ('operator', 'abc'),
        ('scan_date', '03/04/19'),
        ('date', '43528'),
        ('visit_date', 'Mar 4'),
        ('comments', 'came on 2019-03-04'),
        ('notes', 'see 1234567'),
        ('comments', 'Jane fell asleep'),
        ('Notes', 'Doe'),
        ('patient_comments', 'Jane'),
        ('sessionRemark', 'Jane'),
        ('medical_history', 'epilepsy'),
        ('anything', 'jane@example.org'),
        ('anything', '2019-03-04'),
    ],
)
def test_cells_of_identifying_columns_become_not_available(column, value):
    for path in ('participants.tsv', 'phenotype/survey.tsv', 'sub-01/sub-01_sessions.tsv'):
        assert _column(column, value, path) == 'n/a'


@pytest.mark.parametrize(
    ('column', 'value'),
    [
        ('sex', 'F'),
        ('handedness', 'R'),
        ('group', 'patient'),
        ('site', '3'),
        ('weight', '70.5'),
        ('subject_id', '17'),
        ('days_since_date', '34'),
        ('up_to_date', 'yes'),
        ('comments', '3'),
        ('volume', '1234567'),
        ('brain_age', '62.3'),
        ('phone_usage', '3'),
        ('blood_cells', '3'),
        ('filename', 'func/sub-01_20190304.nii.gz'),
        ('email', 'n/a'),
        ('birth_weight', '3.2'),
        ('scanner', 'Prisma'),
        ('sentence_comprehension', '7'),
    ],
)
def test_other_columns_are_kept(column, value):
    assert _column(column, value) == value


@pytest.mark.parametrize(
    ('value', 'expected'),
    [
        ('2019-03-04T10:11:12', 'n/a'),
        ('2019-03-04T10:11:12.000Z', 'n/a'),
        ('1926-01-01T00:00:00', 'n/a'),
        ('10:11:12', 'n/a'),
        ('1901-03-04T10:11:12', '1901-03-04T10:11:12'),
        ('1925-12-31T10:11:12', '1925-12-31T10:11:12'),
        ('n/a', 'n/a'),
    ],
)
def test_only_shifted_times_of_acquisition_are_kept(value, expected):
    text = f'filename\tacq_time\tx\r\nfunc/sub-01_bold.nii.gz\t{value}\t1.50\r\n'
    clean, findings = scrub_table(text, 'sub-01/sub-01_scans.tsv')
    assert clean == text.replace(value, expected)
    assert bool(findings) == (value != expected)
    assert _column('acq_time', value, 'sub-01/sub-01_sessions.tsv') == expected


def test_only_columns_of_experimental_tables_are_searched():
    path = 'sub-01/func/sub-01_task-faces_events.tsv'
    text = 'onset\tname\tage\taddress\tnote\n1.0\tJane Doe\t93\tMain Street\t2019-03-04\n'
    assert scrub_table(text, path) == (text, ())
    electrodes = 'name\tx\ty\tz\nFp1\t1\t2\t3\n'
    assert scrub_table(electrodes, 'sub-01/eeg/sub-01_electrodes.tsv') == (electrodes, ())
    text = 'onset\tpatient_id\tdate\n1.0\tA1\t2019-03-04\n'
    assert scrub_table(text, path)[0] == 'onset\tpatient_id\tdate\n1.0\tn/a\tn/a\n'
    numbers = '0.1\t20190304\n0.2\t20190305\n'
    assert scrub_table(numbers, 'sub-01/motion/sub-01_tracksys-a_motion.tsv') == (numbers, ())


def test_cells_beyond_the_header_are_searched_too():
    text, findings = scrub_table('participant_id\nsub-01\t2019-03-04\n', 'participants.tsv')
    assert text == 'participant_id\nsub-01\tn/a\n'
    assert findings[0].where == 'column 2 of sub-01'


def test_the_place_of_a_finding_does_not_identify():
    table = 'name\temail\nJane Doe\tjane@example.org\n'
    for finding in scrub_table(table, 'phenotype/list.tsv')[1]:
        assert finding.where in ('name of row 1', 'email of row 1')
    (finding,) = scrub_json('{"a": {"b": 1, "2019-03-04": 2}}', SIDECAR)[1]
    assert (finding.where, finding.value) == ('a.entry 2', '2019-03-04: 2')
    scans = 'filename\tacq_time\nanat/sub-01_T1w.nii.gz\t2019-03-04\n'
    (finding,) = scrub_table(scans, 'sub-01/sub-01_scans.tsv')[1]
    assert finding.where == 'acq_time of anat/sub-01_T1w.nii.gz'


def test_a_table_without_tabs_is_an_error():
    with pytest.raises(DatasetError, match=re.escape('phenotype/survey.tsv')):
        scrub_table('participant_id,name\nsub-01,Jane\n', 'phenotype/survey.tsv')


def test_a_scrubbed_file_has_no_findings():
    text = json.dumps(SIEMENS | PRIVATE, indent=2)
    clean, findings = scrub_json(text, SIDECAR)
    assert len(findings) == len(PRIVATE)
    assert json.loads(clean) == {k: v for k, v in SIEMENS.items() if k != 'ImageComments'}
    assert scrub_json(clean, SIDECAR) == (clean, ())


@pytest.mark.parametrize(
    'key', ['Comments', 'comment', 'NOTES', 'Note', 'scan_notes', 'MRComments', 'remarksOfStaff']
)
def test_words_of_keys_are_matched_in_any_spelling(key):
    text = json.dumps({key: 'Jane was late', 'EchoTime': 0.1})
    clean, (finding,) = scrub_json(text, SIDECAR)
    assert (finding.where, finding.rule) == (key, 'comment')
    assert json.loads(clean) == {'EchoTime': 0.1}


@pytest.mark.parametrize('key', ['Denoted', 'Commented', 'NotedAs', 'keynote'])
def test_a_word_inside_another_word_is_none(key):
    text = json.dumps({key: 'Jane was late'})
    assert scrub_json(text, SIDECAR) == (text, ())


def test_free_text_that_stays_is_listed():
    sidecar = {
        'SeriesDescription': 'T1 Doe',
        'ProtocolName': 'localizer',
        'Manufacturer': 'Siemens',
        'Instructions': 'Look at the cross and relax.',
        'SoftwareVersions': 'a version of some words',
        'global': {'const': {'StudyDescription': 'Jane'}},
        'trial_type': {'Description': 'what was shown to the participants'},
    }
    found = free_text(json.dumps(sidecar).encode(), SIDECAR)
    assert {item.where for item in found} == {
        'SeriesDescription', 'ProtocolName', 'Instructions', 'global.const.StudyDescription',
    }  # fmt: skip
    assert {item.rule for item in found} == {'free text'}
    table = b'participant_id\tdescription\tgroup\tdiagnosis\n'
    table += b'sub-01\tDoe\tpatient\tpain in the left hand\n'
    found = free_text(table, 'participants.tsv')
    assert [item.where for item in found] == ['description of sub-01', 'diagnosis of sub-01']
    assert free_text(table, 'sub-01/func/sub-01_task-a_events.tsv') == ()
    authors = b'{"Name": "A study of many faces and people"}'
    assert free_text(authors, 'dataset_description.json') == ()
