# SPDX-License-Identifier: Apache-2.0
"""The face becomes air like the air of the scan."""

import numpy as np

from facebids.core.arrays import FloatArray
from facebids.core.defacing.fill import FillContext

CONSTANT = 0.5  # share of equal voxels above which the air of a scan has no noise; at least half
ENOUGH = 500  # voxels of air


def fill(context: FillContext) -> FloatArray:
    """Draw air like that of the scan for every voxel of the mask, shape (N,).

    Values are drawn at random from the air far from the head. Where most of the air has one value
    (a masked background, or the padding of a CT), every voxel gets that value.
    """
    clear = ~context.mask & ~np.isnan(context.data)
    for air in (context.around.air, ~context.around.head):
        samples = context.data[clear & air]
        if len(samples) > ENOUGH:
            break
    count = int(context.mask.sum())
    if not len(samples):
        return np.full(count, np.nanmin(context.data), np.float32)
    middle = len(samples) // 2
    commonest = np.partition(samples, middle)[middle]  # if more than half are equal
    if np.count_nonzero(samples == commonest) > CONSTANT * len(samples):
        return np.full(count, commonest, np.float32)
    return context.rng.choice(samples, count)
