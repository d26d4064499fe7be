# SPDX-License-Identifier: Apache-2.0
"""Fit the calibration of the strength of evidence, and test it on people left out.

Run: python benchmarks/calibrate.py [--phantoms 12] [--heads BIDS_FOLDER]

Every scan gets its panel of decoys. *Mates* are simulated rescans of the head, and the head with
only a part of its face removed. *Strangers* are other phantoms painted into the scan, the head
defaced by `remove` and by `reface`, and the scans of all other people. Heads come from a folder of
scans with faces, one participant each; scans of one person under two labels must not be in it.
The script prints the constants for `facebids/core/attack/strength.py`, the cost of the log
likelihood ratio of people left out, and how many mates and strangers reach each ratio.
"""

import argparse
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facebids.core import images
from facebids.core.alignment.align import align
from facebids.core.atlas import build_skin, draw_identity, generic_atlas
from facebids.core.attack import decoys, engines, recognition, strength, surface
from facebids.core.attack.head import view_head
from facebids.core.contrasts import BY_SUFFIX, HOUNSFIELD, contrast_of
from facebids.core.defacing.fill import fill
from facebids.core.grids import carry_over
from facebids.core.identifiability.calibration import cllr, fit
from facebids.core.phantoms import phantom

CONTRASTS = ('T1w', 'FLAIR', 'T2w', 'CT')
SPACINGS = (2.0, (1.0, 1.0, 4.0), 1.5)
PARTS = {  # what of the face is kept, by atlas x and z, mm
    'upper half': lambda x, z: z > -65,
    'lower half': lambda x, z: z < -65,
    'left half': lambda x, z: x < 0,
    'eyes': lambda x, z: (z > -65) & (z < -20),
}
SHELL_MM, SHALLOW_MM = (
    11.0,
    0.0,
)  # depth of the region that is removed, and of one that leaves skin


@dataclass(frozen=True)
class Case:
    """A scan, its panel, and what is compared with it."""

    person: str
    panel: decoys.Panel
    mates: dict[str, dict]
    strangers: dict[str, dict]


def phantom_scans(count):
    """Yield the person, volume and affine of scans of phantoms."""
    for number in range(count):
        rng = np.random.default_rng([7, number])
        person = phantom.draw_person(rng)
        contrast = CONTRASTS[number % len(CONTRASTS)]
        made = phantom.scan(
            phantom.build_person(person, 2.0), phantom.draw_pose(rng, person), contrast, rng,
            SPACINGS[number % len(SPACINGS)],
        )  # fmt: skip
        volume = images.Volume(
            made.data.astype(np.float32), made.affine, hounsfield=contrast in HOUNSFIELD
        )
        yield f'phantom {number}', volume, made.transform


def head_scans(folder):
    """Yield the person, volume and affine of the scans of a folder."""
    for path in sorted(Path(folder).glob('sub-*/**/*.nii*')):
        suffix = path.name.split('.')[0].split('_')[-1]
        if suffix not in BY_SUFFIX:
            continue
        contrast = contrast_of(suffix)
        volume = images.read_volume(path, hounsfield=contrast in HOUNSFIELD)
        yield path.name.split('_')[0], volume, align(volume, contrast, 0).affine


def case(person, volume, affine, seed=0):
    """Make the panel of a scan and everything that is compared with it alone."""
    head = view_head(volume, affine, seed)
    boxes = head.recognition.boxes
    panel = decoys.panel(volume, affine, seed, head.pose, boxes)
    sight = decoys.sight_of(volume, seed, head.pose, boxes)

    def enrolled(level):
        return engines.enrol(decoys.look(level, sight))

    def level_of(data):
        level = surface.head_level(data, volume.affine, hounsfield=volume.hounsfield)
        return decoys.face_of(level, affine)

    level = level_of(volume.data)
    skin = decoys.look(level, sight).mesh.vertices
    place = decoys.Place.of(level, affine, skin, np.linalg.inv(head.pose))
    mates = {'rescan': panel.rescan, 'rescan again': enrolled(decoys.rescan(level, seed + 1))}
    mates |= {name: enrolled(part) for name, part in partly_defaced(level, affine)}
    rng = np.random.default_rng([seed, 8])
    strangers = {
        f'phantom {i + 1}': enrolled(
            place.paint(level, build_skin(decoys.RESOLUTION, draw_identity(rng)), 0.3, rng)
        )
        for i in range(2)
    }
    for mode in ('remove', 'reface'):
        strangers[mode] = enrolled(level_of(defaced(volume, affine, mode)))
    return Case(person, panel, mates, strangers)


def partly_defaced(level, affine):
    """Yield the heads of which a part of the face is kept, by its name."""
    atlas = generic_atlas(decoys.RESOLUTION)
    x, _, z = np.meshgrid(*atlas.axes, indexing='ij')

    def carried(field):
        return carry_over(field, atlas, level.values.shape, level.affine, affine)

    def without(region):
        values = np.where(region, 0, level.values).astype(np.float32)
        return surface.Level(values, level.affine, level.thick)

    region, x, z = carried(atlas.face_region(SHELL_MM)) < 0, carried(x), carried(z)
    for name, kept in PARTS.items():
        yield name, without(region & ~kept(x, z))
    yield 'too shallow', without(carried(atlas.face_region(SHALLOW_MM)) < 0)


def defaced(volume, affine, mode):
    """Return the data of a volume defaced in a mode."""
    atlas, shape = generic_atlas(decoys.RESOLUTION), volume.data.shape
    mask = carry_over(atlas.face_region(SHELL_MM), atlas, shape, volume.affine, affine) < 0
    mask &= carry_over(atlas.brain_guard, atlas, shape, volume.affine, affine) >= 0
    data = volume.data.astype(np.float32)
    data[mask] = fill(volume, mask, atlas, affine, mode)
    return data


def trials(cases):
    """Return person, kind, whether it is a mate, and the fused score of every comparison."""
    rows = []
    for one in cases:
        compared = [(name, True, head) for name, head in one.mates.items()]
        compared += [(name, False, head) for name, head in one.strangers.items()]
        for other in cases:
            if other is not one:
                same = other.person == one.person
                compared.append(('other scan', same, other.panel.original))
        for name, same, head in compared:
            value = strength.fused_score(one.panel, head)
            if value is not None:
                rows.append((one.person, name, same, value))
    return rows


def fitted(rows):
    """Fit a calibration to trials, with a bootstrap over people."""
    mates, strangers = ([row for row in rows if row[2] == same] for same in (True, False))
    return fit(
        np.array([row[3] for row in mates]), np.array([row[3] for row in strangers]),
        ([row[0] for row in mates], [row[0] for row in strangers]),
    )  # fmt: skip


def report(rows):
    """Print the scores, the calibration, and how it holds on people left out."""
    kinds = defaultdict(list)
    for _, name, same, value in rows:
        kinds[same, name].append(value)
    for (same, name), values in sorted(kinds.items(), reverse=True):
        low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
        kind = 'mate' if same else 'stranger'
        print(f'{kind:9}{name:14}{len(values):5}{low:7.2f}{middle:7.2f}{high:7.2f}')
    print(fitted(rows))
    ratios = {True: [], False: []}
    for person in sorted({row[0] for row in rows}):
        found = fitted([row for row in rows if row[0] != person])
        for _, _, same, value in (row for row in rows if row[0] == person):
            ratios[same].append(float(found.log10_lr(np.array([[value]]))[0]))
    mates, strangers = (np.array(ratios[same]) for same in (True, False))
    print(f'people left out: Cllr {cllr(mates, strangers):.3f} bits')
    for limit in (0, 0.5, 1, 1.5):
        print(
            f'LR >= {10**limit:5.1f}: {(mates >= limit).sum()} of {len(mates)} mates, '
            f'{(strangers >= limit).sum()} of {len(strangers)} strangers'
        )


def main():
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--phantoms', type=int, default=12)
    parser.add_argument('--heads', type=Path)
    options = parser.parse_args()
    recognition.models()
    scans = [phantom_scans(options.phantoms)]
    if options.heads:
        scans.append(head_scans(options.heads))
    report(trials([case(*scan) for each in scans for scan in each]))


if __name__ == '__main__':
    main()
