# SPDX-License-Identifier: Apache-2.0
"""The engine for pictures: dlib's face embedding, fused over views.

It is freely available to any attacker, and the only engine that compares scans with photographs.
A face template keeps every view. The score is the mean over all pairs of views, just as Schwarz et
al. (2019, N. Engl. J. Med. 381:1684) sum confidences.
"""

from collections.abc import Sequence
from functools import cache
from typing import TypeAlias

import numpy as np

from facebids.core.arrays import BoolArray, FloatArray, Picture
from facebids.core.attack import recognition
from facebids.core.attack.engines._protocol import FaceTemplate, FaceTemplates
from facebids.core.attack.head import Head
from facebids.core.attack.recognition import RANDOM

NAME = 'dlib'
# 52 adults of public scans, T1w: minus the mean squared distance between views of impostor pairs.
IMPOSTOR_SCORES = (-0.40, 0.06)
WEIGHT = 0.25
Stack: TypeAlias = tuple[FloatArray, FloatArray]


def enrol(head: Head) -> FaceTemplate:
    """Enrol the views of a head.

    Returns
    -------
    dict
        ``embeddings``: shape (V, 128), NaN without a face. A defaced head has the embedding of the
        box of its original in views without a face. ``found``: bool, shape (V,), whether a face
        was detected. ``names`` of the views, shape (V,).
    """
    found = head.recognition
    embeddings = found.embeddings
    if head.at_known_place is not None:
        embeddings = np.where(found.found[:, None], embeddings, head.at_known_place)
    return {'embeddings': embeddings, 'found': found.found, 'names': found.names}


def enrol_photograph(picture: Picture) -> FaceTemplate | None:
    """Enrol the face in a photograph as one view, None without a face.

    Parameters
    ----------
    picture : ndarray of uint8, shape (H, W, 3)
        RGB.
    """
    found = recognition.recognise([picture], [f'{RANDOM}photograph'])
    if not found.found.any():
        return None
    return {'embeddings': found.embeddings, 'found': found.found, 'names': found.names}


def score(probes: FaceTemplates, gallery: FaceTemplates) -> FloatArray:
    """Return minus the mean squared distance over all pairs of random views.

    Because |a-b|^2 = |a|^2 + |b|^2 - 2 ab, the mean over pairs follows from the mean embedding and
    the mean squared norm of each side. A face template of any number of views is therefore
    compared as 129 numbers.

    Parameters
    ----------
    probes, gallery : sequence of FaceTemplate

    Returns
    -------
    ndarray, shape (P, G)
        NaN where one side has no embedding.
    """
    return compare(stack(probes), stack(gallery))


def compare(probes: Stack, gallery: Stack) -> FloatArray:
    """Return the scores of stacked face templates, shape (P, G)."""
    scores = (2 * probes[0]) @ gallery[0].T
    scores -= probes[1][:, None]
    scores -= gallery[1]
    return scores


def condense(template: FaceTemplate) -> FaceTemplate:
    """Return a face template of 129 numbers with the same scores.

    ``found`` holds the random views alone, shape (R,).
    """
    if 'mean' in template:
        return template
    mean, square = stack([template])
    names = tuple(template['names'].tolist())
    found = template.get('found', ~np.isnan(template['embeddings'][:, 0]))
    return {
        'mean': mean[0],
        'square': square[0],
        'found': found[_random(names)],
    }


def stack(templates: Sequence[FaceTemplate | None]) -> Stack:
    """Return the mean embedding and the mean squared norm over the random views.

    Parameters
    ----------
    templates : sequence of FaceTemplate or None, length N
        Condensed or not.

    Returns
    -------
    mean : ndarray, shape (N, 128)
    square : ndarray, shape (N,)
        Both NaN without an embedding.
    """
    mean = np.full((len(templates), 128), np.nan, np.float32)
    square = np.full(len(templates), np.nan, np.float32)
    for row, template in enumerate(templates):
        if template is None:
            continue
        if 'mean' in template:
            mean[row], square[row] = template['mean'], template['square']
            continue
        random = _random(tuple(template['names'].tolist()))
        views = template['embeddings'][random & ~np.isnan(template['embeddings'][:, 0])]
        if len(views):
            mean[row] = views.mean(0)
            square[row] = np.vdot(views, views) / len(views)
    return mean, square


@cache
def _random(names: tuple[str, ...]) -> BoolArray:
    return recognition.is_random(names)
