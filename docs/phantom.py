# SPDX-License-Identifier: Apache-2.0
"""Draw ``phantom.png``: a phantom before and after defacing. Run it again when either changes."""

from pathlib import Path

import numpy as np
from PIL import Image

from facebids.core import foreground, images
from facebids.core.alignment import registration
from facebids.core.atlas import generic_atlas
from facebids.core.attack import render, surface
from facebids.core.defacing import masks
from facebids.core.phantoms import phantom


def main():
    """Write the picture beside this file."""
    rng = np.random.default_rng(1)
    person = phantom.draw_person(rng)
    head = phantom.build_person(person, 1.5)
    scan = phantom.scan(head, phantom.draw_pose(rng, person), 'T1w', rng, spacing=1.5)
    atlas = generic_atlas(masks.RESOLUTION)
    volume = images.Volume(scan.data, scan.affine)
    head_voxels = foreground.head_mask(volume.data, volume.zooms)
    mask = masks.face_mask(atlas, volume, scan.transform, head_voxels).mask
    pose = registration.pose(scan.transform)
    views = [view for view in render.named_views() if view.name in ('frontal', 'halfside')]
    pictures = [
        picture
        for data in (scan.data, np.where(mask, 0, scan.data))
        for picture in render.render(surface.skin_surface(data, scan.affine), pose, views)
    ]
    strip = np.concatenate([picture[:, 60:340] for picture in pictures], axis=1)
    Image.fromarray(strip).save(Path(__file__).with_name('phantom.png'), optimize=True)


if __name__ == '__main__':
    main()
