# SPDX-License-Identifier: Apache-2.0
"""S4: do two single renders show the same person? Cosine similarity and a classifier on it.

The renders of each scan are dealt to two halves, so that no render meets itself, and every pair
after defacing is the pair that stood there before. Only renders with a face enter, as in the
study, and of defaced heads also what stands at the place where the face was: the worst case. How
many do show a face is the detection rate.
"""

from typing import Any

import numpy as np

from facebids.core.identifiability import resampling, verification
from facebids.studies import enrolment
from facebids.studies.comparisons import ONE_PERSON, SCAN_CONDITIONS, Condition
from facebids.studies.enrolment import Enrolment
from facebids.studies.outcomes import TITLES, spread
from facebids.studies.results import NotPossible, Outcome

RENDERS = 300  # of each half: more would cost time and change little
DRAWS = 200  # of the bootstrap, which has up to the square of that many pairs to draw from
NUMBERS = ('intra_q1', 'intra_median', 'intra_q3', 'inter_q1', 'inter_median', 'inter_q3', 'auc')


def compare(enrolled: Enrolment, seed: int) -> tuple[list[Outcome], list[NotPossible]]:
    """Compare single renders in pairs, in each condition that the data allow.

    Parameters
    ----------
    enrolled
        The heads.
    seed
        Start of the random numbers that deal people to folds and resample them.
    """
    if enrolled.people < 2:
        return [], [_not_possible(ONE_PERSON)]
    states = set.union(*(set(scan.states) for scan in enrolled.scans))
    conditions = [item for item in SCAN_CONDITIONS if {item.probe, item.gallery} <= states]
    engines = _engines(enrolled)
    outcomes = [
        _compare(enrolled, condition, engine, seed)
        for engine in engines
        for condition in conditions
    ]
    reasons = [] if engines else [_not_possible('No engine kept embeddings of single renders.')]
    return outcomes, reasons


def _not_possible(reason: str) -> NotPossible:
    return NotPossible('S4', 'S4_pairs_of_renders', TITLES['S4'], reason)


def _engines(enrolled: Enrolment) -> list[str]:
    templates = list(enrolled.templates.values())
    return [
        name
        for name in templates[0]
        if all(name in item and enrolment.embeds_views(item[name]) for item in templates)
    ]


def _compare(enrolled: Enrolment, condition: Condition, engine: str, seed: int) -> Outcome:
    a, people_a, detected_a = _renders(enrolled, condition, condition.probe, engine, 0)
    b, people_b, detected_b = _renders(enrolled, condition, condition.gallery, engine, 1)
    scores = a @ b.T
    same = people_a[:, None] == people_b[None]
    detected = np.concatenate([detected_a, detected_b])
    known = condition.probe != condition.gallery  # then the one side alone is of interest
    return Outcome(
        study='S4',
        key='S4_pairs_of_renders',
        title=TITLES['S4'],
        condition=condition.name,
        probe=f'renders {condition.probe} defacing',
        gallery=f'renders {condition.gallery} defacing',
        engine=engine,
        gallery_size=len(b),
        left_out=0,
        summary={
            'people': len({*people_a, *people_b}),
            'probes': len(a),
            'detection': float((detected_a if known else detected).mean()),
            **_statistics(scores, people_a, people_b, seed),
        },
        spread=spread(scores[same], scores[~same]),
    )


def _renders(
    enrolled: Enrolment, condition: Condition, state: str, engine: str, half: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return one half of the renders in a state.

    Returns
    -------
    embeddings : ndarray, shape (R, 128)
        Of unit length.
    people : ndarray, shape (R,)
        Whom they show.
    detected : ndarray of bool, shape (N,)
        Which of all renders of this half show a face.
    """
    scans = [s for s in enrolled.scans if {condition.probe, condition.gallery} <= set(s.states)]
    count = max(1, RENDERS // max(len(scans), 1))
    embeddings, detected, people = [], [], []
    for scan in scans:
        template = enrolled.templates[scan.image, state][engine]
        views = np.flatnonzero(enrolment.random_views(template))[half::2][:count]
        embeddings.append(template['embeddings'][views])
        detected.append(enrolment.faces(template)[views])
        people += [scan.participant] * len(views)
    together = np.concatenate(embeddings)
    there = np.isfinite(together).all(axis=1)
    kept = together[there] / np.linalg.norm(together[there], axis=1, keepdims=True)
    return kept, np.array(people, str)[there], np.concatenate(detected)


def _statistics(
    scores: np.ndarray, people_a: np.ndarray, people_b: np.ndarray, seed: int
) -> dict[str, Any]:
    same = people_a[:, None] == people_b[None]
    pairs = verification.split(scores, same)
    values = _numbers(*pairs)
    people = resampling.pair_people(same, people_a, people_b)
    low, high = resampling.bootstrap(_numbers, pairs, people, seed, count=DRAWS)
    numbers = dict(zip(NUMBERS, values, strict=True))
    numbers |= {f'{name}_low': value for name, value in zip(NUMBERS, low, strict=True)}
    numbers |= {f'{name}_high': value for name, value in zip(NUMBERS, high, strict=True)}
    svm, reason = verification.same_person_svm(scores, people_a, people_b, seed)
    curve = verification.roc(*pairs).thinned(101)
    return {
        **{name: float(value) if np.isfinite(value) else None for name, value in numbers.items()},
        'roc': {'fpr': curve.fpr.tolist(), 'tpr': curve.tpr.tolist()},
        'svm': svm,
        'reasons': [reason] if reason else [],
    }


def _numbers(genuine: np.ndarray, impostor: np.ndarray) -> np.ndarray:
    found = verification.similarity(genuine, impostor)
    found['auc'] = verification.auc(genuine, impostor)
    return np.array([found[name] for name in NUMBERS])
