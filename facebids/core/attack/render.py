# SPDX-License-Identifier: Apache-2.0
"""Photograph-like pictures of a head, by ray casting."""

from dataclasses import dataclass

import numpy as np
from nibabel.affines import apply_affine

from facebids.core.attack.rays import Scene

CENTRE = np.array([0.0, 62.0, -62.0])  # middle of an average face in the posed frame, mm
DISTANCE = 1200.0  # mm from the camera to the face, as in a portrait
FIELD = 270.0  # mm across the picture at the face: forehead to chin fill 60 % of it
SKIN = np.array([214, 172, 148], np.float32)
BACKGROUND = np.array([46, 48, 52], np.uint8)
# a soft portrait: the fill light is nearly as strong as the key light
AMBIENT, DIFFUSE, FILL, SPECULAR, SHININESS = 0.22, 0.50, 0.40, 0.10, 18.0


@dataclass(frozen=True)
class View:
    """Where the camera and the light stand.

    Parameters
    ----------
    name : str
    yaw, pitch, roll : float
        Turn of the head before the camera, degrees: to its left, upwards, to its right shoulder.
    light : tuple of 2 floats
        Direction the light comes from, degrees from the camera: to the right of the picture, up.
    """

    name: str
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    light: tuple[float, float] = (20.0, 30.0)


def named_views():
    """Return the orientations of Steeg et al. (2024): frontal, half side, side and top."""
    return (
        View('frontal'),
        View('halfside', yaw=40),
        View('side', yaw=85),
        View('top', pitch=-40),
    )


def random_views(seed, count=10):
    """Return views as of casual portraits, after Schwarz et al. (2019).

    Yaw within 20 degrees, pitch within 12 and roll within 6, in which frontal face detectors
    work; light from up to 40 degrees to either side and 10 below to 50 above. The study says
    "random views and lighting" and no more.

    Parameters
    ----------
    seed : int
    count : int

    Returns
    -------
    tuple of View
    """
    rng = np.random.default_rng([seed, 1684])
    return tuple(
        View(
            f'random{number + 1:02d}',
            yaw=rng.uniform(-20, 20),
            pitch=rng.uniform(-12, 12),
            roll=rng.uniform(-6, 6),
            light=(rng.uniform(-40, 40), rng.uniform(-10, 50)),
        )
        for number in range(count)
    )


def render(mesh, pose, views, size=400):
    """Render a head.

    Parameters
    ----------
    mesh : Mesh
        Skin, RAS mm.
    pose : ndarray, shape (4, 4)
        Rigid, mesh RAS mm to posed RAS mm (face towards +y, up is +z).
    views : sequence of View
    size : int
        Pixels along each side.

    Returns
    -------
    ndarray of uint8, shape (V, size, size, 3)
    """
    vertices = (apply_affine(pose, mesh.vertices) - CENTRE).astype(np.float32)
    normals = (mesh.normals @ pose[:3, :3].T).astype(np.float32)
    scene, rays = Scene(vertices, mesh.faces), _camera(size)
    pictures = np.empty((len(views), size * size, 3), np.uint8)
    pictures[...] = BACKGROUND
    for picture, view in zip(pictures, views, strict=True):
        seen, colours = _render_view(scene, mesh.faces, normals, view, rays)
        picture[seen] = colours.clip(0, 255)
    return pictures.reshape(len(views), size, size, 3)


def _camera(size):
    """Return the direction of every pixel's ray in camera axes, shape (size * size, 3)."""
    edge = np.linspace(FIELD / 2, -FIELD / 2, size, dtype=np.float32)
    target = np.zeros((size, size, 3), np.float32)
    target[..., 0] = edge  # the head's right is to our left
    target[..., 1] = -DISTANCE
    target[..., 2] = edge[:, None]
    return (target / np.linalg.norm(target, axis=2, keepdims=True)).reshape(-1, 3)


def _render_view(scene, faces, normals, view, rays):
    to_head = _rotation(view).T.astype(np.float32)  # camera axes, then the head's
    rays = rays @ to_head.T
    camera = to_head @ np.array([0, DISTANCE, 0], np.float32)
    hits = scene.cast(np.broadcast_to(camera, rays.shape), rays)
    seen = hits.found
    u, v = hits.u[seen, None], hits.v[seen, None]
    corners = normals[faces[hits.triangle[seen]]]
    normal = (1 - u - v) * corners[:, 0] + u * corners[:, 1] + v * corners[:, 2]
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    light = to_head @ _direction(view.light).astype(np.float32)
    return seen, _shade(normal, -rays[seen], light, to_head[:, 1])


def _shade(normal, to_camera, light, front):
    """Skin colour: wrapped diffuse light, a fill from the camera, a soft highlight.

    Blinn (1977) for the highlight; the wrap imitates light scattered under the skin.
    """
    wrapped = np.maximum((normal @ light + 0.25) / 1.25, 0)
    fill = np.maximum(normal @ front, 0)
    halfway = to_camera + light
    halfway /= np.linalg.norm(halfway, axis=1, keepdims=True)
    highlight = np.maximum((normal * halfway).sum(1), 0) ** SHININESS
    matt = AMBIENT + DIFFUSE * wrapped + FILL * fill
    return SKIN * matt[:, None] + 255 * SPECULAR * highlight[:, None]


def _direction(light):
    """Return the unit vector towards the light in camera axes."""
    azimuth, elevation = np.deg2rad(light)
    return np.array(
        [
            -np.sin(azimuth) * np.cos(elevation),
            np.cos(azimuth) * np.cos(elevation),
            np.sin(elevation),
        ]
    )


def _rotation(view):
    """Rotation from the head's axes to the camera's."""
    yaw, pitch, roll = np.deg2rad((view.yaw, view.pitch, view.roll))
    cz, sz, cx, sx, cy, sy = (
        np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    )  # fmt: skip
    turn = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    nod = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    tilt = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    return tilt @ nod @ turn
