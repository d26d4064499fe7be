# SPDX-License-Identifier: Apache-2.0
"""Records, and other dataclasses of numbers, as JSON: read and written here and nowhere else."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from facebids.core.modes import MODES
from facebids.core.record import Record

# 1 had no version, 2 neither keep masks nor the strength of evidence, 3 neither the forms of the
# header nor volumes that were not followed.
SCHEMA_VERSION = 4


@dataclass(frozen=True)
class _Version:
    """What every metrics file has, whatever its version."""

    schema_version: int = 1


@dataclass(frozen=True)
class _MetricsFile:
    """A metrics file: the version of its schema, and the record of each image."""

    schema_version: int
    images: tuple[Record, ...]


Kind = TypeVar('Kind')


_ADAPTERS: dict[type, Any] = {}  # made once: making one takes longer than reading a record


def _adapter(kind: type) -> Any:
    from pydantic import TypeAdapter

    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def dumps(value: Any) -> str:
    """Return a dataclass of numbers as JSON text, in full precision."""
    return json.dumps(asdict(value), indent=1)


def loads(kind: type[Kind], text: str | bytes) -> Kind:
    """Return the dataclass that :func:`dumps` wrote.

    Parameters
    ----------
    kind
        A dataclass of this module.
    text
        JSON.

    Raises
    ------
    ValueError
        If the text is no JSON, or a value is missing or of another type.
    """
    loaded: Kind = _adapter(kind).validate_json(text, strict=True)
    return loaded


def to_json(records: Iterable[Record]) -> dict[str, Any]:
    """Return the content of a metrics file with these records, for JSON."""
    return asdict(_MetricsFile(SCHEMA_VERSION, tuple(records)))


def from_json(text: str | bytes) -> tuple[Record, ...]:
    """Return the records of a metrics file.

    Raises
    ------
    ValueError
        If the file is of another schema version, or a record is damaged or of an unknown mode.
    """
    version = loads(_Version, text).schema_version
    if version != SCHEMA_VERSION:
        raise ValueError(f'schema version {version}, not {SCHEMA_VERSION}')
    found = loads(_MetricsFile, text)
    for item in found.images:
        if item.mode is not None and item.mode not in MODES:
            raise ValueError(f'{item.image}: there is no defacing mode {item.mode!r}')
    return found.images
