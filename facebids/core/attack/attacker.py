# SPDX-License-Identifier: Apache-2.0
"""The attack on one image, from its volumes to the numbers and face templates that are kept."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facebids.core import images
from facebids.core.alignment.result import Motion
from facebids.core.arrays import AnyArray, FloatArray
from facebids.core.attack import engines
from facebids.core.attack.engines import FaceTemplate
from facebids.core.attack.head import Head, KnownFace, empty_head, view_head
from facebids.core.attack.recognition import Recognition
from facebids.core.images import Volume
from facebids.errors import NotAHeadError

MOVED = 3  # volumes in which the head moved farthest that are attacked


@dataclass(frozen=True)
class AttackResult:
    """What the attack on an image yields.

    Parameters
    ----------
    pictures : ndarray of uint8, shape (V, S, S, 3)
        Renders, RGB: random views, then named views.
    pose : ndarray, shape (4, 4)
        Rigid, scanner RAS mm to face frame (`depth`).
    volumes : int
        Number of volumes that were attacked. The result is that of the clearest one.
    recognition : Recognition
        The faces detected in the renders.
    face_templates : dict of FaceTemplate
        By the name of the engine.
    at_known_place : ndarray, shape (V, 128), or None
        Of a defaced image: embeddings of the boxes in which the original showed a face.
    """

    pictures: NDArray[np.uint8]
    pose: FloatArray
    volumes: int
    recognition: Recognition
    face_templates: dict[str, FaceTemplate]
    at_known_place: FloatArray | None = None

    def to_arrays(self) -> dict[str, AnyArray]:
        """Return the arrays by name, to be saved."""
        arrays = {
            'pictures': self.pictures,
            'pose': self.pose,
            'volumes': np.array(self.volumes),
            **self.recognition.to_arrays(),
            **engines.pack(self.face_templates),
        }
        if self.at_known_place is not None:
            arrays['at_known_place'] = self.at_known_place
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> 'AttackResult':
        """Restore from the arrays of `to_arrays`."""
        return cls(
            pictures=arrays['pictures'],
            pose=arrays['pose'],
            volumes=int(arrays['volumes']),
            recognition=Recognition.from_arrays(arrays),
            face_templates=engines.unpack(arrays),
            at_known_place=arrays.get('at_known_place'),
        )


def read_volumes(
    path: str | Path, motion: Motion | None = None, *, hounsfield: bool
) -> list[Volume]:
    """Read the volumes of an image to attack.

    These are the mean, which has the least noise; of a series also the volume with the strongest
    signal, because skin may be bright in one and saturated in the others, and those in which the
    head lies farthest from where it is in the mean, whose faces the mask may miss.

    Parameters
    ----------
    path : str or Path
        Image of three or four dimensions.
    motion : Motion, optional
        Where the head lies in single volumes.
    hounsfield : bool
        Whether intensities are Hounsfield units.

    Returns
    -------
    list of Volume
        The affines of volumes in which the head moved are those of the mean: an alignment of the
        mean holds for all of them.
    """
    mean = images.read_volume(path, hounsfield=hounsfield)
    return [mean, *read_singles(path, motion, hounsfield=hounsfield)]


def read_singles(
    path: str | Path, motion: Motion | None = None, *, hounsfield: bool
) -> Iterator[Volume]:
    """Yield the single volumes of a series that are attacked beside its mean.

    Parameters and volumes are those of `read_volumes`. An image of three dimensions has none.
    Nothing is read before the first one is asked for.
    """
    if images.volume_count(path) == 1:
        return
    moves = {move.volume: move for move in (motion.moves if motion else ())}
    farthest = sorted(moves, key=lambda number: -moves[number].largest_mm)[:MOVED]
    chosen = dict.fromkeys([images.strongest_volume(path), *farthest])
    singles = images.read_chosen(path, chosen, hounsfield=hounsfield)
    for number in chosen:
        volume = singles[number]
        if number in moves:
            back = np.linalg.inv(moves[number].rigid)
            volume = replace(volume, affine=back @ volume.affine)
        yield volume


def attack(
    volumes: Sequence[Volume],
    affine: FloatArray,
    seed: int,
    original: AttackResult | None = None,
    *,
    relied_on: bool,
) -> AttackResult:
    """Attack an image, and enrol the head with every engine.

    Parameters
    ----------
    volumes : sequence of Volume
        At least one, of the same image.
    affine : ndarray, shape (4, 4)
        Atlas RAS mm to scanner RAS mm.
    seed : int
        Random seed of the views.
    original : AttackResult, optional
        The attack on the image before defacing, whose pose and boxes the attacker knows.
    relied_on : bool
        Whether the alignment rests on another image, so that the head need not show in this one.
        The pictures of a volume without a head are empty then.

    Raises
    ------
    NotAHeadError
        If the foreground does not have the size of a head, and the alignment rests on it.
    """
    known = KnownFace(original.pose, original.recognition.boxes) if original else None

    def view(volume: Volume) -> Head:
        try:
            return view_head(volume, affine, seed, known)
        except NotAHeadError:
            if not relied_on:
                raise
            return empty_head(affine, seed, known)

    heads = [view(volume) for volume in volumes]
    head = clearest(heads, original.recognition.embeddings if original else None)
    return AttackResult(
        pictures=head.pictures,
        pose=head.pose,
        volumes=len(heads),
        recognition=head.recognition,
        face_templates=engines.enrol(head),
        at_known_place=head.at_known_place,
    )


def clearest(heads: Sequence[Head], originals: FloatArray | None = None) -> Head:
    """Return the volume of a head that shows the face most clearly to the attack.

    Parameters
    ----------
    heads : sequence of Head
        One for each volume of the same image, at least one.
    originals : ndarray, shape (V, 128), optional
        Embeddings of the original, if the head is defaced. Among volumes with equally many faces,
        the one whose embeddings at the known place are nearest to them is returned.
    """

    def clarity(head: Head) -> tuple[int, int, float]:
        near = 0.0
        if originals is not None and head.at_known_place is not None:
            distance = np.linalg.norm(head.at_known_place - originals, axis=1)
            near = -float(np.nanmean(distance)) if np.isfinite(distance).any() else 0.0
        return int(head.recognition.certain.sum()), int(head.recognition.found.sum()), near

    return max(heads, key=clarity)
