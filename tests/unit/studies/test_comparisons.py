# SPDX-License-Identifier: Apache-2.0
import pytest

from facebids.studies import comparisons
from facebids.studies.comparisons import KINDS, STUDIES, Scan, plan_photographs, plan_scans


def _scan(name, states=('before', 'after')):
    """Return a scan from ``'01_A_T1w'``: participant, session (0: none) and contrast."""
    participant, session, suffix = name.partition('/')[0].split('_')
    return Scan(participant, None if session == '0' else session, suffix, name, states)


def _plan(*names):
    possible, impossible = plan_scans(map(_scan, names))
    return {item.key: item for item in possible}, {item.kind: item.reason for item in impossible}


def _images(side):
    return [scan.image for scan in side]


def test_one_scan_each_allows_the_same_scan_alone():
    possible, impossible = _plan('01_0_T1w', '02_0_T1w')
    assert list(possible) == ['same_scan_T1w_in_T1w']
    (condition,) = possible['same_scan_T1w_in_T1w'].conditions
    assert (condition.probe, condition.gallery) == ('after', 'before')
    assert impossible == {kind: KINDS[kind].unmet for kind in KINDS if kind != 'same_scan'}


def test_sessions_runs_and_contrasts_are_distinguished():
    possible, impossible = _plan(
        '01_A_T1w', '01_A_T1w/2', '01_A_FLAIR', '01_B_T1w', '01_B_FLAIR', '02_A_T1w'
    )
    probes = {key: _images(item.probes) for key, item in possible.items()}
    assert probes == {
        'same_scan_T1w_in_T1w': ['01_A_T1w', '02_A_T1w'],
        'runs_T1w_in_T1w': ['01_A_T1w/2'],
        'sessions_T1w_in_T1w': ['01_B_T1w'],
        'contrasts_FLAIR_in_T1w': ['01_A_FLAIR'],
        'contrasts_and_sessions_FLAIR_in_T1w': ['01_B_FLAIR'],
    }
    for item in possible.values():
        assert _images(item.gallery) == ['01_A_T1w', '02_A_T1w']
    assert not impossible


def test_every_after_is_of_the_same_people_as_its_before():
    possible, _ = _plan('01_A_T1w', '01_B_T1w', '02_A_T1w', '02_B_T1w')
    names = [item.name for item in possible['sessions_T1w_in_T1w'].conditions]
    assert names == ['before', 'after', 'after_both']


def test_who_is_not_enrolled_is_a_probe_without_a_mate():
    possible, _ = _plan('01_0_T1w', '01_0_FLAIR', '02_0_T1w', '03_0_FLAIR')
    item = possible['contrasts_FLAIR_in_T1w']
    assert _images(item.probes) == ['01_0_FLAIR', '03_0_FLAIR']
    assert item.mated == 1


def test_scans_missing_in_one_state_are_left_out_and_counted():
    scans = [
        _scan('01_A_T1w'),
        _scan('02_A_T1w'),
        _scan('01_B_T1w'),
        _scan('02_B_T1w', ('before',)),
    ]
    item = next(item for item in plan_scans(scans)[0] if item.kind == 'sessions')
    assert _images(item.probes) == ['01_B_T1w']
    assert item.left_out == 1


def test_scans_never_defaced_are_compared_before_alone():
    names = ('01_A_T1w', '02_A_T1w', '01_B_T1w')
    possible, impossible = plan_scans(_scan(name, ('before',)) for name in names)
    assert [item.kind for item in possible] == ['sessions']
    assert [item.name for item in possible[0].conditions] == ['before']
    reasons = {item.kind: item.reason for item in impossible}
    assert 'before and after' in reasons['same_scan']


@pytest.mark.parametrize('names', [(), ('01_A_T1w',), ('01_A_T1w', '01_B_T1w', '01_B_FLAIR')])
def test_fewer_than_two_people_allow_nothing_and_it_is_said(names):
    possible, impossible = _plan(*names)
    assert not possible
    assert impossible == dict.fromkeys(KINDS, comparisons.ONE_PERSON)


def test_a_contrast_of_one_person_alone_is_no_gallery():
    possible, impossible = _plan('01_0_T1w', '01_0_FLAIR', '02_0_FLAIR')
    assert list(possible) == ['same_scan_FLAIR_in_FLAIR']
    assert impossible['contrasts'] == comparisons.ONE_PERSON


def test_photographs_are_compared_as_the_studies_did():
    scans = [_scan(name) for name in ('01_A_T1w', '01_B_T1w', '02_A_T1w', '02_A_FLAIR')]
    possible, impossible = plan_photographs(scans, ['02', '01'])
    keys = {item.key: item for item in possible}
    assert not impossible
    assert keys['S1_T1w_in_photograph'].gallery == ('01', '02')
    assert _images(keys['S1_T1w_in_photograph'].probes) == ['01_A_T1w', '02_A_T1w']
    assert keys['S2_photograph_in_T1w'].probes == ('01', '02')
    assert [item.gallery for item in keys['S2_photograph_in_T1w'].conditions] == [
        'before',
        'after',
    ]
    assert [item.probe for item in keys['S3_T1w_in_photograph'].conditions] == ['before', 'after']
    assert 'S2_photograph_in_FLAIR' not in keys  # one person is no gallery
    assert keys['S1_FLAIR_in_photograph'].mated == 1


@pytest.mark.parametrize(
    ('photographed', 'reason'),
    [
        (None, comparisons.NO_PHOTOGRAPHS),
        ([], 'No participant with a scan'),
        (['09', '10'], 'No participant with a scan'),
    ],
)
def test_without_photographs_each_study_has_its_reason(photographed, reason):
    possible, impossible = plan_photographs([_scan('01_0_T1w'), _scan('02_0_T1w')], photographed)
    assert not possible
    assert [item.kind for item in impossible] == list(STUDIES)
    assert all(item.reason.startswith(reason) for item in impossible)


def test_a_photograph_of_one_person_is_no_gallery():
    scans = [_scan('01_0_T1w'), _scan('02_0_T1w')]
    possible, impossible = plan_photographs(scans, ['01'])
    assert [item.kind for item in possible] == ['S2']
    assert {item.kind: item.reason for item in impossible} == {
        'S1': comparisons.ONE_PERSON,
        'S3': comparisons.ONE_PERSON,
    }
