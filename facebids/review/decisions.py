# SPDX-License-Identifier: Apache-2.0
"""What a person decided, who and when: a journal, and the table that ``--accept`` reads.

The journal has a row for each decision and each undo, and is never shortened. A decision is on the
voxels that were seen: it does not hold for an image that was defaced again since.
"""

import csv
import io
import time
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from facebids.bids.records import tsv
from facebids.errors import UsageError
from facebids.filesystem import write_text_atomic
from facebids.release.gate import ACCEPT_COLUMNS
from facebids.review.items import Item

ACCEPT, REJECT, UNDO = 'accept', 'reject', 'undo'
CHOICES = (ACCEPT, REJECT, UNDO)
NO_COMMENT = 'Inspected: no face can be recognised.'
LONGEST = 500  # characters of a comment


@dataclass(frozen=True)
class Decision:
    """A row of the journal.

    Attributes
    ----------
    time
        UTC, ``'2026-01-31T12:00:00Z'``.
    by
        Who decided.
    image, sha256
        The image, and the digest of the defaced voxels.
    choice
        ``'accept'``, ``'reject'``, or ``'undo'`` of the last one on this image.
    comment
        In one line; may be empty.
    """

    time: str
    by: str
    image: str
    sha256: str
    choice: str
    comment: str = ''


COLUMNS = tuple(item.name for item in fields(Decision))


def line(text: str) -> str:
    """Return what a person typed as one printable line of at most `LONGEST` characters."""
    kept = ''.join(letter for letter in ' '.join(text.split()) if letter.isprintable())
    return kept[:LONGEST].strip()


def now() -> str:
    """Return the time (UTC) as text."""
    return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())


def journal_of(table: Path) -> Path:
    """Return the path of the journal beside a table."""
    return table.with_name(f'{table.stem}_journal.tsv')


def read(table: Path) -> list[Decision]:
    """Return the journal of a table, empty if there is none.

    Raises
    ------
    UsageError
        If it is damaged, or a table is there that has no journal and would be overwritten.
    """
    path = journal_of(table)
    if not path.exists():
        if table.exists():
            raise UsageError(
                f'{table} was not made by facebids-review, and would be overwritten. Give another '
                'file with --table.'
            )
        return []
    try:
        rows = csv.DictReader(io.StringIO(path.read_text(encoding='utf-8')), delimiter='\t')
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise ValueError('its columns are others')
        found = [Decision(**{name: row[name] for name in COLUMNS}) for row in rows]
        if any(None in astuple(item) or item.choice not in CHOICES for item in found):
            raise ValueError('a row is not complete')
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise UsageError(
            f'{path}: the journal cannot be read ({error!r}). Repair it, or move it and its table '
            'away.'
        ) from error
    return [item if item.comment != 'n/a' else _without_comment(item) for item in found]


def _without_comment(item: Decision) -> Decision:
    return Decision(*astuple(item)[:-1])


def standing(items: Iterable[Item], journal: Iterable[Decision]) -> dict[str, Decision]:
    """Return the decision that holds for each image that has one, in the order of their making."""
    digests = {item.image: item.sha256 for item in items}
    made: dict[str, list[Decision]] = {}
    for decision in journal:
        if digests.get(decision.image) != decision.sha256:
            continue  # of an image that was defaced again, or is not there
        mine = made.setdefault(decision.image, [])
        if decision.choice != UNDO:
            mine.append(decision)
        elif mine:
            mine.pop()
    latest = [mine[-1] for mine in made.values() if mine]
    return {decision.image: decision for decision in sorted(latest, key=lambda item: item.time)}


def write(table: Path, items: Sequence[Item], journal: Sequence[Decision]) -> None:
    """Write the journal, and as a table the accepted images whose verdict is *review*.

    Images that passed need no acceptance.
    """
    write_text_atomic(journal_of(table), tsv(list(COLUMNS), map(_row, journal)))
    held = standing(items, journal)
    rows = [
        dict(zip(ACCEPT_COLUMNS, _accepted(item, held[item.image]), strict=True))
        for item in items
        if item.verdict == 'review' and item.image in held and held[item.image].choice == ACCEPT
    ]
    write_text_atomic(table, tsv(list(ACCEPT_COLUMNS), rows))


def _row(item: Decision) -> dict[str, str]:
    return dict(zip(COLUMNS, astuple(item), strict=True))


def _accepted(item: Item, decision: Decision) -> tuple[str, ...]:
    reason = f'{decision.comment or NO_COMMENT} ({decision.time})'
    return item.participant_id, item.image, decision.by, reason
