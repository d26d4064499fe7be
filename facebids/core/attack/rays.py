# SPDX-License-Identifier: Apache-2.0
"""Rays against a triangle mesh, on the CPU. The only importer of embreex."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Hits:
    """Where rays met the mesh first.

    Parameters
    ----------
    found : ndarray of bool, shape (N,)
    distance : ndarray, shape (N,)
        From the origin, in lengths of the direction; NaN where nothing was met.
    triangle : ndarray of int, shape (N,)
        -1 where nothing was met.
    u, v : ndarray, shape (N,)
        Barycentric coordinates: the weights of the triangle's second and third corner.
    """

    found: np.ndarray
    distance: np.ndarray
    triangle: np.ndarray
    u: np.ndarray
    v: np.ndarray


class Scene:
    """A mesh that rays can be cast at.

    Parameters
    ----------
    vertices : ndarray, shape (V, 3)
    faces : ndarray of int, shape (F, 3)
    """

    def __init__(self, vertices, faces):
        from embreex.mesh_construction import TriangleMesh
        from embreex.rtcore_scene import EmbreeScene

        self._scene = EmbreeScene()
        TriangleMesh(
            self._scene,
            np.ascontiguousarray(vertices, np.float32),
            np.ascontiguousarray(faces, np.int32),
        )

    def cast(self, origins, directions):
        """Cast rays.

        Parameters
        ----------
        origins, directions : ndarray, shape (N, 3)

        Returns
        -------
        Hits
        """
        hits = self._scene.run(
            np.ascontiguousarray(origins, np.float32),
            np.ascontiguousarray(directions, np.float32),
            output=1,
        )
        found = hits['primID'] >= 0
        distance = np.where(found, hits['tfar'], np.nan)
        return Hits(found, distance, hits['primID'], hits['u'], hits['v'])
