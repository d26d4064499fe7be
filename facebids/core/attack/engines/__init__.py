# SPDX-License-Identifier: Apache-2.0
"""Recognition engines: what is stored of a head or a photograph, and how alike two are.

Each module of this package is an engine and is found by being here. It has

- `NAME`, as used in files and tables;
- `enrol(head)`: the template of an `attack.Head`, a dict of arrays of fixed shapes;
- `score(probes, gallery)`: two lists of templates to similarities, shape (P, G), higher where
  more alike, NaN where the two cannot be compared;
- `STRANGERS`: mean and standard deviation of the score of two different people, and `WEIGHT`:
  what the engine counts for in the fused score;
- `enrol_photograph(picture)`, if it can: the template of a picture, or None without a face;
- `search(probes, gallery, count)`, if it knows a faster way through large galleries than `score`.
"""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

import numpy as np

FUSED = 'fused'
BLOCK_PAIRS = 8_000_000  # scores held in memory at a time by `search`


@cache
def engines():
    """Return all engines by name."""
    modules = (import_module(f'{__name__}.{item.name}') for item in iter_modules(__path__))
    return {module.NAME: module for module in modules}


def enrol(head):
    """Return the templates of a head.

    Parameters
    ----------
    head : attack.Head

    Returns
    -------
    dict of dict of ndarray
        By the engine's name.
    """
    return {name: engine.enrol(head) for name, engine in engines().items()}


def enrol_photograph(picture):
    """Return the templates of a photograph from the engines that can read one.

    Parameters
    ----------
    picture : ndarray of uint8, shape (H, W, 3)
        RGB.

    Returns
    -------
    dict of dict of ndarray
        By the engine's name; empty where no face is found.
    """
    templates = {
        name: engine.enrol_photograph(picture)
        for name, engine in engines().items()
        if hasattr(engine, 'enrol_photograph')
    }
    return {name: template for name, template in templates.items() if template is not None}


def score(name, probes, gallery):
    """Compare templates of one engine.

    Parameters
    ----------
    name : str
        Of the engine.
    probes, gallery : list of (dict of ndarray or None)
        None where the engine has no template.

    Returns
    -------
    ndarray, shape (P, G)
        Similarities; NaN where the two cannot be compared.
    """
    scores = np.full((len(probes), len(gallery)), np.nan)
    rows = [i for i, template in enumerate(probes) if template is not None]
    columns = [i for i, template in enumerate(gallery) if template is not None]
    if rows and columns:
        scores[np.ix_(rows, columns)] = engines()[name].score(
            [probes[i] for i in rows], [gallery[i] for i in columns]
        )
    return scores


def search(name, probes, gallery, count=20):
    """Find each probe's likeliest mates in a gallery too large for a matrix of all scores.

    Parameters
    ----------
    name : str
        Of the engine.
    probes, gallery : list of dict of ndarray
        Templates.
    count : int
        How many to find for each probe.

    Returns
    -------
    index : ndarray of int, shape (P, count)
        Gallery entries, best first.
    scores : ndarray, shape (P, count)
        Their similarities; NaN, last, where the two cannot be compared.
    """
    engine = engines()[name]
    count = min(count, len(gallery))
    if not probes or not gallery:
        return np.empty((len(probes), count), int), np.empty((len(probes), count))
    if hasattr(engine, 'search'):
        return engine.search(probes, gallery, count)
    index, scores = np.empty((len(probes), 0), int), np.empty((len(probes), 0))
    step = max(BLOCK_PAIRS // len(probes), count)
    for start in range(0, len(gallery), step):
        part = engine.score(probes, gallery[start : start + step])
        best = _largest(part, min(count, part.shape[1]))
        index = np.concatenate([index, best + start], axis=1)
        scores = np.concatenate([scores, np.take_along_axis(part, best, 1)], axis=1)
        best = _largest(scores, min(count, scores.shape[1]))
        index, scores = (np.take_along_axis(array, best, 1) for array in (index, scores))
    return index, scores


def _largest(scores, count):
    """Columns of the largest scores of each row, largest first, NaN last."""
    rank = np.nan_to_num(-scores, nan=np.inf)
    index = np.argpartition(rank, count - 1, axis=1)[:, :count]
    order = np.argsort(np.take_along_axis(rank, index, 1), axis=1, kind='stable')
    return np.take_along_axis(index, order, 1)


def fuse(scores):
    """Fuse the scores of several engines.

    Weighted sum of scores after Z-normalisation with the mean and standard deviation of
    different people (Jain, Nandakumar & Ross, 2005, Pattern Recognit. 38:2270). An engine that
    cannot compare a pair counts as one that found two strangers.

    Parameters
    ----------
    scores : dict of ndarray, shape (P, G)
        By the engine's name.

    Returns
    -------
    ndarray, shape (P, G)
        NaN where no engine can compare.
    """
    total = np.zeros_like(next(iter(scores.values())))
    known = np.zeros(total.shape, bool)
    for name, values in scores.items():
        engine = engines()[name]
        mean, deviation = engine.STRANGERS
        there = ~np.isnan(values)
        total += np.where(there, engine.WEIGHT * (values - mean) / deviation, 0)
        known |= there
    return np.where(known, total, np.nan)


def pack(templates):
    """Return the arrays of all templates under one name each, to be saved.

    Parameters
    ----------
    templates : dict of dict of ndarray
        From `enrol`.
    """
    return {
        f'{name}.{key}': array
        for name, template in templates.items()
        for key, array in template.items()
    }


def unpack(arrays):
    """Return templates from what `pack` gave, other arrays ignored."""
    templates = {}
    for key, array in arrays.items():
        name, dot, rest = key.partition('.')
        if dot and name in engines():
            templates.setdefault(name, {})[rest] = array
    return templates
