# SPDX-License-Identifier: Apache-2.0
"""The verdict on a defaced image: pass, review or fail, with reasons a program can read.

Anything that was not measured, or not as expected, is never a pass.
"""

import math
from dataclasses import dataclass

from facebids.core import tissues

SEVERITIES = ('note', 'review', 'fail')


@dataclass(frozen=True)
class Threshold:
    """A limit on one number of the record.

    Parameters
    ----------
    name : str
        Code of the reason given when the limit is not met.
    number : str
        Section and key of the number in the record.
    severity : {'review', 'fail'}
    least, most : float or None
        The number must not lie below `least` or above `most`.
    message : str
        What it means, for a person.
    source : str
        Where the limit comes from.
    suffix, mode : str or None
        The only contrast and the only mode of defacing it applies to.
    """

    name: str
    number: str
    severity: str
    message: str
    source: str
    least: float | None = None
    most: float | None = None
    suffix: str | None = None
    mode: str | None = None

    @property
    def value(self):
        """The limit, or both as a list."""
        limits = [limit for limit in (self.least, self.most) if limit is not None]
        return limits[0] if len(limits) == 1 else limits

    def met_by(self, number):
        """Whether a number is within the limit."""
        if self.least is not None and number < self.least:
            return False
        return self.most is None or number <= self.most


REGISTRATION = {
    'failed': 'The head could not be aligned with the atlas.',
    'doubtful': 'The alignment with the atlas is doubtful: see whether the mask lies on the face.',
}
MEASURED = 'measured on public scans of 52 adults, right and deliberately wrong registrations'
STRANGERS = (
    'mean distance between views of two people 0.44-0.80, 1st percentile 0.50, median 0.62; of '
    'one scan 0.26-0.49 (62 public scans)'
)
STRANGERS_SHAPE = (
    'share of the face that agrees within 0.7 mm: two people 0.30 on average, 99th percentile '
    '0.45; one person scanned twice 0.59-0.86 (62 public scans)'
)

THRESHOLDS = (
    *(
        Threshold(
            f'registration_{what}', 'registration.brain', severity, REGISTRATION[what],
            f'{MEASURED}: {suffix} {source}', least=least, suffix=suffix,
        )
        for suffix, fail, review, source in (
            ('T1w', 0.25, 0.30, 'right 0.28-0.70, wrong up to 0.25'),
            ('FLAIR', 0.15, 0.18, 'right 0.19-0.45, wrong up to 0.15'),
        )
        for what, severity, least in (('failed', 'fail', fail), ('doubtful', 'review', review))
    ),
    Threshold(
        'no_brain_found', 'registration.tissue', 'fail',
        'No brain was found where it should be: the alignment failed, or this is not a head.',
        f'{MEASURED}: 0.09 and more; wrong up to 0.09; a bottle of water 0.01', least=0.07,
    ),
    Threshold(
        'head_outline_differs', 'registration.head', 'review',
        "The head's outline differs from the atlas's.",
        f'{MEASURED}: right 0.80-0.95', least=0.75,
    ),
    Threshold(
        'brain_out_of_view', 'registration.brain_in_view', 'review',
        'The field of view holds too little of the brain to rely on the alignment.',
        'half of the brain, by convention', least=0.5,
    ),
    Threshold(
        'unusual_scale', 'registration.scale', 'review',
        'The head is unusually small or large for the atlas.',
        'adults 0.80-0.97; children down to three quarters of that', least=0.60, most=1.10,
    ),
    Threshold(
        'face_skin_left', 'mask.skin_removed_share', 'review',
        "Some of the face's skin was not removed.",
        'public scans: 0.96-1.00, a cropped one 0.93; what is left lies at the rim',
        least=0.95,
    ),
    Threshold(
        'face_skin_left', 'mask.skin_removed_share', 'fail',
        "Much of the face's skin was not removed.",
        'a tenth is more than an ear', least=0.90,
    ),
    Threshold(
        'brain_guard_costs', 'mask.guard_cost_ml', 'review',
        'The brain lies so close under the face that some of its skin had to stay.',
        'public scans: 0-3.9, median 0.4; a few per cent of the skin', most=5.0,
    ),
    Threshold(
        'brain_guard_changed', 'mask.guard_voxels_changed', 'fail',
        'Voxels of the brain guard were changed.', 'no brain voxel may be touched', most=0,
    ),
    Threshold(
        'voxels_changed_outside', 'mask.voxels_changed_outside', 'fail',
        'Voxels outside the mask were changed.', 'defacing is lossless or not at all', most=0,
    ),
    Threshold(
        'brain_changed', 'utility.brain_voxels_changed', 'fail',
        'Voxels of the brain were changed.',
        'the brain as estimated from its tissues, not from the guard: public scans 0',
        most=0,
    ),
    Threshold(
        'grey_matter_changed', 'utility.gm_change', 'review',
        'The volume of grey matter differs from the one before defacing.',
        'public scans: median 0.0002, largest 0.008', least=-0.02, most=0.02,
    ),
    Threshold(
        'face_found_after', 'identifiability.faces_certain_after', 'review',
        'A face is found with certainty in several views of the defaced head.',
        'of ten views: 6 to 10 before defacing; detectors see faces in cut heads too, but are '
        'rarely certain: public scans 0-4',
        most=3, mode='remove',
    ),
    Threshold(
        'face_recognised_after', 'identifiability.distance_before_after', 'fail',
        'What is found after defacing is nearer to the original than a stranger.',
        STRANGERS, least=0.5,
    ),
    Threshold(
        'face_recognised_at_place', 'identifiability.distance_at_known_place', 'fail',
        'The place where the face was is nearer to the original than a stranger.',
        STRANGERS, least=0.5,
    ),
    Threshold(
        'shape_recognised_after', 'identifiability.agreement_before_after', 'review',
        'More of the face agrees in shape with the original than is common between strangers.',
        STRANGERS_SHAPE, most=0.35, mode='remove',
    ),
    Threshold(
        'shape_recognised_after', 'identifiability.agreement_before_after', 'fail',
        'The shape of what is left is nearer to the original than a stranger.',
        STRANGERS_SHAPE, most=0.45,
    ),
)  # fmt: skip

# Numbers that may be undefined, given the rest of the record. Nothing found leaves nothing to
# compare; none before defacing has a reason of its own. A scan may show too little of the face for
# shapes. Some contrasts do not show tissues.
MAY_BE_UNDEFINED = {
    'identifiability.distance_before_after': lambda record: (
        not (_faces(record, 'before') and _faces(record, 'after'))
    ),
    'identifiability.distance_at_known_place': lambda record: (
        not record['identifiability'].get('faces_before')
    ),
    'identifiability.agreement_before_after': lambda record: True,
    'utility.brain_voxels_changed': lambda record: record['suffix'] not in tissues.ORDER,
    'utility.gm_change': lambda record: record['suffix'] not in tissues.ORDER,
}

# Of an image that arrived defaced and was passed on: nothing was removed, and nothing of the face
# before is known. That the head's outline differs is what defacing does.
JUDGED_WHEN_PASSED_ON = (
    *(f'registration.{name}' for name in ('brain', 'tissue', 'brain_in_view', 'scale')),
    *(f'mask.{name}' for name in ('guard_voxels_changed', 'voxels_changed_outside')),
    'identifiability.faces_certain_after',
)


def judge(record):
    """Judge an image by its numbers.

    Parameters
    ----------
    record : dict
        `suffix`, `mode`, and the sections `registration`, `mask`, `utility` and
        `identifiability` with their numbers; `screening`, if the image was screened.

    Returns
    -------
    verdict : {'pass', 'review', 'fail'}
    reasons : list of dict
        `code`, `severity`, `message`, `value`, `threshold`; the gravest first. A pass has none,
        or notes.
    """
    passed_on = (record.get('screening') or {}).get('passed_on', False)
    mode = 'remove' if passed_on else record['mode']
    reasons = [
        _reason(threshold, number)
        for threshold in THRESHOLDS
        if threshold.suffix in (None, record['suffix'])
        and threshold.mode in (None, mode)
        and (not passed_on or threshold.number in JUDGED_WHEN_PASSED_ON)
        and _objectionable(threshold, number := _number(record, threshold.number), record)
    ]
    if record['suffix'] not in {threshold.suffix for threshold in THRESHOLDS}:
        reasons.append(
            {
                'code': 'contrast_unknown',
                'severity': 'fail',
                'message': f'How well a {record["suffix"]} image has to be aligned is not known.',
                'value': record['suffix'],
                'threshold': None,
            }
        )
    if passed_on:
        reasons.append(
            {
                'code': 'already_defaced',
                'severity': 'note',
                'message': 'The image arrived without eyes, nose and midface and was passed on '
                'as it is. How well it was defaced cannot be told; --force defaces it again.',
                'value': record['screening'].get('midface_gone'),
                'threshold': None,
            }
        )
    # what a detector is not certain of it also sees in the back of a head
    elif not (certain := record['identifiability'].get('faces_certain_before')):
        reasons.append(
            {
                'code': 'attack_blind',
                'severity': 'fail',
                'message': 'No face was found with certainty before defacing either: that none '
                'is found afterwards proves nothing.',
                'value': certain,
                'threshold': 1,
            }
        )
    reasons = _gravest(reasons)
    gravest = reasons[0]['severity'] if reasons else 'note'
    return 'pass' if gravest == 'note' else gravest, reasons


def _number(record, path):
    section, key = path.split('.')
    return (record.get(section) or {}).get(key)


def _faces(record, state):
    """Count views with a face, random and named."""
    found = record['identifiability']
    named = sum(view[state] for view in found.get('named', {}).values())
    return (found.get(f'faces_{state}') or 0) + named


def _missing(number):
    return number is None or not math.isfinite(number)


def _objectionable(threshold, number, record):
    if not _missing(number):
        return not threshold.met_by(number)
    explained = MAY_BE_UNDEFINED.get(threshold.number)
    return not (explained and number is None and explained(record))


def _reason(threshold, number):
    missing = _missing(number)
    return {
        'code': f'{threshold.name}_unknown' if missing else threshold.name,
        'severity': threshold.severity,
        'message': f'{threshold.number} could not be measured.' if missing else threshold.message,
        'value': None if missing else number,
        'threshold': threshold.value,
    }


def _gravest(reasons):
    """One reason per code, failures first."""
    by_code = {}
    for reason in sorted(reasons, key=lambda reason: -SEVERITIES.index(reason['severity'])):
        by_code.setdefault(reason['code'], reason)
    return list(by_code.values())
