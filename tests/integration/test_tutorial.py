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
    commands = re.findall(r'^```sh\n(.*?)^```', PAGE.read_text(), re.M | re.S)
    environment = os.environ | {
        'PATH': f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'
    }
    said = subprocess.run(
        ['sh', '-eu', '-c', ''.join(commands)],
        cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stdout + said.stderr
    (record,) = records.read_all(tmp_path / 'defaced')
    assert record.verdict == 'pass'
    assert record.identifiability.log10_lr < 0
    mentioned = set(re.findall(r'`([\w./-]+/[\w.-]+)`', PAGE.read_text()))
    assert len(mentioned) > 5
    assert not [path for path in mentioned if not (tmp_path / path).exists()]
    assert 'all as in the certificate' in said.stdout
