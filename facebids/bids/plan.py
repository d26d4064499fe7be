# SPDX-License-Identifier: Apache-2.0
"""Decide what happens to each image, and why, before anything runs.

Pure: it knows the names of images and no file.

An image gets the way from the head atlas to itself in one of three ways. Contrasts that the atlas
has are registered to it by themselves (*own*). Others are co-registered to another image of the
participant and borrow its registration (*borrowed*). What was acquired at once has one
registration: echoes, inversions, and the parts of complex images (*shared*).
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import groupby

from facebids.bids import suffixes
from facebids.bids.names import HeadImage

AT_ONCE = ('echo', 'inv', 'part')  # entities of what was acquired at once
NO_MAGNITUDE = 'its magnitude image is missing, without which no face can be looked for'


@dataclass(frozen=True)
class ImagePlan:
    """What is done to one image.

    Attributes
    ----------
    action
        ``'deface'``: take the face out, unless the image arrives without, and attack the result;
        ``'register'``: nothing but its
        registration is needed, for another image.
    registration
        ``'own'``: the image itself is registered to the head atlas; ``'borrowed'``: it is
        co-registered to `source`, whose registration it borrows, or registered by itself where
        that fails; ``'shared'``: it has the registration of `source`.
    contrast
        Contrast of the atlas that is its own or the most like it.
    source
        The image whose registration it borrows or shares.
    magnitude
        The image to look at in its place, for parts that have no intensities of their own.
    reason
        Why, in words.
    """

    image: HeadImage
    reason: str
    action: str = 'deface'
    registration: str = 'own'
    contrast: str = 'T1w'
    source: HeadImage | None = None
    magnitude: HeadImage | None = None

    @property
    def source_contrast(self) -> str | None:
        """Contrast of the atlas that is the source's own or the most like it."""
        return suffixes.atlas_contrast(self.source.suffix) if self.source else None


@dataclass(frozen=True)
class ParticipantPlan:
    """The images of one participant (label without ``sub-``).

    Attributes
    ----------
    images
        Images to deface.
    registered
        Further images, of which the registration alone is needed.
    left_alone
        Path and reason of files that may show a face and stay as they are.
    """

    participant: str
    images: tuple[ImagePlan, ...]
    registered: tuple[ImagePlan, ...] = ()
    left_alone: tuple[tuple[str, str], ...] = ()


def make_plan(
    images: Iterable[HeadImage],
    others: Iterable[HeadImage] = (),
    left_alone: Iterable[tuple[str, str]] = (),
    template: str | None = None,
    *,
    force: bool = False,
) -> tuple[ParticipantPlan, ...]:
    """Return one plan per participant, both in the order of their names.

    Parameters
    ----------
    images
        Images to deface.
    others
        Images that are not defaced and may be registered to help those that are.
    left_alone
        Path and reason of every file that is left alone.
    template
        The template by way of which images are registered, if one was asked for.
    force
        Whether images that arrive defaced are defaced, too.
    """
    target = f'template {template}' if template else 'head atlas'
    ordered = sorted(images, key=lambda image: (image.participant, image.relative_path))
    others = list(others)
    left_alone = list(left_alone)
    plans = []
    for participant, group in groupby(ordered, key=lambda image: image.participant):
        mine = list(group)
        helpers = [image for image in others if image.participant == participant]
        start = f'sub-{participant}/'
        alone = [item for item in left_alone if item[0].startswith(start)]
        plan = _plan_participant(participant, mine, helpers, alone, target)
        plans.append(plan if force else _screened(plan))
    return tuple(plans)


def _screened(plan: ParticipantPlan) -> ParticipantPlan:
    """Say of each image what happens if it arrives defaced."""
    note = '; if it turns out to arrive defaced, it is passed on as it is'
    images = tuple(replace(item, reason=item.reason + note) for item in plan.images)
    return replace(plan, images=images)


def describe(plans: Iterable[ParticipantPlan]) -> str:
    """Return the plans as text: what is done to each image, and what is left alone and why."""
    lines = []
    for plan in plans:
        lines.append(f'sub-{plan.participant}')
        lines += [
            f'  {item.image.relative_path}\n    {item.action}: {item.reason}'
            for item in (*plan.images, *plan.registered)
        ]
        by_reason = defaultdict(list)
        for path, reason in plan.left_alone:
            by_reason[reason].append(path)
        for reason, paths in by_reason.items():
            lines += [f'  left alone: {reason}', *(f'    {path}' for path in paths)]
    return '\n'.join(lines)


def count_left_alone(plans: Iterable[ParticipantPlan]) -> str:
    """Return a sentence on what is left alone, or nothing."""
    counts: dict[str, int] = defaultdict(int)
    for plan in plans:
        for _, reason in plan.left_alone:
            counts[reason] += 1
    return '; '.join(f'{count} ({reason})' for reason, count in counts.items())


def _plan_participant(
    participant: str,
    images: list[HeadImage],
    others: list[HeadImage],
    left_alone: list[tuple[str, str]],
    target: str,
) -> ParticipantPlan:
    known = _Acquisitions([*images, *others], target)
    planned = {image: known.plan(image) for image in images}
    alone = [(image.relative_path, NO_MAGNITUDE) for image in images if not planned[image]]
    items = [item for item in planned.values() if item]
    registered: dict[HeadImage, ImagePlan] = {}
    waiting = list(items)
    while waiting:
        source = waiting.pop().source
        if source and source not in planned and source not in registered:
            registered[source] = known.plan(source, action='register')
            waiting.append(registered[source])
    return ParticipantPlan(
        participant, tuple(items), tuple(registered.values()), (*left_alone, *alone)
    )


class _Acquisitions:
    """What was acquired of a participant, and who helps whom."""

    def __init__(self, images: list[HeadImage], target: str) -> None:
        self.target = target
        self.at_once: dict[tuple, list[HeadImage]] = defaultdict(list)
        for image in sorted(images, key=lambda image: image.relative_path):
            self.at_once[_acquisition(image, image.suffix)].append(image)
        leaders = (self._leader(key) for key in self.at_once)
        self.references = [
            image
            for image in leaders
            if image and image.suffix in suffixes.REFERENCES and image.datatype in suffixes.ALWAYS
        ]

    def plan(self, image: HeadImage, action: str = 'deface') -> ImagePlan | None:
        """Return what happens to an image; None where nothing can, without its magnitude."""
        contrast = suffixes.atlas_contrast(image.suffix)
        # the air of a UNIT1 is noise as strong as tissue: better to look at what it is made of
        if image.suffix == 'UNIT1' or not _is_magnitude(image):
            if magnitude := self._magnitude(image):
                reason = (
                    f'acquired together with {_name(magnitude)}: it shares its registration and '
                    'its mask, and the face is looked for there'
                )
                return ImagePlan(image, reason, action, 'shared', contrast, magnitude, magnitude)
            if not _is_magnitude(image):
                return None
        if image.suffix in suffixes.IN_ATLAS:
            reason = (
                f'a {image.suffix} shows the face; it is registered to the {self.target} by '
                'itself, so it depends on no other image'
            )
            return ImagePlan(image, reason, action, 'own', contrast)
        leader = self._leader(_acquisition(image, image.suffix))
        if leader and leader != image:
            reason = f'acquired together with {_name(leader)}, whose registration it shares'
            return ImagePlan(image, reason, action, 'shared', contrast, leader)
        if reference := self._reference(image):
            reason = (
                f'the atlas has no {image.suffix}: it is co-registered to {_name(reference)}, '
                'whose registration it borrows; where that fails, it is registered to the '
                f'{contrast} of the atlas'
            )
            return ImagePlan(image, reason, action, 'borrowed', contrast, reference)
        reason = (
            'there is no better image of this participant to borrow from: it is registered to '
            f'the {contrast} of the atlas, which is the most like it'
        )
        return ImagePlan(image, reason, action, 'own', contrast)

    def _leader(self, key: tuple) -> HeadImage | None:
        """Return the magnitude image that stands for all that was acquired with it."""
        magnitudes = [image for image in self.at_once.get(key, ()) if _is_magnitude(image)]
        return min(magnitudes, key=_order, default=None)

    def _magnitude(self, image: HeadImage) -> HeadImage | None:
        """Return the magnitude image of a part, of the same echo and inversion if there is one."""
        own = suffixes.MAGNITUDES.get(image.suffix, (image.suffix,))
        candidates = [
            other
            for suffix in own
            for other in self.at_once.get(_acquisition(image, suffix), ())
            if _is_magnitude(other)
        ]
        wanted = dict(image.entities)

        def distance(other: HeadImage) -> tuple:
            has = dict(other.entities)
            differs = sum(has.get(key) != wanted.get(key) for key in ('echo', 'inv'))
            return own.index(other.suffix), differs, _order(other)

        return min(candidates, key=distance, default=None)

    def _reference(self, image: HeadImage) -> HeadImage | None:
        """Return the image to borrow from: of the same session, then of the best contrast."""

        def distance(other: HeadImage) -> tuple:
            place = suffixes.REFERENCES.index(other.suffix)
            extra = len(other.entities)  # plain names first: no contrast agent, no variant
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


def _acquisition(image: HeadImage, suffix: str) -> tuple:
    """Return what all images acquired at once have in common, as if of another suffix."""
    entities = tuple(pair for pair in image.entities if pair[0] not in AT_ONCE)
    return image.relative_path.rpartition('/')[0], entities, suffix


def _is_magnitude(image: HeadImage) -> bool:
    part = dict(image.entities).get('part', 'mag')
    return part == 'mag' and (image.suffix == 'UNIT1' or image.suffix not in suffixes.MAGNITUDES)


def _order(image: HeadImage) -> tuple:
    """Sort the second inversion and the first echo first: they show the head best."""
    entities = dict(image.entities)
    return entities.get('inv', '2') != '2', entities.get('echo', '').zfill(4), image.relative_path


def _name(image: HeadImage) -> str:
    return image.relative_path.rpartition('/')[2]
