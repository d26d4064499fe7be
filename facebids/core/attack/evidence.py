# SPDX-License-Identifier: Apache-2.0
"""Compare the attacks on an image before and after defacing: the numbers of its record.

Embeddings are compared by Euclidean distance, for which the model of dlib was trained: below 0.6
it calls two faces the same person (99.38 % accuracy on photographs of Labeled Faces in the Wild;
King, face recognition example of dlib). Renders are not photographs, so every distance after
defacing is reported beside the distance among views of the original.
"""

import numpy as np

from facebids.core.arrays import FloatArray
from facebids.core.attack import engines, strength
from facebids.core.attack.attacker import AttackResult
from facebids.core.attack.decoys import Panel
from facebids.core.attack.engines import geometry
from facebids.core.attack.strength import Strength
from facebids.core.record import EngineScore, FaceSeen, Identifiability


def compare(
    before: AttackResult, after: AttackResult, panel: Panel | None, seed: int
) -> Identifiability:
    """Compare the attack on an image before defacing with the attack after it.

    Distances and counts refer to random views (Schwarz et al., 2019, N. Engl. J. Med. 381:1684),
    except for `distance_before_after`, which refers to all. Named views (Steeg et al., 2024,
    eClinicalMedicine 78:102930) are listed one by one.

    Parameters
    ----------
    before, after : AttackResult
        In the same views; the second with knowledge of the first.
    panel : Panel or None
        The original and its decoys; None where the head could not be told from the air.
    seed : int
        Random seed of the views.

    Raises
    ------
    ValueError
        If the second attack did not know the first.
    """
    if after.at_known_place is None:
        raise ValueError('The attack on a defaced image needs the attack on its original.')
    old, new, random = before.recognition, after.recognition, before.recognition.random
    original = old.embeddings[old.found & random]
    across = _distances(old.embeddings[old.found], new.embeddings[new.found])
    matched = np.linalg.norm(old.embeddings - after.at_known_place, axis=1)[old.found & random]
    within = _distances(original, original)[np.triu_indices(len(original), 1)]
    shapes = [attack.face_templates['geometry'] for attack in (before, after)]
    agreement = engines.score('geometry', shapes[:1], shapes[1:])[0, 0]
    shown, visible, likeness = Strength(), Strength(), None
    if panel is not None:
        shown = strength.measure(panel, after.face_templates)
        visible = strength.measure(panel, panel.rescan)
        likeness = strength.likeness(panel)
    return Identifiability(
        log10_lr=shown.log10_lr,
        log10_lr_low=shown.low,
        log10_lr_high=shown.high,
        log10_lr_before=visible.log10_lr,
        decoy_p=shown.p,
        face_likeness=likeness,
        views=int(random.sum()),
        faces_before=old.faces,
        faces_after=new.faces,
        faces_certain_before=old.certain_faces,
        faces_certain_after=new.certain_faces,
        distance_within_before=_mean(within),
        distance_before_after=_mean(across),
        distance_before_after_min=float(across.min()) if across.size else None,
        distance_at_known_place=_mean(matched),
        agreement_before_after=None if np.isnan(agreement) else float(agreement),
        shape_in_view_before=geometry.share_in_view(shapes[0]),
        seed=seed,
        volumes=before.volumes,
        named={
            str(name): FaceSeen(bool(old.found[view]), bool(new.found[view]))
            for view, name in enumerate(old.names)
            if not random[view]
        },
        engines={
            name: EngineScore(score, shown.scores.get(name))
            for name, score in visible.scores.items()
        },
    )


def _distances(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the Euclidean distance of each row of `a` to each row of `b`, shape (A, B)."""
    return np.asarray(np.linalg.norm(a[:, None] - b[None], axis=2))


def _mean(values: FloatArray) -> float | None:
    return float(values.mean()) if values.size else None
