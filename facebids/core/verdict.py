# SPDX-License-Identifier: Apache-2.0
"""The verdict on a defaced image: pass, review or fail, with reasons a program can read.

Anything that was not measured, or not as expected, is never a pass.
"""

import math

from facebids.core.atlas import COMPUTED
from facebids.core.defacing import tissues
from facebids.core.thresholds import THRESHOLDS

SEVERITIES = ('note', 'review', 'fail')

# Numbers that may be undefined, given the rest of the record. Nothing found leaves nothing to
# compare; none before defacing has a reason of its own. A scan may show too little of the face for
# shapes. An image that was registered by itself agrees with nothing but the atlas. Some contrasts
# do not show tissues.
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
    'registration.tissue': lambda record: _contrast(record) in COMPUTED,
    'registration.coregistration': lambda record: _way(record) != 'borrowed',
}
# What is not asked of an image whose field of view has no face.
OF_FACES = ('identifiability.', 'utility.', 'mask.skin_removed_share')

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
    asked, told = THRESHOLDS, _blind_attack
    if (record.get('screening') or {}).get('passed_on'):
        asked = [t for t in THRESHOLDS if t.number in JUDGED_WHEN_PASSED_ON]
        told = _already_defaced
    elif record['mask'].get('no_face'):
        asked = [t for t in THRESHOLDS if not t.number.startswith(OF_FACES)]
        told = _no_face
    reasons = _gravest(_missed(record, asked) + told(record))
    gravest = reasons[0]['severity'] if reasons else 'note'
    return 'pass' if gravest == 'note' else gravest, reasons


def certain(registration, besides=()):
    """Whether a registration leaves nothing to object to.

    Parameters
    ----------
    registration : dict
        That section of a record.
    besides : sequence of str
        Numbers of that section that do not count.
    """
    return not _objections(registration, besides)


def fails(registration):
    """Whether a registration alone makes an image fail.

    Parameters
    ----------
    registration : dict
        That section of a record.
    """
    return any(reason['severity'] == 'fail' for reason in _objections(registration))


def _objections(registration, besides=()):
    record = {'suffix': None, 'mode': None, 'registration': registration}
    numbers = {f'registration.{key}' for key in besides}
    asked = [t for t in THRESHOLDS if t.number.startswith('registration.')]
    return _missed(record, [t for t in asked if t.number not in numbers])


def _missed(record, thresholds):
    """Return a reason for each limit that is not met."""
    contrast = _contrast(record)
    mode = record['mode'] or 'remove'  # what was passed on has none
    reasons = [
        _reason(threshold, number)
        for threshold in thresholds
        if threshold.suffix in (None, contrast)
        and threshold.mode in (None, mode)
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


def _already_defaced(record):
    """Return the note on an image that arrived defaced."""
    message = (
        'The image arrived without eyes, nose and midface and was passed on as it is. How well it '
        'was defaced cannot be told; --force defaces it again.'
    )
    return [
        _told('already_defaced', 'note', message, record['screening'].get('midface_gone'), None)
    ]


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


def _contrast(record):
    return record['registration'].get('contrast') or record['suffix']


def _way(record):
    return record['registration'].get('way', 'own')


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
