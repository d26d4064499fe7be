# SPDX-License-Identifier: Apache-2.0
"""A head as an attacker sees it: its face turned to the front, completed, and rendered."""

from dataclasses import dataclass

import numpy as np
from nibabel.affines import apply_affine

from facebids.core.alignment import registration
from facebids.core.attack import completion, depth, recognition, render, surface
from facebids.core.attack.rays import Scene
from facebids.core.attack.recognition import Recognition
from facebids.core.attack.surface import Mesh

PIXELS = 400  # along each side of an empty picture, as `render.render` makes them


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
    skin = surface.skin_surface(volume.data, volume.affine, hounsfield=volume.hounsfield)
    pose, boxes = known or (_face_pose(skin, volume, registration.pose(affine)), None)
    mesh = _moved(skin, pose)
    in_view = depth.field_of_view(pose @ volume.affine, volume.data.shape)
    shape = depth.measure(Scene(mesh.vertices, mesh.faces), in_view)
    views = (*render.random_views(seed), *render.named_views())
    pictures = render.render(completion.complete(mesh, shape), np.eye(4), views)
    found = recognition.recognise(pictures, tuple(view.name for view in views))
    at_known_place = None if boxes is None else recognition.embed_at(pictures, boxes)
    return Head(mesh, shape, pose, pictures, found, at_known_place)


def most_telling(heads, originals=None):
    """Choose the look at a head in which the attack sees most.

    Parameters
    ----------
    heads : list of Head
        The same head in several volumes.
    originals : ndarray, shape (V, 128), optional
        Embeddings of the original, if the head is defaced: of equally many faces found, the look
        that is nearest to them at the known place counts.

    Returns
    -------
    int
        Index of the look.
    """

    def told(index):
        head = heads[index]
        near = 0.0
        if originals is not None:
            distance = np.linalg.norm(head.at_known_place - originals, axis=1)
            near = -float(np.nanmean(distance)) if np.isfinite(distance).any() else 0.0
        return int(head.recognition.certain.sum()), int(head.recognition.found.sum()), near

    return max(range(len(heads)), key=told)


def look_at_nothing(affine, seed, known=None):
    """Return what is seen of a head whose skin cannot be told from the air: empty pictures.

    Parameters
    ----------
    affine, seed, known
        As of `look_at`.

    Returns
    -------
    Head
    """
    pose, boxes = known or (registration.pose(affine), None)
    views = (*render.random_views(seed), *render.named_views())
    mesh = Mesh(np.empty((0, 3), np.float32), np.empty((0, 3), np.int32), np.empty((0, 3)))
    pictures = np.full((len(views), PIXELS, PIXELS, 3), render.BACKGROUND, np.uint8)
    nothing = np.array([recognition.NO_BOX] * len(views))
    found = Recognition(
        names=np.array([view.name for view in views]),
        found=np.zeros(len(views), bool),
        detector=np.full(len(views), ''),
        score=np.full(len(views), np.nan),
        boxes=nothing,
        embeddings=recognition.embed_at(pictures, nothing),
    )
    at_known_place = None if boxes is None else recognition.embed_at(pictures, boxes)
    return Head(mesh, np.full(depth.SHAPE, np.nan), pose, pictures, found, at_known_place)


def _face_pose(skin, volume, pose):
    """Turn a head from its registration's pose to where its face lies on the generic one."""
    scene = Scene(skin.vertices, skin.faces)
    in_view = depth.field_of_view(volume.affine, volume.data.shape)
    for rounds in (8, 3):  # from the new pose, rays meet other parts of the skin
        pose = depth.align(depth.measure(scene, in_view, pose), rounds) @ pose
    return pose


def _moved(mesh, rigid):
    rigid = rigid.astype(np.float32)
    return Mesh(apply_affine(rigid, mesh.vertices), mesh.faces, mesh.normals @ rigid[:3, :3].T)
