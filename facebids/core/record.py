# SPDX-License-Identifier: Apache-2.0
"""The record of an image: its verdict, the reasons, and every number measured.

Each number is a field that carries its label, meaning and unit. Tables, data dictionaries,
thresholds and pages are generated from these fields (:mod:`facebids.core.metrics`).
:mod:`facebids.core.metrics_file` reads and writes records as JSON.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from facebids.core.coverage import MaskNumbers
from facebids.core.declare import metric
from facebids.core.steps import Step

Verdict: TypeAlias = Literal['pass', 'review', 'fail']
Severity: TypeAlias = Literal['note', 'review', 'fail']
Number: TypeAlias = bool | int | float | str | None

VERDICTS: dict[str, str] = {
    'pass': 'no attack recognised the face; a lower bound of the risk',
    'review': 'a person has to look at the image before it is shared',
    'fail': 'the image is withheld',
}
TISSUES = {'gm': 'Grey matter', 'wm': 'White matter', 'csf': 'Cerebrospinal fluid'}


@dataclass(frozen=True)
class Registration:
    """How the image was aligned with the head atlas, and how well."""

    quality: float | None = metric(
        'Registration quality',
        'Agreement of the registered image with the head atlas: geometric mean of brain agreement '
        'and head overlap.',
        safer='higher',
    )
    brain: float | None = metric(
        'Brain agreement',
        'Correlation ratio between the intensities of the atlas and of the image over the brain, '
        'from 0 to 1.',
        safer='higher',
    )
    tissue: float | None = metric(
        'Tissue agreement',
        'Correlation ratio inside the brain alone, where it depends on the contrast between grey '
        'and white matter; n/a for CT.',
        safer='higher',
    )
    head: float = metric(
        'Head overlap', 'Dice overlap of the head of the atlas and of the image.', safer='higher'
    )
    brain_in_view: float = metric(
        'Brain in view', 'Share of the atlas brain inside the field of view.', share=True
    )
    scale: float = metric(
        'Head size', 'Size of the head relative to the atlas, which is about a tenth too large.'
    )
    start: str = metric('Start of the registration', 'Initial pose that led to the registration.')
    origin: Literal['own', 'borrowed', 'shared'] = metric(
        'Origin of the registration',
        'own: the image itself was registered to the atlas. borrowed: the image was co-registered '
        'to another image of the participant, to which the numbers of this section belong. '
        'shared: the image was acquired together with another one.',
    )
    source: str | None = metric(
        'Source of the registration',
        'Image from which the registration is borrowed or with which it is shared.',
    )
    contrast: str = metric(
        'Contrast of the atlas', 'Contrast of the atlas to which the image was registered.'
    )
    coregistration: float | None = metric(
        'Agreement with the source',
        'Correlation ratio over the brain between the image and its source, from 0 to 1; n/a if '
        'the registration is its own.',
        safer='higher',
    )
    template: str | None = metric(
        'Template',
        'TemplateFlow template through which the image was registered; n/a if none was requested.',
    )


def _seen(zone: str) -> Any:
    return metric(
        f'{zone.capitalize()} in view',
        f'Share of the {zone} of the generic face inside the field of view on arrival.',
        share=True,
    )


def _gone(zone: str, depth: int = 15) -> Any:
    return metric(
        f'{zone.capitalize()} gone',
        f'Share of the {zone} in view without tissue down to {depth} mm under the generic skin; '
        'n/a if none is in view.',
        share=True,
    )


@dataclass(frozen=True)
class Screening:
    """Whether the image showed a face when it arrived, and where its header puts it."""

    finding: Literal['face', 'defaced', 'no_face_in_view'] = metric(
        'Finding of the screening',
        'What the image showed on arrival: face, defaced, or no_face_in_view.',
    )
    passed_on: bool = metric(
        'Passed on unchanged', 'Whether the image arrived defaced and no voxel was replaced.'
    )
    eyes_seen: float = _seen('eyes')
    eyes_gone: float | None = _gone('eyes')
    nose_seen: float = _seen('nose')
    nose_gone: float | None = _gone('nose')
    midface_seen: float = _seen('midface')
    midface_gone: float | None = _gone('midface')
    faces_certain: int | None = metric(
        'Certain faces on arrival',
        'Views in which a face was detected with certainty, for an image that looked defaced; n/a '
        'otherwise.',
    )
    forms_apart_mm: float | None = metric(
        'Sform and qform apart',
        'Largest distance between the positions that sform and qform of the header give to a '
        'corner of the image; n/a if there is only one of them, or the sform is of a template.',
        unit='mm',
    )
    unusable_form: Literal['sform', 'qform'] | None = metric(
        'Unusable form',
        'Form of the header (sform or qform) that was dropped, as its numbers are zero, not '
        'finite or singular; n/a if there is none.',
    )
    scalp_gone: float | None = _gone('scalp', 6)


def _before(tissue: str) -> Any:
    name = TISSUES[tissue]
    return metric(
        f'{name} before', f'Volume of {name.lower()}, segmented in the source image.', unit='mL'
    )


def _after(tissue: str) -> Any:
    name = TISSUES[tissue]
    return metric(
        f'{name} after',
        f'Volume of {name.lower()} in the same region, segmented in the defaced image.',
        unit='mL',
    )


def _change(tissue: str) -> Any:
    name = TISSUES[tissue]
    return metric(
        f'{name}, change',
        f'Relative change of the volume of {name.lower()}, as a share of the volume before.',
        share=True,
    )


@dataclass(frozen=True)
class Utility:
    """What defacing costs the analysis of the image."""

    brain_ml: float | None = metric(
        'Brain volume',
        'Volume of grey and white matter connected to the centre of the brain, estimated from '
        'the image independently of the mask and of the brain guard.',
        unit='mL',
    )
    brain_voxels_changed: int | None = metric(
        'Brain voxels changed',
        'Voxels of that brain, more than 2 mm under its surface, that changed; 0 in every '
        'released image.',
    )
    brain_changed_ml: float | None = metric(
        'Brain volume changed', 'Volume of these voxels.', unit='mL'
    )
    gm_before_ml: float | None = _before('gm')
    gm_after_ml: float | None = _after('gm')
    gm_change: float | None = _change('gm')
    wm_before_ml: float | None = _before('wm')
    wm_after_ml: float | None = _after('wm')
    wm_change: float | None = _change('wm')
    csf_before_ml: float | None = _before('csf')
    csf_after_ml: float | None = _after('csf')
    csf_change: float | None = _change('csf')
    registration_shift_mean_mm: float | None = metric(
        'Shift of the registration, mean',
        'Mean distance, over the surface of the atlas brain, between the registrations of the '
        'source and of the defaced image; measured only with --mode reface.',
        unit='mm',
    )
    registration_shift_max_mm: float | None = metric(
        'Shift of the registration, largest', 'Largest of these distances.', unit='mm'
    )


@dataclass(frozen=True)
class FaceSeen:
    """Whether a face was detected in a named view, before and after defacing."""

    before: bool
    after: bool


@dataclass(frozen=True)
class EngineScore:
    """How near a head is to the original, in standard deviations from the decoys.

    Attributes
    ----------
    before
        A simulated rescan of the source image: what the engine can see.
    after
        The defaced image.
    """

    before: float | None
    after: float | None


@dataclass(frozen=True)
class Identifiability:
    """What face recognition finds before and after defacing.

    `named` has the views with a fixed pose (frontal, profile, ...) by name, `engines` the scores
    of the recognition engines.
    """

    log10_lr: float | None = metric(
        'Strength of evidence',
        'Strength of the evidence that the defaced head shows this person: log10 of the '
        'likelihood ratio. 0: the defaced head is as near to the face of a stranger as to that of '
        'the person. 1: what is seen is 10 times more probable if it shows the person. n/a if no '
        'engine can compare.',
        safer='lower',
    )
    log10_lr_low: float | None = metric(
        'Strength of evidence, lower end', 'Lower bound of its 95 % interval.', safer='lower'
    )
    log10_lr_high: float | None = metric(
        'Strength of evidence, upper end', 'Upper bound of its 95 % interval.', safer='lower'
    )
    log10_lr_before: float | None = metric(
        'Strength of evidence before',
        'The same for a simulated rescan of the source image: what the attack can see of a face '
        'that is there.',
    )
    decoy_p: float | None = metric(
        'Rank among decoys',
        'Share of the faces, the own one and those of the decoys, that are at least as near to '
        'the defaced head as the own one: the p-value of a permutation test.',
        safer='higher',
    )
    face_likeness: float | None = metric(
        'Likeness to a face',
        'How much the shape of the source image resembles faces: its mean agreement with the '
        'decoys over their agreement with each other. Faces have about 1.',
    )
    views: int = metric(
        'Views attacked', 'Renders of the head, from seeded random views, searched for a face.'
    )
    faces_before: int = metric(
        'Face-like before',
        'Views of the source image in which something like a face was detected. At 0 the attack '
        'is blind, and finding no face afterwards proves nothing.',
    )
    faces_after: int = metric(
        'Face-like after',
        'Views of the defaced image in which something like a face was detected: detectors see it '
        'in cut heads, too.',
        safer='lower',
    )
    faces_certain_before: int = metric(
        'Certain faces before',
        'Of these views before, those detected with certainty (score of 0.5 or more).',
    )
    faces_certain_after: int = metric(
        'Certain faces after',
        'Of these views after, those detected with certainty. Detectors often see something like '
        'a face in a cut head, and are rarely certain of it.',
        safer='lower',
    )
    distance_within_before: float | None = metric(
        'Distance within the original',
        'Mean distance between face embeddings of different views of the source image: how far '
        'apart two pictures of one person are. Baseline of the distance to the original.',
        unit='arbitrary',
    )
    distance_before_after: float | None = metric(
        'Distance to the original',
        'Mean distance between face embeddings of the defaced and of the source image; n/a if no '
        'face was detected in one of them.',
        unit='arbitrary',
        safer='higher',
    )
    distance_before_after_min: float | None = metric(
        'Least distance to the original',
        'Least distance between any face detected before and any detected after.',
        unit='arbitrary',
        safer='higher',
    )
    distance_at_known_place: float | None = metric(
        'Distance at the known place',
        'Mean distance between matching views when the defaced one is embedded at the position of '
        'the face before defacing, whether a face is detected there or not: the attack by someone '
        'who knows where the face was.',
        unit='arbitrary',
        safer='higher',
    )
    agreement_before_after: float | None = metric(
        'Agreement with the original',
        'Share of the face whose shape agrees between the source and the defaced image, from 0 to '
        '1: what remains for a comparison of depth maps.',
        safer='lower',
        share=True,
    )
    shape_in_view_before: float = metric(
        'Shape in view',
        'Share of the compared face whose shape the source image shows, from 0 to 1. Where it is '
        'too small, shapes cannot be compared.',
        share=True,
    )
    seed: int = metric(
        'Seed of the views',
        'Random seed of the views and lights: the same seed renders the same pictures.',
    )
    volumes: int = metric(
        'Volumes attacked',
        'Volumes that were attacked: of a series the mean and the one with the strongest signal. '
        'The one that shows the face best counts.',
    )
    named: dict[str, FaceSeen] = field(default_factory=dict)
    engines: dict[str, EngineScore] = field(default_factory=dict)


@dataclass(frozen=True)
class Provenance:
    """The files and the software that a verdict is on.

    Attributes
    ----------
    version
        Version of FaceBIDS.
    software_sha256
        Digest of its source code.
    source_sha256, defaced_sha256, mask_sha256
        Digests of the image as it was read, of the defaced image and of the face mask.
    keep_masks
        Digest of each keep mask of the image, by its name.
    """

    version: str
    source_sha256: str
    defaced_sha256: str
    mask_sha256: str
    software_sha256: str = ''
    keep_masks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reason:
    """One reason for a verdict.

    Attributes
    ----------
    code
        Machine-readable name, ``'face_found_after'``.
    severity
        A note does not change the verdict.
    message
        What it means, in one sentence.
    value
        The number that was objected to, None if it was not measured.
    threshold
        Its limit, or both limits.
    """

    code: str
    severity: Severity
    message: str
    value: Number = None
    threshold: float | tuple[float, ...] | None = None


@dataclass(frozen=True)
class Record:
    """Everything known about one image.

    Attributes
    ----------
    image
        Path relative to the input dataset; it identifies the image.
    participant_id, session_id, suffix
        Entities of the image.
    mode
        Defacing mode; None if an error stopped the image, or it arrived defaced and was passed on.
    verdict, reasons
        The verdict, and why, the most severe reason first.
    registration, screening, mask, utility, identifiability, provenance
        The numbers by section; None if an error stopped the image.
    steps
        The attempts at defacing, in the order in which they were made.
    attacked
        Whether the defaced image was attacked. Without that nothing is proven.
    """

    image: str
    participant_id: str
    session_id: str | None
    suffix: str
    mode: str | None = None
    verdict: Verdict = 'fail'
    reasons: tuple[Reason, ...] = ()
    registration: Registration | None = None
    screening: Screening | None = None
    mask: MaskNumbers | None = None
    utility: Utility | None = None
    identifiability: Identifiability | None = None
    provenance: Provenance | None = None
    steps: tuple[Step, ...] = ()
    attacked: bool = True

    @property
    def passed_on(self) -> bool:
        """Whether the image arrived defaced and no voxel was replaced."""
        return self.screening is not None and self.screening.passed_on

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes of the reasons."""
        return tuple(reason.code for reason in self.reasons)
