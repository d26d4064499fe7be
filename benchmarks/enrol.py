# SPDX-License-Identifier: Apache-2.0
"""Time the enrolment of one head: surface, depth map, 14 renders, detection, face templates.

Run: python benchmarks/enrol.py [image.nii.gz]

Without an image, a phantom of 1 mm is enrolled. The script prints the CPU time, and its ratio to
the CPU time of dlib alone on the same pictures (HOG detector and embedding), which every attack
with dlib needs.
"""

import sys
import time

import numpy as np

from facebids.core import images
from facebids.core.alignment.align import align
from facebids.core.attack import depth, engines, recognition
from facebids.core.attack.head import view_head
from facebids.core.phantoms import phantom


def make_phantom():
    """Return a phantom scan of 1 mm and its true affine."""
    rng = np.random.default_rng(0)
    person = phantom.draw_person(rng)
    head = phantom.build_person(person, 1.0)
    scan = phantom.scan(head, phantom.draw_pose(rng, person), 'T1w', rng, 1.0)
    return images.Volume(scan.data.astype(np.float32), scan.affine), scan.transform


def read(path):
    """Return an image and its affine from registration."""
    volume = images.read_volume(path)
    return volume, align(volume, 'T1w').affine


def main(path=None):
    """Run the benchmark and print its results."""
    volume, affine = read(path) if path else make_phantom()
    depth.generic_face()
    recognition.detect(np.zeros((100, 100, 3), np.uint8))  # loads the models
    start = time.process_time()
    head = view_head(volume, affine, seed=0)
    engines.enrol(head)
    seconds = time.process_time() - start
    start = time.process_time()
    models = recognition.models()
    for picture in head.pictures:
        models['hog'].run(picture, 1, 0.0)
    recognition.embed_at(head.pictures, head.recognition.boxes)
    peer = time.process_time() - start
    shape = ' x '.join(map(str, volume.data.shape))
    print(f'{shape} voxels: {seconds:.1f} s, {seconds / peer:.1f} times dlib alone ({peer:.1f} s)')


if __name__ == '__main__':
    main(*sys.argv[1:])
