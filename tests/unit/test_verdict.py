# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest
from make import NO_UTILITY, REGISTRATION, changed, image_record, seen

from facebids.core.contrasts import CONTRASTS
from facebids.core.metrics import METRICS
from facebids.core.modes import MODES
from facebids.core.thresholds import SIMILARITY, THRESHOLDS, limit
from facebids.core.verdict import MAY_BE_UNDEFINED, certain, fails, judge

GOOD = image_record()
UNSEEN = {'log10_lr': None, 'log10_lr_low': None, 'log10_lr_high': None, 'log10_lr_before': None}
LIMITED = sorted({t.metric.column for t in THRESHOLDS})
BY_COLUMN = {metric.column: metric for metric in METRICS}
UNDEFINED = {metric.column for metric in MAY_BE_UNDEFINED}


def with_number(metric, value):
    """Return the record with another number; similarities count where evidence does not."""
    similarity = metric in {t.metric for t in SIMILARITY}
    record = changed(GOOD, identifiability=UNSEEN) if similarity else GOOD
    return changed(record, **{metric.section: {metric.key: value}})


def codes(record):
    return judge(record).codes


def test_all_well_passes():
    found = judge(GOOD)
    assert (found.verdict, found.reasons) == ('pass', ())


@pytest.mark.parametrize('form', ['sform', 'qform'])
def test_a_form_that_cannot_be_used_is_a_note(form):
    found = judge(changed(GOOD, screening={'forms_apart_mm': None, 'unusable_form': form}))
    assert (found.verdict, found.codes) == ('pass', ('form_unusable',))
    assert form in found.reasons[0].message


@pytest.mark.parametrize('passed_on', [False, True])
def test_forms_that_disagree_are_reviewed(passed_on):
    screening = {'forms_apart_mm': 60.0, 'passed_on': passed_on}
    found = judge(changed(GOOD, screening=screening))
    assert (found.verdict, found.codes[0]) == ('review', 'forms_disagree')


def test_an_earlier_verdict_does_not_count():
    assert judge(replace(GOOD, verdict='fail')).verdict == 'pass'


@pytest.mark.parametrize('threshold', THRESHOLDS, ids=lambda t: f'{t.name}-{t.severity}-{t.value}')
def test_each_threshold_is_enforced(threshold):
    beyond = threshold.least - 0.01 if threshold.least is not None else threshold.most + 1
    record = changed(GOOD, registration={'contrast': threshold.contrast or 'T1w'})
    if threshold in SIMILARITY:
        record = changed(record, identifiability=UNSEEN)
    elif threshold.name == 'face_found_after':
        record = changed(record, identifiability={'log10_lr_high': 1.5})
    metric = threshold.metric
    found = judge(changed(record, **{metric.section: {metric.key: beyond}}))
    assert found.verdict != 'pass'
    assert threshold.name in found.codes
    if threshold.severity == 'fail':
        assert found.verdict == 'fail'


@pytest.mark.parametrize('column', sorted(set(LIMITED) - UNDEFINED))
@pytest.mark.parametrize('missing', [None, float('nan')])
def test_what_was_not_measured_never_passes(column, missing):
    found = judge(with_number(BY_COLUMN[column], missing))
    assert found.verdict != 'pass'
    assert any(code.endswith('_unknown') for code in found.codes)
    assert all(reason.value is None for reason in found.reasons)


@pytest.mark.parametrize('kind', ['face', 'no face', 'passed on'])
def test_without_the_attack_an_image_is_reviewed_at_best(kind):
    record = faceless(0) if kind == 'no face' else GOOD
    record = replace(record, attacked=False, identifiability=None, utility=None)
    passed_on = {'passed_on': True, 'finding': 'defaced'} if kind == 'passed on' else {}
    unproven = changed(record, screening=passed_on)
    found = judge(unproven)
    assert (found.verdict, found.codes) == ('review', ('not_attacked',))
    changed_outside = changed(unproven, mask={'voxels_changed_outside': 3})
    assert judge(changed_outside).verdict == 'fail'


def test_blind_attack_proves_nothing():
    """A head that faces the wrong way has something like a face in a view or two."""
    back = {'faces_certain_before': 0, 'face_likeness': 0.2}
    found = judge(changed(GOOD, identifiability=back))
    assert found.verdict == 'fail'
    assert found.codes[0] == 'attack_blind'


@pytest.mark.parametrize(
    ('key', 'found'),
    [
        ('distance_before_after', {'faces_after': 5}),
        ('distance_before_after', {'named': seen(top=(True, True))}),
        ('distance_at_known_place', {}),
    ],
)
def test_a_distance_is_missing_only_where_there_was_nothing_to_compare(key, found):
    record = changed(GOOD, identifiability={**UNSEEN, key: None, **found})
    labels = {reason.message for reason in judge(record).reasons}
    assert any(BY_COLUMN[key].label in label for label in labels)


@pytest.mark.parametrize('mode', MODES)
def test_a_shape_that_was_not_compared_is_reviewed(mode):
    record = changed(GOOD, identifiability={**UNSEEN, 'agreement_before_after': None})
    found = judge(replace(record, mode=mode))
    assert found.verdict == 'review'
    assert 'shape_recognised_after_unknown' in found.codes


def test_no_shape_is_compared_where_the_face_before_was_hardly_in_view():
    hardly = {'agreement_before_after': None, 'shape_in_view_before': 0.24}
    found = judge(changed(GOOD, identifiability={**UNSEEN, **hardly}))
    assert 'shape_recognised_after_unknown' not in found.codes


@pytest.mark.parametrize(
    ('evidence', 'high', 'expected'),
    [(-1, -0.5, 'pass'), (0.8, 1.3, 'review'), (1.3, 1.8, 'fail')],
)
def test_the_evidence_decides_and_not_a_similarity_that_style_explains(evidence, high, expected):
    alike = {'distance_at_known_place': 0.3, 'distance_before_after': 0.3}
    numbers = {'log10_lr': evidence, 'log10_lr_high': high, **alike}
    assert judge(changed(GOOD, identifiability=numbers)).verdict == expected


@pytest.mark.parametrize('blind', [UNSEEN, {'log10_lr_before': 0.2}])
def test_similarity_counts_where_the_evidence_would_not_show_a_face(blind):
    record = changed(GOOD, identifiability={**blind, 'distance_at_known_place': 0.3})
    found = judge(record)
    assert found.verdict == 'fail'
    assert found.codes[0] == 'face_recognised_at_place'


def test_missing_evidence_is_no_pass():
    found = judge(changed(GOOD, identifiability=UNSEEN))
    assert (found.verdict, found.codes) == ('review', ('person_recognised_after_unknown',))


def test_a_face_that_is_proven_to_be_nobody_s_is_a_note():
    found = judge(changed(GOOD, identifiability={'faces_certain_after': 8}))
    (reason,) = found.reasons
    assert (found.verdict, reason.code, reason.severity) == ('pass', 'face_found_after', 'note')
    for section, numbers in (
        ('mask', {'skin_removed_share': 0.93}),
        ('identifiability', {'log10_lr_high': 1.2}),
        ('identifiability', UNSEEN),
    ):
        record = changed(GOOD, identifiability={'faces_certain_after': 8})
        found = judge(changed(record, **{section: numbers}))
        reasons = {reason.code: reason.severity for reason in found.reasons}
        assert reasons['face_found_after'] == 'review'


def test_a_shape_that_is_told_from_others_is_a_face_without_a_detector():
    unseen = {'faces_certain_before': 0, 'faces_before': 0, 'distance_at_known_place': None}
    assert judge(changed(GOOD, identifiability=unseen)).verdict == 'pass'
    for number in ({'face_likeness': 0.2}, {'face_likeness': None}, {'log10_lr_before': 0.3}):
        found = judge(changed(GOOD, identifiability={**unseen, **number}))
        assert found.verdict == 'fail'
        assert 'attack_blind' in found.codes


@pytest.mark.parametrize('change', [-0.03, 0.03])
def test_grey_matter_may_neither_shrink_nor_grow(change):
    found = judge(changed(GOOD, utility={'gm_change': change}))
    assert found.verdict == 'review'
    assert found.codes[0] == 'grey_matter_changed'


def test_a_single_brain_voxel_fails_the_image():
    found = judge(changed(GOOD, utility={'brain_voxels_changed': 1}))
    assert found.verdict == 'fail'
    assert found.codes[0] == 'brain_changed'


@pytest.mark.parametrize('utility', [NO_UTILITY, None])
def test_tissues_are_missing_only_where_the_contrast_has_none(utility):
    record = replace(GOOD, utility=utility)
    assert 'brain_changed_unknown' in codes(record)
    other = set(codes(replace(record, suffix='PDw')))
    assert not other & {'brain_changed_unknown', 'grey_matter_changed_unknown'}


@pytest.mark.parametrize('metric', MAY_BE_UNDEFINED, ids=lambda metric: metric.column)
def test_no_number_is_endless(metric):
    assert judge(with_number(metric, float('inf'))).verdict != 'pass'


def test_a_contrast_without_limits_never_passes():
    found = judge(changed(GOOD, registration={'contrast': 'angio'}))
    assert found.verdict == 'fail'
    assert found.codes[0] == 'contrast_unknown'


def test_every_contrast_has_limits():
    assert {t.contrast for t in THRESHOLDS} == {None, *CONTRASTS}


def test_most_severe_reason_comes_first_and_once():
    found = judge(changed(GOOD, mask={'skin_removed_share': 0.5}, registration={'head': 0.1}))
    assert found.verdict == 'fail'
    assert found.codes[0] == 'face_skin_left'
    assert len(found.codes) == len(set(found.codes))


def registered(origin, **numbers):
    record = image_record('sub-01/func/sub-01_task-rest_bold.nii.gz')
    return changed(record, registration={'origin': origin, 'contrast': 'T1w', **numbers})


def test_a_borrowed_registration_is_judged_by_that_of_its_source_and_the_agreement_with_it():
    assert judge(registered('borrowed', coregistration=0.7)).reasons == ()
    for numbers, code in (
        ({'coregistration': 0.1}, 'coregistration_failed'),
        ({'coregistration': None}, 'coregistration_failed_unknown'),
        ({'coregistration': 0.7, 'brain': 0.1}, 'registration_failed'),
    ):
        found = judge(registered('borrowed', **numbers))
        assert found.verdict == 'fail'
        assert found.codes[0] == code


def test_a_shared_registration_needs_no_agreement():
    assert judge(registered('shared')).reasons == ()


@pytest.mark.parametrize(
    ('origin', 'brain', 'expected'),
    [('own', 0.6, 'fail'), ('borrowed', 0.6, 'review'), ('borrowed', 0.21, 'fail')],
)
def test_where_the_face_is_known_a_blind_attack_is_reviewed(origin, brain, expected):
    record = registered(origin, coregistration=0.7, brain=brain)
    back = {'faces_certain_before': 0, 'face_likeness': 0.2}
    found = judge(changed(record, identifiability=back))
    assert found.verdict == expected
    assert 'attack_blind' in found.codes


def faceless(found):
    return changed(
        registered('borrowed', coregistration=0.7),
        mask={'no_face': True, 'skin_removed_share': 0.0, 'skin_in_view_ml': 0.4},
        identifiability={'faces_certain_before': found, 'distance_at_known_place': None},
    )


def test_an_image_without_a_face_passes_with_a_note():
    found = judge(faceless(0))
    (reason,) = found.reasons
    assert found.verdict == 'pass'
    assert (reason.code, reason.severity, reason.value) == ('no_face_in_view', 'note', 0.4)


@pytest.mark.parametrize('unknown', [False, True])
def test_a_face_where_none_should_be_fails(unknown):
    record = replace(faceless(0), identifiability=None) if unknown else faceless(1)
    found = judge(record)
    assert found.verdict == 'fail'
    assert found.codes[0] == 'face_in_view'


def test_nothing_may_be_changed_where_no_face_is():
    assert judge(changed(faceless(0), mask={'voxels_changed_outside': 3})).verdict == 'fail'


def test_registrations_are_judged_by_themselves():
    section = replace(REGISTRATION, origin='borrowed', coregistration=0.7)
    assert certain(section)
    assert not fails(section)
    assert not certain(replace(section, coregistration=0.38))
    assert not fails(replace(section, coregistration=0.38))
    assert fails(replace(section, coregistration=0.1))
    assert fails(replace(section, contrast='unheard of'))


def test_nan_is_within_no_limit():
    assert not any(threshold.met_by(float('nan')) for threshold in THRESHOLDS)


def test_a_limit_is_found_by_its_name():
    assert limit('face_skin_left').severity == 'review'
    assert limit('face_skin_left', 'fail').least == 0.9
    with pytest.raises(KeyError):
        limit('nothing')
