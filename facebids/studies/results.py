# SPDX-License-Identifier: Apache-2.0
"""What comparisons between people gave: the rows of their two tables and how to read them.

`group_comparisons.tsv` has a row for each comparison, condition and engine, and one for each that
could not be made, with its reason. `group_searches.tsv` has a row for each search. Participants
stand in them with their labels; nothing of a face or of a photograph does.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

CONDITIONS = {
    'before': 'both sides with their faces: how strong the attack is',
    'after': 'what is searched for is defaced; scans with faces, or photographs, are searched',
    'after_both': 'both sides are defaced',
    'control': 'photographs among photographs: how well an engine knows these people at all',
}
Row = dict[str, Any]


@dataclass(frozen=True)
class Search:
    """One search: whom it was for and at which place the right person came.

    Attributes
    ----------
    participant
        Label of the person, without ``sub-``.
    image
        Path of the image, relative to the dataset; None for a photograph, which is not named.
    what
        What was searched for within its study: ``'scan'``, ``'photographs'``, a view, a
        hairstyle.
    place
        Place of the best entry of the right person, 1 for the first; None where that person is
        not in the gallery.
    score
        Score of that entry, None where it could not be compared.
    places, scores
        The same for all entries of the right person among the first five (S3).
    """

    participant: str
    image: str | None
    what: str
    place: float | None
    score: float | None
    places: tuple[float, ...] = ()
    scores: tuple[float, ...] = ()

    def hit(self, gallery_size: int) -> bool | None:
        """Return whether the right person is within the first five, as in S2 and S3.

        None in a gallery of five or fewer, where everybody is, and without the right person.
        """
        if self.place is None or gallery_size <= 5:
            return None
        return self.score is not None and self.place <= 5


@dataclass(frozen=True)
class Outcome:
    """What one engine achieved in one comparison and condition.

    Attributes
    ----------
    study, key, title
        ``'S1'`` to ``'S4'`` or ``'scans'``; name of the comparison; the same in words.
    condition
        A name of `CONDITIONS`.
    probe, gallery
        What is searched for and among what, in words.
    engine
        Its name; ``'fused'`` is all of them together.
    gallery_size
        Entries searched among.
    left_out
        Images that were not enrolled in every state.
    summary
        The statistics, ready for JSON, without nesting but for curves.
    searches
        Every single search.
    spread
        For ``'same'`` and ``'other'`` person the 5th, 25th, 50th, 75th and 95th percentile of
        the scores.
    """

    study: str
    key: str
    title: str
    condition: str
    probe: str
    gallery: str
    engine: str
    gallery_size: int
    left_out: int
    summary: dict[str, Any]
    searches: tuple[Search, ...] = ()
    spread: dict[str, tuple[float, ...] | None] = field(default_factory=dict)


@dataclass(frozen=True)
class NotPossible:
    """A comparison that was not made: its study, name and title, and the reason in a sentence."""

    study: str
    key: str
    title: str
    reason: str


@dataclass(frozen=True)
class Results:
    """Everything that the group level found out about who can be told from whom.

    ``notes`` are sentences for everybody to read: what was left out and counted, without names
    of photographs. ``people`` counts those who were enrolled.
    """

    outcomes: tuple[Outcome, ...] = ()
    not_possible: tuple[NotPossible, ...] = ()
    notes: tuple[str, ...] = ()
    people: int = 0

    def of(self, study: str) -> list[Outcome]:
        """Return the outcomes of a study."""
        return [outcome for outcome in self.outcomes if outcome.study == study]

    def missing(self, study: str) -> list[NotPossible]:
        """Return what could not be done of a study."""
        return [item for item in self.not_possible if item.study == study]


_INTERVAL = 'of the 95 % bootstrap interval, people resampled'
COMPARISON_COLUMNS = {
    'study': 'Study that the comparison repeats: S1 Mazura 2012, S2 Schwarz 2019, S3 Steeg 2024, '
    'S4 embeddings of renders; scans: of scans with scans.',
    'comparison': 'Name of the comparison.',
    'condition': 'In which state the two sides are compared.',
    'probe': 'What is searched for.',
    'gallery': 'What is searched among.',
    'engine': 'Engine that compares; fused: all together.',
    'reason': 'Why the comparison or a number of it could not be computed.',
    'people': 'People in the comparison.',
    'probes': 'Searches.',
    'gallery_size': 'Entries that each search goes through.',
    'chance': 'Share of searches that guessing would put first.',
    'left_out': 'Images that would belong here and were not enrolled in every state.',
    'missing': 'Pairs without a score because no face was found; they count as least alike.',
    'detection': 'Share of renders in which a face was found.',
    'rank1': 'Share of searches that put the right person first.',
    'rank1_low': f'Lower end {_INTERVAL}, of rank1.',
    'rank1_high': f'Upper end {_INTERVAL}, of rank1.',
    'rank5': 'Share of searches with the right person within the first five.',
    'rank5_low': f'Lower end {_INTERVAL}, of rank5.',
    'rank5_high': f'Upper end {_INTERVAL}, of rank5.',
    'auc': 'Area under the ROC curve: how often a pair of scans of one person scores above one of '
    'two people. 0.5 is chance.',
    'auc_low': f'Lower end {_INTERVAL}, of auc.',
    'auc_high': f'Upper end {_INTERVAL}, of auc.',
    'threshold': 'Score from which on a search names somebody (open set): for scans three '
    'standard deviations above what two strangers score elsewhere, for photographs the least that '
    'gave no wrong name before defacing.',
    'tpir': 'True-positive identification rate: share of searches that name the right person.',
    'tpir_low': f'Lower end {_INTERVAL}, of tpir.',
    'tpir_high': f'Upper end {_INTERVAL}, of tpir.',
    'fpir': 'False-positive identification rate: share of searches that name somebody when the '
    'right person is taken out of the gallery.',
    'fpir_low': f'Lower end {_INTERVAL}, of fpir.',
    'fpir_high': f'Upper end {_INTERVAL}, of fpir.',
    'intra_median': 'Median score of pairs of the same person.',
    'intra_q1': 'First quartile of the same.',
    'intra_q3': 'Third quartile of the same.',
    'inter_median': 'Median score of pairs of two people.',
    'inter_q1': 'First quartile of the same.',
    'inter_q3': 'Third quartile of the same.',
    'svm_auc': 'ROC-AUC of a support vector machine that tells from the score whether a pair is '
    'of one person, mean over five folds, nobody in two of them.',
    'svm_auc_sd': 'Standard deviation of the same over the folds.',
    'svm_accuracy': 'Accuracy of that machine, mean over the folds.',
    'svm_accuracy_sd': 'Standard deviation of the same over the folds.',
}
SEARCH_COLUMNS = {
    **{
        name: COMPARISON_COLUMNS[name]
        for name in ('study', 'comparison', 'condition', 'engine', 'gallery_size')
    },
    'participant_id': 'Whom the search is for.',
    'image': 'Path of the image in the input dataset; n/a for photographs, which are not named.',
    'searched': 'What was searched for: the scan, all photographs together, a view, a hairstyle.',
    'place': 'Place of the best entry of the right person, 1 for the first; n/a where that '
    'person is not in the gallery.',
    'score': 'Score of that entry; n/a where it could not be compared.',
    'hit': 'Whether that place is within the first five; n/a where there are no more than five.',
}
EXPECTED = 'expected_rank1_in_'


FUSED = 'fused'
IMAGE_COLUMNS = {
    'place_before': 'Best place at which the person came when this image was searched for among '
    'scans of other sessions, runs or contrasts, both with faces; 1 is first, n/a without another '
    'scan. The yardstick for the next number.',
    'place_after': 'The same with this image defaced. The higher, the safer.',
    'place_of_itself': 'Place at which the person came when this image, defaced, was searched for '
    'among originals, its own among them. The higher, the safer.',
}


def strongest(outcomes: Sequence[Outcome]) -> str:
    """Return the engine to show alone: all together, else the one that does best at first."""
    names = dict.fromkeys(item.engine for item in outcomes)
    first = {name: next(item for item in outcomes if item.engine == name) for name in names}
    if FUSED in first:
        return FUSED
    return max(first, key=lambda name: first[name].summary.get('auc') or 0)


def places(results: Results) -> dict[str, Row]:
    """Return the further columns of the table of images, by image."""
    found: dict[str, Row] = {}
    for key in dict.fromkeys(item.key for item in results.of('scans')):
        outcomes = [item for item in results.of('scans') if item.key == key]
        engine = strongest(outcomes)
        for outcome in outcomes:
            if outcome.engine == engine and outcome.condition in ('before', 'after'):
                itself = key.startswith('same_scan')
                column = 'place_of_itself' if itself else f'place_{outcome.condition}'
                for search in outcome.searches:
                    if search.place is not None:
                        row = found.setdefault(search.image, {})
                        row[column] = min(search.place, row.get(column, search.place))
    return found


def comparison_rows(results: Results) -> list[Row]:
    """Return the rows of the table of comparisons."""
    made = [_comparison_row(outcome) for outcome in results.outcomes]
    unmade = [
        {'study': item.study, 'comparison': item.key, 'reason': item.reason}
        for item in results.not_possible
    ]
    return made + unmade


def search_rows(results: Results) -> list[Row]:
    """Return the rows of the table of searches."""
    return [
        {
            'study': outcome.study,
            'comparison': outcome.key,
            'condition': outcome.condition,
            'engine': outcome.engine,
            'gallery_size': outcome.gallery_size,
            'participant_id': f'sub-{search.participant}',
            'image': search.image,
            'searched': search.what,
            'place': search.place,
            'score': search.score,
            'hit': search.hit(outcome.gallery_size),
        }
        for outcome in results.outcomes
        for search in outcome.searches
    ]


def header(rows: Sequence[Row], known: Iterable[str]) -> list[str]:
    """Return the columns of a table: the known ones, then those of larger galleries."""
    further = {name for row in rows for name in row} - set(known)
    return [*known, *sorted(further, key=lambda name: (len(name), name))]


def dictionary(header: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the data dictionary of a table with these columns."""
    return {name: _describe(name) for name in header}


def _describe(name: str) -> dict[str, Any]:
    if name == 'condition':
        return {'Description': COMPARISON_COLUMNS[name], 'Levels': CONDITIONS}
    known = COMPARISON_COLUMNS | SEARCH_COLUMNS | IMAGE_COLUMNS
    if name in known:
        return {'Description': known[name]}
    size = f'{int(name.removeprefix(EXPECTED)):,}'
    return {'Description': f'Expected share of searches first in a gallery of {size} people.'}


def _comparison_row(outcome: Outcome) -> Row:
    summary = outcome.summary
    row = {name: summary[name] for name in COMPARISON_COLUMNS if name in summary}
    row |= (summary.get('open_set') or [{}])[0]
    row |= {f'svm_{name}': value for name, value in (summary.get('svm') or {}).items()}
    row |= {f'{EXPECTED}{item["n"]}': item['rate'] for item in summary.get('expected_rank1') or []}
    return row | {
        'study': outcome.study,
        'comparison': outcome.key,
        'condition': outcome.condition,
        'probe': outcome.probe,
        'gallery': outcome.gallery,
        'engine': outcome.engine,
        'gallery_size': outcome.gallery_size,
        'left_out': outcome.left_out,
        'chance': 1 / outcome.gallery_size if outcome.gallery_size else None,
        'reason': ' '.join(summary.get('reasons') or []),
    }
