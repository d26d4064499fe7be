# SPDX-License-Identifier: Apache-2.0
"""The templates of the participant level: read them, and score them with the engines."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from facebids.bids import names
from facebids.bids.acquisitions import Acquisition
from facebids.bids.names import HeadImage
from facebids.core.arrays import AnyArray, BoolArray, FloatArray
from facebids.core.attack import brains, engines
from facebids.core.attack.brains import BrainTemplate
from facebids.core.attack.engines import FaceTemplate
from facebids.core.attack.recognition import RANDOM, is_random
from facebids.errors import FacebidsError
from facebids.processes import no_shared_memory, workers
from facebids.studies.comparisons import AFTER, BEFORE, Scan
from facebids.studies.results import FUSED

# Of more participants, the comparison by shape takes hours, and complete templates gigabytes.
MOST_PEOPLE = 2000
EngineTemplates = dict[str, FaceTemplate]  # by engine
Found = dict[str, tuple[EngineTemplates, BrainTemplate]]  # by state


@dataclass(frozen=True)
class Photograph:
    """The templates of a photograph, and of the same one with its hair hidden.

    `without_hair` is empty where the hair cannot be hidden, or no face is found then.
    """

    templates: EngineTemplates
    without_hair: EngineTemplates = field(default_factory=dict)


Photographs = dict[str, list[Photograph]]  # by participant


@dataclass(frozen=True)
class Enrolment:
    """The templates of all scans of a dataset.

    Attributes
    ----------
    scans
        Images with templates in at least one state.
    templates
        The templates of each engine, by image and state.
    pictures
        File with the frontal render, by image and state.
    without
        Images without a template.
    brains
        The template of the brain, by image.
    sample
        Participants whose templates are complete, where there are more than `MOST_PEOPLE`. Of the
        others there are condensed ones alone. None: all are complete.
    """

    scans: tuple[Scan, ...]
    templates: dict[tuple[str, str], EngineTemplates]
    pictures: dict[tuple[str, str], Path]
    without: tuple[str, ...]
    brains: dict[str, BrainTemplate] = field(default_factory=dict)
    sample: frozenset[str] | None = None

    @property
    def sampled(self) -> 'Enrolment':
        """The participants with complete templates."""
        if self.sample is None:
            return self
        scans = tuple(scan for scan in self.scans if scan.participant in self.sample)
        templates = {
            key: self.templates[key]
            for scan in scans
            for key in ((scan.image, state) for state in scan.states)
        }
        return replace(self, scans=scans, templates=templates, sample=None)

    @property
    def condensed(self) -> 'Enrolment':
        """All participants, with condensed templates alone."""
        templates = {key: engines.condense(item) for key, item in self.templates.items()}
        return replace(self, templates=templates, sample=None)

    def of(self, scans: Iterable[Scan], state: str) -> list[EngineTemplates]:
        """Return the templates of scans in one state."""
        return [self.templates[scan.image, state] for scan in scans]

    def frontal(self, scan: Scan, state: str) -> tuple[AnyArray, AnyArray] | None:
        """Return the frontal render of a scan and the box of its face, None without a face."""
        path = self.pictures.get((scan.image, state))
        if path is None:
            return None
        with np.load(path, allow_pickle=False) as arrays:
            picture, box = arrays['frontal'], arrays['frontal_box']
        return None if (box < 0).any() else (picture, box)

    @property
    def people(self) -> int:
        """Number of participants that were enrolled."""
        return len({scan.participant for scan in self.scans})


def read(
    private_dir: Path,
    images: Iterable[HeadImage],
    acquisitions: Mapping[str, Acquisition] | None = None,
    seed: int = 0,
    nprocs: int = 1,
) -> Enrolment:
    """Read the templates of images from the private folder.

    Pictures stay on disk: hundreds of them would not fit in memory. Of more than `MOST_PEOPLE`
    participants, complete templates would not either: so many participants are drawn at random,
    and the templates of others are condensed.

    Parameters
    ----------
    private_dir
        Private folder of the participant level.
    images
        The images of the dataset.
    acquisitions
        Site, scanner and voxel size of each image, by relative path.
    seed
        Random seed of the participants that are drawn.
    nprocs
        Number of processes that read the templates of a large cohort.
    """
    images = list(images)
    sample = draw_people({image.participant for image in images}, seed)
    templates, pictures, brain_templates, scans, without = {}, {}, {}, [], []
    for image, found in zip(images, _read_all(private_dir, images, sample, nprocs), strict=True):
        complete = sample is None or image.participant in sample
        for state, (own, brain) in found.items():
            key = image.relative_path, state
            templates[key] = own
            if complete:
                pictures[key] = Path(private_dir) / names.private_templates(image, state)
            if complete and state == BEFORE and brain:
                brain_templates[image.relative_path] = brain
        if found:
            entry = (image.participant, image.session, image.suffix, image.relative_path)
            acquisition = (acquisitions or {}).get(image.relative_path)
            scans.append(Scan(*entry, tuple(found), acquisition))
        else:
            without.append(image.relative_path)
    return Enrolment(tuple(scans), templates, pictures, tuple(without), brain_templates, sample)


def _read_all(
    private_dir: Path, images: Sequence[HeadImage], sample: frozenset[str] | None, nprocs: int
) -> Iterator[Found]:
    """Yield the templates of images, by state."""
    read_image = partial(_read_image, Path(private_dir), sample)
    if sample is None or nprocs == 1 or no_shared_memory():
        yield from map(read_image, images)
        return
    try:
        with workers(nprocs) as pool:
            yield from pool.map(read_image, images, chunksize=500)
    except BrokenProcessPool as error:
        raise FacebidsError(
            'A process that read face templates was killed, perhaps for lack of memory. Nothing '
            'was written. Run it again with fewer processes (--nprocs) or more memory.'
        ) from error


def _read_image(private_dir: Path, sample: frozenset[str] | None, image: HeadImage) -> Found:
    complete = sample is None or image.participant in sample
    paths = {
        state: private_dir / names.private_templates(image, state) for state in (BEFORE, AFTER)
    }
    return {state: _load(path, complete) for state, path in paths.items() if path.is_file()}


def draw_people(people: Iterable[str], seed: int) -> frozenset[str] | None:
    """Return `MOST_PEOPLE` participants drawn at random, None where there are no more."""
    ordered = sorted(people)
    if len(ordered) <= MOST_PEOPLE:
        return None
    drawn = np.random.default_rng(seed).choice(len(ordered), MOST_PEOPLE, replace=False)
    return frozenset(ordered[index] for index in drawn)


def scorer(
    probes: Sequence[EngineTemplates], gallery: Sequence[EngineTemplates]
) -> Callable[[slice], dict[str, FloatArray]]:
    """Return a function that scores some probes against a gallery.

    It returns the scores (R, G) by engine, of every engine that has templates of both sides; NaN
    without a template. Scores of several engines are also fused.
    """
    rows = {
        name: engines.rows(
            name, [item.get(name) for item in probes], [item.get(name) for item in gallery]
        )
        for name in engines.engines()
        if any(name in item for item in probes) and any(name in item for item in gallery)
    }

    def score(part: slice) -> dict[str, FloatArray]:
        scores = {name: compute(part) for name, compute in rows.items()}
        return scores | {FUSED: engines.fuse(scores)} if len(scores) > 1 else scores

    return score


def view(template: FaceTemplate, name: str) -> FaceTemplate | None:
    """Return the template of one view of a head, None where the engine has no such view."""
    there = [str(item) for item in template.get('names', ())]
    if name not in there:
        return None
    index = there.index(name)
    # engines score random views only: name the single view like one
    single = {'names': np.array([f'{RANDOM}_{name}'])}
    return {
        key: value[index : index + 1] if len(np.atleast_1d(value)) == len(there) else value
        for key, value in template.items()
    } | single


def faces(template: FaceTemplate) -> BoolArray:
    """Return in which views (V,) a face was found.

    The embeddings of other views are NaN, or those of the place of the original's face.
    """
    if 'found' in template:
        return template['found']
    return np.all(np.isfinite(template['embeddings']), axis=1)


def embeds_views(template: FaceTemplate) -> bool:
    """Return whether a template holds an embedding of each view, as of face recognition."""
    return {'names', 'embeddings'} <= set(template)


def random_views(template: FaceTemplate) -> BoolArray:
    """Return which views (V,) are random: they represent the head."""
    return is_random(template['names'])


def detection(templates: Iterable[FaceTemplate]) -> float | None:
    """Return the share of random views in which a face was found, None without any view."""
    found = [seen for item in templates if (seen := _found(item)) is not None]
    return float(np.concatenate(found).mean()) if any(map(len, found)) else None


def _found(template: FaceTemplate) -> BoolArray | None:
    """Return in which random views a face was found, None without any view."""
    if embeds_views(template):
        return faces(template)[random_views(template)]
    return template.get('found')  # of random views alone, as it is condensed


def _load(path: Path, complete: bool) -> tuple[EngineTemplates, BrainTemplate]:
    """Return the templates of all engines, and of the brain; pictures stay on disk.

    Those of the engines are condensed, and that of the brain is left out, unless complete.
    """
    with np.load(path, allow_pickle=False) as arrays:
        names = [key for key in arrays.files if '.' in key]
        if complete:
            return engines.unpack({key: arrays[key] for key in names}), brains.unpack(arrays)
        wanted = [key for key in names if engines.condensing(key.partition('.')[0])]
        return engines.condense(engines.unpack({key: arrays[key] for key in wanted})), {}
