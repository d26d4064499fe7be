# SPDX-License-Identifier: Apache-2.0
"""The attempts at defacing an image, as its record lists them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One attempt at defacing an image, and what the attack on it found.

    Attributes
    ----------
    shell_mm
        Depth of the face region, mm.
    skin_removed_share
        Share of the skin of the face in the mask.
    log10_lr, log10_lr_high
        Strength of the evidence that the result shows this person, and its upper bound.
    unproven
        Codes of the reasons that a deeper region may resolve; empty if the removal is proven.
    kept
        Whether this is the attempt that was kept.
    """

    shell_mm: float | None
    skin_removed_share: float | None
    log10_lr: float | None
    log10_lr_high: float | None
    unproven: tuple[str, ...]
    kept: bool = False


@dataclass(frozen=True)
class Steps:
    """The attempts at defacing an image, in the order in which they were made."""

    tried: tuple[Step, ...]
