# SPDX-License-Identifier: Apache-2.0
"""How often the right person comes first among fewer people than there are.

S1 searched among 50, 100 and 150 photographs. Instead of drawing such galleries at random, the
share is computed exactly: where k of the other G - 1 people score above the right one, a random
gallery of n with the right one in it has none of them with the hypergeometric probability
C(G - 1 - k, n - 1) / C(G - 1, n - 1).
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import gammaln


def rank1_among(places: np.ndarray, gallery_size: int, sizes: Sequence[int]) -> np.ndarray:
    """Return the expected rank-1 rate in random galleries of some sizes.

    Parameters
    ----------
    places : ndarray, shape (P,)
        Place of the right person in the whole gallery, 1 for the first; ties count as their mean
        place. NaN (not in the gallery) is left out.
    gallery_size
        Entries of the whole gallery, one a person.
    sizes
        Sizes of the smaller galleries, the right person included.

    Returns
    -------
    ndarray, shape (len(sizes),)
        NaN for sizes that the gallery does not reach, and without any place.
    """
    above = np.ceil(places[np.isfinite(places)] - 1)  # a tie is no first place
    rates = [
        np.exp(_log_choose(gallery_size - 1 - above, n - 1) - _log_choose(gallery_size - 1, n - 1))
        if n <= gallery_size and above.size
        else np.array([np.nan])
        for n in sizes
    ]
    return np.array([rate.mean() for rate in rates])


def _log_choose(n: np.ndarray | int, k: int) -> np.ndarray:
    n = np.asarray(n, float)
    with np.errstate(invalid='ignore'):
        value = gammaln(n + 1) - gammaln(k + 1) - gammaln(np.maximum(n - k, 0) + 1)
    return np.where(n >= k, value, -np.inf)
