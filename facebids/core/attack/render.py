# SPDX-License-Identifier: Apache-2.0
"""Photograph-like renders of a head, by ray casting."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from facebids.core.arrays import BoolArray, FloatArray
from facebids.core.attack.surface import Mesh

CENTRE = np.array([0.0, 62.0, -62.0])  # centre of an average face in the posed frame, mm
DISTANCE = 1200.0  # mm from the camera to the face, as in a portrait
FIELD = 270.0  # width of the picture at the face, mm: forehead to chin fill 60 % of it
PIXELS = 400  # along each side of a picture
SKIN = np.array([214, 172, 148], np.float32)
BACKGROUND = np.array([46, 48, 52], np.uint8)
# Soft portrait lighting: the fill light is nearly as strong as the key light.
AMBIENT, DIFFUSE, FILL, SPECULAR, SHININESS = 0.22, 0.50, 0.40, 0.10, 18.0


@dataclass(frozen=True)
class View:
    """Orientation of the head before the camera, and direction of the light.

    Parameters
    ----------
    name : str
        Names of random views begin with `recognition.RANDOM`.
    yaw, pitch, roll : float
        Rotation of the head, degrees: to its left, upwards, to its right shoulder.
    light : tuple of 2 floats
        Direction of the light, degrees from the camera: to the right of the picture, upwards.
    """

    name: str
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    light: tuple[float, float] = (20.0, 30.0)


def named_views() -> tuple[View, ...]:
    """Return the orientations of Steeg et al. (2024): frontal, half side, side and top."""
    return (
        View('frontal'),
        View('halfside', yaw=40),
        View('side', yaw=85),
        View('top', pitch=-40),
    )


def random_views(seed: int, count: int = 10) -> tuple[View, ...]:
    """Return views as of casual portraits, after Schwarz et al. (2019).

    Yaw is within 20 degrees, pitch within 12 and roll within 6, where frontal face detectors work.
    The light comes from up to 40 degrees to either side, and from 10 degrees below to 50 above the
    camera. The study itself specifies no more than "random views and lighting".

    Parameters
    ----------
    seed : int
        Random seed.
    count : int
        Number of views.
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


def render(
    mesh: Mesh, pose: FloatArray, views: Sequence[View], size: int = PIXELS
) -> NDArray[np.uint8]:
    """Render a head.

    Parameters
    ----------
    mesh : Mesh
        Skin, RAS mm.
    pose : ndarray, shape (4, 4)
        Rigid, mesh RAS mm to posed RAS mm, where the face looks along +y and +z is up.
    views : sequence of View
    size : int
        Pixels along each side.

    Returns
    -------
    ndarray of uint8, shape (V, size, size, 3)
        RGB.
    """
    rays = _camera(size)
    pictures = np.empty((len(views), size, size, 3), np.uint8)
    pictures[...] = BACKGROUND
    for picture, view in zip(pictures, views, strict=True):
        part = _part_with(mesh, pose, view, size)
        seen, colours = _render_view(mesh, pose, view, rays[part].reshape(-1, 3))
        part_of_picture = picture[part]
        part_of_picture[seen.reshape(part_of_picture.shape[:2])] = colours.clip(0, 255)
    return pictures


def _camera(size: int) -> FloatArray:
    """Return the direction of every pixel's ray in camera axes, shape (size, size, 3)."""
    edge = np.linspace(FIELD / 2, -FIELD / 2, size, dtype=np.float32)
    target = np.zeros((size, size, 3), np.float32)
    target[..., 0] = edge  # the right side of the head appears on the left of the picture
    target[..., 1] = -DISTANCE
    target[..., 2] = edge[:, None]
    return target / np.linalg.norm(target, axis=2, keepdims=True)


def _part_with(mesh: Mesh, pose: FloatArray, view: View, size: int) -> tuple[slice, slice]:
    """Return the rows and columns of a picture outside which no ray meets the head."""
    to_camera = np.eye(4)
    to_camera[:3, :3] = _rotation(view)
    to_camera[:3, 3] = -_rotation(view) @ CENTRE - (0, DISTANCE, 0)
    places = apply_affine(to_camera @ pose, mesh.corners)
    if not (places[:, 1] < 0).all():  # something is beside or behind the camera
        return slice(0, size), slice(0, size)
    edges = places[:, ::2] * (-DISTANCE / places[:, 1:2])
    pixels = (0.5 - edges / FIELD) * (size - 1)
    left, top = np.clip(np.floor(pixels.min(0)).astype(int), 0, size)
    right, bottom = np.clip(np.ceil(pixels.max(0)).astype(int) + 1, 0, size)
    return slice(top, bottom), slice(left, right)


def _render_view(
    mesh: Mesh, pose: FloatArray, view: View, rays: FloatArray
) -> tuple[BoolArray, FloatArray]:
    """Return which pixels show the head, and their colours, shape (N, 3)."""
    turn = pose[:3, :3].astype(np.float32)  # mesh axes to head axes
    to_head = _rotation(view).T.astype(np.float32)  # camera axes to head axes
    rays = rays @ to_head.T
    camera = apply_affine(np.linalg.inv(pose), CENTRE + to_head @ (0, DISTANCE, 0))
    hits = mesh.scene.cast(camera, rays @ turn)
    seen = hits.found
    u, v = hits.u[seen, None], hits.v[seen, None]
    first, second, third = mesh.faces.take(hits.triangle[seen], 0).T
    normals = mesh.normals
    normal = (1 - u - v) * normals.take(first, 0)
    normal += u * normals.take(second, 0)
    normal += v * normals.take(third, 0)
    normal = normal @ turn.T
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    light = to_head @ direction(view.light).astype(np.float32)
    return seen, _shade(normal, -rays[seen], light, to_head[:, 1])


def _shade(
    normal: FloatArray, to_camera: FloatArray, light: FloatArray, front: FloatArray
) -> FloatArray:
    """Return skin colours: wrapped diffuse light, a fill light at the camera, a soft highlight.

    The highlight is that of Blinn (1977). The wrap imitates subsurface scattering.
    """
    wrapped = np.maximum((normal @ light + 0.25) / 1.25, 0)
    fill = np.maximum(normal @ front, 0)
    halfway = to_camera + light
    halfway /= np.linalg.norm(halfway, axis=1, keepdims=True)
    highlight = np.maximum((normal * halfway).sum(1), 0) ** SHININESS
    matt = AMBIENT + DIFFUSE * wrapped + FILL * fill
    return SKIN * matt[:, None] + 255 * SPECULAR * highlight[:, None]


def direction(light: tuple[float, float]) -> FloatArray:
    """Return the unit vector towards the light in camera axes."""
    azimuth, elevation = np.deg2rad(light)
    return np.array(
        [
            -np.sin(azimuth) * np.cos(elevation),
            np.cos(azimuth) * np.cos(elevation),
            np.sin(elevation),
        ]
    )


def _rotation(view: View) -> FloatArray:
    """Return the rotation from head axes to camera axes: first yaw, then pitch, then roll."""
    from scipy.spatial.transform import Rotation

    matrix: FloatArray = Rotation.from_euler(
        'zxy', (view.yaw, view.pitch, view.roll), degrees=True
    ).as_matrix()
    return matrix
