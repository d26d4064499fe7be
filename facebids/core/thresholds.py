# SPDX-License-Identifier: Apache-2.0
"""The limits on the numbers of a defaced image, and where they come from."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from facebids.core.contrasts import CONTRASTS, MEASURED
from facebids.core.metrics import Metric, metric_of
from facebids.core.record import Severity


@dataclass(frozen=True)
class Threshold:
    """A limit on one number of the record.

    Attributes
    ----------
    name
        Code of the reason given if the limit is not met.
    metric
        The number.
    severity
        Verdict if the limit is not met, ``'review'`` or ``'fail'``.
    message
        What that means, in one sentence.
    source
        Where the limit comes from.
    least, most
        The number must not be below `least` or above `most`.
    contrast
        The only contrast of the atlas that the limit applies to.
    face_gone
        Whether it applies only to defacing modes that leave no face.
    if_missing
        Verdict if the number was not measured; `severity` unless given.
    """

    name: str
    metric: Metric
    severity: Severity
    message: str
    source: str
    least: float | None = None
    most: float | None = None
    contrast: str | None = None
    face_gone: bool = False
    if_missing: Severity | None = None

    @property
    def value(self) -> float | tuple[float, ...]:
        """The limit, or both."""
        limits = tuple(limit for limit in (self.least, self.most) if limit is not None)
        return limits[0] if len(limits) == 1 else limits

    def met_by(self, number: float) -> bool:
        """Return whether a number is within the limit; NaN is not."""
        if math.isnan(number):
            return False
        if self.least is not None and number < self.least:
            return False
        return self.most is None or number <= self.most


COREGISTERED = (
    'FLAIR to T1w of public scans of eight adults: correct 0.61-0.80 (whole, thick slices, 40 mm '
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


def _alignment_limits() -> Iterator[Threshold]:
    """Limits on the brain agreement, which differ by contrast."""
    brain = metric_of('registration', 'brain')
    for contrast in CONTRASTS.values():
        yield Threshold(
            'registration_failed', brain, 'fail',
            'The head could not be aligned with the atlas.',
            contrast.agreement_source, least=contrast.agreement_fail, contrast=contrast.name,
        )  # fmt: skip
        yield Threshold(
            'registration_doubtful', brain, 'review',
            'The alignment with the atlas is doubtful: check that the mask covers the face.',
            contrast.agreement_source, least=contrast.agreement_review, contrast=contrast.name,
        )  # fmt: skip


ALIGNMENT = (
    *_alignment_limits(),
    Threshold(
        'coregistration_failed', metric_of('registration', 'coregistration'), 'fail',
        'The image could not be aligned with the image from which it borrows the registration.',
        COREGISTERED, least=0.36,
    ),
    Threshold(
        'coregistration_doubtful', metric_of('registration', 'coregistration'), 'review',
        'The alignment with the image from which the registration is borrowed is doubtful: check '
        'that the mask covers the face.',
        COREGISTERED, least=0.40,
    ),
    Threshold(
        'no_brain_found', metric_of('registration', 'tissue'), 'fail',
        'No brain was found where it should be: the alignment failed, or the image is not a head.',
        f'{MEASURED}: 0.09 or more; wrong up to 0.09', least=0.07,
    ),
    Threshold(
        'head_outline_differs', metric_of('registration', 'head'), 'review',
        'The outline of the head differs from the atlas.',
        f'{MEASURED}: correct 0.80-0.95', least=0.75,
    ),
    Threshold(
        'brain_out_of_view', metric_of('registration', 'brain_in_view'), 'review',
        'The field of view holds too little of the brain to rely on the alignment.',
        'half of the brain, by convention', least=0.5,
    ),
    Threshold(
        'unusual_scale', metric_of('registration', 'scale'), 'review',
        'The head is unusually small or large for the atlas.',
        'adults 0.80-0.97; children down to three quarters of that', least=0.60, most=1.10,
    ),
)  # fmt: skip
ARRIVAL = (
    Threshold(
        'forms_disagree', metric_of('screening', 'forms_apart_mm'), 'review',
        'Sform and qform of the header put the image elsewhere: other programs may show it moved '
        'or mirrored. Check which one is right.',
        'rounding is below 0.1 mm, and a shear that only the sform has below 1 mm', most=3.0,
    ),
)  # fmt: skip
REMOVAL = (
    Threshold(
        'face_skin_left', metric_of('mask', 'skin_removed_share'), 'review',
        'Some skin of the face was not removed.',
        'public scans: 0.96-1.00, a cropped one 0.93; the rest is at the rim of the region',
        least=0.95,
    ),
    Threshold(
        'face_skin_left', metric_of('mask', 'skin_removed_share'), 'fail',
        'Much skin of the face was not removed.',
        '10 % is more than an ear', least=0.90,
    ),
    Threshold(
        'face_skin_kept', metric_of('mask', 'kept_skin_share'), 'review',
        'A keep mask leaves skin of the face, or tissue closely under it.',
        'phantoms: lesions, and sinuses 15 mm under the skin, 0; eyeballs 0.02, orbits up to the '
        'lids 0.04, a nose 0.09',
        most=0.025,
    ),
    Threshold(
        'volumes_not_followed', metric_of('mask', 'volumes_lost'), 'review',
        'In some volumes of the series, the head lies elsewhere, and the position was not found: '
        'check that the mask covers the face in each of them.',
        'every volume has to be defaced', most=0,
    ),
    Threshold(
        'brain_guard_changed', metric_of('mask', 'guard_voxels_changed'), 'fail',
        'Voxels of the brain guard changed.', 'no brain voxel may change', most=0,
    ),
    Threshold(
        'voxels_changed_outside', metric_of('mask', 'voxels_changed_outside'), 'fail',
        'Voxels outside the mask changed.', 'voxels outside the mask must not change', most=0,
    ),
    Threshold(
        'brain_changed', metric_of('utility', 'brain_voxels_changed'), 'fail',
        'Voxels of the brain changed.',
        'the brain as segmented, independently of the guard: public scans 0, but in 2 of 19 a few '
        'voxels of chewing muscle that were segmented as grey matter',
        most=0,
    ),
    Threshold(
        'grey_matter_changed', metric_of('utility', 'gm_change'), 'review',
        'The volume of grey matter differs from the volume before defacing.',
        'public scans: median 0.0002, largest 0.008', least=-0.02, most=0.02,
    ),
)  # fmt: skip
EVIDENCE = (
    'log10 of the likelihood ratio: 1 is 10 times, the point at which evidence begins to count'
)
RECOGNITION = (
    Threshold(
        'person_recognised_after', metric_of('identifiability', 'log10_lr'), 'fail',
        'The defaced head shows this person: it is nearer to the original than faces of others in '
        'the same scan are.',
        EVIDENCE, most=1.0, if_missing='review',
    ),
    Threshold(
        'person_recognised_after', metric_of('identifiability', 'log10_lr_high'), 'review',
        'The defaced head may show this person: the interval of the evidence reaches 10 times.',
        EVIDENCE, most=1.0, if_missing='review',
    ),
    Threshold(
        'face_found_after', metric_of('identifiability', 'faces_certain_after'), 'review',
        'A face is detected with certainty in several views of the defaced head.',
        'of ten views: 6 to 10 before defacing; detectors see faces in cut heads too, but are '
        'rarely certain: public scans 0-4',
        most=3, face_gone=True,
    ),
)  # fmt: skip
# For images in which the strength of evidence cannot be measured, or in which it would not be
# seen.
SIMILARITY = (
    Threshold(
        'face_recognised_after', metric_of('identifiability', 'distance_before_after'), 'fail',
        'The face detected after defacing is more similar to the original than faces of two '
        'people are.',
        STRANGERS, least=0.5,
    ),
    Threshold(
        'face_recognised_at_place', metric_of('identifiability', 'distance_at_known_place'),
        'fail',
        'At the known position of the face, the embedding is more similar to the original than '
        'those of two people are.',
        STRANGERS, least=0.5,
    ),
    Threshold(
        'shape_recognised_after', metric_of('identifiability', 'agreement_before_after'), 'fail',
        'The remaining shape agrees with the original more than the shapes of two people do.',
        STRANGERS_SHAPE, most=0.45, if_missing='review',
    ),
)  # fmt: skip
# What an attack must see before defacing, for what it does not see afterwards to prove anything.
SEEN = 1.0  # log10 of the likelihood ratio of a rescan: below, a face that is left is not noticed
# Least likeness of a shape to faces: four public scans have 0.61-0.90, the back of a head
# 0.45, a head tilted by 40 degrees 0.57.
FACE_LIKE = 0.6
LEAST_SHAPE = 0.25  # share of the compared face that two scans have to show to be compared
THRESHOLDS = (*ALIGNMENT, *ARRIVAL, *REMOVAL, *RECOGNITION, *SIMILARITY)


def limit(name: str, severity: Severity | None = None) -> Threshold:
    """Return a threshold by its name.

    Parameters
    ----------
    name
        Code of its reason.
    severity
        Which of two thresholds of this name; the first unless given.

    Raises
    ------
    KeyError
        If there is none.
    """
    for threshold in THRESHOLDS:
        if threshold.name == name and severity in (None, threshold.severity):
            return threshold
    raise KeyError(name)
