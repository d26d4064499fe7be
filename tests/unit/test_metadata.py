# SPDX-License-Identifier: Apache-2.0
import hashlib
import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from facebids import filesystem
from facebids.bids import citation, metadata, names, records
from facebids.bids.names import HeadImage
from facebids.errors import DatasetError
from facebids.release import validator

PATH = 'sub-01/ses-A/anat/sub-01_ses-A_T1w.nii.gz'
IMAGE = HeadImage.from_relative_path(PATH)
URI = f'bids:raw:{PATH}'


def test_the_sidecar_of_the_defaced_image():
    sidecar = metadata.defaced_sidecar(IMAGE, 'reface')
    assert sidecar['SkullStripped'] is False
    assert sidecar['Sources'] == [URI]
    assert sidecar['DeidentificationMethodCodeSequence'][0]['CodeValue'] == '113102'
    assert 'FaceBIDS' in sidecar['DeidentificationMethod'][0]


@pytest.mark.parametrize('mode', [None, 'remove'])
def test_the_sidecar_says_whether_the_image_is_skull_stripped(mode):
    sidecar = metadata.defaced_sidecar(IMAGE, mode, skull_stripped=True)
    assert sidecar['SkullStripped'] is True


def test_the_sidecar_of_the_mask():
    sidecar = metadata.mask_sidecar(IMAGE)
    assert (sidecar['Type'], sidecar['SpatialReference'], sidecar['Sources']) == (
        'Face',
        URI,
        [URI],
    )


@pytest.mark.parametrize(
    ('bids_dir', 'output_dir', 'link'),
    [
        ('study/raw', 'study/out', '../raw'),
        ('study/raw', 'study/derivatives/out', 'urn:x-facebids:raw'),
        ('home/bob/data', 'home/jane/out', 'urn:x-facebids:raw'),
        ('bob/data', 'out', 'urn:x-facebids:raw'),
        ('study/my data', 'study/out', '../my%20data'),
        ('home/ann/raw', 'scratch/ann/study/out', 'urn:x-facebids:raw'),
    ],
)
def test_the_link_to_the_source_reveals_no_folder(tmp_path, bids_dir, output_dir, link):
    description = metadata.dataset_description({}, tmp_path / bids_dir, tmp_path / output_dir)
    assert description['DatasetLinks'] == {'raw': link}
    assert str(tmp_path) not in json.dumps(description)


@pytest.mark.parametrize('doi', ['doi:10.1/x', '10.1/x', 'https://doi.org/10.1/x'])
def test_a_doi_is_used_as_link(doi):
    description = metadata.dataset_description({'Name': 'N', 'DatasetDOI': doi}, '/a', '/b/c/d')
    assert description['DatasetLinks'] == {'raw': 'https://doi.org/10.1/x'}
    assert description['SourceDatasets'] == [{'URL': 'https://doi.org/10.1/x'}]
    assert description['Name'] == 'N: defaced'


def test_the_files_of_the_dataset_are_written_once(tmp_path):
    metadata.write_dataset_files(tmp_path / 'out', {}, tmp_path / 'raw')
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / 'out').rglob('*')}
    assert {path.name for path in files} == {
        'dataset_description.json', '.bidsignore', 'README.md', 'logs', 'CITATION.md',
        'CITATION.bib',
    }  # fmt: skip
    metadata.write_dataset_files(tmp_path / 'out', {}, tmp_path / 'raw')
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / 'out').rglob('*')} == files


def test_a_failed_write_leaves_no_file(tmp_path):
    target = tmp_path / 'folder' / 'image.nii.gz'
    target.parent.mkdir()
    target.write_text('old')

    def fail():
        with filesystem.atomic_path(target) as temporary:
            temporary.write_text('half')
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [path.name for path in target.parent.iterdir()] == ['image.nii.gz']
    assert target.read_text() == 'old'


def test_lines_are_written_as_they_come_and_an_equal_file_keeps_its_time(tmp_path):
    path = tmp_path / 'a.tsv'

    def lines(last):
        yield 'a\tb\n'
        assert not path.exists() or path.read_text() == 'a\tb\n1\té\n'  # complete or not there
        yield last

    filesystem.write_lines_atomic(path, lines('1\té\n'))
    assert path.read_text() == 'a\tb\n1\té\n'
    os.utime(path, (1, 1))
    filesystem.write_lines_atomic(path, lines('1\té\n'))
    assert path.stat().st_mtime == 1
    filesystem.write_lines_atomic(path, lines('2\té\n'))
    assert path.read_text().endswith('2\té\n')
    assert path.stat().st_mtime > 1
    assert [item.name for item in tmp_path.iterdir()] == ['a.tsv']


def test_a_write_is_atomic_and_keeps_the_extension(tmp_path):
    target = tmp_path / 'new' / 'image.nii.gz'
    with filesystem.atomic_path(target) as temporary:
        nib.save(nib.Nifti1Image(np.ones((2, 2, 2), np.uint8), np.eye(4)), temporary)
        assert not target.exists()
    assert nib.load(target).shape == (2, 2, 2)


def test_concurrent_writers_use_different_temporary_files(tmp_path):
    with (
        filesystem.atomic_path(tmp_path / 'a') as first,
        filesystem.atomic_path(tmp_path / 'a') as two,
    ):
        first.write_text('first')
        two.write_text('two')
    assert (tmp_path / 'a').read_text() == 'first'
    assert len(list(tmp_path.iterdir())) == 1


def test_json_supports_numpy_and_has_no_nan(tmp_path):
    values = {'a': float('nan'), 'b': np.float32(0.5), 'c': (np.int64(2), np.inf), 'd': 'ä'}
    filesystem.write_json_atomic(tmp_path / 'a.json', values)
    text = (tmp_path / 'a.json').read_text(encoding='utf-8')
    assert json.loads(text) == {'a': None, 'b': 0.5, 'c': [2, None], 'd': 'ä'}
    assert 'ä' in text


def test_every_reference_is_cited_and_every_citation_is_listed():
    text = ' '.join(citation.paragraphs())
    assert all(f'[{number}]' in text for number in range(1, len(citation.REFERENCES) + 1))
    assert all(item.url in citation.markdown() for item in citation.REFERENCES)
    assert all(f'@article{{{item.key},' in citation.bibtex() for item in citation.REFERENCES)


DERIVED_FROM = (
    PATH,
    PATH.replace('T1w', 'FLAIR'),
    'sub-02/anat/sub-02_ce-gad_run-1_T1w.nii.gz',
    'sub-02/anat/sub-02_echo-1_part-phase_MEGRE.nii.gz',
    'sub-02/ses-A/anat/sub-02_ses-A_acq-hi_inv-1_part-mag_MP2RAGE.nii.gz',
    'sub-02/ses-A/anat/sub-02_ses-A_inv-1_IRT1.nii.gz',
    'sub-02/ses-A/anat/sub-02_ses-A_flip-1_VFA.nii.gz',
    'sub-02/ses-A/anat/sub-02_ses-A_acq-hi_run-1_echo-1_flip-2_mt-off_part-mag_MPM.nii.gz',
    'sub-02/ses-A/anat/sub-02_ses-A_mt-on_MTR.nii.gz',
    'sub-02/ses-A/anat/sub-02_ses-A_flip-1_mt-on_MTS.nii.gz',
    'sub-02/ses-A/ct/sub-02_ses-A_ct.nii.gz',
    'sub-02/ses-A/func/sub-02_ses-A_task-rest_echo-1_bold.nii.gz',
    'sub-02/ses-A/fmap/sub-02_ses-A_acq-x_run-1_magnitude1.nii.gz',
    'sub-02/ses-A/pet/sub-02_ses-A_trc-FDG_pet.nii.gz',
    'sub-02/ses-A/perf/sub-02_ses-A_asl.nii.gz',
    'sub-02/ses-A/dwi/sub-02_ses-A_dir-AP_dwi.nii.gz',
)


def _write_derivatives(root: Path) -> None:
    """Write what a run would, with tiny images."""
    metadata.write_dataset_files(root, {'Name': 'Skeleton'}, root.parent / 'raw')
    grid = nib.Nifti1Image(np.ones((4, 4, 4), np.uint8), np.eye(4))
    grid.header.set_xyzt_units('mm', 'sec')
    series = nib.Nifti1Image(np.ones((4, 4, 4, 2), np.uint8), np.eye(4))
    series.header.set_xyzt_units('mm', 'sec')
    for image in map(HeadImage.from_relative_path, DERIVED_FROM):
        sidecars = {
            names.defaced(image): metadata.defaced_sidecar(image, 'remove'),
            names.mask(image): metadata.mask_sidecar(image),
        }
        for name, sidecar in sidecars.items():
            with filesystem.atomic_path(root / name) as temporary:
                nib.save(series if 'defaced_bold' in name else grid, temporary)
            filesystem.write_json_atomic(root / names.sidecar(name), sidecar)
        for name in (names.to_template(image), names.from_template(image)):
            filesystem.write_text_atomic(root / name, '#Insight Transform File V1.0\n')
        filesystem.write_text_atomic(root / names.figure(image, 'slices'), '')
        record = records.failed(image, 'not_a_head_error', 'x')
        records.merge(root, names.metrics(image), [record])
        filesystem.write_text_atomic(root / names.page(image.participant), '<html></html>')
    found = records.read_all(root)
    filesystem.write_text_atomic(root / names.GROUP_TABLE, records.table(found))
    filesystem.write_json_atomic(root / names.GROUP_DICTIONARY, records.dictionary(found))
    filesystem.write_text_atomic(root / names.GROUP_PAGE, '<html></html>')


def test_the_validator_finds_no_error(tmp_path):
    if validator.find() is None:
        pytest.skip('bids-validator-deno is not installed (pip install facebids[validate])')
    _write_derivatives(tmp_path / 'out')
    report = validator.validate(tmp_path / 'out')
    assert sorted({(issue.code, issue.location) for issue in report.errors}) == []
    assert report.files > 10


def test_sha256(tmp_path):
    content = b'x' * 3_000_000
    (tmp_path / 'a').write_bytes(content)
    assert filesystem.sha256(tmp_path / 'a') == hashlib.sha256(content).hexdigest()
    with pytest.raises(DatasetError, match='cannot be read'):
        filesystem.sha256(tmp_path / 'b')
