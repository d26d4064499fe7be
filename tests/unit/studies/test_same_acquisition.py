# SPDX-License-Identifier: Apache-2.0
"""Galleries that mix two studies, which scores tell apart by style alone."""

import numpy as np
import pytest

from facebids.bids.acquisitions import Acquisition
from facebids.core.identifiability.pairs import Sides
from facebids.core.identifiability.searches import gather
from facebids.release import cohort
from facebids.studies import enrolment, same_acquisition, scans
from facebids.studies.comparisons import DEFACED_PROBE, SCAN_CONDITIONS, Comparison, Scan
from facebids.studies.outcomes import outcome, people
from facebids.studies.results import Results

STYLE = 4.0  # standard deviations by which pairs of one acquisition score higher


def _comparison(sizes):
    everyone = [
        (f'{site}{number:03d}', Acquisition(site=site))
        for site, size in sizes.items()
        for number in range(size)
    ]
    sides = [
        tuple(
            Scan(label, session, 'T1w', f'sub-{label}_ses-{session}', acquisition=acquisition)
            for label, acquisition in everyone
        )
        for session in 'BA'
    ]
    return Comparison('sessions', 'T1w', 'T1w', *sides, SCAN_CONDITIONS)


def _scores(comparison, identity=0.0, seed=0):
    sites = np.array([scan.acquisition.site for scan in comparison.gallery])
    noise = np.random.default_rng(seed).normal(size=(len(sites), len(sites)))
    return noise + STYLE * (sites[:, None] == sites) + identity * np.eye(len(sites))


def _summaries(sizes, **scores):
    comparison = _comparison(sizes)
    matrix = _scores(comparison, **scores)
    gathered = gather(matrix, 0, Sides.of(*people(comparison)), 0)
    mixed = outcome(comparison, DEFACED_PROBE, 'face', gathered, seed=0)
    return mixed, _within(comparison, matrix)


def _within(comparison, matrix):
    acquisitions = same_acquisition.Acquisitions(comparison)
    summary = acquisitions.summarise([acquisitions.gather(matrix, 0, seed=0)], seed=0)
    return same_acquisition.outcome(comparison, DEFACED_PROBE, 'face', summary)


def test_style_alone_recognises_nobody_within_an_acquisition():
    mixed, within = _summaries({'a': 30, 'b': 12})
    assert mixed.summary.auc.low > 0.6
    assert within.summary.auc.low < 0.5 < within.summary.auc.high
    assert within.summary.chance == pytest.approx((30 / 30 + 12 / 12) / 42)
    assert within.summary.gallery_size == 12
    assert within.summary.rank1.low <= within.summary.chance <= within.summary.rank1.high


def test_faces_are_recognised_within_an_acquisition_too():
    _, within = _summaries({'a': 30, 'b': 12}, identity=6.0)
    assert within.summary.rank1.value > 0.95
    assert within.summary.auc.value > 0.98


def test_an_acquisition_alone_has_the_numbers_of_the_whole():
    mixed, within = _summaries({'a': 20}, identity=2.0)
    assert not same_acquisition.is_mixed(_comparison({'a': 20}))
    for name in ('rank1', 'rank5', 'people', 'probes', 'missing'):
        assert getattr(within.summary, name) == getattr(mixed.summary, name)
    assert within.summary.chance == pytest.approx(mixed.summary.chance)
    assert within.summary.auc.value == pytest.approx(mixed.summary.auc.value)


def test_a_mate_without_a_score_is_not_found():
    comparison = _comparison({'a': 10, 'b': 10})
    scores = _scores(comparison, identity=20.0)
    scores[:5] = np.nan
    found = _within(comparison, scores).summary
    assert found.rank1.value == 0.75
    assert found.missing == 50


def test_the_release_is_judged_within_acquisitions():
    mixed, within = _summaries({'a': 30, 'b': 12})
    assert not cohort.check(Results((mixed,)))[0].at_chance
    (judged,) = cohort.check(Results((mixed, within)))
    assert judged.comparison == 'sessions_T1w_in_T1w_same_acquisition'
    assert judged.at_chance
    found = _summaries({'a': 30, 'b': 12}, identity=6.0)
    assert not cohort.check(Results(found))[0].at_chance


@pytest.mark.parametrize(
    ('sizes', 'possible'), [({'a': 40, 'b': 3}, True), ({'a': 9, 'b': 4}, False)]
)
def test_too_few_people_in_an_acquisition_leave_the_mixed_comparison(sizes, possible):
    reason = same_acquisition.unmet(_comparison(sizes))
    assert (reason is None) == possible
    if reason:
        assert reason.key == 'sessions_T1w_in_T1w_same_acquisition'
        assert f'{sizes["b"]} of 13 participants' in reason.reason


class Engine:
    IMPOSTOR_SCORES, WEIGHT = (0.0, 1.0), 1.0

    @staticmethod
    def score(probes, gallery):
        return np.array([[-abs(a['shape'] - b['shape']) for b in gallery] for a in probes])


@pytest.mark.parametrize('sites', [('a',), ('a', 'b'), ('a', 'b', 'c', 'd')])
def test_both_comparisons_are_made_where_acquisitions_are_mixed(monkeypatch, sites):
    monkeypatch.setattr('facebids.core.attack.engines.engines', lambda: {'shape': Engine})
    monkeypatch.setattr(enrolment, 'detection', lambda _: None)
    comparison = _comparison({site: 12 // len(sites) for site in sites})
    everyone = (*comparison.probes, *comparison.gallery)
    templates = {
        (scan.image, state): {'shape': {'shape': float(int(scan.participant[1:]))}}
        for scan in everyone
        for state in ('before', 'after')
    }
    everyone = tuple(
        Scan(s.participant, s.image[-1], 'T1w', s.image, acquisition=s.acquisition)
        for s in everyone
    )
    outcomes, reasons = scans.compare(enrolment.Enrolment(everyone, templates, {}, ()), seed=0)
    made = {item.key for item in outcomes}
    within = 'sessions_T1w_in_T1w_same_acquisition'
    assert 'sessions_T1w_in_T1w' in made
    assert (within in made) == (len(sites) == 2)
    assert (within in {item.key for item in reasons}) == (len(sites) == 4)
