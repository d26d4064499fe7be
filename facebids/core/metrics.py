# SPDX-License-Identifier: Apache-2.0
"""Every number of a record, and how to read it: generated from the fields of the record."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from facebids.core.coverage import MaskNumbers
from facebids.core.declare import Safer
from facebids.core.record import (
    Identifiability,
    Number,
    Record,
    Registration,
    Screening,
    Utility,
)
from facebids.words import spelled

SECTIONS: dict[str, tuple[type, str]] = {
    'identifiability': (Identifiability, 'Face recognition'),
    'registration': (Registration, 'Registration to the head atlas'),
    'screening': (Screening, 'Image on arrival'),
    'mask': (MaskNumbers, 'What was removed'),
    'utility': (Utility, 'Cost for the analysis'),
}


@dataclass(frozen=True)
class Metric:
    """One number of a record, and how to read it: see :func:`facebids.core.declare.metric`."""

    section: str
    key: str
    label: str
    meaning: str
    unit: str | None = None
    safer: Safer | None = None
    share: bool = False

    @property
    def column(self) -> str:
        """Name of the number in tables."""
        return self.key if self.section == 'identifiability' else f'{self.section}_{self.key}'

    def read(self, record: Record) -> Number:
        """Return the number of a record, None if it was not measured."""
        return getattr(getattr(record, self.section), self.key, None)


def _metrics(section: str) -> Iterator[Metric]:
    for item in fields(SECTIONS[section][0]):
        if item.metadata:
            yield Metric(section, item.name, **item.metadata)


METRICS: tuple[Metric, ...] = tuple(item for name in SECTIONS for item in _metrics(name))
_BY_KEY = {(item.section, item.key): item for item in METRICS}


def metric_of(section: str, key: str) -> Metric:
    """Return the metric of a section.

    Raises
    ------
    KeyError
        If the section has no such number.
    """
    return _BY_KEY[section, key]


def view_metric(view: str, state: str) -> Metric:
    """Return the metric of a named view, ``'before'`` or ``'after'`` defacing."""
    words = spelled(view)
    return Metric(
        'identifiability',
        f'named_{view}_{state}',
        f'Named {words} {state}',
        f'Whether a face was detected in the {words} view {state} defacing.',
        safer='lower' if state == 'after' else None,
    )


def engine_metric(engine: str, state: str) -> Metric:
    """Return the metric of the score of an engine, ``'before'`` or ``'after'`` defacing."""
    what = {'before': 'a simulated rescan of the source', 'after': 'the defaced'}[state]
    return Metric(
        'identifiability',
        f'score_{engine}_{state}',
        f'Score of {engine} {state}',
        f'How near {what} image is to the original by the engine {engine}, in standard deviations '
        'from the decoys.',
        safer='lower' if state == 'after' else None,
    )


def values(record: Record) -> dict[Metric, Number]:
    """Return every number of a record, in the order of the sections, then of views and engines.

    Numbers of sections that an error left out are None.
    """
    return {item: item.read(record) for item in METRICS} | view_values(record)


def view_values(record: Record) -> dict[Metric, Number]:
    """Return the numbers of a record by named view and by engine, before and after defacing."""
    found: dict[Metric, Number] = {}
    for view, seen in record.identifiability.named.items() if record.identifiability else ():
        found[view_metric(view, 'before')] = seen.before
        found[view_metric(view, 'after')] = seen.after
    for engine, score in record.identifiability.engines.items() if record.identifiability else ():
        found[engine_metric(engine, 'before')] = score.before
        found[engine_metric(engine, 'after')] = score.after
    return found
