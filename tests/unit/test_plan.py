# SPDX-License-Identifier: Apache-2.0
from facebids.bids.names import HeadImage
from facebids.bids.plan import describe, make_plan

PATHS = ('sub-02/anat/sub-02_T1w.nii.gz', 'sub-01/anat/sub-01_T1w.nii.gz')
IMAGES = [
    HeadImage.from_relative_path(path) for path in (*PATHS, PATHS[1].replace('T1w', 'FLAIR'))
]


def test_each_participant_gets_a_plan_with_its_images_in_order():
    plans = make_plan(IMAGES)
    assert [plan.participant for plan in plans] == ['01', '02']
    assert [item.image for item in plans[0].images] == [IMAGES[2], IMAGES[1]]
    assert all(item.action == 'deface' for plan in plans for item in plan.images)
    assert all(item.registration == 'own' for plan in plans for item in plan.images)


def test_the_order_of_the_images_does_not_matter():
    assert make_plan(IMAGES) == make_plan(reversed(IMAGES))


def test_the_text_names_every_image_and_why():
    text = describe(make_plan(IMAGES))
    assert all(image.relative_path in text for image in IMAGES)
    assert 'a FLAIR shows the face' in text


def test_a_template_is_named_where_one_was_asked_for():
    plans = make_plan(IMAGES, 'Child:cohort-3')
    assert all(item.registration == 'template' for plan in plans for item in plan.images)
    assert 'registered to the template Child:cohort-3' in describe(plans)


def test_no_image_no_plan():
    assert make_plan([]) == ()


def test_what_arrives_defaced_is_passed_on_unless_forced():
    assert 'passed on as it is' in describe(make_plan(IMAGES))
    assert 'passed on as it is' not in describe(make_plan(IMAGES, force=True))
