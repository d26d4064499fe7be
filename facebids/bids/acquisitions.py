# SPDX-License-Identifier: Apache-2.0
"""Where and how images were acquired, from their sidecars, headers and ``participants.tsv``."""

import csv
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from facebids.bids.names import HeadImage
from facebids.filesystem import why_unreadable

FIELDS = {
    'institution': 'InstitutionName',
    'manufacturer': 'Manufacturer',
    'model': 'ManufacturersModelName',
    'station': 'StationName',
    'field_strength': 'MagneticFieldStrength',
}


@dataclass(frozen=True)
class Acquisition:
    """Site, scanner and voxel size of an image, None where unknown.

    Images of one acquisition look alike whoever is shown. Only whether two of them are equal is
    used: the names of sites and scanners are written nowhere.

    Attributes
    ----------
    site
        Column ``site`` of ``participants.tsv``.
    voxel_mm
        Sizes of a voxel to 0.1 mm, ascending.
    """

    site: str | None = None
    institution: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    station: str | None = None
    field_strength: str | None = None
    voxel_mm: tuple[float, ...] | None = None


def read(bids_dir: str | Path, images: Iterable[HeadImage]) -> dict[str, Acquisition]:
    """Return the acquisition of each image, by relative path.

    What is missing or cannot be read is unknown: without any information all images have the same
    acquisition.

    Parameters
    ----------
    bids_dir
        Folder of the dataset.
    images
        Images of it.
    """
    root = Path(bids_dir)
    sites = _sites(root / 'participants.tsv')
    load = cache(_json)
    listing = cache(lambda folder: sorted(folder.glob('*.json')))
    found = {}
    for image in images:
        fields: dict[str, Any] = {}
        for path in _sidecars(root, image, listing):
            fields |= load(path)
        known = {name: _plain(fields.get(key)) for name, key in FIELDS.items()}
        found[image.relative_path] = Acquisition(
            site=sites.get(image.participant_id),
            voxel_mm=_voxel_mm(root / image.relative_path),
            **known,
        )
    return found


def _sidecars(root: Path, image: HeadImage, listing: Callable[[Path], list[Path]]) -> list[Path]:
    """Return the sidecars that apply to an image, the nearest last (inheritance principle)."""
    entities = {f'{key}-{value}' for key, value in image.entities}
    parts = PurePosixPath(image.relative_path).parent.parts
    folders = [root.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]
    return [
        path
        for folder in folders
        for path in listing(folder)
        if (split := path.stem.split('_'))[-1] == image.suffix and set(split[:-1]) <= entities
    ]


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _sites(path: Path) -> dict[str, str | None]:
    """Return the site of each participant, where there is such a column."""
    try:
        rows = list(
            csv.DictReader(path.read_text(encoding='utf-8-sig').splitlines(), delimiter='\t')
        )
    except (OSError, UnicodeDecodeError, csv.Error):
        return {}
    return {
        row['participant_id']: _plain(row.get('site')) for row in rows if 'participant_id' in row
    }


def _plain(value: Any) -> str | None:
    """Return a value as text that does not depend on how it is spelled."""
    if value is None or isinstance(value, list | dict):
        return None
    text = f'{value:g}' if isinstance(value, int | float) else ' '.join(str(value).split())
    return None if text.lower() in ('', 'n/a') else text.casefold()


def _voxel_mm(path: Path) -> tuple[float, ...] | None:
    import nibabel as nib
    from nibabel.filebasedimages import ImageFileError

    if why_unreadable(path, ''):  # nibabel would wait for the other end of a pipe
        return None
    try:
        header: Any = nib.load(path).header
    except (OSError, ImageFileError):
        return None
    return tuple(sorted(round(float(size), 1) for size in header.get_zooms()[:3]))
