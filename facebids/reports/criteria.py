# SPDX-License-Identifier: Apache-2.0
"""The numbers that the verdict on an image rests on, as the pages show them."""

from facebids.core.metrics import metric_of
from facebids.core.record import Record
from facebids.core.verdict import Criterion, criteria
from facebids.reports import measured, tables

ORDER = ('identifiability', 'mask', 'utility', 'registration', 'screening')  # of sections
STRENGTH = metric_of('identifiability', 'log10_lr')


def ordered(record: Record) -> tuple[Criterion, ...]:
    """Return the numbers that a verdict rests on, those of the attack first."""
    return tuple(sorted(criteria(record), key=lambda item: ORDER.index(item.metric.section)))


def value(item: Criterion, record: Record) -> str:
    """Return a number as it stands on a page; evidence at the bound of its calibration says so."""
    if item.metric == STRENGTH:
        return tables.strength(record.identifiability)
    return measured(item.number, item.metric)
