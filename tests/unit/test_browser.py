# SPDX-License-Identifier: Apache-2.0
"""Pages as a browser shows them: no text becomes markup, nothing is fetched, no picture is broken.

It is skipped where no Chromium is installed.
"""

import re
import shutil
import subprocess

import make
import pytest
from PIL import Image

from facebids.bids import names, records
from facebids.bids.names import HeadImage
from facebids.core.record import Reason
from facebids.reports import group, participant
from facebids.studies.results import NotPossible, Results

CHROMIUM = next(filter(None, map(shutil.which, ('chromium', 'google-chrome', 'chrome'))), None)
MARKUP = '<img src=x onerror=document.title=1><b id=injected>'
CLOSING = f'"\'></title></style></svg></td>{MARKUP}<script>document.title=1</script>'
IMAGE = HeadImage.from_relative_path(f'sub-01/anat/sub-01_acq-{MARKUP}_T1w.nii.gz')
FAILED = HeadImage.from_relative_path('sub-01/anat/sub-01_FLAIR.nii.gz')
PROBE = """<script>addEventListener('load', () => {
  const broken = [...document.images].filter(image => !image.naturalWidth)
  const fetched = performance.getEntriesByType('resource').map(entry => entry.name)
  const outside = fetched.filter(name => !/^(file|data):/.test(name))
  const found = [document.images, broken, outside]
  document.body.dataset.seen = found.map(list => list.length).join(' ')
})</script>"""


@pytest.fixture(scope='module')
def pages(tmp_path_factory):
    """Return the pages of a run in which every text is hostile, with a probe in each."""
    if CHROMIUM is None:
        pytest.skip('Chromium is not installed')
    out, private = tmp_path_factory.mktemp('out'), tmp_path_factory.mktemp('private')
    proof = make.image_record().provenance
    hostile = {
        'reasons': (Reason(CLOSING, 'review', CLOSING, CLOSING),),
        'registration': {'source': CLOSING, 'start': CLOSING},
        'provenance': {**vars(proof), 'version': CLOSING, 'keep_masks': {CLOSING: CLOSING}},
    }
    found = [
        make.image_record(IMAGE.relative_path, verdict='review', **hostile),
        make.image_record(FAILED.relative_path, verdict='fail', **hostile),
    ]
    records.merge(out, names.metrics(IMAGE), found)
    for kind in ('slices', 'renders'):
        for path in (
            out / names.figure(IMAGE, kind),
            private / names.withheld(names.figure(FAILED, kind)),
            *(private / names.private_figure(image, kind) for image in (IMAGE, FAILED)),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new('RGB', (4, 4)).save(path)
    participant.write_pages(out, private, '01')
    results = Results((), (NotPossible('scans', 'a', CLOSING, CLOSING),), (CLOSING,), 2)
    group.write_page(out, found, results)
    made = [out / 'sub-01.html', private / 'sub-01.html', out / names.GROUP_PAGE]
    for path in made:
        path.write_text(path.read_text().replace('</body>', f'{PROBE}</body>'))
    return made


def show(page, folder):
    """Return the document of a loaded page, and its numbers of pictures, broken ones, fetches."""
    done = subprocess.run(
        [
            CHROMIUM, '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
            '--host-resolver-rules=MAP * ~NOTFOUND', '--no-first-run', '--dump-dom',
            f'--user-data-dir={folder / "profile"}', page.as_uri(),
        ],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    numbers = re.search(r'data-seen="(\d+) (\d+) (\d+)"', done.stdout).groups()
    return done.stdout, *map(int, numbers)


@pytest.mark.parametrize(('number', 'expected'), [(0, 2), (1, 8), (2, 0)])
def test_a_page_shows_its_pictures_and_no_text_becomes_markup(pages, tmp_path, number, expected):
    document, pictures, broken, outside = show(pages[number], tmp_path)
    assert 'FaceBIDS</title>' in document  # nobody changed it
    assert 'id="injected"' not in document
    assert '<script>document' not in document
    assert (pictures, broken, outside) == (expected, 0, 0)


def test_a_broken_picture_and_an_outside_request_would_be_seen(pages, tmp_path):
    page = tmp_path / 'page.html'
    page.write_text(f'<body>{MARKUP}<img src=http://example.org/a.png>{PROBE}</body>')
    document, pictures, broken, outside = show(page, tmp_path)
    assert 'id="injected"' in document
    assert (pictures, broken, outside) == (2, 2, 1)
