# SPDX-License-Identifier: Apache-2.0
"""The verdict on a defaced image: pass, review or fail, with reasons a program can read.

A number that was not measured, or not as expected, is never a pass.
"""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from facebids.core.contrasts import BY_SUFFIX, CONTRASTS
from facebids.core.metrics import Metric, metric_of
from facebids.core.modes import MODES
from facebids.core.record import Number, Reason, Record, Registration, Severity, Verdict
from facebids.core.thresholds import (
    ALIGNMENT,
    FACE_LIKE,
    LEAST_SHAPE,
    RECOGNITION,
    SEEN,
    SIMILARITY,
    THRESHOLDS,
    Threshold,
    limit,
)

SEVERITIES: tuple[Severity, ...] = get_args(Severity)  # the mildest first


def _has_tissues(record: Record) -> bool:
    contrast = BY_SUFFIX.get(record.suffix)
    return contrast is not None and contrast.tissues is not None


def _faces(record: Record, state: str) -> int:
    """Count the views with a face, random and named."""
    found = record.identifiability
    if found is None:
        return 0
    named = sum(getattr(seen, state) for seen in found.named.values())
    return int(getattr(found, f'faces_{state}')) + named


def _without_shape(record: Record) -> bool:
    found = record.identifiability
    return found is not None and found.shape_in_view_before < LEAST_SHAPE


def _hounsfield(record: Record) -> bool:
    contrast = record.registration and CONTRASTS.get(record.registration.contrast)
    return bool(contrast and contrast.hounsfield)


# Numbers that may be undefined, given the rest of the record. Without a face on both sides there
# is no distance, and a face not found before has a reason of its own. A scan may show too little
# of the face to compare shapes. Tissues show in some contrasts only. Keep masks and series are
# rare.
MAY_BE_UNDEFINED: dict[Metric, Callable[[Record], bool]] = {
    metric_of('identifiability', 'distance_before_after'): lambda record: (
        not (_faces(record, 'before') and _faces(record, 'after'))
    ),
    metric_of('identifiability', 'distance_at_known_place'): lambda record: (
        not (record.identifiability and record.identifiability.faces_before)
    ),
    metric_of('identifiability', 'agreement_before_after'): _without_shape,
    metric_of('screening', 'forms_apart_mm'): lambda record: record.screening is not None,
    metric_of('mask', 'kept_skin_share'): lambda record: (
        record.mask is not None and record.mask.kept_ml is None
    ),
    metric_of('mask', 'volumes_lost'): lambda record: (
        record.mask is not None and record.mask.motion_mm is None
    ),
    metric_of('utility', 'brain_voxels_changed'): lambda record: not _has_tissues(record),
    metric_of('utility', 'gm_change'): lambda record: not _has_tissues(record),
    metric_of('registration', 'tissue'): _hounsfield,
    metric_of('registration', 'coregistration'): lambda record: (
        not (record.registration and record.registration.origin == 'borrowed')
    ),
}

# For an image that arrived defaced and was passed on: nothing was removed, and the face before is
# unknown. Earlier defacing changes the outline of the head.
JUDGED_IF_PASSED_ON = {
    *(metric_of('registration', key) for key in ('brain', 'tissue', 'brain_in_view', 'scale')),
    metric_of('screening', 'forms_apart_mm'),
    metric_of('mask', 'guard_voxels_changed'),
    metric_of('mask', 'voxels_changed_outside'),
    metric_of('identifiability', 'faces_certain_after'),
}


# What is known of an image that was defaced and not attacked.
DEFACED = ('registration', 'screening', 'mask')


def judge(record: Record) -> Record:
    """Judge an image by its numbers.

    Parameters
    ----------
    record
        Its numbers. A verdict that it has already is not looked at.

    Returns
    -------
    Record
        The same with `verdict` and `reasons`, the most severe first. An image that passes has no
        reasons, or notes.
    """
    asked, explain = _questions(record)
    missed = [_reported(reason, record) for reason in _missed(record, asked)]
    reasons = _most_severe_first([*missed, *explain(record), *_kept(record), *_dropped(record)])
    gravest = reasons[0].severity if reasons else 'note'
    return replace(record, verdict='pass' if gravest == 'note' else gravest, reasons=reasons)


@dataclass(frozen=True)
class Criterion:
    """One number that a verdict rests on.

    Attributes
    ----------
    metric, number
        The number; None if it could not be measured.
    limits
        Its limits, the strictest first.
    outcome
        The gravest of what the limits say about it: ``'pass'``, ``'note'``, ``'review'`` or
        ``'fail'``.
    """

    metric: Metric
    number: Number
    limits: tuple[Threshold, ...]
    outcome: Verdict | Severity


def criteria(record: Record) -> tuple[Criterion, ...]:
    """Return the numbers that the verdict on an image rests on, with their limits.

    Numbers that its kind of image does not have are left out.

    Parameters
    ----------
    record
        The numbers of the image.
    """
    asked, _ = _questions(record)
    contrast = record.registration.contrast if record.registration else None
    limits: dict[Metric, list[Threshold]] = {}
    for threshold in asked:
        if _applies(threshold, record, contrast):
            limits.setdefault(threshold.metric, []).append(threshold)
    found = []
    for metric, mine in limits.items():
        reasons = [_reported(item, record) for t in mine for item in _objection(t, record)]
        number = metric.read(record)
        if number is None and not reasons:
            continue
        gravest = max((r.severity for r in reasons), key=SEVERITIES.index, default=None)
        strict = sorted(mine, key=lambda t: SEVERITIES.index(t.severity))
        found.append(Criterion(metric, number, tuple(strict), gravest or 'pass'))
    return tuple(found)


def _applies(threshold: Threshold, record: Record, contrast: str | None) -> bool:
    face_gone = record.mode is None or MODES[record.mode].face_gone
    return threshold.contrast in (None, contrast) and (face_gone or not threshold.face_gone)


def _questions(
    record: Record,
) -> tuple[Sequence[Threshold], Callable[[Record], list[Reason]]]:
    """Return the limits that apply to an image, and what adds the reasons of its kind."""
    asked, explain = _questions_of_kind(record)
    if record.attacked:
        return asked, explain
    return [t for t in asked if t.metric.section in DEFACED], _not_attacked


def _questions_of_kind(
    record: Record,
) -> tuple[Sequence[Threshold], Callable[[Record], list[Reason]]]:
    if record.passed_on:
        return [t for t in THRESHOLDS if t.metric in JUDGED_IF_PASSED_ON], _already_defaced
    if record.mask and record.mask.no_face:
        skip = {t.metric for t in THRESHOLDS if t.metric.section == 'utility'}
        skip |= {t.metric for t in (*RECOGNITION, *SIMILARITY)}
        skip |= {metric_of('mask', 'skin_removed_share')}
        return [t for t in THRESHOLDS if t.metric not in skip], _no_face
    if _evidence_counts(record):
        return [t for t in THRESHOLDS if t not in SIMILARITY], _blind_attack
    return THRESHOLDS, _blind_attack


def _evidence_counts(record: Record) -> bool:
    """Return whether the evidence was measured, and would show a face that is left."""
    found = record.identifiability
    return (
        found is not None
        and _at_least(found.log10_lr_before, SEEN)
        and found.log10_lr is not None
        and math.isfinite(found.log10_lr)
    )


def _reported(reason: Reason, record: Record) -> Reason:
    """Return the reason as a note if it is a face in a head that is proven to be without its own.

    Detectors see faces in the overhangs of a cut, too. Proven is: the skin of the face is gone,
    and the evidence, even the upper bound of its interval, is weak.
    """
    found, mask = record.identifiability, record.mask
    if reason.code != 'face_found_after' or not (found and mask and _evidence_counts(record)):
        return reason
    high = limit('person_recognised_after', 'review')
    skin = limit('face_skin_left', 'review')
    proven = (found.log10_lr_high, high), (mask.skin_removed_share, skin)
    if all(number is not None and each.met_by(number) for number, each in proven):
        message = f'{reason.message} It is not the face of this person.'
        return replace(reason, severity='note', message=message)
    return reason


def _face_like(record: Record) -> bool:
    found = record.identifiability
    return found is not None and _at_least(found.face_likeness, FACE_LIKE)


def _at_least(number: float | None, least: float) -> bool:
    return number is not None and number >= least


def certain(registration: Registration, besides: Collection[str] = ()) -> bool:
    """Return whether a registration meets every limit.

    Parameters
    ----------
    registration
        That section of a record.
    besides
        Numbers of the section that do not count.
    """
    return not _objections(registration, besides)


def fails(registration: Registration) -> bool:
    """Return whether a registration alone makes an image fail."""
    return any(reason.severity == 'fail' for reason in _objections(registration))


def _objections(registration: Registration, besides: Collection[str] = ()) -> list[Reason]:
    record = Record('', '', None, '', registration=registration)
    return _missed(record, [t for t in ALIGNMENT if t.metric.key not in besides])


def _missed(record: Record, thresholds: Iterable[Threshold]) -> list[Reason]:
    """Return a reason for each limit that is not met."""
    contrast = record.registration.contrast if record.registration else None
    reasons = [
        reason
        for threshold in thresholds
        if _applies(threshold, record, contrast)
        for reason in _objection(threshold, record)
    ]
    if contrast not in CONTRASTS:
        message = f'The quality of the registration of a {contrast} image cannot be judged.'
        reasons.append(Reason('contrast_unknown', 'fail', message, contrast))
    return reasons


def _objection(threshold: Threshold, record: Record) -> list[Reason]:
    number = threshold.metric.read(record)
    if isinstance(number, int | float) and math.isfinite(number):
        if threshold.met_by(number):
            return []
        message = threshold.message
        return [Reason(threshold.name, threshold.severity, message, number, threshold.value)]
    explained = MAY_BE_UNDEFINED.get(threshold.metric)
    if number is None and explained and explained(record):
        return []
    severity = threshold.if_missing or threshold.severity
    message = f'{threshold.metric.label} could not be measured.'
    return [Reason(f'{threshold.name}_unknown', severity, message, None, threshold.value)]


def _certain_before(record: Record) -> int | None:
    return record.identifiability.faces_certain_before if record.identifiability else None


def _blind_attack(record: Record) -> list[Reason]:
    """Return the reason if the attack sees no face before defacing.

    It sees one if a detector does with certainty, or if its shape is that of a face and is told
    from those of others.
    """
    # detectors see uncertain faces in the back of a head, too
    found = _certain_before(record)
    if found:
        return []
    if _evidence_counts(record) and _face_like(record):
        return []
    registration = record.registration
    # Through the registration of another image, the mask covers the face even if it is not seen.
    known = bool(registration and registration.origin != 'own' and certain(registration))
    message = (
        'No face was detected with certainty before defacing either, so that detecting none '
        'afterwards proves nothing.'
    )
    return [Reason('attack_blind', 'review' if known else 'fail', message, found, 1)]


def _not_attacked(record: Record) -> list[Reason]:
    """Return the reason that nothing was proven."""
    message = (
        'The image was not attacked, so that nothing is proven: --deface-only was given. Run the '
        'participant level without it.'
    )
    return [Reason('not_attacked', 'review', message)]


def _already_defaced(record: Record) -> list[Reason]:
    """Return the note on an image that arrived defaced."""
    message = (
        'The image arrived without eyes, nose and midface and was passed on unchanged. How well '
        'it was defaced is unknown; --force defaces it again.'
    )
    gone = record.screening.midface_gone if record.screening else None
    return [Reason('already_defaced', 'note', message, gone)]


def _no_face(record: Record) -> list[Reason]:
    """Return why an image was kept unchanged, and whether that was wrong."""
    skin = record.mask.skin_in_view_ml if record.mask else None
    found = _certain_before(record)
    message = 'The field of view holds no face: the image is unchanged.'
    reasons = [Reason('no_face_in_view', 'note', message, skin)]
    if found != 0:
        message = 'The field of view should hold no face, but a face was detected.'
        reasons.append(Reason('face_in_view', 'fail', message, found, 0))
    return reasons


def _kept(record: Record) -> list[Reason]:
    """Return the note that part of the face region was kept on request."""
    kept = record.mask.kept_ml if record.mask else None
    if not kept:
        return []
    message = 'A keep mask leaves part of the face region unchanged.'
    return [Reason('kept_by_mask', 'note', message, kept)]


def _dropped(record: Record) -> list[Reason]:
    """Return the note that a form of the header cannot be used."""
    form = record.screening.unusable_form if record.screening else None
    if not form:
        return []
    other = 'qform' if form == 'sform' else 'sform'
    message = f'The {form} of the header cannot be used: the {other} stands in for it.'
    return [Reason('form_unusable', 'note', message, form)]


def _most_severe_first(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """Return one reason per code, failures first."""
    by_code: dict[str, Reason] = {}
    for reason in sorted(reasons, key=lambda reason: -SEVERITIES.index(reason.severity)):
        by_code.setdefault(reason.code, reason)
    return tuple(by_code.values())
