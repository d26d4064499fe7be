# SPDX-License-Identifier: Apache-2.0
"""The source digest tells two states of the code apart, and nothing else."""

import os
import shutil
from pathlib import Path

import pytest

import facebids
from facebids import provenance
from facebids.workflows import base


@pytest.fixture
def copy(tmp_path) -> Path:
    """Return a copy of the package as in a checkout: the workflows lie beside it."""
    ignore = shutil.ignore_patterns('__pycache__', 'workflows')
    shutil.copytree(provenance.PACKAGE, tmp_path / 'facebids', ignore=ignore)
    ignore = shutil.ignore_patterns('__pycache__')
    shutil.copytree(Path(base.__file__).parent, tmp_path / 'workflows', ignore=ignore)
    return tmp_path / 'facebids'


def test_a_copy_elsewhere_has_the_same_digest(copy):
    for path in copy.rglob('*'):
        os.utime(path, (0, 0))
    compiled = copy / '__pycache__' / 'config.cpython-311.pyc'
    compiled.parent.mkdir()
    compiled.write_bytes(b'compiled')
    assert provenance.source_digest(copy) == provenance.source_digest()


def test_an_installed_package_has_the_digest_of_its_checkout(copy):
    before = provenance.source_digest(copy)
    provenance.source_digest.cache_clear()
    shutil.move(copy.parent / 'workflows', copy / 'workflows')
    assert provenance.source_digest(copy) == before


@pytest.mark.parametrize(
    'name', ['config.py', 'reports/templates/style.css', '../workflows/base.py']
)
@pytest.mark.parametrize('change', ['content', 'name', 'absence'])
def test_every_change_of_the_source_changes_the_digest(copy, name, change):
    path = copy / name
    if change == 'content':
        path.write_text(path.read_text() + '\n')
    elif change == 'name':
        path.rename(path.with_name(f'other_{path.name}'))
    else:
        path.unlink()
    assert provenance.source_digest(copy) != provenance.source_digest()


def test_every_file_of_the_package_is_in_the_digest(copy):
    files = {path for path in copy.parent.rglob('*') if path.is_file()}
    assert {path.suffix for path in files - {copy / 'py.typed'}} == provenance.SUFFIXES


def test_the_identity_is_the_version_and_the_digest():
    digest = provenance.source_digest()
    assert len(digest) == 64
    assert provenance.identity() == f'{facebids.__version__}-{digest[:12]}'
