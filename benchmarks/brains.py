# SPDX-License-Identifier: Apache-2.0
"""Measure how near face masks come to labelled brains, in perturbed images.

Run: python benchmarks/brains.py DATASET [--suffix S ...] [--cases C ...] [--jobs N] [--json FILE]

Images count if `DATASET/derivatives/brain` has a mask on their grid. Each is perturbed
(`perturbations`), registered and masked as by the participant level. The distance to the brain is
that between the centres of the nearest voxels of face mask and labels. That of the boundary is
the distance of the fluid around the brain, as it was found, to the hull of the labels above the
base of the brain.
"""

import argparse
import json
import zlib
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path

import defacers
import numpy as np
import perturbations
from scipy import ndimage

from facebids.core import images
from facebids.core.alignment.align import align
from facebids.core.atlas import generic_atlas
from facebids.core.brain import boundary
from facebids.core.contrasts import contrast_of
from facebids.core.defacing import masks
from facebids.errors import ImageError

CASES = ('as is', 'pitch 20', 'yaw 35', 'strong bias', '5 mm slices')
NEAR_MM = 2.0
HULL_MM = 6.0  # gaps between gyri that the hull of the labels closes
BASE_MM = -50.0  # atlas z below which fluid and openings of the skull bound the brain


@dataclass(frozen=True)
class Row:
    """Result for a perturbed image.

    Parameters
    ----------
    image, case : str
    changed : int or None
        Voxels of the brain in the face mask; None if no head was found.
    nearest_mm : float or None
        Least distance of the mask to the brain.
    boundary_mm : float or None
        95th percentile of the distance of the boundary to the hull of the labels.
    skin : float or None
        Share of the face's skin that is removed.
    """

    image: str
    case: str
    changed: int | None = None
    nearest_mm: float | None = None
    boundary_mm: float | None = None
    skin: float | None = None


def measure(task):
    """Return the row of an image and a case."""
    path, brain, case = task
    name = path.name.split('.')[0]
    volume = images.read_volume(path)
    rng = np.random.default_rng(zlib.crc32(f'{name} {case}'.encode()))
    data = reoriented(volume, brain)
    perturbed = perturbations.CASES[case](*data[:2], rng)
    labels = perturbations.carry(data[2], data[1], perturbed)
    moved = images.Volume(perturbed.data.astype(np.float32), perturbed.affine)
    atlas = generic_atlas(masks.RESOLUTION)
    try:
        affine = align(moved, contrast_of(name.rpartition('_')[2])).affine
        head = masks.find_head(moved, atlas, affine, relied_on=False)
    except ImageError:
        return Row(name, case)
    found = masks.face_mask(atlas, moved, affine, head)
    changed, nearest = defacers.distance_to_brain(found.mask, labels, moved.zooms)
    skin = found.coverage.skin_removed_share
    return Row(name, case, changed, nearest, boundary_distance(moved, affine, labels), skin)


def reoriented(volume, brain):
    """Return voxels, affine and labels of an image in the closest canonical orientation."""
    data, affine = perturbations.canonical(volume.data, volume.affine)
    labels, _ = perturbations.canonical(brain, volume.affine)
    return data, affine, labels > 0


def boundary_distance(volume, affine, labels):
    """Return the 95th percentile of the distance (mm) of the boundary to the hull of labels."""
    zooms = volume.zooms
    near = ndimage.distance_transform_edt(~labels, sampling=zooms) < HULL_MM
    hull = ndimage.distance_transform_edt(near, sampling=zooms) > HULL_MM
    edge = hull & ~ndimage.binary_erosion(hull)
    height = (np.linalg.inv(affine) @ volume.affine)[2]
    index = np.argwhere(edge)
    above = index @ height[:3] + height[3] > BASE_MM
    cavity = boundary.find(volume, affine).cavity
    found = boundary.on_grid(cavity, volume.data.shape, volume.affine, affine)
    # The surface lies half a voxel beyond the centres of the outermost voxels.
    return float(np.percentile(np.abs(found[edge][above] + zooms.mean() / 2), 95))


def show(rows):
    """Return the rows as a Markdown table of cases, and a list of what came too near."""
    body = []
    for case in dict.fromkeys(row.case for row in rows):
        some = [row for row in rows if row.case == case and row.changed is not None]
        lost = sum(row.changed > 0 for row in some)
        near = [row.nearest_mm for row in some if row.nearest_mm is not None]
        edge = [row.boundary_mm for row in some]
        skin = [row.skin for row in some if row.skin is not None]
        if some:
            body.append([
                case, len(some), lost, sum(mm < NEAR_MM for mm in near),
                f'{np.median(near):.1f}; {min(near):.1f}',
                f'{np.median(edge):.1f} ({min(edge):.1f} to {max(edge):.1f})',
                f'{np.median(skin):.3f}; {min(skin):.3f}',
            ])  # fmt: skip
    header = ['case', 'images', 'brain changed', f'nearer than {NEAR_MM:g} mm',
              'nearest (mm), median; smallest', 'boundary, 95th percentile (mm)',
              'skin removed, median; smallest']  # fmt: skip
    close = [
        f'{row.image}, {row.case}: '
        + ('no head found' if row.changed is None else f'{row.changed} voxels changed')
        for row in rows
        if row.changed is None or row.changed
    ]
    return '\n'.join([defacers.table(header, body), *([''] if close else []), *close])


def parse(arguments=None):
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('dataset', type=Path, metavar='DATASET')
    parser.add_argument('--suffix', nargs='+', default=['T1w', 'FLAIR'], metavar='S')
    parser.add_argument('--cases', nargs='+', default=CASES, metavar='C', help='patterns')
    parser.add_argument('--jobs', type=int, default=1, metavar='N')
    parser.add_argument('--json', type=Path, metavar='FILE')
    return parser.parse_args(arguments)


def main(arguments=None):
    """Run the benchmark."""
    options = parse(arguments)
    cases = [
        case
        for case in perturbations.CASES
        if any(fnmatch(case, pattern) for pattern in options.cases)
    ]
    tasks = []
    for suffix in options.suffix:
        for path in defacers.list_images(options.dataset, suffix):
            brain = defacers.brain_mask(options.dataset, path)
            if brain is not None:
                tasks += [(path, brain, case) for case in cases]
    rows = []
    for row in defacers.each(measure, tasks, options.jobs):
        rows.append(row)
        print(row, flush=True)
    print(show(rows))
    if options.json:
        defacers.write_whole(options.json, json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == '__main__':
    main()
