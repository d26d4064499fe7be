# SPDX-License-Identifier: Apache-2.0
"""From the attacks on an image and on its defaced copy to the numbers of its record.

Embeddings are compared by Euclidean distance, for which the model of dlib was trained: below 0.6
it calls two faces the same person (99.38 % accuracy on photographs of Labeled Faces in the Wild;
King, face recognition example of dlib). Renders are not photographs, so every distance after
defacing is reported beside the distance among views of the original.
"""

import numpy as np

from facebids.core.arrays import BoolArray, FloatArray
from facebids.core.attack import engines
from facebids.core.attack.attacker import AttackResult
from facebids.core.attack.engines import geometry
from facebids.core.attack.recognition import Recognition
from facebids.core.record import FaceSeen, Identifiability


def compare(before: AttackResult, after: AttackResult, seed: int) -> Identifiability:
    """Compare the attack on the source image with the attack on the defaced image.

    Parameters
    ----------
    before, after
        The attacks, in the same views; the second with knowledge of the first.
    seed
        Random seed of the views.

    Raises
    ------
    ValueError
        If the second attack did not know the first.
    """
    if after.at_known_place is None:
        raise ValueError('The attack on a defaced image needs the attack on its original.')
    shapes = [attack.face_templates['geometry'] for attack in (before, after)]
    agreement = engines.score('geometry', shapes[:1], shapes[1:])[0, 0]
    return compare_views(
        before.recognition,
        after.recognition,
        after.at_known_place,
        before.recognition.random,
        agreement=None if np.isnan(agreement) else float(agreement),
        shape_in_view=geometry.share_in_view(shapes[0]),
        seed=seed,
        volumes=before.volumes,
    )


def compare_views(
    before: Recognition,
    after: Recognition,
    at_known_place: FloatArray,
    random: BoolArray,
    *,
    agreement: float | None,
    shape_in_view: float,
    seed: int,
    volumes: int,
) -> Identifiability:
    """Compare what was recognised in the views of the source and of the defaced image.

    Parameters
    ----------
    before, after
        The same V views of the source and of the defaced image.
    at_known_place : shape (V, 128)
        Embeddings of the defaced renders where the faces of the source were.
    random : shape (V,)
        Which views are random (Schwarz et al., 2019, N. Engl. J. Med. 381:1684); the others are
        named (Steeg et al., 2024, eClinicalMedicine 78:102930).
    agreement, shape_in_view, seed, volumes
        As of :class:`facebids.core.record.Identifiability`.
    """
    original = before.embeddings[before.found & random]
    across = _distances(before.embeddings[before.found], after.embeddings[after.found])
    matched = np.linalg.norm(before.embeddings - at_known_place, axis=1)[before.found & random]
    within = _distances(original, original)[np.triu_indices(len(original), 1)]
    return Identifiability(
        views=int(random.sum()),
        faces_before=int((before.found & random).sum()),
        faces_after=int((after.found & random).sum()),
        faces_certain_before=int((before.certain & random).sum()),
        faces_certain_after=int((after.certain & random).sum()),
        distance_within_before=_mean(within),
        distance_before_after=_mean(across),
        distance_before_after_min=float(across.min()) if across.size else None,
        distance_at_known_place=_mean(matched),
        agreement_before_after=agreement,
        shape_in_view_before=shape_in_view,
        seed=seed,
        volumes=volumes,
        named={
            str(name): FaceSeen(bool(before.found[view]), bool(after.found[view]))
            for view, name in enumerate(before.names)
            if not random[view]
        },
    )


def _distances(a: FloatArray, b: FloatArray) -> FloatArray:
    """Euclidean distance of every row of `a` to every row of `b`, shape (A, B)."""
    return np.asarray(np.linalg.norm(a[:, None] - b[None], axis=2))


def _mean(values: FloatArray) -> float | None:
    return float(values.mean()) if values.size else None
