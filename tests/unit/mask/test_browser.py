# SPDX-License-Identifier: Apache-2.0
"""The page of a recording in a browser: it plays the video, and passes the rules of axe-core.

It is skipped where no Chromium is installed.
"""

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from facebids.mask import parameters, report, summary, video
from facebids.mask.parameters import Recording

av = pytest.importorskip('av', reason='facebids[video] is not installed')
RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
SIZES = [{'width': 1280, 'height': 900}, {'width': 360, 'height': 740}]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Return a folder with the page of a short recording, and its video."""
    place = tmp_path_factory.mktemp('page')
    times = np.arange(50) / 25
    frames = tuple(parameters.frame(time, confidence=1, yaw_deg=10 * time) for time in times)
    recording = Recording(frames, 25.0, 'own')
    shades = (np.full((48, 64, 3), 4 * number, np.uint8) for number in range(50))
    video.encode(place / 'a_desc-mask_video.mp4', times, shades, (64, 48))
    found = summary.summarise(recording)
    report.write_page(place / 'a_desc-mask_report.html', recording, found, 'a_desc-mask_video.mp4')
    return place


@pytest.mark.parametrize('size', SIZES, ids=['desktop', 'phone'])
def test_the_page_plays_the_mask_and_is_accessible(folder, chromium, size):
    asked = []
    context = chromium.new_context(viewport=size)
    try:
        page = context.new_page()
        page.on('request', lambda request: asked.append(request.url))
        page.goto((folder / 'a_desc-mask_report.html').as_uri())
        page.eval_on_selector('video', 'video => video.play()')
        page.wait_for_function('document.querySelector("video").currentTime > 0.2')
        length = page.eval_on_selector('video', 'video => video.duration')
        width = page.evaluate('document.documentElement.scrollWidth')
        results = Axe().run(page, options={'runOnly': RULES})
    finally:
        context.close()
    assert length == pytest.approx(2, abs=0.1)
    assert width <= size['width']
    assert results.violations_count == 0, results.generate_report()
    assert all(address.startswith('file:') for address in asked)
