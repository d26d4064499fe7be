# SPDX-License-Identifier: Apache-2.0
"""All comparisons of a dataset, one after the other."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from facebids.bids.acquisitions import Acquisition
from facebids.bids.names import HeadImage
from facebids.studies import against_photographs, brain_linkage, enrolment, render_pairs, scans
from facebids.studies.enrolment import Photographs
from facebids.studies.results import Results


def attack(
    private_dir: Path,
    images: Iterable[HeadImage],
    faces: Photographs | None,
    seed: int,
    notes: Iterable[str] = (),
    acquisitions: Mapping[str, Acquisition] | None = None,
) -> Results:
    """Make every comparison that the data allow.

    Parameters
    ----------
    private_dir
        Private folder of the participant level, with the templates.
    images
        The images of the dataset.
    faces
        Templates of the participants' photographs; None without a folder of photographs.
    seed
        Random seed of the statistics.
    notes
        Sentences on the photographs that were left out.
    acquisitions
        Site, scanner and voxel size of each image, by relative path.
    """
    enrolled = enrolment.read(private_dir, images, acquisitions)
    found = [
        scans.compare(enrolled, seed),
        against_photographs.compare(enrolled, faces, seed),
        render_pairs.compare(enrolled, seed),
    ]
    without = [_without(len(enrolled.without))] if enrolled.without else []
    return Results(
        outcomes=(
            *(item for outcomes, _ in found for item in outcomes),
            *brain_linkage.compare(enrolled, seed),
        ),
        not_possible=tuple(item for _, reasons in found for item in reasons),
        notes=(*without, *notes),
        people=enrolled.people,
    )


def _without(count: int) -> str:
    images = '1 image is' if count == 1 else f'{count} images are'
    return (
        f'{images} left out: the private folder has no template of it. Either an error stopped '
        'the image, or the private folder is not that of the participant level: pass the '
        '--work-dir or --private-dir of that run.'
    )
