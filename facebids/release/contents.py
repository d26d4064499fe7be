# SPDX-License-Identifier: Apache-2.0
"""What every file of the released dataset is made of. Reads, and writes nothing."""

import gzip
import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from facebids.bids import names
from facebids.bids.metadata import METHODS
from facebids.bids.names import HeadImage
from facebids.core.record import Record
from facebids.errors import DatasetError, UnreadableImageError
from facebids.filesystem import sha256
from facebids.release import describe, headers, metadata
from facebids.release.gate import EXCLUDE, NIFTI, REPLACE, Decision
from facebids.release.metadata import Finding
from facebids.release.tree import Source

PLACE, DECOMPRESS, SCRUB = 'place', 'decompress', 'scrub'
READMES = ('README', 'README.md', 'README.rst', 'README.txt')
DESCRIPTION = 'dataset_description.json'
BESIDE = ('.json', '.bval', '.bvec')  # what describes an image, and leaves with it
TEXTS = ('.json', '.tsv')
# schema/rules/files/raw/anat.yaml of BIDS 1.11
MASK_ENTITIES = {'sub', 'ses', 'task', 'acq', 'ce', 'rec', 'run', 'mod', 'chunk'}
HEAD = 348  # bytes: the header of NIfTI-1
TABLES = re.compile(r'.*_scans\.tsv')


@dataclass(frozen=True)
class Content:
    """What a file is made of: of ``data``, or of the file ``source`` in some ``way``.

    ``PLACE`` takes it as it is, ``DECOMPRESS`` without its compression, ``SCRUB`` without what
    identifies people in the header of the image.
    """

    source: Path | None = None
    data: str | None = None
    way: str = PLACE


@dataclass
class Contents:
    """All files of the released dataset.

    Attributes
    ----------
    files
        By POSIX path relative to the dataset.
    findings
        What identifies people in the metadata, and is taken out.
    problems
        Why there must be no release: a sentence each.
    examined
        SHA-256 of the images and masks among them that the verdicts are on.
    """

    files: dict[str, Content] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    examined: dict[str, str] = field(default_factory=dict)


def assemble(
    sources: Sequence[Source], decisions: Iterable[Decision], output_dir: Path, date: str
) -> Contents:
    """Put together what the files of the release are made of.

    Parameters
    ----------
    sources
        Files of the raw dataset.
    decisions
        On those of them that may show a face.
    output_dir
        The derivative dataset, where the defaced images are.
    date
        Of the release, ``'2026-01-31'``.

    Raises
    ------
    DatasetError
        If a file of metadata cannot be read.
    """
    by_path = {decision.path: decision for decision in decisions}
    known = {source.relative: source for source in sources}
    dropped = _dropped(known, by_path.values())
    dropped |= _orphans(known, dropped)
    contents = Contents()
    for source in sources:
        decision = by_path.get(source.relative)
        if source.relative in dropped:
            continue
        if decision and decision.action == REPLACE:
            _replace(contents, source, decision.record, output_dir)
        elif NIFTI.search(source.relative):
            _add_image(contents, source)
        else:
            _add_file(contents, source, known.get(names.sidecar(source.relative)), dropped)
    replaced = [
        item.record
        for item in by_path.values()
        if item.action == REPLACE and item.path in contents.files
    ]
    for record in replaced:
        _describe_image(contents, record, known)
    modes = sorted({METHODS[record.mode] for record in replaced if was_defaced(record)})
    _describe_dataset(contents, '; '.join(modes) or 'nothing had to be replaced', date)
    _drop_people(contents.files, _people(known))
    return contents


def was_defaced(record: Record) -> bool:
    """Return whether voxels were replaced: not where an image arrived without a face."""
    return record.mode is not None and not (record.mask and record.mask.no_face)


def _dropped(paths: Collection[str], decisions: Iterable[Decision]) -> set[str]:
    """Return the files that are left out: the excluded ones and what describes them alone."""
    excluded = {item.path for item in decisions if item.action == EXCLUDE}
    stems = {NIFTI.sub('', path) for path in excluded if NIFTI.search(path)}
    return excluded | {stem + ending for stem in stems for ending in BESIDE} & set(paths)


def _orphans(paths: Collection[str], dropped: Collection[str]) -> set[str]:
    """Return the sidecars further up that describe images which are all left out.

    The validator takes a sidecar without an image for an error.
    """
    inherited = [path for path in paths if path.endswith('.json') and path not in dropped]
    gone = [path for path in dropped if NIFTI.search(path)]
    left = [path for path in paths if NIFTI.search(path) and path not in dropped]
    return {
        path
        for path in inherited
        if any(_describes(path, image) for image in gone)
        and not any(_describes(path, image) for image in left)
    }


def _describes(sidecar: str, image: str) -> bool:
    """Return whether a sidecar holds for an image (BIDS, inheritance principle)."""
    folder, slash, name = sidecar.rpartition('/')
    if not image.startswith(folder + slash):
        return False
    *entities, suffix = name.removesuffix('.json').split('_')
    *others, other_suffix = NIFTI.sub('', image.rpartition('/')[2]).split('_')
    return suffix == other_suffix and set(entities) <= set(others)


# --- images -------------------------------------------------------------------------------------


def _replace(contents: Contents, source: Source, record: Record, output_dir: Path) -> None:
    image = HeadImage.from_relative_path(source.relative)
    defaced = output_dir / names.defaced(image)
    mask = output_dir / names.mask(image)
    proof = record.provenance
    for path, key, what in (
        (source.path, 'source_sha256', 'it'),
        (defaced, 'defaced_sha256', 'the defaced image'),
        (mask, 'mask_sha256', 'the mask'),
    ):
        if not path.is_file() or sha256(path) != getattr(proof, key):
            contents.problems.append(
                f'{source.relative}: {what} changed, or went, after the attack. Run the '
                'participant level for it again.'
            )
            return
    if source.relative.endswith('.gz'):
        contents.files[source.relative] = Content(defaced)
        contents.examined[source.relative] = proof.defaced_sha256
    else:
        contents.files[source.relative] = Content(defaced, way=DECOMPRESS)
    if was_defaced(record):
        contents.files[names.raw_mask(image)] = Content(mask)
        contents.examined[names.raw_mask(image)] = proof.mask_sha256


def _add_image(contents: Contents, source: Source) -> None:
    if source.relative in contents.files:  # made for an image that was replaced before
        contents.problems.append(
            f'{source.relative}: the mask of this defacing would take its place. Leave it out by '
            f'name (--exclude-failed {source.relative}).'
        )
    try:
        found = headers.find(source.path, source.relative)
    except UnreadableImageError as error:
        contents.problems.append(
            f'{error} Or leave it out by name (--exclude-failed {source.relative}).'
        )
        return
    contents.findings += found
    contents.files[source.relative] = Content(source.path, way=SCRUB if found else PLACE)


def _describe_image(contents: Contents, record: Record, known: Collection[str]) -> None:
    """Say in its sidecar, and in that of its mask, how an image was defaced."""
    image = HeadImage.from_relative_path(record.image)
    if not was_defaced(record):
        return
    mask = names.raw_mask(image)
    if names.sidecar(mask) not in known:
        contents.files[names.sidecar(mask)] = Content(data=describe.mask_sidecar(record.mode))
    sidecar = _sidecar(image, contents.files)
    with _json(sidecar):
        text = describe.image_sidecar(_text(contents.files.get(sidecar)), record.mode)
    contents.files[sidecar] = Content(data=text)


def _sidecar(image: HeadImage, files: Collection[str]) -> str:
    """Return the sidecar of an image, or another of its folder that describes it.

    BIDS allows one in a folder to describe an image, not two (inheritance principle).
    """
    own = names.sidecar(image.relative_path)
    folder = PurePosixPath(own).parent
    if own in files:
        return own
    beside = [path for path in files if path.startswith(f'{folder}/') and path.endswith('.json')]
    return next((path for path in sorted(beside) if _describes(path, image.relative_path)), own)


# --- everything else ----------------------------------------------------------------------------


def _add_file(
    contents: Contents, source: Source, sidecar: Source | None, dropped: Collection[str]
) -> None:
    path = source.relative
    if not path.endswith(TEXTS):
        if _holds_image(source.path):
            contents.problems.append(
                f'{path}: it holds an image, whatever its name says, or is damaged. Rename it, or '
                f'leave it out by name (--exclude-failed {path}).'
            )
        contents.files[path] = Content(source.path)
        return
    before = source.path.read_bytes()
    describing = sidecar.path.read_bytes() if sidecar else None  # units of ages
    try:
        after, found = metadata.scrub(before, path, describing)
    except DatasetError as error:  # what else is in the way is told with it
        contents.problems.append(str(error))
        return
    contents.findings += found
    text = after.decode('utf-8-sig')
    if path.endswith('.json'):
        with _json(path):
            edited = describe.drop_intended(text, dropped)
    elif TABLES.fullmatch(path):
        folder, slash, _ = path.rpartition('/')
        mine = {
            item.removeprefix(folder + slash)
            for item in dropped
            if item.startswith(folder + slash)
        }
        edited = describe.drop_rows(text, 'filename', mine)
    else:
        edited = text
    unchanged = after == before and edited == text
    contents.files[path] = Content(source.path) if unchanged else Content(data=edited)


def _holds_image(path: Path) -> bool:
    """Return whether a file begins like NIfTI or DICOM (PS3.10, section 7.1), or is damaged."""
    try:
        with path.open('rb') as raw:
            start = raw.read(HEAD)
        if start.startswith(b'\x1f\x8b'):
            with gzip.open(path) as file:
                start = file.read(HEAD)
    except (OSError, EOFError, zlib.error):
        return True
    nifti = start[344:347] in (b'n+1', b'ni1') or start[4:7] in (b'n+2', b'ni2')
    return nifti or start[128:132] == b'DICM'


def _describe_dataset(contents: Contents, modes: str, date: str) -> None:
    files = contents.files
    with _json(DESCRIPTION):
        text = describe.dataset_description(_text(files.get(DESCRIPTION)), modes)
    files[DESCRIPTION] = Content(data=text)
    name = next((name for name in READMES if name in files), READMES[1])
    files[name] = Content(data=describe.readme(_text(files.get(name)) or '', modes))
    text = describe.changes(_text(files.get('CHANGES')) or '', date, modes)
    files['CHANGES'] = Content(data=text)
    if ignored := sorted({pattern for path in files for pattern in _not_in_bids(path)}):
        text = describe.bidsignore(_text(files.get('.bidsignore')) or '', ignored)
        files['.bidsignore'] = Content(data=text)


def _people(paths: Iterable[str]) -> set[str]:
    return {path.partition('/')[0] for path in paths if path.startswith('sub-')}


def _drop_people(files: dict[str, Content], people: Collection[str]) -> None:
    """Take people of whom there were files, and none is left, out of the participants."""
    text = _text(files.get('participants.tsv'))
    if text:
        edited = describe.drop_rows(text, 'participant_id', set(people) - _people(files))
        if edited != text:
            files['participants.tsv'] = Content(data=edited)


def _not_in_bids(path: str) -> list[str]:
    """Return what keeps the validator from a file that BIDS has no place for.

    It knows masks in `anat` alone, and not of single echoes, inversions or parts. Names stand
    whole: it fails to match several stars (bids-validator 3.0.2 with ignore 7.0.8).
    """
    folder = PurePosixPath(path).parent.name
    if folder == 'ct':
        return ['ct']
    if '_defacemask.' not in path:
        return []
    entities = {part.partition('-')[0] for part in PurePosixPath(path).name.split('_')[:-1]}
    return [] if folder == 'anat' and entities <= MASK_ENTITIES else [path]


def _text(content: Content | None) -> str | None:
    if content is None:
        return None
    if content.source is None:
        return content.data
    try:
        return content.source.read_bytes().decode('utf-8-sig')  # with its line ends
    except UnicodeDecodeError as error:
        raise DatasetError(
            f'{content.source}: the file is not text in UTF-8, which BIDS asks for ({error}). '
            'Convert it.'
        ) from error


@contextmanager
def _json(path: str) -> Iterator[None]:
    """Name the file in which something else than a JSON object was found."""
    try:
        yield
    except ValueError as error:
        raise DatasetError(f'{path} is no JSON object ({error}). Correct it.') from error
