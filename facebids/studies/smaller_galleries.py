# SPDX-License-Identifier: Apache-2.0
"""Rank-1 identification rates in smaller galleries.

S1 reports galleries of 50, 100 and 150 photographs. The expectation over all random galleries of
a size that include the mate is computed exactly. If k of the other G - 1 entries score higher than
the mate, none of them is among the n - 1 drawn ones with a hypergeometric probability.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import hypergeom

from facebids.core.arrays import FloatArray


def rank1_in_smaller(ranks: FloatArray, gallery_size: int, sizes: Sequence[int]) -> FloatArray:
    """Return the expected rank-1 identification rate in random galleries of some sizes.

    Parameters
    ----------
    ranks : ndarray, shape (P,)
        Rank of the mate in the whole gallery, from 1; ties share their mean rank. NaN (no mate)
        is left out.
    gallery_size
        Entries of the whole gallery, one per person, at least two.
    sizes
        Sizes of the smaller galleries, the mate included.

    Returns
    -------
    ndarray, shape (len(sizes),)
        NaN for sizes above `gallery_size`, and without any rank.
    """
    above = np.ceil(ranks[np.isfinite(ranks)] - 1)  # a tie for the highest score is not rank 1
    rates = [
        hypergeom.pmf(0, gallery_size - 1, above, size - 1).mean()
        if size <= gallery_size and above.size
        else np.nan
        for size in sizes
    ]
    return np.array(rates)
