# SPDX-License-Identifier: Apache-2.0
"""What a recognition engine provides, required and optional, and what it stores of a face."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias, runtime_checkable

from facebids.core.arrays import AnyArray, FloatArray, IntArray, Picture
from facebids.core.attack.head import Head

FaceTemplate: TypeAlias = dict[str, AnyArray]  # arrays of one engine, by names of its own
FaceTemplates: TypeAlias = Sequence[FaceTemplate]


@runtime_checkable
class Engine(Protocol):
    """A recognition engine. Each module of the package is one.

    Attributes
    ----------
    NAME : str
        Name in files and tables, without a dot.
    IMPOSTOR_SCORES : tuple of 2 floats
        Mean and standard deviation of the scores of impostor pairs.
    WEIGHT : float
        Weight in the fused score.
    enrol : callable
        Return the face template of a `Head`. Its arrays have the same shapes for every head.
    score : callable
        Compare probes with a gallery, two sequences of face templates. Return similarities, shape
        (P, G), higher for faces more alike; NaN where two cannot be compared.
    """

    NAME: str
    IMPOSTOR_SCORES: tuple[float, float]
    WEIGHT: float
    enrol: Callable[[Head], FaceTemplate]
    score: Callable[[FaceTemplates, FaceTemplates], FloatArray]


@runtime_checkable
class PhotographEngine(Protocol):
    """An engine that enrols photographs, too.

    Attributes
    ----------
    enrol_photograph : callable
        Return the face template of an RGB picture, or None without a face.
    """

    enrol_photograph: Callable[[Picture], FaceTemplate | None]


@runtime_checkable
class CondensingEngine(Protocol):
    """An engine that compares all people of a large cohort: its scores are a matrix product.

    Attributes
    ----------
    condense : callable
        Return a smaller face template with the same scores.
    stack : callable
        Return arrays of which each row is a face template, or None, from a sequence of them.
    compare : callable
        Compare the stacks of probes and of a gallery as `Engine.score` does.
    """

    condense: Callable[[FaceTemplate], FaceTemplate]
    stack: Callable[[Sequence[FaceTemplate | None]], tuple[AnyArray, ...]]
    compare: Callable[[tuple[AnyArray, ...], tuple[AnyArray, ...]], FloatArray]


@runtime_checkable
class SearchEngine(Protocol):
    """An engine that searches a large gallery faster than by all scores.

    Attributes
    ----------
    search : callable
        Return indices and scores of the best `count` gallery entries of each probe, from probes,
        gallery and `count`, as `engines.search` does.
    """

    search: Callable[[FaceTemplates, FaceTemplates, int], tuple[IntArray, FloatArray]]
