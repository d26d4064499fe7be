# SPDX-License-Identifier: Apache-2.0
"""S4: do two single renders show the same person? Cosine similarity and a classifier on it.

The renders of each scan are split in two halves, so that no render is compared with itself and
the pairs are the same before and after defacing. Only renders with a face are compared, as in the
study; of defaced heads also the crop at the place of the original's face, the worst case. The
detection rate is the share of renders in which a face was found.
"""

import numpy as np

from facebids.core.arrays import BoolArray, FloatArray, StrArray
from facebids.core.identifiability import resampling, verification
from facebids.core.identifiability.evaluation import ROC_POINTS, estimate, sampled
from facebids.core.identifiability.pairs import Pairs, of_matrix
from facebids.core.identifiability.summary import Summary
from facebids.studies import enrolment
from facebids.studies.comparisons import ONE_PERSON, SCAN_CONDITIONS, Condition, Scan
from facebids.studies.enrolment import Enrolment
from facebids.studies.outcomes import TITLES, spread
from facebids.studies.results import NotPossible, Outcome

RENDERS = 300  # of each half: more take longer and change little
DRAWS = 200  # of the bootstrap, of up to RENDERS ** 2 pairs
NO_ENGINE = 'No engine stored embeddings of single renders.'


def compare(enrolled: Enrolment, seed: int) -> tuple[list[Outcome], list[NotPossible]]:
    """Compare single renders in pairs, in each condition that the data allow.

    Parameters
    ----------
    enrolled
        The templates of the scans.
    seed
        Random seed of the folds and of the bootstrap.
    """
    conditions = [
        condition
        for condition in SCAN_CONDITIONS
        if len({scan.participant for scan in _scans(enrolled, condition)}) > 1
    ]
    engines = _engines(enrolled)
    outcomes = [
        _compare(enrolled, condition, engine, seed)
        for engine in engines
        for condition in conditions
    ]
    if outcomes:
        return outcomes, []
    reason = NO_ENGINE if conditions else ONE_PERSON
    return [], [_not_possible(reason)]


def _not_possible(reason: str) -> NotPossible:
    return NotPossible('S4', 'S4_pairs_of_renders', TITLES['S4'], reason)


def _engines(enrolled: Enrolment) -> list[str]:
    templates = list(enrolled.templates.values())
    return [
        name
        for name in (templates[0] if templates else ())
        if all(name in item and enrolment.embeds_views(item[name]) for item in templates)
    ]


def _scans(enrolled: Enrolment, condition: Condition) -> list[Scan]:
    """Return the scans that are enrolled in both states of a condition."""
    needed = {condition.probe, condition.gallery}
    return [scan for scan in enrolled.scans if needed <= set(scan.states)]


def _compare(enrolled: Enrolment, condition: Condition, engine: str, seed: int) -> Outcome:
    a, people_a, detected_a = _renders(enrolled, condition, condition.probe, engine, 0)
    b, people_b, detected_b = _renders(enrolled, condition, condition.gallery, engine, 1)
    pairs = of_matrix(a @ b.T, people_a, people_b, seed)
    # of two different states that of the probes is of interest
    detected = detected_a if condition.probe != condition.gallery else [*detected_a, *detected_b]
    return Outcome(
        study='S4',
        key='S4_pairs_of_renders',
        title=TITLES['S4'],
        condition=condition.name,
        probe=f'renders {condition.probe} defacing',
        gallery=f'renders {condition.gallery} defacing',
        engine=engine,
        summary=_summarise(pairs, people_a, people_b, float(np.mean(detected)), seed),
        spread=spread(*pairs.split),
    )


def _renders(
    enrolled: Enrolment, condition: Condition, state: str, engine: str, half: int
) -> tuple[FloatArray, StrArray, BoolArray]:
    """Return one half of the renders in a state.

    Returns
    -------
    embeddings : ndarray, shape (R, 128)
        Of unit length.
    people : ndarray, shape (R,)
        Participants that they show.
    detected : ndarray of bool, shape (N,)
        Which of all renders of this half show a face.
    """
    scans = _scans(enrolled, condition)
    count = max(1, RENDERS // len(scans))
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


def _summarise(
    pairs: Pairs, people_a: StrArray, people_b: StrArray, detection: float, seed: int
) -> Summary:
    interval = resampling.bootstrap(verification.auc, pairs.split, pairs.owners, seed, count=DRAWS)
    intra, inter = verification.similarity(*pairs.split)
    svm, reason = verification.same_person_svm(pairs, seed)
    return Summary(
        people=len({*people_a, *people_b}),
        probes=len(people_a),
        gallery_size=len(people_b),
        people_with_mates=len({*people_a} & {*people_b}),
        detection=detection,
        auc=estimate(verification.auc(*pairs.split), *interval),
        roc=verification.roc(*pairs.split, points=ROC_POINTS),
        intra=intra,
        inter=inter,
        svm=svm,
        reasons=(*filter(None, [reason]), *sampled(pairs)),
    )
