# SPDX-License-Identifier: Apache-2.0
import re
from html.parser import HTMLParser

import pytest

from facebids.bids import names, records
from facebids.bids.metadata import write_text_atomic
from facebids.bids.names import HeadImage
from facebids.reports import group, number, participant

PATH = 'sub-01/ses-A/anat/sub-01_ses-A_T1w.nii.gz'
T1W = HeadImage.from_relative_path(PATH)
FLAIR = HeadImage.from_relative_path(PATH.replace('T1w', 'FLAIR'))
OTHER = HeadImage.from_relative_path('sub-02/anat/sub-02_T1w.nii.gz')
VOID = {'meta', 'link', 'img', 'br', 'circle', 'line'}


class _Page(HTMLParser):
    """Collects addresses and text of a page, and checks that its tags are closed."""

    def __init__(self, text):
        super().__init__()
        self.addresses, self.open, self.text = [], [], ''
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.addresses += [value for key, value in attrs if key in ('src', 'href')]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert tag in VOID or self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def _record(image, verdict, message='A face was found in 3 of 10 views.'):
    reason = {'code': 'face_found_after', 'severity': verdict, 'message': message}
    return {
        'image': image.relative_path,
        'participant_id': image.participant_id,
        'session_id': image.session_id,
        'suffix': image.suffix,
        'verdict': verdict,
        'reasons': [] if verdict == 'pass' else [reason],
        'registration': {'quality': 0.912345},
        'mask': {'volume_ml': 812.3, 'guard_voxels_changed': 0},
        'identifiability': {
            'views': 10,
            'faces_before': 9,
            'faces_after': 0 if verdict == 'pass' else 3,
            'distance_within_before': 0.31,
            'distance_before_after': None if verdict == 'pass' else 0.62,
            'named': {'half_side': {'before': True, 'after': None}},
        },
    }


@pytest.fixture
def places(tmp_path):
    """Return output and private folder of a passed T1w and a failed FLAIR, with figures."""
    out, private = tmp_path / 'out', tmp_path / 'private'
    records.merge(out, names.metrics(T1W), [_record(T1W, 'pass'), _record(FLAIR, 'fail')])
    for kind in ('slices', 'renders'):
        write_text_atomic(out / names.figure(T1W, kind), 'T1w after')
        write_text_atomic(private / names.withheld(names.figure(FLAIR, kind)), 'FLAIR after')
        for image in (T1W, FLAIR):
            write_text_atomic(private / names.private_figure(image, kind), 'before')
    return out, private


def _pages(places):
    participant.write_pages(*places, '01')
    return [(folder / 'sub-01.html').read_text() for folder in places]


def test_the_public_page_shows_released_pictures_alone_through_relative_links(places):
    page = _Page(_pages(places)[0])
    pictures = [address for address in page.addresses if address.endswith('.png')]
    assert pictures == [names.figure(T1W, 'renders'), names.figure(T1W, 'slices')]
    assert all((places[0] / picture).is_file() for picture in pictures)
    assert 'data:' not in ''.join(page.addresses)


def test_the_private_page_has_every_picture_inside_itself(places):
    page = _Page(_pages(places)[1])
    pictures = [address for address in page.addresses if address.startswith('data:image/png')]
    assert len(pictures) == 8
    assert 'Private copy' in page.text
    assert page.text.count('Before defacing') == page.text.count('After defacing') == 4


def test_pages_need_nothing_from_the_network_and_no_script(places):
    for text in _pages(places):
        loaded = re.findall(r'(?:src=|url\(|@import)["\']?([^"\')>]*)', text)
        assert not [address for address in loaded if address.startswith(('http', '//', '/'))]
        assert '<script' not in text
        assert '<link' not in text


def test_a_pass_is_a_lower_bound_of_the_risk(places):
    for text in _pages(places):
        assert 'lower bound of the risk' in text
        assert 'anonym' not in text.lower().replace('of anonymous mri research', '')


def test_verdict_reasons_and_every_number_are_told(places):
    text = _Page(_pages(places)[0]).text
    assert 'A face was found in 3 of 10 views.' in text
    assert '0.912' in text
    assert '812 mL' in text
    assert all(metric.meaning in text for metric in records.METRICS)
    assert 'half side' in text
    assert 'No step failed.' in text


def test_an_error_is_told_and_text_is_escaped(places):
    message = 'broken <script>alert(1)</script>.'
    failed = records.failed(T1W, 'unreadable_image_error', message)
    records.merge(places[0], names.metrics(T1W), [failed])
    text = _pages(places)[0]
    assert text.count('broken &lt;script&gt;') == 2
    assert 'No step failed.' not in text
    assert '.png' not in text


def test_a_page_of_one_image_has_no_table_of_contents(places):
    records.merge(places[0], names.metrics(OTHER), [_record(OTHER, 'review')])
    participant.write_pages(*places, '02')
    page = _Page((places[0] / 'sub-02.html').read_text())
    assert '#image-1' not in page.addresses
    assert '1 image of one participant' in page.text


def test_the_group_page_shows_each_number_before_beside_after(places):
    out = places[0]
    failed = records.failed(OTHER, 'empty_image_error', 'No signal.')
    found = [*records.read_all(out), failed]
    group.write_page(out, found)
    page = _Page((out / names.GROUP_PAGE).read_text())
    assert '3 images of 2\n  participants' in page.text
    assert 'No signal.' in page.text
    assert 'sub-02.html' in page.addresses
    assert f'{PATH}: 9, 0' in page.text
    assert '2 of 3 images have no' in page.text


def test_a_paired_plot_puts_values_on_one_scale():
    found = [_record(T1W, 'fail'), _record(FLAIR, 'pass')]
    keys = ('distance_within_before', 'distance_before_after')
    plot = group.paired_plot(found, keys, 'Distance', ('a', 'b'))
    top, bottom = plot.ticks[-1], plot.ticks[0]
    assert (top[1], bottom[1]) == ('0.8', '0')
    assert top[0] < plot.pairs[0].after < plot.pairs[0].before < bottom[0]
    assert plot.pairs[1].after is None
    assert plot.missing == 1
    assert plot.pairs[0].shift < plot.pairs[1].shift


def test_a_plot_of_nothing_but_errors_has_a_scale():
    failed = records.failed(T1W, 'x', 'y')
    plot = group.paired_plot([failed], ('faces_before', 'faces_after'), 't', ('a', 'b'))
    assert plot.ticks[-1][1] == '1'
    assert plot.missing == 1


@pytest.mark.parametrize(
    ('value', 'text'),
    [(None, 'n/a'), (True, 'yes'), (False, 'no'), (3, '3'), (0.5, '0.500'), (812.3, '812')],
)
def test_numbers_on_pages(value, text):
    assert number(value) == text
