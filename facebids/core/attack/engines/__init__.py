# SPDX-License-Identifier: Apache-2.0
"""Recognition engines: they enrol heads and photographs as face templates, and compare these.

Each module of this package is an engine (`Engine`), unless its name begins with an underscore. A
new engine needs no registration. Engines that also define `PhotographEngine`, `CondensingEngine`
or `SearchEngine` enrol photographs, compare large cohorts, or search large galleries faster.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import numpy as np

from facebids.core.arrays import AnyArray, FloatArray, IntArray, Picture
from facebids.core.attack.engines._protocol import (
    CondensingEngine,
    Engine,
    FaceTemplate,
    FaceTemplates,
    PhotographEngine,
    SearchEngine,
)
from facebids.core.attack.head import Head

__all__ = [
    'CondensingEngine',
    'Engine',
    'FaceTemplate',
    'FaceTemplates',
    'PhotographEngine',
    'SearchEngine',
]

BLOCK_PAIRS = 8_000_000  # scores in memory at a time in `search`


@cache
def engines() -> dict[str, Engine]:
    """Return all engines by name.

    Raises
    ------
    TypeError
        If a module of the package is no engine.
    """
    found: dict[str, Engine] = {}
    for item in iter_modules(__path__):
        if item.name.startswith('_'):
            continue
        module = import_module(f'{__name__}.{item.name}')
        if not isinstance(module, Engine):
            raise TypeError(f'{module.__name__} does not define all that an Engine has to.')
        found[module.NAME] = module
    return found


def enrol(head: Head) -> dict[str, FaceTemplate]:
    """Return the face templates of a head, by the name of the engine."""
    return {name: engine.enrol(head) for name, engine in engines().items()}


def enrol_photograph(picture: Picture) -> dict[str, FaceTemplate]:
    """Return the face templates of a photograph, by the name of the engine.

    Parameters
    ----------
    picture : ndarray of uint8, shape (H, W, 3)
        RGB.

    Returns
    -------
    dict of FaceTemplate
        Of the engines that enrol photographs and detect a face.
    """
    templates = {
        name: engine.enrol_photograph(picture)
        for name, engine in engines().items()
        if isinstance(engine, PhotographEngine)
    }
    return {name: template for name, template in templates.items() if template is not None}


def score(
    name: str, probes: Sequence[FaceTemplate | None], gallery: Sequence[FaceTemplate | None]
) -> FloatArray:
    """Compare the face templates of one engine.

    Parameters
    ----------
    name : str
        Name of the engine.
    probes, gallery : sequence of FaceTemplate or None
        P and G of them; None where the engine has no face template.

    Returns
    -------
    ndarray, shape (P, G)
        Similarities on the scale of the engine, higher for more alike: minus a squared distance
        of embeddings (dlib), or a share of the face in [0, 1] (geometry). NaN where two cannot be
        compared.
    """
    scores = np.full((len(probes), len(gallery)), np.nan)
    rows = [(i, template) for i, template in enumerate(probes) if template is not None]
    columns = [(i, template) for i, template in enumerate(gallery) if template is not None]
    if rows and columns:
        scores[np.ix_([i for i, _ in rows], [i for i, _ in columns])] = engines()[name].score(
            [template for _, template in rows], [template for _, template in columns]
        )
    return scores


def rows(
    name: str, probes: Sequence[FaceTemplate | None], gallery: Sequence[FaceTemplate | None]
) -> Callable[[slice], FloatArray]:
    """Return a function that computes rows of the scores, as of `score`.

    Parameters
    ----------
    name : str
        Name of the engine.
    probes, gallery : sequence of FaceTemplate or None
        P and G of them; None where the engine has no face template.

    Returns
    -------
    function
        Takes a slice of the probes, R of them, and returns their scores against the gallery: an
        ndarray, shape (R, G), on the scale of `score`.
    """
    if engine := condensing(name):
        compare, stacks = engine.compare, [engine.stack(side) for side in (probes, gallery)]
        return lambda part: compare(tuple(array[part] for array in stacks[0]), stacks[1])
    return lambda part: score(name, probes[part], gallery)


def condensing(name: str) -> CondensingEngine | None:
    """Return an engine if it compares all people of a large cohort, else None."""
    engine: Any = engines().get(name)
    return _condensing(engine)


@cache  # asking takes longer than reading a template
def _condensing(engine: Any) -> CondensingEngine | None:
    return engine if isinstance(engine, CondensingEngine) else None


def condense(templates: Mapping[str, FaceTemplate]) -> dict[str, FaceTemplate]:
    """Return what engines need to compare all people of a large cohort.

    Parameters
    ----------
    templates : dict of FaceTemplate
        By the name of the engine. Engines that cannot condense theirs are left out.
    """
    return {
        name: engine.condense(template)
        for name, template in templates.items()
        if (engine := condensing(name))
    }


def search(
    name: str, probes: FaceTemplates, gallery: FaceTemplates, count: int = 20
) -> tuple[IntArray, FloatArray]:
    """Search each probe in a gallery too large for a matrix of all scores.

    Parameters
    ----------
    name : str
        Name of the engine.
    probes, gallery : sequence of FaceTemplate
    count : int
        Length of the candidate list of each probe.

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
    if isinstance(engine, SearchEngine):
        return engine.search(probes, gallery, count)
    index, scores = np.empty((len(probes), 0), int), np.empty((len(probes), 0))
    step = max(BLOCK_PAIRS // len(probes), count)
    for start in range(0, len(gallery), step):
        part = engine.score(probes, gallery[start : start + step])
        best = _largest(part, min(count, part.shape[1]))
        index = np.concatenate([index, best + start], axis=1)
        scores = np.concatenate([scores, np.take_along_axis(part, best, 1)], axis=1)
        best = _largest(scores, min(count, scores.shape[1]))
        index = np.take_along_axis(index, best, 1)
        scores = np.take_along_axis(scores, best, 1)
    return index, scores


def _largest(scores: FloatArray, count: int) -> IntArray:
    """Return the columns of the largest scores of each row, largest first, NaN last."""
    rank = np.nan_to_num(-scores, nan=np.inf)
    index = np.argpartition(rank, count - 1, axis=1)[:, :count]
    order = np.argsort(np.take_along_axis(rank, index, 1), axis=1, kind='stable')
    return np.take_along_axis(index, order, 1)


def fuse(scores: Mapping[str, FloatArray]) -> FloatArray:
    """Fuse the scores of several engines.

    Weighted sum of scores after Z-normalisation with the mean and standard deviation of impostor
    scores (Jain, Nandakumar & Ross, 2005, Pattern Recognit. 38:2270). An engine that cannot
    compare a pair contributes the mean of impostor scores.

    Parameters
    ----------
    scores : dict of ndarray, shape (P, G)
        By the name of the engine, at least one.

    Returns
    -------
    ndarray, shape (P, G)
        NaN where no engine can compare.
    """
    total = np.zeros(next(iter(scores.values())).shape)
    known = np.zeros(total.shape, bool)
    for name, single in scores.items():
        values = np.asarray(single, float)
        engine = engines()[name]
        mean, deviation = engine.IMPOSTOR_SCORES
        there = ~np.isnan(values)
        total += np.where(there, engine.WEIGHT * (values - mean) / deviation, 0)
        known |= there
    return np.where(known, total, np.nan)


def pack(templates: Mapping[str, FaceTemplate]) -> dict[str, AnyArray]:
    """Return the arrays of the face templates of several engines under unique names, to be saved.

    Parameters
    ----------
    templates : dict of FaceTemplate
        By the name of the engine, as of `enrol`.
    """
    return {
        f'{name}.{key}': array
        for name, template in templates.items()
        for key, array in template.items()
    }


def unpack(arrays: Mapping[str, AnyArray]) -> dict[str, FaceTemplate]:
    """Restore face templates from the arrays of `pack`. Other arrays are ignored."""
    templates: dict[str, FaceTemplate] = {}
    for key, array in arrays.items():
        name, dot, rest = key.partition('.')
        if dot and name in engines():
            templates.setdefault(name, {})[rest] = array
    return templates
