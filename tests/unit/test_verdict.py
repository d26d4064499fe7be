# SPDX-License-Identifier: Apache-2.0
import copy

import pytest

from facebids.core.thresholds import THRESHOLDS
from facebids.core.verdict import MAY_BE_UNDEFINED, certain, fails, judge

GOOD = {
    'suffix': 'T1w',
    'mode': 'remove',
    'registration': {
        'brain': 0.6,
        'tissue': 0.3,
        'head': 0.92,
        'brain_in_view': 1.0,
        'scale': 0.88,
    },
    'mask': {
        'skin_removed_share': 1.0,
        'guard_cost_ml': 0.2,
        'guard_voxels_changed': 0,
        'voxels_changed_outside': 0,
    },
    'utility': {'brain_voxels_changed': 0, 'gm_change': 0.001},
    'identifiability': {
        'faces_before': 10,
        'faces_after': 0,
        'faces_certain_before': 9,
        'faces_certain_after': 0,
        'distance_before_after': None,
        'distance_at_known_place': 0.6,
    },
}


def changed(path, value):
    record = copy.deepcopy(GOOD)
    section, key = path.split('.')
    record[section][key] = value
    return record


def test_all_well_passes():
    assert judge(GOOD) == ('pass', [])


@pytest.mark.parametrize('threshold', THRESHOLDS, ids=lambda t: f'{t.name}-{t.severity}-{t.value}')
def test_each_threshold_is_enforced(threshold):
    beyond = threshold.least - 0.01 if threshold.least is not None else threshold.most + 1
    record = changed(threshold.number, beyond)
    record['suffix'] = threshold.suffix or 'T1w'
    verdict, reasons = judge(record)
    assert verdict != 'pass'
    assert threshold.name in {reason['code'] for reason in reasons}
    if threshold.severity == 'fail':
        assert verdict == 'fail'


@pytest.mark.parametrize('path', sorted({t.number for t in THRESHOLDS} - set(MAY_BE_UNDEFINED)))
@pytest.mark.parametrize('missing', [None, float('nan')])
def test_what_was_not_measured_never_passes(path, missing):
    verdict, reasons = judge(changed(path, missing))
    assert verdict != 'pass'
    assert any(reason['code'].endswith('_unknown') for reason in reasons)
    assert all(reason['value'] is None for reason in reasons)


@pytest.mark.parametrize('certain', [0, None])
def test_blind_attack_proves_nothing(certain):
    """A head that faces the wrong way has something like a face in a view or two."""
    verdict, reasons = judge(changed('identifiability.faces_certain_before', certain))
    assert verdict == 'fail'
    assert reasons[0]['code'] == 'attack_blind'


@pytest.mark.parametrize(
    ('number', 'found'),
    [
        ('distance_before_after', {'faces_after': 5}),
        ('distance_before_after', {'named': {'top': {'before': True, 'after': True}}}),
        ('distance_at_known_place', {}),
    ],
)
def test_a_distance_is_missing_only_where_there_was_nothing_to_compare(number, found):
    record = changed(f'identifiability.{number}', None)
    record['identifiability'] |= found
    assert f'{number}' in {r['message'].split()[0].split('.')[-1] for r in judge(record)[1]}


@pytest.mark.parametrize('change', [-0.03, 0.03])
def test_grey_matter_may_neither_shrink_nor_grow(change):
    verdict, reasons = judge(changed('utility.gm_change', change))
    assert verdict == 'review'
    assert reasons[0]['code'] == 'grey_matter_changed'


def test_a_single_brain_voxel_fails_the_image():
    verdict, reasons = judge(changed('utility.brain_voxels_changed', 1))
    assert verdict == 'fail'
    assert reasons[0]['code'] == 'brain_changed'


@pytest.mark.parametrize('utility', [{}, {'brain_voxels_changed': None, 'gm_change': None}, None])
def test_tissues_are_missing_only_where_the_contrast_has_none(utility):
    record = GOOD | {'utility': utility}
    assert 'brain_changed_unknown' in {reason['code'] for reason in judge(record)[1]}
    codes = {reason['code'] for reason in judge(record | {'suffix': 'PDw'})[1]}
    assert not codes & {'brain_changed_unknown', 'grey_matter_changed_unknown'}


@pytest.mark.parametrize('path', sorted(MAY_BE_UNDEFINED))
def test_no_number_is_endless(path):
    assert judge(changed(path, float('inf')))[0] != 'pass'


def test_a_contrast_without_limits_never_passes():
    verdict, reasons = judge(GOOD | {'suffix': 'angio'})
    assert verdict == 'fail'
    assert reasons[0]['code'] == 'contrast_unknown'


def test_gravest_reason_comes_first_and_once():
    record = changed('mask.skin_removed_share', 0.5)
    record['registration']['head'] = 0.1
    verdict, reasons = judge(record)
    codes = [reason['code'] for reason in reasons]
    assert verdict == 'fail'
    assert codes[0] == 'face_skin_left'
    assert len(codes) == len(set(codes))


def by_way_of(way, **numbers):
    record = copy.deepcopy(GOOD) | {'suffix': 'bold'}
    record['registration'] |= {'way': way, 'contrast': 'T1w'} | numbers
    return record


def test_a_borrowed_registration_is_judged_by_that_of_its_source_and_the_agreement_with_it():
    assert judge(by_way_of('borrowed', coregistration=0.7)) == ('pass', [])
    for numbers, code in (
        ({'coregistration': 0.1}, 'coregistration_failed'),
        ({'coregistration': None}, 'coregistration_failed_unknown'),
        ({'coregistration': 0.7, 'brain': 0.1}, 'registration_failed'),
    ):
        verdict, reasons = judge(by_way_of('borrowed', **numbers))
        assert verdict == 'fail'
        assert reasons[0]['code'] == code


def test_a_shared_registration_needs_no_agreement():
    assert judge(by_way_of('shared', coregistration=None)) == ('pass', [])


@pytest.mark.parametrize(
    ('way', 'brain', 'expected'),
    [('own', 0.6, 'fail'), ('borrowed', 0.6, 'review'), ('borrowed', 0.21, 'fail')],
)
def test_where_the_face_is_known_a_blind_attack_is_reviewed(way, brain, expected):
    record = by_way_of(way, coregistration=0.7, brain=brain)
    record['identifiability']['faces_certain_before'] = 0
    verdict, reasons = judge(record)
    assert verdict == expected
    assert 'attack_blind' in [reason['code'] for reason in reasons]


def faceless(found):
    record = by_way_of('borrowed', coregistration=0.7)
    record['mask'] |= {'no_face': True, 'skin_removed_share': 0.0, 'skin_in_view_ml': 0.4}
    record['identifiability'] = {'faces_certain_before': found}
    return record


def test_an_image_without_a_face_passes_with_a_note():
    verdict, (reason,) = judge(faceless(0))
    assert verdict == 'pass'
    assert (reason['code'], reason['severity'], reason['value']) == (
        'no_face_in_view',
        'note',
        0.4,
    )


@pytest.mark.parametrize('found', [1, None])
def test_a_face_where_none_should_be_fails(found):
    verdict, reasons = judge(faceless(found))
    assert verdict == 'fail'
    assert reasons[0]['code'] == 'face_in_view'


def test_nothing_may_be_changed_where_no_face_is():
    record = faceless(0)
    record['mask']['voxels_changed_outside'] = 3
    assert judge(record)[0] == 'fail'


def test_registrations_are_judged_by_themselves():
    section = by_way_of('borrowed', coregistration=0.7)['registration']
    assert certain(section)
    assert not fails(section)
    assert not certain(section | {'coregistration': 0.38})
    assert not fails(section | {'coregistration': 0.38})
    assert fails(section | {'coregistration': 0.1})
    assert fails(section | {'contrast': 'unheard of'})
