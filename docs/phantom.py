# SPDX-License-Identifier: Apache-2.0
"""Draw ``phantom.png``: a phantom before and after defacing. Run it again when either changes."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import facebids
from facebids.core.alignment import registration
from facebids.core.alignment.align import align
from facebids.core.attack import render, surface
from facebids.core.images import Volume

SEED, SPACING = 1, 1.5
SIZE, COLUMNS = 400, slice(60, 340)  # pixels of a render, and the columns that are shown
SMALLER, LOWER_MM = 0.75, 15.0  # than for the attack, so that the whole head is in the picture
GAP, TEXT = 12, 18  # pixels


def main():
    """Write the picture beside this file."""
    scan = facebids.phantom(SEED, spacing=SPACING)
    volume = Volume(scan.get_fdata(dtype=np.float32), scan.affine)
    to_face = registration.pose(align(volume, 'T1w').affine)
    shrink = np.diag([SMALLER] * 3 + [1.0])
    shrink[:3, 3] = (1 - SMALLER) * render.CENTRE - (0, 0, LOWER_MM)
    panels = {'before': volume}
    for mode in ('remove', 'reface'):
        defaced = facebids.deface(scan, mode=mode).image
        panels[f'after: --mode {mode}'] = Volume(defaced.get_fdata(dtype=np.float32), scan.affine)
    drawn = [_panel(text, shown, shrink @ to_face) for text, shown in panels.items()]
    gap = np.full((len(drawn[0]), GAP, 3), 255, np.uint8)
    strip = np.concatenate([drawn[0], gap, drawn[1], gap, drawn[2]], axis=1)
    Image.fromarray(strip).save(Path(__file__).with_name('phantom.png'), optimize=True)


def _panel(text, volume, pose):
    """Return the frontal and the half side view of a head, with a title above them."""
    views = [view for view in render.named_views() if view.name in ('frontal', 'halfside')]
    skin = surface.skin_surface(volume.data, volume.affine)
    pictures = render.render(skin, pose, views, SIZE)
    heads = np.concatenate([picture[:, COLUMNS] for picture in pictures], axis=1)
    title = Image.new('RGB', (heads.shape[1], TEXT + GAP), tuple(render.BACKGROUND.tolist()))
    place = title.width // 2, title.height // 2
    font = ImageFont.load_default(TEXT)
    ImageDraw.Draw(title).text(place, text, (255, 255, 255), font, anchor='mm')
    return np.concatenate([np.asarray(title), heads])


if __name__ == '__main__':
    main()
