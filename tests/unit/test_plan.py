# SPDX-License-Identifier: Apache-2.0
import pytest

from facebids.bids.names import HeadImage
from facebids.bids.plan import count_not_defaced, describe, make_plan

PATHS = ('sub-02/anat/sub-02_T1w.nii.gz', 'sub-01/anat/sub-01_T1w.nii.gz')
IMAGES = [
    HeadImage.from_relative_path(path) for path in (*PATHS, PATHS[1].replace('T1w', 'FLAIR'))
]


def test_each_participant_gets_a_plan_with_its_images_in_order():
    plans = make_plan(IMAGES)
    assert [plan.participant for plan in plans] == ['01', '02']
    assert [item.image for item in plans[0].images] == [IMAGES[2], IMAGES[1]]
    assert all(item.action == 'deface' for plan in plans for item in plan.images)
    assert all(item.origin == 'own' for plan in plans for item in plan.images)


def test_the_order_of_the_images_does_not_matter():
    assert make_plan(IMAGES) == make_plan(reversed(IMAGES))


def test_the_text_names_every_image_and_why():
    text = describe(make_plan(IMAGES))
    assert all(image.relative_path in text for image in IMAGES)
    assert 'which has this contrast (FLAIR)' in text


def test_a_requested_template_is_named():
    plans = make_plan(IMAGES, template='Child:cohort-3')
    assert 'registered to the template Child:cohort-3' in describe(plans)


def test_a_plan_without_images_is_empty():
    assert make_plan([]) == ()


def test_already_defaced_images_are_unchanged_unless_forced():
    assert 'stay unchanged if it is already defaced' in describe(make_plan(IMAGES))
    assert 'stay unchanged if it is already defaced' not in describe(make_plan(IMAGES, force=True))


def _plan(*paths, others=(), not_defaced=()):
    """Plan images given without folder of participant: ``'ses-A/anat/T1w'``."""
    (plan,) = make_plan(
        *[[_image(path) for path in group] for group in (paths, others)], not_defaced
    )
    return plan, {item.image.relative_path: item for item in (*plan.images, *plan.registered)}


def _path(short):
    *folders, name = short.split('/')
    stem = '_'.join(['sub-01', *[f for f in folders if f.startswith('ses-')], name])
    return '/'.join(['sub-01', *folders, f'{stem}.nii.gz'])


def _image(short):
    return HeadImage.from_relative_path(_path(short))


def test_contrasts_of_the_atlas_are_registered_directly():
    paths = ('anat/T1w', 'anat/T2w', 'anat/PDw', 'anat/FLAIR', 'ct/ct')
    _, items = _plan(*paths)
    assert {item.origin for item in items.values()} == {'own'}
    assert [items[_path(path)].contrast for path in paths] == ['T1w', 'T2w', 'PDw', 'FLAIR', 'CT']


@pytest.mark.parametrize(
    ('others', 'reference'),
    [
        (('anat/FLAIR', 'anat/T2w', 'anat/T1w', 'anat/inv-2_MP2RAGE'), 'anat/T1w'),
        (('anat/FLAIR', 'anat/UNIT1', 'anat/inv-1_MP2RAGE', 'anat/inv-2_MP2RAGE'),
         'anat/inv-2_MP2RAGE'),
        (('anat/T2w', 'anat/UNIT1'), 'anat/UNIT1'),
        (('anat/FLAIR', 'anat/T2w', 'ct/ct'), 'anat/T2w'),
        (('ct/ct',), 'ct/ct'),
        (('anat/ce-gad_T1w', 'anat/T1w'), 'anat/T1w'),
    ],
)  # fmt: skip
def test_other_contrasts_borrow_from_the_best_reference(others, reference):
    _, items = _plan('func/task-x_bold', *others)
    bold = items[_path('func/task-x_bold')]
    assert (bold.origin, bold.source) == ('borrowed', _image(reference))
    assert items[_path(reference)].origin == 'own'


def test_a_better_image_of_the_session_is_the_fallback_of_a_doubtful_registration():
    paths = ('ses-A/anat/PDw', 'ses-A/anat/T2w', 'ses-A/anat/T1w', 'ses-B/anat/FLAIR')
    _, items = _plan(*paths)
    assert items[_path('ses-A/anat/PDw')].fallback == _image('ses-A/anat/T1w')
    assert items[_path('ses-A/anat/T2w')].fallback == _image('ses-A/anat/T1w')
    assert items[_path('ses-A/anat/T1w')].fallback is None
    assert items[_path('ses-B/anat/FLAIR')].fallback is None
    _, items = _plan('anat/PDw', others=['anat/T1w'])
    assert items[_path('anat/PDw')].fallback is None


def test_a_reference_of_the_same_session_is_preferred():
    _, items = _plan('ses-B/anat/T2starw', 'ses-A/anat/T1w', 'ses-B/anat/FLAIR')
    assert items[_path('ses-B/anat/T2starw')].source == _image('ses-B/anat/FLAIR')
    _, items = _plan('ses-B/anat/T2starw', 'ses-A/anat/T1w')
    assert items[_path('ses-B/anat/T2starw')].source == _image('ses-A/anat/T1w')


def test_a_reference_that_is_not_requested_is_only_registered():
    plan, items = _plan('anat/T2starw', others=['anat/T1w', 'anat/FLAIR', 'anat/part-phase_T1w'])
    assert [item.image for item in plan.images] == [_image('anat/T2starw')]
    assert [item.image for item in plan.registered] == [_image('anat/T1w')]
    assert items[_path('anat/T1w')].action == 'register'


def test_without_a_reference_the_closest_contrast_of_the_atlas_is_used():
    _, items = _plan('func/task-x_bold', 'anat/T1map')
    found = {item.image.suffix: (item.origin, item.contrast) for item in items.values()}
    assert found == {'bold': ('own', 'T2w'), 'T1map': ('own', 'T1w')}


@pytest.mark.parametrize(
    ('part', 'magnitude'),
    [
        ('func/task-x_part-phase_bold', 'func/task-x_part-mag_bold'),
        ('anat/echo-2_part-imag_MEGRE', 'anat/echo-2_part-mag_MEGRE'),
        ('anat/part-phase_T1w', 'anat/T1w'),
        ('fmap/phasediff', 'fmap/magnitude1'),
        ('fmap/phase2', 'fmap/magnitude2'),
        ('fmap/fieldmap', 'fmap/magnitude'),
        ('anat/UNIT1', 'anat/inv-2_MP2RAGE'),
    ],
)
def test_faces_are_detected_in_the_magnitude_image(part, magnitude):
    _, items = _plan(part, magnitude, 'anat/echo-1_part-mag_MEGRE', 'ses-A/anat/T1w')
    found = items[_path(part)]
    assert found.origin == 'shared'
    assert found.source == found.magnitude == _image(magnitude)
    assert items[_path(magnitude)].origin != 'shared' or 'echo-2' in magnitude


def test_images_of_one_acquisition_share_a_registration():
    names = ('echo-10_MEGRE', 'echo-1_MEGRE', 'echo-2_MEGRE', 'inv-1_MP2RAGE', 'inv-2_MP2RAGE')
    _, items = _plan('anat/T1w', *(f'anat/{name}' for name in names))
    sources = {name: items[_path(f'anat/{name}')].source for name in names}
    assert {sources[name] for name in names[:1] + names[2:3]} == {_image('anat/echo-1_MEGRE')}
    assert sources['inv-1_MP2RAGE'] == _image('anat/inv-2_MP2RAGE')
    assert {sources[name] for name in ('echo-1_MEGRE', 'inv-2_MP2RAGE')} == {_image('anat/T1w')}


def test_a_part_without_its_magnitude_is_not_defaced_and_said():
    plan, items = _plan('anat/T1w', 'anat/part-phase_MEGRE', not_defaced=[('sub-01/x.nii', 'why')])
    assert list(items) == [_path('anat/T1w')]
    assert [path for path, _ in plan.not_defaced] == [
        'sub-01/x.nii',
        _path('anat/part-phase_MEGRE'),
    ]
    text = describe([plan])
    assert all(f'    {path}' in text for path, _ in plan.not_defaced)
    assert 'not defaced: why' in text
    assert '1 (why)' in count_not_defaced([plan])


def test_what_is_not_defaced_of_others_is_not_ones_own():
    plans = make_plan(IMAGES, not_defaced=[('sub-02/x.nii', 'why')])
    assert [len(plan.not_defaced) for plan in plans] == [0, 1]


def test_no_image_waits_for_itself():
    plan, items = _plan(
        'anat/UNIT1', 'anat/inv-1_MP2RAGE', 'anat/inv-2_MP2RAGE', 'ses-A/anat/inv-2_MP2RAGE',
        'ses-A/anat/UNIT1', 'func/task-x_bold', 'anat/echo-1_MEGRE',
    )  # fmt: skip
    for item in plan.images:
        seen = set()
        while item.source:
            assert item.image not in seen
            seen.add(item.image)
            item = items[item.source.relative_path]
