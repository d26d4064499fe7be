# SPDX-License-Identifier: Apache-2.0
import json
import shutil
import stat
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from facebids.errors import FacebidsError
from facebids.release import validator
from facebids.release.validator import Issue

installed = pytest.mark.skipif(
    validator.find() is None,
    reason='bids-validator-deno is not installed: pip install facebids[validate]',
)

ANSWER = {
    'issues': {
        'issues': [
            {'code': 'A', 'severity': 'error', 'location': '/README', 'issueMessage': 'a\n b'},
            {'code': 'B', 'subCode': 'Name', 'severity': 'warning', 'location': '/x.json'},
            {'code': 'B', 'subCode': 'Name', 'severity': 'warning', 'location': '/y.json'},
            {'code': 'C', 'severity': 'error', 'affects': ['/dataset_description.json']},
            {'code': 'D', 'severity': 'ignore', 'location': '/z'},
            {'code': 'E', 'severity': 'something new'},
        ],
        'codeMessages': {'A': 'of all A', 'B': 'of all B'},
    },
    'summary': {'totalFiles': 3, 'schemaVersion': '1.2.7'},
}


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Return a function that puts a shell script in the place of the validator."""

    def put(script: str, version: str = 'echo "bids-validator 9.8.7" && exit 0') -> None:
        program = tmp_path / 'bin' / validator.PROGRAM
        program.parent.mkdir()
        version = f'[ "$1" = --version ] && {version}\n'
        program.write_text(f'#!/bin/sh\n{version}{script}\n')
        program.chmod(0o755)
        monkeypatch.setattr(validator, 'find', lambda: program)

    return put


def answer(value) -> str:
    """Return a script that writes JSON where the validator is asked to write its report."""
    return f'cat > "$4" <<\'END\'\n{json.dumps(value)}\nEND\n'


# --- the real one -------------------------------------------------------------------------------


@installed
def test_a_raw_dataset_without_errors(bids_dir):
    shutil.rmtree(bids_dir / 'sub-01' / 'ses-A' / 'func')
    shutil.rmtree(bids_dir / 'sub-02' / 'perf')
    report = validator.validate(bids_dir)
    assert report.errors == ()
    assert report.valid
    assert report.files > 3
    assert 'JSON_KEY_RECOMMENDED: License' in report.counts
    assert 'README_FILE_MISSING' in {issue.code for issue in report.warnings}
    assert [int(part) for part in report.version.split('.')] >= [3]
    assert report.schema


@installed
def test_errors_are_found_in_names_in_headers_and_in_sidecars(bids_dir):
    image = 'sub-01/ses-B/anat/sub-01_ses-B_acq-hi_run-1_T1w.nii.gz'
    (bids_dir / image).write_bytes(b'no image')
    (bids_dir / 'sub-02' / 'anat' / 'notes.txt').write_text('x')
    (bids_dir / 'sub-02' / 'anat' / 'sub-02_T1w.json').write_text('{"EchoTime": "long"}')
    report = validator.validate(bids_dir)
    assert not report.valid
    found = {(issue.code, issue.location) for issue in report.errors}
    assert ('NOT_INCLUDED', 'sub-02/anat/notes.txt') in found
    assert ('JSON_SCHEMA_VALIDATION_ERROR: EchoTime', 'sub-02/anat/sub-02_T1w.json') in found
    assert any(code.startswith('NIFTI_') and place == image for code, place in found)
    assert all(issue.message for issue in report.errors)
    assert report.counts['NOT_INCLUDED'] == 1


@installed
def test_masks_of_a_raw_dataset_are_valid(tmp_path, bids_dir):
    folder = bids_dir / 'sub-02' / 'anat'
    for name in ('mod-T1w', 'mod-MEGRE_echo-1', 'echo-1_mod-MEGRE'):
        shutil.copy(folder / 'sub-02_T1w.nii.gz', folder / f'sub-02_{name}_defacemask.nii.gz')
    found = {
        (issue.code, Path(issue.location).name)
        for issue in validator.validate(bids_dir).errors
        if 'defacemask' in issue.location
    }
    assert ('ENTITY_NOT_IN_RULE', 'sub-02_mod-MEGRE_echo-1_defacemask.nii.gz') in found
    assert ('FILENAME_MISMATCH', 'sub-02_echo-1_mod-MEGRE_defacemask.nii.gz') in found
    assert not [name for _, name in found if name == 'sub-02_mod-T1w_defacemask.nii.gz']


@installed
def test_a_home_that_cannot_be_written_and_spaces_and_settings(bids_dir, monkeypatch):
    root = bids_dir.rename(bids_dir.with_name('-my data'))
    monkeypatch.chdir(root.parent)
    monkeypatch.setenv('HOME', '/proc/nowhere')
    monkeypatch.setenv('XDG_CACHE_HOME', '/proc/nowhere')
    monkeypatch.setenv('DENO_DIR', '/proc/nowhere')
    monkeypatch.setenv('BIDS_SCHEMA', 'http://localhost:9/schema.json')  # would be downloaded
    monkeypatch.setenv('FORCE_COLOR', '1')
    before = sorted(root.rglob('*'))
    report = validator.validate(Path('-my data'))
    assert report.files > 3
    assert not report.version.endswith('m')  # of an escape sequence
    assert sorted(root.rglob('*')) == before


@installed
def test_inside_of_a_checkout_its_version_is_its_own(tmp_path, bids_dir, monkeypatch):
    bids_validator_deno = pytest.importorskip('bids_validator_deno')  # it may be another's on PATH
    expected = validator.validate(bids_dir).version
    checkout = tmp_path / 'checkout'
    shutil.copytree(Path(bids_validator_deno.__file__).parent, checkout / 'bids_validator_deno')
    ours = ['git', '-C', checkout, '-c', 'user.name=A', '-c', 'user.email=a@b.org']
    for command in (['init', '-q'], ['commit', '-q', '--allow-empty', '-m', 'x']):
        subprocess.run([*ours, *command], check=True)
    program = checkout / validator.PROGRAM
    script = 'from bids_validator_deno import cli; cli()'
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH="{checkout}" exec "{sys.executable}" -c "{script}" "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(validator, 'find', lambda: program)
    assert validator.validate(bids_dir).version == expected == version('bids-validator-deno')


@installed
def test_a_missing_dataset_is_an_error(tmp_path):
    with pytest.raises(FacebidsError, match=r'The BIDS validator failed .*No such file'):
        validator.validate(tmp_path / 'nowhere')


# --- what it says -------------------------------------------------------------------------------


def test_a_report_is_read(tmp_path, stand_in):
    stand_in(answer(ANSWER) + 'echo noise; exit 16')
    report = validator.validate(tmp_path)
    assert (report.version, report.schema, report.files) == ('9.8.7', '1.2.7', 3)
    assert report.errors == (
        Issue('A', 'error', 'README', 'a b'),
        Issue('C', 'error', 'dataset_description.json', ''),
        Issue('E', 'something new', '', ''),
    )
    assert report.warnings == (
        Issue('B: Name', 'warning', 'x.json', 'of all B'),
        Issue('B: Name', 'warning', 'y.json', 'of all B'),
    )
    assert report.counts == {'A': 1, 'C': 1, 'E': 1, 'B: Name': 2}
    assert list(report.counts)[-1] == 'B: Name'
    assert not report.valid


def test_no_absolute_path_is_in_a_report(tmp_path, stand_in):
    said = f'cannot read {tmp_path.resolve()}/sub-01/x.json'
    issue = {'code': 'A', 'severity': 'error', 'location': '/x', 'issueMessage': said}
    stand_in(answer(ANSWER | {'issues': {'issues': [issue], 'codeMessages': {}}}) + 'exit 16')
    assert validator.validate(tmp_path).errors[0].message == 'cannot read sub-01/x.json'


NOTHING_FOUND = {'issues': {'issues': [], 'codeMessages': {}}, 'summary': {'totalFiles': 3}}
FAILURES = {
    'crash': ('echo "out of memory" >&2; exit 1', 'out of memory'),
    'silence': ('exit 0', 'report is unreadable'),
    'half a report': ('printf \'{"issues": \' > "$4"', 'report is unreadable'),
    'other report': ('printf \'{}\' > "$4"', 'report is unreadable'),
    'list': ('printf \'[]\' > "$4"', 'report is unreadable'),
    'no summary': (answer({'issues': ANSWER['issues']}), 'report is unreadable'),
    'crash after the report': (answer(NOTHING_FOUND) + 'exit 1', 'exit code 1'),
    'killed': (answer(NOTHING_FOUND) + 'kill -9 $$', 'exit code -9'),
}


@pytest.mark.parametrize('name', FAILURES)
def test_a_validator_that_fails_never_means_no_errors(tmp_path, stand_in, name):
    script, reason = FAILURES[name]
    stand_in(script)
    with pytest.raises(FacebidsError, match='The BIDS validator failed') as caught:
        validator.validate(tmp_path)
    assert reason in str(caught.value)


def test_a_dataset_without_findings_is_valid(tmp_path, stand_in):
    stand_in(answer(NOTHING_FOUND))
    report = validator.validate(tmp_path)
    assert report.valid
    assert report.counts == {}


def test_a_validator_that_takes_too_long_is_stopped(tmp_path, stand_in):
    stand_in('exec sleep 60')
    with pytest.raises(FacebidsError, match=r'did not finish within 0\.5 s'):
        validator.validate(tmp_path, timeout=0.5)


def test_a_program_that_does_not_start_is_an_error(tmp_path, stand_in, monkeypatch):
    stand_in('exit 0')
    validator.find().write_text('#!/no/such/interpreter\n')
    with pytest.raises(FacebidsError, match='No such file'):
        validator.validate(tmp_path)


# --- where it is --------------------------------------------------------------------------------


@pytest.mark.parametrize('where', ['beside', 'path'])
def test_it_is_found_beside_python_and_on_the_path(tmp_path, monkeypatch, where):
    monkeypatch.setattr(sys, 'executable', str(tmp_path / 'beside' / 'python'))
    monkeypatch.setenv('PATH', str(tmp_path / 'path'))
    assert validator.find() is None
    assert validator.validate(tmp_path) is None
    program = tmp_path / where / validator.PROGRAM
    program.parent.mkdir()
    program.touch()
    assert validator.find() is None  # it cannot be run
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    assert validator.find() == program


def test_a_validator_that_is_killed_when_asked_for_its_version_is_an_error(bids_dir, stand_in):
    stand_in(answer(ANSWER), version='kill -9 $$')
    with pytest.raises(FacebidsError, match='exit code -9 when asked for its version'):
        validator.validate(bids_dir)
