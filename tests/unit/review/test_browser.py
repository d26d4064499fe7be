# SPDX-License-Identifier: Apache-2.0
"""A review in a browser: by keyboard, without outside requests, and by the rules of axe-core.

It is skipped where no Chromium is installed.
"""

import pytest
from axe_playwright_python.sync_playwright import Axe
from review_heads import DOUBTFUL, NEAR, SURE

from facebids.release.gate import read_accepted
from facebids.review import decisions, items, page

RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
SIZES = [{'width': 1280, 'height': 900}, {'width': 360, 'height': 740}]


@pytest.fixture
def tab(chromium):
    """Return a page of a browser."""
    context = chromium.new_context(viewport=SIZES[0])
    yield context.new_page()
    context.close()


@pytest.fixture
def asked(tab):
    """Return the addresses that the page asks for."""
    found = []
    tab.on('request', lambda request: found.append(request.url))
    return found


@pytest.fixture
def faults(tab):
    """Return the faults of the page's script, and what its policy forbids."""
    found = []
    tab.on('pageerror', lambda error: found.append(str(error)))
    tab.on('console', lambda item: found.append(item.text) if item.type == 'error' else None)
    return found


def _shown(tab, image):
    tab.wait_for_function(
        'image => document.getElementById("name").textContent === image', arg=image
    )


def _state(tab, text):
    tab.wait_for_function(
        'text => document.getElementById("state").textContent.includes(text)', arg=text
    )


def test_a_person_decides_by_keyboard(serve, tab, asked, faults):
    served = serve()
    tab.goto(f'{served.url}/?key={served.key}')
    _shown(tab, DOUBTFUL)
    assert served.key not in tab.url
    tab.keyboard.press('c')
    tab.keyboard.type('a lip, no face')
    tab.keyboard.press('Enter')
    tab.keyboard.press('a')
    _shown(tab, NEAR)
    tab.keyboard.press('r')
    _shown(tab, SURE)
    tab.keyboard.press('ArrowLeft')
    _state(tab, 'rejected by Ada')
    tab.keyboard.press('u')
    _state(tab, 'not decided')
    accepted = read_accepted(served.table)
    assert accepted[DOUBTFUL].reason.startswith('a lip, no face (')
    choices = [item.choice for item in decisions.read(served.table)]
    assert choices == ['accept', 'reject', 'undo']
    assert tab.evaluate('[...document.images].every(image => image.naturalWidth)')
    assert '1 of 3 decided; 0 with the verdict review left' in tab.inner_text('#progress')
    assert not faults
    assert not [url for url in asked if not url.startswith(served.url)]


def test_what_is_not_saved_is_said_and_the_image_stays(serve, tab):
    served = serve()
    tab.goto(f'{served.url}/?key={served.key}')
    _shown(tab, DOUBTFUL)
    tab.route('**/decide', lambda route: route.abort())
    tab.keyboard.press('a')
    tab.wait_for_selector('#problem:not([hidden])')
    assert 'Not saved' in tab.inner_text('#problem')
    _shown(tab, DOUBTFUL)
    _state(tab, 'not decided')
    assert not served.table.exists()


def test_the_file_shows_the_same_and_saves_nothing(output, tab, asked, faults):
    path = page.write_page(output, items.collect(output))
    before = sorted(output.parent.rglob('*'))
    tab.goto(path.as_uri())
    _shown(tab, DOUBTFUL)
    assert tab.evaluate('[...document.images].every(image => image.naturalWidth)')
    tab.keyboard.press('a')
    _shown(tab, NEAR)
    tab.keyboard.press('u')
    _shown(tab, DOUBTFUL)
    _state(tab, 'not decided')
    assert tab.locator('#reasons b').count() == 0  # text of a record is no markup
    assert sorted(output.parent.rglob('*')) == before
    assert not faults
    assert not [url for url in asked if not url.startswith('file:')]


@pytest.mark.parametrize('size', SIZES, ids=['desktop', 'phone'])
def test_the_page_is_accessible(serve, chromium, size):
    served = serve()
    context = chromium.new_context(viewport=size, bypass_csp=True)
    try:
        tab = context.new_page()
        tab.goto(f'{served.url}/?key={served.key}')
        _shown(tab, DOUBTFUL)
        results = Axe().run(tab, options={'runOnly': RULES})
        assert results.violations_count == 0, results.generate_report()
        assert tab.evaluate('document.documentElement.scrollWidth') <= size['width']
    finally:
        context.close()
