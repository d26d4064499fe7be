# SPDX-License-Identifier: Apache-2.0
"""What to do about the reasons of a verdict. The messages of errors say it themselves."""

from facebids.core.record import Record, Severity

LOOK = 'Look at it with facebids-review, which writes the table for --accept.'
ALIGN = (
    'Look at the alignment on the page of the participant: correct the orientation in the header, '
    'try --template, or leave the image out with --exclude-failed.'
)
DEFACE = (
    'Deface it again with another --mode, a smaller --brain-margin and without --keep options, or '
    'leave it out with --exclude-failed.'
)
REPORT = 'This is an error of FaceBIDS: please report it.'
FAILED = {
    'registration_failed': ALIGN,
    'coregistration_failed': ALIGN,
    'no_brain_found': ALIGN,
    'contrast_unknown': ALIGN,
    'attack_blind': ALIGN,
    'face_in_view': ALIGN,
    'face_skin_left': DEFACE,
    'person_recognised_after': DEFACE,
    'face_recognised_after': DEFACE,
    'face_recognised_at_place': DEFACE,
    'shape_recognised_after': DEFACE,
    'brain_changed': 'Look at the mask on the page of the participant, and raise --brain-margin.',
    'brain_guard_changed': REPORT,
    'voxels_changed_outside': REPORT,
}


def explain(record: Record) -> str:
    """Return why an image did not pass and what to do, in sentences; empty if it passed.

    Parameters
    ----------
    record
        The record of the image, with its verdict.
    """
    gravest = [reason for reason in record.reasons if reason.severity == record.verdict]
    sentences = [reason.message for reason in gravest]
    sentences += [remedy(reason.code, reason.severity) for reason in gravest]
    return ' '.join(dict.fromkeys(filter(None, sentences)))


def remedy(code: str, severity: Severity) -> str:
    """Return what to do about a reason; empty for notes, and for errors, which say it."""
    if severity == 'review':
        return LOOK
    return FAILED.get(code.removesuffix('_unknown'), '') if severity == 'fail' else ''
