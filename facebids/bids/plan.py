# SPDX-License-Identifier: Apache-2.0
"""Decide what happens to each image, and why, before anything runs.

Pure: it knows the names of images and no file.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from facebids.bids.names import HeadImage


@dataclass(frozen=True)
class ImagePlan:
    """What is done to one image.

    Attributes
    ----------
    action
        ``'deface'``: take the face out, unless the image arrives without, and attack the result.
    registration
        ``'own'``: the image itself is registered to the head atlas; ``'template'``: to the
        template that was asked for, and so to the atlas.
    reason
        Why, in words.
    """

    image: HeadImage
    reason: str
    action: str = 'deface'
    registration: str = 'own'


@dataclass(frozen=True)
class ParticipantPlan:
    """The images of one participant (label without ``sub-``)."""

    participant: str
    images: tuple[ImagePlan, ...]


def make_plan(
    images: Iterable[HeadImage], template: str | None = None, *, force: bool = False
) -> tuple[ParticipantPlan, ...]:
    """Return one plan per participant, both in the order of their names.

    Parameters
    ----------
    images
        The images, in any order.
    template
        The template to register to, if one was asked for.
    force
        Whether images that arrive defaced are defaced, too.
    """
    ordered = sorted(images, key=lambda image: (image.participant, image.relative_path))
    return tuple(
        ParticipantPlan(participant, tuple(_plan_image(image, template, force) for image in group))
        for participant, group in groupby(ordered, key=lambda image: image.participant)
    )


def describe(plans: Iterable[ParticipantPlan]) -> str:
    """Return the plans as text, a line an image."""
    lines = []
    for plan in plans:
        lines.append(f'sub-{plan.participant}')
        lines += [
            f'  {item.image.relative_path}\n    {item.action}: {item.reason}'
            for item in plan.images
        ]
    return '\n'.join(lines)


def _plan_image(image: HeadImage, template: str | None, force: bool) -> ImagePlan:
    target = f'template {template}' if template else 'head atlas'
    return ImagePlan(
        image,
        f'a {image.suffix} shows the face; it is registered to the {target} by itself, '
        'so it depends on no other image'
        + ('' if force else '; if it turns out to arrive defaced, it is passed on as it is'),
        registration='template' if template else 'own',
    )
