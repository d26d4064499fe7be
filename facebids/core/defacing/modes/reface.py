# SPDX-License-Identifier: Apache-2.0
"""The face becomes a generic face."""

from facebids.core.arrays import FloatArray
from facebids.core.defacing.fill import FillContext
from facebids.core.defacing.modes import remove
from facebids.core.defacing.paint import generic_skin, paint


def fill(context: FillContext) -> FloatArray:
    """Paint the generic head over air; shape (N,)."""
    return paint(context, generic_skin(context), remove.fill(context), blurred=False)
