# SPDX-License-Identifier: Apache-2.0
"""Read back what the participant level enrolled, and let the engines compare it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facebids.bids import names
from facebids.bids.names import HeadImage
from facebids.core.attack import engines
from facebids.core.attack.recognition import RANDOM, is_random
from facebids.studies.comparisons import AFTER, BEFORE, Scan

Template = dict[str, dict[str, Any]]
BARE = 'without hair'  # of a photograph: the template of the same one with the hair hidden


@dataclass(frozen=True)
class Enrolment:
    """All heads of a dataset as the engines remember them.

    Attributes
    ----------
    scans
        Images with templates in at least one state.
    templates
        The templates of each engine, by image and state.
    pictures
        File of each image and state, with the frontal render in it.
    without
        Images that have no template.
    """

    scans: tuple[Scan, ...]
    templates: dict[tuple[str, str], Template]
    pictures: dict[tuple[str, str], Path]
    without: tuple[str, ...]

    def of(self, scans: Iterable[Scan], state: str) -> list[Template]:
        """Return the templates of scans in one state."""
        return [self.templates[scan.image, state] for scan in scans]

    def frontal(self, scan: Scan, state: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Return a scan's frontal render and the box of its face, None where there is none."""
        path = self.pictures.get((scan.image, state))
        if path is None:
            return None
        with np.load(path) as arrays:
            picture, box = arrays['frontal'], arrays['frontal_box']
        return None if (box < 0).any() else (picture, box)

    @property
    def people(self) -> int:
        """How many people were enrolled."""
        return len({scan.participant for scan in self.scans})


def read(private_dir: Path, images: Iterable[HeadImage]) -> Enrolment:
    """Return the templates of images that the participant level left in the private folder.

    The pictures stay on disk: hundreds of them would fill the memory.
    """
    templates, pictures, scans, without = {}, {}, [], []
    for image in images:
        found = []
        for state in (BEFORE, AFTER):
            path = Path(private_dir) / names.private_templates(image, state)
            if path.is_file():
                key = image.relative_path, state
                templates[key], pictures[key] = _load(path), path
                found.append(state)
        if found:
            entry = (image.participant, image.session, image.suffix, image.relative_path)
            scans.append(Scan(*entry, tuple(found)))
        else:
            without.append(image.relative_path)
    return Enrolment(tuple(scans), templates, pictures, tuple(without))


def score(probes: Sequence[Template], gallery: Sequence[Template]) -> dict[str, np.ndarray]:
    """Let every engine that knows both sides compare probes with a gallery.

    Returns
    -------
    dict of ndarray, shape (P, G)
        Scores by engine; NaN where it could not compare. Several engines are also fused.
    """
    scores = {
        name: engines.score(
            name, [item.get(name) for item in probes], [item.get(name) for item in gallery]
        )
        for name in engines.engines()
        if any(name in item for item in probes) and any(name in item for item in gallery)
    }
    return scores | {engines.FUSED: engines.fuse(scores)} if len(scores) > 1 else scores


def view(template: dict[str, Any], name: str) -> dict[str, Any] | None:
    """Return an engine's template as if it had seen one view alone; None: it has no such view."""
    there = [str(item) for item in template.get('names', ())]
    if name not in there:
        return None
    index = there.index(name)
    # engines fuse the random views alone: a view that stands for itself takes the place of one
    single = {'names': np.array([f'{RANDOM}_{name}'])}
    return {
        key: value[index : index + 1] if len(np.atleast_1d(value)) == len(there) else value
        for key, value in template.items()
    } | single


def faces(template: dict[str, Any]) -> np.ndarray:
    """Return in which views (V,) an engine that embeds views found a face.

    What stands elsewhere is no face, or of a defaced head the place where the original's was.
    """
    return template.get('found', np.isfinite(template['embeddings']).all(axis=1))


def embeds_views(template: dict[str, Any]) -> bool:
    """Return whether an engine keeps an embedding of each view, as face recognition does."""
    return {'names', 'embeddings'} <= set(template)


def random_views(template: dict[str, Any]) -> np.ndarray:
    """Return which views (V,) are the random ones, which stand for a head."""
    return is_random(template['names'])


def detection(templates: Iterable[dict[str, Any]]) -> float | None:
    """Return the share of random views in which a face was found; None without any view."""
    found = [faces(item)[random_views(item)] for item in templates if embeds_views(item)]
    return float(np.concatenate(found).mean()) if any(map(len, found)) else None


def _load(path: Path) -> Template:
    """Return all engines' templates of a file; its pictures stay on disk."""
    with np.load(path) as arrays:
        return engines.unpack({key: arrays[key] for key in arrays.files if '.' in key})
