# SPDX-License-Identifier: Apache-2.0
"""Draw ``attack.png``, ``evidence.png`` and ``cut.png`` from a phantom: nobody's head.

Run it again when the attack, the evidence or the face mask changes: a few minutes.
"""

from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
from scipy import ndimage

import facebids
from facebids.api import DefacedImage
from facebids.core.alignment.align import align
from facebids.core.atlas import generic_atlas
from facebids.core.attack import decoys, depth, engines, strength
from facebids.core.attack.head import Head, KnownFace, view_head
from facebids.core.defacing.cut import NASION
from facebids.core.images import Volume

SEED, SPACING = 1, 1.5
BEFORE, AFTER, MASK, BRAIN, GREY = '#c2410c', '#0f766e', '#e02424', '#f0b429', '#8a8f98'
POINT = '#38bdf8'  # stands out from skin and air
SHOWN = 3  # random views
EXTENT_MM = ((-100, 100), (-125, 145), (-168, 108))  # of the slices, atlas mm
PLANES = ((0, 2.0, 'midplane'), (0, 60.0, 'through an ear'), (2, -52.0, 'through the eyes'))


@dataclass(frozen=True)
class Example:
    """A phantom before and after defacing, and its alignment with the atlas."""

    volume: Volume
    affine: np.ndarray
    result: DefacedImage
    before: Head
    after: Head
    panel: decoys.Panel


def main():
    """Write the pictures beside this file."""
    example = _example()
    for name, draw in {'attack': _attack, 'evidence': _evidence, 'cut': _cut}.items():
        figure = draw(example)
        figure.savefig(Path(__file__).with_name(f'{name}.png'), dpi=110)
        plt.close(figure)


def _example():
    scan = facebids.phantom(SEED, spacing=SPACING)
    volume = _volume(scan)
    affine = align(volume, 'T1w').affine
    before = view_head(volume, affine, SEED)
    result = facebids.deface(scan, seed=SEED)
    known = KnownFace(before.pose, before.recognition.boxes)
    after = view_head(_volume(result.image), affine, SEED, known)
    panel = decoys.panel(volume, affine, SEED, before.pose, before.recognition.boxes)
    return Example(volume, affine, result, before, after, panel)


def _volume(image: nib.Nifti1Image):
    return Volume(image.get_fdata(dtype=np.float32), image.affine)


def _attack(example):
    """Draw what the attack sees: a slice, the head from the front and in random views, its map."""
    figure, axes = plt.subplots(2, SHOWN + 3, figsize=(12.5, 4.6), layout='constrained')
    images = example.volume, _volume(example.result.image)
    rows = zip(axes, ('before', 'after'), images, (example.before, example.after), strict=True)
    generic, _ = depth.generic_face()
    for row, label, volume, head in rows:
        _show_slice(row[0], volume, example.affine, *PLANES[0][:2])
        row[0].set_ylabel(label, fontsize=12)
        names = head.recognition.names.tolist()
        views = [names.index('frontal'), *range(SHOWN)]
        for place, number in zip(row[1:-1], views, strict=True):
            _show_view(place, head, number)
        row[-1].imshow(head.depth - generic, cmap='RdBu_r', vmin=-15, vmax=15, origin='lower')
        row[-1].set_facecolor('#dddddd')
    random = [f'random view {number}' for number in range(1, SHOWN + 1)]
    titles = 'the scan', 'its skin, turned to the front', *random, 'depth map'
    for place, title in zip(axes[0], titles, strict=True):
        place.set_title(title, fontsize=10)
    for place in axes.flat:
        place.set(xticks=[], yticks=[], anchor='N')
    bar = figure.colorbar(
        axes[0, -1].images[0], ax=axes[:, -1], shrink=0.6, panchor=False, ticks=(-15, 0, 15)
    )
    bar.set_label('mm from the generic face', fontsize=8)
    bar.ax.tick_params(labelsize=8)
    return figure


def _show_view(axes, head, number):
    axes.imshow(head.pictures[number])
    left, top, right, bottom = head.recognition.boxes[number]
    if head.recognition.found[number]:
        score = head.recognition.score[number]
        box = plt.Rectangle((left, top), right - left, bottom - top, fill=False, color='#f0b429')
        axes.add_patch(box)
        axes.set_xlabel(f'a face (certainty {score:.1f})', fontsize=8)
    else:
        axes.set_xlabel('no face', fontsize=8)


def _evidence(example):
    """Draw how near a rescan and the defaced head are to the own face and to those of decoys."""
    figure, axes = plt.subplots(figsize=(9, 2.9), layout='constrained')
    probes = {
        'defaced head': (engines.enrol(example.after), AFTER),
        'rescan, not defaced': (example.panel.rescan, BEFORE),
    }
    for height, (templates, colour) in enumerate(probes.values()):
        scores = _fused(example.panel, templates)
        axes.scatter(scores[1:], [height] * (len(scores) - 1), color=GREY, s=26, zorder=2)
        axes.scatter(scores[:1], [height], color=colour, s=110, zorder=3, marker='D')
        ratio = float(strength.CALIBRATION.log10_lr(scores[None, :1].T)[0])
        text = f'log10 likelihood ratio {_bound(ratio)}{ratio:.2f}'
        axes.annotate(text, (scores[0], height + 0.2), ha='center', color=colour, fontsize=9)
    grid = np.linspace(-8, 8, 3201)
    limit = grid[np.argmax(strength.CALIBRATION.log10_lr(grid[:, None]) >= 1)]
    axes.axvspan(limit, 13, color=BEFORE, alpha=0.08, zorder=0)
    axes.text(limit + 0.1, -0.46, '10 times more probable or more: fail', fontsize=8, color=BEFORE)
    axes.set(
        yticks=range(len(probes)), yticklabels=probes, ylim=(-0.6, 1.6), xlim=(-4, 13),
        xlabel='nearness to a face (standard deviations from the decoys)',
    )  # fmt: skip
    axes.scatter([], [], color=GREY, s=26, label='face of a decoy')
    axes.scatter([], [], color='black', s=60, marker='D', label='own face')
    axes.legend(loc='upper left', fontsize=8, frameon=False)
    axes.spines[['top', 'right']].set_visible(False)
    return figure


def _bound(ratio):
    """Return in words that a ratio is at a bound of the calibration."""
    if ratio <= strength.CALIBRATION.least:
        return 'at most '
    return 'at least ' if ratio >= strength.CALIBRATION.most else ''


def _fused(panel, templates):
    rows = {name: strength.standardised(name, panel, item) for name, item in templates.items()}
    return strength.fuse({name: row for name, row in rows.items() if row is not None})


def _cut(example):
    """Draw the mask and the brain on slices, with what the record says about the cut."""
    widths = [np.ptp(EXTENT_MM[0 if axis == 2 else 1]) for axis, *_ in PLANES]  # one scale
    figure, axes = plt.subplots(1, 3, figsize=(12.5, 5), width_ratios=widths, layout='constrained')
    numbers = example.result.record.mask
    for place, (axis, position, title) in zip(axes, PLANES, strict=True):
        _show_slice(place, example.volume, example.affine, axis, position)
        mask = Volume(example.result.mask.astype(np.float32), example.volume.affine)
        _outline(place, mask, example.affine, axis, position, 0.5, MASK)
        atlas = generic_atlas(2.0)
        brain = Volume(-atlas.brain.astype(np.float32), atlas.affine)
        _outline(place, brain, np.eye(4), axis, position, 0.0, BRAIN)
        place.set_title(title, fontsize=11)
        place.set(xticks=[], yticks=[], anchor='N')
    size = np.linalg.norm(example.affine[:3, :3], axis=0)
    y, z = NASION[1:]
    axes[0].plot(y, z, '+', color=POINT, markersize=12, markeredgewidth=2)
    axes[0].annotate('nasion', (y, z), (y + 10, z + 6), color=POINT, fontsize=9)
    reaches = (
        ((y + 34, z), (y + 34, z + numbers.cut_above_mm / size[2]), numbers.cut_above_mm),
        ((y + 34, z), (y + 34, z - numbers.cut_below_mm / size[2]), numbers.cut_below_mm),
        ((y, z - 32), (y - numbers.cut_midplane_mm / size[1], z - 32), numbers.cut_midplane_mm),
    )
    for start, end, length in reaches:
        _arrow(axes[0], start, end, f'{length:.0f} mm')
    end = y - numbers.cut_behind_mm / size[1], z - 62
    _arrow(axes[1], (y, z - 62), end, f'{numbers.cut_behind_mm:.0f} mm behind the nasion')
    return figure


def _arrow(axes, start, end, text):
    line = {'arrowstyle': '<->', 'color': 'white', 'shrinkA': 0, 'shrinkB': 0}
    axes.annotate('', end, start, arrowprops=line)
    behind = {'boxstyle': 'square,pad=0.15', 'color': '#000000b0'}
    middle, turned = np.add(start, end) / 2, 90 if start[0] == end[0] else 0
    axes.text(
        *middle, text, color='white', fontsize=9, ha='center', va='center', rotation=turned,
        bbox=behind,
    )  # fmt: skip


def _plane(axis, position):
    """Return the points of a slice of the atlas (mm), and its extent for a plot."""
    across, up = (i for i in range(3) if i != axis)
    lines = [np.arange(*EXTENT_MM[i], 0.8) for i in (across, up)]
    first, second = np.meshgrid(*lines)
    points = np.empty((3, *first.shape))
    points[axis], points[across], points[up] = position, first, second
    return points, (*EXTENT_MM[across], *EXTENT_MM[up])


def _sample(volume, affine, axis, position):
    points, extent = _plane(axis, position)
    index = np.linalg.inv(volume.affine) @ affine
    where = np.einsum('ij,jab->iab', index[:3, :3], points) + index[:3, 3][:, None, None]
    return ndimage.map_coordinates(volume.data, where, order=1), extent


def _show_slice(axes, volume, affine, axis, position):
    values, extent = _sample(volume, affine, axis, position)
    top = np.quantile(volume.data, 0.995)
    axes.imshow(values, cmap='gray', vmin=0, vmax=top, origin='lower', extent=extent)


def _outline(axes, volume, affine, axis, position, level, colour):
    values, extent = _sample(volume, affine, axis, position)
    axes.contour(values, [level], colors=[colour], linewidths=1.4, extent=extent)


if __name__ == '__main__':
    main()
