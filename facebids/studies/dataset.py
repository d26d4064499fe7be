# SPDX-License-Identifier: Apache-2.0
"""All comparisons of a dataset, one after the other."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from facebids.bids.acquisitions import Acquisition
from facebids.bids.names import HeadImage
from facebids.studies import against_photographs, brain_linkage, enrolment, render_pairs, scans
from facebids.studies.enrolment import Enrolment, Photographs
from facebids.studies.results import Results
from facebids.words import counted


def attack(
    private_dir: Path,
    images: Iterable[HeadImage],
    faces: Photographs | None,
    seed: int,
    notes: Iterable[str] = (),
    acquisitions: Mapping[str, Acquisition] | None = None,
    nprocs: int = 1,
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
    nprocs
        Number of processes that read templates, and of threads that compare them.
    """
    enrolled = enrolment.read(private_dir, images, acquisitions, seed, nprocs)
    return compare(enrolled, faces, seed, notes, nprocs)


def compare(
    enrolled: Enrolment,
    faces: Photographs | None,
    seed: int,
    notes: Iterable[str] = (),
    nprocs: int = 1,
) -> Results:
    """Make every comparison that templates allow.

    Parameters
    ----------
    enrolled
        The templates of the scans.
    faces, seed, notes, nprocs
        As of `attack`.
    """
    sample = enrolled.sampled
    if faces is not None and enrolled.sample is not None:
        faces = {label: item for label, item in faces.items() if label in enrolled.sample}
    found = [
        scans.compare(enrolled, seed, nprocs),
        against_photographs.compare(sample, faces, seed),
        render_pairs.compare(sample, seed),
    ]
    without = [_without(len(enrolled.without))] if enrolled.without else []
    drawn = [_drawn(sample.people, enrolled.people)] if enrolled.sample is not None else []
    return Results(
        outcomes=(
            *(item for outcomes, _ in found for item in outcomes),
            *brain_linkage.compare(sample, seed),
        ),
        not_possible=tuple(item for _, reasons in found for item in reasons),
        notes=(*without, *drawn, *notes),
        people=enrolled.people,
    )


def _drawn(drawn: int, people: int) -> str:
    return (
        f'{drawn:,} of {people:,} participants, drawn at random with --random-seed, are compared '
        'by shape, by the fused scores, with photographs, in pairs of renders and by the brain; '
        'all are compared by pictures.'
    )


def _without(count: int) -> str:
    images = counted(count, 'image is', 'images are')
    return (
        f'{images} left out: the private folder has no template of it. Either an error stopped '
        'the image, or the private folder is not that of the participant level: pass the '
        '--work-dir or --private-dir of that run.'
    )
