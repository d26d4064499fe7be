# SPDX-License-Identifier: Apache-2.0
"""Simulated photographs of fictitious people, from which their scans can be recognised.

A portrait shows the true head, not its scan, on another day and in another light. Each has a
skin tone and a background of its own.
"""

import numpy as np

from facebids.core.arrays import IntArray
from facebids.core.attack.render import BACKGROUND, SKIN, View, render
from facebids.core.attack.surface import Mesh
from facebids.core.phantoms.phantom import Person, build_person, visit

RESOLUTION = 1.5  # mm, of the head
TONES = ((236, 197, 174), (214, 172, 148), (190, 142, 112), (146, 101, 76), (98, 66, 50))
GRAIN = 3.0  # standard deviation of the noise of the sensor, of 255


def portraits(person: Person, count: int, rng: np.random.Generator, size: int = 400) -> IntArray:
    """Simulate photographs of a person.

    Parameters
    ----------
    person : phantom.Person
    count : int
    rng : numpy.random.Generator
    size : int
        Pixels along each side.

    Returns
    -------
    ndarray of uint8, shape (count, size, size, 3)
        RGB, nearly frontal.
    """
    head = head_mesh(visit(person, rng))
    views = [
        View(
            f'portrait{number + 1}',
            yaw=rng.normal(0, 8),
            pitch=rng.normal(0, 5),
            roll=rng.normal(0, 3),
            light=(rng.uniform(-40, 40), rng.uniform(0, 50)),
        )
        for number in range(count)
    ]
    pictures = render(head, np.eye(4), views, size).astype(float)
    wall = (pictures == BACKGROUND).all(-1)
    pictures *= np.array(TONES[rng.integers(len(TONES))]) / SKIN
    pictures[wall] = rng.uniform(60, 230, 3)
    pictures += rng.normal(0, GRAIN, pictures.shape)
    return pictures.round().clip(0, 255).astype(np.uint8)


def head_mesh(person: Person) -> Mesh:
    """Return the true skin of a person, RAS mm, upright and in true size."""
    from skimage.measure import marching_cubes

    head = build_person(person, RESOLUTION)
    points, faces, normals, _ = marching_cubes(head.skin, 0)
    points = (points * np.diag(head.affine)[:3] + head.affine[:3, 3]) * person.scale
    # The signed distance grows outwards, so the normals of marching_cubes point inwards.
    outward = -normals / person.scale
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    return Mesh(points.astype(np.float32), faces.astype(np.int32), outward.astype(np.float32))
