# SPDX-License-Identifier: Apache-2.0
"""Test whether defacing of perturbed head images succeeds or reports its failure.

Run: python benchmarks/robustness.py [image ...] [--dataset D] [--phantoms N] [--templates T]

Each image is perturbed (`perturbations`) and defaced by ours and by `niimath -deface`. The true
face of a tool is our mask under the true transform, without the voxels that the tool keeps in the
unperturbed image. The brain is the true brain. For phantoms the ground truth is known exactly. For
real heads it is our registration of the unperturbed image and, if the dataset has no brain mask,
the atlas's brain eroded by 2 mm.

A failure is silent when much of the face is left or brain is lost, while the tool reports success:
ours by the verdict pass (on alignment and mask; the subsequent attack is not run), niimath by the
return code 0.
"""

import argparse
import json
import sys
import tempfile
import zlib
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

import defacers
import numpy as np
import perturbations
from nibabel.affines import apply_affine

from facebids.core import foreground, grids, images
from facebids.core.alignment import registration
from facebids.core.atlas import generic_atlas
from facebids.core.defacing import masks
from facebids.core.phantoms import phantom
from facebids.errors import ImageError

OURS, PEER = 'ours', 'niimath -deface'
FACE_LEFT, BRAIN_LOST = 0.07, 0.001  # shares above which defacing has failed
FACE_ML = 3.0  # below this volume in the field of view, the share of the face is not computed
ERODED_MM = 2.0
MIRROR = np.diag([-1.0, 1, 1, 1])
STATUSES = ('pass', 'review', 'fail')
NONE = '-'


@dataclass(frozen=True)
class Subject:
    """Image to be perturbed, with its ground truth.

    Parameters
    ----------
    name : str
    volume : images.Volume
    truth : ndarray, shape (4, 4)
        Atlas RAS mm to RAS mm of the image.
    brain : ndarray of bool, shape (X, Y, Z)
    faces : dict of ndarray of bool, shape (X, Y, Z)
        By tool: face voxels that it removes from the unperturbed image.
    has_neck : bool
    """

    name: str
    volume: images.Volume
    truth: np.ndarray
    brain: np.ndarray
    faces: dict
    has_neck: bool


def make_phantom(number, options, peer):
    """Simulate the scan of a phantom."""
    rng = np.random.default_rng([options.seed, number])
    person = phantom.draw_person(rng)
    head = phantom.build_person(person, options.resolution)
    pose = phantom.draw_pose(rng, person)
    scan = phantom.scan(head, pose, options.suffix, rng, options.resolution)
    volume = images.Volume(scan.data.astype(np.float32), scan.affine)
    brain = grids.carry_over(head.brain, head, scan.data.shape, scan.affine, scan.transform) < 0
    name = f'phantom {number + 1}'
    return _subject(name, volume, scan.transform, brain, peer, has_neck=True)


def read_head(path, options, peer):
    """Read a real head and use its registration as ground truth.

    Raises
    ------
    ImageError
        If the image cannot be used, or its registration failed.
    """
    found = defacers.find(path, options.suffix, options.seed)
    if defacers.judge(found, options.suffix)[0] == 'fail':
        raise ImageError(f'{path}: registration of the unperturbed image failed.')
    truth, volume = found.alignment.affine, found.volume
    brain = defacers.brain_mask(options.dataset, path) if options.dataset else None
    if brain is None:
        atlas = generic_atlas(masks.RESOLUTION)
        grid = (atlas, volume.data.shape, volume.affine, truth)
        brain = grids.carry_over(atlas.brain, *grid) < -ERODED_MM
    return _subject(path.name.split('.')[0], volume, truth, brain, peer, has_neck=False)


def _subject(name, volume, truth, brain, peer, *, has_neck):
    head = foreground.head_mask(volume.data, volume.zooms)
    mask = masks.face_mask(generic_atlas(masks.RESOLUTION), volume, truth, head).mask
    faces = {OURS: mask & head}
    if peer:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / 'image.nii.gz'
            perturbations.write(
                perturbations.Perturbed(volume.data, volume.affine, np.eye(4)), path
            )
            taken, status = run_peer(peer, path)
        if status == 0:
            faces[PEER] = taken & mask & head  # it removes more than the face
    return Subject(name, volume, truth, brain, faces, has_neck)


def run_peer(peer, path):
    """Return the voxels (bool) that the peer removes, None without output, and its status."""
    out_path = path.with_name('peer.nii.gz')
    status, _ = peer.run(path, None, out_path)
    if status != 0:
        return None, status
    before, after = (np.asarray(images.read_volume(p).data) for p in (path, out_path))
    return defacers.removed(before, after), status


def run_ours(path, suffix, seed, truth):
    """Return the mask of ours, None on error; verdict; reasons; and error of the affine (mm)."""
    try:
        found = defacers.find(path, suffix, seed)
    except ImageError as error:
        return None, 'fail', [type(error).__name__], None
    status, reasons = defacers.judge(found, suffix)
    return found.face.mask, status, reasons, displacement(found.alignment.affine, truth)


def displacement(affine, truth):
    """Return the mean distance (mm) between the atlas's brain under two transforms.

    The atlas is symmetric, so for a mirrored head left and right are exchanged.
    """
    atlas = generic_atlas(registration.RESOLUTION)
    points = grids.grid_points(atlas, atlas.brain < 0)[::7]
    if np.linalg.det(truth[:3, :3]) < 0:
        truth = truth @ MIRROR
    return float(np.linalg.norm(apply_affine(affine - truth, points), axis=1).mean())


def measure(subject, perturbed, tool, taken):
    """Return the share of face left, and share and number of lost brain voxels.

    A share is None if the image shows no face or no brain.
    """
    face, brain = (
        perturbations.carry(labels, subject.volume.affine, perturbed)
        for labels in (subject.faces[tool], subject.brain)
    )
    voxel_ml = abs(np.linalg.det(perturbed.affine[:3, :3])) / 1000
    enough = face.sum() * voxel_ml > FACE_ML
    lost = int((brain & taken).sum())
    return {
        'face_left': float((face & ~taken).sum() / face.sum()) if enough else None,
        'brain_lost': lost / int(brain.sum()) if brain.any() else None,
        'brain_voxels_lost': lost,
    }


def perturb_all(task, options, peer):
    """Return one row for each case and tool of an image."""
    make, what = task
    try:
        subject = make(what, options, peer)
    except ImageError as error:
        print(f'Skipped: {error}', file=sys.stderr)
        return []
    rows = []
    for case in options.cases:
        if case == 'shoulders' and not subject.has_neck:
            continue
        rng = np.random.default_rng([options.seed, zlib.crc32(case.encode())])
        try:
            perturbed = perturbations.CASES[case](subject.volume.data, subject.volume.affine, rng)
        except ImageError as error:
            print(f'"{case}" is skipped for {subject.name}: {error}', file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / 'image.nii.gz'
            perturbations.write(perturbed, path)
            truth = perturbed.transform @ subject.truth
            taken, status, reasons, off = run_ours(path, options.suffix, options.seed, truth)
            outcome = {'status': status, 'reasons': reasons, 'displacement_mm': off}
            rows.append(_row(subject, case, OURS, perturbed, taken, outcome))
            if PEER in subject.faces:
                taken, status = run_peer(peer, path)
                outcome = {'status': 'pass' if status == 0 else 'fail', 'return_code': status}
                rows.append(_row(subject, case, PEER, perturbed, taken, outcome))
    return rows


def _row(subject, case, tool, perturbed, taken, outcome):
    row = {'image': subject.name, 'case': case, 'tool': tool} | outcome
    if taken is not None:
        row |= measure(subject, perturbed, tool, taken)
    failed = (row.get('face_left') or 0) > FACE_LEFT or (row.get('brain_lost') or 0) > BRAIN_LOST
    return row | {'failed': failed, 'silent': failed and row['status'] == 'pass'}


def show(rows, cases):
    """Return a table of the cases, and a summary line for each tool."""
    tools = [tool for tool in (OURS, PEER) if any(row['tool'] == tool for row in rows)]
    body = []
    for case in cases:
        line = [case]
        for tool in tools:
            some = [row for row in rows if (row['case'], row['tool']) == (case, tool)]
            line += _cells(some, ours=tool == OURS)
        body.append(line)
    header = ['case']
    for tool in tools:
        off = ['mm off'] if tool == OURS else []
        header += [f'{tool}: face left %', 'brain lost % (voxels)', *off, 'status', 'silent']
    lines = [defacers.table(header, body), '']
    for tool in tools:
        some = [row for row in rows if row['tool'] == tool]
        counts = Counter(row['status'] for row in some)
        lines.append(
            f'{tool}, of {len(some)}: '
            + ', '.join(f'{counts[status]} {status}' for status in STATUSES)
            + f'; {sum(row["silent"] for row in some)} silent failures.'
        )
    return '\n'.join(lines)


def _cells(rows, *, ours):
    if not rows:
        return [NONE] * (5 if ours else 4)
    lost = sum(row.get('brain_voxels_lost') or 0 for row in rows)
    off = [_spread(rows, 'displacement_mm', 1)] if ours else []
    counts = Counter(row['status'] for row in rows)
    status = ', '.join(f'{counts[s]} {s}' for s in STATUSES if counts[s])
    return [
        _spread(rows, 'face_left', 100),
        f'{_spread(rows, "brain_lost", 100, 2)} ({lost})',
        *off,
        status if len(rows) > 1 else rows[0]['status'],
        sum(row['silent'] for row in rows),
    ]


def _spread(rows, key, factor, digits=1):
    """Return the median, and the maximum if there are several images."""
    values = [factor * row[key] for row in rows if row.get(key) is not None]
    if not values:
        return NONE
    if len(values) == 1:
        return f'{values[0]:.{digits}f}'
    return f'{np.median(values):.{digits}f}, at most {max(values):.{digits}f}'


def parse(arguments=None):
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('images', nargs='*', type=Path)
    parser.add_argument('--dataset', type=Path, help='BIDS dataset with further images')
    parser.add_argument('--participants', nargs='+', default=(), help='labels of the dataset')
    parser.add_argument('--limit', type=int, help='maximum number of images of the dataset')
    parser.add_argument('--phantoms', type=int, default=0, metavar='N')
    parser.add_argument('--resolution', type=float, default=2.0, help='of the phantoms (mm)')
    parser.add_argument('--suffix', choices=defacers.SUFFIXES, default='T1w')
    parser.add_argument('--cases', nargs='+', default=['*'], metavar='PATTERN')
    parser.add_argument('--templates', type=Path, help="folder with niimath's template files")
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--jobs', type=int, default=1, help='images to process in parallel')
    parser.add_argument('--json', type=Path, help='write every row to this file')
    options = parser.parse_args(arguments)
    patterns = options.cases
    options.cases = [c for c in perturbations.CASES if any(fnmatch(c, p) for p in patterns)]
    if not options.cases:
        parser.error(f'no case matches. Available: {", ".join(perturbations.CASES)}')
    return options


def main(arguments=None):
    """Run the benchmark and print the table."""
    options = parse(arguments)
    found, missing = defacers.peers(options.templates)
    peer = next((item for item in found if item.name == PEER), None)
    paths = list(options.images)
    if options.dataset:
        paths += defacers.list_images(
            options.dataset, options.suffix, options.participants, options.limit
        )
    tasks = [(make_phantom, number) for number in range(options.phantoms)]
    tasks += [(read_head, path) for path in paths]
    rows = []
    for some in defacers.each(
        partial(perturb_all, options=options, peer=peer), tasks, options.jobs
    ):
        rows += some
        if options.json:
            defacers.write_whole(options.json, json.dumps(rows, indent=1))
    print(show(rows, options.cases))
    for note in missing:
        if 'niimath' in note:
            print(note)
    if peer:
        print(f'{PEER}: niimath {peer.version}.')


if __name__ == '__main__':
    main()
