# SPDX-License-Identifier: Apache-2.0
"""The limits on the numbers of a defaced image, and where they come from."""

from dataclasses import dataclass


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


REGISTRATION = {
    'failed': 'The head could not be aligned with the atlas.',
    'doubtful': 'The alignment with the atlas is doubtful: see whether the mask lies on the face.',
}
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
    *(
        Threshold(
            f'registration_{what}', 'registration.brain', severity, REGISTRATION[what],
            source, least=least, suffix=suffix,
        )
        for suffix, fail, review, source in (
            ('T1w', 0.25, 0.30, f'{MEASURED}: T1w right 0.28-0.70, wrong up to 0.25'),
            ('FLAIR', 0.15, 0.18, f'{MEASURED}: FLAIR right 0.19-0.45, wrong up to 0.15'),
            ('T2w', 0.08, 0.11, 'a public slab right 0.14, 8 degrees off up to 0.10'),
            ('PDw', 0.20, 0.25, 'a public slab right 0.40, 8 degrees off up to 0.22'),
            ('CT', 0.35, 0.45, 'two public heads right 0.52-0.55, 8 degrees off up to 0.43'),
        )
        for what, severity, least in (('failed', 'fail', fail), ('doubtful', 'review', review))
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
        f'{MEASURED}: 0.09 and more; wrong up to 0.09', least=0.07,
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
        'the brain as estimated from its tissues, not from the guard: public scans 0, but in '
        '2 of 19 a few voxels of chewing muscle, which it took for grey matter',
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
