# SPDX-License-Identifier: Apache-2.0
"""Names of input images and of all files made from them.

All names are POSIX paths relative to the output folder, or to the private or work folder where a
function says so. Nothing here accesses the file system.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from facebids.bids.suffixes import ALWAYS, HEADS
from facebids.errors import DatasetError, UsageError

RAW = 'raw'  # the name of the input dataset in BIDS URIs
LONGEST_NAME = 255  # bytes, of nearly all file systems
STATES = ('before', 'after')  # an image before and after defacing
GROUP_TABLE = 'group_identifiability.tsv'
GROUP_DICTIONARY = 'group_identifiability.json'
COMPARISONS_TABLE = 'group_comparisons.tsv'
COMPARISONS_DICTIONARY = 'group_comparisons.json'
SEARCHES_TABLE = 'group_searches.tsv'
SEARCHES_DICTIONARY = 'group_searches.json'
GROUP_PAGE = 'group.html'

# schema/rules/entities.yaml of BIDS 1.11.2, without the entities that volumes never have
ENTITY_ORDER = (
    'sub', 'tpl', 'ses', 'cohort', 'sample', 'task', 'tracksys', 'acq', 'nuc', 'voi', 'ce', 'trc',
    'stain', 'rec', 'dir', 'run', 'mod', 'echo', 'flip', 'inv', 'mt', 'part', 'proc', 'hemi',
    'space', 'split', 'recording', 'chunk', 'atlas', 'seg', 'scale', 'res', 'den', 'label', 'desc',
    'from', 'to', 'mode',
)  # fmt: skip
TEMPLATE_TEXT = re.compile(r'([a-zA-Z0-9]+)(?::cohort-([a-zA-Z0-9]+))?(?::res-([0-9]+))?')


@dataclass(frozen=True)
class HeadImage:
    """A head image of the input dataset.

    Attributes
    ----------
    path
        Absolute path.
    relative_path
        POSIX path relative to the dataset, which identifies the image.
    entities
        ``(key, value)`` pairs of the file name, with short keys (``'sub'``).
    suffix
        ``'T1w'``, ``'bold'``, ...: one of `facebids.bids.suffixes`.
    """

    path: str
    relative_path: str
    entities: tuple[tuple[str, str], ...]
    suffix: str

    @classmethod
    def from_relative_path(cls, relative_path: str, dataset: str = '') -> 'HeadImage':
        """Return the image at a path relative to its dataset.

        Parameters
        ----------
        relative_path
            POSIX path, ``'sub-01/anat/sub-01_T1w.nii.gz'``.
        dataset
            Folder of the dataset, which ``path`` starts with.

        Raises
        ------
        DatasetError
            If the file name does not consist of ``key-value`` pairs and a suffix.
        """
        name = PurePosixPath(relative_path).name
        *pairs, suffix = re.sub(r'\.nii(\.gz)?$', '', name).split('_')
        split = [pair.partition('-') for pair in pairs]
        entities = tuple((key, value) for key, _, value in split)
        if not entities or entities[0][0] != 'sub' or not all(dash for _, dash, _ in split):
            raise DatasetError(
                f'{relative_path}: not a BIDS file name (sub-01[_key-value]_T1w.nii.gz). '
                'Rename it, or exclude it with --bids-filter-file.'
            )
        path = f'{dataset}/{relative_path}' if dataset else relative_path
        return cls(path, relative_path, entities, suffix)

    @property
    def datatype(self) -> str:
        """Name of its folder, ``'anat'``."""
        return PurePosixPath(self.relative_path).parent.name

    @property
    def participant(self) -> str:
        """Label of the participant, without ``sub-``."""
        return dict(self.entities)['sub']

    @property
    def session(self) -> str | None:
        """Label of the session, without ``ses-``, or None."""
        return dict(self.entities).get('ses')

    @property
    def participant_id(self) -> str:
        """``'sub-01'``."""
        return f'sub-{self.participant}'

    @property
    def session_id(self) -> str | None:
        """``'ses-A'``, or None."""
        return f'ses-{self.session}' if self.session else None

    @property
    def stem(self) -> str:
        """File name without suffix and extension, ``'sub-01_ses-A_run-1'``."""
        return _join(dict(self.entities))


@dataclass(frozen=True)
class Template:
    """A template of TemplateFlow: its name, and its cohort and resolution, or None."""

    name: str
    cohort: str | None = None
    resolution: int | None = None

    @classmethod
    def from_text(cls, text: str) -> 'Template':
        """Return the template described by ``'NAME[:cohort-X][:res-Y]'``.

        Raises
        ------
        UsageError
            If the text does not have this form.
        """
        match = TEMPLATE_TEXT.fullmatch(text)
        if not match:
            raise UsageError(
                f'{text!r} is not a template of the form NAME[:cohort-X][:res-Y], such as '
                'MNI152NLin2009cAsym:res-2 or MNIPediatricAsym:cohort-3.'
            )
        name, cohort, resolution = match.groups()
        return cls(name, cohort, None if resolution is None else int(resolution))

    def __str__(self) -> str:
        """Return the text that describes it, with ``res-2`` for ``res-02``."""
        cohort = '' if self.cohort is None else f':cohort-{self.cohort}'
        resolution = '' if self.resolution is None else f':res-{self.resolution}'
        return f'{self.name}{cohort}{resolution}'


HEAD_ATLAS = Template('MNI152NLin2009aSym')  # the space of the head atlas


# --- images -------------------------------------------------------------------------------------


def defaced(image: HeadImage) -> str:
    """Return the name of the defaced image."""
    return _derivative(image, {'desc': 'defaced'}, f'{image.suffix}.nii.gz')


def mask(image: HeadImage) -> str:
    """Return the name of the face mask on the image's own grid.

    ``space-<suffix>`` distinguishes the masks of a T1w and a FLAIR, because ``_mask`` replaces
    the suffix and BIDS has no ``mod-`` entity for masks.
    """
    return _derivative(image, {'space': image.suffix, 'desc': 'face'}, 'mask.nii.gz')


def raw_mask(image: HeadImage) -> str:
    """Return the name of the face mask in a raw dataset, where BIDS has a suffix for it.

    https://bids-specification.readthedocs.io/en/stable/glossary.html#defacemask-suffixes
    """
    return _derivative(image, {'mod': image.suffix}, 'defacemask.nii.gz')


def to_template(image: HeadImage, template: Template = HEAD_ATLAS) -> str:
    """Return the name of the transform that resamples the image to the template."""
    return _transform(image, image.suffix, template.name, template.cohort)


def from_template(image: HeadImage, template: Template = HEAD_ATLAS) -> str:
    """Return the name of the transform that resamples the template to the image."""
    return _transform(image, template.name, image.suffix, template.cohort)


def is_transform(image: HeadImage, name: str) -> bool:
    """Return whether a name is that of a transform of the image to or from any template.

    Sidecars of transforms count too. An earlier run may have used another template.
    """
    patterns = [
        re.escape(PurePosixPath(name_of(image, Template('*', cohort))).stem)
        for name_of in (to_template, from_template)
        for cohort in (None, '*')
    ]
    return any(
        re.fullmatch(pattern.replace(r'\*', '[a-zA-Z0-9]+') + r'\.(txt|json)', name)
        for pattern in patterns
    )


def sidecar(name: str) -> str:
    """Return the name of the JSON sidecar of a file."""
    return re.sub(r'(\.nii(\.gz)?|\.[a-z]+)$', '.json', name)


def figure(image: HeadImage, kind: str) -> str:
    """Return the name of a figure of the defaced image, ``'slices'`` or ``'renders'``."""
    stem = _join(dict(image.entities) | {'desc': f'{_datatype_if_needed(image)}{kind}'})
    return f'{image.participant_id}/figures/{stem}_{image.suffix}.png'


def public_files(image: HeadImage) -> tuple[str, ...]:
    """Return the files that the output folder has for an image, and only if it did not fail."""
    described = (defaced(image), mask(image))
    transforms = (to_template(image), from_template(image))
    figures = (figure(image, 'slices'), figure(image, 'renders'))
    return (*described, *map(sidecar, described), *transforms, *figures)


# --- private folder -----------------------------------------------------------------------------


def private_templates(image: HeadImage, state: str) -> str:
    """Return the name of the face templates of an image, in the private folder.

    ``state`` is one of `STATES`.
    """
    return f'{image.participant_id}/{_flat_name(image)}_{state}.npz'


def private_figure(image: HeadImage, kind: str) -> str:
    """Return the name of a figure of the head before defacing, in the private folder.

    ``kind`` is ``'slices'`` or ``'renders'``.
    """
    return figure(image, f'{kind}before')


def withheld(name: str) -> str:
    """Return the name of an output file of a failed image, in the private folder."""
    return f'withheld/{name}'


# --- work folder --------------------------------------------------------------------------------


def record(image: HeadImage) -> str:
    """Return the name of the record of an image, in the work folder."""
    return f'records/{_flat_name(image)}.json'


def workflow_name(image: HeadImage) -> str:
    """Return the name of the Nipype workflow of an image.

    Progress and crashes are attributed to the image by this name.
    """
    return re.sub(r'\W', '_', f'{_flat_name(image)}_wf')


# --- limits -------------------------------------------------------------------------------------


def longest(image: HeadImage, template: Template = HEAD_ATLAS) -> int:
    """Return the length of the longest file or folder name made from an image, in bytes."""
    transforms = (name_of(image, template) for name_of in (to_template, from_template))
    made = (
        *public_files(image),
        *map(sidecar, transforms),
        *(private_templates(image, state) for state in STATES),
        *(private_figure(image, kind) for kind in ('slices', 'renders')),
        raw_mask(image),
        record(image),
        f'register_{workflow_name(image)}',
    )
    return max(len(PurePosixPath(name).name.encode()) for name in made)


# --- per session, participant and dataset --------------------------------------------------------


def metrics(image: HeadImage) -> str:
    """Return the name of the JSON file with the records of all images of a folder."""
    session = {key: value for key, value in image.entities if key in ('sub', 'ses')}
    stem = _join(session | {'desc': 'identifiability'})
    return f'{PurePosixPath(image.relative_path).parent}/{stem}_metrics.json'


def metrics_glob(participant: str) -> str:
    """Return the glob pattern of the metrics of a participant, or of all with ``'*'``."""
    return f'sub-{participant}/**/*_desc-identifiability_metrics.json'


def table(metrics_name: str) -> str:
    """Return the name of the table that belongs to metrics."""
    return metrics_name.removesuffix('.json') + '.tsv'


def page(participant: str) -> str:
    """Return the name of the report of a participant, in the output or the private folder."""
    return f'sub-{participant}.html'


def uri(image: HeadImage) -> str:
    """Return the BIDS URI of the input image."""
    return f'bids:{RAW}:{image.relative_path}'


def _flat_name(image: HeadImage) -> str:
    """Return a name that is unique among images of all data types."""
    parts = (image.stem, _datatype_if_needed(image), image.suffix)
    return '_'.join(part for part in parts if part)


def _datatype_if_needed(image: HeadImage) -> str:
    """Return the data type if other data types have the same suffix, else an empty string.

    Names of `anat` and `ct` images never need it.
    """
    others = (item for item in HEADS if item != image.datatype)
    shared = any(image.suffix in HEADS[datatype] for datatype in others)
    return image.datatype if shared and image.datatype not in ALWAYS else ''


def _derivative(image: HeadImage, entities: dict[str, str], ending: str) -> str:
    folder = PurePosixPath(image.relative_path).parent
    return f'{folder}/{_join(dict(image.entities) | entities)}_{ending}'


def _transform(image: HeadImage, source: str, target: str, cohort: str | None) -> str:
    entities = {'from': source, 'to': target, 'mode': 'image'}
    if cohort is not None:
        entities['cohort'] = cohort
    return _derivative(image, entities, 'xfm.txt')


def _join(entities: dict[str, str]) -> str:
    return '_'.join(f'{key}-{entities[key]}' for key in sorted(entities, key=_rank))


def _rank(key: str) -> float:
    # entities that are not in BIDS come before those of derivatives
    return ENTITY_ORDER.index(key) if key in ENTITY_ORDER else ENTITY_ORDER.index('space') - 0.5
