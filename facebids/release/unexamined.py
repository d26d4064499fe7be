# SPDX-License-Identifier: Apache-2.0
"""Look at images that the participant level did not examine, before they leave.

Their own voxels decide, not their names: converters file a structural scan as a reference image of
a series, and a dataset may call anything a mask. Of long series the kind is certain, because
nobody repeats a structural scan so often.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path

from facebids import provenance
from facebids.core import images, metrics_file
from facebids.errors import FacebidsError, ImageError
from facebids.filesystem import sha256, write_text_atomic
from facebids.processes import no_shared_memory, workers
from facebids.release import attack
from facebids.release.attack import Attacked, Target
from facebids.release.gate import COPY, EXCLUDE, MASKS, NIFTI, REFUSE, Decision, suffix_of
from facebids.words import counted

LONG = 10  # volumes; of so many or more a series is functional or diffusion data


@dataclass(frozen=True)
class _Looks:
    """Results of looks, by software, suffix and SHA-256 of the file."""

    seen: dict[str, Attacked]


def look(
    decisions: Sequence[Decision],
    paths: Mapping[str, Path],
    known: Path,
    *,
    tell: Callable[[str], None] = lambda _: None,
    exclude: bool = False,
    nprocs: int = 1,
) -> tuple[Decision, ...]:
    """Return decisions in which no image is copied that shows a face or cannot be looked at.

    Parameters
    ----------
    decisions
        Decisions on the files of a dataset.
    paths
        The file to read, by path relative to the dataset.
    known
        File with the results of earlier looks, which is written anew.
    tell
        Receives how many images are searched, before that.
    exclude
        Whether images that must not leave are excluded rather than refused.
    nprocs
        Number of processes.
    """
    reasons = {
        item.path: _no_need(item, paths[item.path])
        for item in decisions
        if item.action == COPY and NIFTI.search(item.path)
    }
    todo = [path for path, reason in reasons.items() if reason is None]
    seen = _looked({path: paths[path] for path in todo}, known, nprocs, tell)
    return tuple(
        _decided(item, seen[item.path], exclude)
        if item.path in seen
        else replace(item, reason=reasons.get(item.path) or item.reason)
        for item in decisions
    )


def _no_need(item: Decision, path: Path) -> str | None:
    why = why_no_look(item.path, path)
    return why and f'{item.reason}; {why}'


def why_no_look(relative: str, path: Path) -> str | None:
    """Return why there is no need to look at an image, or None.

    Parameters
    ----------
    relative
        Its path relative to the dataset.
    path
        The file.
    """
    try:
        count = images.volume_count(path)
    except ImageError:
        return None  # the look says what is wrong
    if attack.is_small(path):
        return 'too few voxels for a head'
    if count >= LONG and suffix_of(relative) not in MASKS:
        return f'a series of {count} volumes'
    return None


def _decided(item: Decision, seen: Attacked, exclude: bool) -> Decision:
    remedy = f'examine it (--include), or exclude it (--exclude-failed {item.path})'
    if suffix_of(item.path) in MASKS:
        remedy = f'exclude it (--exclude-failed {item.path})'
    if seen.problem:
        action, reason = (
            REFUSE,
            f'it cannot be searched for a face: {seen.problem} You may {remedy}',
        )
    elif seen.objection:
        found = f'a face shows with certainty in {seen.certain} of {seen.views} views'
        action, reason = REFUSE, f'{found}; {remedy}'
    elif seen.views:
        found = f'it was searched for a face: {seen.certain} certain in {seen.views} views'
        action, reason = COPY, f'{item.reason}; {found}'
    else:
        action, reason = COPY, f'{item.reason}; it has few values and draws no head'
    if action == REFUSE and exclude:
        action = EXCLUDE
    return replace(item, action=action, reason=reason)


def _looked(
    paths: Mapping[str, Path], known: Path, nprocs: int, tell: Callable[[str], None]
) -> dict[str, Attacked]:
    """Attack files, unless this software attacked the same content under the same suffix."""
    software = provenance.source_digest()
    keys = {path: f'{software} {suffix_of(path)} {sha256(file)}' for path, file in paths.items()}
    results = read_looks(known)
    todo = {key: path for path, key in keys.items() if key not in results}
    if todo:
        count = counted(len(todo), 'image')
        tell(f'release: searching {count} not examined before for a face, up to a minute each')
        files = [paths[path] for path in todo.values()]
        found = _attack(files, [Target(path) for path in todo.values()], nprocs)
        results |= dict(zip(todo, found, strict=True))
        looks = _Looks({key: results[key] for key in keys.values()})
        write_text_atomic(known, metrics_file.dumps(looks))
    return {path: results[key] for path, key in keys.items()}


def _attack(paths: Sequence[Path], targets: Sequence[Target], nprocs: int) -> list[Attacked]:
    if nprocs == 1 or len(paths) == 1 or no_shared_memory():
        return list(map(attack.attack, paths, targets))
    try:
        with workers(min(nprocs, len(paths))) as pool:
            return list(pool.map(attack.attack, paths, targets))
    except BrokenProcessPool as error:
        raise FacebidsError(
            'A process that searched images for faces was killed, perhaps for lack of memory. '
            'Nothing was released. Run it again with fewer processes (--nprocs) or more memory.'
        ) from error


def read_looks(known: Path) -> dict[str, Attacked]:
    """Return the results of earlier looks, none if they cannot be read."""
    try:
        return metrics_file.loads(_Looks, known.read_bytes()).seen
    except (OSError, ValueError):
        return {}
