# SPDX-License-Identifier: Apache-2.0
"""The result of a registration, as passed between steps."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from facebids.core.alignment.quality import Quality
from facebids.core.arrays import FloatArray
from facebids.core.record import Registration

Matrix = tuple[tuple[float, float, float, float], ...]  # 4 x 4, row by row


def as_matrix(affine: FloatArray) -> Matrix:
    """Return an affine, shape (4, 4), as plain numbers for JSON."""
    return tuple(tuple(map(float, row)) for row in affine)  # type: ignore[misc]  # four each


@dataclass(frozen=True)
class TemplateAlignment:
    """How an image was registered to the head atlas through a space template.

    Attributes
    ----------
    name
        Space template, ``'MNIPediatricAsym:cohort-3'``.
    files
        SHA-256 of its files, by name.
    fit
        Agreement of the head atlas with the space template.
    from_atlas
        Head atlas RAS mm to template RAS mm.
    affine
        Template RAS mm to subject RAS mm.
    """

    name: str
    files: dict[str, str]
    fit: Quality
    from_atlas: Matrix
    affine: Matrix


@dataclass(frozen=True)
class Move:
    """Where the head lies in a volume of a series.

    Attributes
    ----------
    volume
        Index of the volume.
    matrix
        Rigid, RAS mm of the mean to RAS mm of the volume.
    largest_mm
        Largest displacement of a point of the face.
    """

    volume: int
    matrix: Matrix
    largest_mm: float

    @property
    def rigid(self) -> FloatArray:
        """The same as an array, shape (4, 4)."""
        return np.array(self.matrix)


@dataclass(frozen=True)
class Motion:
    """Head motion during a series.

    Attributes
    ----------
    moves
        Of the volumes in which the head lies elsewhere than in the mean.
    largest_mm
        Largest displacement of a point of the face in any volume.
    lost
        Indices of the volumes that show a head whose position was not found.
    """

    moves: tuple[Move, ...] = ()
    largest_mm: float = 0.0
    lost: tuple[int, ...] = ()


@dataclass(frozen=True)
class Alignment:
    """Where an image lies relative to the head atlas.

    Attributes
    ----------
    matrix
        Head atlas RAS mm to subject RAS mm.
    numbers
        Section of the record.
    attempts
        Score of each start that was tried.
    template
        The space template through which it was found.
    motion
        Motion of the head during a series; None of a single volume.
    """

    matrix: Matrix
    numbers: Registration
    attempts: dict[str, float]
    template: TemplateAlignment | None = None
    motion: Motion | None = None

    @property
    def affine(self) -> FloatArray:
        """Head atlas RAS mm to subject RAS mm, shape (4, 4)."""
        return np.array(self.matrix)

    @property
    def relied_on(self) -> bool:
        """Whether it rests on another image, so that the head need not show in this one."""
        return self.numbers.origin != 'own'

    def moved(self, rigid: FloatArray, **numbers: Any) -> 'Alignment':
        """Return the alignment of another image of the same head.

        Parameters
        ----------
        rigid
            Subject RAS mm of this image to that of the other, shape (4, 4).
        numbers
            Fields of that section which differ for the other image.
        """
        template = self.template and replace(
            self.template, affine=as_matrix(rigid @ np.array(self.template.affine))
        )
        return replace(
            self,
            matrix=as_matrix(rigid @ self.affine),
            numbers=replace(self.numbers, **numbers),
            template=template,
        )
