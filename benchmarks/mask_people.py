# SPDX-License-Identifier: Apache-2.0
"""Videos of people who do not exist, whose movements are known, for `mask.py`.

A person is an identity of the head atlas with a head size, skin, hair, lips, brows and eyes of its
own, its own opening of the lids, and a resting face that is a little uneven. A recording has its
own light, wall, camera position and movements. Run it to look at one:

    python benchmarks/mask_people.py OUT.mp4|OUT.png [--number N] [--disorder NAME] [--seconds S]
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from skimage.io import imsave

from facebids.core.atlas import Identity, draw_identity
from facebids.mask.basis import EYE, OPENING_MM, Head, build_head, lids
from facebids.mask.paint import Look
from facebids.mask.parameters import EXPRESSIONS, Frame
from facebids.mask.picture import SIDES, Painter
from facebids.mask.video import encode

SIZE = (480, 360)  # pixels
RATE = 25.0  # pictures a second
DISORDERS = ('healthy', 'ptosis', 'strabismus', 'palsy', 'nystagmus')
TONES = ((236, 197, 174), (214, 172, 148), (190, 142, 112), (146, 101, 76), (98, 66, 50))
HAIR = ((38, 28, 24), (70, 48, 36), (110, 82, 58), (150, 120, 84), (150, 146, 142))
IRISES = ((70, 46, 30), (96, 66, 40), (104, 96, 66), (88, 110, 96), (96, 122, 146))
GRAIN = 3.0  # standard deviation of the noise of the sensor, of 255
SIDED = tuple(sorted({name.rsplit('_', 1)[0] for name in EXPRESSIONS if name.endswith('_left')}))


@dataclass(frozen=True)
class Person:
    """A fictitious person.

    Parameters
    ----------
    identity : Identity
    scale : float
        Size of the head, relative to the atlas.
    look : Look
        Colours.
    opening : float
        Of the lids, relative to the generic face.
    resting : dict
        Coefficients of the resting face.
    disorder : str
        One of `DISORDERS`.
    side : str
        Side of the disorder, if it has one.
    severity : float
        Ptosis: share of the opening left. Strabismus: degrees. Palsy: share of movement left.
        Nystagmus: half of the distance between both ends, degrees.
    hertz : float
        Frequency of the nystagmus.
    """

    identity: Identity
    scale: float
    look: Look
    opening: float
    resting: dict
    disorder: str = 'healthy'
    side: str = 'left'
    severity: float = 0.0
    hertz: float = 0.0


@dataclass(frozen=True)
class Truth:
    """What is known of a recording.

    Parameters
    ----------
    frames : tuple of Frame
        True parameters; `lid_*_mm` in mm at true size.
    blinks : tuple of 2 floats each
        Start and end, s.
    """

    frames: tuple
    blinks: tuple


def draw_person(number: int, disorder: str = 'healthy') -> Person:
    """Draw a person; the same number gives the same face, whatever the disorder."""
    rng = np.random.default_rng([number, 15])
    tone = int(rng.integers(len(TONES)))
    skin = np.clip(np.array(TONES[tone]) + rng.normal(0, 6, 3), 20, 250)
    hair = HAIR[rng.integers(2 if tone > 2 else len(HAIR))]
    iris = IRISES[rng.integers(2 if tone > 2 else len(IRISES))]
    look = Look(
        skin=tuple(int(v) for v in skin),
        lips=tuple(int(v) for v in skin * (0.85, 0.62, 0.66) * rng.uniform(0.9, 1.1)),
        brow=hair,
        iris=iris,
        hair=hair,
        hairline=float(rng.uniform(38, 62)) if rng.random() < 0.9 else None,
        brow_thickness=float(rng.uniform(5, 9)),
    )
    identity, scale = draw_identity(rng), 0.88 + 0.03 * rng.normal()
    resting = {
        f'{name}_{side}': float(abs(rng.normal(0, 0.06))) for name in SIDED for side in SIDES
    }
    opening = float(np.clip(rng.normal(0.98, 0.08), 0.8, 1.15))
    ill = np.random.default_rng([number, 16])
    side = SIDES[ill.integers(2)]
    severity = {
        'healthy': 0.0,
        'ptosis': ill.uniform(0.4, 0.7),
        'strabismus': ill.uniform(8, 20) * ill.choice([-1, 1]),
        'palsy': ill.uniform(0.0, 0.25),
        'nystagmus': ill.uniform(2.5, 8),
    }[disorder]
    return Person(
        identity, scale, look, opening, resting, disorder, side, float(severity),
        float(ill.uniform(1.5, 5)) if disorder == 'nystagmus' else 0.0,
    )  # fmt: skip


def move(person: Person, rng: np.random.Generator, seconds: float, rate: float = RATE) -> Truth:
    """Draw the movements of a recording."""
    times = np.arange(round(seconds * rate)) / rate
    still = times * 0
    values = {name: still + person.resting.get(name, 0.0) for name in EXPRESSIONS}
    _express(values, times, rng)
    for name, size in (('yaw_deg', 12), ('pitch_deg', 8), ('roll_deg', 6)):
        values[name] = _drift(times, rng, size)
    horizontal, vertical = _gaze(times, rng, 8), _gaze(times, rng, 5)
    if person.disorder == 'nystagmus':
        phase = 2 * np.pi * (person.hertz * times + rng.random())
        horizontal = 0.3 * horizontal + person.severity * np.sin(phase)
    blinks = tuple(_blinks(times, rng))
    shut = np.max([_blink(times, *blink) for blink in blinks] or [still], axis=0)
    for side in SIDES:
        ill = side == person.side
        squint = person.severity if ill and person.disorder == 'strabismus' else 0.0
        values[f'gaze_{side}_horizontal_deg'] = horizontal + squint
        values[f'gaze_{side}_vertical_deg'] = vertical
        opening = person.opening * (
            person.severity if ill and person.disorder == 'ptosis' else 1.0
        )
        palsy = ill and person.disorder == 'palsy'
        if palsy:
            for name in SIDED:
                values[f'{name}_{side}'] = values[f'{name}_{side}'] * person.severity
            values[f'frown_{side}'] = values[f'frown_{side}'] + 0.35
            values[f'brow_down_{side}'] = values[f'brow_down_{side}'] + 0.35
        closing = shut * (0.5 if palsy else 1.0)
        # the upper lid follows the eye
        values[f'lid_{side}'] = opening * (1 - closing) * (1 + 0.012 * vertical)
    frames = tuple(
        Frame(float(time), confidence=1.0, **{n: float(v[i]) for n, v in values.items()})
        for i, time in enumerate(times)
    )
    return Truth(frames, blinks)


def film(
    person: Person, truth: Truth, rng: np.random.Generator, size: tuple[int, int] = SIZE
) -> tuple[Truth, Iterator[np.ndarray]]:
    """Return the truth with lid openings in mm, and the pictures of a recording, RGB."""
    look = replace(
        person.look,
        wall=tuple(int(v) for v in rng.uniform(60, 230, 3)),
        light=(float(rng.uniform(-40, 40)), float(rng.uniform(0, 45))),
        contrast=float(rng.uniform(0.3, 0.6)),
    )
    head = _head(person.identity, person.scale)
    grain = rng.normal(0, GRAIN, (size[1], size[0], 3)).astype(np.float32)
    painter = Painter(head, look, size)
    place = np.array([rng.normal(0, 8), rng.normal(0, 30), rng.normal(0, 8)])
    times = np.array([frame.time_s for frame in truth.frames])
    wander = np.stack([_drift(times, rng, 4) for _ in range(3)], 1)
    known = tuple(
        replace(frame, **{f'lid_{s}_mm': OPENING_MM * getattr(frame, f'lid_{s}') for s in SIDES})
        for frame in truth.frames
    )
    wide = {side: OPENING_MM / aperture_mm(head, side) for side in SIDES}

    def pictures() -> Iterator[np.ndarray]:
        for frame, shift in zip(known, place + wander, strict=True):
            lids = {f'lid_{s}': wide[s] * getattr(frame, f'lid_{s}') for s in SIDES}
            picture = painter.picture(
                replace(frame, **lids), tuple(float(v) for v in shift)
            ).astype(np.float32)
            picture += np.roll(grain, rng.integers(size[0]), axis=1)
            yield picture.round().clip(0, 255).astype(np.uint8)

    return replace(truth, frames=known), pictures()


@lru_cache(maxsize=1)
def _head(identity: Identity, scale: float) -> Head:
    return build_head(identity, scale)


def aperture_mm(head: Head, side: str) -> float:
    """Return the distance between the lids of a head at an opening of 1."""
    _, upper, lower = lids(np.array([EYE[0]]), 1.0)
    x = EYE[0] if side == 'right' else -EYE[0]
    corners, weights = head.locate(np.array([[x, upper[0]], [x, lower[0]]], np.float32))
    points = (head.vertices[corners] * weights[..., None]).sum(1)
    return float(np.linalg.norm(points[0] - points[1]))


def _express(values: dict, times: np.ndarray, rng: np.random.Generator) -> None:
    """Add expressions, of both sides alike, to coefficients."""
    for _ in range(max(2, round(times[-1]))):
        name = rng.choice([*SIDED, 'jaw_open', 'pucker'])
        start, length = rng.uniform(0, times[-1]), rng.uniform(0.6, 1.5)
        t = np.clip((times - start) / length, 0, 1)
        course = np.sin(np.pi * t) ** 2
        if name in SIDED:
            peak = rng.uniform(0.3, 0.9)
            for side in SIDES:
                values[f'{name}_{side}'] = values[f'{name}_{side}'] + peak * course
        else:
            values[name] = values[name] + rng.uniform(0.15, 0.45) * course
    # everybody smiles and raises the brows once, as a clinician asks
    for name, at in (('smile', 0.3), ('brow_up', 0.7)):
        t = np.clip((times - at * times[-1]) / 1.0 + 0.5, 0, 1)
        for side in SIDES:
            values[f'{name}_{side}'] = np.clip(
                values[f'{name}_{side}'] + 0.7 * np.sin(np.pi * t) ** 2, 0, 1
            )


def _drift(times: np.ndarray, rng: np.random.Generator, size: float) -> np.ndarray:
    """Return slow movements of up to `size`."""
    waves = [np.sin(2 * np.pi * (rng.uniform(0.05, 0.4) * times + rng.random())) for _ in range(3)]
    return size * np.mean(waves, axis=0) + rng.normal(0, size / 3)


def _gaze(times: np.ndarray, rng: np.random.Generator, size: float) -> np.ndarray:
    """Return fixations with quick movements between them, degrees."""
    ends = np.cumsum(rng.uniform(0.4, 1.2, int(times[-1] / 0.4) + 2))
    targets = np.clip(rng.normal(0, size, len(ends) + 1), -2 * size, 2 * size)
    return targets[np.searchsorted(ends, times)]


def _blinks(times: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    at = rng.uniform(0.3, 1.5)
    while at < times[-1] - 0.4:
        length = rng.uniform(0.15, 0.3)
        yield float(at), float(at + length)
        at += length + rng.uniform(1.0, 3.0)


def _blink(times: np.ndarray, start: float, end: float) -> np.ndarray:
    """Return how far a blink closes the lids: a third of its time each to close, stay and open."""
    t = (times - start) / (end - start)
    return np.clip(np.minimum(3 * t, 3 * (1 - t)), 0, 1)


def main() -> None:
    """Write a video of a person, or a sheet of pictures."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument('output', type=Path, help='*.mp4 or *.png')
    parser.add_argument('--number', type=int, default=0, help='which person')
    parser.add_argument('--disorder', choices=DISORDERS, default='healthy')
    parser.add_argument('--seconds', type=float, default=4.0)
    options = parser.parse_args()
    person, rng = draw_person(options.number, options.disorder), np.random.default_rng([1, 18])
    truth, pictures = film(person, move(person, rng, options.seconds), rng)
    if options.output.suffix == '.mp4':
        encode(options.output, [frame.time_s for frame in truth.frames], pictures, SIZE)
        return
    chosen = [picture for index, picture in enumerate(pictures) if index % 17 == 0][:6]
    imsave(options.output, np.concatenate([np.concatenate(chosen[i : i + 3], 1) for i in (0, 3)]))


if __name__ == '__main__':
    main()
