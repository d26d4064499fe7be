# SPDX-License-Identifier: Apache-2.0
"""Shared fixtures: a tiny dataset, phantoms, real heads if available, and no network."""

import functools
import json
import os
import runpy
import shutil
import socket
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
GUARD = Path(__file__).parent / 'network_guard'
CHROMIUM = next(filter(None, map(shutil.which, ('chromium', 'google-chrome', 'chrome'))), None)

SKELETON = (
    'sub-01/ses-A/anat/sub-01_ses-A_T1w.nii.gz',
    'sub-01/ses-A/anat/sub-01_ses-A_FLAIR.nii.gz',
    'sub-01/ses-B/anat/sub-01_ses-B_acq-hi_run-1_T1w.nii.gz',
    'sub-01/ses-A/func/sub-01_ses-A_task-rest_bold.nii.gz',
    'sub-02/anat/sub-02_T1w.nii.gz',
    'sub-02/perf/sub-02_asl.nii.gz',
    'derivatives/other/sub-01/anat/sub-01_T1w.nii.gz',
    'sourcedata/sub-01/anat/sub-01_T1w.nii.gz',
)

# makes registrations reproducible; ITK reads it before its first use
os.environ.setdefault('ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS', '1')
refuse = runpy.run_path(str(GUARD / 'sitecustomize.py'))['refuse']


def pytest_collection_modifyitems(items):
    """Mark tests that use real heads, so that ``-m heads`` selects them."""
    for item in items:
        if 'heads' in item.fixturenames:
            item.add_marker('heads')


def write_image(path: Path, shape: tuple[int, ...] = (4, 4, 4)) -> None:
    """Write a tiny NIfTI image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    nib.save(nib.Nifti1Image(data, np.eye(4)), path)


@pytest.fixture
def bids_dir(tmp_path) -> Path:
    """Return a tiny raw dataset: four T1w and FLAIR images of two participants, and others."""
    root = tmp_path / 'raw'
    for name in SKELETON:
        write_image(root / name, (4, 4, 4, 2) if 'bold' in name else (4, 4, 4))
    description = {'Name': 'Skeleton', 'BIDSVersion': '1.10.0', 'DatasetType': 'raw'}
    (root / 'dataset_description.json').write_text(json.dumps(description))
    return root


@pytest.fixture(scope='session')
def heads() -> Path:
    """Return the folder of real heads, ``FACEBIDS_HEADS`` or ``../shared/heads``."""
    folder = Path(os.environ.get('FACEBIDS_HEADS') or ROOT.parent / 'shared' / 'heads')
    if not folder.is_dir():
        pytest.skip('no real heads: set FACEBIDS_HEADS to a folder of head images')
    return folder


def _guarded(function):
    """Return a function of ``socket`` that refuses other machines."""
    event = f'socket.{function.__name__}'.removesuffix('_ex')

    @functools.wraps(function)
    def guarded(*args, **kwargs):
        refuse(event, (args[0], args[-1]))  # the host, or the socket and the address
        return function(*args, **kwargs)

    return guarded


@pytest.fixture
def no_network(monkeypatch, tmp_path_factory):
    """Refuse connections to other machines, in this process and in child Python processes.

    A refused connection fails the test, even if the code that tried to connect ignores the error.
    """
    log = tmp_path_factory.mktemp('network') / 'attempts.txt'
    paths = [str(GUARD), *filter(None, [os.environ.get('PYTHONPATH')])]
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join(paths))
    monkeypatch.setenv('FACEBIDS_NETWORK_LOG', str(log))
    for owner, name in (
        (socket, 'getaddrinfo'),
        (socket.socket, 'connect'),
        (socket.socket, 'connect_ex'),
        (socket.socket, 'sendto'),
    ):
        monkeypatch.setattr(owner, name, _guarded(getattr(owner, name)))
    yield
    attempts = log.read_text() if log.exists() else ''
    assert not attempts, f'the network was used:\n{attempts}'


@pytest.fixture(scope='session')
def phantom_person():
    """Return a phantom person and its head at 2 mm."""
    from facebids.core.phantoms import phantom

    person = phantom.draw_person(np.random.default_rng(7))
    return person, phantom.build_person(person, 2.0)


@pytest.fixture(scope='session')
def phantom_scan(phantom_person):
    """Return a rotated T1w scan of the phantom person, with its true transform."""
    from facebids.core.phantoms import phantom

    rng = np.random.default_rng(8)
    person, head = phantom_person
    return phantom.scan(head, phantom.draw_pose(rng, person), 'T1w', rng)


@pytest.fixture(scope='session')
def phantom_pictures(phantom_scan):
    """Return four random views of the phantom and their names."""
    from facebids.core.alignment import registration
    from facebids.core.attack import render, surface

    mesh = surface.skin_surface(phantom_scan.data, phantom_scan.affine)
    views = render.random_views(seed=0, count=4)
    pictures = render.render(mesh, registration.pose(phantom_scan.transform), views)
    return pictures, tuple(view.name for view in views)


@pytest.fixture
def run(bids_dir, tmp_path, monkeypatch):
    """Run the command on the tiny dataset with toy steps."""
    from toys import Runner

    for name in list(os.environ):  # what the command sets is taken back after the test
        monkeypatch.setenv(name, os.environ[name])
    monkeypatch.chdir(tmp_path)
    environment = dict(os.environ)
    yield Runner(bids_dir, tmp_path, monkeypatch)
    os.environ.clear()
    os.environ.update(environment)


@pytest.fixture(scope='session')
def chromium():
    """Return a headless Chromium that is installed, with no way to other machines."""
    if CHROMIUM is None:
        pytest.skip('Chromium is not installed')
    from playwright.sync_api import sync_playwright

    arguments = ['--no-sandbox', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1']
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()
