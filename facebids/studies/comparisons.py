# SPDX-License-Identifier: Apache-2.0
"""Which comparisons the data allow, and why the others are not possible.

A comparison consists of probes and a gallery, with the same images in every condition. So every
rate after defacing can be compared with the one before it. The plan depends on the names of the
images only, not on their content.

Scans in a gallery of scans: `same_scan` needs one scan per participant; `runs`, `sessions`,
`contrasts` and `contrasts_and_sessions` need another scan, which differs more and more from the
one in the gallery. The comparisons with photographs are those of the studies: S1 searches renders
in a gallery of photographs (Chen and Siegel; Mazura et al., 2012, J. Digit. Imaging 25:347), S2
photographs in a gallery of scans (Schwarz et al., 2019, N. Engl. J. Med. 381:1684) and S3 single
views in a gallery of photographs (Steeg et al., 2024, eClinicalMedicine 78:102930).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from facebids.bids.acquisitions import Acquisition

BEFORE, AFTER, PHOTOGRAPH = 'before', 'after', 'photograph'


@dataclass(frozen=True)
class Scan:
    """An image that was enrolled, and in which states (`before`, `after`).

    `image` is its path relative to the dataset; scans are sorted by it. The acquisition is None
    where it is not known.
    """

    participant: str
    session: str | None
    suffix: str
    image: str
    states: tuple[str, ...] = (BEFORE, AFTER)
    acquisition: Acquisition | None = None


@dataclass(frozen=True)
class Condition:
    """The states of the probes and of the gallery."""

    name: str
    probe: str
    gallery: str


ORIGINALS = Condition('before', BEFORE, BEFORE)
DEFACED_PROBE = Condition('after', AFTER, BEFORE)
DEFACED_BOTH = Condition('after_both', AFTER, AFTER)
SCAN_CONDITIONS = (ORIGINALS, DEFACED_PROBE, DEFACED_BOTH)


@dataclass(frozen=True)
class Comparison:
    """Probes and a gallery.

    Attributes
    ----------
    kind
        A name of `KINDS`, or `'S1'`, `'S2'`, `'S3'`.
    probe_suffix, gallery_suffix
        Contrasts of the two sides, or `'photograph'`.
    probes
        Scans, or the labels of the participants whose photographs are the probes.
    gallery
        Scans, one per participant, or the labels of the participants whose photographs are the
        gallery.
    conditions
        States to compare; the first is before defacing, if that is possible.
    left_out
        Number of images left out because they were not enrolled in every state.
    """

    kind: str
    probe_suffix: str
    gallery_suffix: str
    probes: tuple[Scan | str, ...]
    gallery: tuple[Scan | str, ...]
    conditions: tuple[Condition, ...]
    left_out: int = 0

    @property
    def key(self) -> str:
        """Name of the comparison in tables, `'contrasts_FLAIR_in_T1w'`."""
        return f'{self.kind}_{self.probe_suffix}_in_{self.gallery_suffix}'

    @property
    def mated(self) -> int:
        """Number of probes with a mate in the gallery."""
        enrolled = set(map(person, self.gallery))
        return sum(person(probe) in enrolled for probe in self.probes)


@dataclass(frozen=True)
class Impossible:
    """A comparison that is not possible, and the reason in a sentence."""

    kind: str
    reason: str


@dataclass(frozen=True)
class Kind:
    """How a probe is related to its mate."""

    title: str
    related: Callable[[Scan, Scan], bool]
    across: bool  # whether the two sides have different contrasts
    unmet: str  # the reason where no participant has such scans
    conditions: tuple[Condition, ...] = SCAN_CONDITIONS


def _another(probe: Scan, enrolled: Scan) -> bool:
    return probe.image != enrolled.image and probe.session == enrolled.session


def _another_session(probe: Scan, enrolled: Scan) -> bool:
    return probe.session != enrolled.session


KINDS = {
    'runs': Kind(
        'Another scan of the same session',
        _another,
        False,
        'No participant has two scans of one contrast in the same session.',
    ),
    'sessions': Kind(
        'Another session',
        _another_session,
        False,
        'No participant has scans of one contrast in two sessions.',
    ),
    'contrasts': Kind(
        'Another contrast',
        _another,
        True,
        'No participant has scans of two contrasts in the same session.',
    ),
    'contrasts_and_sessions': Kind(
        'Another contrast in another session',
        _another_session,
        True,
        'No participant has scans of two contrasts in different sessions.',
    ),
    # before defacing this would compare a file with itself
    'same_scan': Kind(
        'The same scan',
        lambda probe, enrolled: probe.image == enrolled.image,
        False,
        'No scan was enrolled before and after defacing.',
        (DEFACED_PROBE,),
    ),
}
STUDIES = ('S1', 'S2', 'S3')
ONE_PERSON = 'Fewer than two participants: identification needs at least two.'
NO_PHOTOGRAPHS = 'No photographs: pass their folder with --photos.'


def person(entry: Scan | str) -> str:
    """Return the label of the participant of a probe or gallery entry."""
    return entry if isinstance(entry, str) else entry.participant


def scans_of(side: Iterable[Scan | str]) -> list[Scan]:
    """Return the scans among probes or gallery entries."""
    return [entry for entry in side if isinstance(entry, Scan)]


def plan_scans(scans: Iterable[Scan]) -> tuple[list[Comparison], list[Impossible]]:
    """Plan the comparisons of scans with scans.

    Parameters
    ----------
    scans
        All scans that were enrolled.

    Returns
    -------
    tuple of list
        The comparisons, in the order of `KINDS`, and the kinds that are not possible.
    """
    ordered = sorted(scans, key=lambda scan: scan.image)
    possible, impossible = [], []
    for kind in KINDS:
        pairs = _pairs_of_suffixes(ordered, KINDS[kind].across)
        candidates = [_compare(kind, ordered, *pair) for pair in pairs]
        found = [item for item in candidates if item.mated]
        alone = found and all(len(item.gallery) < 2 for item in found)
        possible += [item for item in found if len(item.gallery) > 1]
        if alone or len({scan.participant for scan in ordered}) < 2:
            impossible.append(Impossible(kind, ONE_PERSON))
        elif not found:
            impossible.append(Impossible(kind, KINDS[kind].unmet))
    return possible, impossible


def plan_photographs(
    scans: Iterable[Scan], photographed: Sequence[str] | None
) -> tuple[list[Comparison], list[Impossible]]:
    """Plan the comparisons of scans with photographs.

    Parameters
    ----------
    scans
        All scans that were enrolled.
    photographed
        Participants with a photograph that shows a face; None without a folder of photographs.

    Returns
    -------
    tuple of list
        S1, S2 and S3 for every contrast, and those that are not possible.
    """
    if photographed is None:
        return [], [Impossible(study, NO_PHOTOGRAPHS) for study in STUDIES]
    ordered = sorted(scans, key=lambda scan: scan.image)
    people = tuple(sorted(photographed))
    candidates = [
        _with_photographs(study, ordered, suffix, people)
        for study in STUDIES
        for suffix in _suffixes(ordered)
    ]
    possible = [item for item in candidates if item.mated and len(item.gallery) > 1]
    alone = any(item.mated for item in candidates)
    reason = (
        ONE_PERSON if alone else 'No participant with a scan has a photograph that shows a face.'
    )
    done = {item.kind for item in possible}
    return possible, [Impossible(study, reason) for study in STUDIES if study not in done]


def _compare(kind: str, ordered: list[Scan], probe: str, gallery: str) -> Comparison:
    """Return the comparison of two contrasts, which may be without mates.

    The gallery holds the first scan of each participant. A participant without a scan of the
    gallery's contrast is a probe without a mate: the attacker's gallery lacks this participant.
    """
    rule = KINDS[kind]
    candidates = [scan for scan in ordered if scan.suffix in (probe, gallery)]
    usable, conditions = _complete(candidates, rule.conditions)
    enrolled = _first_of_each(usable, gallery)
    theirs = {scan.participant: scan for scan in enrolled}
    probes = tuple(
        scan
        for scan in usable
        if scan.suffix == probe
        and (scan.participant not in theirs or rule.related(scan, theirs[scan.participant]))
    )
    left_out = len(candidates) - len(usable)
    return Comparison(kind, probe, gallery, probes, enrolled, conditions, left_out)


def _with_photographs(
    study: str, ordered: list[Scan], suffix: str, people: tuple[str, ...]
) -> Comparison:
    """Return the comparison of the first scan of each participant with photographs."""
    candidates = [scan for scan in ordered if scan.suffix == suffix]
    if study == 'S2':
        asked = tuple(Condition(state, PHOTOGRAPH, state) for state in (BEFORE, AFTER))
    else:
        asked = tuple(Condition(state, state, PHOTOGRAPH) for state in (BEFORE, AFTER))
    usable, conditions = _complete(candidates, asked)
    scans = _first_of_each(usable, suffix)
    left_out = len(candidates) - len(usable)
    if study == 'S2':
        return Comparison(study, PHOTOGRAPH, suffix, people, scans, conditions, left_out)
    return Comparison(study, suffix, PHOTOGRAPH, scans, people, conditions, left_out)


def _complete(
    scans: list[Scan], asked: tuple[Condition, ...]
) -> tuple[list[Scan], tuple[Condition, ...]]:
    """Return the scans enrolled in every state that any scan is, and the conditions possible."""
    there = {PHOTOGRAPH} | {state for scan in scans for state in scan.states}
    conditions = tuple(item for item in asked if {item.probe, item.gallery} <= there)
    needed = {state for item in conditions for state in (item.probe, item.gallery)}
    usable = [scan for scan in scans if needed - {PHOTOGRAPH} <= set(scan.states)]
    return (usable, conditions) if conditions else ([], ())


def _first_of_each(ordered: list[Scan], suffix: str) -> tuple[Scan, ...]:
    first: dict[str, Scan] = {}
    for scan in ordered:
        if scan.suffix == suffix:
            first.setdefault(scan.participant, scan)
    return tuple(first.values())


def _suffixes(scans: Iterable[Scan]) -> list[str]:
    """Return the contrasts, T1w first: faces are recognised best in it."""
    return sorted({scan.suffix for scan in scans}, key=lambda suffix: (suffix != 'T1w', suffix))


def _pairs_of_suffixes(scans: Iterable[Scan], across: bool) -> list[tuple[str, str]]:
    """Return `(probe, gallery)` contrasts."""
    suffixes = _suffixes(scans)
    if not across:
        return [(suffix, suffix) for suffix in suffixes]
    return [(b, a) for index, a in enumerate(suffixes) for b in suffixes[index + 1 :]]
