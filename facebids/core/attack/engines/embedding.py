# SPDX-License-Identifier: Apache-2.0
"""The engine for pictures: dlib's face embedding, fused over views.

What a stranger has at hand, and the only engine that can search photographs. Templates keep every
view; the score is the sum of scores over all pairs of views, as Schwarz et al. (2019, N. Engl.
J. Med. 381:1684) sum confidences.
"""

from functools import cache

import numpy as np

from facebids.core.attack import recognition
from facebids.core.attack.recognition import RANDOM

NAME = 'dlib'
# 52 adults of public scans, T1w: minus the mean squared distance between views of two people
STRANGERS = (-0.40, 0.06)
WEIGHT = 0.25


def enrol(head):
    """Return what every view of a head shows.

    Parameters
    ----------
    head : attack.Head

    Returns
    -------
    dict
        ``embeddings``: shape (V, 128), NaN where no face was found; of a defaced head, where none
        was found, what stands at the original's place. ``found``: bool, shape (V,). ``names`` of
        the views, shape (V,).
    """
    found = head.recognition
    embeddings = found.embeddings
    if head.at_known_place is not None:
        embeddings = np.where(found.found[:, None], embeddings, head.at_known_place)
    return {'embeddings': embeddings, 'found': found.found, 'names': found.names}


def enrol_photograph(picture):
    """Return the template of the face in a picture, one view, or None without one.

    Parameters
    ----------
    picture : ndarray of uint8, shape (H, W, 3)
        RGB.
    """
    found = recognition.recognise([picture], [f'{RANDOM}photograph'])
    if not found.found.any():
        return None
    return {'embeddings': found.embeddings, 'found': found.found, 'names': found.names}


def score(probes, gallery):
    """Minus the mean squared distance over all pairs of random views.

    As |a-b|^2 = |a|^2 + |b|^2 - 2 ab, its mean over pairs follows from each side's mean embedding
    and mean squared norm: a template of any number of views is searched as 129 numbers.

    Parameters
    ----------
    probes, gallery : list of dict
        Templates.

    Returns
    -------
    ndarray, shape (P, G)
        NaN where no face was found on one side.
    """
    mean, square = summarise(probes)
    gallery_mean, gallery_square = summarise(gallery)
    return (2 * mean) @ gallery_mean.T - square[:, None] - gallery_square


def summarise(templates):
    """Mean embedding and mean squared norm of the random views with a face.

    Parameters
    ----------
    templates : list of dict

    Returns
    -------
    mean : ndarray, shape (N, 128)
    square : ndarray, shape (N,)
        Both NaN where no face was found.
    """
    mean = np.full((len(templates), 128), np.nan, np.float32)
    square = np.full(len(templates), np.nan, np.float32)
    for row, template in enumerate(templates):
        random = _random(tuple(template['names'].tolist()))
        views = template['embeddings'][random & ~np.isnan(template['embeddings'][:, 0])]
        if len(views):
            mean[row] = views.mean(0)
            square[row] = np.vdot(views, views) / len(views)
    return mean, square


@cache
def _random(names):
    return recognition.is_random(names)
