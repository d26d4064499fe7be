# SPDX-License-Identifier: Apache-2.0
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from facebids.config import ReleaseSettings, Settings

SETTINGS = Settings(
    bids_dir=Path('/data'),
    output_dir=Path('/out'),
    analysis_level='participant',
    work_dir=Path('/scratch'),
    private_dir=Path('/scratch/private'),
    participant_label=('01', '02'),
    bids_filters={'t1w': {'run': 1, 'acquisition': None}},
    bids_database_dir=Path('/db'),
    keep_mask=Path('/keep'),
    seed=7,
)


def test_settings_survive_a_round_trip_through_json():
    assert Settings.from_json(SETTINGS.to_json()) == SETTINGS
    plain = replace(SETTINGS, bids_database_dir=None, participant_label=())
    assert Settings.from_json(plain.to_json()) == plain
    release = ReleaseSettings(
        Path('/upload'), ('sub-01/anat/x.nii.gz',), Path('/accepted.tsv'), head_points='keep'
    )
    releasing = replace(SETTINGS, release=release)
    assert Settings.from_json(releasing.to_json()) == releasing


def test_an_unknown_setting_is_refused():
    with pytest.raises(TypeError, match='colour'):
        Settings.from_json('{"colour": "blue"}')


def test_settings_are_immutable():
    with pytest.raises(FrozenInstanceError):
        SETTINGS.seed = 1
