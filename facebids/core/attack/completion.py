# SPDX-License-Identifier: Apache-2.0
"""What the field of view cut off a face, filled in from the generic one.

Slabs and tight fields of view end above the mouth, where no detector sees a face any more though
eyes, nose and brow are all there. An attacker would add a mouth.
"""

import numpy as np
from scipy import ndimage

from facebids.core.attack.depth import ANGLES, HEIGHTS, generic, normals, points
from facebids.core.attack.surface import Mesh

ZONE = (
    (HEIGHTS[:, None] > -115) & (HEIGHTS[:, None] < 20) & (np.abs(np.rad2deg(ANGLES)) < 66)
)  # what a detector looks at, shape (H, A)
MOST_MM = 10.0  # people's faces differ from the generic one by less, most of them everywhere
LEAST_SHARE = 0.5  # of the zone that has to be a face already
STEPS = (1, 2, 4, 8, 16)  # cells: how far the known part is carried on


def complete(mesh, depth):
    """Add the missing part of a face.

    Parameters
    ----------
    mesh : Mesh
        The head in the face frame, mm.
    depth : ndarray, shape (H, A)
        Its depth map (`depth.measure`), NaN where the field of view cut it off.

    Returns
    -------
    Mesh
        The same where nothing is missing, or where too little of a face is there to go by.
    """
    base, _ = generic()
    known = ~np.isnan(depth)
    residual = np.where(known, depth - base, 0)
    face = ZONE & known & (np.abs(residual) < MOST_MM)
    if not (ZONE & ~known).any() or face.sum() < LEAST_SHARE * ZONE.sum():
        return mesh
    whole = base + np.where(known, residual, _carry_on(residual, known))
    faces = _triangles(ndimage.binary_dilation(ZONE & ~known))
    return Mesh(
        np.concatenate([mesh.vertices, points(whole).reshape(-1, 3).astype(np.float32)]),
        np.concatenate([mesh.faces, faces + len(mesh.vertices)]).astype(np.int32),
        np.concatenate([mesh.normals, normals(whole).reshape(-1, 3).astype(np.float32)]),
    )


def _carry_on(residual, known):
    """Smooth continuation of the known part: nearby means, of wider and wider neighbourhoods."""
    filled, missing = residual.copy(), ~known
    for width in STEPS:
        weight = ndimage.gaussian_filter(known.astype(float), width, mode='nearest')
        mean = ndimage.gaussian_filter(residual * known, width, mode='nearest')
        near = missing & (weight > 0.05)
        filled[near] = mean[near] / weight[near]
        missing &= ~near
    for _ in range(60):  # no edges between one width and the next
        filled = np.where(known, residual, ndimage.uniform_filter(filled, 3, mode='nearest'))
    return filled


def _triangles(cells):
    """Two triangles for every square of four cells, as indices into the flattened map."""
    index = np.arange(cells.size).reshape(cells.shape)
    square = cells[:-1, :-1] & cells[1:, :-1] & cells[:-1, 1:] & cells[1:, 1:]
    a, b = index[:-1, :-1][square], index[1:, :-1][square]
    c, d = index[:-1, 1:][square], index[1:, 1:][square]
    return np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])
