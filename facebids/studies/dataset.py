# SPDX-License-Identifier: Apache-2.0
"""All attacks on a dataset, one after the other."""

from collections.abc import Iterable
from pathlib import Path

from facebids.bids.names import HeadImage
from facebids.studies import enrolment, photographs, renders, scans
from facebids.studies.photographs import Photographs
from facebids.studies.results import Results


def attack(
    private_dir: Path,
    images: Iterable[HeadImage],
    faces: Photographs | None,
    seed: int,
    notes: Iterable[str] = (),
) -> Results:
    """Make every comparison that the data allow.

    Parameters
    ----------
    private_dir
        Where the participant level left the templates.
    images
        The images of the dataset.
    faces
        Templates of the participants' photographs; None: there is no folder of them.
    seed
        Start of all random numbers.
    notes
        What everybody should read about the photographs.
    """
    enrolled = enrolment.read(private_dir, images)
    found = [
        scans.compare(enrolled, seed),
        photographs.compare(enrolled, faces, seed),
        renders.compare(enrolled, seed),
    ]
    without = [_without(len(enrolled.without))] if enrolled.without else []
    return Results(
        outcomes=tuple(item for outcomes, _ in found for item in outcomes),
        not_possible=tuple(item for _, reasons in found for item in reasons),
        notes=(*without, *notes),
        people=enrolled.people,
    )


def _without(count: int) -> str:
    images = '1 image is' if count == 1 else f'{count} images are'
    return (
        f'{images} left out: there is no template in the private folder. Either an error stopped '
        'the image, or the folder is another one or was deleted since the participant level ran: '
        'name the --work-dir or --private-dir of that run.'
    )
