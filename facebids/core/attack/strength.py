# SPDX-License-Identifier: Apache-2.0
"""How strongly a defaced head shows a person: a calibrated likelihood ratio against decoys.

The score of an engine between the defaced head and the original is expressed in standard
deviations from its scores with the decoys (`decoys`), which removes what contrast, voxel size and
the rest of the head contribute. The engines' values are fused and become a likelihood ratio by a
calibration on scans of the same and of other people (`benchmarks/calibrate.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from facebids.core.arrays import FloatArray
from facebids.core.attack import engines
from facebids.core.attack.decoys import Panel
from facebids.core.attack.engines import FaceTemplate
from facebids.core.identifiability.calibration import Calibration

# Fitted by `benchmarks/calibrate.py` to scans of ten adults (T1w, FLAIR, T2w, PDw) and of four
# phantoms (one of them CT): 98 comparisons with mates, 238 with strangers. So few support no ratio
# above 44.
CALIBRATION = Calibration(
    weights=(0.406,),
    offset=-1.313,
    covariance=((0.0350, -0.0066), (-0.0066, 0.0023)),
    least=-1.299,
    most=1.646,
)
LEAST_DECOYS = 5  # with a score, for a standard deviation
LARGEST = 8.0  # standard deviations; beyond, a value says no more


@dataclass(frozen=True)
class Strength:
    """Strength of the evidence that a head is that of a person.

    Attributes
    ----------
    log10_lr, low, high
        Log10 likelihood ratio and its 95 % interval; None where no engine can compare.
    p
        Share of the original and the decoys that are at least as near as the original.
    scores
        Standard deviations from the decoys, by the name of the engine.
    """

    log10_lr: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)


def measure(panel: Panel, head: Mapping[str, FaceTemplate]) -> Strength:
    """Measure how strongly a head shows the person of a panel.

    Parameters
    ----------
    panel
        The original and its decoys.
    head
        Face templates by the name of the engine.
    """
    rows = _rows(panel, head)
    if not rows:
        return Strength()
    fused = fuse(rows)
    value, spread = fused[0], variance(fused[0], len(panel.decoys))
    low, high = CALIBRATION.interval(np.array([[value]]), np.array([[spread]]))
    return Strength(
        log10_lr=float(CALIBRATION.log10_lr(np.array([[value]]))[0]),
        low=float(low[0]),
        high=float(high[0]),
        p=float((fused >= value).mean()),
        scores={name: float(row[0]) for name, row in rows.items()},
    )


def fused_score(panel: Panel, head: Mapping[str, FaceTemplate]) -> float | None:
    """Return the fused standardised score of a head, None where no engine can compare."""
    rows = _rows(panel, head)
    return float(fuse(rows)[0]) if rows else None


def _rows(panel: Panel, head: Mapping[str, FaceTemplate]) -> dict[str, FloatArray]:
    found = ((name, standardised(name, panel, template)) for name, template in head.items())
    return {name: row for name, row in found if row is not None}


def likeness(panel: Panel) -> float | None:
    """Return how much the shape of the original resembles faces.

    Its mean agreement with the decoys over their mean agreement with each other; None where shapes
    cannot be compared.
    """
    shapes = [member['geometry'] for member in panel.decoys]
    among = engines.score('geometry', shapes, shapes)[~np.eye(len(shapes), dtype=bool)]
    own = engines.score('geometry', [panel.original['geometry']], shapes)[0]
    if not np.isfinite(own).any() or not np.isfinite(among).any():
        return None
    return float(np.nanmean(own) / np.nanmean(among))


def standardised(name: str, panel: Panel, probe: FaceTemplate) -> FloatArray | None:
    """Return scores of a head with the original and the decoys, in standard deviations.

    Each is standardised by the decoys other than itself, so that under the null hypothesis that
    the head shows nobody of them all have the same distribution.

    Returns
    -------
    ndarray, shape (K + 1,), or None
        The original first; None where the engine cannot compare.
    """
    gallery = [member.get(name) for member in (panel.original, *panel.decoys)]
    scores = engines.score(name, [probe], gallery)[0]
    own, others = scores[0], scores[1:][np.isfinite(scores[1:])]
    if not np.isfinite(own) or len(others) < LEAST_DECOYS:
        return None
    values = [_standard(own, others)]
    values += [_standard(other, np.delete(others, i)) for i, other in enumerate(others)]
    return np.array(values)


def fuse(rows: Mapping[str, FloatArray]) -> FloatArray:
    """Fuse standardised scores: sum by the weights of the engines, again of unit variance."""
    weights = {name: engines.engines()[name].WEIGHT for name in rows}
    total = sum(weights[name] * row for name, row in rows.items())
    return np.asarray(total / np.sqrt(sum(weight**2 for weight in weights.values())))


def variance(value: float, count: int) -> float:
    """Return the variance of a standardised score because there are only so many decoys."""
    return 1 / count + value**2 / (2 * (count - 1))


def _standard(score: float, others: FloatArray) -> float:
    deviation = max(float(others.std(ddof=1)), 1e-6)
    return float(np.clip((score - others.mean()) / deviation, -LARGEST, LARGEST))
