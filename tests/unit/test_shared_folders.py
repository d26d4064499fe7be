# SPDX-License-Identifier: Apache-2.0
"""Who can reach the private folder."""

import os
from pathlib import Path

import pytest

from facebids.config import Settings
from facebids.stages import shared_folders
from facebids.stages.folders import create_folders

MOUNTS = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:40 / /data rw - nfs4 server:/export rw
24 23 0:41 / /data/fast rw - xfs /dev/sdb rw
25 22 0:42 / /my\040lab rw - cifs //server/lab rw
26 22 0:43 / /twice rw - nfs server:/a rw
27 22 0:44 / /twice rw - tmpfs tmpfs rw
a line of no known form
"""


@pytest.mark.parametrize(
    ('path', 'kind'),
    [
        ('/srv/private', 'ext4'),
        ('/data/private', 'nfs4'),
        ('/database/private', 'ext4'),
        ('/data/fast/private', 'xfs'),
        ('/my lab/private', 'cifs'),
        ('/twice', 'tmpfs'),
    ],
)
def test_the_file_system_of_a_path(path, kind):
    assert shared_folders.file_system(Path(path), MOUNTS) == kind


def test_a_private_folder_on_a_network_file_system_is_mentioned(tmp_path, monkeypatch):
    table = tmp_path / 'mountinfo'
    monkeypatch.setattr(shared_folders, 'MOUNTS', table)
    assert shared_folders.warning(Path('/data/private')) is None  # unknown
    table.write_text(MOUNTS)
    assert 'nfs4' in shared_folders.warning(Path('/data/private'))
    assert shared_folders.warning(Path('/data/fast')) is None


def test_private_folders_are_private_from_the_moment_they_exist(tmp_path, monkeypatch):
    made = {}
    mkdir = os.mkdir

    def watched(path, mode=0o777, **more):
        mkdir(path, mode, **more)
        made[Path(path).name] = Path(path).stat().st_mode & 0o777

    monkeypatch.setattr(os, 'mkdir', watched)
    before = os.umask(0)
    try:
        create_folders(
            Settings(
                bids_dir=tmp_path / 'raw', output_dir=tmp_path / 'out', work_dir=tmp_path / 'work',
                private_dir=tmp_path / 'private', analysis_level='participant',
            )
        )  # fmt: skip
    finally:
        os.umask(before)
    inside = {name: mode for name, mode in made.items() if name not in ('out', 'work')}
    assert {'private', 'nipype', 'crash', 'log', 'records', 'cache'} <= inside.keys()
    assert set(inside.values()) == {0o700}
