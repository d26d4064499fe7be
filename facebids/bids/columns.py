# SPDX-License-Identifier: Apache-2.0
"""Every number of a record, and how to read it: the columns of the tables."""

from dataclasses import dataclass

SECTIONS = {
    'identifiability': 'Face recognition',
    'registration': 'Alignment with the atlas',
    'screening': 'As it arrived',
    'mask': 'What was removed',
    'utility': 'What it costs the analysis',
}
TISSUES = {'gm': 'Grey matter', 'wm': 'White matter', 'csf': 'Cerebrospinal fluid'}
VERDICTS = {
    'pass': 'no attack that was tried recognised the face; a lower bound of the risk',
    'review': 'somebody has to look at it before it is shared',
    'fail': 'the image is withheld',
}


@dataclass(frozen=True)
class Metric:
    """One number of a record, and how to read it.

    ``safer`` is ``'lower'``, ``'higher'`` or None when neither is; ``unit`` is None for a pure
    number, count or share.
    """

    section: str
    key: str
    label: str
    meaning: str
    unit: str | None = None
    safer: str | None = None

    @property
    def column(self) -> str:
        """Name of the number in tables."""
        return self.key if self.section == 'identifiability' else f'{self.section}_{self.key}'


METRICS = (
    Metric(
        'identifiability', 'views', 'Views attacked',
        'How many renders of the head, from seeded random views, were searched for a face.',
    ),
    Metric(
        'identifiability', 'volumes', 'Volumes attacked',
        'How many volumes were attacked: of a series the mean and the one with the strongest '
        'signal. The one that shows the face best counts.',
    ),
    Metric(
        'identifiability', 'seed', 'Seed of the views',
        'Seed of the random views and lights: the same seed renders the same pictures.',
    ),
    Metric(
        'identifiability', 'faces_before', 'Faces before',
        'Views of the original head in which a face was found. Where it is 0 the attack cannot '
        'see this head at all and finding none afterwards proves nothing.',
    ),
    Metric(
        'identifiability', 'faces_after', 'Faces after',
        'Views of the defaced head in which a face was found.',
        safer='lower',
    ),
    Metric(
        'identifiability', 'faces_certain_before', 'Certain faces before',
        'Of the faces before, those of which the detector was certain (score of 0.5 and more).',
    ),
    Metric(
        'identifiability', 'faces_certain_after', 'Certain faces after',
        'Of the faces after, those of which the detector was certain. In a cut head it often '
        'sees something like a face, and is rarely certain of it.',
        safer='lower',
    ),
    Metric(
        'identifiability', 'distance_within_before', 'Distance within the original',
        'Mean distance between face embeddings of different views of the original head: how far '
        'apart two pictures of the same person are. The yardstick for the next number.',
        unit='arbitrary',
    ),
    Metric(
        'identifiability', 'distance_before_after', 'Distance to the original',
        'Mean distance between face embeddings of the defaced and of the original head. n/a when '
        'no face was found in one of them.',
        unit='arbitrary',
        safer='higher',
    ),
    Metric(
        'identifiability', 'distance_before_after_min', 'Least distance to the original',
        'Least distance between any face found before and any found after.',
        unit='arbitrary',
        safer='higher',
    ),
    Metric(
        'identifiability', 'distance_at_known_place', 'Distance at the known place',
        'Mean distance between matching views when the defaced one is embedded where the face was '
        'before, face found or not: what somebody gets who knows where to look.',
        unit='arbitrary',
        safer='higher',
    ),
    Metric(
        'identifiability', 'agreement_before_after', 'Agreement with the original',
        'Share of the face whose shape agrees between the original and the defaced head, from 0 '
        'to 1: what is left of it for a comparison of depth maps.',
        safer='lower',
    ),
    Metric(
        'registration', 'quality', 'Registration quality',
        'How well the image fits the head atlas after registration.',
        safer='higher',
    ),
    Metric(
        'registration', 'brain', 'Brain agreement',
        "Correlation ratio of the atlas's and the image's intensities over the brain, 0 to 1.",
        safer='higher',
    ),
    Metric(
        'registration', 'tissue', 'Tissue agreement',
        'The same inside the brain alone: grey and white matter are told apart.',
        safer='higher',
    ),
    Metric(
        'registration', 'head', 'Head overlap',
        "Dice overlap of the atlas's head with the image's.",
        safer='higher',
    ),
    Metric(
        'registration', 'brain_in_view', 'Brain in view',
        "Share of the atlas's brain inside the field of view.",
    ),
    Metric(
        'registration', 'scale', 'Head size',
        "Size of the head relative to the atlas's, which is about a tenth too large.",
    ),
    Metric(
        'registration', 'start', 'Start of the registration',
        'Which attempt of the registration was kept.',
    ),
    Metric(
        'registration', 'template', 'Template',
        'Template of TemplateFlow by way of which the image was registered; n/a where none was '
        'asked for.',
    ),
    Metric(
        'screening', 'finding', 'Finding of the screening',
        'What the image showed when it arrived: face, defaced, or no_face_in_view.',
    ),
    Metric(
        'screening', 'passed_on', 'Passed on as it is',
        'Whether the image arrived defaced, and no voxel of it was replaced.',
    ),
    *(
        metric
        for zone in ('eyes', 'nose', 'midface')
        for metric in (
            Metric(
                'screening', f'{zone}_seen', f'{zone.capitalize()} in view',
                f'Share of the place of the {zone} that was in the field of view on arrival.',
            ),
            Metric(
                'screening', f'{zone}_gone', f'{zone.capitalize()} gone',
                'Share of that where there was no tissue to 15 mm under the generic skin.',
            ),
        )
    ),
    Metric(
        'screening', 'faces_certain', 'Certain faces on arrival',
        'Views with a certain face of an image that looked defaced; n/a where it did not.',
    ),
    Metric(
        'registration', 'way', 'Way of the registration',
        'own: the image itself was registered to the atlas. borrowed: it was co-registered to '
        "another image of the person, to which this section's numbers belong. shared: it was "
        'acquired together with another one.',
    ),
    Metric(
        'registration', 'source', 'Registered by way of',
        'The image that the registration is borrowed from or shared with.',
    ),
    Metric(
        'registration', 'contrast', 'Contrast of the atlas',
        'Contrast of the atlas that was registered to.',
    ),
    Metric(
        'registration', 'coregistration', 'Agreement with the source',
        'Correlation ratio over the brain of the image and the one that it borrows from, 0 to 1; '
        'n/a where the registration is its own.',
        safer='higher',
    ),
    Metric(
        'mask', 'volume_ml', 'Mask volume',
        'Volume of the mask, air in it included.',
        unit='mL',
    ),
    Metric(
        'mask', 'head_removed_ml', 'Head volume removed',
        'Volume of the head that was replaced.',
        unit='mL',
    ),
    Metric(
        'mask', 'head_removed_share', 'Head removed',
        "Share of the head's voxels that were replaced.",
    ),
    Metric(
        'mask', 'skin_removed_share', 'Face skin removed',
        "Share of the skin of the atlas's face region that was removed.",
        safer='higher',
    ),
    Metric(
        'mask', 'skin_in_view_ml', 'Face skin in view',
        'Volume of that skin in the field of view.',
        unit='mL',
    ),
    Metric(
        'mask', 'face_in_view_share', 'Face in view',
        "Share of the generic face's skin that lies in the field of view.",
    ),
    Metric(
        'mask', 'no_face', 'No face in view',
        'Whether so little of a face is in view that the image stays as it is.',
    ),
    Metric(
        'mask', 'motion_mm', 'Motion in the series',
        'How far the face moved at most between the mean and the first, middle and last volume; '
        'n/a of a single volume.',
        unit='mm',
    ),
    Metric(
        'mask', 'guard_cost_ml', 'Face skin guarded',
        'Volume of that skin which the guard around the brain keeps.',
        unit='mL',
        safer='lower',
    ),
    Metric(
        'mask', 'shell_mm', 'Depth of the region',
        'Depth under the generic skin at which the face region ends.',
        unit='mm',
    ),
    Metric(
        'mask', 'guard_voxels_changed', 'Brain guard changed',
        'Voxels of the guard around the brain that were changed; always 0 in a released image.',
    ),
    Metric(
        'mask', 'voxels_changed_outside', 'Changed outside the mask',
        'Voxels outside the mask that differ from the source; always 0 in a released image.',
    ),
    Metric(
        'utility', 'brain_ml', 'Brain volume',
        "Grey and white matter that hang together with the middle of the brain: an estimate from "
        'the image, for which neither the mask nor the guard is asked.',
        unit='mL',
    ),
    Metric(
        'utility', 'brain_voxels_changed', 'Brain voxels changed',
        'Voxels of that brain, more than 2 mm under its surface, that were changed; always 0 in '
        'a released image.',
    ),
    Metric(
        'utility', 'brain_changed_ml', 'Brain volume changed',
        'Volume of these voxels.',
        unit='mL',
    ),
    *(
        metric
        for key, name in TISSUES.items()
        for metric in (
            Metric(
                'utility', f'{key}_before_ml', f'{name} before',
                f'Volume of {name.lower()} by a simple segmentation of the original.',
                unit='mL',
            ),
            Metric(
                'utility', f'{key}_after_ml', f'{name} after',
                f'Volume of {name.lower()} in the same region, the defaced image segmented anew.',
                unit='mL',
            ),
            Metric(
                'utility', f'{key}_change', f'{name}, change',
                f'Change of the volume of {name.lower()}, as a share of the one before.',
            ),
        )
    ),
    Metric(
        'utility', 'registration_shift_mean_mm', 'Shift of the alignment, mean',
        "Mean distance over the atlas's brain surface between where it lands when the original "
        'and when the defaced image is registered; measured where another face was put on.',
        unit='mm',
    ),
    Metric(
        'utility', 'registration_shift_max_mm', 'Shift of the alignment, largest',
        'Largest of these distances.',
        unit='mm',
    ),
)  # fmt: skip
KNOWN = {metric.column: metric for metric in METRICS}
COLUMNS = {
    'participant_id': 'Participant.',
    'session_id': 'Session; n/a where the dataset has none.',
    'image': 'Path of the image in the input dataset.',
    'suffix': 'Contrast of the image, as in its file name.',
    'mode': 'What the face became; n/a where an error stopped the image, or where it arrived '
    'defaced and was passed on.',
    'verdict': 'What may be done with the defaced image.',
    'reasons': 'Codes of the reasons for the verdict, separated by commas; n/a without any.',
}


# --- making and merging -------------------------------------------------------------------------
