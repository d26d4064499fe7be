# SPDX-License-Identifier: Apache-2.0
"""The results of the comparisons between participants.

Participants are named by their labels. Nothing of a face or of a photograph is stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

from facebids.core.identifiability.summary import (
    Column,
    Columns,
    Estimate,
    OpenSetPoint,
    Similarity,
    Summary,
    Svm,
)

__all__ = [
    'BRAIN',
    'FUSED',
    'GALLERIES',
    'HIT_RANK',
    'SAME_ACQUISITION',
    'Estimate',
    'NotPossible',
    'OpenSetPoint',
    'Outcome',
    'Results',
    'Search',
    'Similarity',
    'Summary',
    'Svm',
    'strongest',
]

HIT_RANK = 5  # a search is a hit at this rank or better, as in S2 and S3
# ends the names of comparisons of scans of the same site, scanner and voxel size
SAME_ACQUISITION = '_same_acquisition'
BRAIN = 'brain'  # the study of brains, which are no faces
FUSED = 'fused'  # the engine of scores that combine those of all engines
FEW = 20  # people: of fewer, no identification rate is shown
GALLERIES = (50, 100, 150)  # photographs in the smaller galleries of S1


@dataclass(frozen=True)
class Search:
    """One search: its probe and the rank of the right participant.

    Attributes
    ----------
    ranks, scores
        Ranks and scores of all gallery entries of the right participant within rank 5 (S3).
    """

    participant: Annotated[str, Column('Participant of the probe.', name='participant_id')]
    image: Annotated[
        str | None,
        Column('Path of the image in the input dataset; n/a for photographs, never named.'),
    ]
    probe_type: Annotated[
        str,
        Column('The probe: the scan, all photographs of a participant, a view, or a hairstyle.'),
    ]
    rank: Annotated[
        float | None,
        Column(
            'Rank of the best gallery entry of the right participant, 1 is the best; ties share '
            'their mean rank. n/a without such an entry.'
        ),
    ]
    score: Annotated[float | None, Column('Score of that entry; n/a without a face.')]
    ranks: tuple[float, ...] = ()
    scores: tuple[float, ...] = ()

    def hit(self, gallery_size: int) -> bool | None:
        """Return whether the right participant is within rank 5.

        None in a gallery of five or fewer entries, where every search is a hit, and without a
        mate.
        """
        if self.rank is None or gallery_size <= HIT_RANK:
            return None
        return self.score is not None and self.rank <= HIT_RANK


@dataclass(frozen=True)
class Outcome:
    """The result of one comparison in one condition by one engine.

    Attributes
    ----------
    title
        The comparison in words.
    searches
        Every single search.
    spread
        5th, 25th, 50th, 75th and 95th percentile of the scores of ``'same'`` (genuine) and
        ``'other'`` (impostor) pairs; None without any score.
    """

    study: Annotated[
        str,
        Column(
            'Study that the comparison reproduces: S1 Mazura 2012, S2 Schwarz 2019, S3 Steeg '
            '2024, S4 pairs of renders; scans: scans in a gallery of scans; brain: brains in a '
            'gallery of brains.'
        ),
    ]
    key: Annotated[str, Column('Name of the comparison.', name='comparison')]
    title: str
    condition: Annotated[str, Column('Whether the probes and the gallery are defaced.')]
    probe: Annotated[str, Column('The probes.')]
    gallery: Annotated[str, Column('The gallery.')]
    engine: Annotated[
        str,
        Column(
            'Recognition engine; fused: the scores of all engines combined. Of brains, the '
            'registration after which they are compared.'
        ),
    ]
    summary: Annotated[Summary, Columns(Summary)]
    searches: tuple[Search, ...] = ()
    spread: dict[str, tuple[float, ...] | None] = field(default_factory=dict)

    @property
    def mated(self) -> int:
        """Number of searches whose participant is in the gallery."""
        return sum(search.rank is not None for search in self.searches)

    @property
    def found(self) -> int | None:
        """Number of searches with the right participant at rank 1; None if none was mated."""
        ranks = [search.rank for search in self.searches if search.rank is not None]
        return sum(rank <= 1 for rank in ranks) if ranks else None


@dataclass(frozen=True)
class NotPossible:
    """A comparison that was not made: its study, name and title, and the reason in a sentence."""

    study: str
    key: str
    title: str
    reason: str


@dataclass(frozen=True)
class Results:
    """All results of the group level.

    Attributes
    ----------
    notes
        Sentences on what was left out, without names of photographs.
    people
        Number of participants that were enrolled.
    """

    outcomes: tuple[Outcome, ...] = ()
    not_possible: tuple[NotPossible, ...] = ()
    notes: tuple[str, ...] = ()
    people: int = 0

    def of(self, study: str) -> list[Outcome]:
        """Return the outcomes of a study."""
        return [outcome for outcome in self.outcomes if outcome.study == study]

    def missing(self, study: str) -> list[NotPossible]:
        """Return the comparisons of a study that were not possible."""
        return [item for item in self.not_possible if item.study == study]


def too_few(results: Results) -> str | None:
    """Return why identification rates are not shown, or None if there are people enough.

    Among few people everybody is found easily, and an interval is nearly as wide as its scale.
    """
    if results.people >= FEW:
        return None
    return (
        f'{_compared(results)} Identification rates of fewer than {FEW} people prove nothing, so '
        'that none is shown: right guesses are frequent, and intervals are wide. Each image has '
        'its own evidence, against decoys. All numbers are in group_comparisons.tsv.'
    )


def caution(results: Results) -> str | None:
    """Return how to read counts of few people, or None if there are people enough."""
    if results.people >= FEW:
        return None
    return (
        f'{_compared(results)} Counts of fewer than {FEW} people show how the attack works and '
        'prove nothing: right guesses are frequent, and intervals are wide.'
    )


def _compared(results: Results) -> str:
    who = {0: 'No participant was', 1: 'Only 1 participant was'}.get(
        results.people, f'Only {results.people} participants were'
    )
    return f'{who} compared.'


def of_enough_people(results: Results) -> Results:
    """Return results in which comparisons of few people are named as not shown."""
    few = {item.key: item for item in results.outcomes if item.summary.people_with_mates < FEW}
    reasons = (
        NotPossible(
            item.study,
            key,
            item.title,
            f'Participants with a mate in the gallery: {item.summary.people_with_mates}. Rates of '
            f'fewer than {FEW} are not shown; group_comparisons.tsv has them.',
        )
        for key, item in few.items()
    )
    return replace(
        results,
        outcomes=tuple(item for item in results.outcomes if item.key not in few),
        not_possible=(*results.not_possible, *reasons),
    )


def strongest(outcomes: Sequence[Outcome]) -> str:
    """Return the engine to report: all fused, else the one with the highest AUC at first."""
    names = dict.fromkeys(item.engine for item in outcomes)
    first = {name: next(item for item in outcomes if item.engine == name) for name in names}
    if FUSED in first:
        return FUSED
    return max(first, key=lambda name: first[name].summary.auc.value or 0)
