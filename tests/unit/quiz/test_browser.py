# SPDX-License-Identifier: Apache-2.0
"""A quiz in a browser: without scripts, by keyboard, on a phone, and by the rules of axe-core.

It is skipped where no Chromium is installed.
"""

from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe

DESKTOP, PHONE = {'width': 1280, 'height': 900}, {'width': 360, 'height': 740}
SMALLEST_TARGET = 24  # CSS pixels, WCAG 2.2, 2.5.8
RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']


@contextmanager
def browse(chromium, **options):
    """Yield a page of a new context, and the addresses of its requests."""
    context = chromium.new_context(**{'viewport': DESKTOP, **options})
    page, asked = context.new_page(), []
    page.on('request', lambda request: asked.append(request.url))
    yield page, asked
    context.close()


@pytest.fixture(params=[DESKTOP, PHONE], ids=['desktop', 'phone'])
def audited(request, chromium):
    """Return a page, and a function that checks the page that is open."""
    with browse(chromium, viewport=request.param, bypass_csp=True) as (page, _):

        def check(title):
            assert page.title().startswith(title)
            results = Axe().run(page, options={'runOnly': RULES})
            assert results.violations_count == 0, results.generate_report()
            assert len(results.response['passes']) > 8  # it has run
            width = page.evaluate('document.documentElement.scrollWidth')
            assert width <= request.param['width']
            sizes = page.eval_on_selector_all(
                'button, .button, label.choice, select, input:not([type=hidden])',
                'all => all.map(e => e.closest("label") || e).map(e => e.getBoundingClientRect())'
                '.map(box => Math.min(box.width, box.height))',
            )
            assert min(sizes, default=SMALLEST_TARGET) >= SMALLEST_TARGET
            broken = page.evaluate('[...document.images].filter(i => !i.naturalWidth).length')
            assert broken == 0

        yield page, check


def submit(page):
    """Press the button of the form, whatever the browser thinks of its fields."""
    page.eval_on_selector('form', 'form => form.noValidate = true')
    follow(page, 'form button')


def follow(page, selector):
    """Click and wait for the page that follows: a click does not wait on a busy machine."""
    with page.expect_navigation():
        page.click(selector)


def test_every_page_is_accessible(serve, audited):
    quiz, (page, check) = serve(scans=1, choices=4), audited
    page.goto(f'{quiz.url}/')
    check('Consent')
    submit(page)
    check('Consent')
    assert page.get_by_role('alert').is_visible()
    page.check('[name=agree]')
    submit(page)
    check('About you')
    submit(page)
    check('Your personal link')
    follow(page, 'text=Begin')
    seen = set()
    for number in (1, 2):
        check(f'Question {number} of 2')
        submit(page)
        check(f'Choose an answer: Question {number} of 2')
        seen.add(page.get_by_text('None of the above').count())
        page.check('[name=choice] >> nth=-1')
        check(f'Choose an answer: Question {number} of 2')
        submit(page)
    assert seen == {0, 1}  # a question of each kind
    check('Thank you')
    page.goto(f'{quiz.url}/')
    check('Consent')
    page.goto(f'{quiz.url}/withdraw')
    check('Delete your answers')
    submit(page)
    check('Deleted')
    page.goto(f'{quiz.url}/question')
    check('We do not know who you are')
    page.goto(f'{quiz.url}/admin')
    check('Counts')
    page.fill('#password', 'wrong')
    submit(page)
    check('Counts')
    page.fill('#password', quiz.admin.password)
    submit(page)
    check('Counts')
    assert page.get_by_text('Observers who consented').is_visible()


def test_a_fault_of_accessibility_would_be_seen(chromium):
    with browse(chromium) as (page, _):
        page.set_content('<title>a</title><img src="data:,"><input>')
        assert Axe().run(page, options={'runOnly': RULES}).violations_count > 2


def test_an_observer_takes_part_without_scripts_and_by_keyboard(serve, chromium):
    quiz = serve(scans=2, others=4)
    with browse(chromium, java_script_enabled=False) as (page, asked):
        page.goto(f'{quiz.url}/')
        for key in ('Tab', 'Space', 'Tab', 'Enter'):  # the box, then the button
            page.keyboard.press(key)
        page.wait_for_url('**/about')
        for key in ('Tab', '3', 'Tab', 'Tab', 'Tab', *'nurse', 'Tab', 'Enter'):
            page.keyboard.press(key)
        page.wait_for_url('**/link')
        for key in ('Tab', 'Tab', 'Enter'):  # the link itself, then the button
            page.keyboard.press(key)
        for number in range(1, 5):
            page.wait_for_selector(f'text=Question {number} of 4')
            for key in ('Tab', 'ArrowDown', 'ArrowDown', 'ArrowUp', 'Tab', 'Enter'):
                page.keyboard.press(key)
        page.wait_for_url('**/thanks')
    (person,), answers = quiz.stored
    assert (person.age_band, person.profession) == ('30-39', 'nurse')
    assert [answer.choices.index(answer.chosen) for answer in answers] == [1] * 4
    assert asked
    assert not [address for address in asked if not address.startswith(quiz.url)]


def test_what_has_the_focus_is_seen(serve, chromium):
    """On a phone the render stays in sight, and must not hide the choice that has the focus."""
    quiz = serve(scans=1, choices=6, others=8)
    link = quiz.visitor.join()
    with browse(chromium, viewport=PHONE) as (page, _):
        page.goto(quiz.url + link)
        page.focus('[name=choice]')
        for _ in range(6):
            page.keyboard.press('ArrowDown')
            focused, picture = page.evaluate(
                '[document.activeElement.closest("label"), document.querySelector(".render img")]'
                '.map(e => e.getBoundingClientRect()).map(box => [box.top, box.bottom])'
            )
            assert focused[1] > picture[1]  # not wholly behind the render
            assert focused[0] < PHONE['height']
            outline = page.evaluate(
                'getComputedStyle(document.activeElement.closest("label")).outlineStyle'
            )
            assert outline == 'solid'


def test_a_screen_reader_hears_what_each_choice_is(serve, chromium):
    quiz = serve(scans=1)
    link = quiz.visitor.join()
    with browse(chromium) as (page, _):
        page.goto(quiz.url + link)
        group = page.get_by_role('group', name='Which photograph shows this person?')
        names = [f'Photograph {letter}' for letter in 'ABC']
        for name in names:
            assert group.get_by_role('radio', name=name, exact=True).count() == 1
        assert page.get_by_role('img', name='The head of a person').count() == 1
        assert page.get_by_role('progressbar', name='Questions answered').count() == 1


def test_a_personal_link_continues_in_another_browser(serve, chromium):
    quiz = serve()
    visitor = quiz.visitor
    link = visitor.join()
    visitor.answer()
    with browse(chromium, viewport=PHONE) as (page, _):
        page.goto(quiz.url + link)
        assert page.get_by_role('heading', name='Question 2 of 6').is_visible()
        assert link not in page.url
        follow(page, 'text=Pause')
        assert page.get_by_text('You have answered 1 of 6 questions.').is_visible()
        assert page.locator(f'a[href$="{link}"]').count() == 1


def test_the_policy_keeps_scripts_and_other_places_out(serve, chromium):
    quiz = serve()
    with browse(chromium) as (page, _):
        page.goto(f'{quiz.url}/')
        page.evaluate(
            'document.body.insertAdjacentHTML("beforeend", '
            '"<img src=http://example.org/a.png><img src=x onerror=document.title=1>")'
        )
        page.wait_for_timeout(300)
        assert page.title().startswith('Consent')
        assert page.evaluate('[...document.images].every(image => !image.naturalWidth)')
