# SPDX-License-Identifier: Apache-2.0
"""Synthetic head images for training, drawn from the head atlas alone.

Images are random in everything but anatomy, as for SynthStrip (Hoopes et al., 2022, NeuroImage
260:119474): shape, thickness of fluid, skull and scalp, contrast, shading, resolution, noise,
lesions and field of view. A network that is trained on them cannot rely on any of these. The only
real data are the ICBM152 volumes that nilearn ships.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from facebids.core.arrays import AnyArray, BoolArray, FloatArray
from facebids.core.atlas import HeadAtlas, generic_atlas
from facebids.core.atlas.anatomy import Tissue
from facebids.core.atlas.contrasts import FLUID_IN_BRAIN, GREY, SIGNAL, WHITE
from facebids.core.brain import boundary

SOURCE_MM = 2.0
LIMIT_MM = boundary.LIMIT_MM
VAULT_Z = -35.0  # above, skin follows the brain; below it follows the face


@dataclass(frozen=True)
class Example:
    """An image in the box of `boundary`, and the true distance.

    Attributes
    ----------
    image : shape `boundary.SHAPE`
        As of `boundary.normalise`.
    brain, cavity : shape `boundary.SHAPE`
        Signed distance (atlas mm, negative inside) to the surface of the brain, and of the fluid
        around it, up to `LIMIT_MM`.
    """

    image: FloatArray
    brain: FloatArray
    cavity: FloatArray


def draw(rng: np.random.Generator) -> Example:
    """Draw an image and its brain."""
    atlas = generic_atlas(SOURCE_MM)
    index = _warp(rng, atlas)

    def warped(field: AnyArray, order: int = 1) -> FloatArray:
        return ndimage.map_coordinates(
            np.asarray(field, np.float32), index, order=order, mode='nearest'
        ).reshape(boundary.SHAPE)

    brain = warped(atlas.brain)
    # The surface of this brain differs from that of the atlas in more than its large shape.
    brain += _field(rng, (12, 40), rng.uniform(0, 2)) + rng.normal(0, 0.7)
    fluid = _fluid(rng, index)
    labels = _labels(rng, brain, fluid, warped(atlas.depth), warped(atlas.labels, order=0), index)
    grey, white = warped(atlas.grey), warped(atlas.white)
    inside = brain <= 0
    signal, hounsfield = _signals(rng)
    image = signal[labels]
    image += _texture(rng, labels, signal)
    g, w, rest = _brain_parts(rng, brain, grey, white)
    matter = g * signal[_GREY] + w * signal[_WHITE] + rest * signal[_FLUID]
    image[inside] = matter[inside]
    if rng.random() < 0.25:
        _lesion(rng, image, inside, signal)
    image = _acquire(rng, image, hounsfield=hounsfield)
    where = boundary.inner_brain()
    image = boundary.normalise(image, where, hounsfield=hounsfield)
    _cut(rng, image)
    return Example(image.astype(np.float32), _distance(brain), _distance(brain - fluid))


def _distance(field: FloatArray) -> FloatArray:
    """Return the signed distance (mm) to the zero of a field, up to `LIMIT_MM`."""
    inside = field <= 0
    outside, within = (ndimage.distance_transform_edt(m) for m in (~inside, inside))
    distance = np.where(inside, 0.5 - within, outside - 0.5) * boundary.SPACING
    # Near the surface the field itself is more exact than voxels.
    near = np.abs(distance) < 1.5 * boundary.SPACING
    distance = np.where(near, np.clip(field, -3, 3), distance)
    return np.clip(distance, -LIMIT_MM, LIMIT_MM).astype(np.float32)


_GREY, _WHITE, _FLUID = max(Tissue) + 1, max(Tissue) + 2, max(Tissue) + 3
_DURA = max(Tissue) + 4
_COUNT = max(Tissue) + 5


def _warp(rng: np.random.Generator, atlas: HeadAtlas) -> FloatArray:
    """Return the indices of the atlas at the voxels of the box, shape (3, N).

    The error of a registration, and differences between people: a large smooth deformation.
    """
    grid = np.indices(boundary.SHAPE, np.float32).reshape(3, -1)
    points = grid * boundary.SPACING + np.array(boundary.ORIGIN, np.float32)[:, None]
    wrong = 2.5 if rng.random() < 0.1 else 1.0
    angles = rng.normal(0, 3.0 * wrong, 3)
    linear = Rotation.from_euler('xyz', angles, degrees=True).as_matrix()
    linear = linear * (1 + rng.normal(0, 0.035, 3) + rng.normal(0, 0.025) * wrong)
    centre = np.array([[0.0], [-18.0], [0.0]])
    points = linear @ (points - centre) + centre + rng.normal(0, 2.5 * wrong, (3, 1))
    if rng.random() < 0.5:
        points[0] *= -1
    for axis in range(3):
        for waves in ((60, 100), (28, 50)):
            amplitude = rng.uniform(0, 3.5 if waves[0] == 60 else 2.2)
            points[axis] += _field(rng, waves, amplitude).ravel()
    affine = np.linalg.inv(atlas.affine)
    return (affine[:3, :3] @ points + affine[:3, 3:]).astype(np.float32)


def _field(rng: np.random.Generator, waves: tuple[float, float], deviation: float) -> FloatArray:
    """Draw a smooth field with a standard deviation; nodes are a length (mm) apart."""
    step = rng.uniform(*waves)
    nodes = np.maximum(np.ceil(np.array(boundary.SHAPE) * boundary.SPACING / step), 2) + 2
    coarse = rng.normal(size=nodes.astype(int)).astype(np.float32)
    start = rng.random(3)
    for axis, size in enumerate(boundary.SHAPE):  # axis by axis: separable and fast
        where = start[axis] + np.arange(size) * boundary.SPACING / step
        basis = ndimage.map_coordinates(
            np.eye(coarse.shape[0], dtype=np.float32),
            np.stack(np.broadcast_arrays(np.arange(coarse.shape[0])[:, None], where[None])),
            order=3,
            mode='nearest',
        )
        coarse = np.tensordot(coarse, basis, (0, 0))
    return np.asarray(deviation * coarse / max(float(coarse.std()), 1e-3), np.float32)


def _positive(rng: np.random.Generator, low: float, high: float, vary: float) -> FloatArray:
    """Draw a thickness (mm) that varies over the head."""
    typical = np.exp(rng.uniform(np.log(low), np.log(high)))
    return np.asarray(typical * np.exp(_field(rng, (30, 80), vary)), np.float32)


def _fluid(rng: np.random.Generator, index: FloatArray) -> FloatArray:
    """Draw the thickness (mm) of the fluid around the brain, thicker in front with age."""
    y = index[1].reshape(boundary.SHAPE) * SOURCE_MM + float(generic_atlas(SOURCE_MM).axes[1][0])
    front = np.exp(rng.uniform(-0.1, 0.8) * np.clip((y + 10) / 60, -1, 1))
    thickness = _positive(rng, 0.5, 5.0, 0.5) * front
    return np.asarray(thickness.clip(0.2, 12), np.float32)


def _labels(
    rng: np.random.Generator,
    brain: FloatArray,
    fluid: FloatArray,
    skin: FloatArray,
    labels: FloatArray,
    index: FloatArray,
) -> AnyArray:
    """Paint fluid, skull and scalp of random thickness around a brain."""
    z = index[2].reshape(boundary.SHAPE) * SOURCE_MM + float(generic_atlas(SOURCE_MM).axes[2][0])
    dura = fluid + (rng.uniform(0.5, 2) if rng.random() < 0.5 else 0)
    table = _positive(rng, 1.0, 2.5, 0.2)
    bone = _positive(rng, 3.5, 11.0, 0.25).clip(2.5, 16)
    scalp = _positive(rng, 3.5, 10.0, 0.3).clip(2.5, 16)
    bone *= np.where(z > VAULT_Z, 1, 0.6)
    out = np.asarray(labels, np.int64)
    out[out == Tissue.BRAIN] = Tissue.MUSCLE
    vault = z > VAULT_Z + 20
    outer = dura + bone
    old = np.isin(out, (Tissue.BONE, Tissue.MARROW, Tissue.FLUID)) & (brain < 14)
    out[old] = Tissue.FAT if rng.random() < 0.5 else Tissue.MUSCLE
    out[vault & (brain > 0)] = Tissue.FAT
    muscle = vault & (brain > outer) & (brain < outer + 0.5 * scalp)
    if rng.random() < 0.7:
        out[muscle & (z < rng.uniform(-10, 60))] = Tissue.MUSCLE
    air = skin > 0
    top = brain > outer + scalp
    out[vault & (brain > outer + scalp - 2.5)] = Tissue.SKIN
    keep = out == Tissue.AIR
    bony = (brain < outer) & (brain > 0)
    bony &= vault | ~keep | (rng.random() < 0.7)
    out[bony] = Tissue.BONE
    if rng.random() < 0.8:
        marrow = bony & (brain > dura + table) & (brain < outer - table)
        out[marrow] = Tissue.MARROW
    out[(brain < dura) & (brain > 0)] = _DURA
    out[(brain < fluid) & (brain > 0)] = Tissue.FLUID
    out[(vault & top) | (~vault & air)] = Tissue.AIR
    return out


def _signals(rng: np.random.Generator) -> tuple[FloatArray, bool]:
    """Draw the signal of each label, and whether these are Hounsfield units."""
    kind = rng.random()
    table = np.zeros(_COUNT, np.float32)
    if kind < 0.35:  # any contrast
        table[1:] = rng.uniform(0.02, 1.2, _COUNT - 1)
        if rng.random() < 0.7:
            table[Tissue.BONE] = rng.uniform(0, 0.15)
        table[_GREY] = table[_WHITE] + rng.normal(0, 0.25)
        table[_GREY] = float(np.clip(table[_GREY], 0.2, 1.3))
        table[_WHITE] = max(float(table[_WHITE]), 0.2)
        table[Tissue.FLUID] = table[_FLUID] + rng.normal(0, 0.05)
        return np.maximum(table, 0), False
    modality = str(rng.choice(['T1w', 'T1w', 'FLAIR', 'T2w', 'PDw', 'CT']))
    signal = SIGNAL[modality]
    for tissue in Tissue:
        table[tissue] = signal.get(tissue, 0)
    table[_GREY], table[_WHITE] = signal[GREY], signal[WHITE]
    table[_FLUID] = signal[FLUID_IN_BRAIN]
    if modality == 'CT':
        table[_DURA] = 60
        table[1:] += rng.normal(0, 8, _COUNT - 1)
        table[Tissue.BONE] *= rng.uniform(0.5, 1.3)
        return table, True
    table[_DURA] = rng.uniform(0.1, 0.9)
    table *= np.exp(rng.normal(0, 0.22, _COUNT))
    if rng.random() < 0.3:  # fat saturation, or marrow full of fat
        table[[Tissue.FAT, Tissue.MARROW]] *= rng.uniform(0.1, 1.5)
    return table, False


def _texture(rng: np.random.Generator, labels: AnyArray, signal: FloatArray) -> FloatArray:
    """Draw coarse differences within tissues other than the brain."""
    spread = rng.uniform(0, 0.35)
    noise = ndimage.gaussian_filter(rng.normal(size=labels.shape).astype(np.float32), 1.2)
    noise *= spread / 0.15
    scale = np.where(np.abs(signal) > 50, 60, np.abs(signal)).astype(np.float32)
    return np.asarray(noise * scale[labels] * 0.5)


def _brain_parts(
    rng: np.random.Generator, brain: FloatArray, grey: FloatArray, white: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the shares of grey and white matter and fluid, with sulci that an average lacks."""
    total = np.maximum(grey + white, 1e-3)
    # Averaging blurs the border of the atlas: near its surface everything is grey matter.
    rim = (brain > -4) & (grey + white < 0.8)
    g, w = grey / np.maximum(total, 0.8), white / np.maximum(total, 0.8)
    g = np.where(rim, np.maximum(g, 1 - w), g)
    folds = ndimage.gaussian_filter(
        rng.normal(size=brain.shape).astype(np.float32), rng.uniform(0.8, 1.8)
    )
    folds /= folds.std()
    depth = rng.uniform(3, 14)
    width = rng.uniform(0.0, 0.7)
    sulcus = np.clip(1.2 - np.abs(folds) / max(width, 1e-3), 0, 1) * (brain > -depth)
    sulcus *= rng.uniform(0.4, 1)
    g, w = g * (1 - sulcus), w * (1 - sulcus)
    if rng.random() < 0.7:  # white matter between the folds
        core = np.clip((np.abs(folds) - 1.0), 0, 1) * ((brain > -12) & (brain < -2))
        w, g = w + g * core, g * (1 - core)
    return g, w, np.clip(1 - g - w, 0, 1)


def _lesion(
    rng: np.random.Generator, image: FloatArray, inside: BoolArray, signal: FloatArray
) -> None:
    """Paint a tumour, a bleeding or a hole into the brain."""
    candidates = np.argwhere(inside)
    for _ in range(rng.integers(1, 4)):
        centre = candidates[rng.integers(len(candidates))]
        radius = rng.uniform(4, 25) / boundary.SPACING
        offset = np.indices(image.shape, np.float32) - centre[:, None, None, None]
        far = np.sqrt((offset**2).sum(0)) + _field(rng, (15, 30), radius * 0.25)
        value = rng.uniform(0.1, 1.6) * float(signal[_WHITE])
        image[inside & (far < radius)] = value


def _acquire(rng: np.random.Generator, image: FloatArray, *, hounsfield: bool) -> FloatArray:
    """Shade, blur, sample and add noise."""
    if not hounsfield:
        image = image * np.exp(_field(rng, (70, 160), rng.uniform(0, 0.35)))
    thick = np.ones(3)
    if rng.random() < 0.55:
        thick[rng.integers(3)] = rng.uniform(2, 7) / boundary.SPACING
    else:
        thick[:] = rng.uniform(0.5, 2) if rng.random() < 0.3 else 1
    image = ndimage.gaussian_filter(
        image, np.where(thick > 1, 0.35 * thick, rng.uniform(0.2, 0.5))
    )
    level = rng.uniform(0, 0.08)
    noise = level * (130 if hounsfield else 1)
    if thick.max() > 1.2:
        axis = int(thick.argmax())
        size = image.shape[axis]
        where = np.arange(rng.uniform(0, 1), size - 1, thick[axis])
        planes = np.moveaxis(image, axis, 0)[np.rint(where).astype(int)]
        planes = _noisy(rng, planes, noise, hounsfield=hounsfield)
        at = np.clip((np.arange(size) - where[0]) / thick[axis], 0, len(where) - 1)
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, len(where) - 1)
        part = (at - low)[:, None, None]
        if rng.random() < 0.3:
            part = np.rint(part)
        image = np.moveaxis(planes[low] * (1 - part) + planes[high] * part, 0, axis)
        return np.ascontiguousarray(image, np.float32)
    return _noisy(rng, image, noise, hounsfield=hounsfield)


def _noisy(
    rng: np.random.Generator, image: FloatArray, level: float, *, hounsfield: bool
) -> FloatArray:
    noise = level * rng.normal(size=image.shape).astype(np.float32)
    if hounsfield:
        return np.asarray(image + noise, np.float32)
    other = level * rng.normal(size=image.shape).astype(np.float32)
    return np.asarray(np.hypot(image + noise, other), np.float32)


def _cut(rng: np.random.Generator, image: FloatArray) -> None:
    """Leave a part out of the field of view."""
    for axis in range(3):
        for end in range(2):
            chance, most = (0.2, 0.35) if axis == 2 else (0.07, 0.12)
            if rng.random() < chance:
                count = int(rng.uniform(0, most) * image.shape[axis])
                part = np.moveaxis(image, axis, 0)
                part[slice(0, count) if end == 0 else slice(len(part) - count, None)] = 0
