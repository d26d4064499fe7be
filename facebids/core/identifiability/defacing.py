# SPDX-License-Identifier: Apache-2.0
"""Identifiability metrics of one image: definitions, formulas and their sources.

Embeddings are compared by Euclidean distance, the measure dlib's model was trained for: it calls
two faces the same person's below 0.6 (99.38 % accuracy on photographs, Labeled Faces in the
Wild; King, dlib's face recognition example). Renders are not photographs, so every distance after
defacing is reported together with the distance between views of the original.
"""

import numpy as np

from facebids.core.arrays import BoolArray, FloatArray
from facebids.core.attack.recognition import Recognition


def compare(
    before: Recognition, after: Recognition, at_known_place: FloatArray, random: BoolArray
) -> dict[str, object]:
    """Compare the attack on the original with that on the defaced image.

    Parameters
    ----------
    before, after : Recognition
        The same V views of the original and of the defaced head.
    at_known_place : ndarray, shape (V, 128)
        Embeddings of the defaced renders at the boxes of the original's faces (`embed_at`).
    random : ndarray of bool, shape (V,)
        Which views are the random ones (Schwarz et al., 2019, N. Engl. J. Med. 381:1684); the
        others are named (Steeg et al., 2024, eClinicalMedicine 78:102930).

    Returns
    -------
    dict
        Values for JSON, None where undefined. `views`; `faces_before`, `faces_after`: number of
        random views in which a face was found; `faces_certain_before`, `faces_certain_after`:
        number of those of which the detector was certain; `distance_within_before`: mean distance
        between embeddings of different random views of the original; `distance_before_after` and
        `distance_before_after_min`: mean and least distance between any face found before and
        any found after, in all views; `distance_at_known_place`: mean distance between matching
        views where the face was before; `named`: for each named view whether a face was found.
    """
    original = before.embeddings[before.found & random]
    across = _distances(before.embeddings[before.found], after.embeddings[after.found])
    matched = np.linalg.norm(before.embeddings - at_known_place, axis=1)[before.found & random]
    within = _distances(original, original)[np.triu_indices(len(original), 1)]
    return {
        'views': int(random.sum()),
        'faces_before': int((before.found & random).sum()),
        'faces_after': int((after.found & random).sum()),
        'faces_certain_before': _certain(before, random),
        'faces_certain_after': _certain(after, random),
        'distance_within_before': _mean(within),
        'distance_before_after': _mean(across),
        'distance_before_after_min': float(across.min()) if across.size else None,
        'distance_at_known_place': _mean(matched),
        'named': {
            str(name): {'before': bool(before.found[view]), 'after': bool(after.found[view])}
            for view, name in enumerate(before.names)
            if not random[view]
        },
    }


def _certain(seen: Recognition, random: BoolArray) -> int:
    return int((seen.certain & random).sum())


def _distances(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the Euclidean distance of every row of `a` to every row of `b`, shape (A, B)."""
    return np.linalg.norm(a[:, None] - b[None], axis=2)


def _mean(values: FloatArray) -> float | None:
    return float(values.mean()) if values.size else None
