# SPDX-License-Identifier: Apache-2.0
"""The tutorial runs as it is written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from facebids.bids import records

PAGE = Path(__file__).parents[2] / 'docs' / 'tutorial.md'


@pytest.mark.slow
def test_the_tutorial_runs_as_it_is_written(tmp_path):
    said = _run(_commands(), tmp_path)
    (record,) = records.read_all(tmp_path / 'defaced')
    assert record.verdict == 'pass'
    assert record.identifiability.log10_lr < 0
    assert not [path for path in _mentioned() if not (tmp_path / path).exists()]
    assert 'all as in the certificate' in said


def test_the_tutorial_runs_without_the_attack_and_the_release(tmp_path):
    """What takes most of the time is left out, and what then must not leave."""
    script = re.sub(r'(participant --work-dir \w+)$', r'\1 --deface-only', _commands(), flags=re.M)
    script = ''.join(line for line in script.splitlines(True) if 'upload' not in line)
    assert script.count('--deface-only') == 1
    _run(script, tmp_path)
    (record,) = records.read_all(tmp_path / 'defaced')
    assert record.codes == ('not_attacked',)
    shown = [path for path in _mentioned() if 'upload' not in path]
    assert not [path for path in shown if not (tmp_path / path).exists()]


def _commands() -> str:
    blocks = re.findall(r'^```sh\n(.*?)^```', PAGE.read_text(), re.M | re.S)
    assert len(blocks) > 5
    return ''.join(blocks)


def _mentioned() -> set[str]:
    """Return the files and folders of which the page says that they are there."""
    paths = set(re.findall(r'`([\w./-]+/[\w.-]+)`', PAGE.read_text()))
    assert len(paths) > 5
    return paths


def _run(script: str, folder: Path) -> str:
    """Run commands in a folder, and return what they print."""
    path = f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'
    done = subprocess.run(
        ['sh', '-eu', '-c', script], cwd=folder, env=os.environ | {'PATH': path},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
