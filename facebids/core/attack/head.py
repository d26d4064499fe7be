# SPDX-License-Identifier: Apache-2.0
"""A head as the attacker sees it: turned to the front, completed, rendered, searched for faces."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from facebids.core.alignment import registration
from facebids.core.arrays import FloatArray, IntArray
from facebids.core.attack import completion, depth, recognition, render, surface
from facebids.core.attack.recognition import Recognition
from facebids.core.attack.render import View
from facebids.core.attack.surface import Mesh
from facebids.core.images import Volume


@dataclass(frozen=True)
class Head:
    """What an engine may use to enrol a head.

    Parameters
    ----------
    mesh : Mesh
        The skin in the face frame (`depth`), mm.
    depth : ndarray, shape (H, A)
        Its depth map, mm; NaN where the scan does not show the skin.
    pose : ndarray, shape (4, 4)
        Rigid, scanner RAS mm to face frame.
    pictures : ndarray of uint8, shape (V, S, S, 3)
        Renders, RGB: random views, then named views.
    recognition : Recognition
        The faces detected in them.
    at_known_place : ndarray, shape (V, 128), or None
        Of a defaced head: embeddings of the boxes in which the original showed a face.
    """

    mesh: Mesh
    depth: FloatArray
    pose: FloatArray
    pictures: NDArray[np.uint8]
    recognition: Recognition
    at_known_place: FloatArray | None = None


class KnownFace(NamedTuple):
    """What the attacker is assumed to know about the face before defacing.

    Parameters
    ----------
    pose : ndarray, shape (4, 4)
        Pose of the original, as of `Head`.
    boxes : ndarray of int, shape (V, 4)
        Boxes of the faces detected in its views, as of `Recognition`.
    """

    pose: FloatArray
    boxes: IntArray


def view_head(
    volume: Volume, affine: FloatArray, seed: int, known: KnownFace | None = None
) -> Head:
    """Pose and render a head, and detect faces in the renders.

    Parameters
    ----------
    volume : Volume
        Original or defaced.
    affine : ndarray, shape (4, 4)
        Atlas RAS mm to scanner RAS mm.
    seed : int
        Random seed of the views.
    known : KnownFace, optional
        The face before defacing. A defaced head takes the pose of its original, and is also
        embedded in the boxes of the original: the worst case of an attacker with full knowledge.

    Raises
    ------
    NotAHeadError
        If the foreground does not have the size of a head.
    """
    skin = surface.skin_surface(volume.data, volume.affine, hounsfield=volume.hounsfield)
    pose = known.pose if known else _face_pose(skin, volume, registration.pose(affine))
    mesh = moved(skin, pose)
    in_view = depth.field_of_view(volume.affine, volume.data.shape)
    shape = depth.measure(skin.scene, in_view, pose)
    views = _views(seed)
    whole = completion.complete(mesh, shape)
    if whole is mesh:  # the scene of the skin is there already
        pictures = render.render(skin, pose, views)
    else:
        pictures = render.render(whole, np.eye(4), views)
    found = recognition.recognise(pictures, tuple(view.name for view in views))
    return Head(mesh, shape, pose, pictures, found, _at_known_place(pictures, known))


def empty_head(affine: FloatArray, seed: int, known: KnownFace | None = None) -> Head:
    """Return a head without skin, whose pictures are empty.

    It stands for a head that cannot be separated from the air.

    Parameters
    ----------
    affine, seed, known
        As of `view_head`.
    """
    pose = known.pose if known else registration.pose(affine)
    views = _views(seed)
    mesh = Mesh(np.empty((0, 3), np.float32), np.empty((0, 3), np.int32), np.empty((0, 3)))
    size = (len(views), render.PIXELS, render.PIXELS, 3)
    pictures = np.full(size, render.BACKGROUND, np.uint8)
    boxes = np.array([recognition.NO_BOX] * len(views))
    found = Recognition(
        names=np.array([view.name for view in views]),
        found=np.zeros(len(views), bool),
        detector=np.full(len(views), ''),
        score=np.full(len(views), np.nan),
        boxes=boxes,
        embeddings=recognition.embed_at(pictures, boxes),
    )
    nothing = np.full(depth.SHAPE, np.nan)
    return Head(mesh, nothing, pose, pictures, found, _at_known_place(pictures, known))


def _views(seed: int) -> tuple[View, ...]:
    return (*render.random_views(seed), *render.named_views())


def _at_known_place(pictures: NDArray[np.uint8], known: KnownFace | None) -> FloatArray | None:
    return None if known is None else recognition.embed_at(pictures, known.boxes)


def _face_pose(skin: Mesh, volume: Volume, pose: FloatArray) -> FloatArray:
    """Refine the pose of the registration until the face is aligned with the generic face."""
    in_view = depth.field_of_view(volume.affine, volume.data.shape)
    for rounds in (8, 3):  # from the new pose, rays meet other parts of the skin
        pose = depth.align(depth.measure(skin.scene, in_view, pose), rounds) @ pose
    return pose


def moved(mesh: Mesh, rigid: FloatArray) -> Mesh:
    """Return a mesh after a rigid motion, shape (4, 4)."""
    rigid = rigid.astype(np.float32)
    return Mesh(apply_affine(rigid, mesh.vertices), mesh.faces, mesh.normals @ rigid[:3, :3].T)
