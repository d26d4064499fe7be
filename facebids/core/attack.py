# SPDX-License-Identifier: Apache-2.0
"""A head as an attacker sees it: its face turned to the front, completed, and rendered."""

from dataclasses import dataclass

import numpy as np

from facebids.core import completion, depth, recognition, registration, render, surface
from facebids.core.rays import Scene
from facebids.core.recognition import Recognition
from facebids.core.surface import Mesh


@dataclass(frozen=True)
class Head:
    """What an engine may use to enrol a head.

    Parameters
    ----------
    mesh : Mesh
        The skin in the face frame (`depth`), mm.
    depth : ndarray, shape (H, A)
        Its depth map, NaN where the scan does not tell.
    pose : ndarray, shape (4, 4)
        Rigid, scanner RAS mm to face frame.
    pictures : ndarray of uint8, shape (V, S, S, 3)
        Renders: random views, then named ones.
    recognition : Recognition
        The faces found in them.
    at_known_place : ndarray, shape (V, 128), or None
        Of a defaced head: embeddings where the original's faces were.
    """

    mesh: Mesh
    depth: np.ndarray
    pose: np.ndarray
    pictures: np.ndarray
    recognition: Recognition
    at_known_place: np.ndarray | None = None


def look_at(volume, affine, seed, known=None):
    """Find the face of a head, and render it.

    Parameters
    ----------
    volume : images.Volume
        Original or defaced.
    affine : ndarray, shape (4, 4)
        Atlas RAS mm to scanner RAS mm.
    seed : int
        Of the random views.
    known : tuple of (pose, boxes), optional
        Those of the original, if the head is defaced: it is turned as the original was, and
        embedded where the original's faces were. The attacker knows as much as can be known.

    Returns
    -------
    Head

    Raises
    ------
    NotAHeadError
        If nothing of a head's size stands out from the air.
    """
    skin = surface.skin_surface(volume.data, volume.affine)
    pose, boxes = known or (_face_pose(skin, volume, registration.pose(affine)), None)
    mesh = _moved(skin, pose)
    in_view = depth.field_of_view(pose @ volume.affine, volume.data.shape)
    shape = depth.measure(Scene(mesh.vertices, mesh.faces), in_view)
    views = (*render.random_views(seed), *render.named_views())
    pictures = render.render(completion.complete(mesh, shape), np.eye(4), views)
    found = recognition.recognise(pictures, tuple(view.name for view in views))
    at_known_place = None if boxes is None else recognition.embed_at(pictures, boxes)
    return Head(mesh, shape, pose, pictures, found, at_known_place)


def _face_pose(skin, volume, pose):
    """Turn a head from its registration's pose to where its face lies on the generic one."""
    scene = Scene(skin.vertices, skin.faces)
    in_view = depth.field_of_view(volume.affine, volume.data.shape)
    for rounds in (8, 3):  # from the new pose, rays meet other parts of the skin
        pose = depth.align(depth.measure(scene, in_view, pose), rounds) @ pose
    return pose


def _moved(mesh, rigid):
    turn = rigid[:3, :3].astype(np.float32)
    vertices = mesh.vertices @ turn.T + rigid[:3, 3].astype(np.float32)
    return Mesh(vertices, mesh.faces, mesh.normals @ turn.T)
