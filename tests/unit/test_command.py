# SPDX-License-Identifier: Apache-2.0
"""How every command ends: one sentence and an exit code."""

import re
import signal
import subprocess
import sys
import time

import nibabel as nib
import pytest

from facebids.cli.command import Extra, run_command
from facebids.errors import DatasetError
from facebids.filesystem import TEMPORARY
from facebids.words import counted

COMMANDS = {
    'facebids': 'facebids',
    'facebids-mask': 'facebids.mask.cli',
    'facebids-phantom': 'facebids.cli.phantom',
    'facebids-quiz': 'facebids.quiz.cli',
    'facebids-review': 'facebids.review.cli',
    'facebids-verify': 'facebids.cli.verify',
}


def _start(module, *arguments):
    return subprocess.Popen(
        [sys.executable, '-m', module, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_answer_interrupts,
    )


def _answer_interrupts():
    """Undo what a shell does to the jobs that it starts in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize('program', COMMANDS)
@pytest.mark.parametrize('arguments', [(), ('--no-such-option', 'x')])
def test_wrong_options_are_one_sentence_that_points_to_the_help(program, arguments):
    with _start(COMMANDS[program], *arguments) as process:
        out, said = process.communicate()
    assert (process.returncode, out) == (2, '')
    assert re.fullmatch(rf'{program}: .*\. See {program} --help\.\n', said)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_phantom_run_leaves_no_dataset(tmp_path, number):
    root = tmp_path / 'phantoms'
    options = ('--participants', '99', '--resolution', '5')
    with _start('facebids.cli.phantom', root, *options) as process:
        while process.poll() is None and not list(root.glob('sub-*/anat/*.json')):
            time.sleep(0.02)
        process.send_signal(number)
        _, said = process.communicate()
    assert process.returncode == 130
    assert said == (
        f'facebids-phantom: interrupted. {root} is incomplete: delete it, and run the same '
        'command again.\n'
    )
    assert not (root / 'dataset_description.json').exists()
    assert not list(root.rglob(f'{TEMPORARY}*'))


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_scan_is_one_sentence(bids_dir, phantom_scan, number):
    path = bids_dir / 'sub-02/anat/sub-02_T1w.nii.gz'
    nib.save(nib.Nifti1Image(phantom_scan.data, phantom_scan.affine), path)
    with _start('facebids.cli.verify', '--summary', bids_dir) as process:
        while path.name not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(number)
        _, said = process.communicate()
    assert process.returncode == 130
    assert said == 'facebids-verify: interrupted. Run the same command again.\n'


@pytest.mark.parametrize(
    ('count', 'noun', 'said'),
    [
        (0, ('image',), '0 images'),
        (1, ('image',), '1 image'),
        (1200, ('entry', 'entries'), '1,200 entries'),
    ],
)
def test_counts_have_the_right_number(count, noun, said):
    assert counted(count, *noun) == said


def _raise(error):
    def command():
        raise error

    return command


@pytest.mark.parametrize(
    ('error', 'code', 'said'),
    [
        (DatasetError('x is missing.'), 65, 'x is missing.'),
        (KeyboardInterrupt(), 130, 'interrupted. Go on.'),
        (
            ModuleNotFoundError(name='starlette'),
            2,
            'This needs the packages of the quiz (starlette is missing): pip install '
            '"facebids[quiz]".',
        ),
    ],
)
def test_errors_are_one_sentence(error, code, said, capsys):
    assert run_command('x', _raise(error), 'Go on.', extra=Extra('quiz', 'of the quiz')) == code
    assert capsys.readouterr().err == f'x: {said}\n'


@pytest.mark.parametrize('error', [ValueError('secret'), ModuleNotFoundError(name='facebids.x')])
def test_an_internal_error_shows_where_it_happened(error, capsys):
    assert run_command('x', _raise(error), '', extra=Extra('quiz', 'of the quiz')) == 70
    said = capsys.readouterr().err
    assert said.startswith(f'x: internal error ({type(error).__name__}')
    assert 'Traceback' in said
    error.add_note('See the log')
    assert run_command('x', _raise(error), '') == 70
    assert 'Traceback' not in capsys.readouterr().err
    assert run_command('x', _raise(error), '', verbose=True) == 70
    assert 'Traceback' in capsys.readouterr().err
