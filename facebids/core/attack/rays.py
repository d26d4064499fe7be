# SPDX-License-Identifier: Apache-2.0
"""Ray casting against a triangle mesh, on the CPU. The only importer of embreex."""

from dataclasses import dataclass

import numpy as np

from facebids.core.arrays import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Hits:
    """The first intersection of each ray with a mesh.

    Parameters
    ----------
    found : ndarray, shape (N,)
        Whether the ray meets the mesh.
    distance : ndarray, shape (N,)
        From the origin, in multiples of the ray's direction vector; NaN without an intersection.
    triangle : ndarray, shape (N,)
        Index of the triangle; -1 without an intersection.
    u, v : ndarray, shape (N,)
        Barycentric coordinates: the weights of the triangle's second and third corner.
    """

    found: BoolArray
    distance: FloatArray
    triangle: IntArray
    u: FloatArray
    v: FloatArray


class Scene:
    """A mesh to cast rays at.

    Parameters
    ----------
    vertices : ndarray, shape (V, 3)
    faces : ndarray, shape (F, 3)
    """

    def __init__(self, vertices: FloatArray, faces: IntArray) -> None:
        from embreex.mesh_construction import TriangleMesh
        from embreex.rtcore_scene import EmbreeScene

        self._scene = EmbreeScene()
        TriangleMesh(
            self._scene,
            np.ascontiguousarray(vertices, np.float32),
            np.ascontiguousarray(faces, np.int32),
        )

    def cast(self, origins: FloatArray, directions: FloatArray) -> Hits:
        """Return the first intersection of each ray.

        Parameters
        ----------
        origins : ndarray, shape (N, 3) or (3,)
            In the frame of the mesh.
        directions : ndarray, shape (N, 3)
            In the same frame.
        """
        origins = np.broadcast_to(np.asarray(origins, np.float32), directions.shape)
        hits = self._scene.run(
            np.ascontiguousarray(origins),
            np.ascontiguousarray(directions, np.float32),
            output=1,
        )
        found = hits['primID'] >= 0
        distance = np.where(found, hits['tfar'], np.nan)
        return Hits(found, distance, hits['primID'], hits['u'], hits['v'])
