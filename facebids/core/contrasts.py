# SPDX-License-Identifier: Apache-2.0
"""The contrasts that the head atlas has: a row each, with all that depends on the contrast.

Another contrast is another row. The standard library suffices: the command line reads the table.
"""

from dataclasses import dataclass

MEASURED = 'measured on public scans of 52 adults, correct and deliberately wrong registrations'


@dataclass(frozen=True)
class Contrast:
    """One contrast of the head atlas.

    Attributes
    ----------
    name
        ``'T1w'``.
    suffix
        BIDS suffix of images that have this contrast and are registered to it by themselves.
    similar
        Suffixes of images whose contrast is nearest to this one.
    signal
        Signal of each of `facebids.core.atlas.contrasts.TISSUES`, relative to white matter in
        T1w, or Hounsfield units.
    agreement_fail, agreement_review
        Brain agreement with the atlas below which the registration failed or is doubtful.
    agreement_source
        Where these two limits come from.
    good_enough
        Brain agreement from which the registration tries no further start.
    hounsfield
        Whether intensities are Hounsfield units.
    tissues
        Brain tissues from dark to bright; None if three classes of intensity are not the tissues:
        fluid is as bright as grey matter in PDw, and CT hardly shows the difference.
    least_signal
        Share of the median inside the brain below which a voxel is bone, air or removed.
    """

    name: str
    suffix: str
    similar: tuple[str, ...]
    signal: tuple[float, ...]
    agreement_fail: float
    agreement_review: float
    agreement_source: str
    good_enough: float
    hounsfield: bool = False
    tissues: tuple[str, str, str] | None = None
    least_signal: float = 0.1


# MR signals are typical of clinical 1.5 and 3 T sequences as an eye sees them, not physics:
# registration by mutual information and phantoms need order and edges, not calibration. CT
# numbers are the usual ones at 120 kV.
_ROWS = (
    Contrast(
        'T1w', 'T1w',
        ('inplaneT1', 'UNIT1', 'MP2RAGE', 'IRT1', 'VFA', 'MPM', 'MTR', 'MTS', 'FLASH', 'angio',
         'T1map', 'R1map', 'MTRmap', 'MTsat', 'pet'),
        (0, 0.70, 1.05, 0.60, 0.12, 0.40, 0.22, 0.25, 0.90, 0.42, 0.70, 1.00, 0.22),
        0.25, 0.30, f'{MEASURED}: T1w correct 0.28-0.70, wrong up to 0.25', 0.30,
        tissues=('csf', 'gm', 'wm'),
    ),
    Contrast(
        'FLAIR', 'FLAIR', (),
        (0, 0.55, 0.85, 0.38, 0.08, 0.35, 0.12, 0.14, 0.60, 0.60, 0.85, 0.62, 0.12),
        0.15, 0.17, f'{MEASURED}: FLAIR correct 0.18-0.56, wrong up to 0.15', 0.20,
        tissues=('csf', 'wm', 'gm'),
    ),
    Contrast(
        'T2w', 'T2w', (),
        (0, 0.55, 0.80, 0.32, 0.08, 0.40, 1.30, 1.25, 0.60, 0.90, 0.75, 0.55, 1.30),
        0.08, 0.11, 'a public slab: correct 0.14, 8 degrees off up to 0.10', 0.11,
        tissues=('wm', 'gm', 'csf'), least_signal=0.5,
    ),
    Contrast(
        'PDw', 'PDw',
        ('PD', 'PDT2', 'PDmap', 'M0map', 'm0scan', 'MTVmap', 'magnitude', 'magnitude1',
         'magnitude2', 'MEGRE', 'TB1map', 'RB1map'),
        (0, 0.75, 0.95, 0.70, 0.12, 0.50, 0.95, 0.95, 0.80, 0.95, 1.00, 0.80, 0.95),
        0.20, 0.25, 'a public slab: correct 0.40, 8 degrees off up to 0.22', 0.25,
    ),
    Contrast(
        'CT', 'ct', (),
        (-1000, 45, -90, 55, 1100, 400, 5, 5, 30, 40, 38, 28, 5),
        0.35, 0.45, 'two public heads: correct 0.52-0.55, 8 degrees off up to 0.43', 0.45,
        hounsfield=True,
    ),
)  # fmt: skip
CONTRASTS = {row.name: row for row in _ROWS}
HOUNSFIELD = frozenset(row.name for row in _ROWS if row.hounsfield)
BY_SUFFIX = {row.suffix: row for row in _ROWS}
OTHERWISE = 'T2w'  # for suffixes that no row names


def contrast_of(suffix: str) -> str:
    """Return the contrast of the atlas that images of a suffix have, or the most similar one."""
    for row in CONTRASTS.values():
        if suffix == row.suffix or suffix in row.similar:
            return row.name
    return OTHERWISE
