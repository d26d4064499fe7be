# SPDX-License-Identifier: Apache-2.0
"""The statistics of one comparison of probes with a gallery, the same for every study.

A field annotated with a `Column` is a column of the table of comparisons, described there. Rates
are shares from 0 to 1, scores have the unit of the engine. None means that the study does not
measure the number, or that the data do not define it; then `Summary.reasons` says why.
"""

from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True)
class Column:
    """Description of a table column.

    Attributes
    ----------
    description
        Description in the data dictionary; ``{of}`` is replaced by `Columns.of`.
    name
        Name of the column, where it is not that of the field.
    """

    description: str
    name: str | None = None


@dataclass(frozen=True)
class Columns:
    """A field whose own fields are columns.

    Attributes
    ----------
    part
        Dataclass of the field, or of the items of a tuple, of which the first is in the table.
    prefix
        Begins the names of the columns.
    of
        What the descriptions insert for ``{of}``.
    """

    part: type
    prefix: str = ''
    of: str = ''


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % bootstrap interval; all None where undefined.

    The bounds alone are None where too few participants define the number. The number alone is
    None where no more than an upper bound is known (`GalleryRank1`).
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Cmc:
    """Cumulative match characteristic: identification rates at ranks 1, 2, ...

    Empty where undefined. `low` and `high` are the pointwise 95 % bootstrap interval.
    """

    rates: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True)
class Roc:
    """Receiver operating characteristic, thinned; empty where one kind of pair is missing.

    `fpr` and `tpr` are the shares of impostor and of genuine pairs at or above falling
    thresholds, from (0, 0) to (1, 1).
    """

    fpr: tuple[float, ...] = ()
    tpr: tuple[float, ...] = ()


@dataclass(frozen=True)
class Det:
    """Detection error tradeoff, thinned; empty where one kind of pair is missing.

    `fmr` and `fnmr` are the false match and false non-match rates at falling thresholds.
    """

    fmr: tuple[float, ...] = ()
    fnmr: tuple[float, ...] = ()


@dataclass(frozen=True)
class Tippett:
    """Shares of `mates` and of `strangers` with at least each log10 likelihood ratio."""

    log10_lr: tuple[float, ...]
    mates: tuple[float, ...]
    strangers: tuple[float, ...]


@dataclass(frozen=True)
class Evidence:
    """How good the likelihood ratios of the pairs are, calibrated on other people (five folds)."""

    cllr: Annotated[
        float,
        Column(
            'Cost of the log likelihood ratios of the pairs, in bits: 0 is perfect, 1 is that of '
            'a ratio that is always 1, and more is misleading. They are calibrated by logistic '
            'regression in five folds with disjoint participants.'
        ),
    ]
    cllr_min: Annotated[
        float,
        Column(
            'Least cllr of any calibration that keeps the order of the pairs; how much the scores '
            'tell apart. The rest of cllr is lost by calibration.'
        ),
    ]
    tippett: Tippett


@dataclass(frozen=True)
class Similarity:
    """Quartiles of the scores of one kind of pairs, in the unit of the engine."""

    median: Annotated[float | None, Column('Median score of {of}.')] = None
    q1: Annotated[float | None, Column('First quartile of the score of {of}.')] = None
    q3: Annotated[float | None, Column('Third quartile of the score of {of}.')] = None


@dataclass(frozen=True)
class OpenSetPoint:
    """Open-set identification at one threshold, a score."""

    threshold: Annotated[
        float,
        Column(
            'Score from which on a search returns an identity (open set). Scans: three standard '
            'deviations above the mean impostor score of other people. Photographs: the lowest '
            'score without a false positive before defacing.'
        ),
    ]
    tpir: Annotated[
        Estimate,
        Column(
            'True-positive identification rate: share of mated searches that return the right '
            'participant at rank 1, at or above the threshold.'
        ),
    ]
    fpir: Annotated[
        Estimate,
        Column(
            'False-positive identification rate: share of searches that return an identity when '
            'the mates of the probe are removed from the gallery.'
        ),
    ]


@dataclass(frozen=True)
class Svm:
    """Mean and standard deviation (SD) over five folds of a support vector machine."""

    auc: Annotated[
        float,
        Column(
            'ROC-AUC of a linear support vector machine that classifies pairs as genuine or '
            'impostor by their score; mean over five folds with disjoint participants.'
        ),
    ]
    auc_sd: Annotated[float, Column('Standard deviation of svm_auc over the folds.')]
    accuracy: Annotated[
        float, Column('Balanced accuracy of that classifier, mean over the folds.')
    ]
    accuracy_sd: Annotated[float, Column('Standard deviation of svm_accuracy over the folds.')]


@dataclass(frozen=True)
class GalleryRank1:
    """Expected rank-1 identification rate in a gallery of `size` people."""

    size: int
    rank1: Estimate


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The statistics of one comparison by one engine.

    Attributes
    ----------
    people_with_mates
        Participants with a probe and an entry in the gallery: the trials of closed-set
        identification. In S4, those with a genuine pair.
    chance_within_five
        Chance level of a hit within rank 5 (S3 alone).
    cmc
        At most 1000 ranks; empty in S3 and S4.
    roc
        At most 101 points; empty in S3.
    det
        At most 101 points, evenly spaced on normal deviate axes; empty in S3 and S4.
    smaller_galleries
        Rank-1 identification rates in galleries of the sizes of the study (S1 alone); None where
        the gallery of the data is smaller.
    larger_galleries
        Expected rank-1 identification rates in galleries of up to 10^9 people, unknown beyond
        what the scores support; empty in S3 and S4.
    reasons
        A sentence for each number that cannot be computed.

    The other fields are described where they are declared: they are columns. In S3 `auc`,
    `open_set`, `intra`, `inter`, `svm` and `evidence` are unknown, in S4 `chance`, `missing`,
    `rank1`, `rank5`, `open_set` and `evidence`: the one ranks, the other classifies pairs.
    """

    reasons: Annotated[
        tuple[str, ...],
        Column('Why the comparison, or a number of it, could not be computed.', name='reason'),
    ] = ()
    people: Annotated[int, Column('Number of participants in the comparison.')]
    probes: Annotated[int, Column('Number of probes, each of which is one search.')]
    gallery_size: Annotated[
        int,
        Column(
            'Number of gallery entries that each search goes through; of the shortest search in '
            'comparisons of scans of the same acquisition.'
        ),
    ]
    chance: Annotated[
        float | None,
        Column(
            'Chance level of the rank-1 identification rate: 1 / number of participants in the '
            'gallery. S3, which ranks single photographs: share of the photographs that are of '
            'the right participant, mean over mated searches.'
        ),
    ] = None
    left_out: Annotated[
        int, Column('Number of images left out because they were not enrolled in every state.')
    ] = 0
    people_with_mates: int
    missing: Annotated[
        int | None,
        Column('Number of pairs without a score because no face was found; they rank last.'),
    ] = None
    detection: Annotated[float | None, Column('Share of renders in which a face was found.')] = (
        None
    )
    chance_within_five: float | None = None
    rank1: Annotated[
        Estimate,
        Column(
            'Rank-1 identification rate: share of mated searches with the right participant at '
            'rank 1.'
        ),
    ] = Estimate()
    rank5: Annotated[
        Estimate,
        Column(
            'Rank-5 identification rate: share of mated searches with the right participant at '
            'rank 5 or better.'
        ),
    ] = Estimate()
    cmc: Cmc = Cmc()
    auc: Annotated[
        Estimate,
        Column(
            'Area under the ROC curve: probability that a genuine pair scores higher than an '
            'impostor pair. The chance level is 0.5.'
        ),
    ] = Estimate()
    roc: Roc = Roc()
    det: Det = Det()
    open_set: Annotated[tuple[OpenSetPoint, ...], Columns(OpenSetPoint)] = ()
    intra: Annotated[
        Similarity, Columns(Similarity, 'intra_', 'genuine pairs (same participant)')
    ] = Similarity()
    inter: Annotated[
        Similarity, Columns(Similarity, 'inter_', 'impostor pairs (two participants)')
    ] = Similarity()
    svm: Annotated[Svm | None, Columns(Svm, 'svm_')] = None
    evidence: Annotated[Evidence | None, Columns(Evidence)] = None
    smaller_galleries: tuple[GalleryRank1, ...] = ()
    larger_galleries: tuple[GalleryRank1, ...] = ()
