# SPDX-License-Identifier: Apache-2.0
"""The verdict on a defaced image: pass, review or fail, with reasons a program can read.

Anything that was not measured, or not as expected, is never a pass.
"""

import math
from dataclasses import dataclass

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
        A note, the third severity, is no limit that was missed.
    least, most : float or None
        The number must not lie below `least` or above `most`.
    message : str
        What it means, for a person.
    source : str
        Where the limit comes from.
    suffix, mode : str or None
        The only contrast of the atlas that was registered to, and the only mode of defacing it
        applies to.
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


MEASURED = 'measured on public scans of 52 adults, right and deliberately wrong registrations'
COREGISTERED = (
    'FLAIR to T1w of public scans of eight adults: right 0.61-0.80 (whole, thick slices, 40 mm '
    'slabs), 0.39-0.45 (simulated echo-planar images); 20 degrees off at most 0.20, slabs 0.36; '
    '10 degrees off 0.39, slabs 0.43'
)
STRANGERS = (
    'mean distance between views of two people 0.44-0.80, 1st percentile 0.50, median 0.62; of '
    'one scan 0.26-0.49 (62 public scans)'
)
STRANGERS_SHAPE = (
    'share of the face that agrees within 0.7 mm: two people 0.30 on average, 99th percentile '
    '0.45; one person scanned twice 0.59-0.86 (62 public scans)'
)

THRESHOLDS = (
    Threshold(
        'registration_failed', 'registration.brain', 'fail',
        'The head could not be aligned with the atlas.',
        f'{MEASURED}: T1w right 0.20-0.68, wrong 0.02-0.20', least=0.20, suffix='T1w',
    ),
    Threshold(
        'registration_doubtful', 'registration.brain', 'review',
        'The alignment with the atlas is doubtful: look whether the mask lies on the face.',
        f'{MEASURED}: all but one right T1w are above', least=0.28, suffix='T1w',
    ),
    Threshold(
        'registration_failed', 'registration.brain', 'fail',
        'The head could not be aligned with the atlas.',
        f'{MEASURED}: FLAIR right 0.16-0.45, wrong 0-0.05', least=0.06, suffix='FLAIR',
    ),
    Threshold(
        'registration_doubtful', 'registration.brain', 'review',
        'The alignment with the atlas is doubtful: look whether the mask lies on the face.',
        f'{MEASURED}: twice the wrong ones', least=0.12, suffix='FLAIR',
    ),
    Threshold(
        'coregistration_failed', 'registration.coregistration', 'fail',
        'The image could not be aligned with the one whose alignment it borrows.',
        COREGISTERED, least=0.36,
    ),
    Threshold(
        'coregistration_doubtful', 'registration.coregistration', 'review',
        'The alignment with the image that it borrows from is doubtful: look whether the mask '
        'lies on the face.',
        COREGISTERED, least=0.40,
    ),
    Threshold(
        'no_brain_found', 'registration.tissue', 'fail',
        'No brain was found where it should be: the alignment failed, or this is not a head.',
        f'{MEASURED}: 0.09 and more; a bottle of water 0.01', least=0.05,
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
        'brain_guard_changed', 'mask.guard_voxels_changed', 'fail',
        'Voxels of the brain guard were changed.', 'no brain voxel may be touched', most=0,
    ),
    Threshold(
        'voxels_changed_outside', 'mask.voxels_changed_outside', 'fail',
        'Voxels outside the mask were changed.', 'defacing is lossless or not at all', most=0,
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

# Numbers that may be undefined, given what was found. Nothing found leaves nothing to compare;
# none before defacing has a reason of its own. A scan may show too little of the face for shapes.
# An image that was registered by itself has nothing to agree with but the atlas.
MAY_BE_UNDEFINED = {
    'identifiability.distance_before_after': lambda record: (
        not (_faces(record, 'before') and _faces(record, 'after'))
    ),
    'identifiability.distance_at_known_place': lambda record: (
        not record['identifiability'].get('faces_before')
    ),
    'identifiability.agreement_before_after': lambda record: True,
    'registration.coregistration': lambda record: _way(record) != 'borrowed',
}
# What is not asked of an image whose field of view has no face.
OF_FACES = ('identifiability.', 'mask.skin_removed_share')


def judge(record):
    """Judge an image by its numbers.

    Parameters
    ----------
    record : dict
        `suffix`, and the sections `registration`, `mask`, `identifiability` with their numbers.

    Returns
    -------
    verdict : {'pass', 'review', 'fail'}
    reasons : list of dict
        `code`, `severity`, `message`, `value`, `threshold`; the gravest first.
    """
    no_face = record['mask'].get('no_face')
    numbers = [t for t in THRESHOLDS if not (no_face and t.number.startswith(OF_FACES))]
    reasons = _gravest(
        _missed(record, numbers) + (_no_face(record) if no_face else _blind_attack(record))
    )
    gravest = reasons[0]['severity'] if reasons else 'note'
    return 'pass' if gravest == 'note' else gravest, reasons


def certain(registration):
    """Whether a registration leaves nothing to object to.

    Parameters
    ----------
    registration : dict
        That section of a record.
    """
    return not _objections(registration)


def fails(registration):
    """Whether a registration alone makes an image fail.

    Parameters
    ----------
    registration : dict
        That section of a record.
    """
    return any(reason['severity'] == 'fail' for reason in _objections(registration))


def _objections(registration):
    record = {'suffix': None, 'mode': None, 'registration': registration}
    return _missed(record, [t for t in THRESHOLDS if t.number.startswith('registration.')])


def _missed(record, thresholds):
    """Return a reason for each limit that is not met."""
    contrast = record['registration'].get('contrast') or record['suffix']
    reasons = [
        _reason(threshold, number)
        for threshold in thresholds
        if threshold.suffix in (None, contrast)
        and threshold.mode in (None, record['mode'])
        and _objectionable(threshold, number := _number(record, threshold.number), record)
    ]
    if contrast not in {threshold.suffix for threshold in THRESHOLDS}:
        message = f'How well a {contrast} image has to be aligned is not known.'
        reasons.append(_told('contrast_unknown', 'fail', message, contrast, None))
    return reasons


def _blind_attack(record):
    """Return the reason that an attack which sees no face before defacing gives, if it does."""
    # what a detector is not certain of it also sees in the back of a head
    found = record['identifiability'].get('faces_certain_before')
    if found:
        return []
    # By way of another image the face is known to lie in the mask, seen or not.
    known = _way(record) != 'own' and certain(record['registration'])
    message = (
        'No face was found with certainty before defacing either: that none is found afterwards '
        'proves nothing.'
    )
    return [_told('attack_blind', 'review' if known else 'fail', message, found, 1)]


def _no_face(record):
    """Return the reason why an image was left as it is, and whether that was wrong."""
    skin, found = (
        record['mask'].get('skin_in_view_ml'),
        record['identifiability'].get('faces_certain_before'),
    )
    message = 'The field of view has no face: the image is as it was.'
    reasons = [_told('no_face_in_view', 'note', message, skin, None)]
    if found != 0:
        message = 'The field of view should have no face, and one was found.'
        reasons.append(_told('face_in_view', 'fail', message, found, 0))
    return reasons


def _told(code, severity, message, value, threshold):
    return {
        'code': code,
        'severity': severity,
        'message': message,
        'value': value,
        'threshold': threshold,
    }


def _way(record):
    return record['registration'].get('way', 'own')


def _number(record, path):
    section, key = path.split('.')
    return record[section].get(key)


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
    return _told(
        f'{threshold.name}_unknown' if missing else threshold.name,
        threshold.severity,
        f'{threshold.number} could not be measured.' if missing else threshold.message,
        None if missing else number,
        threshold.value,
    )


def _gravest(reasons):
    """One reason per code, failures first."""
    by_code = {}
    for reason in sorted(reasons, key=lambda reason: -SEVERITIES.index(reason['severity'])):
        by_code.setdefault(reason['code'], reason)
    return list(by_code.values())
