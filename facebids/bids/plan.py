# SPDX-License-Identifier: Apache-2.0
"""Plan what is done to each image, and why, before anything runs.

All functions are pure: they know the names of images, and read no file.

The transform from the head atlas to an image has one of three origins:

*own*
    The image is registered to the head atlas. This is how contrasts of the atlas are registered.
    If that of a T2w or PDw is doubtful, a better image of the same session lends its own.
*borrowed*
    The image is coregistered to a reference image of the same participant, whose registration to
    the head atlas it borrows.
*shared*
    The image has the registration of another image that was acquired at the same time: another
    echo or inversion, or another part of a complex image.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from facebids.bids import suffixes
from facebids.bids.names import HeadImage
from facebids.core.contrasts import BY_SUFFIX, contrast_of
from facebids.words import counted

AT_ONCE = ('echo', 'inv', 'part')  # entities that differ within one acquisition
NO_MAGNITUDE = 'its magnitude image, in which faces would be detected, is missing'

# suffix, folder and entities that the images of one acquisition have in common
Acquisition = tuple[str, str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class KeepMask:
    """A mask of what an image keeps.

    Attributes
    ----------
    path
        Absolute path.
    name
        POSIX path relative to the folder of masks, or the file name of a single mask.
    sha256
        Digest of the file.
    """

    path: str
    name: str
    sha256: str


@dataclass(frozen=True)
class ImagePlan:
    """What is done to one image.

    Attributes
    ----------
    image
        The image.
    reason
        Why, in words.
    action
        ``'deface'``: deface the image, unless it is already defaced, and attack the result;
        ``'register'``: only register the image, for the sake of another one.
    origin
        Where the registration comes from: ``'own'``, ``'borrowed'`` or ``'shared'``. A borrowed
        registration whose coregistration fails is replaced by one of its own.
    contrast
        Contrast of the atlas that is most similar to that of the image.
    source
        The image whose registration is borrowed or shared.
    magnitude
        The magnitude image of the same acquisition, if this one is a part of it.
    keep_masks
        Masks of what the image keeps.
    fallback
        The image whose registration is borrowed if the own one is doubtful.
    """

    image: HeadImage
    reason: str
    action: str = 'deface'
    origin: str = 'own'
    contrast: str = 'T1w'
    source: HeadImage | None = None
    magnitude: HeadImage | None = None
    keep_masks: tuple[KeepMask, ...] = ()
    fallback: HeadImage | None = None

    @property
    def signal(self) -> str:
        """What the intensities are: ``'magnitude'``, ``'phase'`` or ``'real'`` (signed)."""
        part = dict(self.image.entities).get('part', 'mag')
        if part == 'phase' or self.image.suffix in suffixes.PHASES:
            return 'phase'
        unsigned = _is_magnitude(self.image) and self.image.suffix != 'UNIT1'
        return 'magnitude' if unsigned else 'real'

    @property
    def is_magnitude(self) -> bool:
        """Whether the intensities are those of a magnitude; all else is filled with zeros."""
        return self.signal == 'magnitude'

    @property
    def lender(self) -> HeadImage | None:
        """The image for whose registration this one waits."""
        return self.source or self.fallback

    @property
    def source_contrast(self) -> str | None:
        """Contrast of the atlas that is that of the lender or the most like it."""
        return contrast_of(self.lender.suffix) if self.lender else None


@dataclass(frozen=True)
class Refusal:
    """An image that fails before anything is done to it.

    Attributes
    ----------
    image
        The image.
    code
        Machine-readable name of the error, ``'unreadable_image_error'``.
    message
        What is wrong, and what to do.
    """

    image: HeadImage
    code: str
    message: str


@dataclass(frozen=True)
class ParticipantPlan:
    """What is done to the images of one participant.

    Attributes
    ----------
    participant
        Label without ``sub-``.
    images
        Images to deface.
    registered
        Images to register only.
    not_defaced
        Path and reason of each file that may show a face and is not defaced.
    refused
        Images that fail before anything is done to them.
    closed
        Path and reason of each folder whose files are unknown.
    """

    participant: str
    images: tuple[ImagePlan, ...]
    registered: tuple[ImagePlan, ...] = ()
    not_defaced: tuple[tuple[str, str], ...] = ()
    refused: tuple[Refusal, ...] = ()
    closed: tuple[tuple[str, str], ...] = ()


def make_plan(
    images: Iterable[HeadImage],
    others: Iterable[HeadImage] = (),
    not_defaced: Iterable[tuple[str, str]] = (),
    template: str | None = None,
    *,
    force: bool = False,
) -> tuple[ParticipantPlan, ...]:
    """Return a plan for each participant. Participants and images are in alphabetical order.

    Parameters
    ----------
    images
        Images to deface.
    others
        Images that are not defaced, but may serve as reference for others.
    not_defaced
        Path and reason of each file that may show a face and is not defaced.
    template
        Name of the template that images are registered to first, or None.
    force
        Whether to deface images that are already defaced.
    """
    target = f'template {template}' if template else 'head atlas'
    ordered = sorted(images, key=lambda image: (image.participant, image.relative_path))
    others = list(others)
    not_defaced = list(not_defaced)
    plans = []
    for participant, group in groupby(ordered, key=lambda image: image.participant):
        mine = list(group)
        helpers = [image for image in others if image.participant == participant]
        start = f'sub-{participant}/'
        alone = [item for item in not_defaced if item[0].startswith(start)]
        plan = _plan_participant(participant, mine, helpers, alone, target)
        plans.append(plan if force else _screened(plan))
    return tuple(plans)


def complete(
    plans: Iterable[ParticipantPlan],
    participants: Iterable[str],
    not_defaced: Iterable[tuple[str, str]] = (),
    refused: Iterable[Refusal] = (),
    closed: Iterable[tuple[str, str]] = (),
) -> tuple[ParticipantPlan, ...]:
    """Return a plan for every participant, with all that nothing is done to.

    Parameters
    ----------
    plans
        Plans of the participants with images to deface.
    participants
        Labels of all participants.
    not_defaced, refused, closed
        See `ParticipantPlan`, of all participants.
    """
    known = {plan.participant: plan for plan in plans}
    alone, shut, failing = list(not_defaced), list(closed), list(refused)
    completed = []
    for label in sorted({*participants, *known}):
        plan = known.get(label) or ParticipantPlan(
            label, (), not_defaced=tuple(item for item in alone if _is_of(item[0], label))
        )
        completed.append(
            replace(
                plan,
                refused=tuple(item for item in failing if item.image.participant == label),
                closed=tuple(item for item in shut if _is_of(item[0], label)),
            )
        )
    return tuple(completed)


def _is_of(path: str, participant: str) -> bool:
    return path.partition('/')[0] == f'sub-{participant}'


def _screened(plan: ParticipantPlan) -> ParticipantPlan:
    """Add to each reason what happens to an image that is already defaced."""
    note = '; its voxels stay unchanged if it is already defaced'
    images = tuple(replace(item, reason=item.reason + note) for item in plan.images)
    return replace(plan, images=images)


def describe(plans: Iterable[ParticipantPlan]) -> str:
    """Return the plans as text: what is done to each image, and which files are not defaced."""
    lines: list[str] = []
    for plan in plans:
        lines.append(f'sub-{plan.participant}')
        lines += [
            '\n    '.join(
                [
                    f'  {item.image.relative_path}',
                    f'{item.action}: {item.reason}',
                    *(f'keep: {mask.name}' for mask in item.keep_masks),
                ]
            )
            for item in (*plan.images, *plan.registered)
        ]
        lines += [
            f'  {item.image.relative_path}\n    fail: {item.message}' for item in plan.refused
        ]
        lines += [f'  {path}\n    left out: {reason}' for path, reason in plan.closed]
        if not (plan.images or plan.refused):
            lines.append('  no image to deface')
        by_reason = defaultdict(list)
        for path, reason in plan.not_defaced:
            by_reason[reason].append(path)
        for reason, paths in by_reason.items():
            lines += [f'  not defaced: {reason}', *(f'    {path}' for path in paths)]
    return '\n'.join(lines)


def summarise(plans: Sequence[ParticipantPlan]) -> str:
    """Return what a run would do as a few lines: participants, images by contrast, the rest."""
    images = [item.image for plan in plans for item in plan.images]
    helpers = [item.image for plan in plans for item in plan.registered]
    refused = [item.image for plan in plans for item in plan.refused]
    without = [plan.participant for plan in plans if not (plan.images or plan.refused)]
    lines = [
        f'{counted(len(plans), "participant")}, {counted(len(images), "image")} to deface'
        + _by_suffix(images)
    ]
    if without:
        lines.append(f'without an image to deface: {counted(len(without), "participant")}')
    if helpers:
        count = counted(len(helpers), 'image')
        lines.append(f'only registered, for others: {count}{_by_suffix(helpers)}')
    if refused:
        lines.append(f'fail: {counted(len(refused), "image")}{_by_suffix(refused)}')
    if closed := sum(len(plan.closed) for plan in plans):
        lines.append(f'left out: {counted(closed, "folder")}')
    if passed_over := count_not_defaced(plans):
        lines.append(f'passed over, although a face may show: {passed_over}')
    return '\n'.join(lines)


def _by_suffix(images: Iterable[HeadImage]) -> str:
    counts = Counter(image.suffix for image in images)
    listed = ', '.join(f'{count} {suffix}' for suffix, count in sorted(counts.items()))
    return f' ({listed})' if listed else ''


def count_not_defaced(plans: Iterable[ParticipantPlan]) -> str:
    """Return how many files are not defaced for which reason; an empty string for none."""
    counts: dict[str, int] = defaultdict(int)
    for plan in plans:
        for _, reason in plan.not_defaced:
            counts[reason] += 1
    return '; '.join(f'{count} ({reason})' for reason, count in counts.items())


def _plan_participant(
    participant: str,
    images: list[HeadImage],
    others: list[HeadImage],
    not_defaced: list[tuple[str, str]],
    target: str,
) -> ParticipantPlan:
    known = _Acquisitions([*images, *others], target)
    planned = {image: known.plan(image) for image in images}
    planned |= {
        image: replace(item, fallback=known.fallback(image, images))
        for image, item in planned.items()
        if item and item.origin == 'own' and image.suffix in suffixes.DOUBTFUL
    }
    alone = [(image.relative_path, NO_MAGNITUDE) for image in images if not planned[image]]
    items = [item for item in planned.values() if item]
    registered: dict[HeadImage, ImagePlan] = {}
    waiting = list(items)
    while waiting:
        source = waiting.pop().source
        if source and source not in planned and source not in registered:
            item = known.plan(source, action='register')
            if item is None:  # sources are magnitude images, which can always be registered
                raise AssertionError(source.relative_path)
            registered[source] = item
            waiting.append(item)
    return ParticipantPlan(
        participant, tuple(items), tuple(registered.values()), (*not_defaced, *alone)
    )


class _Acquisitions:
    """The images of a participant by acquisition, and which of them serve others."""

    def __init__(self, images: list[HeadImage], target: str) -> None:
        self.target = target
        self.at_once: dict[Acquisition, list[HeadImage]] = defaultdict(list)
        for image in sorted(images, key=lambda image: image.relative_path):
            self.at_once[_acquisition(image, image.suffix)].append(image)
        leaders = (self._leader(key) for key in self.at_once)
        self.references = [
            image
            for image in leaders
            if image and image.suffix in suffixes.REFERENCES and image.datatype in suffixes.ALWAYS
        ]

    def plan(self, image: HeadImage, action: str = 'deface') -> ImagePlan | None:
        """Return what is done to an image, or None if it lacks its magnitude image."""
        contrast = contrast_of(image.suffix)
        # the background of a UNIT1 is noise as strong as tissue, that of its MP2RAGE is not
        if image.suffix == 'UNIT1' or not _is_magnitude(image):
            if magnitude := self._magnitude(image):
                reason = (
                    f'shares the registration of {_name(magnitude)}, acquired at the same time, '
                    'unless its own head lies elsewhere'
                )
                return ImagePlan(image, reason, action, 'shared', contrast, magnitude, magnitude)
            if not _is_magnitude(image):
                return None
        if image.suffix in BY_SUFFIX:
            reason = f'registered to the {self.target}, which has this contrast ({contrast})'
            return ImagePlan(image, reason, action, 'own', contrast)
        leader = self._leader(_acquisition(image, image.suffix))
        if leader and leader != image:
            reason = f'shares the registration of {_name(leader)}, acquired at the same time'
            return ImagePlan(image, reason, action, 'shared', contrast, leader)
        if reference := self._reference(image):
            reason = (
                f'coregistered to {_name(reference)}, whose registration it borrows, because the '
                f'atlas has no {image.suffix}; if that fails, registered to the {contrast} of the '
                'atlas'
            )
            return ImagePlan(image, reason, action, 'borrowed', contrast, reference)
        reason = (
            f'registered to the {contrast} of the atlas, the most similar contrast, because this '
            'participant has no reference image to coregister it to'
        )
        return ImagePlan(image, reason, action, 'own', contrast)

    def _leader(self, key: Acquisition) -> HeadImage | None:
        """Return the magnitude image whose registration an acquisition shares."""
        magnitudes = [image for image in self.at_once.get(key, ()) if _is_magnitude(image)]
        return min(magnitudes, key=_order, default=None)

    def _magnitude(self, image: HeadImage) -> HeadImage | None:
        """Return the magnitude image of an image, of the same echo and inversion if possible."""
        own = suffixes.MAGNITUDES.get(image.suffix, (image.suffix,))
        candidates = [
            other
            for suffix in own
            for other in self.at_once.get(_acquisition(image, suffix), ())
            if _is_magnitude(other)
        ]
        wanted = dict(image.entities)

        def distance(other: HeadImage) -> tuple[Any, ...]:
            has = dict(other.entities)
            differs = sum(has.get(key) != wanted.get(key) for key in ('echo', 'inv'))
            return own.index(other.suffix), differs, _order(other)

        return min(candidates, key=distance, default=None)

    def fallback(self, image: HeadImage, planned: list[HeadImage]) -> HeadImage | None:
        """Return the image that lends its registration if that of an image is doubtful.

        It is defaced too, so that its registration costs nothing, and of the same session.
        """
        found = self._reference(image)
        return found if found in planned and found.session == image.session else None

    def _reference(self, image: HeadImage) -> HeadImage | None:
        """Return the reference image: of the same session if possible, of the best contrast."""

        def distance(other: HeadImage) -> tuple[Any, ...]:
            place = suffixes.REFERENCES.index(other.suffix)
            extra = len(other.entities)  # plain names first: no contrast agent or variant
            return other.session != image.session, place, extra, other.relative_path

        mine = suffixes.REFERENCES.index(image.suffix) if image in self.references else None
        better = [
            other
            for other in self.references
            if mine is None
            or (suffixes.REFERENCES.index(other.suffix), other.relative_path)
            < (mine, image.relative_path)
        ]
        return min(better, key=distance, default=None)


def _acquisition(image: HeadImage, suffix: str) -> Acquisition:
    """Return the acquisition of an image, or that of its counterpart with another suffix."""
    entities = tuple(pair for pair in image.entities if pair[0] not in AT_ONCE)
    return suffix, image.relative_path.rpartition('/')[0], entities


def _is_magnitude(image: HeadImage) -> bool:
    part = dict(image.entities).get('part', 'mag')
    return part == 'mag' and (image.suffix == 'UNIT1' or image.suffix not in suffixes.MAGNITUDES)


def _order(image: HeadImage) -> tuple[Any, ...]:
    """Return the sort key that puts the image that shows the head best first.

    That is the second inversion, and the first echo.
    """
    entities = dict(image.entities)
    return entities.get('inv', '2') != '2', entities.get('echo', '').zfill(4), image.relative_path


def _name(image: HeadImage) -> str:
    return image.relative_path.rpartition('/')[2]
