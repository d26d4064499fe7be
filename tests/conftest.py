# SPDX-License-Identifier: Apache-2.0
"""What several tests share: the real heads, if there are any, and a network that is not there."""

import os
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GUARD = Path(__file__).parent / 'network_guard'

runpy.run_path(str(GUARD / 'sitecustomize.py'))  # inert until `no_network` names its log


def pytest_collection_modifyitems(items):
    """Mark what asks for real heads, so that ``-m heads`` selects it."""
    for item in items:
        if 'heads' in item.fixturenames:
            item.add_marker('heads')


@pytest.fixture(scope='session')
def heads() -> Path:
    """Folder of real head images: ``FACEBIDS_HEADS``, or ``shared/heads`` beside the checkout."""
    folder = Path(os.environ.get('FACEBIDS_HEADS') or ROOT.parent / 'shared' / 'heads')
    if not folder.is_dir():
        pytest.skip('no real heads: set FACEBIDS_HEADS to a folder of head images to run this')
    return folder


@pytest.fixture
def no_network(monkeypatch, tmp_path_factory):
    """Refuse every connection but to this machine, here and in child Python processes.

    A refused connection fails the test even where the code that tried it swallowed the error.
    """
    log = tmp_path_factory.mktemp('network') / 'attempts.txt'
    paths = [str(GUARD), *filter(None, [os.environ.get('PYTHONPATH')])]
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join(paths))
    monkeypatch.setenv('FACEBIDS_NETWORK_LOG', str(log))
    yield
    attempts = log.read_text() if log.exists() else ''
    assert not attempts, f'the network was asked for:\n{attempts}'
