# SPDX-License-Identifier: Apache-2.0
import html
import re
from dataclasses import replace
from html.parser import HTMLParser

import make
import pytest

from facebids.bids import citation, names, records
from facebids.bids.names import HeadImage
from facebids.cli.console import Terminal
from facebids.config import Settings
from facebids.core.identifiability.summary import (
    Cmc,
    Det,
    Estimate,
    Evidence,
    GalleryRank1,
    OpenSetPoint,
    Roc,
    Similarity,
    Summary,
    Svm,
    Tippett,
)
from facebids.core.metrics import METRICS, SECTIONS
from facebids.core.record import Reason
from facebids.core.verdict import criteria, judge
from facebids.filesystem import write_text_atomic
from facebids.provenance import source_digest
from facebids.reports import (
    about,
    comparisons,
    curves,
    evidence,
    group,
    number,
    participant,
    tables,
)
from facebids.reports.criteria import ordered, value
from facebids.studies.results import NotPossible, Outcome, Results, Search, strongest

PATH = 'sub-01/ses-A/anat/sub-01_ses-A_T1w.nii.gz'
T1W = HeadImage.from_relative_path(PATH)
FLAIR = HeadImage.from_relative_path(PATH.replace('T1w', 'FLAIR'))
OTHER = HeadImage.from_relative_path('sub-02/anat/sub-02_T1w.nii.gz')
VOID = {'input', 'meta', 'link', 'img', 'br', 'circle', 'line', 'rect', 'polygon', 'polyline'}


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
    passed = verdict == 'pass'
    return make.image_record(
        image.relative_path,
        verdict=verdict,
        reasons=() if passed else (Reason('face_found_after', verdict, message),),
        registration={'quality': 0.912345},
        mask={'volume_ml': 812.3, 'head_removed_share': 0.2},
        utility={
            'gm_before_ml': 600.0,
            'gm_after_ml': 603.0 if passed else 594.0,
            'gm_change': 0.005,
            'wm_before_ml': None,
            'wm_after_ml': None,
            'csf_before_ml': None,
            'csf_after_ml': None,
        },
        identifiability={
            'faces_before': 9,
            'faces_after': 0 if passed else 3,
            'distance_within_before': 0.31,
            'distance_before_after': None if passed else 0.62,
            'named': make.seen(halfside=(True, False)),
        },
    )


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
    assert pictures == [names.figure(T1W, kind) for kind in ('renders', 'slices') for _ in 'ab']
    assert all((places[0] / picture).is_file() for picture in pictures)
    assert 'data:' not in ''.join(page.addresses)


def test_the_private_page_has_every_picture_inside_itself(places):
    page = _Page(_pages(places)[1])
    pictures = [address for address in page.addresses if address.startswith('data:image/png')]
    assert len(pictures) == 8
    assert 'Private copy' in page.text
    assert page.text.count('Before defacing') == page.text.count('After defacing') == 4


def test_the_private_page_flickers_between_before_and_after_on_request(places):
    public, private = _pages(places)
    boxes = re.findall('<input type="checkbox" class="flicker" id="([^"]+)">', private)
    assert len(boxes) == len(set(boxes)) == 4
    assert 'checked>' not in private
    assert '<input' not in public


def test_pages_need_nothing_from_the_network_and_no_script(places):
    for text in _pages(places):
        loaded = re.findall(r'(?:src=|url\(|@import)["\']?([^"\')>]*)', text)
        assert not [address for address in loaded if address.startswith(('http', '//', '/'))]
        assert '<script' not in text
        assert '<link' not in text


def test_a_pass_is_a_lower_bound_of_the_risk(places):
    for text in _pages(places):
        assert 'lower bound of the risk' in text
        assert 'anonym' not in _our_words(text)


def test_the_page_shows_the_verdict_its_reasons_and_every_number(places):
    text = _Page(_pages(places)[0]).text
    assert 'A face was found in 3 of 10 views.' in text
    assert '0.912' in text
    assert '812 mL' in text
    assert '20 %' in text
    known = records.read_all(places[0])
    measured = {metric: any(metric.read(item) is not None for item in known) for metric in METRICS}
    assert all((metric.meaning in text) == there for metric, there in measured.items())
    assert 'half side' in text
    assert 'No step failed.' in text


def test_the_summary_shows_what_decides_with_its_limits(places):
    text = ' '.join(_Page(_pages(places)[0]).text.split())
    assert 'shows this person: -1.00 (95 % interval -1.30 to -0.70), at most 1 to pass' in text
    assert 'Face skin removed 100 % at least 95 % met' in text
    assert 'Grey matter, change 0.5 % -2 % to 2 % met' in text


def test_a_criterion_that_is_not_met_is_marked_as_its_reason(places):
    record = make.image_record(
        PATH, mask={'skin_removed_share': 0.92, 'voxels_changed_outside': 3}
    )
    outcomes = {item.metric.key: item.outcome for item in criteria(record)}
    judged = {reason.code: reason.severity for reason in judge(record).reasons}
    assert outcomes['skin_removed_share'] == judged['face_skin_left'] == 'review'
    assert outcomes['voxels_changed_outside'] == judged['voxels_changed_outside'] == 'fail'
    assert outcomes['brain'] == 'pass'
    assert 'coregistration' not in outcomes  # its registration is its own


def test_a_page_says_where_the_head_was_cut_and_what_that_spoils(places):
    cut = {'cut_eyes': 0.0, 'cut_nose': 1.0, 'cut_chin': None, 'cut_skull': 0.031}
    reach = {'cut_above_mm': 105.2, 'cut_below_mm': 108.6, 'cut_behind_mm': 122.4}
    record = make.image_record(PATH, mask={**cut, **reach, 'cut_landmarks': 2})
    records.merge(places[0], names.metrics(T1W), [record])
    text = ' '.join(_Page(_pages(places)[0]).text.split())
    assert '20 % of the head in view was replaced' in text
    assert 'from 105 mm above the nasion, the root of the nose, to 109 mm below it' in text
    assert 'Replaced: eyes 0 %, nose 100 %, skull around the brain 3 %.' in text
    assert 'Not in view: mouth, chin, ears.' in text
    assert '2 of 3 landmarks' in text
    assert '(eTIV)' in text
    assert text.count('Eyes and orbits') == 1  # of the other image, not of this one


def test_records_of_earlier_versions_say_how_much_was_cut_but_not_where(places):
    records.merge(places[0], names.metrics(T1W), [make.image_record(PATH)])
    text = _Page(_pages(places)[0]).text
    assert 'of the head in view was replaced' in text
    assert 'above the nasion, the root' not in text
    assert '(eTIV)' in text


def test_an_image_that_was_not_attacked_is_no_error_and_proves_nothing(places):
    record = make.image_record(
        PATH, attacked=False, identifiability=None, utility=None, mask={'skin_removed_share': 0.5}
    )
    sections = {item.metric.section for item in criteria(record)}
    assert sections == {'registration', 'screening', 'mask'}
    records.merge(places[0], names.metrics(T1W), [judge(record)])
    records.merge(places[0], names.metrics(T1W), [make.image_record(FLAIR.relative_path)])
    text = _Page(_pages(places)[0]).text
    assert 'so that nothing is proven' in text
    assert 'No step failed.' in text


@pytest.mark.parametrize(
    ('numbers', 'said'),
    [
        ((-0.52, -0.9, 0.1), '-0.52 (95 % interval -0.90 to 0.10)'),
        ((-1.3, -1.3, -1.2), 'at most -1.30 (95 % interval up to -1.20)'),
        ((1.6, 1.1, 1.6), 'at least 1.60 (95 % interval from 1.10)'),
        ((-1.3, -1.3, -1.3), 'at most -1.30 (the bound of what the calibration supports)'),
        ((0.5, None, None), '0.50'),
    ],
)
def test_a_strength_at_the_bound_of_the_calibration_is_said(places, numbers, said):
    ends = dict(zip(('log10_lr', 'log10_lr_low', 'log10_lr_high'), numbers, strict=True))
    record = make.image_record(OTHER.relative_path, identifiability=ends)
    found = record.identifiability
    assert tables.strength_in_words(found) == said
    records.merge(places[0], names.metrics(OTHER), [record])
    participant.write_pages(*places, '02')
    group.write_page(places[0], [record])
    cell = said.partition(' (')[0].replace('at most', '≤').replace('at least', '≥')
    for page, shown in (('sub-02.html', f'{said}, at most 1 to pass'), (names.GROUP_PAGE, cell)):
        assert shown in ' '.join(_Page((places[0] / page).read_text()).text.split())
    assert tables.strength(None) == 'n/a'


def test_the_command_has_all_options_that_change_results_and_names_nobody(tmp_path):
    settings = Settings(
        tmp_path / 'raw', tmp_path / 'out', 'participant', tmp_path / 'w', tmp_path / 'w/p',
        ('01',), include=('func',), keep=('ears',), keep_mask=tmp_path / 'sub-01', force=True,
        nprocs=2, template='Child', brain_margin=2.5,
    )  # fmt: skip
    assert about.command(settings) == (
        'facebids raw out participant --include func --mode remove --fill air --keep-mask PATH '
        '--brain-margin 2.5 --force --template Child --keep-ears --random-seed 0'
    )
    group = replace(settings, analysis_level='group', photos_dir=tmp_path / 'photos')
    assert about.command(replace(group, keep=())) == (
        'facebids raw out group --photos PATH --random-seed 0'
    )


@pytest.mark.parametrize(
    ('mode', 'words', 'method'),
    [
        ('remove', 'The face was replaced with air.', 'were replaced with air.'),
        ('reface', 'A face in the pictures is that of nobody', 'Defaced images were registered'),
    ],
)
def test_a_page_says_how_the_face_was_replaced(places, tmp_path, mode, words, method):
    out = places[0]
    records.merge(out, names.metrics(OTHER), [make.image_record(OTHER.relative_path, mode=mode)])
    settings = Settings(
        tmp_path / 'raw', out, 'participant', tmp_path / 'w', tmp_path / 'w/p', mode=mode, seed=3
    )
    participant.write_pages(*places, '02', settings)
    text = ' '.join(_Page((out / 'sub-02.html').read_text()).text.split())
    assert words in text
    assert method in text
    assert f'facebids raw out participant --mode {mode}' in text
    assert '--random-seed 3' in text
    assert f'FaceBIDS 1.0 (source {"3" * 12})' in text
    assert source_digest()[:12] in text
    assert str(tmp_path) not in text
    for package in ('Python', 'ANTs', 'dlib', 'Date of the results'):
        assert package in text


def test_the_page_shows_an_error_and_escapes_its_text(places):
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
    assert 'sub-02.html#image-1' in page.addresses
    assert f'{PATH}: 9, 0' in page.text
    assert '2 of 3 images have no' in page.text


@pytest.mark.parametrize(
    ('verdicts', 'objections', 'verdict', 'words'),
    [
        (['pass', 'pass'], [], 'pass', 'Yes, as far as these attacks can tell'),
        (['pass', 'review'], [], 'review', 'Not yet'),
        (['fail', 'review'], [], 'fail', 'Not as it is'),
        (['pass'], ['x: after defacing, 40% are at rank 1.'], 'fail', 'No: after defacing'),
    ],
)
def test_the_group_page_answers_first_whether_the_dataset_may_leave(
    verdicts, objections, verdict, words
):
    found = [_record(OTHER, item) for item in verdicts]
    answer = group.answer(found, objections, None)
    assert answer.verdict == verdict
    assert answer.sentence.startswith(words)
    assert len(answer.remedies) == len(objections) + len(set(verdicts) - {'pass'})


def test_of_few_people_no_rate_is_shown_but_why(places):
    outcomes = _outcome(), _outcome('after')
    few, many = (_group_page(places[0], *outcomes, people=people) for people in (19, 20))
    assert 'Only 19 participants were compared' in few
    assert 'class="amber"' not in many
    assert '50 % (25 to 75)' in many
    assert not re.search('50 %|rank-1 identification rate|<h2>S1', few)
    assert '2 photographs of 1 person.' in few


def test_a_comparison_of_few_people_is_not_shown_but_named(places):
    few = _outcome(mates=19, key='photos_T1w', title='Photographs', study='S1')
    text = _group_page(places[0], _outcome(), few)
    assert 'id="photos_T1w"' not in text
    assert 'id="sessions_T1w_in_T1w"' in text
    assert 'Participants with a mate in the gallery: 19. Rates of fewer than 20' in text


def test_the_terminal_counts_who_is_found_and_shows_rates_of_enough_people_alone(capsys):
    ranks = {'before': [1.0, 1.0, None], 'after': [1.5, 1.0, None]}
    for people, said in ((2, '2 of 2'), (24, '2 of 2 50% (25 to 75)')):
        outcomes = [
            _outcome(
                state, mates=people, engine=engine,
                searches=tuple(Search('01', None, 'scan', rank, 0.0) for rank in ranks[state]),
            )
            for engine in ('dlib', 'fused')
            for state in ranks
        ]  # fmt: skip
        Terminal().show_findings(Results(tuple(outcomes), people=people))
        text = capsys.readouterr().out
        rows = [[cell.strip() for cell in line.split('│')] for line in text.splitlines()]
        (dlib,) = [row for row in rows if 'dlib' in row]
        (fused,) = [row for row in rows if 'fused' in row]
        after = said.replace('2 of', '1 of')
        assert dlib == ['T1w', 'T1w, another session', 'dlib', said, after, '-', '0.5 of 2']
        assert fused == ['', '', *['fused', *dlib[3:]]]
        assert ('Only 2 participants were compared' in text) == (people == 2)
        assert ('%' in text) == (people == 24)


def test_the_page_of_many_images_lists_those_to_look_at_first(places, monkeypatch):
    monkeypatch.setattr(group, 'MOST_ROWS', 3)
    out = places[0]
    verdicts = ['pass', 'review', 'pass', 'fail', 'review', 'fail', 'pass', 'pass']
    found = [
        _record(HeadImage.from_relative_path(f'sub-{i:02}/anat/sub-{i:02}_T1w.nii.gz'), verdict)
        for i, verdict in enumerate(verdicts)
    ]
    group.write_page(out, found)
    text = (out / names.GROUP_PAGE).read_text()
    rows = re.findall('<tr data-verdict="([a-z]+)">', text)
    assert rows == ['fail', 'fail', 'review']
    assert '8 images of 8' in text
    assert f'3 of 8 images, those to look at first. <a href="{names.GROUP_TABLE}">' in text
    assert 'The first 3 of 4 images.' in text
    group.write_page(out, found[:3])
    text = (out / names.GROUP_PAGE).read_text()
    assert re.findall('<tr data-verdict="([a-z]+)">', text) == ['pass', 'review', 'pass']
    assert 'to look at first' not in text


@pytest.mark.parametrize('count', [5, 1000, 1001, 123_457])
def test_plots_draw_at_most_a_thousand_images(count):
    kept = curves.drawn(range(count))
    assert len(set(kept)) == len(kept) == min(count, curves.MOST_DRAWN)
    assert (kept[0], kept[-1]) == (0, count - 1)
    values = [curves.Value('image', 'pass', float(number), 1.0) for number in range(count)]
    plot = curves.distribution('Removed', 'mL', values)
    assert len(plot.svg) < 200_000
    assert f'range 0 to {count - 1:.3g}' in plot.caption
    assert (f'{count:,} images, 1,000 drawn' in plot.caption) == (count > 1000)


def test_images_to_look_at_link_to_their_place_and_picture(places):
    out = places[0]
    review = [_record(image, 'review') for image in (T1W, OTHER)]
    write_text_atomic(out / names.figure(OTHER, 'renders'), 'png')
    group.write_page(out, [_record(FLAIR, 'fail'), *review])
    table = (out / names.GROUP_PAGE).read_text().partition('id="to-decide"')[2]
    addresses = re.findall('href="([^"]+)"', table.partition('</section>')[0])
    assert addresses == [
        'sub-01.html#image-1', 'sub-01.html#image-2', names.figure(T1W, 'renders'),
        'sub-02.html#image-1', names.figure(OTHER, 'renders'),
    ]  # fmt: skip


def test_plots_of_many_images_have_dots_without_tooltips():
    found = [_record(T1W, 'pass')] * (curves.TOOLTIPS + 1)
    plot = group.paired_plot(found, ('faces_before', 'faces_after'), 't', ('a', 'b'))
    values = [curves.Value('x', 'pass', after=n) for n in range(curves.TOOLTIPS + 1)]
    spread = curves.distribution('Head removed', 'share', values)
    assert _tooltips(plot) == _tooltips(spread) == []
    assert plot.svg.count('<use') > 2 * len(found)
    assert spread.svg.count('<use') > len(values)


def test_a_paired_plot_names_each_image_and_counts_missing_numbers():
    found = [_record(T1W, 'fail'), _record(FLAIR, 'pass')]
    keys = ('distance_within_before', 'distance_before_after')
    plot = group.paired_plot(found, keys, 'Distance', ('a', 'b'))
    assert [title.partition(':')[0] for title in _tooltips(plot)] == [PATH, FLAIR.relative_path]
    assert '1 of 2 images have no number after defacing' in plot.summary
    assert {'a', 'b', '0.8'} <= _labels(plot)


def test_a_plot_of_nothing_but_errors_has_an_axis():
    failed = records.failed(T1W, 'x', 'y')
    plot = group.paired_plot([failed], ('faces_before', 'faces_after'), 't', ('a', 'b'))
    assert '1.0' in _labels(plot)
    assert '1 of 1 images' in plot.summary


def test_each_number_is_in_its_section(places):
    text = _Page(_pages(places)[0]).text
    last = text.rpartition('All numbers')[2]
    headings = [heading for _, heading in SECTIONS.values()]
    assert sorted(headings, key=last.index) == headings
    utility = last.index(SECTIONS['utility'][1])
    assert last.index('Head removed') < utility < last.index('Brain voxels changed')


def test_costs_are_shown_for_images_that_have_them(places):
    out = places[0]
    found = records.read_all(out)
    failed = records.failed(OTHER, 'empty_image_error', 'No signal.')
    old = make.changed(_record(OTHER, 'pass'), mask=None, utility=None)
    group.write_page(out, [*found, _record(OTHER, 'pass'), failed, old])
    page = _Page((out / names.GROUP_PAGE).read_text())
    assert 'Median 20 %, range 20 % to 20 % (3 images).' in page.text
    assert 'Median 0, range 0 to 0 (3 images).' in page.text
    assert 'Grey matter, T1w' in page.text
    assert 'Mean difference 3 mL, limits of agreement 3 to 3 mL (2 images).' in page.text
    assert 'Grey matter, FLAIR' not in page.text  # of a single image
    assert 'White matter' not in page.text
    group.write_page(out, [*found, failed])
    assert 'There are no volumes of at least two' in (out / names.GROUP_PAGE).read_text()


def test_a_single_participant_has_no_plots_but_a_sentence(places):
    out = places[0]
    group.write_page(out, records.read_all(out))
    text = (out / names.GROUP_PAGE).read_text()
    assert group.no_plots(1) in text
    assert '<figure>' not in text
    assert '#utility' not in text
    group.write_page(out, [*records.read_all(out), _record(OTHER, 'pass')])
    assert '<figure>' in (out / names.GROUP_PAGE).read_text()


def test_limits_of_agreement_are_those_of_the_differences():
    pairs = ((500, 502), (600, 600), (700, 704))
    values = [curves.Value(str(b), 'pass', after=a, before=b) for b, a in pairs]
    plot = curves.bland_altman('Grey matter', 'mL', values)
    assert 'Mean difference 2 mL, limits of agreement -1.92 to 5.92 mL (3 images)' in plot.summary
    assert curves.agreement([2, 0, 4]) == pytest.approx((2, -1.92, 5.92))
    assert _tooltips(plot) == ['500: 500, 502 mL', '600: 600, 600 mL', '700: 700, 704 mL']
    xs, ys = zip(*_dots(plot), strict=True)
    assert list(xs) == sorted(xs)
    assert ys[2] < ys[0] < ys[1]  # from the top
    assert curves.bland_altman('Grey matter', 'mL', values[:1]) is None


def test_a_distribution_rises_from_the_least_value_to_the_largest():
    values = [curves.Value(str(n), 'pass', after=n) for n in (4, 1, 2)]
    plot = curves.distribution('Head removed', 'share', values)
    assert _tooltips(plot) == ['1: 1', '2: 2', '4: 4']
    xs, ys = zip(*_dots(plot), strict=True)
    assert list(xs) == sorted(xs)
    assert list(ys) == sorted(ys, reverse=True)
    assert 'Median 2, range 1 to 4' in plot.summary
    assert curves.distribution('Head removed', 'share', values[:1]) is None


def test_shares_are_drawn_in_percent_and_counts_in_whole_numbers():
    values = [curves.Value('x', 'pass', after=share) for share in (0.1, 0.204)]
    plot = curves.distribution('Head removed', 'share', values, share=True)
    assert 'Median 15.2 %, range 10 % to 20.4 %' in plot.summary
    assert {'0%', '10%', '20%', '100%'} <= _labels(plot)
    none = [curves.Value('x', 'pass', after=0)] * 2
    counts = _labels(curves.distribution('Brain changed', 'voxels', none))
    assert {'0', '1'} == {label for label in counts if re.fullmatch(r'[\d.]+', label)}


def test_evidence_at_a_bound_says_so_where_it_decides(places):
    record = make.changed(
        _record(OTHER, 'pass'),
        identifiability={'log10_lr': -1.3, 'log10_lr_low': -1.3, 'log10_lr_high': -1.1},
    )
    shown = {item.metric.label: value(item, record) for item in ordered(record)}
    assert next(iter(shown)) == 'Strength of evidence'
    assert shown['Strength of evidence'] == '≤ -1.30'
    assert shown['Strength of evidence, upper end'] == '-1.10'


@pytest.mark.parametrize(
    ('value', 'text'),
    [(None, 'n/a'), (True, 'yes'), (False, 'no'), (3, '3'), (0.5, '0.500'), (812.3, '812')],
)
def test_numbers_on_pages(value, text):
    assert number(value) == text


# --- comparisons between people -----------------------------------------------------------------


EXPECTED = Estimate(0.4, 0.2, 0.6)


def _outcome(
    condition='before', engine='fused', study='scans', auc=0.98, gallery_size=4, expected=EXPECTED,
    mates=24, **more,
):  # fmt: skip
    summary = Summary(
        people=2,
        probes=2,
        gallery_size=gallery_size,
        chance=1 / gallery_size,
        people_with_mates=mates,
        missing=0,
        detection=0.9,
        rank1=Estimate(0.5, 0.25, 0.75),
        rank5=Estimate(1.0),
        cmc=Cmc((0.5, 1.0, 1.0, 1.0), (0.25, 1.0, 1.0, 1.0), (0.75, 1.0, 1.0, 1.0)),
        auc=Estimate(auc, auc - 0.02, auc + 0.01),
        roc=Roc((0.0, 0.0, 1.0), (0.0, 1.0, 1.0)),
        open_set=(OpenSetPoint(1.0, tpir=Estimate(0.25), fpir=Estimate(0.0)),),
        intra=Similarity(0.65, 0.47, 0.8),
        inter=Similarity(0.5, 0.39, 0.62),
        svm=Svm(0.69, 0.01, 0.65, 0.01),
        larger_galleries=(GalleryRank1(10, expected), GalleryRank1(10**9, expected)),
        reasons=('Too few people for the SVM.',),
    )
    key = {'scans': 'sessions_T1w_in_T1w', 'S4': 'S4_pairs_of_renders'}.get(study, f'{study}_x')
    return Outcome(
        **{
            'study': study,
            'key': key,
            'title': 'Another session',
            'condition': condition,
            'probe': 'T1w before defacing',
            'gallery': 'T1w before defacing',
            'engine': engine,
            'summary': summary,
            'spread': {'same': (0.1, 0.2, 0.3, 0.4, 0.5), 'other': (-0.5, -0.4, -0.3, -0.2, -0.1)},
        }
        | more
    )


def _our_words(text):
    """Return a page in small letters, without the titles of the works it cites."""
    for work in citation.REFERENCES:
        text = text.replace(work.title, '')
    return text.lower()


def _group_page(out, *outcomes, not_possible=(), people=24):
    found = [*records.read_all(out), _record(OTHER, 'pass')]
    group.write_page(
        out, found, Results(outcomes, not_possible, ('2 photographs of 1 person.',), people)
    )
    return (out / names.GROUP_PAGE).read_text()


def _tooltips(plot):
    return [html.unescape(text) for text in re.findall('<title>(.*?)</title>', plot.svg)]


def _labels(plot):
    return {html.unescape(text) for text in re.findall('<text [^>]*>(.*?)</text>', plot.svg)}


def _dots(plot):
    """Return where the markers with a tooltip are, in the order in which they were drawn."""
    groups = re.findall(r'<title>.*?</title>.*?<use [^>]*x="([^"]+)" y="([^"]+)"', plot.svg, re.S)
    return [(float(x), float(y)) for x, y in groups]


def test_each_plot_shows_all_conditions(places):
    text = _group_page(places[0], _outcome(), _outcome('after'), _outcome('after_both'))
    page = _Page(text)
    assert text.count('<title>before defacing</title>') == 2
    assert text.count('<title>defaced probes, original gallery</title>') == 2
    assert 'Rank-1 identification rate: before defacing 50%, defaced probes' in page.text
    assert 'proves nothing' in page.text.replace('\n', ' ').replace('  ', ' ')
    assert '50 % (25 to 75)' in page.text
    assert '25 %\n' not in page.text.partition('Which participants can be identified')[2]
    assert '1 billion' in page.text
    assert '2 photographs of 1 person.' in page.text


def test_the_page_never_calls_a_result_anonymous(places):
    text = _group_page(places[0], _outcome(auc=0.55), _outcome('after'))
    assert 'lower bound of the risk' in text.replace('\n  ', ' ')
    assert 'anonym' not in _our_words(text)


def test_an_attack_that_was_weak_before_warns():
    def warning(*outcomes):
        return comparisons.blocks(Results(outcomes))[0].warning

    assert warning(_outcome(), _outcome('after')) == ''
    assert 'weak before' in warning(_outcome(auc=0.6), _outcome('after'))
    assert 'no result before' in warning(_outcome('after'))


def test_what_is_not_possible_is_named_with_its_reason(places):
    reason = NotPossible('S1', 'S1', 'Renders among photographs', 'No photographs: none.')
    page = _Page(_group_page(places[0], not_possible=[reason]))
    assert page.text.count('No photographs: none.') == 2
    assert 'Nothing could be compared.' in page.text


def test_the_strongest_engine_is_in_the_plots():
    weak, strong = _outcome(engine='dlib', auc=0.6), _outcome(engine='geometry', auc=0.9)
    assert strongest([weak, strong]) == 'geometry'
    assert strongest([weak, strong, _outcome(engine='fused', auc=0.5)]) == 'fused'


@pytest.mark.parametrize(
    ('study', 'published'), [('S1', '28 of 29'), ('S2', '83 %'), ('S4', '0.69 (0.01)')]
)
def test_tables_have_the_figures_of_the_study_beside_those_of_the_data(study, published):
    results = Results((_outcome(study=study), _outcome('after', study=study)))
    found = next(item for item in tables.studies(results) if item.name == study)
    (table,) = found.tables
    cells = [cell for row in table.rows for cell in row]
    assert published in cells
    assert all(len(row) == len(table.header) for row in table.rows)
    assert '90 %' in cells


def test_each_participant_has_the_ranks_of_every_match_in_s3():
    searches = (
        Search('01', PATH, 'frontal', 1.0, 0.93, (1.0, 3.0), (0.93, 0.9)),
        Search('01', PATH, 'bob, colour', 2.0, 0.9, (2.0,), (0.9,)),
        Search('02', PATH, 'frontal', 7.0, 0.5),
    )
    (study,) = [
        s
        for s in tables.studies(
            Results((_outcome(study='S3', searches=searches, gallery_size=9),))
        )
        if s.tables
    ]
    hits, people = study.tables
    assert hits.rows == (('frontal', '1 of 2'), ('bob, colour', '1 of 1'), ('chance level', 'n/a'))
    assert people.rows == (
        ('sub-01', 'before', '1 (0.930)\n3 (0.900)', '1 of 1'),
        ('sub-02', 'before', 'none', ''),
    )
    assert not people.folded


def test_within_five_of_five_is_no_hit():
    search = Search('01', PATH, 'frontal', 2.0, 0.9)
    assert search.hit(5) is None
    assert search.hit(6) is True
    assert Search('01', PATH, 'frontal', 6.0, 0.9).hit(9) is False
    assert Search('01', PATH, 'frontal', 2.0, None).hit(9) is False
    assert Search('01', PATH, 'frontal', None, None).hit(9) is None


def test_larger_galleries_without_any_number_are_left_out():
    outcome = _outcome()
    assert len(tables.larger(Results((outcome,))).rows) == 1
    assert not tables.larger(Results((_outcome(expected=Estimate()),))).rows
    assert len(tables.larger(Results((_outcome(expected=Estimate(0.0, 0.0, 0.1)),))).rows) == 1


def test_error_rates_and_likelihood_ratios_are_drawn_for_each_condition():
    det = Det((0.0, 0.1, 0.2, 1.0), (0.6, 0.3, 0.2, 0.0))
    found = Evidence(0.4, 0.3, Tippett((-1.0, 0.0, 2.0), (1.0, 0.9, 0.5), (1.0, 0.2, 0.0)))
    outcomes = [
        replace(item, summary=replace(item.summary, det=det, evidence=found))
        for item in (_outcome(), _outcome('after'))
    ]
    errors, ratios = evidence.det(outcomes), evidence.tippett(outcomes)
    assert 'equal error rate: before defacing 20%' in errors.svg
    assert {'0.1 %', '50 %'} <= _labels(errors)
    assert 'bits): before defacing 0.400' in ratios.svg
    for plot in (errors, ratios):
        assert _tooltips(plot) == ['before defacing', 'defaced probes, original gallery']
    assert evidence.det([_outcome()]) is evidence.tippett([_outcome()]) is None
    (block,) = comparisons.blocks(Results(tuple(outcomes)))
    assert [plot.title for plot in block.plots][-2:] == [errors.title, ratios.title]


def test_brains_stand_beside_faces_of_the_same_comparison(places):
    brain = {'study': 'brain', 'key': 'brain_sessions_T1w_in_T1w', 'condition': 'brain'}
    brain |= {'probe': 'T1w, brain', 'gallery': 'T1w, brain', 'expected': Estimate()}
    outcomes = (
        _outcome(),
        _outcome('after_both'),
        _outcome(engine='affine', **brain),
        _outcome(engine='similarity', **brain),
    )
    table = tables.linkage(Results(outcomes))
    assert table.header[-3:] == ('brain, affine', 'brain, similarity', 'chance')
    half = '50 % (25 to 75)'
    title = 'Another session: T1w in a gallery of T1w'
    assert table.rows == ((title, '24', half, half, half, half, '25 %'),)
    assert 'Found by the brain alone' in _group_page(places[0], *outcomes)
    assert 'Found by the brain alone' not in _group_page(places[0], _outcome())


def test_an_upper_bound_is_shown_as_one():
    bound, both = Estimate(None, 0.0, 0.07), Estimate(0.5, 0.3, 0.6)
    rows = tables.larger(Results((_outcome(expected=bound),))).rows
    assert rows[0][2:] == ('at most 7 %', 'at most 7 %')
    assert tables.at_most(both) == '50 % (30 to 60)'
    assert tables.at_most(Estimate()) == 'n/a'


def test_a_table_of_many_people_is_folded():
    searches = tuple(Search(f'{n:02d}', PATH, 'frontal', 1.0, 0.9) for n in range(31))
    study = tables.studies(Results((_outcome(study='S3', searches=searches, gallery_size=9),)))[2]
    assert study.tables[1].folded


def test_plots_name_every_curve():
    for plot in (curves.cmc([_outcome(), _outcome('after')]), curves.roc([_outcome()])):
        assert 'before defacing' in _tooltips(plot)
        assert {'before', 'chance'} <= _labels(plot)
    assert curves.cmc([_outcome()]).caption.endswith('. Bands: 95 % intervals.')


def test_plots_without_numbers_are_left_out_or_say_so():
    nothing = Summary(people=1, probes=1, gallery_size=1, people_with_mates=0)
    empty = _outcome(summary=nothing, spread={'same': None, 'other': None})
    assert curves.cmc([empty]) is curves.roc([empty]) is curves.similarity([empty]) is None
    boxes = curves.similarity(
        [_outcome(), _outcome('after', spread={'same': None, 'other': None})]
    )
    assert len(_tooltips(boxes)) == 2
    assert {'genuine, before', 'impostor, after'} <= _labels(boxes)
    assert 'no face was found' in boxes.summary


def test_a_plot_is_the_same_every_time_and_says_what_it_shows():
    one, again = (curves.cmc([_outcome(), _outcome('after')]) for _ in range(2))
    assert one.svg == again.svg
    assert f'role="img" aria-label="{one.title}. {one.summary}."' in one.svg
    _Page(one.svg)


def test_a_page_has_every_identifier_once_and_refers_to_its_own(places):
    outcomes = [_outcome(key=key) for key in ('one', 'two')]
    text = _group_page(places[0], *outcomes)
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    used = re.findall(r'(?:url\(|<use href=")#([^")]+)', text)
    assert used
    assert set(used) <= set(ids)
    assert 'xmlns' not in text
    assert '<style type' not in text


@pytest.mark.parametrize(
    ('value', 'text'),
    [(None, 'n/a'), (0.0, '0 %'), (0.834, '83 %'), (0.00123, '0.12 %'), (1e-9, '< 0.01 %')],
)
def test_shares_on_pages(value, text):
    assert tables.percent(value) == text
