# SPDX-License-Identifier: Apache-2.0
"""Complete a face that the field of view cuts off, with the generic face.

Slabs and tight fields of view often end above the mouth. No detector finds a face there, although
eyes, nose and brow are complete. An attacker would add a mouth.
"""

import numpy as np
from scipy import ndimage

from facebids.core.arrays import BoolArray, FloatArray, IntArray
from facebids.core.attack.depth import ANGLES, HEIGHTS, generic_face, normals, points
from facebids.core.attack.surface import Mesh

ZONE = (
    (HEIGHTS[:, None] > -115) & (HEIGHTS[:, None] < 20) & (np.abs(np.rad2deg(ANGLES)) < 66)
)  # the part of the face that detectors use, shape (H, A)
MOST_MM = 10.0  # nearly everywhere, faces differ from the generic face by less
LEAST_SHARE = 0.5  # of the zone that must show a face already
STEPS = (1, 2, 4, 8, 16)  # cells: widths of the Gaussian filters that extrapolate


def complete(mesh: Mesh, depth: FloatArray) -> Mesh:
    """Add the missing part of a face.

    Parameters
    ----------
    mesh : Mesh
        The skin in the face frame, mm.
    depth : ndarray, shape (H, A)
        Its depth map (`depth.measure`), mm; NaN outside the field of view.

    Returns
    -------
    Mesh
        The mesh itself if nothing is missing, or if too little of the face is in view.
    """
    base, _ = generic_face()
    known = ~np.isnan(depth)
    residual = np.where(known, depth - base, 0)
    face = ZONE & known & (np.abs(residual) < MOST_MM)
    if not (ZONE & ~known).any() or face.sum() < LEAST_SHARE * ZONE.sum():
        return mesh
    whole = base + np.where(known, residual, _extrapolate(residual, known))
    faces = _triangles(ndimage.binary_dilation(ZONE & ~known))
    return Mesh(
        np.concatenate([mesh.vertices, points(whole).reshape(-1, 3).astype(np.float32)]),
        np.concatenate([mesh.faces, faces + len(mesh.vertices)]).astype(np.int32),
        np.concatenate([mesh.normals, normals(whole).reshape(-1, 3).astype(np.float32)]),
    )


def _extrapolate(residual: FloatArray, known: BoolArray) -> FloatArray:
    """Extrapolate the known part smoothly, by means over wider and wider neighbourhoods."""
    filled, missing = residual.copy(), ~known
    for width in STEPS:
        weight = ndimage.gaussian_filter(known.astype(float), width, mode='nearest')
        mean = ndimage.gaussian_filter(residual * known, width, mode='nearest')
        near = missing & (weight > 0.05)
        filled[near] = mean[near] / weight[near]
        missing &= ~near
    for _ in range(60):  # removes the steps between one width and the next
        filled = np.where(known, residual, ndimage.uniform_filter(filled, 3, mode='nearest'))
    return filled


def _triangles(cells: BoolArray) -> IntArray:
    """Two triangles for every square of four cells, as indices into the flattened map."""
    index = np.arange(cells.size).reshape(cells.shape)
    square = cells[:-1, :-1] & cells[1:, :-1] & cells[:-1, 1:] & cells[1:, 1:]
    a, b = index[:-1, :-1][square], index[1:, :-1][square]
    c, d = index[:-1, 1:][square], index[1:, 1:][square]
    return np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])
